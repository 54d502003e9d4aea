//! A call is dropped at every place where it can be, and afterwards nothing is missing.
//!
//! What is back: places in the bulkhead, places in every queue, a breaker's probes, and the tokens of every limit but
//! those of attempts that left, which the upstream has seen. What stays counted: a retry that was scheduled, so that
//! callers who go away in the middle of a pause cannot make the budget forget what they began.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall::breaker::State;
use seawall::classify::Plain;
use seawall::fallback::{Chain, Target};
use seawall::limiter::Limiter;
use seawall::pipeline::Builder;
use seawall::{Cx, Effects, Error, Pipeline, Verdict, breaker, bulkhead, limiter, retry};
use seawall_core::Instant;
use seawall_core::units::Rate;
use seawall_core::verdict::Seen;
use support::{at_every_poll, cut, in_paused_time, ms};

const HOUR: Duration = Duration::from_secs(3600);

/// A pipeline, and when operations left through it.
#[derive(Clone)]
struct Way {
    pipeline: Pipeline,
    left: Arc<Mutex<Vec<Instant>>>,
}

/// The call that will be dropped, the ways it may take, and others who are about.
struct World {
    call: Pin<Box<dyn Future<Output = ()>>>,
    ways: Vec<Way>,
}

impl Way {
    fn new(builder: Builder) -> Self {
        Self { pipeline: builder.build().unwrap(), left: Arc::default() }
    }

    /// An operation that leaves, takes its time and ends as the script says.
    async fn leave(&self, cx: Cx, takes: Duration, outcome: Result<(), Seen>) -> Result<(), Seen> {
        self.left.lock().unwrap().push(cx.began());
        tokio::time::sleep(takes / 2).await;
        tokio::time::sleep(takes / 2).await;
        outcome
    }

    /// A call whose attempts end as the script says.
    async fn call(&self, takes: Duration, script: &[Result<(), Seen>]) -> Result<(), Error<Seen>> {
        let attempt = |cx: Cx| {
            let outcome = script[cx.attempt() as usize - 1];
            self.leave(cx, takes, outcome)
        };
        self.pipeline.call().effects(Effects::Repeatable).classified(&by_row, attempt).await
    }

    /// Somebody else, who takes as long.
    fn meanwhile(&self, takes: Duration) {
        let way = self.clone();
        tokio::spawn(async move { way.call(takes, &[Ok(())]).await.unwrap() });
    }

    fn in_a_world(self, takes: Duration, script: &'static [Result<(), Seen>]) -> World {
        let way = self.clone();
        let call = Box::pin(async move { way.call(takes, script).await.unwrap() });
        World { call, ways: vec![self] }
    }

    /// Nothing is missing, and the next one gets through.
    async fn is_whole(&self) {
        let Self { pipeline, left } = self;
        if let Some(bulkhead) = pipeline.bulkhead() {
            assert_eq!(bulkhead.load(), Default::default());
        }
        for limit in pipeline.limits() {
            assert_eq!(limit.waiting(), 0);
            let (now, Rate { count, per }) = (pipeline.now(), limit.options().rate);
            let since = |span| left.lock().unwrap().iter().filter(|at| now.since(**at) < span).count();
            // A window forgets in steps of a twentieth.
            let (most, least) = (count.get() - since(per) as u32, count.get() - since(per + per / 20) as u32);
            let remaining = limit.remaining("");
            assert!((least..=most).contains(&remaining), "{remaining} is not within {least}..={most}");
        }
        if let Some(breaker) = pipeline.breaker() {
            breaker.try_acquire().expect("a probe's place is free").ignore();
        }
        let (spent, allowed) = pipeline.budget().spent();
        assert!(spent <= allowed, "{spent} retries of {allowed}");
        self.call(ms(1), &[Ok(())]).await.unwrap();
    }
}

fn by_row(outcome: &Result<(), Seen>) -> Verdict {
    Verdict::of(outcome.err().unwrap_or(Seen::Success))
}

fn built() -> Builder {
    Pipeline::builder("cut")
        .breaker(breaker::Options::default())
        .bulkhead(places(4))
        .limiter(limit(10, HOUR))
        .retry(pauses_of(ms(100)))
}

fn pauses_of(base: Duration) -> retry::Options {
    retry::Options { attempts: 4, base, jitter: retry::Jitter::None, ..retry::Options::default() }
}

fn places(concurrent: u32) -> bulkhead::Options {
    bulkhead::Options { concurrent, ..bulkhead::Options::default() }
}

fn limit(count: u32, per: Duration) -> limiter::Options {
    let queue = limiter::Queue { wait: 3 * per, ..limiter::Queue::default() };
    limiter::Options { rate: Rate { count: count.try_into().unwrap(), per }, queue, ..Default::default() }
}

/// Drops the world's call at every poll; it must take more than `least` polls, or it did not wait where it should.
fn whole_wherever_it_is_dropped(least: usize, world: impl AsyncFn() -> World) {
    let dropped = at_every_poll(async |polls, way| {
        let World { call, ways } = world().await;
        // Those who are about take their places first.
        tokio::task::yield_now().await;
        let ended = cut(call, polls, way).await.is_some();
        for way in &ways {
            let waiting = way.pipeline.bulkhead().map_or(0, |bulkhead| bulkhead.load().waiting);
            assert_eq!(waiting, 0, "dropped after {polls} polls it is still in the queue");
        }
        tokio::time::sleep(ms(400)).await;
        for way in &ways {
            way.is_whole().await;
        }
        ended
    });
    assert!(dropped >= 2 * least, "{dropped}");
}

#[test]
fn between_attempts_and_within_them() {
    const SCRIPT: &[Result<(), Seen>] = &[Err(Seen::NotSent), Err(Seen::ServerError), Ok(())];
    whole_wherever_it_is_dropped(9, async || Way::new(built()).in_a_world(ms(20), SCRIPT));
}

#[test]
fn waiting_for_a_token() {
    whole_wherever_it_is_dropped(3, async || {
        let way = Way::new(built().limiter(limit(2, ms(250))));
        way.meanwhile(ms(10));
        way.meanwhile(ms(10));
        way.in_a_world(ms(20), &[Ok(())])
    });
}

#[test]
fn waiting_behind_somebody_who_waits_for_a_token() {
    whole_wherever_it_is_dropped(4, async || {
        let way = Way::new(built().limiter(limit(1, ms(100))));
        way.meanwhile(ms(10));
        way.meanwhile(ms(10));
        way.in_a_world(ms(20), &[Ok(())])
    });
}

#[test]
fn waiting_for_the_second_limit_with_a_token_of_the_first() {
    whole_wherever_it_is_dropped(3, async || {
        let limits = [limit(10, HOUR), limit(1, ms(100))].map(|options| Limiter::new(options).unwrap());
        let way = Way::new(built().shared_limits(limits.into()));
        way.meanwhile(ms(10));
        way.in_a_world(ms(20), &[Ok(())])
    });
}

#[test]
fn waiting_for_a_place() {
    whole_wherever_it_is_dropped(3, async || {
        let way = Way::new(built().bulkhead(places(1)));
        way.meanwhile(ms(50));
        way.in_a_world(ms(20), &[Ok(())])
    });
}

#[test]
fn waiting_for_a_place_and_then_for_another_token() {
    whole_wherever_it_is_dropped(4, async || {
        let way = Way::new(built().bulkhead(places(1)).limiter(limit(2, ms(100))));
        way.meanwhile(ms(50));
        let other = way.clone();
        // Takes the second token while the call stands in the bulkhead's queue without one.
        let other = async move {
            tokio::time::sleep(ms(20)).await;
            other.pipeline.limits()[0].try_acquire().map(drop).unwrap();
            other.left.lock().unwrap().push(other.pipeline.now());
        };
        tokio::spawn(other);
        way.in_a_world(ms(20), &[Ok(())])
    });
}

#[test]
fn as_a_probe() {
    whole_wherever_it_is_dropped(2, async || {
        let way = Way::new(built());
        way.pipeline.breaker().unwrap().half_open("a test", "to be the probe");
        way.in_a_world(ms(20), &[Ok(())])
    });
}

#[test]
fn as_a_probe_that_has_to_wait_for_everything_first() {
    whole_wherever_it_is_dropped(5, async || {
        let way = Way::new(built().bulkhead(places(1)).limiter(limit(1, ms(100))));
        let (limit, place) =
            (way.pipeline.limits().remove(0), way.pipeline.bulkhead().unwrap().try_acquire().unwrap());
        limit.try_acquire().map(drop).unwrap();
        way.left.lock().unwrap().push(way.pipeline.now());
        way.pipeline.breaker().unwrap().half_open("a test", "to be the probe");
        way.pipeline.pauses().extend(0, ms(30));
        tokio::spawn(async move {
            tokio::time::sleep(ms(200)).await;
            drop(place);
        });
        way.in_a_world(ms(20), &[Ok(())])
    });
}

#[test]
fn while_the_upstream_is_paused() {
    whole_wherever_it_is_dropped(3, async || {
        let way = Way::new(built());
        way.pipeline.pauses().extend(0, ms(70));
        way.in_a_world(ms(20), &[Ok(())])
    });
}

#[test]
fn while_an_attempt_runs_out_of_time() {
    whole_wherever_it_is_dropped(6, async || {
        let way = Way::new(built().attempt_timeout(ms(30)));
        let own = way.clone();
        let call = Box::pin(async move {
            let attempt = |cx: Cx| {
                let takes = if cx.attempt() < 3 { HOUR } else { ms(20) };
                own.leave(cx, takes, Ok(()))
            };
            own.pipeline.call().effects(Effects::Repeatable).run(attempt).await.unwrap();
        });
        World { call, ways: vec![way] }
    });
}

#[test]
fn on_its_way_from_one_target_to_the_next() {
    whole_wherever_it_is_dropped(6, async || {
        let busy = Way::new(built().bulkhead(places(1)).retry(retry::Options::off()));
        let backup = Way::new(built().bulkhead(places(1)));
        busy.meanwhile(ms(50));
        backup.meanwhile(ms(90));
        let ways = vec![busy, backup];
        let target = |way: &Way| Target { pipeline: way.pipeline.clone(), confidence: 1.0 };
        let chain = Chain::new(ways.iter().map(target).collect::<Vec<_>>()).unwrap();
        let own = ways.clone();
        let call = Box::pin(async move {
            let deadline = own[0].pipeline.now() + HOUR;
            let each = |place: usize, cx| {
                let outcome = if place == 0 { Err(Seen::ReplyLost) } else { Ok(()) };
                own[place].leave(cx, ms(20), outcome)
            };
            let served =
                chain.run(Effects::Repeatable, deadline, None, |_| Plain, |_, call| call, each).await;
            assert_eq!(served.from.place, 1);
            served.answer.result.unwrap();
            served.answer.held.settle();
        });
        World { call, ways }
    });
}

#[test]
fn as_a_probe_with_its_answer_still_being_read() {
    whole_wherever_it_is_dropped(4, async || {
        let way = Way::new(built());
        way.pipeline.breaker().unwrap().half_open("a test", "to be the probe");
        let own = way.clone();
        let call = Box::pin(async move {
            let attempt = |cx| own.leave(cx, ms(20), Ok(()));
            let answer = own.pipeline.call().answer(&by_row, attempt).await;
            tokio::time::sleep(ms(30)).await;
            tokio::time::sleep(ms(30)).await;
            answer.held.settle();
        });
        World { call, ways: vec![way] }
    });
}

#[test]
fn a_retry_that_was_scheduled_stays_counted_when_its_caller_goes_away() {
    in_paused_time(async {
        let way = Way::new(built());
        let call = way.call(ms(0), &[Err(Seen::NotSent), Ok(())]);
        let _ = tokio::time::timeout(ms(50), call).await.expect_err("its pause is longer");
        assert_eq!(way.pipeline.budget().spent().0, 1);
    });
}

/// A panic unwinds through everything the call holds, and says nothing about the upstream.
#[test]
fn a_panic_in_the_operation_leaves_the_pipeline_usable() {
    for half_open in [false, true] {
        for place in ["before its first await", "after it", "while its future is made"] {
            in_paused_time(async {
                let way = Way::new(built().bulkhead(places(1)));
                let breaker = way.pipeline.breaker().unwrap();
                if half_open {
                    breaker.half_open("a test", "to be the probe");
                }
                let before = breaker.snapshot();
                let own = way.clone();
                let fails = tokio::spawn(async move {
                    let operation = |cx: Cx| {
                        own.left.lock().unwrap().push(cx.began());
                        assert!(place != "while its future is made", "boom");
                        async move {
                            assert!(place != "before its first await", "boom");
                            tokio::time::sleep(ms(5)).await;
                            panic!("boom");
                        }
                    };
                    own.pipeline.run::<(), (), _, _>(operation).await
                });
                assert!(fails.await.unwrap_err().is_panic(), "{place}");
                let after = breaker.snapshot();
                assert_eq!((after.state, after.failures), (before.state, before.failures), "{place}");
                way.is_whole().await;
            });
        }
    }
}

/// And so does a panic in a classifier of the user's.
#[test]
fn a_panic_in_a_classifier_leaves_the_pipeline_usable() {
    in_paused_time(async {
        let way = Way::new(built().bulkhead(places(1)));
        let own = way.clone();
        let fails = tokio::spawn(async move {
            let classify = |_: &Result<(), Seen>| -> Verdict { panic!("boom") };
            let attempt = |cx| own.leave(cx, ms(5), Ok(()));
            own.pipeline.call().classified(&classify, attempt).await
        });
        assert!(fails.await.unwrap_err().is_panic());
        assert_eq!(way.pipeline.breaker().unwrap().state(), State::Closed);
        way.is_whole().await;
    });
}
