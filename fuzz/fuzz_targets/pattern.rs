//! Two patterns and a path: patterns overlap exactly when some path matches both.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall_gateway::route::Pattern;

/// Most bytes make no pattern, so a byte may also stand for a whole segment.
const SEGMENTS: [&str; 8] = ["a", "b", "", "*", "**", "%2f", "..", "a*"];

fuzz_target!(|input: &[u8]| {
    let Some((how, rest)) = input.split_first() else { return };
    let mut lines = rest.splitn(3, |byte| *byte == b'\n').map(|line| match how % 2 {
        0 => String::from_utf8_lossy(line).into_owned(),
        _ => line.iter().map(|byte| ["/", SEGMENTS[usize::from(byte % 8)]].concat()).collect(),
    });
    let mut next = || lines.next().unwrap_or_default();
    let (one, other, path) = (next(), next(), next());
    let (Ok(a), Ok(b)) = (one.parse::<Pattern>(), other.parse::<Pattern>()) else { return };

    assert_eq!(a.to_string(), one);
    let overlap = a.overlaps(&b);
    assert_eq!(overlap, b.overlaps(&a), "{a} {b}");
    assert!(overlap || !(a.matches(&path) && b.matches(&path)), "{a} {b} {path}");

    let witness = witness(&one, &other);
    let found = a.matches(&witness) && b.matches(&witness);
    assert_eq!(overlap, found, "{a} {b} {witness}");
});

/// The path that matches both if any does: at each place the word that one of them asks for.
fn witness(one: &str, other: &str) -> String {
    let (mut ours, mut theirs) = (one.split('/').skip(1), other.split('/').skip(1));
    let mut path = String::new();
    loop {
        let word = match (ours.next(), theirs.next()) {
            (None, None) => return path,
            (Some("*"), None | Some("*" | "**")) | (None | Some("**"), Some("*")) => "x",
            (Some("**"), None | Some("**")) | (None, Some("**")) => return path,
            (Some("*" | "**") | None, Some(word)) | (Some(word), _) => word,
        };
        path = [path, "/".into(), word.into()].concat();
    }
}
