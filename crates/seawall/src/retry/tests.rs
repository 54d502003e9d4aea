use std::cell::{Cell, RefCell};
use std::time::Duration;

use proptest::prelude::{prop, prop_assert, proptest};
use seawall_core::units::{Rate, Share};
use seawall_core::verdict::Seen;
use seawall_core::{Code, Instant, Verdict};

use super::*;
use crate::classify::only_if;
use crate::time::default_clock;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn by_row(outcome: &Result<u32, Seen>) -> Verdict {
    Verdict::of(outcome.as_ref().err().copied().unwrap_or(Seen::Success))
}

fn plain(attempts: u32) -> Options {
    Options { attempts, jitter: Jitter::None, base: ms(100), ..Options::default() }
}

/// Runs scripted outcomes and tells when each attempt began.
async fn scripted(
    retry: &Retry,
    effects: Effects,
    script: &[Result<u32, Seen>],
) -> (Result<u32, Error<Seen>>, Vec<Duration>) {
    let clock = default_clock();
    let (began, times) = (clock.now(), RefCell::new(Vec::new()));
    let result = retry.classified(effects, &by_row, |cx| {
        times.borrow_mut().push(clock.now().since(began));
        let outcome = script[cx.attempt() as usize - 1];
        async move { outcome }
    });
    (result.await, times.into_inner())
}

#[tokio::test(start_paused = true)]
async fn alone_it_makes_its_attempts_with_their_pauses() {
    let retry = Retry::new(plain(3)).unwrap();
    let script = [Err(Seen::ServerError), Err(Seen::NotSent), Ok(7)];
    let (result, times) = scripted(&retry, Effects::Repeatable, &script).await;
    assert_eq!((result, times), (Ok(7), vec![ms(0), ms(100), ms(300)]));
    let (result, times) = scripted(&retry, Effects::Guarded, &script).await;
    assert_eq!((result, times.len()), (Err(Error::Inner(Seen::ServerError)), 1));
    assert_eq!(Retry::new(plain(11)).unwrap_err().key, "attempts");
}

#[tokio::test(start_paused = true)]
async fn alone_it_has_a_deadline_and_shares_its_budget() {
    let budget = Budget::new(&plain(3));
    let retry = Retry::with(plain(3), ms(150), budget.clone()).unwrap();
    let stuck = retry.run(Effects::Repeatable, |_| std::future::pending::<Result<(), ()>>()).await;
    assert_eq!(stuck.unwrap_err().rejection().unwrap().code, Code::DeadlineExceeded);
    let late = scripted(&retry, Effects::Repeatable, &[Err(Seen::NotSent); 3]).await;
    assert_eq!(late.1, [ms(0), ms(100)], "the second pause would end after the deadline");
    assert_eq!(budget.spent().0, 1);
    assert!(retry.budget().withdraw(default_clock().now()));
    assert_eq!(budget.spent().0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_condition_over_request_and_outcome_lets_an_outcome_stand() {
    let retry = Retry::new(plain(3)).unwrap();
    for (urgent, expected) in [(true, 1), (false, 3)] {
        let calls = Cell::new(0);
        let condition = only_if(by_row, |outcome: Option<Result<&u32, &Seen>>, _| {
            assert_eq!(outcome, Some(Err(&Seen::ServerError)));
            !urgent
        });
        let operation = |_| {
            calls.set(calls.get() + 1);
            async { Err(Seen::ServerError) }
        };
        let result = retry.classified(Effects::Repeatable, &condition, operation).await;
        assert_eq!(result, Err(Error::Inner(Seen::ServerError)));
        assert_eq!(calls.get(), expected);
    }
    let pipeline = Pipeline::builder("x").retry(plain(3)).effects(Effects::Repeatable).build().unwrap();
    let never = only_if(by_row, |_: Option<Result<&u32, &Seen>>, _| false);
    let answer = pipeline.call().answer(&never, |_| async { Err(Seen::ServerError) }).await;
    assert_eq!((answer.attempts, answer.stop), (1, Some(Stop::Declined)));
}

#[tokio::test(start_paused = true)]
async fn a_condition_is_asked_about_an_attempt_that_was_given_up() {
    let pipeline = Pipeline::builder("x").retry(plain(3)).attempt_timeout(ms(50)).build().unwrap();
    let asked = Cell::new(0);
    let never = only_if(by_row, |outcome: Option<Result<&u32, &Seen>>, _| {
        assert_eq!(outcome, None);
        asked.set(asked.get() + 1);
        false
    });
    let call = pipeline.call().effects(Effects::Repeatable);
    let answer = call.answer(&never, |_| std::future::pending()).await;
    assert_eq!((asked.get(), answer.attempts, answer.stop), (1, 1, Some(Stop::Declined)));
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_with_what_everybody_saw_fail() {
    let adaptive = Options { adaptive: true, ..plain(2) };
    let (one, other) = (Retry::new(adaptive.clone()).unwrap(), Retry::new(adaptive).unwrap());
    let failing = [Err(Seen::ServerError); 2];
    for _ in 0..10 {
        scripted(&one, Effects::Guarded, &failing).await.0.unwrap_err();
    }
    assert_eq!(one.budget().error_share(default_clock().now()), Share::percent(100));
    let (_, times) = scripted(&one, Effects::Repeatable, &failing).await;
    assert_eq!(times, [ms(0), ms(400)]);
    let (_, times) = scripted(&other, Effects::Repeatable, &failing).await;
    assert_eq!(times, [ms(0), ms(130)], "one failure of one call is a tenth of an outage");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(one.budget().error_share(default_clock().now()), Share::percent(0));
}

#[tokio::test(start_paused = true)]
async fn nobody_listens_unless_pauses_adapt() {
    let retry = Retry::new(plain(2)).unwrap();
    let (_, times) = scripted(&retry, Effects::Repeatable, &[Err(Seen::ServerError); 2]).await;
    assert_eq!(times, [ms(0), ms(100)]);
    assert_eq!(retry.budget().error_share(default_clock().now()), Share::percent(0));
    retry.budget().heard(true, Instant::ORIGIN);
    assert_ne!(retry.budget().error_share(default_clock().now()), Share::percent(0));
}

#[tokio::test(start_paused = true)]
async fn a_servers_wait_wins_over_an_adaptive_pause() {
    let retry = Retry::new(Options { adaptive: true, ..plain(2) }).unwrap();
    let clock = default_clock();
    let (began, times) = (clock.now(), RefCell::new(Vec::new()));
    let asks = |outcome: &Result<(), ()>| match outcome {
        Ok(()) => Verdict::of(Seen::Success),
        Err(()) => Verdict::of(Seen::UnavailableForNow).after(Some(ms(3000))),
    };
    let result = retry.classified(Effects::Guarded, &asks, |_| {
        times.borrow_mut().push(clock.now().since(began));
        async { Err(()) }
    });
    result.await.unwrap_err();
    assert_eq!(times.into_inner(), [ms(0), ms(3000)]);
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    /// Law: over random outcomes of many calls, retries never exceed the share of calls plus the floor, no attempt
    /// begins after the deadline, and no pause is longer than the cap.
    #[test]
    fn retries_are_bounded_and_end_before_the_deadline(
        script in prop::collection::vec(prop::sample::select(Seen::ALL), 1..60),
        attempts in 1u32..=10,
        percent in 0u8..=100,
        floor in 1u32..5,
        adaptive in prop::bool::ANY,
        deadline in 1u64..5000,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let options = Options {
                budget: Share::percent(percent),
                floor: Rate { count: floor.try_into().unwrap(), per: Duration::from_secs(600) },
                adaptive,
                cap: ms(800),
                ..Options { base: ms(100), attempts, ..Options::default() }
            };
            let retry = Retry::with(options.clone(), ms(deadline), Budget::new(&options)).unwrap();
            let clock = default_clock();
            let (calls, sent) = (script.len(), Cell::new(0usize));
            for row in script {
                let began = clock.now();
                let last = Cell::new(began);
                let classify = |_: &Result<(), Seen>| Verdict::of(row);
                let result = retry.classified(Effects::Repeatable, &classify, |_| {
                    sent.set(sent.get() + 1);
                    let now = clock.now();
                    // A rate-limited call also waits with everybody else, up to a tenth longer so that they do not
                    // come back together; and timers are no finer than a millisecond.
                    let pause = now.since(last.replace(now));
                    assert!(pause <= ms(883), "{pause:?}");
                    assert!(now.since(began) <= ms(deadline));
                    async move { Err::<(), _>(row) }
                });
                prop_assert!(result.await.is_err());
            }
            let bound = calls as f64 * f64::from(percent) / 100.0 + f64::from(floor);
            prop_assert!((sent.get() - calls) as f64 <= bound + 1e-6);
            Ok(())
        })?;
    }
}
