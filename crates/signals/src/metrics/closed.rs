//! Counters for each value of a closed set, made when first counted and found without a search.

use std::fmt;
use std::sync::{Arc, OnceLock};

use seawall_core::{Certainty, Class, Code};

use super::Counter;
use crate::view::{BreakerState, CacheResult};

/// A set of values known when the program was built: the only thing beside configuration that may become a label.
pub trait Closed: Copy + Send + Sync + 'static {
    /// Every value, each at its [`place`](Closed::place).
    const ALL: &'static [Self];

    /// Where this value stands in [`ALL`](Closed::ALL).
    fn place(self) -> usize;
}

impl Closed for Class {
    const ALL: &'static [Self] = Class::ALL;
    fn place(self) -> usize {
        self as usize
    }
}

impl Closed for Certainty {
    const ALL: &'static [Self] = Certainty::ALL;
    fn place(self) -> usize {
        self as usize
    }
}

impl Closed for BreakerState {
    const ALL: &'static [Self] = &BreakerState::ALL;
    fn place(self) -> usize {
        self as usize
    }
}

impl Closed for CacheResult {
    const ALL: &'static [Self] = &CacheResult::ALL;
    fn place(self) -> usize {
        self as usize
    }
}

impl Closed for Code {
    const ALL: &'static [Self] = Code::ALL;
    // Codes have gaps, and stand in the order of their numbers.
    fn place(self) -> usize {
        Code::ALL.partition_point(|code| *code < self)
    }
}

/// One counter for each value of `T`. Clones share them.
///
/// A counter comes into being, and into the exposition, when it is first asked for: that takes the registry's lock
/// once. Later it costs what an array access costs. Ask for those that a scraper should see at zero from the start.
pub struct CounterBy<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    cells: Box<[OnceLock<Counter>]>,
    make: Box<dyn Fn(T) -> Counter + Send + Sync>,
}

impl<T: Closed> CounterBy<T> {
    pub(super) fn new(make: impl Fn(T) -> Counter + Send + Sync + 'static) -> Self {
        let cells = T::ALL.iter().map(|_| OnceLock::new()).collect();
        Self { inner: Arc::new(Inner { cells, make: Box::new(make) }) }
    }

    /// The counter of this value.
    pub fn of(&self, value: T) -> &Counter {
        self.inner.cells[value.place()].get_or_init(|| (self.inner.make)(value))
    }

    /// The sum over all values. Makes none that was not there.
    pub fn total(&self) -> u64 {
        self.inner.cells.iter().filter_map(OnceLock::get).map(Counter::get).sum()
    }
}

impl<T> Clone for CounterBy<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> fmt::Debug for CounterBy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.inner.cells.iter().filter_map(OnceLock::get)).finish()
    }
}

#[cfg(test)]
mod tests;
