use std::time::Duration;

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use seawall_core::clock::ManualClock;
use seawall_core::event::Channel;
use seawall_core::units::Rate;
use seawall_core::verdict::Seen;

use super::*;
use crate::time::DefaultClock;

mod waiting;

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

#[test]
fn keys_are_bounded_and_nobody_gains_by_being_forgotten() {
    let clock = ManualClock::new();
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

fn burst(count: u32, per_ms: u64, burst: u32) -> Options {
    Options { burst: burst.try_into().ok(), ..options(count, per_ms, 100, 60_000) }
}

fn manual(options: Options, per: Option<&str>) -> (Limiter, ManualClock) {
    let clock = ManualClock::new();
    (Limiter::with(options, per.map(Arc::from), Arc::new(clock.clone())).unwrap(), clock)
}

#[test]
fn an_update_keeps_what_was_used_and_changes_the_way_of_measuring() {
    let (limiter, clock) = manual(options(10, 1000, 0, 0), None);
    limiter.try_acquire_for("", 6).unwrap();
    limiter.update(options(10, 10_000, 0, 0)).unwrap();
    assert_eq!(limiter.remaining(""), 4);
    clock.advance(Duration::from_secs(5));
    assert_eq!(limiter.remaining(""), 4, "ten seconds have not gone by");
    limiter.update(burst(10, 10_000, 10)).unwrap();
    assert!((8..=9).contains(&limiter.remaining("")), "a bucket of ten would have refilled five");
    limiter.update(options(10, 1000, 0, 0)).unwrap();
    assert!(limiter.remaining("") <= 9);
    assert!(limiter.update(options(10, 0, 0, 0)).is_err());
    assert_eq!(limiter.options().rate.per, Duration::from_secs(1), "what is refused changes nothing");
}

#[test]
fn a_smaller_bound_is_reached_as_keys_come_to_rest() {
    let (limiter, clock) = manual(Options { max_keys: 100, ..options(1, 1000, 0, 0) }, Some("k"));
    (0..100).for_each(|n| drop(limiter.try_acquire_for(&n.to_string(), 1)));
    limiter.update(Options { max_keys: 10, ..options(1, 1000, 0, 0) }).unwrap();
    assert_eq!(limiter.keys(), Some(100), "all of them owe something");
    clock.advance(Duration::from_secs(2));
    for n in 0..30 {
        limiter.try_acquire_for(&format!("new {n}"), 1).ok();
    }
    assert_eq!(limiter.keys(), Some(10));
}

#[test]
fn an_estimate_is_settled_as_it_was() {
    for (options, key) in
        [(burst(100, 1000, 100), None), (options(100, 1000, 0, 0), None), (burst(100, 1000, 100), Some("k"))]
    {
        let (limiter, clock) = manual(options, key);
        let less = limiter.try_reserve("k", 60).unwrap();
        assert_eq!((less.estimate(), limiter.remaining("k")), (60, 40));
        less.settle(10);
        assert_eq!(limiter.remaining("k"), 90);
        let more = limiter.try_reserve("k", 50).unwrap();
        more.settle(250);
        assert_eq!(limiter.remaining("k"), 0);
        let refused = limiter.try_reserve("k", 1).unwrap_err();
        assert!(
            refused.retry_after >= Some(Duration::from_millis(1000)),
            "the debt is paid first: {refused:?}"
        );
        clock.advance(refused.retry_after.unwrap());
        drop(limiter.try_reserve("k", 1).unwrap());
        assert!(limiter.remaining("k") < 100, "what is dropped stays counted");
    }
}

#[test]
fn an_adaptive_limit_falls_and_recovers_and_says_so() {
    let clock = ManualClock::new();
    let (sink, heard) = Channel::bounded(20);
    let adaptive = Options { adaptive: Some(adaptive::Options::default()), ..options(100, 1000, 0, 0) };
    let told = Some((Arc::from("openai"), Arc::new(sink) as Arc<dyn Sink>));
    let limiter = Limiter::telling(adaptive.clone(), None, Arc::new(clock.clone()), told).unwrap();
    limiter.feedback(Verdict::of(Seen::Success));
    limiter.feedback(Verdict::of(Seen::RateLimited));
    limiter.feedback(Verdict::of(Seen::RateLimited));
    assert_eq!(limiter.pace(), 0.5);
    let passed = || {
        let mut passed = 0;
        for _ in 0..1000 {
            clock.advance(Duration::from_millis(1));
            passed += u32::from(limiter.try_acquire().is_ok());
        }
        passed
    };
    let slow = passed();
    assert!((45..=51).contains(&slow), "{slow}");
    for _ in 0..10 {
        clock.advance(Duration::from_secs(1));
        limiter.feedback(Verdict::of(Seen::Success));
    }
    assert_eq!(limiter.pace(), 1.0);
    assert!(passed() >= 95);
    let shares: Vec<_> = heard.try_iter().map(|event| event.fact).collect();
    assert_eq!(shares.len(), 11);
    assert!(matches!(shares[0], Fact::PaceChanged { share: 0.5, .. }), "{shares:?}");
    let (plain, _) = manual(options(100, 1000, 0, 0), None);
    plain.feedback(Verdict::of(Seen::RateLimited));
    assert_eq!(plain.pace(), 1.0, "only where it was asked for");
    assert!(Limiter::per_key("user", adaptive).unwrap_err().message.contains("per key"));
}

#[test]
fn what_the_provider_has_left_is_not_exceeded() {
    let (limiter, clock) = manual(options(100, 1000, 0, 0), None);
    let said = |remaining, secs| RateLimit { limit: None, remaining, reset: Duration::from_secs(secs) };
    limiter.learn(&said(0, 3));
    let refused = limiter.try_acquire().unwrap_err();
    assert_eq!(refused.retry_after, Some(Duration::from_secs(3)));
    assert_eq!(limiter.remaining(""), 0);
    clock.advance(Duration::from_secs(4));
    limiter.try_acquire().unwrap();
    limiter.learn(&said(10, 10));
    let mut passed = 0;
    for _ in 0..999 {
        clock.advance(Duration::from_millis(10));
        passed += u32::from(limiter.try_acquire().is_ok());
    }
    assert!((9..=10).contains(&passed), "{passed}");
    clock.advance(Duration::from_secs(1));
    limiter.try_acquire_for("", 100).unwrap();
}

#[test]
fn tenants_cannot_starve_each_other() {
    let clock = ManualClock::new();
    let tiered = Tiered::with(&Tiers::default(), &(Arc::new(clock.clone()) as Arc<dyn Clock>)).unwrap();
    for (operation, count) in [("search", 30), ("embed", 60), ("transform", 10), ("health", 10)] {
        let greedy = (0..100).filter(|_| tiered.try_acquire(operation, "greedy").is_ok()).count();
        assert_eq!(greedy, count, "{operation}");
        tiered.try_acquire(operation, "modest").unwrap();
        assert_eq!(tiered.remaining(operation, "modest"), Some(count as u32 - 1));
    }
    let unknown = tiered.try_acquire("delete", "modest").unwrap_err();
    assert_eq!(unknown.code, Code::NoSuchThing);
    assert!(unknown.reason.contains("embed, health, search, transform"), "{}", unknown.reason);
    clock.advance(Duration::from_secs(70));
    tiered.try_acquire("health", "greedy").unwrap();
}

#[test]
fn a_total_is_shared_by_tenants_and_an_operation_without_a_tier_may_have_one() {
    let tier = Tier { rate: "90/min".parse().unwrap(), burst: None, total: 100.try_into().ok() };
    let tiers = Tiers { otherwise: Some(tier), ..Tiers::default() };
    let tiered = Tiered::new(&tiers).unwrap();
    let all = |tenant| (0..200).filter(|_| tiered.try_acquire("delete", tenant).is_ok()).count();
    assert_eq!(all("greedy"), 80, "four fifths, though it may have ninety");
    assert!(all("another") >= 15);
    tiered.try_acquire("delete", "modest").unwrap().give_back();
    tiered.try_acquire("delete", "modest").unwrap();
    assert!(tiered.try_acquire("list", "greedy").is_ok(), "each operation is counted apart");
    assert!(tiered.stats("delete").unwrap().refused > 0);
    let absurd = "x".repeat(1_000_000);
    assert!(tiered.try_acquire(&absurd, &absurd).is_ok());
}

#[test]
fn absurd_arguments_are_refused_and_nothing_grows() {
    for key in [None, Some("k")] {
        let (limiter, clock) = manual(Options { max_keys: 100, ..options(5, 1000, 0, 0) }, key);
        assert!(limiter.try_acquire_for("", u32::MAX).unwrap_err().retry_after.is_none());
        let (long, longer) = ("k".repeat(1_000_000), "k".repeat(1_000_001));
        limiter.try_acquire_for(&long, 5).unwrap();
        assert!(limiter.try_acquire_for(&longer, 1).is_err(), "only the first 256 bytes tell keys apart");
        for n in 0..10_000 {
            limiter.try_acquire_for(&format!("garbage {n}"), 1).ok();
        }
        assert!(limiter.keys().is_none_or(|keys| keys == 100));
        limiter.try_acquire_for("\u{1F980}", 0).ok();
        for jump in [Duration::from_secs(u64::from(u32::MAX)), Duration::from_nanos(u64::MAX / 2)] {
            clock.advance(jump);
            limiter.try_acquire_for("k", 5).unwrap();
            assert!(limiter.try_acquire_for("k", 1).is_err());
        }
        clock.advance(Duration::MAX);
        assert!(
            (0..1000).filter(|_| limiter.try_acquire_for("k", 1).is_ok()).count() <= 10,
            "time went back"
        );
    }
    for wrong in [
        options(1, 0, 0, 0),
        Options { max_keys: 0, ..Options::default() },
        burst(1, 31_536_000_000, u32::MAX),
    ] {
        assert!(Limiter::new(wrong).is_err());
    }
    let fastest = Options {
        rate: Rate { count: 4_000_000_000.try_into().unwrap(), per: Duration::from_millis(1) },
        ..Options::default()
    };
    Limiter::new(fastest).unwrap().try_acquire_for("", 4_000_000_000).unwrap();
}

#[test]
fn threads_together_pass_exactly_the_limit() {
    for (options, key) in [
        (options(1000, 60_000, 0, 0), None),
        (burst(1000, 60_000, 1000), None),
        (burst(1000, 60_000, 1000), Some("k")),
        (options(1000, 60_000, 0, 0), Some("k")),
    ] {
        let (limiter, _) = manual(options, key);
        let passed: usize = std::thread::scope(|scope| {
            let work = || {
                (0..2000)
                    .filter(|n| {
                        if n % 100 == 0 {
                            limiter.remaining("k");
                        }
                        match limiter.try_acquire_for("k", 1) {
                            Ok(taken) if n % 7 == 0 => {
                                taken.give_back();
                                false
                            }
                            Ok(_) => true,
                            Err(_) => false,
                        }
                    })
                    .count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 1000, "{key:?}");
        assert_eq!(limiter.remaining("k"), 0);
        assert!(limiter.stats().passed >= 1000);
    }
}

proptest! {
    /// The bucket is governor's: the same quota and the same arrivals give the same decisions.
    #[test]
    fn a_bucket_decides_as_governor_does(
        interval in 1u64..5_000_000,
        size in 1u32..50,
        keyed in any::<bool>(),
        arrivals in prop::collection::vec((0u64..20_000_000, 1u32..10), 1..300),
    ) {
        use governor::{Quota, RateLimiter, clock::FakeRelativeClock};
        let theirs_clock = FakeRelativeClock::default();
        let most = std::num::NonZeroU32::new(size).unwrap();
        let quota = Quota::with_period(Duration::from_nanos(interval)).unwrap().allow_burst(most);
        let theirs = RateLimiter::direct_with_clock(quota, theirs_clock.clone());
        // A second of so many intervals is no whole number of them: a rate of one in each.
        let per = Duration::from_nanos(interval * 1_000_000);
        let options = Options {
            rate: Rate { count: 1_000_000.try_into().unwrap(), per },
            burst: Some(most),
            ..Options::default()
        };
        let (ours, ours_clock) = manual(options, keyed.then_some("k"));
        for (pause, n) in arrivals {
            theirs_clock.advance(Duration::from_nanos(pause));
            ours_clock.advance(Duration::from_nanos(pause));
            let theirs = theirs.check_n(n.try_into().unwrap());
            let ours = ours.try_acquire_for("k", n);
            match (&theirs, &ours) {
                (Ok(Ok(())), Ok(_)) => {}
                (Ok(Err(_)), Err(refused)) => prop_assert!(refused.retry_after.is_some()),
                (Err(_), Err(refused)) => prop_assert_eq!(refused.retry_after, None),
                _ => prop_assert!(false, "{theirs:?} and {ours:?} of {n}"),
            }
        }
    }
}
