//! What holds whatever happens: random options, and histories with calls overlapping, lost and late.

use proptest::prelude::{
    Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_assume, prop_oneof, proptest,
};

use super::*;

#[derive(Debug, Clone)]
enum Do {
    Admit,
    Record(usize, Lesson),
    Lose(usize),
    Wait(Duration),
    Pull(Lever),
}

#[derive(Debug, Clone, Copy)]
enum Lever {
    ForceOpen(Option<u64>),
    ForceClosed(Option<u64>),
    HalfOpen,
    Reset,
}

impl Lever {
    fn pull(self, m: &mut Machine, now: Instant) -> Moved {
        let until = |hold: Option<u64>| hold.map(|hold| now + secs(hold));
        match self {
            Lever::ForceOpen(hold) => m.force_open(until(hold), now),
            Lever::ForceClosed(hold) => m.force_closed(until(hold), now),
            Lever::HalfOpen => m.half_open(now),
            Lever::Reset => m.reset(now),
        }
    }
}

fn any_options() -> impl Strategy<Value = Options> {
    let window = prop_oneof![
        (1u64..60).prop_map(|span| Window::Time(secs(span))),
        (1u32..40).prop_map(Window::Calls),
    ];
    let opening = (0u32..6, window, 0u32..8, 0u32..10, prop::option::of((0u64..5000).prop_map(millis)));
    let closing = (1u32..4, 1u32..4, 0u32..6, 1u64..60, 0u64..60, prop::option::of(0u64..200));
    (opening, closing, 1u8..=100, 1u64..60).prop_map(|(opening, closing, rate, open)| {
        let (consecutive, window, failures, min_calls, slow) = opening;
        let (probes, successes, sample, lease, ramp, more) = closing;
        let options = Options {
            consecutive,
            window,
            failures: window.at_most(failures),
            failure_rate: Share::percent(rate),
            min_calls,
            slow: slow.filter(|slow| !slow.is_zero()),
            slow_rate: Share::percent(rate),
            open: secs(open),
            open_cap: more.map(|more| secs(open + more)),
            probes,
            successes,
            sample,
            lease: secs(lease),
            ramp: secs(ramp),
            ..Options::default()
        };
        options.check().unwrap();
        options
    })
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn step() -> impl Strategy<Value = Do> {
    prop_oneof![
        6 => Just(Do::Admit),
        6 => (any::<usize>(), prop::sample::select(Lesson::ALL)).prop_map(|(n, lesson)| Do::Record(n, lesson)),
        1 => any::<usize>().prop_map(Do::Lose),
        2 => (0u64..20_000).prop_map(|span| Do::Wait(millis(span))),
        1 => (0u64..90).prop_map(|span| Do::Wait(secs(span))),
    ]
}

fn lever() -> impl Strategy<Value = Do> {
    let hold = || prop::option::of(0u64..100);
    prop_oneof![
        hold().prop_map(Lever::ForceOpen),
        hold().prop_map(Lever::ForceClosed),
        Just(Lever::HalfOpen),
        Just(Lever::Reset),
    ]
    .prop_map(Do::Pull)
}

fn history() -> impl Strategy<Value = Vec<Do>> {
    prop::collection::vec(step(), 1..300)
}

fn history_with_levers() -> impl Strategy<Value = Vec<Do>> {
    prop::collection::vec(prop_oneof![20 => step(), 1 => lever()], 1..300)
}

/// A machine, the calls it has under way, and the time.
struct World {
    m: Machine,
    held: Vec<Ticket>,
    now: Instant,
}

impl World {
    fn new(options: Options) -> Self {
        Self { m: machine(options), held: Vec::new(), now: START }
    }

    /// What it answered, and whether it moved.
    fn take(&mut self, step: &Do) -> (Option<Result<Ticket, Refusal>>, Option<Moved>) {
        match *step {
            Do::Admit => {
                let (answer, moved) = self.m.admit(self.now);
                self.held.extend(answer);
                return (Some(answer), moved);
            }
            Do::Record(n, lesson) if !self.held.is_empty() => {
                let ticket = self.held.swap_remove(n % self.held.len());
                return (None, self.m.record(ticket, lesson, self.now));
            }
            Do::Lose(n) if !self.held.is_empty() => {
                let _ = self.held.swap_remove(n % self.held.len());
            }
            Do::Wait(span) => self.now = self.now + span,
            Do::Pull(lever) => return (None, Some(lever.pull(&mut self.m, self.now))),
            Do::Record(..) | Do::Lose(_) => {}
        }
        (None, None)
    }
}

proptest! {
    #[test]
    fn a_closed_breaker_never_refuses(options in any_options(), history in history_with_levers()) {
        let mut world = World::new(options);
        for step in &history {
            let before = world.m.state();
            let passed = world.m.pass() != Pass::NONE;
            let (answer, _) = world.take(step);
            prop_assert!(before != State::Closed || !matches!(answer, Some(Err(_))));
            prop_assert!(!passed || !matches!(answer, Some(Err(_))), "what was promised in advance is kept");
            prop_assert!(world.m.state() != State::Closed || world.m.peek(world.now).is_ok());
        }
    }

    #[test]
    fn a_stale_epoch_never_changes_state(options in any_options(), history in history_with_levers()) {
        let mut world = World::new(options);
        // Every move makes what was admitted before it stale, but the end of a ramp.
        let mut stale: Vec<Ticket> = Vec::new();
        for step in &history {
            let (_, moved) = world.take(step);
            if moved.is_some_and(|moved| moved.why != "its ramp is over") {
                let last = world.held.len().saturating_sub(usize::from(matches!(step, Do::Admit)));
                stale.extend(world.held.drain(..last));
            }
            for ticket in &stale {
                prop_assert!(!world.m.is_current(*ticket));
                for lesson in [Lesson::Success, Lesson::Failure] {
                    let (mut told, mut waited) = (world.m.clone(), world.m.clone());
                    prop_assert_eq!(told.record(*ticket, lesson, world.now), waited.elapse(world.now));
                    prop_assert_eq!(told, waited);
                }
            }
            stale.truncate(2);
        }
    }

    #[test]
    fn at_most_so_many_probes_hold_a_lease_at_once(
        options in any_options().prop_map(|options| Options { ramp: Duration::ZERO, ..options }),
        history in history_with_levers(),
    ) {
        let mut world = World::new(options.clone());
        let mut probes: Vec<(Ticket, Instant)> = Vec::new();
        for step in &history {
            if let (Do::Record(n, _), false) = (step, world.held.is_empty()) {
                let back = world.held[n % world.held.len()];
                probes.retain(|(ticket, _)| *ticket != back);
            }
            let (answer, _) = world.take(step);
            if let (Some(Ok(ticket)), State::HalfOpen) = (answer, world.m.state()) {
                probes.push((ticket, world.now + options.lease));
            }
            // One that was lost holds its lease to the end.
            probes.retain(|(ticket, lease)| *lease > world.now && world.m.is_current(*ticket));
            prop_assert!(probes.len() <= options.probes as usize, "{}", probes.len());
        }
    }

    #[test]
    fn an_open_breaker_never_admits_before_its_pause_is_over(options in any_options(), history in history()) {
        let mut world = World::new(options.clone());
        let (mut opened, mut doublings) = (None, 0);
        for step in &history {
            let (answer, moved) = world.take(step);
            let pause = |doublings: u32| {
                options.open.saturating_mul(1 << doublings.min(31)).min(options.open_cap.unwrap_or(options.open))
            };
            if let (Some((at, doublings)), Some(Ok(_))) = (opened, answer) {
                prop_assert!(world.now.since(at) >= pause(doublings));
            }
            match moved.map(|moved| (moved.from, moved.to)) {
                Some((from, State::Open)) => {
                    doublings = if from == State::HalfOpen { doublings + 1 } else { 0 };
                    opened = Some((world.now, doublings));
                    prop_assert_eq!(world.m.peek(world.now), Err(Refusal::Open(pause(doublings))));
                }
                Some(_) => opened = None,
                None => {}
            }
        }
    }

    #[test]
    fn a_lost_probe_cannot_wedge_it(options in any_options(), history in history()) {
        let longest = [options.open_cap.unwrap_or(options.open), options.lease, options.ramp];
        let mut world = World::new(options);
        for step in &history {
            world.take(step);
        }
        // Whatever was lost: once the longest of pause, lease and ramp has gone, somebody passes.
        let later = world.now + longest.into_iter().max().unwrap();
        prop_assert_eq!(world.m.peek(later), Ok(()));
        prop_assert!(world.m.admit(later).0.is_ok());
    }

    #[test]
    fn a_ramp_admits_a_tenth_at_least_and_never_all_before_its_end(
        span in 1u64..100,
        waits in prop::collection::vec(0u64..2000, 1..500),
    ) {
        let mut m = machine(Options { ramp: secs(span), successes: 1, ..Options::default() });
        m.half_open(START);
        call(&mut m, Lesson::Success, START);
        let (mut now, mut asked, mut passed) = (START, 0, 0);
        for wait in waits {
            now = now + millis(wait);
            if now.since(START) >= secs(span) {
                break;
            }
            asked += 1;
            let seen = m.peek(now).is_ok();
            let admitted = m.admit(now).0.is_ok();
            prop_assert_eq!(seen, admitted, "a look says what asking would");
            passed += u32::from(admitted);
            prop_assert_eq!(m.state(), State::HalfOpen);
            prop_assert!(passed >= asked / 10 && passed < asked, "{} of {}", passed, asked);
        }
        prop_assert!(m.admit(START + secs(span)).0.is_ok());
        prop_assert_eq!(m.state(), State::Closed);
    }

    #[test]
    fn metrics_only_never_refuses(options in any_options(), history in history()) {
        let mut world = World::new(Options { mode: Mode::MetricsOnly, ..options });
        for step in &history {
            let (answer, moved) = world.take(step);
            prop_assert!(!matches!(answer, Some(Err(_))));
            prop_assert_eq!(moved, None);
            prop_assert_eq!(world.m.state(), State::MetricsOnly);
            prop_assert_eq!(world.m.peek(world.now), Ok(()));
        }
    }

    #[test]
    fn the_shadow_stands_where_an_enforcing_breaker_would(options in any_options(), history in history()) {
        let mut real = World::new(options.clone());
        let mut shadow = machine(Options { mode: Mode::MetricsOnly, ..options });
        let mut shadowed: Vec<Ticket> = Vec::new();
        for step in &history {
            match *step {
                Do::Admit => {
                    let (answer, _) = real.take(step);
                    let ticket = shadow.admit(real.now).0.unwrap();
                    prop_assert_eq!(ticket.would_refuse(), answer.unwrap().err());
                    if ticket.would_refuse().is_none() {
                        shadowed.push(ticket);
                    } else {
                        // It was let through all the same, and failed: an enforcing one would not know.
                        let _ = shadow.record(ticket, Lesson::Failure, real.now);
                    }
                }
                Do::Record(n, lesson) if !shadowed.is_empty() => {
                    real.take(step);
                    let ticket = shadowed.swap_remove(n % shadowed.len());
                    prop_assert_eq!(shadow.record(ticket, lesson, real.now), None);
                }
                Do::Lose(n) if !shadowed.is_empty() => {
                    real.take(step);
                    let _ = shadowed.swap_remove(n % shadowed.len());
                }
                _ => {
                    real.take(step);
                }
            }
            prop_assert_eq!(shadow.shadow_state(), real.m.state());
        }
    }

    #[test]
    fn manual_recovery_never_leaves_open_by_itself(options in any_options(), history in history()) {
        let mut world = World::new(Options { recover: Recover::Manual, ..options });
        let mut opened = false;
        for step in &history {
            world.take(step);
            opened |= world.m.state() == State::Open;
            prop_assert!(!opened || world.m.state() == State::Open);
        }
        prop_assume!(opened);
        let years = world.now + Duration::from_secs(86_400 * 36_500);
        prop_assert_eq!(world.m.admit(years).0, Err(Refusal::Held));
        world.m.half_open(years);
        prop_assert!(world.m.admit(years).0.is_ok(), "until an operator says otherwise");
    }

    #[test]
    fn a_clock_that_stands_still_or_jumps_by_years_never_panics(
        options in any_options(),
        lease in prop::sample::select(vec![Duration::from_nanos(1), Duration::MAX]),
        metrics_only in any::<bool>(),
        history in prop::collection::vec(prop_oneof![
            20 => step(),
            1 => lever(),
            1 => any::<u64>().prop_map(|nanos| Do::Wait(Duration::from_nanos(nanos))),
            1 => Just(Do::Wait(Duration::MAX)),
        ], 1..200),
        stands_still in any::<bool>(),
        back in any::<u64>(),
    ) {
        let mode = if metrics_only { Mode::MetricsOnly } else { Mode::Enforce };
        let mut world = World::new(Options { lease, mode, ..options });
        for step in history.iter().filter(|step| !stands_still || !matches!(step, Do::Wait(_))) {
            world.take(step);
            world.m.totals(world.now);
        }
        // Clocks of two threads may disagree: a look into the past answers too.
        world.now = Instant::from_nanos(back);
        world.take(&Do::Admit);
        world.take(&Do::Record(0, Lesson::Failure));
    }
}
