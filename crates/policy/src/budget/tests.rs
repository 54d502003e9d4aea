use proptest::prelude::*;

use super::*;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn budget(percent: u8, floor: u32) -> Budget {
    Budget::new(Share::percent(percent), Rate { count: floor.try_into().unwrap(), per: secs(10) })
}

const START: Instant = Instant::from_nanos(3_600_000_000_000);

#[test]
fn a_lone_caller_has_the_floor() {
    let mut b = budget(20, 10);
    b.deposit(START);
    assert_eq!((0..50).filter(|_| b.withdraw(START)).count(), 10);
}

#[test]
fn sixty_percent_is_sixty_percent() {
    let mut b = budget(60, 1);
    for _ in 0..1000 {
        b.deposit(START);
    }
    assert_eq!((0..5000).filter(|_| b.withdraw(START)).count(), 601);
}

#[test]
fn what_is_allowed_is_the_share_of_the_calls_and_the_floor_and_what_was_spent_is_told() {
    let mut b = budget(25, 3);
    assert_eq!((b.allowed(), b.spent()), (3, 0));
    for calls in 1..=9 {
        b.deposit(START);
        assert_eq!(b.allowed(), 3 + calls / 4);
    }
    assert!((0..5).all(|_| b.withdraw(START)));
    assert_eq!((b.allowed(), b.spent(), b.withdraw(START)), (5, 5, false));
    b.update(Share::percent(50), Rate { count: 4.try_into().unwrap(), per: secs(10) });
    assert_eq!((b.allowed(), b.spent()), (8, 5), "other limits, same memory");
    b.update(Share::percent(50), Rate { count: 4.try_into().unwrap(), per: secs(20) });
    assert_eq!((b.allowed(), b.spent()), (4, 0), "another span begins anew");
}

#[test]
fn what_was_spent_is_forgotten_after_the_window() {
    let mut b = budget(20, 10);
    assert_eq!((0..50).filter(|_| b.withdraw(START)).count(), 10);
    assert!(!b.withdraw(START + secs(9)));
    assert!(b.withdraw(START + secs(10)));
}

#[test]
fn calls_count_until_their_slot_is_forgotten() {
    let mut b = budget(20, 1);
    for second in 0..10 {
        for _ in 0..10 {
            b.deposit(START + secs(second));
        }
    }
    assert_eq!(b.allowed(), 21);
    assert!(b.withdraw(START + secs(9)));
    assert!(b.withdraw(START + secs(14)));
    assert_eq!((b.spent(), b.allowed()), (2, 11), "five of ten slots are left");
    b.deposit(START + secs(13));
    for _ in 0..4 {
        b.deposit(START + secs(15));
    }
    assert_eq!(b.allowed(), 10, "one that came late, four new ones, and forty");
}

#[test]
fn absurd_moments_and_spans_do_not_panic() {
    for per in [Duration::ZERO, Duration::MAX] {
        let mut b = Budget::new(Share::percent(100), Rate { count: u32::MAX.try_into().unwrap(), per });
        for now in [Instant::ORIGIN, Instant::FAR_FUTURE, START, Instant::FAR_FUTURE] {
            b.deposit(now);
            assert!(b.withdraw(now));
        }
    }
}

#[test]
fn an_update_keeps_what_was_counted() {
    let mut b = budget(0, 10);
    assert_eq!((0..50).filter(|_| b.withdraw(START)).count(), 10);
    b.update(Share::percent(0), Rate { count: 12.try_into().unwrap(), per: secs(10) });
    assert_eq!((0..50).filter(|_| b.withdraw(START)).count(), 2);
}

proptest! {
    /// Law: whenever a retry is granted, in the ten slots up to then retries ≤ ratio × calls + floor, counted by hand.
    #[test]
    fn retries_never_exceed_the_share_of_calls_plus_the_floor(
        percent in 0u8..=100,
        floor in 1u32..20,
        steps in prop::collection::vec((any::<bool>(), 0u64..1500), 1..400),
    ) {
        let mut b = budget(percent, floor);
        let mut now = START;
        let (mut calls, mut retries) = (Vec::new(), Vec::new());
        for (call, pause) in steps {
            now = now + Duration::from_millis(pause);
            let slot = now.as_nanos() / 1_000_000_000;
            let recent = |log: &Vec<u64>| log.iter().filter(|at| **at + 10 > slot).count() as f64;
            if call {
                b.deposit(now);
                calls.push(slot);
            } else if b.withdraw(now) {
                retries.push(slot);
                let bound = recent(&calls) * f64::from(percent) / 100.0 + f64::from(floor);
                prop_assert!(recent(&retries) <= bound + 1e-6, "{} > {bound}", recent(&retries));
            }
        }
    }
}
