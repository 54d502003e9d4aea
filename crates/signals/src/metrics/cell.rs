//! The cells behind counters and gauges.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::slot::{Padded, SLOTS, slot};

/// A number that only grows. Clones count into the same cell.
///
/// One made by [`Counter::default`] works and belongs to no registry. Costs a load and a store on a cache line of this
/// thread's own, or a relaxed atomic add where more than seven threads count; no lock, no allocation. Half a kibibyte each.
#[derive(Clone, Default)]
pub struct Counter {
    slots: Arc<[Padded<AtomicU64>; SLOTS]>,
}

impl Counter {
    /// Counts one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Counts `n`.
    #[inline]
    pub fn add(&self, n: u64) {
        let slot = slot();
        slot.add(&self.slots[slot.index()].0, n);
    }

    /// The sum over all threads. Counts made while it sums may or may not be in it; none is ever lost.
    pub fn get(&self) -> u64 {
        self.slots.iter().fold(0, |sum, slot| sum.wrapping_add(slot.0.load(Ordering::Relaxed)))
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counter({})", self.get())
    }
}

/// A number that goes up and down. Clones share it.
///
/// One made by [`Gauge::default`] works and belongs to no registry. Prefer [`Registry::observe_with`] for what is
/// already kept elsewhere.
///
/// [`Registry::observe_with`]: super::Registry::observe_with
#[derive(Clone, Default)]
pub struct Gauge {
    bits: Arc<AtomicU64>,
}

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.bits.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds to the value; a negative `delta` takes away.
    pub fn add(&self, delta: f64) {
        let mut seen = self.bits.load(Ordering::Relaxed);
        loop {
            let next = (f64::from_bits(seen) + delta).to_bits();
            match self.bits.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// The present value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.bits.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gauge({})", self.get())
    }
}

#[cfg(test)]
mod tests;
