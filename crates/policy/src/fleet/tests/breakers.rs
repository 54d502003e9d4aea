//! What holds of a breaker that a fleet shares, and of those who follow it.

use proptest::prelude::{Just, Strategy, prop_oneof};
use seawall_core::fleet::breaker::{Ask, Counts, Heard, Lever, Pull, Report, Rules, Said, State};
use seawall_core::units::Share;
use seawall_core::verdict::Lesson;

use super::*;
use crate::breaker::{Machine, Mirror, Options, Recover, State as Stands, Window};

#[derive(Debug, Clone)]
enum Do {
    /// A call of this process that fails, or not.
    Call(usize, bool),
    /// Somebody looks.
    Look,
    /// This process tells and asks.
    Poll(usize),
    Pull(usize, Lever, Option<u64>),
    Wait(u64),
    /// The store goes away, or comes back.
    Cut,
}

fn any_step() -> impl Strategy<Value = Do> {
    let hold = || prop::option::of(1u64..60_000);
    prop_oneof![
        30 => (0usize..3, any::<bool>()).prop_map(|(who, failed)| Do::Call(who, failed)),
        1 => Just(Do::Look),
        12 => (0usize..3).prop_map(Do::Poll),
        1 => (0usize..3, prop::sample::select(Lever::ALL), hold())
            .prop_map(|(who, lever, hold)| Do::Pull(who, lever, hold)),
        8 => (0u64..2000).prop_map(Do::Wait),
        2 => (0u64..60_000).prop_map(Do::Wait),
        1 => Just(Do::Cut),
    ]
}

fn any_options() -> impl Strategy<Value = Options> {
    let opening = (1u64..40, 0u32..6, 0u32..8, 0u32..10, 1u8..=100);
    let closing = (1u64..30, prop::option::of(0u64..90), any::<bool>(), 1u32..4, 1u32..4, 0u32..5);
    (opening, closing, 1u64..40).prop_map(|(opening, closing, lease)| {
        let (window, consecutive, failures, min_calls, rate) = opening;
        let (open, cap, manual, probes, successes, sample) = closing;
        let secs = Duration::from_secs;
        Options {
            window: Window::Time(secs(window)),
            consecutive,
            failures,
            min_calls,
            failure_rate: Share::percent(rate),
            open: secs(open),
            open_cap: cap.map(|more| secs(open + more)),
            recover: if manual { Recover::Manual } else { Recover::Automatic },
            probes,
            successes,
            sample,
            lease: secs(lease),
            ..Options::default()
        }
    })
}

fn ask(store: &mut Store, rules: &Rules, ask: &Ask, now: Moment) -> Said {
    store.run(|held| breaker::step(held, rules, ask, now))
}

fn one_call(epoch: u64, failed: bool) -> Ask {
    let counts = vec![Counts { calls: 1, failures: failed.into(), ..Counts::default() }];
    Ask::Report(Report { epoch, counts, first: failed.into(), last: 0, worked: !failed })
}

fn stands(state: State) -> Stands {
    match state {
        State::Closed => Stands::Closed,
        State::Open => Stands::Open,
        State::HalfOpen => Stands::HalfOpen,
        State::ForcedOpen => Stands::ForcedOpen,
        State::ForcedClosed => Stands::ForcedClosed,
    }
}

/// A process and what it knows of the breaker.
struct Member {
    machine: Machine,
    mirror: Mirror,
    /// Calls that ended here in a closed breaker, since the epoch its machine is in began.
    ended: u64,
}

impl Member {
    fn new(options: &Options, now: Moment) -> Self {
        let mirror = Mirror::new(options.clone()).unwrap();
        Self { machine: Machine::new(mirror.machine_options(), instant(now)), mirror, ended: 0 }
    }

    fn poll(&mut self, store: &mut Store, now: Moment) {
        let mut looked = false;
        for _ in 0..100 {
            let Some(question) =
                self.mirror.next(instant(now)).or_else(|| (!looked).then(|| self.mirror.look()))
            else {
                return;
            };
            looked = true;
            let said = ask(store, self.mirror.rules(), &question, now);
            self.mirror.hear(&mut self.machine, &said, instant(now));
        }
        panic!("it never ends asking");
    }
}

proptest! {
    /// Law: told of one call after the other, it decides as a breaker of one process does.
    #[test]
    fn a_shared_breaker_decides_as_a_breaker_of_ones_own(
        options in any_options(),
        steps in vec(any_step(), 1..300),
    ) {
        let rules = breaker::rules(&options).unwrap();
        let (mut store, mut now) = (Store::default(), NOON);
        let mut own = Machine::new(options, instant(now));
        let mut epoch = ask(&mut store, &rules, &one_call(1, true), now).standing.epoch;
        for step in steps {
            let at = instant(now);
            own.elapse(at);
            let said = match step {
                Do::Call(_, failed) if matches!(own.state(), Stands::Closed | Stands::ForcedClosed) => {
                    let ticket = own.admit(at).0.unwrap();
                    own.record(ticket, if failed { Lesson::Failure } else { Lesson::Success }, at);
                    // A hold that ended just now has begun another epoch.
                    epoch = ask(&mut store, &rules, &Ask::Report(Report::default()), now).standing.epoch;
                    ask(&mut store, &rules, &one_call(epoch, failed), now)
                }
                Do::Call(who, failed) => {
                    let said = ask(&mut store, &rules, &Ask::Probe, now);
                    let ticket = own.admit(at).0;
                    prop_assert_eq!(ticket.is_ok(), said.probe.is_some());
                    match (ticket, said.probe) {
                        // Some are lost.
                        (Ok(ticket), Some(probe)) if who > 0 => {
                            own.record(ticket, if failed { Lesson::Failure } else { Lesson::Success }, at);
                            let heard = if failed { Heard::Failed } else { Heard::Worked };
                            let epoch = said.standing.epoch;
                            ask(&mut store, &rules, &Ask::Probed { epoch, probe, heard }, now)
                        }
                        _ => said,
                    }
                }
                Do::Pull(_, lever, hold) => {
                    let hold = hold.map(Duration::from_millis);
                    let until = hold.map(|hold| at + hold);
                    match lever {
                        Lever::ForceOpen => own.force_open(until, at),
                        Lever::ForceClosed => own.force_closed(until, at),
                        Lever::HalfOpen => own.half_open(at),
                        Lever::Reset => own.reset(at),
                    };
                    let pull = Pull { lever, by: "ann".into(), reason: "why".into(), hold };
                    ask(&mut store, &rules, &Ask::Pull(pull), now)
                }
                Do::Wait(millis) => {
                    now = Moment(now.0 + millis * 1000);
                    continue;
                }
                Do::Poll(_) | Do::Look | Do::Cut => {
                    ask(&mut store, &rules, &Ask::Report(Report::default()), now)
                }
            };
            prop_assert_eq!(stands(said.standing.state), own.state());
            let totals = own.totals(at);
            prop_assert_eq!((said.standing.calls, said.standing.failures), (totals.calls, totals.failures));
            prop_assert_eq!(said.standing.opened, own.opened());
            prop_assert!(said.standing.epoch >= epoch);
            epoch = said.standing.epoch;
        }
    }

    /// Law: whoever follows it, nothing is counted twice, no more probes are under way than may be while the store
    /// answers, what somebody forced stays so, and who has asked stands where it stands.
    #[test]
    fn those_who_follow_a_breaker_stand_where_it_stands_and_count_once(
        options in any_options(),
        steps in vec(any_step(), 1..400),
    ) {
        let rules = breaker::rules(&options).unwrap();
        let (mut store, mut now, mut away, mut ever) = (Store::default(), NOON, false, false);
        let mut members: Vec<_> = (0..3).map(|_| Member::new(&options, now)).collect();
        let mut probes: Vec<(usize, crate::breaker::Ticket, Moment)> = Vec::new();
        let (mut calls, mut untold) = (0u64, [false; 3]);
        for step in steps {
            let at = instant(now);
            match step {
                Do::Call(who, failed) => {
                    let Member { machine, mirror, ended } = &mut members[who];
                    let probing = matches!(machine.shadow_state(), Stands::Open | Stands::HalfOpen);
                    if let Ok(ticket) = mirror.admit(machine, at).0 {
                        if probing && matches!(machine.shadow_state(), Stands::HalfOpen) {
                            probes.push((who, ticket, now));
                        } else {
                            calls += 1;
                            *ended += 1;
                            let lesson = if failed { Lesson::Failure } else { Lesson::Success };
                            mirror.record(machine, ticket, lesson, at);
                        }
                    }
                    let lease = micros(rules.lease);
                    probes.retain(|(_, _, sent)| sent.0 + lease > now.0);
                    if !ever {
                        prop_assert!(probes.len() <= rules.probes as usize);
                    }
                    if probes.len() > 1 || failed && !probes.is_empty() {
                        let (who, ticket, _) = probes.swap_remove(0);
                        let Member { machine, mirror, .. } = &mut members[who];
                        let lesson = if failed { Lesson::Failure } else { Lesson::Success };
                        mirror.record(machine, ticket, lesson, at);
                    }
                }
                Do::Look => {}
                Do::Poll(who) if away => {
                    let Member { machine, mirror, .. } = &mut members[who];
                    // What is asked of a store that is away is not heard.
                    if mirror.next(at).is_some() {
                        mirror.unheard();
                    }
                    mirror.alone(machine, 3);
                }
                Do::Poll(who) => {
                    members[who].poll(&mut store, now);
                    if std::mem::take(&mut untold[who]) {
                        // A lever the store hears of only now lets others try anew.
                        probes.clear();
                    }
                }
                Do::Pull(who, lever, hold) => {
                    let Member { machine, mirror, .. } = &mut members[who];
                    let hold = hold.map(Duration::from_millis);
                    let until = hold.map(|hold| at + hold);
                    match lever {
                        Lever::ForceOpen => machine.force_open(until, at),
                        Lever::ForceClosed => machine.force_closed(until, at),
                        Lever::HalfOpen => machine.half_open(at),
                        Lever::Reset => machine.reset(at),
                    };
                    mirror.pulled(Pull { lever, by: "ann".into(), reason: "why".into(), hold }, at);
                    untold[who] = true;
                    probes.clear();
                }
                Do::Wait(millis) => now = Moment(now.0 + millis * 1000),
                Do::Cut => (away, ever) = (!away, true),
            }
            let look = Ask::Report(Report { epoch: 1, ..Report::default() });
            let seen = ask(&mut store, &rules, &look, now).standing;
            prop_assert!(seen.calls <= calls, "{} of {calls}", seen.calls);
        }
        // When all have told and asked, all stand where it stands.
        for _ in 0..3 {
            members.iter_mut().for_each(|member| member.poll(&mut store, now));
        }
        let look = Ask::Report(Report { epoch: 1, ..Report::default() });
        let seen = ask(&mut store, &rules, &look, now).standing;
        for member in &mut members {
            member.machine.elapse(instant(now));
            prop_assert_eq!(member.machine.shadow_state(), stands(seen.state));
        }
    }

    /// What a store gives back may be anything.
    #[test]
    fn rubbish_is_refused_or_read(options in any_options(), mut held in vec(any::<u8>(), 0..300), valid in any::<bool>(), now in any::<u64>(), n in any::<u64>()) {
        let rules = breaker::rules(&options).unwrap();
        if valid && held.len() > 2 {
            held[0] = 1;
            held[1] = b"COHFf"[usize::from(held[1] % 5)];
            held.resize(216, 0);
            held[210..].fill(0);
        }
        let counts = vec![Counts { ago: Duration::from_micros(n), calls: 9, failures: u32::MAX, slow: 3 }];
        for question in [
            Ask::Probe,
            Ask::Report(Report { epoch: 0, counts, first: u32::MAX, last: 9, worked: true }),
            Ask::Probed { epoch: n, probe: n, heard: Heard::Failed },
            Ask::Pull(Pull { lever: Lever::ForceOpen, by: "x".repeat(9000).into(), reason: "".into(), hold: Some(Duration::MAX) }),
        ] {
            if let Ok((Some(kept), _)) = breaker::step(Some(&held), &rules, &question, Moment(now)) {
                prop_assert!(breaker::step(Some(&kept.bytes), &rules, &Ask::Probe, Moment(now)).is_ok());
            }
        }
    }
}

#[test]
fn it_is_smaller_than_a_kilobyte() {
    let options = Options { probes: 10, ..Options::default() };
    let (rules, mut store) = (breaker::rules(&options).unwrap(), Store::default());
    let word: std::sync::Arc<str> = "w".repeat(9000).into();
    let pull = |lever| Ask::Pull(Pull { lever, by: word.clone(), reason: word.clone(), hold: None });
    ask(&mut store, &rules, &pull(Lever::ForceOpen), NOON);
    assert!(store.0.as_ref().unwrap().bytes.len() < 1024);
    ask(&mut store, &rules, &pull(Lever::HalfOpen), NOON);
    for _ in 0..20 {
        ask(&mut store, &rules, &Ask::Probe, NOON);
    }
    assert!(store.0.unwrap().bytes.len() < 1024);
}

#[test]
fn a_clock_that_is_set_back_makes_no_breaker_blind_and_prolongs_no_pause() {
    let options = Options { consecutive: 0, failures: 3, min_calls: 0, successes: 1, ..Options::default() };
    let rules = breaker::rules(&options).unwrap();
    let (mut store, back) = (Store::default(), Moment(NOON.0 - 3_600_000_000));
    let mut said = ask(&mut store, &rules, &one_call(0, true), NOON);
    for _ in 0..3 {
        let epoch = said.standing.epoch;
        said = ask(&mut store, &rules, &one_call(epoch, true), back);
    }
    assert_eq!(said.standing.state, State::Open, "what fails after it is counted");
    assert_eq!(said.standing.resumes, options.open);
    // Opened before it, its pause is none longer; and a probe that was lost keeps its place no longer.
    let sooner = Moment(back.0 - 3_600_000_000);
    assert_eq!(ask(&mut store, &rules, &one_call(1, true), sooner).standing.resumes, options.open);
    let over = Moment(sooner.0 + micros(rules.open));
    assert!(ask(&mut store, &rules, &Ask::Probe, over).probe.is_some());
    assert!(ask(&mut store, &rules, &Ask::Probe, sooner).probe.is_none());
    assert!(ask(&mut store, &rules, &Ask::Probe, Moment(sooner.0 + micros(rules.lease))).probe.is_some());
}

#[test]
fn a_window_of_calls_has_no_order_in_a_fleet() {
    let options = Options { window: Window::Calls(100), ..Options::default() };
    assert_eq!(breaker::rules(&options).unwrap_err().key, "window");
}

#[test]
fn what_moves_a_machine_has_a_word_in_a_fleet() {
    let source = include_str!("../../breaker/machine.rs");
    for why in seawall_core::fleet::breaker::Why::ALL {
        assert!(source.contains(&format!("\"{}\"", why.as_str())), "{why}");
    }
}
