mod hedge;
mod options;
mod shadow;

use std::cell::RefCell;
use std::sync::Mutex;

use proptest::prelude::{prop, prop_assert, proptest};
use seawall_core::units::Rate;
use seawall_core::verdict::Seen;
use seawall_core::{Certainty, Code, Effects, Verdict};

use super::*;
use crate::{breaker, bulkhead, limiter};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn by_row(outcome: &Result<u32, Seen>) -> Verdict {
    Verdict::of(outcome.as_ref().err().copied().unwrap_or(Seen::Success))
}

fn plain_retry(attempts: u32) -> retry::Options {
    retry::Options { attempts, jitter: retry::Jitter::None, base: ms(100), ..retry::Options::default() }
}

fn rate(count: u32, per: Duration) -> limiter::Options {
    limiter::Options { rate: Rate { count: count.try_into().unwrap(), per }, ..limiter::Options::default() }
}

/// Runs scripted outcomes through a pipeline and tells when each attempt began.
async fn scripted(
    p: &Pipeline,
    effects: Effects,
    script: Vec<Result<u32, Seen>>,
) -> (Result<u32, Error<Seen>>, Vec<Duration>) {
    let began = p.now();
    let times = RefCell::new(Vec::new());
    let result = p
        .call()
        .effects(effects)
        .classified(&by_row, |cx| {
            times.borrow_mut().push(p.now().since(began));
            let outcome = script[cx.attempt() as usize - 1];
            async move { outcome }
        })
        .await;
    (result, times.into_inner())
}

#[tokio::test(start_paused = true)]
async fn two_failures_and_a_success_make_three_attempts_with_their_pauses() {
    let p = Pipeline::builder("x").retry(plain_retry(3)).build().unwrap();
    let script = vec![Err(Seen::ServerError), Err(Seen::NotSent), Ok(7)];
    let (result, times) = scripted(&p, Effects::Repeatable, script).await;
    assert_eq!(result, Ok(7));
    assert_eq!(times, [ms(0), ms(100), ms(300)]);
}

#[tokio::test(start_paused = true)]
async fn the_last_outcome_is_given_back_when_attempts_are_spent() {
    let p = Pipeline::builder("x").retry(plain_retry(2)).build().unwrap();
    let (result, times) =
        scripted(&p, Effects::Repeatable, vec![Err(Seen::NotSent), Err(Seen::ServerError)]).await;
    assert_eq!(result, Err(Error::Inner(Seen::ServerError)));
    assert_eq!(times.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_told_with_its_attempt_its_pause_and_its_reason() {
    let heard: Arc<Mutex<Vec<Fact>>> = Arc::default();
    let ear = heard.clone();
    let sink: Arc<dyn Sink> = Arc::new(move |event: Event| ear.lock().unwrap().push(event.fact));
    let p = Pipeline::builder("x").retry(plain_retry(3)).sink(sink).build().unwrap();
    let script = vec![Err(Seen::ServerError), Err(Seen::RateLimited), Ok(7)];
    scripted(&p, Effects::Repeatable, script).await.0.unwrap();
    let retries: Vec<_> = heard
        .lock()
        .unwrap()
        .iter()
        .filter_map(|fact| match fact {
            Fact::Retrying { attempt, delay, class } => Some((*attempt, *delay, *class)),
            _ => None,
        })
        .collect();
    let (overloaded, limited) = (seawall_core::Class::Overloaded, seawall_core::Class::RateLimited);
    assert_eq!(retries, [(1, ms(100), overloaded), (2, ms(200), limited)]);
}

#[tokio::test(start_paused = true)]
async fn an_unclassified_error_is_unknown_and_by_default_not_repeated() {
    let calls = RefCell::new(0);
    let operation = |_| {
        *calls.borrow_mut() += 1;
        async { Err::<(), _>("lost") }
    };
    let p = Pipeline::builder("x").retry(plain_retry(3)).build().unwrap();
    assert_eq!(p.run(operation).await, Err(Error::Inner("lost")));
    assert_eq!(calls.take(), 1);
    assert_eq!(p.call().effects(Effects::Repeatable).run(operation).await, Err(Error::Inner("lost")));
    assert_eq!(calls.take(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_call_outlives_its_deadline() {
    let p = Pipeline::builder("x")
        .deadline(ms(500))
        .attempt_timeout(ms(200))
        .retry(plain_retry(9))
        .build()
        .unwrap();
    let began = p.now();
    let stuck = p.call().effects(Effects::Repeatable).run(|_| std::future::pending::<Result<(), ()>>()).await;
    let rejection = stuck.unwrap_err().rejection().cloned().unwrap();
    assert_eq!(rejection.certainty, Certainty::Unknown);
    assert_eq!(p.now().since(began), ms(500));
}

#[tokio::test(start_paused = true)]
async fn a_timed_out_attempt_is_repeated_only_where_that_is_safe() {
    let p = Pipeline::builder("x").attempt_timeout(ms(200)).retry(plain_retry(3)).build().unwrap();
    for (effects, attempts) in [(Effects::Repeatable, 3), (Effects::Billable, 1), (Effects::Guarded, 1)] {
        let answer = p
            .call()
            .effects(effects)
            .answer(&crate::classify::Plain, |_| std::future::pending::<Result<(), ()>>())
            .await;
        assert_eq!(answer.attempts, attempts);
        assert_eq!(answer.result.unwrap_err().rejection().unwrap().code, Code::AttemptTimeout);
    }
}

#[tokio::test(start_paused = true)]
async fn no_permit_is_held_during_a_backoff() {
    let one = bulkhead::Options { concurrent: 1, ..bulkhead::Options::default() };
    let p = Pipeline::builder("x").retry(plain_retry(2)).bulkhead(one).build().unwrap();
    let order: Arc<Mutex<Vec<&str>>> = Arc::default();
    let failing = {
        let (p, order) = (p.clone(), order.clone());
        tokio::spawn(async move {
            p.call()
                .effects(Effects::Repeatable)
                .run(|_| {
                    order.lock().unwrap().push("failing");
                    async { Err::<(), _>(()) }
                })
                .await
        })
    };
    tokio::task::yield_now().await;
    p.run(|_| async {
        order.lock().unwrap().push("other");
        Ok::<_, ()>(())
    })
    .await
    .unwrap();
    assert_eq!(p.now(), p.now());
    assert!(failing.await.unwrap().is_err());
    assert_eq!(*order.lock().unwrap(), ["failing", "other", "failing"]);
}

#[tokio::test(start_paused = true)]
async fn retries_spend_the_upstreams_tokens_like_everybody() {
    let p = Pipeline::builder("x")
        .retry(plain_retry(3))
        .limiter(rate(2, Duration::from_secs(1)))
        .build()
        .unwrap();
    let (_, times) = scripted(&p, Effects::Repeatable, vec![Err(Seen::ServerError); 3]).await;
    assert_eq!(times[1], ms(100));
    assert!(times[2] >= ms(1000), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_at_once_and_stands_behind_the_last_answer() {
    let p =
        Pipeline::builder("x").retry(plain_retry(9)).breaker(breaker::Options::default()).build().unwrap();
    let (result, times) = scripted(&p, Effects::Repeatable, vec![Err(Seen::ServerError); 9]).await;
    assert_eq!(times.len(), 5, "the sixth attempt meets an open breaker");
    assert_eq!(result, Err(Error::Inner(Seen::ServerError)));
    let (result, times) = scripted(&p, Effects::Repeatable, vec![Ok(1)]).await;
    assert_eq!(result.unwrap_err().rejection().unwrap().code, Code::BreakerOpen);
    assert!(times.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_429_pauses_everybody_who_shares_the_credential() {
    let p = Pipeline::builder("x").build().unwrap();
    let limited = |_: &Result<(), ()>| Verdict::of(Seen::RateLimited).after(Some(ms(700)));
    let answer = p.call().credential(1).classified(&limited, |_| async { Err::<(), _>(()) }).await;
    assert!(answer.is_err());
    let began = p.now();
    p.call().credential(2).run(|_| async { Ok::<_, ()>(()) }).await.unwrap();
    assert_eq!(p.now(), began);
    p.call().credential(1).run(|_| async { Ok::<_, ()>(()) }).await.unwrap();
    assert!(p.now().since(began) >= ms(700));
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_limit_slows_down_when_the_provider_says_so() {
    let adaptive = Some(limiter::adaptive::Options::default());
    let limiter = limiter::Options { adaptive, ..rate(1000, Duration::from_secs(1)) };
    let p = Pipeline::builder("x").limiter(limiter).build().unwrap();
    assert!((p.limits()[0].pace() - 1.0).abs() < 1e-9);
    let _ = scripted(&p, Effects::Guarded, vec![Err(Seen::RateLimited)]).await;
    assert!(p.limits()[0].pace() < 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_ban_pauses_everybody_who_comes_from_here() {
    let p = Pipeline::builder("x").build().unwrap();
    let banned = |_: &Result<(), ()>| Verdict::of(Seen::Banned).after(Some(ms(700)));
    let answer = p.call().credential(1).classified(&banned, |_| async { Err::<(), _>(()) }).await;
    assert!(answer.is_err());
    let began = p.now();
    p.call().credential(2).run(|_| async { Ok::<_, ()>(()) }).await.unwrap();
    assert!(p.now().since(began) >= ms(700));
    p.pauses().extend_everybody(ms(700));
    p.pauses().lift();
    assert_eq!(p.pauses().longest(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_lets_the_outcome_stand() {
    let tight = retry::Options {
        budget: seawall_core::units::Share::percent(0),
        floor: Rate { count: 1.try_into().unwrap(), per: Duration::from_secs(10) },
        ..plain_retry(3)
    };
    let p = Pipeline::builder("x").retry(tight).build().unwrap();
    let answer =
        p.call().effects(Effects::Repeatable).answer(&by_row, |_| async { Err(Seen::ServerError) }).await;
    assert_eq!((answer.attempts, answer.stop), (2, Some(retry::Stop::OverBudget)));
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_attempt_may_have_done_a_later_one_does_not_undo() {
    let p = Pipeline::builder("x").retry(plain_retry(2)).build().unwrap();
    let answer = p
        .call()
        .effects(Effects::Billable)
        .answer(&by_row, |cx| async move {
            Err::<u32, _>(if cx.attempt() == 1 { Seen::ServerError } else { Seen::NotSent })
        })
        .await;
    assert_eq!((answer.attempts, answer.certainty), (2, Certainty::Unknown));
    assert_eq!(answer.verdict.certainty(Effects::Billable), Certainty::NotDone);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_half_way_gives_everything_back() {
    let one = bulkhead::Options { concurrent: 1, ..bulkhead::Options::default() };
    let p = Pipeline::builder("x").bulkhead(one).breaker(breaker::Options::default()).build().unwrap();
    let stuck = tokio::spawn({
        let p = p.clone();
        async move { p.run(|_| std::future::pending::<Result<(), ()>>()).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(p.bulkhead().unwrap().load().in_flight, 1);
    stuck.abort();
    assert!(stuck.await.is_err());
    assert_eq!(p.bulkhead().unwrap().load().in_flight, 0);
    assert_eq!(p.breaker().unwrap().snapshot().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_what_was_counted() {
    let options = Options { breaker: Some(breaker::Options::default()), ..Options::default() };
    let p = Pipeline::builder("x").options(options.clone()).build().unwrap();
    for _ in 0..4 {
        let _ = scripted(&p, Effects::Guarded, vec![Err(Seen::ServerError)]).await;
    }
    p.update(Options { deadline: ms(5), ..options.clone() }).unwrap();
    let _ = scripted(&p, Effects::Guarded, vec![Err(Seen::ServerError)]).await;
    assert_eq!(p.breaker().unwrap().state(), breaker::State::Open);
    assert!(p.update(Options { deadline: Duration::ZERO, ..options }).is_err());
}

#[tokio::test(start_paused = true)]
async fn an_update_leaves_what_is_shared_with_others_alone() {
    let shared = breaker::Breaker::new("up", breaker::Options::default()).unwrap();
    let limit = limiter::Limiter::new(rate(1000, Duration::from_secs(1))).unwrap();
    let places = bulkhead::Bulkhead::new(bulkhead::Options::default()).unwrap();
    let p = Pipeline::builder("x")
        .limiter(rate(10, Duration::from_secs(1)))
        .shared_breaker(shared.clone())
        .shared_limits(vec![limit])
        .shared_bulkhead(places)
        .build()
        .unwrap();
    p.update(Options { limiter: Some(rate(20, Duration::from_secs(1))), ..Options::default() }).unwrap();
    assert_eq!(
        p.limits().iter().map(|limit| limit.options().rate.count.get()).collect::<Vec<_>>(),
        [1000, 20]
    );
    p.update(Options::default()).unwrap();
    assert_eq!(p.limits().len(), 1);
    assert!(p.bulkhead().is_some());
    shared.force_open("ann", "a test");
    assert_eq!(p.breaker().unwrap().state(), breaker::State::ForcedOpen);
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_holds_is_given_back_when_its_body_has_ended() {
    let one = bulkhead::Options { concurrent: 1, ..bulkhead::Options::default() };
    let p = Pipeline::builder("x").bulkhead(one).breaker(breaker::Options::default()).build().unwrap();
    for _ in 0..5 {
        let answer = p.call().answer(&by_row, |_| async { Ok(1) }).await;
        assert_eq!(p.bulkhead().unwrap().load().in_flight, 1);
        answer.held.cut();
        assert_eq!(p.bulkhead().unwrap().load().in_flight, 0);
    }
    assert_eq!(p.breaker().unwrap().state(), breaker::State::Open, "five cut bodies are five failures");
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256)))]
    /// Laws across policies, over whole random pipelines and random outcomes, with many callers at once: the upstream
    /// never sees more than the limit or more than the bulkhead's size; no call outlives its deadline; no operation is
    /// repeated that may not be; everything is given back in the end.
    #[test]
    fn laws_hold_over_random_pipelines(
        attempts in 1u32..6,
        limit in prop::option::of((1u32..8, 50u64..2000)),
        size in prop::option::of(1u32..4),
        with_breaker in proptest::bool::ANY,
        deadline in 50u64..5000,
        effects in prop::sample::select(Effects::ALL),
        script in prop::collection::vec((prop::sample::select(Seen::ALL), 0u64..400), 1..40),
        callers in 1usize..12,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut builder = Pipeline::builder("x").deadline(ms(deadline)).retry(plain_retry(attempts)).effects(effects);
            if let Some((count, per)) = limit {
                builder = builder.limiter(rate(count, ms(per)));
            }
            if let Some(concurrent) = size {
                builder = builder.bulkhead(bulkhead::Options { concurrent, ..bulkhead::Options::default() });
            }
            if with_breaker {
                builder = builder.breaker(breaker::Options::default());
            }
            let p = builder.build().unwrap();
            let arrivals: Arc<Mutex<Vec<Instant>>> = Arc::default();
            let inside: Arc<Mutex<(u32, u32)>> = Arc::default();
            let script = Arc::new(Mutex::new(script.into_iter().cycle()));
            let mut tasks = Vec::new();
            for _ in 0..callers {
                let (p, arrivals, inside, script) = (p.clone(), arrivals.clone(), inside.clone(), script.clone());
                tasks.push(tokio::spawn(async move {
                    let began = p.now();
                    let mut outcomes = Vec::new();
                    let seen = &mut outcomes;
                    let answer = p.call().answer(&by_row, |_| {
                        arrivals.lock().unwrap().push(p.now());
                        let (row, takes) = script.lock().unwrap().next().unwrap();
                        seen.push(row);
                        let inside = Inside::enter(inside.clone());
                        async move {
                            tokio::time::sleep(ms(takes)).await;
                            drop(inside);
                            if row == Seen::Success { Ok(1) } else { Err(row) }
                        }
                    }).await;
                    let took = p.now().since(began);
                    drop(answer);
                    (took, outcomes)
                }));
            }
            for task in tasks {
                let (took, outcomes) = task.await.unwrap();
                prop_assert!(took <= ms(deadline) + ms(2), "{took:?}");
                prop_assert!(outcomes.len() <= attempts as usize);
                for repeated in &outcomes[..outcomes.len().saturating_sub(1)] {
                    prop_assert!(Verdict::of(*repeated).may_repeat(effects), "{repeated} was repeated");
                }
            }
            if let Some((count, per)) = limit {
                let arrivals = arrivals.lock().unwrap();
                for (place, first) in arrivals.iter().enumerate() {
                    let within = arrivals[place..].iter().take_while(|at| at.since(*first) < ms(per)).count();
                    prop_assert!(within <= count as usize, "{within} > {count}");
                }
            }
            if let (Some(size), Some(bulkhead)) = (size, p.bulkhead()) {
                prop_assert!(inside.lock().unwrap().1 <= size);
                prop_assert!(bulkhead.load() == seawall_policy::bulkhead::Load::default());
            }
            Ok(())
        })?;
    }
}

struct Inside(Arc<Mutex<(u32, u32)>>);

impl Inside {
    fn enter(count: Arc<Mutex<(u32, u32)>>) -> Self {
        let mut inside = count.lock().unwrap();
        inside.0 += 1;
        inside.1 = inside.1.max(inside.0);
        drop(inside);
        Self(count)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.lock().unwrap().0 -= 1;
    }
}
