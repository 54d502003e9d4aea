use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::{Just, Strategy as _};

use super::*;

const START: Instant = Instant::from_nanos(3_600_000_000_000);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// From a nanosecond to more than an hour, every order of magnitude as likely as the next.
fn any_latency() -> impl proptest::strategy::Strategy<Value = Duration> {
    (0u32..42)
        .prop_flat_map(|power| {
            (Just(power), 0u64..1 << power).prop_map(|(power, below)| (1 << power) + below)
        })
        .prop_map(Duration::from_nanos)
}

#[test]
fn every_bucket_begins_where_the_one_before_ends() {
    for bucket in 0..BUCKETS - 1 {
        let edge = end(bucket);
        if edge < LONGEST {
            assert_eq!(place(edge), bucket + 1, "{edge:?}");
            assert_eq!(place(edge - Duration::from_nanos(1)), bucket, "{edge:?}");
        }
    }
    assert_eq!(place(Duration::ZERO), 0);
    assert!(place(Duration::MAX) < BUCKETS);
    assert_eq!(end(place(Duration::MAX)), LONGEST);
}

#[test]
fn a_percentile_is_the_end_of_the_bucket_of_the_nearest_rank() {
    let mut latencies = Latencies::new(secs(60));
    let micros = Duration::from_micros;
    for n in 1..=4 {
        latencies.record(micros(n), START);
    }
    let at =
        |latencies: &mut Latencies, percent| latencies.percentile(Share::percent(percent), START).unwrap();
    // The first microseconds have a bucket each, which ends a microsecond later.
    let said = [0, 25, 26, 50, 75, 76, 100].map(|percent| at(&mut latencies, percent));
    assert_eq!(said, [2, 2, 3, 3, 4, 5, 5].map(micros));
    latencies.record(micros(1000), START);
    assert_eq!(at(&mut latencies, 100), micros(1024));
    latencies.record(secs(9999), START);
    assert_eq!((at(&mut latencies, 100), latencies.count(START)), (LONGEST, 6));
}

#[test]
fn it_is_smaller_than_two_kilobytes() {
    assert!(size_of::<Latencies>() < 2048, "{}", size_of::<Latencies>());
}

#[test]
fn what_is_older_than_two_windows_is_forgotten() {
    let mut latencies = Latencies::new(secs(60));
    assert_eq!(latencies.percentile(Share::percent(95), START), None);
    for _ in 0..100 {
        latencies.record(secs(9), START);
    }
    let later = START + secs(60);
    latencies.record(secs(1), later);
    assert_eq!(latencies.count(later), 101);
    assert!(latencies.percentile(Share::percent(50), later).unwrap() >= secs(9));
    let much_later = START + secs(120);
    assert_eq!(latencies.count(much_later), 1);
    assert!(latencies.percentile(Share::percent(100), much_later).unwrap() < secs(2));
    assert_eq!(latencies.count(Instant::FAR_FUTURE), 0);
}

proptest! {
    /// Law: a percentile is never below the exact one, and at most an eighth (or a microsecond) above it.
    #[test]
    fn a_percentile_is_exact_to_an_eighth_and_never_below(
        mut samples in prop::collection::vec(any_latency(), 1..300),
        percent in 0u8..=100,
    ) {
        let mut latencies = Latencies::new(secs(60));
        for (place, took) in samples.iter().enumerate() {
            // Into both windows.
            latencies.record(*took, if place % 2 == 0 { START } else { START + secs(60) });
        }
        let now = START + secs(61);
        prop_assert_eq!(latencies.count(now), samples.len() as u64);
        samples.sort();
        let rank = (samples.len() * usize::from(percent)).div_ceil(100).max(1);
        let exact = samples[rank - 1].min(LONGEST);
        let said = latencies.percentile(Share::percent(percent), now).unwrap();
        prop_assert!(said >= exact, "{said:?} < {exact:?}");
        prop_assert!(said <= exact + (exact / 8).max(Duration::from_micros(1)), "{said:?} for {exact:?}");
    }
}
