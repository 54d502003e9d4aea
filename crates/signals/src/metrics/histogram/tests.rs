use std::thread;

use proptest::prelude::*;

use super::*;

fn filled(took: &[u64]) -> Histogram {
    let histogram = Histogram::default();
    took.iter().for_each(|n| histogram.record(Duration::from_nanos(*n)));
    histogram
}

/// Durations of every size, and the exported bounds with their neighbours.
fn durations() -> impl Strategy<Value = Vec<u64>> {
    let any_size = (0_u32..46).prop_flat_map(|power| (1_u64 << power)..(2_u64 << power));
    let edge = (prop::sample::select(BUCKETS), -1_i64..=1)
        .prop_map(|(bound, off)| nanos(bound).saturating_add_signed(off));
    prop::collection::vec(prop_oneof![3 => any_size, 1 => edge], 1..200)
}

proptest! {
    #[test]
    fn a_quantile_is_within_six_per_cent_of_the_record_it_names(took in durations(), q in 0.0_f64..=1.0) {
        let answer = filled(&took).quantile(q).expect("something was recorded").as_nanos() as f64;
        let mut sorted = took.clone();
        sorted.sort_unstable();
        let rank = ((q * took.len() as f64).ceil() as usize).clamp(1, took.len());
        let exact = sorted[rank - 1] as f64;
        if exact < 1024.0 {
            prop_assert!((answer - exact).abs() < 1024.0, "{answer} for {exact}");
        } else if exact < (1_u64 << HIGH) as f64 {
            prop_assert!((answer - exact).abs() <= 0.06 * exact, "{answer} for {exact}");
        } else {
            prop_assert!(answer >= (1_u64 << HIGH) as f64, "{answer} for {exact}");
        }
    }

    #[test]
    fn exported_buckets_equal_counting_by_hand(took in durations()) {
        let snapshot = filled(&took).snapshot();
        let by_hand: Vec<_> = BUCKETS
            .iter()
            .map(|bound| (*bound, took.iter().filter(|n| **n <= nanos(*bound)).count() as u64))
            .collect();
        prop_assert_eq!(snapshot.cumulative(), by_hand);
        prop_assert_eq!(snapshot.count(), took.len() as u64);
        prop_assert_eq!(snapshot.sum_nanos(), took.iter().map(|n| u128::from(*n)).sum::<u128>());
    }

    #[test]
    fn a_duration_falls_into_the_one_bucket_that_spans_it(nanos in any::<u64>(), bounds in prop::collection::vec(0_u64..1 << 50, 0..40)) {
        let bounds: Vec<_> = bounds.into_iter().map(Duration::from_nanos).collect();
        let layout = Layout::new(&bounds);
        let at = layout.bucket(nanos);
        prop_assert!(nanos <= layout.last[at]);
        prop_assert!(at == 0 || layout.last[at - 1] < nanos);
    }
}

#[test]
fn an_empty_histogram_has_no_quantile() {
    assert_eq!(Histogram::default().quantile(0.5), None);
}

#[test]
fn a_share_that_makes_no_sense_means_the_nearest_end() {
    let histogram = filled(&[1_000_000, 60_000_000_000]);
    let short = histogram.quantile(0.0).unwrap();
    let long = histogram.quantile(1.0).unwrap();
    assert!(short < long);
    assert_eq!(histogram.quantile(f64::NAN), Some(short));
    assert_eq!(histogram.quantile(-3.0), Some(short));
    assert_eq!(histogram.quantile(f64::INFINITY), Some(long));
}

#[test]
fn the_longest_durations_there_are_do_not_wrap_the_sum() {
    let histogram = Histogram::default();
    (0..3).for_each(|_| histogram.record(Duration::MAX));
    assert_eq!(histogram.snapshot().sum_nanos(), 3 * u128::from(LONGEST));
    assert_eq!(histogram.snapshot().cumulative().last().map(|(_, n)| *n), Some(0));
}

#[test]
fn threads_recording_together_lose_nothing() {
    let histogram = Histogram::default();
    thread::scope(|scope| {
        for n in 1..=2 * SLOTS as u64 {
            let histogram = histogram.clone();
            scope.spawn(move || (0..1_000).for_each(|_| histogram.record(Duration::from_micros(n))));
        }
    });
    let snapshot = histogram.snapshot();
    assert_eq!(snapshot.count(), 2 * SLOTS as u64 * 1_000);
    assert_eq!(snapshot.sum_nanos(), (1..=2 * SLOTS as u128).sum::<u128>() * 1_000 * 1_000);
}

#[test]
fn the_difference_of_two_snapshots_is_what_happened_between() {
    let histogram = filled(&[1_000_000; 100]);
    let before = histogram.snapshot();
    histogram.record(Duration::from_secs(10));
    let since = histogram.snapshot().since(&before);
    assert_eq!((since.count(), since.sum_nanos()), (1, 10_000_000_000));
    assert!(since.quantile(0.5).unwrap() > Duration::from_secs(9));
}

#[test]
fn bounds_may_come_unsorted_and_twice() {
    let ms = Duration::from_millis;
    let histogram = Histogram::new(&[ms(5), ms(1), ms(5)]);
    histogram.record(ms(5));
    assert_eq!(histogram.snapshot().cumulative(), [(ms(1), 0), (ms(5), 1)]);
}
