use std::collections::BTreeSet;
use std::sync::{Barrier, Mutex};

use super::*;

#[test]
fn no_two_threads_have_a_place_of_their_own_together_and_what_is_counted_is_never_lost() {
    const COUNTS: u64 = 20_000;
    let cells: [AtomicU64; SLOTS] = Default::default();
    for crowd in [3, 20, 2, 20] {
        let (all_here, places) = (Barrier::new(crowd), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..crowd {
                scope.spawn(|| {
                    places.lock().unwrap().push(slot().index());
                    all_here.wait();
                    (0..COUNTS).for_each(|_| slot().add(&cells[slot().index()], 1));
                });
            }
        });
        let own: Vec<_> =
            places.into_inner().unwrap().into_iter().filter(|place| *place != usize::from(SHARED)).collect();
        assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), own.len(), "{own:?}");
        assert!(own.len() >= crowd.min(2), "those who ended gave theirs back: {own:?}");
    }
    let sum: u64 = cells.iter().map(|cell| cell.load(Ordering::Relaxed)).sum();
    assert_eq!(sum, 45 * COUNTS);
}

#[test]
fn a_place_cannot_be_handed_to_another_thread() {
    trait Stays<Which> {
        fn here() {}
    }
    struct Goes;
    impl<T> Stays<()> for T {}
    impl<T: Send> Stays<Goes> for T {}
    // With two to choose from it would not compile.
    <Slot as Stays<_>>::here();
}
