use std::time::Duration;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use seawall_core::Instant;
use seawall_core::units::Share;

use super::*;

const START: Instant = Instant::from_nanos(3_600_000_000_000);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn machine(options: Options) -> Machine {
    options.check().unwrap();
    Machine::new(options, START)
}

/// Reports the same share every second, so that it stays fresh.
fn hold(m: &mut Machine, signal: Signal, share: f64, from: u64, to: u64) -> Vec<Moved> {
    (from..=to).flat_map(|second| m.report(signal, share, START + secs(second))).collect()
}

fn moves(moved: &[Moved]) -> Vec<(u64, usize, usize)> {
    moved.iter().map(|m| (m.at.since(START).as_secs(), m.from, m.to)).collect()
}

#[test]
fn the_defaults_are_the_published_ones() {
    let o = Options::default();
    let names: Vec<_> = o.levels.iter().map(|level| level.name.as_str()).collect();
    assert_eq!(names, ["normal", "reduced", "minimal"]);
    assert_eq!((o.enter_after, o.leave_after, o.fresh), (secs(10), secs(60), secs(60)));
    assert_eq!(
        (o.calm, o.levels[1].share, o.levels[2].share),
        (Share::percent(80), Share::percent(50), Share::percent(10))
    );
    let thresholds = |level: &Level| Signal::ALL.iter().map(|s| level.threshold(*s)).collect::<Vec<_>>();
    let shares = |of: [u8; 3]| of.map(|n| Some(Share::percent(n))).to_vec();
    assert_eq!(thresholds(&o.levels[1]), shares([34, 20, 85]));
    assert_eq!(thresholds(&o.levels[2]), shares([67, 50, 97]));
    o.check().unwrap();
}

#[test]
fn a_level_is_entered_when_its_threshold_has_stood_and_left_when_all_has_been_calm() {
    let mut m = machine(Options::default());
    assert_eq!(moves(&hold(&mut m, Signal::Errors, 0.25, 0, 9)), []);
    assert_eq!(moves(&hold(&mut m, Signal::Errors, 0.25, 10, 30)), [(10, 0, 1)]);
    assert_eq!(
        moves(&hold(&mut m, Signal::Errors, 0.17, 31, 500)),
        [],
        "below the threshold is not calm yet"
    );
    assert_eq!(moves(&hold(&mut m, Signal::Errors, 0.1, 501, 560)), []);
    assert_eq!(moves(&hold(&mut m, Signal::Errors, 0.1, 561, 600)), [(561, 1, 0)]);
}

#[test]
fn down_goes_as_far_as_needed_and_up_one_at_a_time() {
    let mut m = machine(Options::default());
    assert_eq!(moves(&hold(&mut m, Signal::Failing, 1.0, 0, 20)), [(10, 0, 2)]);
    assert_eq!(moves(&hold(&mut m, Signal::Failing, 0.0, 21, 300)), [(81, 2, 1), (141, 1, 0)]);
}

#[test]
fn it_says_what_it_runs_by_what_it_hears_and_why_it_moved() {
    let options = Options { enter_after: secs(5), ..Options::default() };
    let mut m = machine(options.clone());
    assert_eq!((m.options(), m.level(), m.since(), m.forced_until()), (&options, 0, START, None));
    assert_eq!(m.signal(Signal::Load), None);
    m.report(Signal::Load, 0.5, START);
    m.report(Signal::Errors, -3.0, START);
    m.report(Signal::Failing, 7.0, START);
    let heard = Signal::ALL.iter().map(|signal| m.signal(*signal)).collect::<Vec<_>>();
    assert_eq!(heard, [Some(1.0), Some(0.0), Some(0.5)]);
    m.report(Signal::Load, f64::NAN, START);
    assert_eq!(m.signal(Signal::Load), Some(0.5));
    let moved = m.advance(START + secs(5));
    assert_eq!((m.since(), moved[0].why), (START + secs(5), Why::Signal(Signal::Failing, 1.0)));
    m.force(1, START + secs(90), START + secs(6)).unwrap();
    assert_eq!((m.since(), m.forced_until()), (START + secs(6), Some(START + secs(90))));
    m.release(START + secs(7));
    assert_eq!((m.level(), m.since(), m.forced_until()), (2, START + secs(7), None));
    let words = [
        (Why::Signal(Signal::Errors, 0.256), "errors at 26%"),
        (Why::Calm, "every signal is calm"),
        (Why::Forced, "an operator asked for it"),
        (Why::Released, "an operator let go of it"),
        (Why::Expired, "what an operator asked for has expired"),
    ];
    for (why, said) in words {
        assert_eq!(why.to_string(), said);
    }
}

#[test]
fn a_threshold_is_reached_at_its_value_and_calm_begins_below_its_share_of_it() {
    // A fifth of errors leads to reduced; 80 % of that is 16 %.
    for (share, level) in [(0.1999, 0), (0.2, 1)] {
        let mut m = machine(Options::default());
        hold(&mut m, Signal::Errors, share, 0, 20);
        assert_eq!(m.level(), level, "{share}");
    }
    for (share, level) in [(0.1601, 1), (0.1599, 0)] {
        let mut m = machine(Options::default());
        hold(&mut m, Signal::Errors, 0.3, 0, 10);
        hold(&mut m, Signal::Errors, share, 11, 100);
        assert_eq!(m.level(), level, "{share}");
    }
}

#[test]
fn the_worst_of_several_signals_counts_and_each_keeps_its_own_time() {
    let mut m = machine(Options::default());
    hold(&mut m, Signal::Load, 0.9, 0, 6);
    // Errors ask for the worst level six seconds later than the load asks for the next.
    let mut moved = Vec::new();
    for second in 6..=16 {
        moved.extend(m.report(Signal::Load, 0.9, START + secs(second)));
        moved.extend(m.report(Signal::Errors, 0.6, START + secs(second)));
    }
    assert_eq!(moves(&moved), [(10, 0, 1), (16, 1, 2)]);
    assert_eq!(
        (moved[0].why, moved[1].why),
        (Why::Signal(Signal::Errors, 0.6), Why::Signal(Signal::Errors, 0.6))
    );
    // One that is calm does not make up for one that is not.
    hold(&mut m, Signal::Errors, 0.0, 17, 300);
    assert_eq!(m.signal(Signal::Load), None, "nobody has reported it for a minute");
    assert_eq!(m.level(), 0);
}

#[test]
fn a_signal_says_nothing_any_more_when_it_is_as_old_as_it_may_be() {
    let mut m = machine(Options::default());
    m.report(Signal::Load, 0.9, START);
    m.advance(START + secs(60) - Duration::from_nanos(1));
    assert_eq!((m.signal(Signal::Load), m.level()), (Some(0.9), 1));
    m.advance(START + secs(60));
    assert_eq!((m.signal(Signal::Load), m.level()), (None, 1));
    assert_eq!(moves(&m.advance(START + secs(120))), [(120, 1, 0)]);
}

#[test]
fn a_feature_under_a_forced_level_is_back_when_that_ends() {
    let mut options = Options::default();
    options.levels[2].off.insert("search".into());
    let mut m = machine(options);
    m.force(2, START + secs(90), START).unwrap();
    assert_eq!(m.off_for("search", START + secs(30)), secs(60));
    m.release(START + secs(31));
    assert_eq!(m.off_for("search", START + secs(31)), Duration::ZERO, "it is on");
}

#[test]
fn the_ends_of_every_range_are_in_it() {
    let day = secs(86_400);
    let sound = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options.check().unwrap();
    };
    sound(|o| o.levels.truncate(2));
    sound(|o| {
        o.levels.truncate(1);
        o.levels.extend((1..16).map(|n| Level::new(n.to_string())));
    });
    sound(|o| o.levels[2].share = Share::percent(50));
    sound(|o| o.fresh = secs(10) + Duration::from_nanos(1));
    sound(|o| o.calm = Share::percent(100));
    let long = Options { enter_after: day, leave_after: day, fresh: day * 2, ..Options::default() };
    long.check().unwrap();
    let over = day + Duration::from_nanos(1);
    let key = |options: Options| options.check().unwrap_err().key;
    assert_eq!(key(Options { enter_after: over, ..long.clone() }), "enter_after");
    assert_eq!(key(Options { leave_after: over, ..long }), "leave_after");
    let none = Options { enter_after: Duration::ZERO, fresh: Duration::ZERO, ..Options::default() };
    assert_eq!(key(none), "fresh");
    let mut options = Options::default();
    options.levels[0].off.insert("x".into());
    assert_eq!(key(options), "levels");
}

#[test]
fn a_level_switches_off_what_every_milder_one_does() {
    let level = Level::new("a").without("x").without("y");
    assert_eq!((level.name.as_str(), level.off.len(), level.share), ("a", 2, Share::percent(100)));
    let options =
        Options { levels: vec![Level::new("n"), level, Level::new("b").without("z")], ..Options::default() };
    let off = |feature| [0, 1, 2, 99].map(|level| options.is_off(feature, level));
    assert_eq!(off("x"), [false, true, true, true]);
    assert_eq!(off("z"), [false, false, true, true]);
    assert_eq!(off("w"), [false; 4]);
}

#[test]
fn a_moment_of_trouble_moves_nothing() {
    let mut m = machine(Options::default());
    for n in 0..1000 {
        let share = if n % 10 == 9 { 0.0 } else { 1.0 };
        assert_eq!(m.report(Signal::Load, share, START + secs(n)), []);
    }
    assert_eq!(m.report(Signal::Load, f64::NAN, START + secs(1000)), []);
}

#[test]
fn a_reporter_that_died_holds_no_level() {
    let mut m = machine(Options::default());
    assert_eq!(moves(&hold(&mut m, Signal::Load, 0.9, 0, 15)), [(10, 0, 1)]);
    let hours_later = START + secs(50_000);
    assert_eq!(moves(&m.advance(hours_later)), [(15 + 60 + 60, 1, 0)]);
    assert_eq!(m.signal(Signal::Load), None);
}

#[test]
fn what_an_operator_asks_for_stays_until_it_expires() {
    let mut m = machine(Options::default());
    assert_eq!(m.force(3, START + secs(60), START), None, "there is no such level");
    assert_eq!(moves(&m.force(2, START + secs(60), START).unwrap()), [(0, 0, 2)]);
    assert_eq!(moves(&hold(&mut m, Signal::Errors, 0.3, 1, 59)), [], "signals are only followed underneath");
    assert_eq!(m.level(), 2);
    let expired = m.advance(START + secs(60));
    assert_eq!(moves(&expired), [(60, 2, 1)]);
    assert_eq!(expired[0].why, Why::Expired);
    m.force(0, Instant::FAR_FUTURE, START + secs(61)).unwrap();
    assert_eq!(m.level(), 0);
    assert_eq!(m.release(START + secs(62))[0].why, Why::Released);
    assert_eq!(m.level(), 1);
    assert_eq!(
        m.force(2, START, START + secs(63)).unwrap().len(),
        2,
        "a moment that has passed holds nothing"
    );
    assert_eq!(m.level(), 1);
}

#[test]
fn it_says_how_soon_a_feature_can_be_back() {
    let mut options = Options::default();
    options.levels[1].off.insert("hints".into());
    options.levels[2].off.insert("search".into());
    let mut m = machine(options);
    hold(&mut m, Signal::Errors, 1.0, 0, 10);
    let at = START + secs(10);
    assert_eq!((m.off_for("search", at), m.off_for("hints", at)), (secs(60), secs(120)));
    m.report(Signal::Errors, 0.0, at);
    assert_eq!(m.off_for("search", at + secs(20)), secs(40));
}

#[test]
fn an_update_keeps_the_level_by_its_name() {
    let mut m = machine(Options::default());
    hold(&mut m, Signal::Errors, 0.25, 0, 10);
    let mut renamed = Options::default();
    renamed.levels.insert(1, Level::new("careful"));
    m.update(renamed, START + secs(11));
    assert_eq!(m.options().levels[m.level()].name, "reduced");
    let mut other = Options::default();
    other.levels[1].name = "less".into();
    m.update(other, START + secs(12));
    assert_eq!(m.level(), 0);
}

#[test]
fn levels_that_contradict_themselves_are_refused_by_name() {
    type Spoil = fn(&mut Options);
    let spoilt: [(&str, Spoil); 13] = [
        ("levels", |o| o.levels.truncate(1)),
        ("levels", |o| o.levels = vec![Level::new("x"); 17]),
        ("levels", |o| o.levels[0].share = Share::percent(50)),
        ("levels", |o| o.levels[0].load = Some(Share::percent(50))),
        ("name", |o| o.levels[2].name = "reduced".into()),
        ("name", |o| o.levels[2].name.clear()),
        ("share", |o| o.levels[2].share = Share::percent(60)),
        ("errors", |o| o.levels[1].errors = Some(Share::percent(0))),
        ("load", |o| o.levels[2].load = o.levels[1].load),
        ("enter_after", |o| o.enter_after = Duration::MAX),
        ("leave_after", |o| o.leave_after = Duration::MAX),
        ("fresh", |o| o.fresh = secs(10)),
        ("calm", |o| o.calm = Share::percent(0)),
    ];
    for (key, spoil) in spoilt {
        let mut options = Options::default();
        spoil(&mut options);
        assert_eq!(options.check().unwrap_err().key, key);
    }
}

fn options() -> impl Strategy<Value = Options> {
    let level = || (prop::option::of(1u8..=100), prop::option::of(1u8..=100), 0u8..=100);
    (prop::collection::vec(level(), 1..5), 0u64..30, 0u64..90, 1u8..=100, any::<bool>()).prop_map(
        |(levels, enter, leave, calm, long)| {
            let enter_after = secs(enter);
            let fresh = if long { Duration::MAX } else { enter_after + secs(5) };
            let mut o = Options {
                levels: vec![Level::new("0")],
                enter_after,
                leave_after: secs(leave),
                calm: Share::percent(calm),
                fresh,
            };
            for (place, (errors, load, share)) in levels.into_iter().enumerate() {
                let before = &o.levels[place];
                let share = Share::percent(share).get().min(before.share.get());
                let mut level = Level::new((place + 1).to_string()).without(format!("f{place}"));
                level.share = Share::new(share).unwrap();
                let above =
                    |signal| o.levels.iter().filter_map(|level: &Level| level.threshold(signal)).next_back();
                let more = |signal, percent: Option<u8>| {
                    percent
                        .map(Share::percent)
                        .filter(|share| above(signal).is_none_or(|before| *share > before))
                };
                (level.errors, level.load) = (more(Signal::Errors, errors), more(Signal::Load, load));
                o.levels.push(level);
            }
            o
        },
    )
}

#[derive(Debug, Clone)]
enum Do {
    Report(Signal, f64),
    Wait(u64),
    Force(usize, u64),
    Release,
}

fn history() -> impl Strategy<Value = Vec<Do>> {
    let step = prop_oneof![
        6 => (prop::sample::select(Signal::ALL), 0.0..=1.0f64).prop_map(|(signal, share)| Do::Report(signal, share)),
        6 => (0u64..40).prop_map(Do::Wait),
        1 => (0usize..6, 0u64..200).prop_map(|(level, span)| Do::Force(level, span)),
        1 => Just(Do::Release),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn on_the_way_up_no_level_is_skipped_and_none_is_left_too_soon(options in options(), history in history()) {
        let mut m = machine(options.clone());
        let mut now = START;
        let mut last = START;
        let mut by_hand = false;
        for step in history {
            by_hand |= matches!(step, Do::Force(..));
            let moved = match step {
                Do::Report(signal, share) => m.report(signal, share, now),
                Do::Wait(span) => { now = now + secs(span); m.advance(now) }
                Do::Force(level, span) => m.force(level, now + secs(span), now).unwrap_or_default(),
                Do::Release => m.release(now),
            };
            for Moved { at, from, to, why } in moved {
                prop_assert!(at >= last && at <= now, "moves are told in order, at the moment they were due");
                match why {
                    Why::Calm => {
                        prop_assert_eq!(to + 1, from);
                        prop_assert!(by_hand || at.since(last) >= options.leave_after);
                    }
                    Why::Signal(signal, share) => {
                        prop_assert!(to > from);
                        let reached = |s: &Signal| options.levels[to].threshold(*s).is_some_and(|t| share >= t.get());
                        prop_assert!(reached(&signal));
                    }
                    Why::Forced | Why::Released | Why::Expired => by_hand = true,
                }
                last = at;
            }
            prop_assert!(m.level() < options.levels.len());
        }
        now = now + options.fresh.min(secs(1000)) + options.leave_after * 6 + secs(300);
        m.advance(now);
        if options.fresh < secs(1000) {
            prop_assert_eq!(m.level(), 0, "what nobody complains of any more ends");
        }
    }

    #[test]
    fn a_signal_that_stands_still_never_makes_it_oscillate(
        options in options(), before in history(), share in 0.0..=1.0f64, load in 0.0..=1.0f64,
    ) {
        let mut m = machine(options.clone());
        let mut now = START;
        for step in before {
            match step {
                Do::Report(signal, share) => drop(m.report(signal, share, now)),
                Do::Wait(span) => { now = now + secs(span); m.advance(now); }
                Do::Force(..) | Do::Release => {}
            }
        }
        m.report(Signal::Failing, 0.0, now);
        let mut moved = Vec::new();
        for _ in 0..600 {
            m.report(Signal::Errors, share, now);
            moved.extend(m.report(Signal::Load, load, now));
            now = now + secs(1);
        }
        prop_assert!(moved.len() < options.levels.len());
        let ups = moved.iter().filter(|m| m.to < m.from).count();
        prop_assert!(ups == 0 || ups == moved.len(), "{:?}", moved);
    }

    #[test]
    fn a_worse_level_never_gives_more_than_a_better_one(options in options(), feature in 0usize..6) {
        options.check().unwrap();
        let feature = format!("f{feature}");
        for level in 1..options.levels.len() {
            prop_assert!(options.is_off(&feature, level) || !options.is_off(&feature, level - 1));
            prop_assert!(options.levels[level].share <= options.levels[level - 1].share);
        }
    }
}
