//! Whatever an upstream does, nobody gets an answer to somebody else's request, and "not sent" is true.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tokio::sync::mpsc;

use super::server::*;
use crate::upstream::{Options, Sent};

/// What the server does with one request. Only what a correct server could have meant may be taken for an answer.
#[derive(Clone, Copy, Debug)]
enum Act {
    Length,
    Chunked,
    UntilClose,
    LengthThenClose,
    OneByteAtATime,
    Interim,
    NoContent,
    NoContentAndABody,
    BeforeTheBody,
    BaitInTheSameBreath,
    BaitLater,
    BaitAfterChunks,
    ShortThenClose,
    HalfAHead,
    HalfAChunk,
    BadChunk,
    TwoLengths,
    LengthAndChunks,
    Garbage,
    Hangup,
}

impl Act {
    const ALL: [Self; 20] = [
        Self::Length,
        Self::Chunked,
        Self::UntilClose,
        Self::LengthThenClose,
        Self::OneByteAtATime,
        Self::Interim,
        Self::NoContent,
        Self::NoContentAndABody,
        Self::BeforeTheBody,
        Self::BaitInTheSameBreath,
        Self::BaitLater,
        Self::BaitAfterChunks,
        Self::ShortThenClose,
        Self::HalfAHead,
        Self::HalfAChunk,
        Self::BadChunk,
        Self::TwoLengths,
        Self::LengthAndChunks,
        Self::Garbage,
        Self::Hangup,
    ];

    /// Whether an honest client gets this one whole.
    fn answers(self) -> bool {
        (self as u8) < (Self::ShortThenClose as u8)
    }
}

#[derive(Clone, Copy, Debug)]
struct Call {
    act: Act,
    body: usize,
    /// Drop the answer unread.
    careless: bool,
    /// Do not wait for the server to be done before the next request.
    hasty: bool,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let act = prop_oneof![3 => Just(Act::Length), 6 => proptest::sample::select(&Act::ALL[..])];
    let body = prop_oneof![2 => Just(0), 1 => Just(10), 1 => Just(700_000)];
    let call = (act, body, proptest::bool::weighted(0.1), proptest::bool::weighted(0.2)).prop_map(
        // Bait that crosses the next request on its way is beyond what HTTP/1 can tell apart.
        |(act, body, careless, hasty)| Call {
            act,
            body,
            careless,
            hasty: hasty && !matches!(act, Act::BaitLater),
        },
    );
    proptest::collection::vec(call, 1..40)
}

fn chunked(body: &str) -> String {
    let (a, b) = body.split_at(body.len() / 2);
    format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{a}\r\n{:X}\r\n{b}\r\n0\r\n\r\n",
        a.len(),
        b.len()
    )
}

/// One request. Whether the connection goes on.
async fn act(peer: &mut Peer, act: Act, head: &str, id: &str) -> bool {
    let bait = ok(&format!("bait after {id}"));
    if matches!(act, Act::BeforeTheBody) {
        peer.say(ok(id)).await;
    }
    if peer.body(head).await.is_none() {
        return false;
    }
    match act {
        Act::Length => peer.say(ok(id)).await,
        Act::Chunked => peer.say(chunked(id)).await,
        Act::UntilClose => {
            peer.say(format!("HTTP/1.1 200 OK\r\n\r\n{id}")).await;
            return false;
        }
        Act::LengthThenClose => {
            peer.say(ok(id)).await;
            return false;
        }
        Act::OneByteAtATime => {
            for byte in ok(id).bytes() {
                peer.say([byte]).await;
                tokio::task::yield_now().await;
            }
        }
        Act::Interim => peer.say(format!("HTTP/1.1 102 Processing\r\n\r\n{}", ok(id))).await,
        Act::NoContent => peer.say("HTTP/1.1 204 No Content\r\n\r\n").await,
        Act::NoContentAndABody => peer.say(format!("HTTP/1.1 204 No Content\r\n\r\n{bait}")).await,
        Act::BeforeTheBody => {}
        Act::BaitInTheSameBreath => peer.say(format!("{}{bait}", ok(id))).await,
        Act::BaitLater => {
            peer.say(ok(id)).await;
            tokio::time::sleep(ms(1)).await;
            peer.say(bait).await;
        }
        Act::BaitAfterChunks => peer.say(format!("{}{bait}", chunked(id))).await,
        Act::ShortThenClose => {
            peer.say(format!("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{id}")).await;
            return false;
        }
        Act::HalfAHead => {
            peer.say("HTTP/1.1 200 OK\r\ncontent-le").await;
            return false;
        }
        Act::HalfAChunk => {
            peer.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf").await;
            return false;
        }
        Act::BadChunk => {
            let body = format!("zz\r\n{bait}");
            peer.say(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}")).await;
        }
        Act::TwoLengths => {
            peer.say(format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 90\r\n\r\n{bait}"))
                .await;
        }
        Act::LengthAndChunks => {
            let body = format!("0\r\n\r\n{bait}");
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\ntransfer-encoding: chunked", body.len());
            peer.say(format!("{head}\r\n\r\n{body}")).await;
        }
        Act::Garbage => peer.say(format!("what?\r\n\r\n{bait}")).await,
        Act::Hangup => return false,
    }
    true
}

async fn run(calls: Vec<Call>) {
    let script: VecDeque<Act> = calls.iter().map(|call| call.act).collect();
    let script = Arc::new(Mutex::new(script));
    let (done, mut finished) = mpsc::unbounded_channel();
    // Other tests ask ports where nobody listens any more, and that may be this one by now.
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let ours = format!("-of-{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let (acts, mine) = (Arc::clone(&script), ours.clone());
    let server = serve(move |_, mut peer| {
        let (acts, done, mine) = (Arc::clone(&acts), done.clone(), mine.clone());
        async move {
            while let Some(head) = peer.head().await.filter(|head| head.contains(&mine)) {
                let next = acts.lock().unwrap().pop_front().expect("one act per request");
                let id = head.split(' ').nth(1).unwrap().to_owned();
                let goes_on = act(&mut peer, next, &head, &id).await;
                if !goes_on {
                    drop(peer);
                    let _ = done.send(id);
                    return;
                }
                let _ = done.send(id);
            }
        }
    })
    .await;
    let pool = pool_with(&server.url, Options { max_idle: 3, ..Options::default() });
    let mut unsent = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        let id = format!("/{number}{ours}");
        // When the request before was not seen, its act is still there.
        let expected = script.lock().unwrap().front().copied();
        let answer = send(&pool, request("POST", &id, full(vec![b'x'; call.body]))).await;
        let sent = match answer {
            Ok(answer) if call.careless => {
                drop(answer);
                Sent::Maybe
            }
            Ok(answer) => {
                let status = answer.status();
                if let Ok((body, _)) = read(answer).await {
                    let own = if status == 204 { "" } else { id.as_str() };
                    assert_eq!(body, own, "somebody else's answer");
                    assert!(expected.unwrap().answers(), "{expected:?} was taken for an answer");
                }
                Sent::Maybe
            }
            Err(error) => error.sent,
        };
        match sent {
            Sent::No => unsent.push(id),
            Sent::Maybe if call.hasty => {}
            Sent::Maybe => {
                let mine = async { while finished.recv().await.unwrap() != id {} };
                tokio::time::timeout(SOON, mine).await.expect("the server is done");
            }
        }
    }
    for id in (0..calls.len()).map(|number| format!("/{number}{ours}")) {
        let most = if unsent.contains(&id) { 0 } else { 1 };
        assert!(server.seen.count(&format!(" {id} ")) <= most, "{id} was seen more often than {most} times");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_gets_somebody_elses_answer_and_not_sent_is_true(calls in calls()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(calls));
    }
}
