use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use seawall_core::Instant;

use super::*;

const START: Instant = Instant::from_nanos(3_600_000_000_000);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn quota(count: u32, per: Duration, burst: Option<u32>) -> Quota {
    Quota {
        rate: Rate { count: count.try_into().unwrap(), per },
        burst: burst.map(|n| n.try_into().unwrap()),
    }
}

#[test]
fn a_bucket_lets_its_burst_through_and_then_refills_smoothly() {
    let q = quota(10, ms(1000), Some(3));
    let mut m = Meter::new(&q);
    assert_eq!(m.remaining(&q, START), 3);
    for _ in 0..3 {
        assert_eq!(m.take(&q, 1, START), Decision::Go);
    }
    assert_eq!(m.take(&q, 1, START), Decision::Wait(ms(100)));
    assert_eq!(m.take(&q, 2, START + ms(100)), Decision::Wait(ms(100)));
    assert_eq!(m.take(&q, 1, START + ms(100)), Decision::Go);
    assert_eq!(m.take(&q, 4, START + ms(9000)), Decision::Never);
    assert!(m.rested(&q, START + ms(9000)));
}

#[test]
fn a_window_passes_its_count_at_once_and_nothing_more_until_it_has_left() {
    let q = quota(5, ms(1000), None);
    let mut m = Meter::new(&q);
    for _ in 0..5 {
        assert_eq!(m.take(&q, 1, START), Decision::Go);
    }
    let Decision::Wait(wait) = m.take(&q, 1, START) else { panic!("the window is full") };
    assert!(wait >= ms(1000) && wait <= ms(1050), "{wait:?}");
    assert_eq!(m.take(&q, 5, START + wait), Decision::Go);
    assert_eq!(m.take(&q, 6, START + ms(9000)), Decision::Never);
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    for burst in [None, Some(4)] {
        let q = quota(4, ms(1000), burst);
        let mut m = Meter::new(&q);
        assert_eq!(m.take(&q, 4, START), Decision::Go);
        m.give_back(&q, 3, START, START);
        assert_eq!(m.remaining(&q, START), 3, "{burst:?}");
        assert_eq!(m.take(&q, 3, START), Decision::Go);
    }
}

#[test]
fn a_longer_pause_is_not_shortened_by_a_shorter_one() {
    let mut pause = Pause::default();
    pause.extend(ms(500), START);
    pause.extend(ms(100), START);
    assert_eq!(pause.left(START), ms(500));
    assert_eq!(pause.left(START + ms(500)), Duration::ZERO);
    pause.extend(ms(500), START);
    pause.lift();
    assert_eq!(pause.left(START), Duration::ZERO);
}

#[test]
fn a_meter_is_small_enough_to_have_one_per_key() {
    assert!(size_of::<Meter>() <= 120, "{}", size_of::<Meter>());
}

proptest! {
    /// Law: no span of `per` ever sees more than the count (window), or count + burst (bucket); and what was told to
    /// wait passes when it comes back exactly then.
    #[test]
    fn the_upstream_never_sees_more_than_the_limit(
        count in 1u32..40,
        per_ms in 20u64..3000,
        burst in prop::option::of(1u32..40),
        steps in prop::collection::vec((1u32..4, 0u64..400, any::<bool>(), prop::option::weighted(0.2, any::<prop::sample::Index>())), 1..200),
    ) {
        let q = quota(count, ms(per_ms), burst);
        let mut m = Meter::new(&q);
        let mut now = START + Duration::from_nanos(u64::from(count) * 7919);
        let mut passed: Vec<Instant> = Vec::new();
        for (n, pause, patient, given_back) in steps {
            now = now + ms(pause);
            if let (Some(which), false) = (given_back, passed.is_empty()) {
                let which = which.index(passed.len());
                let taken = passed.remove(which);
                m.give_back(&q, 1, taken, now);
            }
            match m.take(&q, n, now) {
                Decision::Go => passed.extend((0..n).map(|_| now)),
                Decision::Wait(wait) => {
                    prop_assert!(wait > Duration::ZERO);
                    if patient {
                        now = now + wait;
                        prop_assert_eq!(m.take(&q, n, now), Decision::Go);
                        passed.extend((0..n).map(|_| now));
                    }
                }
                Decision::Never => prop_assert!(n > burst.unwrap_or(count)),
            }
            prop_assert!(m.remaining(&q, now) <= burst.unwrap_or(count));
        }
        let bound = burst.map_or(count, |burst| count + burst) as usize;
        for (place, first) in passed.iter().enumerate() {
            let within = passed[place..].iter().take_while(|at| at.since(*first) < ms(per_ms)).count();
            prop_assert!(within <= bound, "{within} > {bound}");
        }
    }
}
