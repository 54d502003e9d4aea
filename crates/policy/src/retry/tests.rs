use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Strategy as _;
use seawall_core::verdict::Seen;
use seawall_core::{Effects, Instant, Verdict};

use super::*;

const LONG: Duration = Duration::from_secs(3600);
const CALM: Share = Share::percent(0);
const START: Instant = Instant::from_nanos(3_600_000_000_000);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn rate(count: u32, per: Duration) -> Rate {
    Rate { count: count.try_into().unwrap(), per }
}

/// An attempt that ended long before the deadline, with nobody objecting.
fn ended(verdict: Verdict, effects: Effects) -> Ended {
    Ended { verdict, effects, declined: false, elsewhere: false, remaining: LONG, errors: CALM }
}

fn plain(strategy: Strategy) -> Options {
    Options { strategy, jitter: Jitter::None, base: ms(100), cap: ms(1000), ..Options::default() }
}

fn pauses(options: &Options) -> Vec<u64> {
    (1..=7)
        .map(|attempt| u64::try_from(pause(options, attempt, options.base, CALM, 0.5).as_millis()).unwrap())
        .collect()
}

#[test]
fn the_four_strategies_grow_as_they_say_and_stop_at_the_cap() {
    assert_eq!(pauses(&plain(Strategy::Fixed)), [100, 100, 100, 100, 100, 100, 100]);
    assert_eq!(pauses(&plain(Strategy::Linear)), [100, 200, 300, 400, 500, 600, 700]);
    assert_eq!(pauses(&plain(Strategy::Exponential)), [100, 200, 400, 800, 1000, 1000, 1000]);
    assert_eq!(pauses(&plain(Strategy::Fibonacci)), [100, 100, 200, 300, 500, 800, 1000]);
}

#[test]
fn each_jitter_draws_from_the_span_it_says() {
    let drawn = |jitter, previous, dice| {
        let options = Options { jitter, ..plain(Strategy::Exponential) };
        pause(&options, 3, ms(previous), CALM, dice).as_millis()
    };
    // The plan is 400 ms: what is drawn falls as the dice rise.
    assert_eq!([drawn(Jitter::None, 200, 0.0), drawn(Jitter::None, 200, 0.75)], [400, 400]);
    assert_eq!([drawn(Jitter::Full, 200, 0.0), drawn(Jitter::Full, 200, 0.75)], [400, 100]);
    assert_eq!([drawn(Jitter::Equal, 200, 0.0), drawn(Jitter::Equal, 200, 0.75)], [400, 250]);
    // Between the base and three times the last pause, 100 to 600 ms, and never above the cap.
    assert_eq!([drawn(Jitter::Decorrelated, 200, 0.0), drawn(Jitter::Decorrelated, 200, 0.75)], [600, 225]);
    assert_eq!(drawn(Jitter::Decorrelated, 900, 0.0), 1000);
    assert_eq!(drawn(Jitter::Decorrelated, 0, 0.5), 100);
}

#[test]
fn the_ends_of_every_range_are_in_it() {
    let sound = |o: Options| o.check().unwrap();
    sound(Options { attempts: 1, ..Options::default() });
    sound(Options { attempts: 10, ..Options::default() });
    sound(Options { base: ms(1), cap: ms(1), ..Options::default() });
    sound(Options { multiplier: 1.0, ..Options::default() });
    sound(Options { multiplier: 10.0, ..Options::default() });
    sound(Options { floor: rate(1, Duration::from_secs(1)), ..Options::default() });
    sound(Options { floor: rate(1, Duration::from_secs(600)), ..Options::default() });
    let refused = |o: Options| o.check().unwrap_err().to_string();
    assert!(refused(Options { cap: ms(499), ..Options::default() }).starts_with("cap: 499ms is less than"));
    assert!(refused(Options { multiplier: 10.1, ..Options::default() }).starts_with("multiplier: 10.1"));
    assert!(
        refused(Options { floor: rate(1, Duration::from_secs(601)), ..Options::default() })
            .starts_with("floor")
    );
}

#[test]
fn options_are_a_table_or_the_name_of_a_preset() {
    let read = |text: &str| serde_json::from_str::<Options>(text).map_err(|error| error.to_string());
    assert_eq!(read(r#""quick""#), Ok(Options::quick()));
    assert_eq!(read(r#"{"attempts": 2}"#), Ok(Options { attempts: 2, ..Options::default() }));
    assert!(read(r#""quickly""#).unwrap_err().contains("unknown variant `quickly`"));
    assert!(read("7").unwrap_err().contains("expected a table, or one of \"aggressive\""));
    let written = serde_json::to_string(&Options::conservative()).unwrap();
    assert_eq!(read(&written), Ok(Options::conservative()));
}

#[test]
fn what_one_call_remembers_grows_by_one_attempt_and_its_pause() {
    let failed = ended(Verdict::of(Seen::ServerError), Effects::Repeatable);
    let seen = Attempts { made: 1, previous: ms(100) };
    let options = Options { attempts: 3, ..plain(Strategy::Linear) };
    let (after, decision) = step(&options, seen, failed, 0.0);
    assert_eq!(
        (after, decision),
        (Attempts { made: 2, previous: ms(200) }, Decision::Again { delay: ms(200) })
    );
    let (over, decision) = step(&options, after, failed, 0.0);
    assert_eq!((over, decision), (Attempts { made: 3, previous: ms(200) }, Decision::Stop(Stop::Spent)));
}

#[test]
fn the_defaults_and_presets_are_the_published_ones() {
    let of = |o: Options| (o.attempts, o.base.as_millis(), o.cap.as_millis());
    let d = Options::default();
    assert_eq!(of(d.clone()), (3, 500, 5000));
    assert_eq!((d.strategy, d.jitter, d.multiplier), (Strategy::Exponential, Jitter::Full, 2.0));
    assert_eq!((d.budget, d.floor), (Share::percent(20), rate(10, Duration::from_secs(10))));
    assert!(!d.adaptive);
    assert_eq!(of(Options::aggressive()), (5, 200, 10_000));
    assert_eq!(of(Options::conservative()), (3, 1000, 5000));
    assert_eq!(of(Options::quick()), (2, 100, 1000));
    assert_eq!(Options::off().attempts, 1);
    for name in Options::PRESETS {
        let preset = Options::preset(name).unwrap();
        preset.check().unwrap();
        assert_eq!((preset.strategy, preset.multiplier), (Strategy::Exponential, 2.0), "{name}");
        assert_ne!(preset.jitter, Jitter::None, "{name}");
        assert_eq!((preset.budget, preset.floor), (d.budget, d.floor), "{name}");
    }
}

#[test]
fn bad_options_are_refused_by_name() {
    let refused = |o: Options| o.check().unwrap_err().key;
    assert_eq!(refused(Options { attempts: 0, ..Options::default() }), "attempts");
    assert_eq!(refused(Options { attempts: 11, ..Options::default() }), "attempts");
    assert_eq!(refused(Options { base: Duration::ZERO, ..Options::default() }), "base");
    assert_eq!(refused(Options { cap: ms(1), ..Options::default() }), "cap");
    assert_eq!(refused(Options { multiplier: f64::NAN, ..Options::default() }), "multiplier");
    assert_eq!(refused(Options { floor: rate(1, ms(1)), ..Options::default() }), "floor");
}

#[test]
fn a_servers_wait_is_a_floor_and_the_deadline_a_ceiling() {
    let options = plain(Strategy::Fixed);
    let limited = Verdict::of(Seen::RateLimited);
    let decide = |after, remaining| {
        let ended = Ended { remaining, ..ended(limited.after(after), Effects::Once) };
        step(&options, Attempts::default(), ended, 0.5).1
    };
    assert_eq!(decide(None, LONG), Decision::Again { delay: ms(100) });
    assert_eq!(decide(Some(ms(30)), LONG), Decision::Again { delay: ms(100) });
    assert_eq!(decide(Some(ms(7000)), LONG), Decision::Again { delay: ms(7000) });
    assert_eq!(decide(Some(ms(7000)), ms(7000)), Decision::Stop(Stop::Late));
    assert_eq!(decide(None, ms(100)), Decision::Stop(Stop::Late));
}

#[test]
fn a_lost_reply_is_repeated_only_where_repeating_is_safe() {
    let decide = |effects| {
        let lost = ended(Verdict::of(Seen::ReplyLost), effects);
        step(&plain(Strategy::Fixed), Attempts::default(), lost, 0.0).1
    };
    assert_eq!(decide(Effects::Repeatable), Decision::Again { delay: ms(100) });
    for effects in [Effects::Billable, Effects::Guarded, Effects::Once] {
        assert_eq!(decide(effects), Decision::Stop(Stop::Unsafe));
    }
    let success = ended(Verdict::of(Seen::Success), Effects::Repeatable);
    let ok = step(&Options::default(), Attempts::default(), success, 0.0);
    assert_eq!(ok.1, Decision::Stop(Stop::Settled));
}

#[test]
fn a_predicate_narrows_what_the_table_allows() {
    let decide = |row, effects| {
        let ended = Ended { declined: true, ..ended(Verdict::of(row), effects) };
        step(&plain(Strategy::Fixed), Attempts::default(), ended, 0.5).1
    };
    assert_eq!(decide(Seen::ServerError, Effects::Repeatable), Decision::Stop(Stop::Declined));
    assert_eq!(decide(Seen::ServerError, Effects::Once), Decision::Stop(Stop::Unsafe));
    assert_eq!(decide(Seen::Invalid, Effects::Repeatable), Decision::Stop(Stop::Settled));
}

#[test]
fn an_adaptive_pause_is_four_times_as_long_when_everything_fails() {
    let adaptive = Options { adaptive: true, cap: ms(5000), ..plain(Strategy::Exponential) };
    let at = |errors, attempt| pause(&adaptive, attempt, adaptive.base, Share::percent(errors), 0.5);
    assert_eq!([at(0, 1), at(50, 1), at(100, 1)], [ms(100), ms(250), ms(400)]);
    assert_eq!([at(100, 2), at(100, 9)], [ms(800), ms(5000)]);
    let steady = Options { adaptive: false, ..adaptive };
    assert_eq!(pause(&steady, 1, steady.base, Share::percent(100), 0.5), ms(100));
}

#[test]
fn a_climate_follows_the_recent_past_and_one_failure_is_not_an_outage() {
    let mut climate = Climate::new(Duration::from_secs(10));
    assert_eq!(climate.errors(START), CALM);
    climate.heard(true, START);
    assert_eq!(climate.errors(START), Share::percent(10));
    for _ in 0..99 {
        climate.heard(true, START);
    }
    assert_eq!(climate.errors(START), Share::percent(100));
    let later = START + Duration::from_secs(9);
    for _ in 0..100 {
        climate.heard(false, later);
    }
    assert_eq!(climate.errors(later), Share::percent(50));
    assert_eq!(climate.errors(START + Duration::from_secs(10)), CALM, "the failures are forgotten");
    climate.update(Duration::from_secs(10));
    climate.heard(true, later);
    assert_ne!(climate.errors(later), CALM);
    climate.update(Duration::from_secs(20));
    assert_eq!(climate.errors(later), CALM);
}

#[test]
fn a_no_is_an_answer_and_our_own_refusal_is_no_weather() {
    let hears = |row| Climate::hears(Verdict::of(row));
    for row in [Seen::ServerError, Seen::NotSent, Seen::ReplyLost, Seen::TimedOut, Seen::RateLimited] {
        assert_eq!(hears(row), Some(true), "{row}");
    }
    for row in [Seen::Success, Seen::Invalid, Seen::Denied] {
        assert_eq!(hears(row), Some(false), "{row}");
    }
    for row in [Seen::Refused, Seen::CancelledBefore, Seen::QuotaGone, Seen::Banned] {
        assert_eq!(hears(row), None, "{row}");
    }
}

#[test]
fn absurd_numbers_do_not_panic() {
    let huge = Options { base: Duration::MAX, cap: Duration::MAX, adaptive: true, ..Options::default() };
    for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
        let huge = Options { jitter, multiplier: f64::MAX, ..huge.clone() };
        for dice in [0.0, 1.0, f64::NAN, f64::INFINITY] {
            assert!(pause(&huge, u32::MAX, Duration::MAX, Share::percent(100), dice) > Duration::ZERO);
        }
    }
    let mut climate = Climate::new(Duration::MAX);
    climate.heard(true, Instant::FAR_FUTURE);
    climate.update(Duration::ZERO);
    climate.heard(true, Instant::ORIGIN);
}

fn any_options() -> impl proptest::strategy::Strategy<Value = Options> {
    let strategy = prop::sample::select(vec![
        Strategy::Fixed,
        Strategy::Linear,
        Strategy::Exponential,
        Strategy::Fibonacci,
    ]);
    let jitter = prop::sample::select(vec![Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated]);
    let shape = (strategy, jitter, prop::bool::ANY);
    (1u32..=10, 1u64..100_000, 1.0f64..10.0, 0u64..10_000_000, shape).prop_map(
        |(attempts, base, multiplier, more, (strategy, jitter, adaptive))| Options {
            attempts,
            strategy,
            base: ms(base),
            cap: ms(base + more),
            multiplier,
            jitter,
            adaptive,
            ..Options::default()
        },
    )
}

fn any_share() -> impl proptest::strategy::Strategy<Value = Share> {
    (0.0f64..=1.0).prop_map(|share| Share::new(share).unwrap())
}

proptest! {
    /// Law: a pause, jitter included, stays within (0, cap].
    #[test]
    fn jitter_stays_within_zero_and_the_cap(options in any_options(), attempt in 1u32..1000, dice in 0.0f64..1.0, previous in 0u64..u64::MAX / 4, errors in any_share()) {
        let drawn = pause(&options, attempt, Duration::from_nanos(previous), errors, dice);
        prop_assert!(drawn > Duration::ZERO && drawn <= options.cap, "{drawn:?}");
    }

    /// Law: jitter is still at work at the cap.
    #[test]
    fn jitter_still_works_at_the_cap(mut options in any_options(), errors in any_share()) {
        options.cap = options.base * 5;
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
            options.jitter = jitter;
            let at = |dice| pause(&options, 500, options.cap, errors, dice);
            prop_assert!(at(0.1) > at(0.9));
        }
    }

    /// Law: an adaptive pause never exceeds the cap, and is never shorter than the plain schedule's for the same dice;
    /// more errors never make it shorter.
    #[test]
    fn adaptive_never_exceeds_the_cap_and_never_shortens(
        options in any_options(),
        attempt in 1u32..1000,
        dice in 0.0f64..1.0,
        previous in 0u64..100_000_000,
        (some, more) in (any_share(), any_share()),
    ) {
        let (plain, adaptive) =
            (Options { adaptive: false, ..options.clone() }, Options { adaptive: true, ..options });
        let of = |options, errors| pause(options, attempt, ms(previous), errors, dice);
        let (fewer, more) = if some < more { (some, more) } else { (more, some) };
        prop_assert!(of(&adaptive, more) <= adaptive.cap);
        prop_assert!(of(&adaptive, fewer) >= of(&plain, fewer));
        prop_assert!(of(&adaptive, more) >= of(&adaptive, fewer));
        prop_assert_eq!(of(&adaptive, CALM), of(&plain, more));
    }

    /// Law: a predicate never widens: whatever it says, what is sent again would have been without it.
    #[test]
    fn a_predicate_never_widens(
        options in any_options(),
        row in prop::sample::select(Seen::ALL),
        effects in prop::sample::select(Effects::ALL),
        declined in prop::bool::ANY,
        made in 0u32..12,
        dice in 0.0f64..1.0,
    ) {
        let seen = Attempts { made, previous: Duration::ZERO };
        let asked = ended(Verdict::of(row), effects);
        let without = step(&options, seen, asked, dice);
        let with = step(&options, seen, Ended { declined, ..asked }, dice);
        if declined {
            prop_assert!(matches!(with.1, Decision::Stop(_)));
        } else {
            prop_assert_eq!(with, without);
        }
        if matches!(with.1, Decision::Again { .. }) {
            prop_assert!(Verdict::of(row).may_repeat(effects) && made + 1 < options.attempts);
        }
    }

    /// Law: the share of errors is that of the outcomes heard in the last ten slots, counted by hand, ten at least.
    #[test]
    fn a_climate_counts_what_was_heard(steps in prop::collection::vec((prop::bool::ANY, 0u64..1500), 1..200)) {
        let mut climate = Climate::new(Duration::from_secs(10));
        let (mut now, mut all) = (START, Vec::new());
        for (failed, pause) in steps {
            now = now + ms(pause);
            climate.heard(failed, now);
            let slot = now.as_nanos() / 1_000_000_000;
            all.push((slot, failed));
            all.retain(|(heard, _)| heard + 10 > slot);
            let failures = all.iter().filter(|(_, failed)| *failed).count() as f64;
            prop_assert_eq!(climate.errors(now).get(), failures / all.len().max(10) as f64);
        }
    }

    /// Law: a call makes at most `attempts` attempts and its pauses fit in its deadline, whatever the outcomes.
    #[test]
    fn attempts_are_bounded_and_pauses_fit_the_deadline(
        options in any_options(),
        rows in prop::collection::vec(prop::sample::select(Seen::ALL), 20),
        effects in prop::sample::select(Effects::ALL),
        deadline in 0u64..100_000,
        dice in 0.0f64..1.0,
        after in prop::option::of(0u64..50_000),
        errors in any_share(),
    ) {
        let (mut seen, mut remaining, mut sent) = (Attempts::default(), ms(deadline), 0);
        for row in rows {
            sent += 1;
            let verdict = Verdict::of(row).after(after.map(ms));
            let ended = Ended { verdict, effects, declined: false, elsewhere: false, remaining, errors };
            let (next, decision) = step(&options, seen, ended, dice);
            seen = next;
            prop_assert_eq!(seen.made, sent);
            match decision {
                Decision::Again { delay } => {
                    prop_assert!(verdict.may_repeat(effects));
                    prop_assert!(delay >= after.map_or(Duration::ZERO, ms));
                    prop_assert!(delay < remaining);
                    remaining -= delay;
                }
                Decision::Stop(_) => break,
            }
        }
        prop_assert!(sent <= options.attempts);
    }
}

#[test]
fn what_was_refused_for_its_key_goes_with_another_one_at_once() {
    let options = Options::default();
    for effects in Effects::ALL {
        for row in seawall_core::verdict::TABLE {
            let verdict = Verdict::of(row.seen).after(Some(Duration::from_secs(5)));
            let asked = Ended { elsewhere: true, ..ended(verdict, *effects) };
            let (made, decision) = step(&options, Attempts::default(), asked, 0.5);
            let without = step(&options, Attempts::default(), Ended { elsewhere: false, ..asked }, 0.5);
            if !verdict.may_change_key(*effects) {
                assert_eq!((made, decision), without, "{} {effects}", row.seen);
                continue;
            }
            assert_eq!(
                decision,
                Decision::Again { delay: Duration::ZERO },
                "nobody has asked the other to wait"
            );
            let late = step(&options, Attempts::default(), Ended { remaining: Duration::ZERO, ..asked }, 0.5);
            assert_eq!(late.1, Decision::Stop(Stop::Late));
            let declined = step(&options, Attempts::default(), Ended { declined: true, ..asked }, 0.5);
            assert_eq!(declined.1, Decision::Stop(Stop::Declined));
            let spent = step(&options, Attempts { made: 99, ..Attempts::default() }, asked, 0.5);
            assert_eq!(spent.1, Decision::Stop(Stop::Spent));
        }
    }
}
