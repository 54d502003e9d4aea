//! Gives each thread a place of its own in a small array, so that two cores rarely write the same cache line.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Places in every per-thread array. More threads than this share places, which costs time and never a count.
pub(crate) const SLOTS: usize = 8;

/// Keeps its content on a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Padded<T>(pub(crate) T);

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SLOT: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SLOTS;
}

/// This thread's place, below [`SLOTS`]. Threads get consecutive places in the order they first ask.
pub(crate) fn slot() -> usize {
    SLOT.with(|slot| *slot)
}
