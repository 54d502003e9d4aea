use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};

use super::*;
use crate::metrics::{Registry, names};
use crate::series::Over;

fn points(values: &[f64]) -> Vec<Point> {
    values.iter().enumerate().map(|(n, value)| Point { at: n as u64 * STEP, value: *value }).collect()
}

#[test]
fn what_is_asked_of_points_is_what_it_says() {
    let seen = points(&[4.0, 1.0, 3.0, 2.0]);
    for (word, number) in [
        ("avg", 2.5),
        ("sum", 10.0),
        ("min", 1.0),
        ("max", 4.0),
        ("count", 4.0),
        ("last", 2.0),
        ("p0", 1.0),
        ("p50", 2.0),
        ("p75", 3.0),
        ("p99.9", 4.0),
        ("p100", 4.0),
    ] {
        assert_eq!(Over::parse(word).unwrap().of(&seen), Some(number), "{word}");
    }
    // A counter that began anew after the second.
    let counted = points(&[10.0, 16.0, 2.0, 5.0]);
    assert_eq!(Over::Increase.of(&counted), Some(11.0));
    assert_eq!(Over::Rate.of(&counted), Some(11.0 / 180.0));
    assert_eq!((Over::Rate.of(&counted[..1]), Over::Increase.of(&counted[..1])), (None, None));
    assert_eq!(Over::Avg.of(&[]), None);
    for wrong in ["", "p", "p101", "p-1", "pNaN", "median", "avg "] {
        assert!(Over::parse(wrong).unwrap_err().contains("write avg, sum"), "{wrong}");
    }
}

#[test]
fn a_day_is_kept_and_no_more_and_what_was_not_there_has_no_points() {
    let registry = Registry::new();
    let mut kept = Kept::default();
    let pace = names::JOB_FAILURE_RATIO.with(&registry, ["train"]);
    for minute in 0..POINTS as u64 + 60 {
        pace.set(minute as f64);
        kept.tick(minute * STEP, || registry.gather());
        kept.tick(minute * STEP + 30, || panic!("not before the minute has passed"));
    }
    let late = names::JOB_FAILURE_RATIO.with(&registry, ["late"]);
    late.set(1.0);
    let now = (POINTS as u64 + 60) * STEP;
    kept.tick(now, || registry.gather());
    let all = kept.series("seawall_job_failure_ratio", u64::MAX, now + 1, &[]);
    let of = |name: &str| all.iter().find(|(id, _)| &*id.labels[0].1 == name).unwrap().1.clone();
    assert_eq!((of("train").len(), of("late").len()), (POINTS, 1));
    assert_eq!(of("train")[0].value, 61.0, "the oldest have left");
    let hour = kept.series("seawall_job_failure_ratio", 3600, now, &registry.gather());
    let train = &hour.iter().find(|(id, _)| &*id.labels[0].1 == "train").unwrap().1;
    assert_eq!((train.len(), train.last().unwrap().at), (61, now), "the present is the last of them");
    assert!(kept.series("nobody", 3600, now, &[]).is_empty());
    kept.tick(5, || registry.gather());
    assert_eq!(
        kept.series("seawall_job_failure_ratio", 3600, 6, &[])[0].1.len(),
        1,
        "a clock that was set back"
    );
}

#[test]
fn a_histogram_is_kept_as_its_sum_and_its_count() {
    let registry = Registry::new();
    names::LIMITER_WAIT.with(&registry, ["up"]).record(std::time::Duration::from_millis(1500));
    let kept = Kept::default();
    let of = |name: &str| kept.series(name, 60, 100, &registry.gather())[0].1[0].value;
    assert_eq!(
        (of("seawall_limiter_wait_seconds_sum"), of("seawall_limiter_wait_seconds_count")),
        (1.5, 1.0)
    );
}

proptest! {
    // Each case fills whole registries.
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Law: whatever is gathered whenever, memory is bounded, and points are in order and are numbers.
    #[test]
    fn memory_is_bounded_and_points_are_in_order(
        story in prop::collection::vec((0u64..100_000, 0usize..1200, 0f64..1e9), 1..6),
    ) {
        let mut kept = Kept::default();
        for (now, series, value) in story {
            let registry = Registry::new();
            for n in 0..series {
                names::JOB_FAILURE_RATIO.with(&registry, [&n.to_string()]).set(value);
            }
            kept.tick(now, || registry.gather());
            prop_assert!(kept.series.len() <= SERIES && kept.moments.len() <= POINTS);
            for (_, points) in kept.series("seawall_job_failure_ratio", u64::MAX, now + 1, &[]) {
                prop_assert!(points.windows(2).all(|pair| pair[0].at < pair[1].at));
                prop_assert!(points.iter().all(|point| point.value.is_finite()));
            }
        }
    }
}
