use std::time::Duration;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use seawall_core::Instant;
use seawall_core::verdict::Lesson;

use super::recovery::{self, Next, Refusal};
use super::*;

const START: Instant = Instant::from_nanos(3_600_000_000_000);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(second: u64) -> Instant {
    START + secs(second)
}

fn group(options: Options, targets: usize) -> Machine {
    options.check().unwrap();
    Machine::new(options, targets, START)
}

fn bad(m: &mut Machine, place: usize, times: u32, now: Instant) -> Vec<Moved> {
    (0..times).flat_map(|_| m.report(place, Lesson::Failure, now)).collect()
}

fn good(m: &mut Machine, place: usize, now: Instant) -> Vec<Moved> {
    m.report(place, Lesson::Success, now)
}

fn moves(moved: &[Moved]) -> Vec<(u64, usize, usize)> {
    moved.iter().map(|m| (m.at.since(START).as_secs(), m.from, m.to)).collect()
}

#[test]
fn the_defaults_are_the_published_ones() {
    let o = Options::default();
    assert_eq!((o.down_after, o.unhealthy_for, o.up_after), (3, secs(10), secs(60)));
    assert_eq!((o.min_hold, o.trial), (secs(30), secs(15)));
    let r = recovery::Options::default();
    assert_eq!((r.cooldown, r.deadline, r.attempts, r.history), (secs(300), secs(30), 1, 64));
    o.check().unwrap();
    r.check().unwrap();
}

#[test]
fn it_says_what_it_runs_by_and_since_when_and_why_its_target_is_active() {
    let options = Options { up_after: secs(5), ..Options::default() };
    let mut m = group(options.clone(), 2);
    assert_eq!((m.options(), m.since(), m.why(), m.pinned()), (&options, START, "it is the first", None));
    bad(&mut m, 0, 3, at(7));
    assert_eq!((m.active(), m.since(), m.why()), (1, at(7), "the active target is failing"));
    good(&mut m, 0, at(8));
    m.advance(at(100));
    assert_eq!((m.active(), m.since()), (0, at(37)));
    assert_eq!(m.why(), "a better target has been well for long enough");
    m.pin(1, at(200), at(110)).unwrap();
    assert_eq!((m.pinned(), m.why()), (Some((1, at(200))), "an operator pinned it"));
    m.advance(at(199));
    assert_eq!(m.pinned(), Some((1, at(200))));
    m.advance(at(200));
    assert_eq!(m.pinned(), None);
    m.pin(1, at(300), at(210)).unwrap();
    m.unpin(at(220));
    assert_eq!(m.pinned(), None);
}

#[test]
fn other_options_take_effect_at_once_and_keep_what_is_known() {
    let mut m = group(Options { min_hold: secs(3600), ..Options::default() }, 2);
    bad(&mut m, 0, 3, START);
    good(&mut m, 0, at(1));
    assert_eq!(m.advance(at(100)), []);
    assert_eq!(m.targets()[0].health, Health::Up);
    let moved = m.update(Options { min_hold: secs(10), ..Options::default() }, at(101));
    assert_eq!((moves(&moved), m.options().min_hold), (vec![(101, 1, 0)], secs(10)));
}

#[test]
fn the_ends_of_every_range_are_in_it() {
    let o = Options::default;
    let day = secs(86_400);
    Options { down_after: 1, unhealthy_for: Duration::from_nanos(1), ..o() }.check().unwrap();
    Options { down_after: 1000, up_after: day, min_hold: day, trial: day, ..o() }.check().unwrap();
    assert!(Options { down_after: 1001, ..o() }.check().is_err());
    let over = day + Duration::from_nanos(1);
    assert_eq!(Options { up_after: over, ..o() }.check().unwrap_err().key, "up_after");
    let r = recovery::Options::default;
    recovery::Options { history: 100_000, attempts: 10, ..r() }.check().unwrap();
    recovery::Options { history: 0, attempts: 1, ..r() }.check().unwrap();
    assert_eq!(recovery::Options { history: 100_001, ..r() }.check().unwrap_err().key, "history");
    assert_eq!(recovery::Options { attempts: 0, ..r() }.check().unwrap_err().key, "attempts");
}

#[test]
fn three_bad_reports_in_a_row_move_it_and_a_good_one_between_does_not() {
    let mut m = group(Options::default(), 2);
    for _ in 0..10 {
        assert_eq!(bad(&mut m, 0, 2, START), []);
        good(&mut m, 0, START);
    }
    m.report(0, Lesson::Nothing, START);
    assert_eq!(moves(&bad(&mut m, 0, 3, at(1))), [(1, 0, 1)]);
}

#[test]
fn a_target_that_is_seldom_asked_is_left_when_it_was_bad_for_long() {
    let mut m = group(Options::default(), 2);
    assert_eq!(bad(&mut m, 0, 1, START), []);
    assert_eq!(m.advance(at(3600)), [], "one bad report and then silence is no outage");
    good(&mut m, 0, at(3600));
    bad(&mut m, 0, 1, at(3600));
    assert_eq!(moves(&bad(&mut m, 0, 1, at(3610))), [(3610, 0, 1)]);
}

#[test]
fn it_goes_back_exactly_when_the_better_one_has_been_well_for_up_after() {
    let mut m = group(Options::default(), 2);
    bad(&mut m, 0, 3, START);
    good(&mut m, 0, at(40));
    bad(&mut m, 0, 1, at(70));
    assert_eq!(m.targets()[0].health, Health::Down, "one bad report begins the wait anew");
    good(&mut m, 0, at(80));
    assert_eq!(m.advance(at(139)), []);
    assert_eq!(moves(&m.advance(at(10_000))), [(140, 1, 0)], "told late, but for the moment it was due");
}

#[test]
fn it_goes_back_no_sooner_than_min_hold_after_the_last_switch() {
    let options = Options { up_after: secs(5), ..Options::default() };
    let mut m = group(options, 2);
    bad(&mut m, 0, 3, START);
    good(&mut m, 0, at(1));
    assert_eq!(moves(&m.advance(at(100))), [(30, 1, 0)]);
}

#[test]
fn with_every_target_down_the_first_is_asked_and_said() {
    let mut m = group(Options::default(), 3);
    bad(&mut m, 0, 3, START);
    bad(&mut m, 1, 3, at(1));
    assert_eq!((m.active(), m.is_panicking()), (2, false), "fleeing to one that is up never waits");
    bad(&mut m, 2, 3, at(2));
    assert_eq!((m.active(), m.is_panicking()), (2, true));
    let moved = m.advance(at(100));
    assert_eq!(moves(&moved), [(31, 2, 0)]);
    assert_eq!(moved[0].why, "every target is failing, so the first is asked");
    good(&mut m, 1, at(101));
    assert_eq!(
        (m.active(), m.is_panicking()),
        (1, false),
        "one that begins to answer is better than one that fails"
    );
}

#[test]
fn a_pinned_group_stays_until_the_pin_expires() {
    let mut m = group(Options::default(), 2);
    assert_eq!(m.pin(2, at(10), START), None, "there is no such target");
    assert_eq!(moves(&m.pin(1, at(100), START).unwrap()), [(0, 0, 1)]);
    bad(&mut m, 1, 9, at(1));
    assert_eq!((m.active(), m.trial(at(99))), (1, None));
    assert_eq!(moves(&m.advance(at(200))), [(100, 1, 0)]);
    assert_eq!(m.pin(1, at(100), at(200)), Some(vec![]), "a moment that has passed holds nothing");
    m.pin(1, Instant::FAR_FUTURE, at(201)).unwrap();
    assert_eq!(moves(&m.unpin(at(202))), [(202, 1, 0)]);
}

#[test]
fn a_target_nobody_hears_of_gets_one_trial_at_a_time() {
    let mut m = group(Options::default(), 2);
    assert_eq!(m.trial(at(1000)), None, "one that is up needs none");
    bad(&mut m, 0, 3, at(1000));
    assert_eq!(m.trial(at(1014)), None);
    assert_eq!(m.trial(at(1015)), Some(0));
    assert_eq!(m.trial(at(1016)), None);
    assert_eq!(m.trial(at(1030)), Some(0));
    let mut pinned = m.clone();
    pinned.pin(1, at(9000), at(1040)).unwrap();
    assert_eq!(pinned.trial(at(2000)), None, "an operator's word is not tried");
    m.update(Options { trial: Duration::ZERO, ..Options::default() }, at(1040));
    assert_eq!(m.trial(at(2000)), None, "health is reported from outside");
}

#[test]
fn calls_ask_the_active_one_first_and_those_that_are_down_last() {
    let mut m = group(Options::default(), 4);
    bad(&mut m, 0, 3, START);
    bad(&mut m, 2, 3, START);
    good(&mut m, 2, START);
    assert_eq!(m.order().collect::<Vec<_>>(), [1, 3, 2, 0]);
}

#[test]
fn bad_numbers_are_refused_by_name() {
    let o = Options::default;
    for (key, options) in [
        ("down_after", Options { down_after: 0, ..o() }),
        ("unhealthy_for", Options { unhealthy_for: Duration::ZERO, ..o() }),
        ("up_after", Options { up_after: Duration::MAX, ..o() }),
        ("min_hold", Options { min_hold: Duration::MAX, ..o() }),
        ("trial", Options { trial: Duration::MAX, ..o() }),
    ] {
        assert_eq!(options.check().unwrap_err().key, key);
    }
    let r = recovery::Options::default;
    for (key, options) in [
        ("deadline", recovery::Options { deadline: Duration::ZERO, ..r() }),
        ("attempts", recovery::Options { attempts: 11, ..r() }),
        ("history", recovery::Options { history: usize::MAX, ..r() }),
    ] {
        assert_eq!(options.check().unwrap_err().key, key);
    }
}

/// Six hours of a primary that is well and ill by turns, probed every second beside a backup that is always well.
fn six_hours(turn: u64) -> usize {
    let mut m = group(Options::default(), 2);
    let mut switches = 0;
    for second in 0..6 * 3600 {
        let well = (second / turn).is_multiple_of(2);
        switches += m.report(0, if well { Lesson::Success } else { Lesson::Failure }, at(second)).len();
        switches += good(&mut m, 1, at(second)).len();
    }
    switches
}

#[test]
fn a_primary_that_flaps_every_half_minute_for_six_hours_is_left_once() {
    assert_eq!(six_hours(30), 1);
    assert_eq!(six_hours(59), 1);
    // It is well for 90 s out of 180: gone back to after 60 of them, left 3 bad seconds after they end.
    assert_eq!(six_hours(90), 2 * (6 * 3600 / 180) - 1);
}

#[test]
fn procedures_run_in_order_once_an_episode_and_then_it_cools() {
    let mut m = recovery::Machine::new(secs(300), vec![2, 1]);
    assert_eq!(m.begin(START), Ok(Next::Run { procedure: 0, attempt: 1 }));
    assert_eq!(m.begin(START), Err(Refusal::Running));
    assert_eq!(m.ended(false, at(1)), Next::Run { procedure: 0, attempt: 2 });
    assert_eq!(m.ended(false, at(2)), Next::Run { procedure: 1, attempt: 1 });
    assert_eq!(m.ended(true, at(3)), Next::Recovered);
    assert_eq!(m.begin(at(4)), Err(Refusal::Cooling(secs(299))));
    assert!(m.begin(at(303)).is_ok());
    m.abandon(at(304));
    assert_eq!(m.ended(true, at(304)), Next::GaveUp, "what was abandoned decides nothing any more");
    assert_eq!(m.begin(at(305)), Err(Refusal::Cooling(secs(299))));
}

#[derive(Debug, Clone)]
enum Do {
    Report(usize, Lesson),
    Wait(u64),
    Trial,
    Pin(usize, u64),
    Unpin,
}

fn history(pins: bool) -> impl Strategy<Value = Vec<Do>> {
    let lesson = prop::sample::select(Lesson::ALL);
    let pin = u32::from(pins);
    let step = prop_oneof![
        8 => (0usize..4, lesson, 1usize..4).prop_map(|(place, lesson, times)| vec![Do::Report(place, lesson); times]),
        8 => (0u64..25).prop_map(|span| vec![Do::Wait(span)]),
        1 => Just(vec![Do::Trial]),
        pin => (0usize..4, 0u64..100).prop_map(|(place, span)| vec![Do::Pin(place, span)]),
        pin => Just(vec![Do::Unpin]),
    ];
    prop::collection::vec(step, 1..150).prop_map(|steps| steps.concat())
}

fn options() -> impl Strategy<Value = Options> {
    (1u32..4, 1u64..20, 0u64..90, 0u64..60, any::<bool>()).prop_map(|(down_after, bad, up, hold, trial)| {
        Options {
            down_after,
            unhealthy_for: secs(bad),
            up_after: secs(up),
            min_hold: secs(hold),
            trial: secs(if trial { 15 } else { 0 }),
        }
    })
}

fn step(m: &mut Machine, what: &Do, now: &mut Instant) -> Vec<Moved> {
    match *what {
        Do::Report(place, lesson) => m.report(place, lesson, *now),
        Do::Wait(span) => {
            *now = *now + secs(span);
            m.advance(*now)
        }
        Do::Trial => {
            m.trial(*now);
            Vec::new()
        }
        Do::Pin(place, span) => m.pin(place, *now + secs(span), *now).unwrap_or_default(),
        Do::Unpin => m.unpin(*now),
    }
}

proptest! {
    /// Nothing goes back to where it was sooner than min_hold (or up_after, if that is shorter) after it had gone there;
    /// and what is not a flight from a failing target to one that is up waits for min_hold.
    #[test]
    fn it_never_flaps_faster_than_min_hold(options in options(), targets in 1usize..5, history in history(false)) {
        let mut m = group(options.clone(), targets);
        let mut now = START;
        let mut last: Option<Instant> = None;
        let mut arrived = vec![None::<Instant>; targets];
        for what in history {
            for moved in step(&mut m, &what, &mut now) {
                prop_assert!(moved.from != moved.to && moved.at <= now);
                let flight = moved.why.contains("the active target is failing")
                    && m.targets()[moved.to].health != Health::Recovering;
                if let Some(last) = last && !flight {
                    prop_assert!(moved.at.since(last) >= options.min_hold, "{:?}", moved);
                }
                if let Some(before) = arrived[moved.to].replace(moved.at) {
                    prop_assert!(moved.at.since(before) >= options.min_hold.min(options.up_after), "{:?}", moved);
                }
                last = Some(moved.at);
            }
        }
    }

    #[test]
    fn the_active_target_is_well_whenever_one_is(options in options(), targets in 1usize..5, history in history(false)) {
        let mut m = group(options.clone(), targets);
        let mut now = START;
        for what in history {
            step(&mut m, &what, &mut now);
            let active = m.targets()[m.active()].health;
            if m.targets().iter().any(|target| target.health == Health::Up) {
                prop_assert!(active != Health::Down);
            }
        }
        // Left alone for as long as it may hold on to something, it has the best there is.
        let all_down = m.is_panicking();
        m.advance(now + options.min_hold);
        let active = m.targets()[m.active()].health;
        prop_assert!(active != Health::Down || all_down);
        if all_down {
            prop_assert_eq!(m.active(), 0);
        }
        m.advance(now + options.min_hold * 2 + options.up_after);
        let best = m.targets().iter().position(|target| target.health == Health::Up);
        prop_assert_eq!(m.active(), best.unwrap_or(0));
    }

    #[test]
    fn a_pinned_group_never_moves(options in options(), history in history(false), place in 0usize..4) {
        let mut m = group(options, 4);
        let mut now = START;
        m.pin(place, Instant::FAR_FUTURE, now);
        for what in history {
            prop_assert_eq!(step(&mut m, &what, &mut now), []);
            prop_assert_eq!(m.active(), place);
        }
    }

    #[test]
    fn a_call_asks_every_target_once(options in options(), targets in 1usize..5, history in history(true)) {
        let mut m = group(options, targets);
        let mut now = START;
        for what in history {
            step(&mut m, &what, &mut now);
            let mut order: Vec<usize> = m.order().collect();
            prop_assert_eq!(order[0], m.active());
            order.sort_unstable();
            prop_assert_eq!(order, (0..targets).collect::<Vec<_>>());
        }
    }

    /// However attempts end, an episode runs each procedure at most as often as it may be, and ends.
    #[test]
    fn an_episode_always_ends(attempts in prop::collection::vec(1u32..5, 1..6), works in prop::collection::vec(any::<bool>(), 30)) {
        let mut m = recovery::Machine::new(secs(1), attempts.clone());
        let mut next = m.begin(START).unwrap();
        let mut runs = vec![0; attempts.len()];
        for worked in works {
            let Next::Run { procedure, attempt } = next else { break };
            runs[procedure] += 1;
            prop_assert_eq!(runs[procedure], attempt);
            prop_assert!(attempt <= attempts[procedure]);
            next = m.ended(worked, START);
            prop_assert_eq!(next == Next::Recovered, worked);
        }
        prop_assert!(!m.is_running());
    }
}
