//! What the few hand-made protocols are built of: atomic words and locks, the standard library's or ones that try every
//! interleaving ([loom](https://docs.rs/loom)). `docs/proof.md` lists the protocols.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::lock;

/// A set of parts.
pub(crate) trait Parts: fmt::Debug {
    /// Its atomic words.
    type Word: Word + fmt::Debug;
    /// Its locks.
    type Lock<T>: Lock<T>;
}

/// An atomic of 64 bits.
pub(crate) trait Word {
    fn new(value: u64) -> Self;
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
    fn swap(&self, value: u64, order: Ordering) -> u64;
    /// Takes away, and says what it was.
    fn less(&self, value: u64, order: Ordering) -> u64;
    /// May fail for no reason.
    fn exchange(&self, from: u64, to: u64, order: Ordering, failed: Ordering) -> Result<u64, u64>;
}

/// A lock around a pure step.
pub(crate) trait Lock<T> {
    fn new(value: T) -> Self;
    fn with<R>(&self, step: impl FnOnce(&mut T) -> R) -> R;
}

/// The standard library's.
#[derive(Debug)]
pub(crate) struct Std;

impl Parts for Std {
    type Word = AtomicU64;
    type Lock<T> = Mutex<T>;
}

impl<T> Lock<T> for Mutex<T> {
    #[inline]
    fn new(value: T) -> Self {
        Mutex::new(value)
    }
    #[inline]
    fn with<R>(&self, step: impl FnOnce(&mut T) -> R) -> R {
        step(&mut lock(self))
    }
}

impl Word for AtomicU64 {
    #[inline]
    fn new(value: u64) -> Self {
        AtomicU64::new(value)
    }
    #[inline]
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }
    #[inline]
    fn store(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }
    #[inline]
    fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.swap(value, order)
    }
    #[inline]
    fn less(&self, value: u64, order: Ordering) -> u64 {
        self.fetch_sub(value, order)
    }
    #[inline]
    fn exchange(&self, from: u64, to: u64, order: Ordering, failed: Ordering) -> Result<u64, u64> {
        self.compare_exchange_weak(from, to, order, failed)
    }
}

#[cfg(test)]
pub(crate) mod modelled;
