//! A ring of slots over time: counts of the recent past, forgotten one slot at a time.

use std::time::Duration;

use seawall_core::Instant;

/// `N` counts, each of one `slot` of time; what is older than `N` slots is forgotten.
///
/// A moment in the slot last written costs a comparison; only a new slot costs a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slots<T, const N: usize> {
    slot: u64,
    ring: Ring<T, N>,
}

impl<T: Copy + Default, const N: usize> Slots<T, N> {
    /// An empty ring whose slots are `slot` long, at least a nanosecond.
    pub(crate) fn new(slot: Duration) -> Self {
        let slot = u64::try_from(slot.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self { slot, ring: Ring::default() }
    }

    /// How long one slot is.
    pub(crate) fn slot(&self) -> Duration {
        Duration::from_nanos(self.slot)
    }

    /// The count of the present slot, after everything too old has been forgotten. A moment before the present slot
    /// counts in it: monotonic clocks of several threads may differ by a little.
    pub(crate) fn now(&mut self, now: Instant) -> &mut T {
        self.ring.now(self.slot, now)
    }

    /// Every count, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.ring.iter()
    }

    /// The count of the slot that holds `then`, if it is still remembered. Call [`Slots::now`] first.
    pub(crate) fn at(&mut self, then: Instant) -> Option<&mut T> {
        self.ring.at(self.slot, then)
    }

    /// Every count from the oldest, each with how long ago its slot ended. Call [`Slots::now`] first.
    pub(crate) fn ages(&self, now: Instant) -> impl Iterator<Item = (Duration, &T)> {
        let remembered = Duration::from_nanos(self.slot.saturating_mul(N as u64 - 1));
        self.ring.oldest_first(self.slot).map(move |(gone, count)| (now.since(gone - remembered), count))
    }

    /// The number of the slot last written, and every count in its place.
    pub(crate) fn parts(&self) -> (u64, &[T; N]) {
        self.ring.parts()
    }

    /// Slots of such parts.
    pub(crate) fn of(slot: Duration, current: u64, seen: [T; N]) -> Self {
        let mut slots = Self::new(slot);
        slots.ring = Ring::of(current, seen);
        slots
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.ring.seen = [T::default(); N];
    }
}

/// The same without its slot's length, which is above zero and always the same: for whoever keeps a great many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ring<T, const N: usize> {
    current: u64,
    seen: [T; N],
}

impl<T: Copy + Default, const N: usize> Default for Ring<T, N> {
    fn default() -> Self {
        Self { current: 0, seen: [T::default(); N] }
    }
}

impl<T: Copy + Default, const N: usize> Ring<T, N> {
    pub(crate) fn now(&mut self, slot: u64, now: Instant) -> &mut T {
        let nanos = now.as_nanos();
        let begins = self.current.saturating_mul(slot);
        if nanos >= begins && nanos - begins >= slot {
            let number = nanos / slot;
            let gone = (number - self.current).min(N as u64);
            for back in 0..gone {
                self.seen[Self::place(number - back)] = T::default();
            }
            self.current = number;
        }
        self.present()
    }

    /// The count of the slot last written.
    pub(crate) fn present(&mut self) -> &mut T {
        &mut self.seen[Self::place(self.current)]
    }

    /// The moment at which the slot last written ends.
    pub(crate) fn ends(&self, slot: u64) -> Instant {
        Instant::from_nanos(self.current.saturating_add(1).saturating_mul(slot))
    }

    /// The count of the slot that holds `then`, if it is still remembered. Call [`Ring::now`] first.
    pub(crate) fn at(&mut self, slot: u64, then: Instant) -> Option<&mut T> {
        let number = then.as_nanos() / slot;
        (number <= self.current && self.current - number < N as u64)
            .then(|| &mut self.seen[Self::place(number)])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.seen.iter()
    }

    /// Every count from the oldest, each with the moment at which it will be forgotten.
    pub(crate) fn oldest_first(&self, slot: u64) -> impl Iterator<Item = (Instant, &T)> {
        (0..N as u64).rev().filter_map(|age| self.current.checked_sub(age)).map(move |number| {
            let forgotten = number.saturating_add(N as u64).saturating_mul(slot);
            (Instant::from_nanos(forgotten), &self.seen[Self::place(number)])
        })
    }

    /// The number of the slot last written, and every count in its place: slot `n` is at `n % N`.
    pub(crate) fn parts(&self) -> (u64, &[T; N]) {
        (self.current, &self.seen)
    }

    /// A ring of such parts.
    pub(crate) fn of(current: u64, seen: [T; N]) -> Self {
        Self { current, seen }
    }

    fn place(number: u64) -> usize {
        (number % N as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn a_ring_remembers_exactly_its_slots(steps in prop::collection::vec(0u64..50, 1..200)) {
            let mut ring = Ring::<u32, 4>::default();
            let mut all = VecDeque::new();
            let mut now = 0;
            for step in steps {
                now += step;
                *ring.now(10, Instant::from_nanos(now)) += 1;
                all.push_back(now / 10);
                all.retain(|slot| now / 10 - slot < 4);
                prop_assert_eq!(ring.iter().sum::<u32>() as usize, all.len());
                let oldest = ring.oldest_first(10).find(|(_, count)| **count > 0).map(|(gone, _)| gone.as_nanos());
                prop_assert_eq!(oldest, all.front().map(|slot| (slot + 4) * 10));
            }
        }
    }

    #[test]
    fn a_moment_that_comes_late_counts_in_the_present_slot() {
        let mut ring = Ring::<u32, 4>::default();
        *ring.now(10, Instant::from_nanos(100)) += 1;
        *ring.now(10, Instant::from_nanos(95)) += 1;
        assert_eq!(ring.at(10, Instant::from_nanos(105)), Some(&mut 2));
        assert_eq!(ring.at(10, Instant::from_nanos(95)), Some(&mut 0));
        assert_eq!(ring.at(10, Instant::from_nanos(70)), Some(&mut 0), "the oldest");
        assert_eq!(ring.at(10, Instant::from_nanos(69)), None, "forgotten");
        assert_eq!(ring.at(10, Instant::from_nanos(119)), None, "not yet");
        assert_eq!(ring.at(10, Instant::FAR_FUTURE), None);
        *ring.now(10, Instant::FAR_FUTURE) += 1;
        assert_eq!(ring.iter().sum::<u32>(), 1);
    }
}
