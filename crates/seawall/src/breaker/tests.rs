use proptest::prelude::{prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy;
use seawall_core::clock::ManualClock;

use super::*;

fn breaker(clock: &ManualClock) -> Breaker {
    with(clock, Options::default())
}

fn with(clock: &ManualClock, options: Options) -> Breaker {
    Breaker::with("x", options, Arc::new(clock.clone()), None).unwrap()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn fail(b: &Breaker, times: usize) {
    for _ in 0..times {
        b.try_acquire().unwrap().failure();
    }
}

#[test]
fn it_stands_alone_on_a_clock_of_ones_own() {
    let clock = ManualClock::new();
    let b = breaker(&clock);
    for _ in 0..5 {
        b.try_acquire().unwrap().failure();
    }
    let refused = b.try_acquire().unwrap_err();
    assert_eq!((refused.code, refused.retry_after), (Code::BreakerOpen, Some(Duration::from_secs(60))));
    clock.advance(Duration::from_secs(60));
    drop(b.try_acquire().unwrap());
    b.try_acquire().unwrap().success();
    b.try_acquire().unwrap().success();
    assert_eq!(b.state(), State::Closed);
}

#[test]
fn racing_clones_share_one_probe() {
    let clock = ManualClock::new();
    let b = breaker(&clock);
    for _ in 0..5 {
        b.try_acquire().unwrap().failure();
    }
    clock.advance(Duration::from_secs(60));
    let admitted = std::thread::scope(|scope| {
        let racers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| b.clone().try_acquire().map(std::mem::forget).is_ok())).collect();
        racers.into_iter().filter(|_| true).map(|racer| racer.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(admitted, 1);
}

#[test]
fn levers_say_who_and_why_and_are_told() {
    let clock = ManualClock::new();
    let heard: Arc<Mutex<Vec<Fact>>> = Arc::default();
    let ear = heard.clone();
    let sink: Arc<dyn Sink> = Arc::new(move |event: Event| ear.lock().unwrap().push(event.fact));
    let b = Breaker::with("x", Options::default(), Arc::new(clock), Some(sink)).unwrap();
    b.force_open("ann", "maintenance");
    assert_eq!(b.try_acquire().unwrap_err().code, Code::BreakerForcedOpen);
    assert_eq!(b.snapshot().held_by.unwrap().by.as_ref(), "ann");
    b.reset("ann", "done");
    assert_eq!(b.snapshot().held_by, None);
    let heard = heard.lock().unwrap();
    assert!(matches!(&heard[0], Fact::Lever { action: "force-open", by, .. } if by.as_ref() == "ann"));
    assert!(matches!(heard[1], Fact::BreakerMoved { to: "forced-open", .. }));
    assert!(matches!(heard[3], Fact::BreakerMoved { to: "closed", .. }));
}

#[test]
fn a_lever_with_an_end_shows_it_and_lets_go_by_itself() {
    let clock = ManualClock::new();
    let b = breaker(&clock);
    b.force_open_for("ann", "maintenance", Some(secs(600)));
    let held = b.snapshot().held_by.unwrap();
    assert_eq!(held.until.map(|until| until.since(held.since)), Some(secs(600)));
    clock.advance(secs(599));
    assert_eq!(b.try_acquire().unwrap_err().code, Code::BreakerForcedOpen);
    clock.advance(secs(1));
    let shown = b.snapshot();
    assert_eq!((shown.state, shown.held_by), (State::HalfOpen, None));
    b.force_closed_for("ann", "a test", Some(secs(60)));
    fail(&b, 50);
    clock.advance(secs(60));
    assert_eq!((b.state(), b.snapshot().held_by), (State::Closed, None));
}

#[test]
fn manual_recovery_waits_for_an_operator_and_says_so() {
    let clock = ManualClock::new();
    let b = with(&clock, Options { recover: Recover::Manual, ..Options::default() });
    fail(&b, 5);
    clock.advance(secs(86_400));
    let refused = b.try_acquire().unwrap_err();
    assert_eq!((refused.code, refused.retry_after), (Code::BreakerOpen, Some(secs(30))));
    assert!(refused.reason.contains("operator"), "{refused}");
    assert_eq!(b.snapshot().retry_after, None, "nobody knows");
    b.half_open("ann", "they say it works");
    b.try_acquire().unwrap().success();
}

#[test]
fn one_that_only_counts_lets_everything_pass_and_tells_what_it_would_have_refused() {
    let heard: Arc<Mutex<Vec<Fact>>> = Arc::default();
    let ear = heard.clone();
    let sink: Arc<dyn Sink> = Arc::new(move |event: Event| ear.lock().unwrap().push(event.fact));
    let options = Options { mode: Mode::MetricsOnly, ..Options::default() };
    let b = Breaker::with("x", options, Arc::new(ManualClock::new()), Some(sink)).unwrap();
    fail(&b, 7);
    let would = Fact::WouldReject { code: Code::BreakerOpen, policy: seawall_core::Policy::Breaker };
    assert_eq!(*heard.lock().unwrap(), [would.clone(), would]);
    let shown = b.snapshot();
    assert_eq!((shown.state, shown.shadow), (State::MetricsOnly, State::Open));
    assert_eq!((shown.failures, shown.opened, shown.refused, shown.retry_after), (7, 1, 2, None));
    assert!(b.is_permitted());
    b.update(Options::default()).unwrap();
    assert_eq!(b.try_acquire().unwrap_err().code, Code::BreakerOpen);
}

#[test]
fn how_long_a_call_takes_is_measured_from_its_admission() {
    let clock = ManualClock::new();
    let b = with(&clock, Options { slow: Some(secs(2)), min_calls: 2, ..Options::default() });
    for took in [1, 3] {
        let permit = b.try_acquire().unwrap();
        clock.advance(secs(took));
        assert_eq!(b.state(), State::Closed);
        permit.success();
    }
    assert_eq!((b.state(), b.snapshot().slow), (State::Open, 1));
}

#[test]
fn whoever_saw_it_forced_open_never_passes_again_and_late_outcomes_say_nothing() {
    let b = breaker(&ManualClock::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut shut = false;
                for n in 0..5000 {
                    match b.try_acquire() {
                        Ok(permit) if n % 7 == 0 => drop(permit),
                        Ok(permit) => {
                            assert!(!shut, "it was refused before");
                            permit.success();
                        }
                        Err(_) => shut = true,
                    }
                }
            });
        }
        b.force_open("ann", "test");
        assert!(b.try_acquire().is_err());
    });
    assert_eq!((b.state(), b.snapshot().opened), (State::ForcedOpen, 0));
}

#[test]
fn all_of_it_is_smaller_than_a_kilobyte() {
    assert!(size_of::<Inner>() < 1024, "{}", size_of::<Inner>());
}

fn registry(max: usize) -> Registry {
    Registry::with(Options::default(), max, Arc::new(ManualClock::new()), None).unwrap()
}

#[test]
fn each_name_has_a_breaker_of_its_own_and_clones_share_them() {
    let all = registry(10);
    let clone = all.clone();
    fail(&clone.breaker("openai"), 5);
    assert!(all.breaker("openai").try_acquire().is_err());
    assert!(all.breaker("anthropic").try_acquire().is_ok());
    let names: Vec<_> = all.list().into_iter().map(|(name, shown)| (name.to_string(), shown.state)).collect();
    assert_eq!(names, [("anthropic".into(), State::Closed), ("openai".into(), State::Open)]);
    all.update(&Options { open: secs(5), ..Options::default() }).unwrap();
    assert_eq!(all.breaker("openai").try_acquire().unwrap_err().retry_after, Some(secs(5)));
    assert!(all.remove("openai").is_some_and(|gone| gone.state() == State::Open));
    assert_eq!((all.remove("openai").map(|gone| gone.state()), all.len()), (None, 1));
    assert!(all.breaker("openai").try_acquire().is_ok(), "a new one");
    assert_eq!(Registry::new(Options::default(), 0).unwrap_err().key, "max");
}

#[test]
fn the_one_asked_for_longest_ago_makes_room_and_never_one_in_trouble() {
    let all = registry(3);
    for name in ["a", "b", "c"] {
        fail(&all.breaker(name), 1);
    }
    fail(&all.breaker("a"), 4);
    all.breaker("c");
    all.breaker("d");
    let names = || all.list().into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(), ["a", "c", "d"], "b was asked for longest ago");
    let held = all.breaker("c");
    all.breaker("d").force_closed("ann", "test");
    let (e, f) = (all.breaker("e"), all.breaker("f"));
    fail(&e, 5);
    assert!(f.try_acquire().is_err(), "newcomers share one");
    assert_eq!(names(), ["a", "c", "d", "(overflow)"]);
    assert_eq!(held.snapshot().failures, 1);
    drop(held);
    assert!(all.breaker("e").try_acquire().is_ok(), "there is room again");
    assert_eq!(names(), ["a", "d", "e", "(overflow)"]);
}

proptest! {
    #[test]
    fn a_registry_is_bounded_and_forgets_nothing_that_is_not_at_rest(
        max in 1usize..12,
        steps in prop::collection::vec(prop_oneof![
            (0usize..40).prop_map(|name| (name, 0)),
            (0usize..40).prop_map(|name| (name, 5)),
        ], 1..200),
    ) {
        let all = registry(max);
        let mut open = Vec::new();
        for (name, failures) in steps {
            let b = all.breaker(&format!("{name}"));
            if b.try_acquire().is_ok() && failures > 0 {
                fail(&b, failures);
                if b.name().parse() == Ok(name) {
                    open.push(name);
                }
            }
            drop(b);
            prop_assert!(all.len() <= max);
            for name in &open {
                prop_assert_eq!(all.breaker(&format!("{name}")).state(), State::Open);
            }
        }
    }
}
