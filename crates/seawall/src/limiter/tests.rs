use std::time::Duration;

use seawall_core::units::Rate;

use super::*;
use crate::time::DefaultClock;

fn options(count: u32, per_ms: u64, max: usize, wait_ms: u64) -> Options {
    Options {
        rate: Rate { count: count.try_into().unwrap(), per: Duration::from_millis(per_ms) },
        queue: Queue { max, wait: Duration::from_millis(wait_ms) },
        ..Options::default()
    }
}

fn later(secs: u64) -> Instant {
    DefaultClock.now() + Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn waiting_is_fair_and_never_exceeds_the_limit() {
    let limiter = Limiter::new(options(5, 1000, 100, 10_000)).unwrap();
    let passed: Arc<Mutex<Vec<(u32, Instant)>>> = Arc::default();
    let mut calls = Vec::new();
    for n in 0..30 {
        let (limiter, passed) = (limiter.clone(), passed.clone());
        calls.push(tokio::spawn(async move {
            limiter.acquire_for("", 1, later(60)).await.unwrap();
            passed.lock().unwrap().push((n, DefaultClock.now()));
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    let passed = passed.lock().unwrap();
    let order: Vec<u32> = passed.iter().map(|(n, _)| *n).collect();
    assert_eq!(order, (0..30).collect::<Vec<_>>());
    for (place, (_, first)) in passed.iter().enumerate() {
        let within =
            passed[place..].iter().take_while(|(_, at)| at.since(*first) < Duration::from_secs(1)).count();
        assert!(within <= 5, "{within}");
    }
    let took = passed[29].1.since(passed[0].1);
    assert!(took <= Duration::from_millis(5 * 1060), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_pass_in_time_is_told_at_once_and_when() {
    let limiter = Limiter::new(options(1, 60_000, 10, 10_000)).unwrap();
    limiter.try_acquire().unwrap();
    let started = DefaultClock.now();
    let refused = limiter.acquire_for("", 1, later(600)).await.unwrap_err();
    assert_eq!(refused.code, Code::RateLimited);
    assert!(refused.retry_after.unwrap() > Duration::from_secs(56));
    assert_eq!(DefaultClock.now(), started, "nobody waits in vain");
    assert_eq!(limiter.acquire_for("", 2, later(600)).await.unwrap_err().retry_after, None, "two never fit");
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_and_a_dropped_waiter_leaves_it() {
    let limiter = Limiter::new(options(1, 1000, 1, 10_000)).unwrap();
    limiter.try_acquire().unwrap();
    let waiter = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire_for("", 1, later(60)).await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    assert_eq!(limiter.waiting(), 1);
    assert_eq!(limiter.acquire_for("", 1, later(60)).await.unwrap_err().code, Code::QueueFull);
    waiter.abort();
    assert!(waiter.await.unwrap_err().is_cancelled());
    assert_eq!(limiter.waiting(), 0);
    limiter.acquire_for("", 1, later(60)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_keys_crowd_does_not_hold_another_up() {
    let limiter = Limiter::per_key("header:x-user", options(1, 1000, 10, 10_000)).unwrap();
    limiter.try_acquire_for("greedy", 1).unwrap();
    let greedy = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire_for("greedy", 1, later(60)).await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    limiter.try_acquire_for("modest", 1).unwrap();
    greedy.await.unwrap().unwrap();
}

#[test]
fn keys_are_bounded_and_nobody_gains_by_being_forgotten() {
    let clock = seawall_core::clock::ManualClock::new();
    let bounded = Options { max_keys: 3, ..options(1, 1000, 0, 0) };
    let limiter = Limiter::with(bounded, Some("key".into()), Arc::new(clock.clone())).unwrap();
    for key in ["a", "b", "c"] {
        limiter.try_acquire_for(key, 1).unwrap();
    }
    limiter.try_acquire_for("d", 1).unwrap();
    assert!(
        limiter.try_acquire_for("e", 1).is_err(),
        "newcomers share one line while nobody can be forgotten"
    );
    assert!(limiter.try_acquire_for("a", 1).is_err(), "and nobody was forgotten");
    assert_eq!(limiter.keys(), Some(3));
    clock.advance(Duration::from_secs(2));
    limiter.try_acquire_for("e", 1).unwrap();
    assert_eq!(limiter.keys(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_everybody_of_one_credential_and_nobody_else() {
    let pauses = Pauses::new(default_clock());
    pauses.extend(1, Duration::from_secs(3));
    let started = DefaultClock.now();
    pauses.wait_out(2, Duration::from_secs(10), later(60)).await.unwrap();
    assert_eq!(DefaultClock.now(), started);
    pauses.wait_out(1, Duration::from_secs(10), later(60)).await.unwrap();
    assert!(DefaultClock.now().since(started) >= Duration::from_secs(3));
    pauses.extend(1, Duration::from_secs(30));
    let refused = pauses.wait_out(1, Duration::from_secs(10), later(60)).await.unwrap_err();
    assert_eq!((refused.code, refused.retry_after), (Code::UpstreamPaused, Some(Duration::from_secs(30))));
    pauses.lift();
    pauses.wait_out(1, Duration::ZERO, later(60)).await.unwrap();
}
