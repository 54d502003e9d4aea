use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use seawall_core::Instant;

use super::*;

const START: Instant = Instant::from_nanos(3_600_000_000_000);
const LONG: Duration = Duration::from_secs(3600);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn the_defaults_are_ten_and_thirty_seconds_and_zero_is_refused() {
    let options = Options::default();
    assert_eq!(
        (options.connect.as_secs(), options.first_byte.as_secs(), options.idle.as_secs()),
        (10, 30, 30)
    );
    assert_eq!((options.max_body_time, options.escalate), (None, 1.0));
    options.check().unwrap();
    for (key, bad) in [
        ("connect", Options { connect: Duration::ZERO, ..options.clone() }),
        ("first_byte", Options { first_byte: Duration::ZERO, ..options.clone() }),
        ("idle", Options { idle: Duration::ZERO, ..options }),
    ] {
        assert_eq!(bad.check().unwrap_err().key, key);
    }
    for escalate in [1.0, 10.0] {
        Options { escalate, ..options.clone() }.check().unwrap();
        Advice { margin: escalate, ..Advice::default() }.check().unwrap();
    }
    assert_eq!((Advice::default().margin, Advice::default().floor), (1.5, ms(250)));
}

#[test]
fn a_patience_that_shrinks_or_explodes_is_refused() {
    for escalate in [0.5, 10.1, f64::NAN, f64::INFINITY] {
        let bad = Options { escalate, ..Options::default() };
        assert_eq!(bad.check().unwrap_err().key, "escalate");
    }
    for margin in [0.9, f64::NAN, 11.0] {
        assert_eq!(Advice { margin, ..Advice::default() }.check().unwrap_err().key, "margin");
    }
}

#[test]
fn each_attempt_has_more_patience_than_the_one_before() {
    let options = Options { first_byte: ms(100), escalate: 1.5, ..Options::default() };
    let of = |attempt| options.first_byte_of(attempt, LONG);
    assert_eq!([of(1), of(2), of(3), of(4)], [ms(100), ms(150), ms(225), Duration::from_micros(337_500)]);
    assert_eq!(options.first_byte_of(3, ms(200)), ms(200), "the deadline stands above it");
    let same = Options { first_byte: ms(100), ..Options::default() };
    assert_eq!(same.first_byte_of(10, LONG), ms(100));
}

#[test]
fn a_recommendation_needs_twenty_calls_and_is_half_as_long_again_as_the_95th_percentile() {
    let (mut history, advice) = (History::default(), Advice::default());
    for n in 1..=19 {
        history.worked(ms(1000), START);
        assert_eq!(history.recommended(&advice, START), None, "after {n}");
    }
    history.worked(ms(60_000), START);
    let said = history.recommended(&advice, START).unwrap();
    assert!(said >= ms(1500) && said <= ms(1500) * 9 / 8, "{said:?}");
    assert!(history.recommended(&advice, START + ms(599_999)).is_some());
    assert_eq!(history.recommended(&advice, START + ms(600_000)), None, "forgotten");
    let doubled = Advice { margin: 2.0, ..advice };
    let mut again = History::default();
    (0..20).for_each(|_| again.gave_up(ms(500), ms(1000), START));
    let said = again.recommended(&doubled, START).unwrap();
    assert!(said >= ms(2000) && said <= ms(2250), "{said:?}: it waited longer than its limit");
}

#[test]
fn a_recommendation_is_never_below_its_floor() {
    let mut history = History::default();
    for _ in 0..100 {
        history.worked(ms(1), START);
    }
    assert_eq!(history.recommended(&Advice::default(), START), Some(ms(250)));
    let low = Advice { floor: ms(2), ..Advice::default() };
    assert_eq!(history.recommended(&low, START), Some(ms(2)));
}

#[test]
fn following_the_advice_finds_the_limit_that_calls_need() {
    let needed = ms(700);
    let mut limit = ms(100);
    for _ in 0..10 {
        let mut history = History::default();
        for _ in 0..50 {
            if needed <= limit { history.worked(needed, START) } else { history.gave_up(limit, limit, START) }
        }
        limit = history.recommended(&Advice::default(), START).unwrap();
    }
    assert!(limit >= needed * 3 / 2 && limit <= needed * 27 / 16, "{limit:?}");
}

proptest! {
    /// Law: an attempt's patience is never above what remains, and never below the base where that much remains; a
    /// later one has no less than an earlier one.
    #[test]
    fn patience_never_shrinks_and_never_passes_the_deadline(
        base in any::<u64>(),
        escalate in prop::num::f64::ANY,
        attempt in any::<u32>(),
        remaining in any::<u64>(),
    ) {
        let (base, remaining) = (Duration::from_nanos(base), Duration::from_nanos(remaining));
        let patience = attempt_patience(base, escalate, attempt, remaining);
        prop_assert!(patience <= remaining);
        prop_assert!(patience >= base.min(remaining));
        prop_assert!(attempt_patience(base, escalate, attempt.saturating_add(1), remaining) >= patience);
        prop_assert_eq!(attempt_patience(base, 1.0, attempt, Duration::MAX), base);
    }

    /// Law: no recommendation is shorter than what 19 of 20 calls took, given up or not.
    #[test]
    fn a_recommendation_never_cuts_what_usually_works(
        calls in prop::collection::vec((1u64..100_000, prop::bool::ANY), 20..200),
    ) {
        let mut history = History::default();
        for (took, worked) in &calls {
            if *worked { history.worked(ms(*took), START) } else { history.gave_up(ms(*took), ms(0), START) }
        }
        let said = history.recommended(&Advice::default(), START).unwrap();
        let cut = calls.iter().filter(|(took, _)| ms(*took) > said).count();
        prop_assert!(cut * 20 <= calls.len(), "{cut} of {}", calls.len());
    }
}
