//! A hedge passes the same gates as everybody, waits at none, and never harms the first attempt.

use super::*;
use crate::hedge;

/// A pipeline that hedges after 100 ms, and what it said.
fn hedging(change: impl FnOnce(&mut Options)) -> (Pipeline, Arc<Mutex<Vec<Fact>>>) {
    let heard: Arc<Mutex<Vec<Fact>>> = Arc::default();
    let ear = heard.clone();
    let sink: Arc<dyn Sink> = Arc::new(move |event: Event| ear.lock().unwrap().push(event.fact));
    let hedge = hedge::Options { delay: hedge::Delay::Fixed(ms(100)), ..hedge::Options::default() };
    let mut options = Options { effects: Effects::Repeatable, hedge: Some(hedge), ..Options::default() };
    change(&mut options);
    (Pipeline::builder("x").options(options).sink(sink).build().unwrap(), heard)
}

fn denied(heard: &Mutex<Vec<Fact>>) -> Vec<Code> {
    let code = |fact: &Fact| match fact {
        Fact::HedgeDenied { code } => Some(*code),
        _ => None,
    };
    heard.lock().unwrap().iter().filter_map(code).collect()
}

/// The first copy takes `first`, the second `second`; both say which they were.
async fn slow(p: &Pipeline, first: u64, second: u64) -> (Result<bool, Error<()>>, Duration) {
    let began = p.now();
    let answer = p
        .run(|cx| async move {
            tokio::time::sleep(ms(if cx.is_hedge() { second } else { first })).await;
            Ok(cx.is_hedge())
        })
        .await;
    (answer, p.now().since(began))
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_gets_a_second_copy_and_the_first_answer_wins() {
    let (p, heard) = hedging(|_| {});
    assert_eq!(slow(&p, 900, 50).await, (Ok(true), ms(150)));
    assert_eq!(slow(&p, 120, 50).await, (Ok(false), ms(120)));
    assert_eq!(slow(&p, 90, 50).await, (Ok(false), ms(90)));
    let hedged = heard.lock().unwrap().iter().filter(|fact| matches!(fact, Fact::Hedged { .. })).count();
    assert_eq!(hedged, 2);
}

#[tokio::test(start_paused = true)]
async fn only_what_may_be_sent_twice_is_hedged() {
    let (p, _) = hedging(|options| options.effects = Effects::Billable);
    assert_eq!(slow(&p, 900, 50).await, (Ok(false), ms(900)));
    let (p, _) = hedging(|_| {});
    let calls = RefCell::new(0);
    let operation = |_| {
        *calls.borrow_mut() += 1;
        async {
            tokio::time::sleep(ms(900)).await;
            Ok::<_, ()>(())
        }
    };
    p.call().may_hedge(false).run(operation).await.unwrap();
    assert_eq!(calls.take(), 1);
    struct Consumed;
    impl crate::classify::Classify<(), ()> for Consumed {
        fn classify(&self, _: &Result<(), ()>) -> Verdict {
            Verdict::of(Seen::Success)
        }
        fn can_repeat(&self) -> bool {
            false
        }
    }
    p.call().classified(&Consumed, operation).await.unwrap();
    assert_eq!(calls.take(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_gate_may_deny_a_hedge_and_the_first_attempt_goes_on() {
    let full = |options: &mut Options| {
        options.bulkhead = Some(bulkhead::Options { concurrent: 1, ..bulkhead::Options::default() });
    };
    let limited = |options: &mut Options| options.limiter = Some(rate(1, Duration::from_secs(60)));
    let broke = |options: &mut Options| {
        options.retry.budget = seawall_core::units::Share::percent(0);
        options.retry.floor = Rate { count: 1.try_into().unwrap(), per: Duration::from_secs(10) };
    };
    type Change<'c> = &'c dyn Fn(&mut Options);
    let cases: [(Change<'_>, Code); 3] =
        [(&full, Code::BulkheadFull), (&limited, Code::RateLimited), (&broke, Code::RetryBudgetExhausted)];
    for (change, code) in cases {
        let (p, heard) = hedging(change);
        p.budget().withdraw(p.now());
        assert_eq!(slow(&p, 900, 50).await, (Ok(false), ms(900)), "{code}");
        assert_eq!(denied(&heard), [code]);
        if let Some(bulkhead) = p.bulkhead() {
            assert_eq!(bulkhead.load().in_flight, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_copy_waits_for_the_other_and_teaches_the_breaker() {
    let (p, _) = hedging(|options| options.breaker = Some(breaker::Options::default()));
    let answer = p
        .call()
        .classified(&by_row, |cx| async move {
            tokio::time::sleep(ms(if cx.is_hedge() { 10 } else { 400 })).await;
            if cx.is_hedge() { Err(Seen::ServerError) } else { Ok(1) }
        })
        .await;
    assert_eq!(answer, Ok(1));
    assert_eq!(p.breaker().unwrap().snapshot().failures, 1);
    assert_eq!(p.breaker().unwrap().snapshot().calls, 2);
}

#[tokio::test(start_paused = true)]
async fn the_loser_gives_its_place_back_and_says_nothing() {
    let (p, _) = hedging(|options| {
        options.bulkhead = Some(bulkhead::Options { concurrent: 2, ..bulkhead::Options::default() });
        options.breaker = Some(breaker::Options::default());
    });
    let answer = p
        .call()
        .answer(&by_row, |cx| async move {
            tokio::time::sleep(ms(if cx.is_hedge() { 10 } else { 4000 })).await;
            Ok(1)
        })
        .await;
    assert_eq!(
        p.bulkhead().unwrap().load().in_flight,
        1,
        "the winner holds its place while its body is read"
    );
    answer.held.settle();
    assert_eq!(p.bulkhead().unwrap().load().in_flight, 0);
    assert_eq!(p.breaker().unwrap().snapshot().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_copy_that_was_given_up_may_have_done_is_not_forgotten() {
    let (p, _) = hedging(|_| {});
    let answer = p
        .call()
        .answer(&by_row, |cx| async move {
            tokio::time::sleep(ms(if cx.is_hedge() { 900 } else { 200 })).await;
            Err::<u32, _>(Seen::Denied)
        })
        .await;
    assert_eq!(answer.verdict.certainty(Effects::Repeatable), Certainty::NotDone);
    assert_eq!((answer.certainty, answer.attempts), (Certainty::Unknown, 2));
}

#[tokio::test(start_paused = true)]
async fn hedges_go_by_the_pipelines_own_clock() {
    // One that stands still, an hour from where tokio's stands: nothing is ever due on it but what is due at once.
    let clock = seawall_core::clock::ManualClock::new();
    let hedge = hedge::Options { delay: hedge::Delay::Fixed(ms(100)), ..hedge::Options::default() };
    let p = Pipeline::builder("x")
        .clock(Arc::new(clock))
        .effects(Effects::Repeatable)
        .hedge(hedge)
        .build()
        .unwrap();
    let began = tokio::time::Instant::now();
    let by_copy = p
        .run(|cx| async move {
            tokio::time::sleep(ms(if cx.is_hedge() { 10 } else { 900 })).await;
            Ok::<_, ()>(cx.is_hedge())
        })
        .await;
    assert_eq!((by_copy, began.elapsed()), (Ok(true), ms(110)));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_in_the_shadow_is_told_and_not_sent() {
    let (p, heard) = hedging(|options| options.shadow = Shadow::HEDGE);
    assert_eq!(slow(&p, 900, 50).await, (Ok(false), ms(900)));
    assert!(heard.lock().unwrap().contains(&Fact::WouldHedge { after: ms(100) }));
}

#[tokio::test(start_paused = true)]
async fn hedges_end_with_the_deadline_like_everybody() {
    let (p, _) = hedging(|options| options.deadline = ms(500));
    let (answer, took) = slow(&p, 9000, 9000).await;
    assert_eq!(answer.unwrap_err().rejection().unwrap().code, Code::DeadlineExceeded);
    assert_eq!(took, ms(500));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_gets_more_time_where_it_escalates() {
    let options = Options {
        attempt: Some(ms(100)),
        escalate: 2.0,
        effects: Effects::Repeatable,
        retry: plain_retry(3),
        ..Options::default()
    };
    let p = Pipeline::builder("x").options(options).build().unwrap();
    let given = RefCell::new(Vec::new());
    let _ = p
        .run(|cx| {
            given.borrow_mut().push(cx.remaining());
            std::future::pending::<Result<(), ()>>()
        })
        .await;
    assert_eq!(given.into_inner(), [ms(100), ms(200), ms(400)]);
}
