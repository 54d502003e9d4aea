use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use seawall_core::verdict::Seen;
use seawall_core::{Instant, Verdict};
use serde::de::IntoDeserializer;
use serde::de::value::{Error, MapDeserializer, StrDeserializer};

use super::*;
use crate::bulkhead::Options;

const QUICK: Duration = Duration::from_millis(100);

/// A machine and the moment it has come to.
struct Run {
    machine: Machine,
    now: Instant,
}

impl Run {
    fn new(adaptive: Adaptive, concurrent: u32) -> Self {
        adaptive.check(concurrent).unwrap();
        let now = Instant::ORIGIN + Duration::from_secs(3600);
        Self { machine: Machine::new(adaptive, concurrent, now), now }
    }

    /// One window: ten calls that begin now and end together, a round trip later.
    fn window(&mut self, demand: u32, trip: Duration, overloaded: u32) {
        let began = self.now;
        let in_flight = demand.min(self.machine.size());
        self.now = self.now + trip.max(QUICK);
        for call in 0..10 {
            let ended = if call < overloaded { Ended::Overloaded } else { Ended::Worked };
            let passed = Passed { began: self.now - (self.now.since(began).min(trip)), in_flight, ended };
            self.machine.ended(passed, self.now);
        }
    }

    fn windows(&mut self, count: u32, demand: u32, trip: impl Fn(u32) -> Duration) -> u32 {
        for _ in 0..count {
            let trip = trip(demand.min(self.machine.size()));
            self.window(demand, trip, 0);
        }
        self.machine.settled()
    }
}

fn bounded(algorithm: Algorithm, min: u32, max: u32) -> Adaptive {
    Adaptive { min, max: Some(max), ..Adaptive::by(algorithm) }
}

#[test]
fn a_word_stands_for_an_algorithm_with_its_defaults() {
    let word = |word| <Adaptive as Deserialize>::deserialize(StrDeserializer::<Error>::new(word));
    assert_eq!(word("gradient"), Ok(Adaptive::default()));
    assert_eq!(word("aimd"), Ok(Adaptive::by(Algorithm::Aimd)));
    assert!(word("vegas").unwrap_err().to_string().contains("`gradient` or `aimd`"));
    let table = |key: &'static str| {
        let entries = [(key, 4u32)].into_iter();
        let table = MapDeserializer::<_, Error>::new(entries);
        <Adaptive as Deserialize>::deserialize(table.into_deserializer())
    };
    assert_eq!(table("min"), Ok(Adaptive { min: 4, ..Adaptive::default() }));
    assert!(table("most").is_err());
}

#[test]
fn bounds_that_do_not_contain_the_beginning_are_refused_by_name() {
    let refused =
        |adaptive| Options { adaptive: Some(adaptive), ..Options::default() }.check().map_err(|e| e.key);
    assert_eq!(refused(Adaptive::default()), Ok(()));
    assert_eq!(refused(Adaptive { min: 0, ..Adaptive::default() }), Err("adaptive.min"));
    assert_eq!(refused(Adaptive { min: 33, ..Adaptive::default() }), Err("adaptive.min"));
    assert_eq!(refused(Adaptive { max: Some(31), ..Adaptive::default() }), Err("adaptive.max"));
    assert_eq!(refused(Adaptive { max: Some(u32::MAX), ..Adaptive::default() }), Err("adaptive.max"));
    for sound in [
        Adaptive { min: 32, max: Some(32), tolerance: 1.0, ..Adaptive::default() },
        Adaptive { max: Some(1_000_000), tolerance: 10.0, ..Adaptive::default() },
    ] {
        assert_eq!(refused(sound), Ok(()));
    }
    assert_eq!(refused(Adaptive { max: Some(1_000_001), ..Adaptive::default() }), Err("adaptive.max"));
    for tolerance in [0.9, f64::NAN, f64::INFINITY, -1.0] {
        assert_eq!(refused(Adaptive { tolerance, ..Adaptive::default() }), Err("adaptive.tolerance"));
    }
}

#[test]
fn an_overloaded_upstream_and_a_late_one_say_so_and_a_429_does_not() {
    let says = |seen| Ended::from(Verdict::of(seen));
    assert_eq!(says(Seen::Success), Ended::Worked);
    for seen in [Seen::UnavailableForNow, Seen::ServerError, Seen::TimedOut] {
        assert_eq!(says(seen), Ended::Overloaded);
    }
    for seen in [Seen::RateLimited, Seen::NotSent, Seen::Denied, Seen::Refused, Seen::CancelledAfter] {
        assert_eq!(says(seen), Ended::Nothing);
    }
}

#[test]
fn aimd_adds_one_takes_a_tenth_and_spares_one_call_in_twenty() {
    let mut run = Run::new(bounded(Algorithm::Aimd, 1, 100), 50);
    run.window(50, QUICK, 0);
    assert_eq!(run.machine.size(), 51);
    run.window(50, QUICK, 1);
    assert_eq!(run.machine.size(), 45, "one call in ten");
    let began = run.now;
    run.now = run.now + QUICK;
    for call in 0..19 {
        // Too early for the window to be over.
        let ended = if call == 0 { Ended::Overloaded } else { Ended::Worked };
        run.machine.ended(Passed { began, in_flight: 45, ended }, began + QUICK / 2);
    }
    run.machine.ended(Passed { began, in_flight: 45, ended: Ended::Worked }, run.now);
    assert_eq!(run.machine.size(), 46, "one call in twenty");
}

#[test]
fn what_began_before_a_cut_does_not_cut_again() {
    let mut run = Run::new(Adaptive::by(Algorithm::Aimd), 100);
    let (began, slow) = (run.now, Duration::from_secs(30));
    run.now = run.now + slow;
    for late in 0..100u32 {
        let passed = Passed { began, in_flight: 100, ended: Ended::Overloaded };
        run.machine.ended(passed, run.now + QUICK * late);
    }
    assert_eq!(run.machine.size(), 90, "a hundred calls that time out together are one piece of news");
}

/// As long as calls do not get slower, more of them are tried, and never more than the bound.
#[test]
fn at_a_constant_round_trip_a_busy_bulkhead_grows_to_its_bound() {
    for (algorithm, windows) in [(Algorithm::Aimd, 100), (Algorithm::Gradient, 120)] {
        let mut run = Run::new(bounded(algorithm, 1, 100), 10);
        assert_eq!(run.windows(windows, 1000, |_| QUICK), 100, "{algorithm}");
        assert_eq!(run.windows(500, 1000, |_| QUICK), 100, "{algorithm}");
    }
}

#[test]
fn a_steady_load_at_a_constant_round_trip_comes_to_rest() {
    for algorithm in [Algorithm::Aimd, Algorithm::Gradient] {
        let mut run = Run::new(bounded(algorithm, 1, 1000), 10);
        let settled = run.windows(300, 20, |_| QUICK);
        assert!((40..=50).contains(&settled), "{algorithm}: twice what is in use, not {settled}");
        assert_eq!(run.windows(1000, 20, |_| QUICK), settled, "{algorithm}");
    }
}

/// An upstream that works on 20 calls at once, the others wait for it.
fn queueing(in_flight: u32) -> Duration {
    QUICK * in_flight.max(20) / 20
}

#[test]
fn the_gradient_finds_the_knee_even_if_it_begins_far_above_it() {
    let mut run = Run::new(Adaptive::default(), 200);
    let found = run.windows(100, 1000, queueing);
    assert!((20..=45).contains(&found), "{found}");
    for _ in 0..50 {
        let later = run.windows(40, 1000, queueing);
        assert!((20..=45).contains(&later), "{later}: it stays there");
    }
}

/// Within forty windows: ten that shrink, a probe of a few, and the way back.
#[test]
fn a_round_trip_that_doubles_for_good_is_learnt_within_forty_windows() {
    let mut run = Run::new(Adaptive::default(), 64);
    assert_eq!(run.windows(150, 1000, |_| QUICK), 64);
    assert!(run.windows(8, 1000, |_| QUICK * 2) < 60, "at first it looks like a queue");
    assert_eq!(run.windows(32, 1000, |_| QUICK * 2), 64);
    assert_eq!(run.windows(300, 1000, |_| QUICK * 2), 64);
}

#[test]
fn a_probe_halves_the_size_for_a_window_and_gives_it_back() {
    let mut run = Run::new(Adaptive::default(), 64);
    run.windows(10, 1000, |_| QUICK);
    assert_eq!((run.machine.size(), run.machine.settled()), (32, 64));
    run.window(1000, QUICK, 0);
    assert_eq!(run.machine.size(), 64);
}

/// Begun in the middle of a crowd, it has never seen the upstream quiet.
#[test]
fn a_probe_goes_on_halving_as_long_as_that_helps() {
    let mut run = Run::new(Adaptive::default(), 160);
    run.windows(10, 1000, queueing);
    let mut sizes = Vec::new();
    while run.machine.overdue().is_some() {
        sizes.push(run.machine.size());
        run.windows(1, 1000, queueing);
    }
    sizes.dedup();
    assert_eq!(sizes, [80, 40, 20, 10]);
    assert_eq!(run.machine.size(), 160, "only then it cuts, one window after the other");
    assert!(run.windows(2, 1000, queueing) < 160);
}

#[test]
fn a_probe_goes_no_lower_than_the_smallest_size() {
    let mut run = Run::new(bounded(Algorithm::Gradient, 40, 160), 160);
    run.windows(10, 1000, queueing);
    let mut sizes = Vec::new();
    while run.machine.overdue().is_some() {
        sizes.push(run.machine.size());
        run.windows(1, 1000, queueing);
    }
    // A window is as long as a round trip of the one before, which was twice as long.
    assert_eq!(sizes, [80, 80, 40, 40]);
}

#[test]
fn what_began_before_a_window_that_changed_nothing_still_counts() {
    let mut run = Run::new(bounded(Algorithm::Aimd, 1, 50), 50);
    let began = run.now;
    run.window(50, QUICK, 0);
    assert_eq!(run.machine.size(), 50, "it is at its bound");
    run.now = run.now + QUICK;
    for _ in 0..10 {
        run.machine.ended(Passed { began, in_flight: 50, ended: Ended::Overloaded }, run.now);
    }
    assert_eq!(run.machine.size(), 45);
}

#[test]
fn a_probe_in_which_no_call_ends_is_given_up() {
    let mut run = Run::new(Adaptive::default(), 64);
    run.windows(10, 1000, |_| QUICK);
    let until = run.machine.overdue().unwrap();
    assert_eq!(until, run.now + QUICK * 4);
    run.machine.look(until - Duration::from_nanos(1));
    assert_eq!(run.machine.size(), 32);
    run.machine.look(until);
    assert_eq!((run.machine.size(), run.machine.overdue()), (64, None));
}

#[test]
fn it_is_smaller_than_a_quarter_of_a_kilobyte() {
    assert!(size_of::<Machine>() <= 256, "{}", size_of::<Machine>());
}

/// Large numbers, so that every step of the arithmetic shows in whole calls.
#[test]
fn the_gradient_moves_a_fifth_of_the_way_number_by_number() {
    let mut run = Run::new(bounded(Algorithm::Gradient, 100, 20_000), 10_000);
    let mut after = |trip: u64, overloaded| {
        // Long after the window before: it is over, however long its round trips were.
        run.now = run.now + Duration::from_secs(2);
        run.window(20_000, Duration::from_millis(trip), overloaded);
        run.machine.settled()
    };
    // The first window is the quiet one: √10000 = 100 more, a fifth of that at once.
    assert_eq!(after(100, 0), 10_020);
    // Within the tolerance of half as long again nothing is a queue.
    assert_eq!(after(150, 0), 10_040);
    // Twice as long: ¾ of the size and its root, a fifth of the way.
    assert_eq!(after(200, 0), 9_558);
    // Ten times as long is taken for twice the tolerance: half, and the root.
    assert_eq!(after(1000, 0), 8_621);
    // One call in ten overloaded is a cut of a tenth.
    assert_eq!(after(100, 1), 7_759);
    // Nothing but overload has no round trip, and cuts all the same.
    assert_eq!(after(100, 10), 6_983);
    // A quicker window draws the quiet one a tenth of the way: 95 ms, of which 142 are no queue.
    assert_eq!(after(50, 0), 7_000);
    assert_eq!(after(142, 0), 7_017);
}

#[test]
fn a_probe_begins_at_half_of_what_the_upstream_seems_to_need() {
    let mut run = Run::new(bounded(Algorithm::Gradient, 1, 20_000), 10_000);
    run.windows(9, 20_000, |_| QUICK);
    let busy = run.machine.size();
    run.window(20_000, QUICK * 14 / 10, 0);
    // By Little's law, of so many with round trips of 140 ms, an upstream that is quiet at 100 ms works on 5 in 7.
    assert_eq!(run.machine.size(), busy * 5 / 7 / 2);
    assert_eq!(run.machine.overdue(), Some(run.now + QUICK * 14 / 10 * 4));
    run.now = run.now + QUICK;
    // As quick as quiet ones were: that is what quiet is from now on, and 130 ms are within half as much again.
    run.window(20_000, QUICK * 9 / 10, 0);
    assert_eq!(run.machine.overdue(), None);
    let settled = run.machine.settled();
    run.now = run.now + QUICK;
    run.window(20_000, QUICK * 13 / 10, 0);
    assert!(run.machine.settled() > settled);
    run.now = run.now + QUICK;
    run.window(20_000, QUICK * 15 / 10, 0);
    assert!(run.machine.settled() < settled, "and 150 ms are not");
}

#[test]
fn a_window_in_which_nothing_worked_teaches_nothing_about_the_quiet_round_trip() {
    let mut run = Run::new(bounded(Algorithm::Gradient, 1, 20_000), 10_000);
    run.window(20_000, QUICK, 10);
    assert_eq!(run.machine.settled(), 9_000);
    run.window(20_000, QUICK * 3, 0);
    assert_eq!(run.machine.settled(), 9_018, "the first that worked is the quiet one");
}

#[test]
fn a_window_is_ten_calls_a_tenth_of_a_second_and_one_round_trip() {
    let began = Instant::ORIGIN + Duration::from_secs(3600);
    let size = |calls: u32, at: Duration, trip: Duration| {
        let mut machine = Machine::new(bounded(Algorithm::Aimd, 1, 100), 50, began);
        // A first window, which says how long a round trip is.
        let first = began + trip.max(QUICK);
        for _ in 0..10 {
            machine.ended(Passed { began: first - trip, in_flight: 50, ended: Ended::Worked }, first);
        }
        assert_eq!(machine.size(), 51);
        for _ in 0..calls {
            machine.ended(Passed { began: first, in_flight: 50, ended: Ended::Worked }, first + at);
        }
        machine.size()
    };
    assert_eq!(size(9, QUICK, QUICK), 51, "nine calls are too few");
    assert_eq!(size(10, QUICK, QUICK), 52);
    assert_eq!(size(10, QUICK - Duration::from_nanos(1), QUICK), 51, "too short");
    assert_eq!(size(10, QUICK * 3 - Duration::from_nanos(1), QUICK * 3), 51, "no round trip yet");
    assert_eq!(size(10, QUICK * 3, QUICK * 3), 52);
}

#[test]
fn it_grows_where_half_of_it_is_in_use() {
    for (in_flight, grown) in [(25, 51), (24, 50)] {
        let mut run = Run::new(bounded(Algorithm::Aimd, 1, 100), 50);
        run.window(in_flight, QUICK, 0);
        assert_eq!(run.machine.size(), grown, "{in_flight} of 50");
    }
}

#[test]
fn other_options_move_the_size_only_as_far_as_the_bounds_ask() {
    let mut run = Run::new(bounded(Algorithm::Gradient, 1, 100), 64);
    assert_eq!((run.machine.size(), run.machine.settled(), run.machine.overdue()), (64, 64, None));
    run.machine.update(bounded(Algorithm::Gradient, 1, 40), 40);
    assert_eq!(run.machine.size(), 40);
    run.machine.update(bounded(Algorithm::Gradient, 50, 90), 60);
    assert_eq!(run.machine.size(), 50);
    run.windows(10, 1000, |_| QUICK);
    assert!(run.machine.overdue().is_some(), "a probe is under way");
    run.machine.update(bounded(Algorithm::Gradient, 45, 90), 60);
    assert_eq!((run.machine.size() >= 45, run.machine.overdue().is_some()), (true, true));
    run.machine.update(bounded(Algorithm::Aimd, 1, 90), 60);
    assert_eq!(run.machine.overdue(), None, "another algorithm knows no probes");
    let whole = bounded(Algorithm::Aimd, 3, 9);
    assert_eq!((whole.bounds(5), Adaptive::default().bounds(5)), ((3, 9), (1, 5)));
}

#[derive(Debug, Clone, Copy)]
struct Call {
    step: u64,
    trip: u64,
    in_flight: u32,
    ended: Ended,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let span = || prop_oneof![8 => 0..300_000_000u64, 1 => 0..60_000_000_000u64, 1 => any::<u64>()];
    let ended =
        || select(vec![Ended::Worked, Ended::Worked, Ended::Worked, Ended::Overloaded, Ended::Nothing]);
    let in_flight = || prop_oneof![9 => 1..200u32, 1 => any::<u32>()];
    let call = (span(), span(), in_flight(), ended()).prop_map(|(step, trip, in_flight, ended)| Call {
        step: step / 8,
        trip,
        in_flight,
        ended,
    });
    prop::collection::vec(call, 1..600)
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    select(Algorithm::ALL)
}

proptest! {
    /// Whatever happens, at whatever moments: never below the smallest size, never above the largest.
    #[test]
    fn the_size_stays_between_its_bounds(
        calls in calls(),
        algorithm in algorithms(),
        (min, begin, max) in (1u32..50, 0u32..50, 0u32..50).prop_map(|(a, b, c)| (a, a + b, a + b + c)),
        update_at in 0usize..600,
    ) {
        let mut run = Run::new(bounded(algorithm, min, max), begin);
        let (mut min, mut max) = (min, max);
        for (at, call) in calls.into_iter().enumerate() {
            if at == update_at {
                (min, max) = (max, max + 7);
                run.machine.update(bounded(algorithm, min, max), max);
            }
            run.now = run.now + Duration::from_nanos(call.step);
            let began = run.now - Duration::from_nanos(call.trip);
            run.machine.ended(Passed { began, in_flight: call.in_flight, ended: call.ended }, run.now);
            prop_assert!((min..=max).contains(&run.machine.size()), "{:?}", run.machine);
            prop_assert!((min..=max).contains(&run.machine.settled()));
            prop_assert!(run.machine.size() <= run.machine.settled(), "a probe only takes away");
        }
    }

    /// A bulkhead of which less than half is in use learns nothing about more.
    #[test]
    fn it_never_grows_while_it_is_idle(calls in calls(), algorithm in algorithms(), begin in 4u32..100) {
        let mut run = Run::new(bounded(algorithm, 1, 1000), begin);
        let mut settled = run.machine.settled();
        for call in calls {
            run.now = run.now + Duration::from_nanos(call.step);
            let in_flight = call.in_flight % settled.div_ceil(2).max(1);
            let began = run.now - Duration::from_nanos(call.trip);
            run.machine.ended(Passed { began, in_flight, ended: call.ended }, run.now);
            prop_assert!(run.machine.settled() <= settled);
            settled = run.machine.settled();
        }
    }
}
