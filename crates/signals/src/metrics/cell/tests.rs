use std::thread;

use super::*;

#[test]
fn more_threads_than_slots_lose_no_count() {
    let counter = Counter::default();
    thread::scope(|scope| {
        for _ in 0..3 * SLOTS {
            let counter = counter.clone();
            scope.spawn(move || (0..5_000).for_each(|_| counter.inc()));
        }
    });
    assert_eq!(counter.get(), 3 * SLOTS as u64 * 5_000);
}

#[test]
fn adding_to_a_gauge_from_many_threads_loses_nothing() {
    let gauge = Gauge::default();
    gauge.set(10.0);
    thread::scope(|scope| {
        for n in 0..8 {
            let gauge = gauge.clone();
            scope.spawn(move || (0..2_000).for_each(|_| gauge.add(if n % 2 == 0 { 1.0 } else { -1.0 })));
        }
    });
    assert_eq!(gauge.get(), 10.0);
}

#[test]
fn a_clone_shares_its_cell_and_a_fresh_one_does_not() {
    let counter = Counter::default();
    let same = counter.clone();
    same.add(4);
    assert_eq!((counter.get(), Counter::default().get()), (4, 0));
    assert_eq!(format!("{counter:?}"), "Counter(4)");
}

#[test]
fn slots_of_a_counter_lie_on_lines_of_their_own() {
    assert_eq!(std::mem::align_of::<Padded<AtomicU64>>(), 64);
    assert_eq!(std::mem::size_of::<[Padded<AtomicU64>; SLOTS]>(), 64 * SLOTS);
}
