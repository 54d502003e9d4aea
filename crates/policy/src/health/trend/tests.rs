use std::time::Duration;

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, prop_assume, proptest};
use seawall_core::Instant;

use super::*;

const START: Instant = Instant::from_nanos(3_600_000_000_000);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// One measurement every half minute.
fn points(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
    let point = |(n, value)| Point { at: START + secs(30) * n, value };
    (0u32..).zip(values).map(point).collect()
}

/// Numbers from -1 to 1 that repeat themselves.
fn noise(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some((state >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
    })
}

fn told(values: impl IntoIterator<Item = f64>, limit: Limit) -> Result<Forecast, Doubt> {
    forecast(&points(values), limit, &Options::default())
}

#[test]
fn a_line_is_found_exactly_and_so_is_its_end() {
    let found = told((0..40).map(|n| 100.0 + 3.0 * f64::from(n)), Limit::above(280.0)).unwrap();
    assert!((found.line.slope - 0.1).abs() < 1e-9 && found.line.quality > 0.999, "{found:?}");
    // It is at 217 and makes 6 a minute.
    assert_eq!(found.lead.as_secs(), 630);
    assert_eq!((found.earliest.as_secs(), found.latest.as_secs()), (630, 630));
}

#[test]
fn a_success_rate_that_falls_is_foretold_as_well() {
    let found = told((0..40).map(|n| 0.99 - 0.01 * f64::from(n)), Limit::below(0.5)).unwrap();
    assert!(found.lead.abs_diff(secs(300)) < secs(1), "{found:?}");
}

#[test]
fn every_doubt_has_its_name() {
    let rising = |count: i32| (0..count).map(f64::from);
    assert_eq!(told(rising(11), Limit::above(20.0)), Err(Doubt::TooLittle));
    assert_eq!(told([], Limit::above(20.0)), Err(Doubt::TooLittle));
    assert_eq!(told(rising(40), Limit::above(39.0)), Err(Doubt::Passed));
    assert_eq!(told(vec![5.0; 40], Limit::above(39.0)), Err(Doubt::Flat));
    assert_eq!(told(rising(40), Limit::below(-1.0)), Err(Doubt::Recedes));
    assert_eq!(told(rising(40), Limit::above(39.0 * 6.0)), Err(Doubt::FarOff));
    let step = (0..40).map(|n| if n < 20 { 10.0 } else { 60.0 } + 0.01 * f64::from(n));
    assert_eq!(told(step, Limit::above(100.0)), Err(Doubt::Unsteady));
    let jumps = noise(7).take(80).enumerate().map(|(n, noise)| n as f64 + 60.0 * noise);
    assert_eq!(told(jumps, Limit::above(200.0)), Err(Doubt::Scattered));
}

#[test]
fn what_came_before_the_last_failure_is_another_story() {
    // A leak, a restart, and the same leak again: the line is that since the restart.
    let leak = |n: i32| 10.0 + 4.0 * f64::from(n % 25);
    let found = told((0..40).map(leak), Limit::above(100.0)).unwrap();
    assert_eq!(found.line.points, 15, "{found:?}");
    assert!(found.lead.abs_diff(secs(9 * 30 - 15)) <= secs(30), "{found:?}");
}

#[test]
fn a_nightly_copy_does_not_fill_the_disk() {
    // 40 % used; now and then a copy takes 15 % more within ten minutes, and is removed again.
    let used = |n: u64| 40.0 + if n % 120 >= 100 { 0.75 * (n % 120 - 99) as f64 } else { 0.0 };
    let history = points((0..960).map(used).zip(noise(3)).map(|(used, noise)| used + 0.2 * noise));
    let result = backtest(&history, 60, Limit::above(95.0), &Options::default());
    assert_eq!(result, Backtest::default());
}

#[test]
fn noise_is_seldom_taken_for_a_trend() {
    let alarms: u32 = (1..200)
        .map(|seed| {
            let values = noise(seed).take(60).map(|noise| 50.0 + 20.0 * noise);
            u32::from(told(values, Limit::above(90.0)).is_ok())
        })
        .sum();
    assert_eq!(alarms, 0, "of 199");
}

#[test]
fn a_noisy_leak_is_foretold_in_nine_of_ten_cases() {
    let hits = (1..200u64).filter(|seed| {
        let leak = noise(*seed).take(60).enumerate().map(|(n, noise)| 30.0 + n as f64 + 6.0 * noise);
        told(leak, Limit::above(120.0)).is_ok_and(|found| found.lead.abs_diff(secs(31 * 30)) < secs(600))
    });
    assert!(hits.count() >= 180, "of 199");
}

#[test]
fn the_backtest_counts_hits_misses_and_false_alarms() {
    let quiet = |count: u32| std::iter::repeat_n(10.0, count as usize);
    let leak = |to: u32| (0..to).map(|n| 10.0 + f64::from(n));
    // A leak that ends in a failure; a jump nobody could foresee; a leak that is mended in time.
    let story: Vec<f64> = quiet(40)
        .chain(leak(91))
        .chain(quiet(40))
        .chain([150.0])
        .chain(quiet(40))
        .chain(leak(70))
        .chain(quiet(200))
        .collect();
    let result = backtest(&points(story), 40, Limit::above(100.0), &Options::default());
    assert_eq!((result.failures, result.foretold), (2, 1), "{result:?}");
    assert_eq!((result.alarms, result.false_alarms), (2, 1), "{result:?}");
    assert!(result.lead.unwrap() > secs(600), "{result:?}");
    assert_eq!((result.hits(), result.false_share()), (Some(0.5), Some(0.5)));
    assert_eq!((Backtest::default().hits(), Backtest::default().false_share()), (None, None));
}

#[test]
fn a_slow_leak_is_seen_in_the_quarters_of_the_day() {
    // One percent an hour, measured to a percent: the last hour is flat.
    let mut series = Series::default();
    for minute in 0..30 * 60u64 {
        let value = (60.0 + minute as f64 / 60.0).floor();
        series.push(Point { at: START + secs(60 * minute), value });
    }
    let found = series.forecast(Limit::above(95.0), &Options::default()).unwrap();
    assert!(found.lead.abs_diff(secs(5 * 3600 + 1800)) < secs(3600), "{found:?}");
    assert_eq!(series.recent().count(), Series::RECENT);
    assert!(series.quarters().count() <= Series::QUARTERS);
}

#[test]
fn a_series_hears_no_nonsense_and_says_when_the_limit_is_passed() {
    let mut series = Series::default();
    series.push(Point { at: START + secs(9), value: 1.0 });
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        series.push(Point { at: START + secs(10), value });
    }
    series.push(Point { at: START, value: 2.0 });
    assert_eq!(series.recent().count(), 1);
    assert_eq!(series.forecast(Limit::above(1.0), &Options::default()), Err(Doubt::Passed));
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    Options::default().check().unwrap();
    let key = |options: Options| options.check().unwrap_err().key;
    assert_eq!(key(Options { points: 7, ..Options::default() }), "points");
    assert_eq!(key(Options { horizon: Duration::ZERO, ..Options::default() }), "horizon");
    assert_eq!(key(Options { reach: 0, ..Options::default() }), "reach");
}

proptest! {
    /// Law: a quarter of the points may be anything at all, and the slope of the rest is found to the last digit.
    #[test]
    fn a_quarter_of_lies_does_not_move_it(
        slope in -100.0f64..100.0,
        lies in prop::collection::btree_map(0usize..40, -1e9f64..1e9, 0..10),
    ) {
        let mut measured = points((0..40).map(|n| slope * 30.0 * f64::from(n)));
        for (place, lie) in lies {
            measured[place].value = lie;
        }
        let line = fit(&measured).unwrap();
        prop_assert!((line.slope - slope).abs() <= 1e-9 * slope.abs().max(1.0), "{:?}", line);
        prop_assert!(line.low <= line.slope && line.slope <= line.high);
    }

    /// Law: another unit or another zero is the same line.
    #[test]
    fn units_do_not_matter(
        values in prop::collection::vec(-1e3f64..1e3, 5..60),
        factor in 0.001f64..1000.0,
        offset in -1e3f64..1e3,
    ) {
        let line = fit(&points(values.iter().copied())).unwrap();
        let other = fit(&points(values.iter().map(|value| value * factor + offset))).unwrap();
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs()));
        prop_assert!(near(line.slope * factor, other.slope), "{:?} {:?}", line, other);
        prop_assert!(near(line.level * factor + offset, other.level));
    }

    /// Law: whatever is measured whenever, nothing panics, and what is said is a number.
    #[test]
    fn nothing_that_is_measured_breaks_it(
        measured in prop::collection::vec((any::<u64>(), any::<f64>()), 0..60),
        at in any::<f64>(),
        side in prop::sample::select(Side::ALL),
    ) {
        let raw: Vec<Point> = measured.iter().map(|(at, value)| Point { at: Instant::from_nanos(*at), value: *value }).collect();
        let limit = Limit { at, side };
        if let Some(line) = fit(&raw) {
            prop_assert!(line.slope.is_finite() && line.level.is_finite() && (0.0..=1.0).contains(&line.quality));
        }
        let _ = forecast(&raw, limit, &Options::default());
        let _ = backtest(&raw, 20, limit, &Options::default());
        let mut series = Series::default();
        raw.iter().for_each(|point| series.push(*point));
        let _ = series.forecast(limit, &Options::default());
        prop_assert!(series.recent().all(|point| point.value.is_finite()));
    }

    /// Law: a forecast lies ahead, between its bounds, within the horizon and the reach.
    #[test]
    fn a_forecast_keeps_its_bounds(
        slope in 0.0f64..10.0,
        scatter in 0.0f64..50.0,
        seed in any::<u64>(),
        at in 0.0f64..5000.0,
    ) {
        let values = noise(seed).take(60).enumerate().map(|(n, noise)| slope * n as f64 + scatter * noise);
        let told = told(values, Limit::above(at));
        prop_assume!(told.is_ok());
        let found = told.unwrap();
        prop_assert!(found.earliest <= found.lead && found.lead <= found.latest, "{:?}", found);
        prop_assert!(found.lead <= found.line.span * 4);
        prop_assert!(found.line.low > 0.0);
    }

    /// Law: a backtest counts no more hits than failures or alarms, and no more false alarms than alarms.
    #[test]
    fn a_backtest_adds_up(values in prop::collection::vec(0.0f64..100.0, 0..150), at in 10.0f64..100.0) {
        let result = backtest(&points(values), 30, Limit::above(at), &Options::default());
        prop_assert!(result.foretold + result.false_alarms <= result.alarms);
        prop_assert!(result.foretold <= result.failures);
        prop_assert_eq!(result.lead.is_some(), result.foretold > 0);
    }
}
