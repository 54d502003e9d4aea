//! Gives each thread a place of its own in a small array, so that a count is a load and a store on a cache line nobody else writes.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Places in every per-thread array. The last is shared by the threads that found no other free, which costs them time and never
/// a count.
pub(crate) const SLOTS: usize = 8;

const SHARED: u8 = SLOTS as u8 - 1;
/// A thread that has not asked yet.
const NONE: u8 = u8::MAX;

/// Keeps its content on a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Padded<T>(pub(crate) T);

/// Places nobody has, a bit each.
static FREE: AtomicU8 = AtomicU8::new((1 << SHARED) - 1);

thread_local! {
    static PLACE: Cell<u8> = const { Cell::new(NONE) };
    static HELD: Held = const { Held(Cell::new(SHARED)) };
}

/// Gives a place back when its thread ends.
struct Held(Cell<u8>);

impl Drop for Held {
    fn drop(&mut self) {
        // What ends later than this still counts, in the shared place.
        PLACE.set(SHARED);
        give_back(self.0.get());
    }
}

fn give_back(place: u8) {
    if place != SHARED {
        // Whoever takes it next reads what was stored here last.
        FREE.fetch_or(1 << place, Ordering::Release);
    }
}

/// A thread's place in per-thread arrays. It stays with its thread: in another it would write where this one does.
#[derive(Clone, Copy)]
pub(crate) struct Slot(u8, PhantomData<*const ()>);

impl Slot {
    /// Below [`SLOTS`].
    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Adds to a cell of this place: no other thread writes it, unless the place is the shared one.
    #[inline]
    pub(crate) fn add(self, cell: &AtomicU64, n: u64) {
        if self.0 == SHARED {
            cell.fetch_add(n, Ordering::Relaxed);
        } else {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
        }
    }
}

/// This thread's place.
#[inline]
pub(crate) fn slot() -> Slot {
    match PLACE.get() {
        NONE => take(),
        place => Slot(place, PhantomData),
    }
}

#[cold]
fn take() -> Slot {
    let lowest = |free: u8| (free != 0).then(|| free & (free - 1));
    let place = match FREE.fetch_update(Ordering::Acquire, Ordering::Relaxed, lowest) {
        Ok(free) => free.trailing_zeros() as u8,
        Err(_) => SHARED,
    };
    if HELD.try_with(|held| held.0.set(place)).is_ok() {
        PLACE.set(place);
        return Slot(place, PhantomData);
    }
    // A thread about to end would never give it back.
    give_back(place);
    PLACE.set(SHARED);
    Slot(SHARED, PhantomData)
}

#[cfg(test)]
mod tests;
