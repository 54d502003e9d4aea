//! Any bytes as an HTTP/1 answer, whole and in pieces of any size: the same answer, or none; and never more of the body
//! than its head says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall_gateway::upstream::{Answer, End, read_answer};

// How (to a HEAD, with an upgrade), the size of pieces, then what the server says.
fuzz_target!(|input: &[u8]| {
    let [how, size, bytes @ ..] = input else { return };
    let (to_head, upgrade) = (how & 1 != 0, how & 2 != 0);
    let whole = read_answer([bytes], to_head, upgrade);
    let pieces = read_answer(bytes.chunks(usize::from(*size) + 1), to_head, upgrade);
    assert_eq!(told(&whole), told(&pieces));
    let Ok(answer) = whole else { return };
    assert!(answer.body.len() + answer.surplus <= bytes.len());
    let length: Option<u64> = answer.head.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    if let (Some(length), End::Whole { .. }, false) = (length, &answer.end, to_head || answer.head.status == 304) {
        assert_eq!(answer.body.len() as u64, length);
    }
    if answer.end == (End::Whole { reusable: true }) {
        assert_eq!(answer.surplus, 0);
    }
});

fn told(read: &Result<Answer, String>) -> Option<String> {
    let answer = read.as_ref().ok()?;
    let head = format!("{} {:?} {:?}", answer.head.status, answer.head.version, answer.head.headers);
    Some(match &answer.end {
        // How much came before something was wrong depends on when it came.
        End::Cut(_) => head,
        end => format!("{head} {end:?} {:?} {:?} {}", answer.body, answer.trailers, answer.surplus),
    })
}
