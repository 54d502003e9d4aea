mod flights;
mod laws;

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use seawall_core::clock::ManualClock;
use seawall_core::units::Size;
use seawall_core::verdict::Seen as Outcome;
use seawall_core::{Certainty, Class, Code, Error, Rejection, Verdict};

use super::*;
use crate::{Pipeline, breaker};

type Failed = Error<&'static str>;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn options(ttl: u64, revalidate: u64, error: u64) -> Options {
    Options {
        ttl: secs(ttl),
        stale_while_revalidate: secs(revalidate),
        stale_if_error: secs(error),
        ..Options::default()
    }
}

fn cache(options: Options) -> Cache<u32, u32> {
    Cache::new("x", options).unwrap()
}

fn later(cache: &Cache<u32, u32>, secs: u64) -> Instant {
    cache.0.clock.now() + Duration::from_secs(secs)
}

/// An operation that counts itself, takes a second, and gives its number.
fn counted(runs: &Arc<AtomicUsize>) -> impl FnOnce() -> BoxFuture + Send + 'static {
    let runs = runs.clone();
    move || {
        Box::pin(async move {
            tokio::time::sleep(secs(1)).await;
            Ok(u32::try_from(runs.fetch_add(1, Ordering::SeqCst)).unwrap())
        })
    }
}

type BoxFuture = std::pin::Pin<Box<dyn Future<Output = Result<u32, Failed>> + Send>>;

fn fails(error: Failed) -> impl FnOnce() -> BoxFuture + Send + 'static {
    move || Box::pin(async move { Err(error) })
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_made_once_and_given_again_while_it_is_fresh() {
    let (cache, runs) = (cache(options(60, 0, 0)), Arc::default());
    let first = cache.get_or_run(1, later(&cache, 9), counted(&runs)).await.unwrap();
    assert_eq!((first.value, first.source, first.age), (0, Source::Miss, Duration::ZERO));
    tokio::time::sleep(secs(59)).await;
    let again = cache.get_or_run(1, later(&cache, 9), counted(&runs)).await.unwrap();
    assert_eq!((again.value, again.source, again.age), (0, Source::Fresh, secs(59)));
    assert_eq!(cache.get(&1).unwrap().age, secs(59));
    tokio::time::sleep(secs(1)).await;
    assert_eq!(cache.get(&1), None);
    let new = cache.get_or_run(1, later(&cache, 9), counted(&runs)).await.unwrap();
    assert_eq!((new.value, new.source), (1, Source::Miss));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.entries, stats.flights), (1, 2, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn fifty_who_ask_at_once_cost_one_run_and_two_keys_cost_two() {
    let (cache, runs) = (cache(options(60, 0, 0)), Arc::default());
    let calls: Vec<_> = (0..100)
        .map(|n| {
            let (cache, operation) = (cache.clone(), counted(&runs));
            tokio::spawn(async move { cache.get_or_run(n % 2, later(&cache, 9), operation).await.unwrap() })
        })
        .collect();
    let mut sources = [0, 0];
    for call in calls {
        match call.await.unwrap().source {
            Source::Miss => sources[0] += 1,
            Source::Joined => sources[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((sources, runs.load(Ordering::SeqCst)), ([2, 98], 2));
    assert_eq!(cache.stats().joined, 98);
}

#[tokio::test(start_paused = true)]
async fn who_waits_does_so_until_its_own_deadline_and_no_longer() {
    let (cache, runs) = (cache(options(60, 0, 0)), Arc::default());
    let leader = tokio::spawn({
        let (cache, operation) = (cache.clone(), counted(&runs));
        async move { cache.get_or_run(1, later(&cache, 9), operation).await }
    });
    tokio::task::yield_now().await;
    let deadline = cache.0.clock.now() + Duration::from_millis(300);
    let late = cache.get_or_run(1, deadline, fails(Error::Inner("never run"))).await.unwrap_err();
    let rejection = late.rejection().unwrap();
    assert_eq!((rejection.code, rejection.certainty), (Code::DeadlineExceeded, Certainty::NotDone));
    assert_eq!(cache.0.clock.now(), deadline);
    assert_eq!(leader.await.unwrap().unwrap().source, Source::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_runs_out_of_time_hands_over() {
    let (cache, runs) = (cache(options(60, 0, 0)), Arc::default());
    let leader = tokio::spawn({
        let (cache, operation) = (cache.clone(), counted(&runs));
        async move { cache.get_or_run(1, cache.0.clock.now() + Duration::from_millis(500), operation).await }
    });
    tokio::task::yield_now().await;
    let next = cache.get_or_run(1, later(&cache, 9), counted(&runs)).await.unwrap();
    assert_eq!((next.value, next.source), (0, Source::Miss), "it has led, after the first gave up");
    let late = leader.await.unwrap().unwrap_err();
    assert_eq!(late.rejection().unwrap().certainty, Certainty::Unknown, "it had begun");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_everybodys_who_waited_and_is_never_kept() {
    let cache = cache(options(60, 0, 0));
    let runs = Arc::new(AtomicUsize::new(0));
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let (cache, runs) = (cache.clone(), runs.clone());
            let operation = move || async move {
                tokio::time::sleep(secs(1)).await;
                runs.fetch_add(1, Ordering::SeqCst);
                Err::<u32, Failed>(Error::Inner("down"))
            };
            tokio::spawn(async move { cache.get_or_run(1, later(&cache, 9), operation).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Err(Error::Inner("down")));
    }
    assert_eq!((runs.load(Ordering::SeqCst), cache.stats().entries, cache.stats().flights), (1, 0, 0));
    assert!(cache.get_or_run(1, later(&cache, 9), counted(&Arc::default())).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_given_at_once_while_one_caller_fetches() {
    let told: Arc<Mutex<Vec<Fact>>> = Arc::default();
    let sink = {
        let told = told.clone();
        Arc::new(move |event: Event| told.lock().unwrap().push(event.fact))
    };
    let cache = Cache::with("x", options(60, 30, 0), |_, _| 1, default_clock(), Some(sink)).unwrap();
    let runs = Arc::new(AtomicUsize::new(7));
    cache.put(1, 6);
    tokio::time::sleep(secs(70)).await;
    let asked = cache.0.clock.now();
    for _ in 0..20 {
        let stale = cache.get_or_run(1, later(&cache, 9), counted(&runs)).await.unwrap();
        assert_eq!((stale.value, stale.source, stale.age), (6, Source::StaleRevalidating, secs(70)));
    }
    assert_eq!(cache.0.clock.now(), asked, "nobody waited");
    assert_eq!(told.lock().unwrap()[0], Fact::ServedStale { age: secs(70), why: "revalidating" });
    tokio::time::sleep(secs(2)).await;
    let new = cache.get_or_run(1, later(&cache, 9), counted(&runs)).await.unwrap();
    assert_eq!((new.value, new.source, runs.load(Ordering::SeqCst)), (7, Source::Fresh, 8), "one fetched");
}

#[tokio::test(start_paused = true)]
async fn a_background_fetch_that_fails_or_hangs_leaves_the_next_one_free() {
    let cache = cache(options(60, 30, 0));
    cache.put(1, 6);
    tokio::time::sleep(secs(70)).await;
    cache.get_or_run(1, later(&cache, 9), fails(Error::Inner("down"))).await.unwrap();
    tokio::time::sleep(secs(1)).await;
    let hangs = || std::future::pending::<Result<u32, Failed>>();
    assert_eq!(cache.get_or_run(1, later(&cache, 3), hangs).await.unwrap().value, 6);
    tokio::time::sleep(secs(1)).await;
    assert_eq!(cache.stats().flights, 1);
    tokio::time::sleep(secs(3)).await;
    assert_eq!(cache.stats().flights, 0, "its caller's deadline ended it");
    let new = cache.get_or_run(1, later(&cache, 9), counted(&Arc::default())).await.unwrap();
    assert_eq!(new.source, Source::StaleRevalidating);
}

#[test]
fn without_a_runtime_a_stale_answer_is_made_anew_in_place() {
    let clock = ManualClock::new();
    let cache = Cache::with("x", options(60, 30, 0), |_, _| 1, Arc::new(clock.clone()), None).unwrap();
    cache.put(1, 6);
    clock.advance(secs(70));
    let operation = || async { Ok::<u32, Failed>(7) };
    let served = pin!(cache.get_or_run(1, clock.now() + secs(9), operation));
    let Poll::Ready(Ok(served)) = served.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nothing in it waits")
    };
    assert_eq!((served.value, served.source), (7, Source::Miss));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_bridged_with_what_was_kept() {
    let cache = cache(options(60, 0, 3600));
    let guarded = Pipeline::builder("x").breaker(breaker::Options::default()).build().unwrap();
    let ask = async |answer: Result<u32, &'static str>| {
        let guarded = guarded.clone();
        cache
            .get_or_run(1, later(&cache, 9), move || async move { guarded.run(|_| async { answer }).await })
            .await
    };
    assert_eq!(ask(Ok(6)).await.unwrap().source, Source::Miss);
    tokio::time::sleep(secs(100)).await;
    let failed = ask(Err("down")).await.unwrap();
    assert_eq!((failed.value, failed.source, failed.age), (6, Source::StaleError(Why::Error), secs(100)));
    guarded.breaker().unwrap().force_open("ann", "a test");
    assert_eq!(ask(Ok(8)).await.unwrap().source, Source::StaleError(Why::BreakerOpen));
    tokio::time::sleep(secs(3560)).await;
    assert!(ask(Ok(8)).await.is_err(), "an hour after it was fresh it is gone");
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_earnest_is_not_hidden_behind_an_old_one() {
    let cache = cache(options(60, 0, 3600));
    cache.put(1, 6);
    tokio::time::sleep(secs(100)).await;
    let gone = |outcome: &Result<u32, &str>| {
        Verdict::of(if outcome.is_ok() { Outcome::Success } else { Outcome::Invalid })
    };
    let answer = cache.classified(1, later(&cache, 9), &gone, fails(Error::Inner("404"))).await;
    assert_eq!(answer, Err(Error::Inner("404")));
    let refused = fails(Error::Rejected(Rejection::new(Code::Malformed)));
    assert!(cache.get_or_run(1, later(&cache, 9), refused).await.is_err());
    assert_eq!(gone(&Err("404")).class(), Class::Invalid);
}

#[tokio::test(start_paused = true)]
async fn those_who_joined_a_failing_flight_are_given_the_old_answer_too() {
    let cache = cache(options(60, 0, 3600));
    cache.put(1, 6);
    tokio::time::sleep(secs(100)).await;
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let cache = cache.clone();
            let operation = || async {
                tokio::time::sleep(secs(1)).await;
                Err::<u32, Failed>(Error::Inner("down"))
            };
            tokio::spawn(async move { cache.get_or_run(1, later(&cache, 9), operation).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().source, Source::StaleError(Why::Error));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_invalidated_while_it_was_fetched_is_given_to_who_waits_and_not_kept() {
    let (cache, runs) = (cache(options(60, 0, 0)), Arc::default());
    let ask = || {
        let (cache, operation) = (cache.clone(), counted(&runs));
        tokio::spawn(async move { cache.get_or_run(1, later(&cache, 9), operation).await.unwrap() })
    };
    let (leads, joins) = (ask(), ask());
    tokio::time::sleep(Duration::from_millis(500)).await;
    cache.invalidate(&1);
    let after = ask();
    assert_eq!((leads.await.unwrap().value, joins.await.unwrap().value), (0, 0));
    assert_eq!(cache.stats().entries, 0);
    assert_eq!(after.await.unwrap().value, 1, "who asks afterwards gets what was fetched afterwards");
    assert_eq!(cache.stats().entries, 1);
    cache.clear();
    assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
}

#[test]
fn a_value_that_is_too_large_reaches_who_waits_and_is_not_kept() {
    let small = Options { max_entry: Size(10), ..Options::default() };
    let cache = Cache::with("x", small, |_, value: &u32| u64::from(*value), default_clock(), None).unwrap();
    assert!(cache.put(1, 10));
    assert!(!cache.put(1, 11), "and what was there is not given in its place");
    let Turn::Lead(lead) = cache.enter(&1) else { panic!("nothing is kept") };
    let Turn::Wait(waiting) = cache.enter(&1) else { panic!("somebody leads") };
    assert!(!lead.land(11));
    let landing = pin!(waiting.landing()).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(landing, Poll::Ready(Landing::Value(11))), "{landing:?}");
    assert_eq!(cache.stats().entries, 0);
}

#[test]
fn a_large_cache_is_divided_and_a_small_one_is_not() {
    assert_eq!(cache(Options::default()).0.shelves.len(), 16);
    assert_eq!(cache(Options { max_entries: 100, ..Options::default() }).0.shelves.len(), 1);
    assert_eq!(cache(Options { max_entry: Size(16 << 20), ..Options::default() }).0.shelves.len(), 1);
    let divided = cache(Options { max_entries: 1000, ..Options::default() });
    (0..10_000).for_each(|key| _ = divided.put(key, key));
    let stats = divided.stats();
    assert!(stats.entries <= 1000 && stats.entries > 900, "{stats:?}");
    assert_eq!(stats.evicted, 10_000 - stats.entries as u64);
}
