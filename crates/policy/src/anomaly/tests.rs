use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::{Just, Strategy};

use super::*;
use seawall_core::Instant;

const SLOT: u64 = 60;

fn at(secs: u64) -> Instant {
    Instant::from_nanos(secs.saturating_mul(1_000_000_000))
}

fn call(size: u64) -> Seen {
    Seen { size, ..Seen::default() }
}

/// So many calls of a caller, evenly over a slot; what was unusual.
fn slot(watch: &mut Watch, caller: u64, slot: u64, calls: u64, seen: &Seen) -> Vec<Unusual> {
    let each = |n: u64| {
        at(slot * SLOT)
            + Duration::from_secs(SLOT) / 1_000_000 * u32::try_from(n * 1_000_000 / calls).unwrap()
    };
    (0..calls).flat_map(|n| watch.see(caller, seen, each(n))).collect()
}

/// A watch that has seen this caller for so many slots, at so many calls each.
fn learnt(caller: u64, slots: u64, calls: u64) -> Watch {
    let mut watch = Watch::new(Options::default());
    for n in 0..slots {
        assert_eq!(slot(&mut watch, caller, n, calls, &call(1000)), [], "slot {n}");
    }
    watch
}

fn whats(unusual: &[Unusual]) -> Vec<What> {
    unusual.iter().map(|one| one.what).collect()
}

#[test]
fn the_defaults_are_good_and_read_back() {
    let options = Options::default();
    assert_eq!(options.check(), Ok(()));
    let text = serde_json::to_string(&options).unwrap();
    assert_eq!(serde_json::from_str::<Options>(&text).unwrap(), options);
    assert_eq!(serde_json::from_str::<Options>("{}").unwrap(), options);
}

#[test]
fn options_that_never_learn_are_refused_with_what_to_write() {
    let wrong = |change: &dyn Fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options.check().unwrap_err().to_string()
    };
    assert_eq!(
        wrong(&|o| o.slot = Duration::from_millis(10)),
        "slot: 10ms is out of range: write \"1s\" to \"1h\""
    );
    assert!(
        wrong(&|o| o.memory = Duration::from_secs(60))
            .starts_with("memory: 60s is out of range: write 20 slots (1200s)")
    );
    assert!(wrong(&|o| o.learn = 4).starts_with("learn: 4 is out of range"));
    let forgets = wrong(&|o| (o.memory, o.learn) = (Duration::from_secs(1200), 30));
    assert!(forgets.starts_with("learn: 30 slots are never remembered at once"), "{forgets}");
    assert!(wrong(&|o| o.deviations = 2).starts_with("deviations: 2 is out of range"));
    assert!(wrong(&|o| o.min_calls = 0).starts_with("min_calls: no calls"));
    assert!(wrong(&|o| o.callers = 0).starts_with("callers: 0 is out of range"));
}

#[test]
fn a_burst_is_told_once_a_slot_and_with_what_is_usual() {
    let mut watch = learnt(7, 40, 20);
    let told = slot(&mut watch, 7, 40, 400, &call(1000));
    assert_eq!(whats(&told), [What::Rate]);
    assert!(told[0].seen < 120.0, "early in the slot: {told:?}");
    assert!((15.0..25.0).contains(&told[0].usual), "{told:?}");
    assert_eq!(whats(&slot(&mut watch, 7, 41, 400, &call(1000))), [What::Rate], "again in the next slot");
    assert_eq!(slot(&mut watch, 7, 42, 20, &call(1000)), [], "and over when it is");
}

#[test]
fn a_large_call_is_told_and_a_small_one_never() {
    let mut watch = learnt(7, 40, 20);
    let told: Vec<Unusual> = watch.see(7, &call(50_000_000), at(40 * SLOT)).into_iter().collect();
    assert_eq!(whats(&told), [What::Size]);
    assert!((900.0..1100.0).contains(&told[0].usual), "{told:?}");
    let below: Vec<Unusual> = watch.see(7, &call(60_000), at(41 * SLOT)).into_iter().collect();
    assert_eq!(below, [], "sixty times the usual, and less than anybody minds");
}

#[test]
fn failures_are_told_where_they_are_not_usual() {
    let failing = Seen { failed: true, ..call(1000) };
    let mut watch = learnt(7, 40, 20);
    assert_eq!(whats(&slot(&mut watch, 7, 40, 20, &failing)), [What::Errors]);
    // One that always failed has nothing new to tell.
    let mut used = Watch::new(Options::default());
    let told: Vec<Unusual> = (0..60).flat_map(|n| slot(&mut used, 8, n, 20, &failing)).collect();
    assert_eq!(told, []);
}

#[test]
fn a_new_destination_is_told_once_and_a_caller_that_goes_everywhere_is_left_alone() {
    let to = |destination: u64| Seen { destination: Some(destination), ..call(1000) };
    let mut watch = Watch::new(Options::default());
    for n in 0..40 {
        assert_eq!(slot(&mut watch, 7, n, 20, &to(1 + n % 3)), [], "learning");
    }
    assert_eq!(whats(&slot(&mut watch, 7, 40, 20, &to(99))), [What::Destination]);
    assert_eq!(slot(&mut watch, 7, 41, 20, &to(99)), []);
    let many: usize = (42..62).map(|n| slot(&mut watch, 7, n, 20, &to(1000 + n)).len()).sum();
    assert!(many <= 12, "sixteen are remembered, four were known: {many}");
    // What has not been called for twice the memory is new again, and so is the rest.
    let later = 62 + 3 * 24 * 60;
    for n in later..later + 40 {
        slot(&mut watch, 7, n, 20, &to(5));
    }
    assert_eq!(whats(&slot(&mut watch, 7, later + 40, 20, &to(1))), [What::Destination]);
}

#[test]
fn a_burst_teaches_little_and_a_new_habit_is_learnt() {
    let mut watch = learnt(7, 200, 20);
    assert_eq!(whats(&slot(&mut watch, 7, 200, 100_000, &call(1000))), [What::Rate]);
    let told = slot(&mut watch, 7, 201, 400, &call(1000));
    assert_eq!(whats(&told), [What::Rate], "one burst does not hide the next");
    assert!(told[0].usual < 30.0, "{told:?}");
    // Ten times as much from now on: told for a while, then usual.
    let loud: Vec<usize> = (202..1500).map(|n| slot(&mut watch, 7, n, 200, &call(1000)).len()).collect();
    assert_eq!(loud[0], 1);
    assert_eq!(loud[1200..].iter().sum::<usize>(), 0, "told for {} slots", loud.iter().sum::<usize>());
}

#[test]
fn what_was_learnt_long_ago_is_learnt_anew() {
    let mut watch = learnt(7, 40, 20);
    let later = 40 + 7 * 24 * 60;
    assert_eq!(
        slot(&mut watch, 7, later, 400, &call(50_000_000)),
        [],
        "a week later nobody knows what is usual"
    );
}

#[test]
fn a_caller_that_was_seen_lately_is_not_forgotten_for_newcomers() {
    let mut watch = Watch::new(Options { callers: 50, ..Options::default() });
    for n in 0..40 {
        slot(&mut watch, 7, n, 20, &call(1000));
    }
    for newcomer in 1000..3000 {
        watch.see(newcomer, &call(1), at(39 * SLOT + 30));
    }
    assert_eq!((watch.len(), watch.forgotten()), (50, 0));
    assert_eq!(watch.overlooked(), 2000 - 49);
    assert_eq!(whats(&slot(&mut watch, 7, 40, 400, &call(1000))), [What::Rate]);
    // Four slots later the newcomers have gone quiet, and others may come.
    for n in 41..44 {
        slot(&mut watch, 7, n, 20, &call(1000));
    }
    for newcomer in 5000..5020 {
        watch.see(newcomer, &call(1), at(44 * SLOT));
    }
    assert!(watch.forgotten() > 0 && watch.len() <= 50);
    assert_eq!(
        whats(&slot(&mut watch, 7, 44, 400, &call(1000))),
        [What::Rate],
        "the one that stayed is known"
    );
}

#[test]
fn a_caller_takes_few_bytes() {
    let mut watch = Watch::new(Options::default());
    for caller in 1..=10_000 {
        watch.see(u64::wrapping_mul(caller, 0x9e37_79b9_7f4a_7c15), &call(1), at(0));
    }
    assert_eq!(watch.len(), 10_000);
    assert!(watch.bytes() / 10_000 < 400, "{} each", watch.bytes() / 10_000);
}

#[test]
fn an_update_keeps_what_was_learnt_unless_slots_change() {
    let mut watch = learnt(7, 40, 20);
    watch.update(Options { deviations: 5, ..Options::default() });
    assert_eq!(whats(&slot(&mut watch, 7, 40, 400, &call(1000))), [What::Rate]);
    watch.update(Options { slot: Duration::from_secs(30), ..Options::default() });
    assert!(watch.is_empty());
}

#[test]
fn an_update_to_fewer_callers_forgets_some_and_their_memory() {
    let mut watch = Watch::new(Options::default());
    for caller in 1..=1000 {
        watch.see(u64::wrapping_mul(caller, 0x9e37_79b9_7f4a_7c15), &call(1), at(0));
    }
    let before = watch.bytes();
    watch.update(Options { callers: 10, ..Options::default() });
    assert_eq!((watch.len(), watch.forgotten()), (10, 990));
    assert!(watch.bytes() < before / 50, "{} of {before}", watch.bytes());
}

/// Histories of anything: who, how much, when, clocks that go back included.
fn histories() -> impl Strategy<Value = Vec<(u64, Seen, u64)>> {
    let size = proptest::prop_oneof![Just(0), Just(u64::MAX), 0u64..100_000];
    let seen = (size, any::<bool>(), proptest::option::of(0u64..30));
    let seen = seen.prop_map(|(size, failed, destination)| Seen { size, failed, destination });
    let moment = proptest::prop_oneof![0u64..10_000, Just(u64::MAX), any::<u64>()];
    vec((0u64..60, seen, moment), 0..300)
}

proptest! {
    /// Law: memory is bounded, every number told is finite and not negative, and no history panics.
    #[test]
    fn any_history_is_watched_in_bounded_memory(history in histories(), callers in 1u32..40) {
        let mut watch = Watch::new(Options { callers, min_calls: 1, learn: 5, min_size: Size(1), ..Options::default() });
        for (caller, seen, moment) in history {
            for unusual in watch.see(caller, &seen, at(moment)) {
                prop_assert!(unusual.seen.is_finite() && unusual.seen >= 0.0, "{unusual:?}");
                prop_assert!(unusual.usual.is_finite() && unusual.usual >= 0.0, "{unusual:?}");
            }
            prop_assert!(watch.len() <= callers as usize);
        }
    }

    /// Law: whoever keeps to its habit, give or take a fifth, is never unusual, however long.
    #[test]
    fn a_steady_caller_is_never_unusual(
        calls in 1u64..200,
        size in 100u64..1_000_000,
        wobble in vec((0.8f64..1.2, 0.8f64..1.2), 150),
    ) {
        let mut watch = Watch::new(Options::default());
        for (n, (rate, weight)) in wobble.into_iter().enumerate() {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
            let (calls, size) = (((calls as f64 * rate) as u64).max(1), (size as f64 * weight) as u64);
            let told = slot(&mut watch, 7, n as u64, calls, &call(size));
            prop_assert_eq!(told, []);
        }
    }

    /// Law: twenty times as many calls as usual are told within the slot, once it is known what is usual.
    #[test]
    fn twenty_times_the_usual_is_always_told(calls in 5u64..200, slots in 21u64..100) {
        let mut watch = learnt(7, slots, calls);
        let told = slot(&mut watch, 7, slots, calls * 20, &call(1000));
        prop_assert_eq!(whats(&told), [What::Rate]);
    }

    /// Law: nothing is told of a caller before it has been seen in as many slots as it takes to learn.
    #[test]
    fn nothing_is_told_before_it_is_learnt(
        history in vec((1u64..2000, any::<bool>(), 0u64..10), 1..20),
    ) {
        let mut watch = Watch::new(Options::default());
        for (n, (calls, failed, destination)) in history.into_iter().enumerate() {
            let seen = Seen { size: 10, failed, destination: Some(destination) };
            let told = slot(&mut watch, 7, n as u64, calls, &seen);
            prop_assert_eq!(told, []);
        }
    }

    /// Law: what one caller does changes nothing for another.
    #[test]
    fn callers_are_apart(others in vec((2u64..40, 1u64..100_000), 0..200)) {
        let mut alone = learnt(1, 30, 20);
        let mut watch = learnt(1, 30, 20);
        for (other, size) in others {
            watch.see(other, &call(size), at(30 * SLOT));
        }
        let (one, two) = (slot(&mut alone, 1, 30, 300, &call(1000)), slot(&mut watch, 1, 30, 300, &call(1000)));
        prop_assert_eq!(one, two);
    }
}
