use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Strategy as _;
use seawall_core::verdict::Seen;
use seawall_core::{Effects, Verdict};

use super::*;

const LONG: Duration = Duration::from_secs(3600);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn rate(count: u32, per: Duration) -> Rate {
    Rate { count: count.try_into().unwrap(), per }
}

fn plain(strategy: Strategy) -> Options {
    Options { strategy, jitter: Jitter::None, base: ms(100), cap: ms(1000), ..Options::default() }
}

fn pauses(options: &Options) -> Vec<u64> {
    (1..=7)
        .map(|attempt| u64::try_from(pause(options, attempt, options.base, 0.5).as_millis()).unwrap())
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
fn the_defaults_and_presets_are_the_published_ones() {
    let of = |o: Options| (o.attempts, o.base.as_millis(), o.cap.as_millis());
    let d = Options::default();
    assert_eq!(of(d.clone()), (3, 500, 5000));
    assert_eq!((d.strategy, d.jitter, d.multiplier), (Strategy::Exponential, Jitter::Full, 2.0));
    assert_eq!((d.budget, d.floor), (Share::percent(20), rate(10, Duration::from_secs(10))));
    assert_eq!(of(Options::aggressive()), (5, 200, 10_000));
    assert_eq!(of(Options::conservative()), (3, 1000, 5000));
    assert_eq!(of(Options::quick()), (2, 100, 1000));
    assert_eq!(Options::off().attempts, 1);
    for name in Options::PRESETS {
        Options::preset(name).unwrap().check().unwrap();
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
        step(&options, Attempts::default(), limited.after(after), Effects::Once, remaining, 0.5).1
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
        step(&plain(Strategy::Fixed), Attempts::default(), Verdict::of(Seen::ReplyLost), effects, LONG, 0.0).1
    };
    assert_eq!(decide(Effects::Repeatable), Decision::Again { delay: ms(100) });
    for effects in [Effects::Billable, Effects::Guarded, Effects::Once] {
        assert_eq!(decide(effects), Decision::Stop(Stop::Unsafe));
    }
    let ok = step(
        &Options::default(),
        Attempts::default(),
        Verdict::of(Seen::Success),
        Effects::Repeatable,
        LONG,
        0.0,
    );
    assert_eq!(ok.1, Decision::Stop(Stop::Settled));
}

fn any_options() -> impl proptest::strategy::Strategy<Value = Options> {
    let strategy = prop::sample::select(vec![
        Strategy::Fixed,
        Strategy::Linear,
        Strategy::Exponential,
        Strategy::Fibonacci,
    ]);
    let jitter = prop::sample::select(vec![Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated]);
    (1u32..=10, strategy, 1u64..100_000, 1.0f64..10.0, 0u64..10_000_000, jitter).prop_map(
        |(attempts, strategy, base, multiplier, more, jitter)| Options {
            attempts,
            strategy,
            base: ms(base),
            cap: ms(base + more),
            multiplier,
            jitter,
            ..Options::default()
        },
    )
}
proptest! {
    /// Law: a pause, jitter included, stays within (0, cap].
    #[test]
    fn jitter_stays_within_zero_and_the_cap(options in any_options(), attempt in 1u32..1000, dice in 0.0f64..1.0, previous in 0u64..u64::MAX / 4) {
        let drawn = pause(&options, attempt, Duration::from_nanos(previous), dice);
        prop_assert!(drawn > Duration::ZERO && drawn <= options.cap, "{drawn:?}");
    }

    /// Law: jitter is still at work at the cap.
    #[test]
    fn jitter_still_works_at_the_cap(mut options in any_options()) {
        options.cap = options.base * 4;
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
            options.jitter = jitter;
            let at = |dice| pause(&options, 500, options.cap, dice);
            prop_assert!(at(0.1) > at(0.9));
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
    ) {
        let (mut seen, mut remaining, mut sent) = (Attempts::default(), ms(deadline), 0);
        for row in rows {
            sent += 1;
            let verdict = Verdict::of(row).after(after.map(ms));
            let (next, decision) = step(&options, seen, verdict, effects, remaining, dice);
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
