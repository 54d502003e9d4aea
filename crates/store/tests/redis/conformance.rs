//! The suite every store must pass, and walks through options it does not vary.

use std::time::Duration;

use fastrand::Rng;
use seawall_core::effect::{
    Answer, Begin, Finding, Fingerprint, Keep, Key, Nature, Nonce, Operation, Outcome, Record, Resolution,
    Stamp, Token, Truth,
};
use seawall_core::store::Store;
use seawall_policy::effect::step;
use seawall_store::conformance;
use seawall_store::redis::Redis;
use seawall_store::time::Time;

use crate::server::{NOTHING, server};
use crate::{careless, wish};

/// Far ahead of the server's own time, so that it ends no record's life before the walk's clock does.
const FAR: Stamp = Stamp(4_000_000_000_000);

/// Steps of each walk: a few seconds' worth, or what the environment says.
fn steps() -> usize {
    std::env::var("SEAWALL_WALK").ok().and_then(|steps| steps.parse().ok()).unwrap_or(12_000)
}

#[tokio::test]
async fn redis_conforms() {
    let Some(server) = server(NOTHING).await else { return };
    let time = Time::manual(FAR);
    let opened = Redis::open_at(&server.url(), careless(), time.clone()).await.expect("it opens");
    let walked = conformance::walk(&opened.store, &time, 7, steps()).await;
    assert!(walked.every_answer_was_given(), "{walked:?}");
    conformance::lists(&opened.store).await;
}

#[tokio::test]
async fn whatever_the_options_are_the_script_answers_as_the_function_does() {
    let Some(server) = server(NOTHING).await else { return };
    let time = Time::manual(FAR);
    let store = Redis::open_at(&server.url(), careless(), time.clone()).await.expect("it opens").store;
    let mut rng = Rng::with_seed(23);
    let mut record: Option<Record> = None;
    let mut rights = vec![Token { epoch: 1, nonce: Nonce(1) }];
    for turn in 0..steps() {
        if turn % 40 == 0 {
            // A new effect now and then: no chain of events is too long to be told.
            record = None;
            rights.truncate(1);
        }
        time.advance(span(&mut rng));
        let key = Key::of("wide", "t", &(turn / 40).to_be_bytes(), 0);
        let operation = question(&mut rng, key, &rights);
        let expected = step(record.take(), time.now(), &operation);
        let told = store.ask(operation.clone()).await.expect("the store answers");
        assert_eq!(told.answer, expected.answer, "turn {turn}: {operation:?}");
        assert_eq!(told.notes, expected.notes, "turn {turn}: {operation:?}");
        if let Answer::Run(token) | Answer::Reconcile { token, .. } = told.answer {
            rights.push(token);
        }
        record = expected.record;
    }
}

/// Milliseconds around the places where something changes, and the far ends of what can be said.
fn span(rng: &mut Rng) -> Duration {
    let millis = [0, 1, 2, 999, 1000, 1001, 5000, 30_000, 60_000, 90_000, 3_600_000];
    match rng.u8(..) {
        0..230 => Duration::from_millis(millis[rng.usize(..7)]),
        _ => Duration::from_millis(millis[rng.usize(..millis.len())]),
    }
}

/// Up to the longest that is kept as it is said.
fn option(rng: &mut Rng, times: u32) -> Duration {
    let longest = Duration::from_millis((1 << 46) - 1);
    if rng.u8(..) == 0 { longest } else { span(rng) * times }
}

fn question(rng: &mut Rng, key: Key, rights: &[Token]) -> Operation {
    let token = rights[rights.len() - 1 - rng.usize(..rights.len().min(3))];
    let truth = if rng.bool() { Truth::Applied } else { Truth::Rejected };
    let result = rng.bool().then(|| vec![rng.u8(..); rng.usize(..3)].into());
    match rng.u8(..12) {
        0..5 => Operation::Begin(Begin {
            key,
            label: "w\u{f6}rd".into(),
            print: Fingerprint::of(&[if rng.u8(..30) == 0 { b"b" } else { b"a" }]),
            nonce: Nonce(u128::from(rng.u8(..4)) << 100),
            nature: [
                Nature::Idempotent,
                Nature::Keyed { window: option(rng, 30) },
                Nature::Queryable,
                Nature::Opaque,
            ][usize::from(key.as_bytes()[0]) % 4],
            age: (rng.u8(..4) == 0).then(|| option(rng, 1)),
            lease: option(rng, 1),
            call: option(rng, 1),
            settle: option(rng, 1),
            max_attempts: [0, 1, 3, 1000, u32::MAX][rng.usize(..5)],
            keep: Keep { result: option(rng, 10), key: option(rng, 10) },
        }),
        5 => Operation::Renew { key, token, lease: option(rng, 1) },
        6..8 => {
            let outcome = match rng.u8(..3) {
                0 => Outcome::Ended(truth, result),
                1 => Outcome::NotApplied { cooldown: span(rng) },
                _ => Outcome::Unknown { detail: "?".repeat(rng.usize(..3)).into() },
            };
            Operation::Complete { key, token, outcome }
        }
        8 => Operation::Reconcile { key, nonce: Nonce(u128::from(rng.u8(..3))), lease: option(rng, 1) },
        9..11 => {
            let finding = match rng.u8(..4) {
                0 => Finding::Ended(truth, result),
                1 => Finding::NotApplied { fenced: rng.bool() },
                _ => Finding::Unknown { detail: "".into() },
            };
            Operation::Resolve { key, token, finding }
        }
        _ if rng.bool() => Operation::Peek { key },
        _ => {
            let resolution =
                if rng.bool() { Resolution::NotApplied } else { Resolution::Ended(truth, result) };
            Operation::Force { key, by: "ana".into(), reason: "".into(), resolution }
        }
    }
}

#[tokio::test]
async fn absurd_spans_are_cut_and_nothing_overflows() {
    let Some(server) = server(NOTHING).await else { return };
    let store = crate::open(&server.url(), careless()).await;
    let forever = Duration::MAX;
    let keep = Keep { result: forever, key: forever };
    let wish =
        Begin { lease: forever, call: forever, settle: forever, keep, max_attempts: u32::MAX, ..wish(1) };
    let token = crate::run(&store, wish.clone()).await;
    assert_eq!(crate::end(&store, wish.key, token, b"done").await, Answer::Ok);
    let old = Begin { age: Some(forever), nonce: Nonce(9), ..wish };
    assert!(matches!(crate::begin(&store, old).await, Ok(Answer::Replay(..))));
}
