//! In line: who goes first, who is refused, and what they notice.

use std::sync::mpsc;

use super::*;

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

/// One who waits as a task of its own, and says its name when it has passed.
fn waiter(limiter: &Limiter, key: &'static str, priority: Priority, name: u32, done: &mpsc::Sender<u32>) {
    let (limiter, done) = (limiter.clone(), done.clone());
    tokio::spawn(async move {
        if limiter.acquire_as(key, 1, priority, later(600)).await.is_ok() {
            done.send(name).unwrap();
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_more_important_go_first_and_within_a_priority_the_earlier() {
    for keyed in [false, true] {
        let options = options(1, 1000, 100, 600_000);
        let limiter = if keyed { Limiter::per_key("k", options) } else { Limiter::new(options) }.unwrap();
        limiter.try_acquire_for("k", 1).unwrap();
        let (done, passed) = mpsc::channel();
        for (name, priority) in
            [Priority::Low, Priority::Normal, Priority::High, Priority::Normal, Priority::High]
                .into_iter()
                .enumerate()
        {
            waiter(&limiter, "k", priority, name as u32, &done);
            tokio::task::yield_now().await;
        }
        assert_eq!(limiter.waiting(), 5);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(passed.try_iter().collect::<Vec<_>>(), [2, 4, 1, 3, 0], "keyed: {keyed}");
        let stats = limiter.stats();
        assert_eq!((stats.passed, stats.refused, stats.waited, stats.waiting), (6, 0, 5, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_high_call_takes_a_low_ones_place_in_a_full_queue() {
    let limiter = Limiter::new(options(1, 1000, 1, 10_000)).unwrap();
    limiter.try_acquire().unwrap();
    let low = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire_as("", 1, Priority::Low, later(60)).await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    limiter.acquire_as("", 1, Priority::High, later(60)).await.unwrap();
    assert_eq!(low.await.unwrap().unwrap_err().code, Code::QueueFull);
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_those_who_wait() {
    for key in [None, Some("k")] {
        let options = options(2, 1000, 100, 10_000);
        let limiter = Limiter::with(options, key.map(Arc::from), default_clock()).unwrap();
        limiter.try_acquire_for("k", 1).unwrap();
        let (done, passed) = mpsc::channel();
        let two = limiter.clone();
        tokio::spawn(async move {
            two.acquire_for("k", 2, later(60)).await.unwrap();
            done.send(2).unwrap();
        });
        tokio::task::yield_now().await;
        assert!(
            limiter.try_acquire_for("k", 1).is_err(),
            "there is room for one, but somebody waits for two"
        );
        tokio::time::sleep(Duration::from_millis(2300)).await;
        assert_eq!(passed.try_iter().count(), 1);
        limiter.try_acquire_for("k", 1).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_is_there_only_while_somebody_waits() {
    let limiter = Limiter::per_key("k", options(1, 1000, 100, 10_000)).unwrap();
    limiter.try_acquire_for("k", 1).unwrap();
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire_for("k", 1, later(60)).await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    assert_eq!(limiter.waiting(), 1);
    limiter.update(options(2, 1000, 100, 10_000)).unwrap();
    waiting.await.unwrap().unwrap();
    let Scope::EachKey { keys, .. } = &limiter.0.scope else { panic!("it has keys") };
    assert_eq!((limiter.waiting(), keys.lines()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_update_and_a_reset_are_noticed_by_those_who_wait() {
    for act in [0, 1, 2] {
        for key in [None, Some("k")] {
            let limiter =
                Limiter::with(options(1, 300_000, 9, 600_000), key.map(Arc::from), default_clock()).unwrap();
            limiter.try_acquire_for("k", 1).unwrap();
            let (done, passed) = mpsc::channel();
            waiter(&limiter, "k", Priority::Normal, 1, &done);
            tokio::time::sleep(Duration::from_secs(1)).await;
            match act {
                0 => limiter.reset("k"),
                1 => limiter.reset_all(),
                _ => limiter.update(options(2, 300_000, 9, 600_000)).unwrap(),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(passed.try_iter().count(), 1, "{act} {key:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reservation_waits_its_turn_and_outlives_the_key() {
    let limiter = Limiter::per_key("tenant", Options { max_keys: 1, ..burst(100, 1000, 100) }).unwrap();
    let first = limiter.reserve("a", 100, Priority::Normal, later(60)).await.unwrap();
    let started = DefaultClock.now();
    let second = limiter.reserve("a", 50, Priority::Low, later(60)).await.unwrap();
    assert!(DefaultClock.now().since(started) >= Duration::from_millis(500));
    tokio::time::sleep(Duration::from_secs(2)).await;
    limiter.try_acquire_for("b", 1).unwrap();
    assert_eq!(limiter.keys(), Some(1), "a owed nothing and was forgotten");
    first.settle(400);
    assert!(limiter.try_acquire_for("a", 1).is_err(), "its debt is counted with the crowd");
    second.settle(0);
    assert!(limiter.try_acquire_for("a", 1).is_err());
}
