use std::cell::RefCell;
use std::time::Duration;

use seawall_core::event::{Event, Fact};
use seawall_core::verdict::Seen;
use seawall_core::{Certainty, Class, Clock as _, Code, Error, Verdict};

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
) -> (Served<'_, u32, Seen>, Vec<usize>) {
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
    let chain = chain();
    let (served, asked) = run(&chain, Effects::Repeatable, [Err(Seen::ReplyLost), Ok(7)]).await;
    assert_eq!((served.answer.result.unwrap(), served.from.place, served.attempts), (7, 1, 2));
    assert_eq!(asked, [0, 1]);
    let (served, asked) = run(&chain, Effects::Billable, [Err(Seen::ReplyLost), Ok(7)]).await;
    assert!(served.answer.result.is_err());
    assert_eq!(asked, [0]);
    let (_, asked) = run(&chain, Effects::Once, [Err(Seen::NotSent), Ok(7)]).await;
    assert_eq!(asked, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_passed_over_without_a_call() {
    let chain = chain();
    chain.targets()[0].pipeline.breaker().unwrap().force_open("ann", "test");
    let (served, asked) = run(&chain, Effects::Once, [Ok(1), Ok(7)]).await;
    assert_eq!((served.answer.result.unwrap(), served.from.place), (7, 1));
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
        assert_eq!((asked.as_slice(), served.from.place), ([0].as_slice(), 1));
        served.answer.result.unwrap_err().rejection().unwrap().certainty
    };
    assert_eq!(certainty(Seen::ServerError).await, Certainty::Unknown);
    assert_eq!(certainty(Seen::NotSent).await, Certainty::NotDone);
}

#[test]
fn an_empty_chain_is_refused() {
    assert_eq!(Chain::new([]).unwrap_err().key, "to");
}

#[tokio::test(start_paused = true)]
async fn the_answer_says_who_served_how_sure_it_is_and_who_failed() {
    let chain = chain();
    let (served, _) = run(&chain, Effects::Repeatable, [Ok(1), Ok(7)]).await;
    assert_eq!((served.from.name, served.from.confidence, served.from.tried), ("primary", 1.0, 1));
    assert_eq!((served.from.failed.len(), served.certainty), (0, Certainty::Done));

    let (served, _) = run(&chain, Effects::Repeatable, [Err(Seen::ServerError), Ok(7)]).await;
    assert_eq!((served.from.name, served.from.confidence, served.from.tried), ("backup", 0.6, 2));
    let failed = served.from.failed[0];
    assert_eq!(
        (failed.name, failed.place, failed.verdict.class(), failed.code),
        ("primary", 0, Class::Overloaded, None)
    );

    chain.targets()[0].pipeline.breaker().unwrap().force_open("ann", "test");
    let (served, _) = run(&chain, Effects::Repeatable, [Ok(1), Err(Seen::Invalid)]).await;
    assert_eq!((served.from.name, served.from.confidence), ("backup", 0.0), "nobody is sure of an error");
    assert_eq!(served.from.failed[0].code, Some(Code::BreakerForcedOpen));
}

#[tokio::test(start_paused = true)]
async fn options_say_who_is_asked_and_what_moves_a_call_on() {
    let targets = || chain().targets().to_vec();
    let sure = Options { at_least: Share::percent(90), ..Options::default() };
    let sure = Chain::with(targets(), sure).unwrap();
    let (served, asked) = run(&sure, Effects::Repeatable, [Err(Seen::ServerError), Ok(7)]).await;
    assert_eq!((served.from.tried, asked.as_slice()), (1, [0].as_slice()), "the backup is not sure enough");

    let said = Options {
        confidence: vec![Share::percent(40), Share::percent(90)],
        at_least: Share::percent(50),
        ..Options::default()
    };
    let said = Chain::with(targets(), said).unwrap();
    let (served, asked) = run(&said, Effects::Once, [Ok(1), Ok(7)]).await;
    assert_eq!((served.from.confidence, asked.as_slice()), (0.9, [1].as_slice()));

    let refusals = Options { on: On::Refusal, ..Options::default() };
    let refusals = Chain::with(targets(), refusals).unwrap();
    let (_, asked) = run(&refusals, Effects::Repeatable, [Err(Seen::NotSent), Ok(7)]).await;
    assert_eq!(asked, [0], "whoever was asked has the last word");
    refusals.targets()[0].pipeline.breaker().unwrap().force_open("ann", "test");
    let (_, asked) = run(&refusals, Effects::Repeatable, [Ok(1), Ok(7)]).await;
    assert_eq!(asked, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_value_ends_the_chain_but_hides_no_doubt() {
    let chain = chain();
    let failing = [Err(Seen::ServerError), Err(Seen::ServerError)];
    let (served, _) = run(&chain, Effects::Repeatable, failing).await;
    let served = served.or_else(Share::percent(10), |error| {
        assert_eq!(*error, Error::Inner(Seen::ServerError));
        42
    });
    assert_eq!(served.answer.result, Ok(42));
    assert_eq!((served.from.name, served.from.place, served.from.confidence), ("value", 2, 0.1));
    let names: Vec<_> = served.from.failed.iter().map(|failed| failed.name).collect();
    assert_eq!(names, ["primary", "backup"]);

    let (served, _) = run(&chain, Effects::Guarded, failing).await;
    assert!(served.or_else(Share::percent(10), |_| 42).answer.result.is_err(), "it may have taken place");
    let (served, _) = run(&chain, Effects::Guarded, [Err(Seen::NotSent); 2]).await;
    assert_eq!(served.or_else(Share::percent(10), |_| 42).answer.result, Ok(42));
    let (served, _) = run(&chain, Effects::Guarded, [Ok(1); 2]).await;
    assert_eq!(served.or_else(Share::percent(10), |_| 42).answer.result, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_value_lets_the_breaker_hear_of_the_last_failure() {
    let chain = chain();
    let (served, _) = run(&chain, Effects::Repeatable, [Err(Seen::NotSent); 2]).await;
    drop(served.or_else(Share::percent(10), |_| 42));
    let failures = |place: usize| chain.targets()[place].pipeline.breaker().unwrap().snapshot().failures;
    assert_eq!((failures(0), failures(1)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn every_step_is_told() {
    let told = std::sync::Mutex::new(Vec::new());
    let sink = |event: Event| {
        if let Fact::FellBack { from, to } = event.fact {
            told.lock().unwrap().push((from, to));
        }
    };
    let chain = chain();
    let deadline = chain.targets()[0].pipeline.now() + Duration::from_secs(10);
    let operation = async |place, _| if place == 0 { Err(Seen::NotSent) } else { Ok(7) };
    chain.run(Effects::Once, deadline, Some(&sink), |_| verdicts, |_, call| call, operation).await;
    assert_eq!(told.lock().unwrap().as_slice(), [("primary".into(), "backup".into())]);
}

#[tokio::test(start_paused = true)]
async fn plain_operations_are_tried_in_turn_where_that_is_safe() {
    let all = |effects| {
        first(effects, "live", Share::percent(100), || async { Err::<u32, _>(Seen::ReplyLost) }).or(
            "stored",
            Share::percent(70),
            || async { Ok(7) },
        )
    };
    let given = all(Effects::Repeatable).run().await;
    assert_eq!((given.result, given.from.name, given.from.tried), (Ok(7), "stored", 2));
    let given = all(Effects::Guarded).or_value(Share::percent(1), |_| 0).classified(&verdicts).await;
    assert_eq!((given.result, given.from.name), (Err(Error::Inner(Seen::ReplyLost)), "live"));
    assert_eq!(given.certainty, Certainty::Unknown);
}

#[tokio::test(start_paused = true)]
async fn plain_operations_share_one_deadline() {
    let began = crate::time::DefaultClock.now();
    let slow = || async {
        tokio::time::sleep(Duration::from_secs(9)).await;
        Err::<u32, _>(Seen::NotSent)
    };
    let given = first(Effects::Repeatable, "slow", Share::percent(100), slow)
        .or("slower", Share::percent(50), slow)
        .or("never", Share::percent(50), slow)
        .within(Duration::from_secs(12))
        .run()
        .await;
    assert_eq!(crate::time::DefaultClock.now().since(began), Duration::from_secs(12));
    assert_eq!((given.from.name, given.from.tried), ("slower", 2));
    assert_eq!(given.result.unwrap_err().rejection().unwrap().code, Code::DeadlineExceeded);
    let given = first(Effects::Once, "slow", Share::percent(100), slow)
        .within(Duration::from_secs(1))
        .or_value(Share::percent(1), |_| 5)
        .run()
        .await;
    assert!(given.result.is_err());
}
