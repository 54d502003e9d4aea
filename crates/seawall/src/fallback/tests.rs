use std::cell::RefCell;
use std::time::Duration;

use seawall_core::verdict::Seen;
use seawall_core::{Certainty, Code, Verdict};

use super::*;
use crate::breaker;

fn chain() -> Chain {
    let target = |name: &str, confidence| Target {
        pipeline: Pipeline::builder(name).breaker(breaker::Options::default()).build().unwrap(),
        confidence,
    };
    Chain::new([target("primary", 1.0), target("backup", 0.6)]).unwrap()
}

fn verdicts(outcome: &Result<u32, Seen>) -> Verdict {
    Verdict::of(outcome.as_ref().err().copied().unwrap_or(Seen::Success))
}

async fn run(
    chain: &Chain,
    effects: Effects,
    outcomes: [Result<u32, Seen>; 2],
) -> (Served<u32, Seen>, Vec<usize>) {
    let asked = RefCell::new(Vec::new());
    let deadline = chain.targets()[0].pipeline.now() + Duration::from_secs(10);
    let served = chain
        .run(
            effects,
            deadline,
            None,
            |_| verdicts,
            |_, call| call,
            |place, _| {
                asked.borrow_mut().push(place);
                let outcome = outcomes[place];
                async move { outcome }
            },
        )
        .await;
    (served, asked.into_inner())
}

#[tokio::test(start_paused = true)]
async fn the_next_is_asked_only_where_repeating_is_safe() {
    let (served, asked) = run(&chain(), Effects::Repeatable, [Err(Seen::ReplyLost), Ok(7)]).await;
    assert_eq!((served.answer.result.unwrap(), served.place, served.attempts), (7, 1, 2));
    assert_eq!(asked, [0, 1]);
    let (served, asked) = run(&chain(), Effects::Billable, [Err(Seen::ReplyLost), Ok(7)]).await;
    assert!(served.answer.result.is_err());
    assert_eq!(asked, [0]);
    let (_, asked) = run(&chain(), Effects::Once, [Err(Seen::NotSent), Ok(7)]).await;
    assert_eq!(asked, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_passed_over_without_a_call() {
    let chain = chain();
    chain.targets()[0].pipeline.breaker().unwrap().force_open("ann", "test");
    let (served, asked) = run(&chain, Effects::Once, [Ok(1), Ok(7)]).await;
    assert_eq!((served.answer.result.unwrap(), served.place), (7, 1));
    assert_eq!(asked, [1]);
    chain.targets()[1].pipeline.breaker().unwrap().force_open("ann", "test");
    let (served, asked) = run(&chain, Effects::Once, [Ok(1), Ok(7)]).await;
    assert_eq!(served.answer.result.unwrap_err().rejection().unwrap().code, Code::BreakerForcedOpen);
    assert!(asked.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_first_may_have_done_the_seconds_refusal_does_not_undo() {
    let chain = chain();
    chain.targets()[1].pipeline.breaker().unwrap().force_open("ann", "test");
    let certainty = async |first| {
        let (served, asked) = run(&chain, Effects::Billable, [Err(first), Ok(7)]).await;
        assert_eq!((asked.as_slice(), served.place), ([0].as_slice(), 1));
        served.answer.result.unwrap_err().rejection().unwrap().certainty
    };
    assert_eq!(certainty(Seen::ServerError).await, Certainty::Unknown);
    assert_eq!(certainty(Seen::NotSent).await, Certainty::NotDone);
}

#[test]
fn an_empty_chain_is_refused() {
    assert_eq!(Chain::new([]).unwrap_err().key, "to");
}
