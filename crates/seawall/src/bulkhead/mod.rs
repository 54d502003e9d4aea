//! Bounds how many calls are in flight at once; the others wait in order, or are refused.
//!
#![doc = include_str!("../../../../docs/policies/bulkhead.md")]

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::{Clock, Code, Instant, Rejection};
use seawall_policy::Invalid;
use seawall_policy::bulkhead::{Decision, Load, arrive};
pub use seawall_policy::bulkhead::{Options, Queue};
use tokio::sync::Semaphore;

use crate::lock;
use crate::time::default_clock;
use crate::timeout::within;

/// A bulkhead. Clones share it. Waiting is first come, first served; a waiter that is dropped leaves the queue.
#[derive(Clone)]
pub struct Bulkhead(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    places: Semaphore,
    options: Mutex<Options>,
    waiting: AtomicUsize,
    /// Places to take away as soon as they are given back, after the bulkhead was made smaller.
    owed: AtomicUsize,
}

impl Bulkhead {
    /// An empty bulkhead on tokio's clock.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        options.check()?;
        Ok(Self(Arc::new(Inner {
            clock: default_clock(),
            places: Semaphore::new(options.concurrent as usize),
            options: Mutex::new(options),
            waiting: AtomicUsize::new(0),
            owed: AtomicUsize::new(0),
        })))
    }

    /// Who is inside and who is waiting.
    pub fn load(&self) -> Load {
        let size = lock(&self.0.options).concurrent as usize + self.0.owed.load(Ordering::Relaxed);
        Load {
            in_flight: size.saturating_sub(self.0.places.available_permits()),
            waiting: self.0.waiting.load(Ordering::Relaxed),
        }
    }

    /// How many may be inside.
    pub fn size(&self) -> u32 {
        lock(&self.0.options).concurrent
    }

    /// A place now, or [`Code::BulkheadFull`].
    pub fn try_acquire(&self) -> Result<Permit, Rejection> {
        if self.0.waiting.load(Ordering::Relaxed) > 0 {
            return Err(full());
        }
        self.0.places.try_acquire().map_err(|_| full())?.forget();
        Ok(Permit(self.clone()))
    }

    /// A place as soon as there is one, within the queue's patience and before `deadline`.
    pub async fn acquire(&self, deadline: Instant) -> Result<Permit, Rejection> {
        if let Ok(permit) = self.try_acquire() {
            return Ok(permit);
        }
        let options = lock(&self.0.options).clone();
        if arrive(&options, self.load()) == Decision::Refuse {
            return Err(full());
        }
        let patience = self.0.clock.now().until(deadline).min(options.queue.wait);
        let _waiting = Waiting::join(&self.0.waiting);
        match within(self.0.places.acquire(), patience).await {
            Ok(Ok(place)) => {
                place.forget();
                Ok(Permit(self.clone()))
            }
            // The semaphore is never closed; a closed one would be full.
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }

    /// Another size or queue, same calls inside.
    pub fn update(&self, options: Options) -> Result<(), Invalid> {
        options.check()?;
        let mut current = lock(&self.0.options);
        let (old, new) = (current.concurrent as usize, options.concurrent as usize);
        if new > old {
            let more = new - old;
            let forgiven = self.0.owed.load(Ordering::Relaxed).min(more);
            self.0.owed.fetch_sub(forgiven, Ordering::Relaxed);
            self.0.places.add_permits(more - forgiven);
        } else {
            let taken = self.0.places.forget_permits(old - new);
            self.0.owed.fetch_add(old - new - taken, Ordering::Relaxed);
        }
        *current = options;
        Ok(())
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead").field("load", &self.load()).finish()
    }
}

fn full() -> Rejection {
    // Calls in flight end when they end; a second is the soonest that asking again is worth it.
    Rejection::new(Code::BulkheadFull).after(Duration::from_secs(1))
}

/// Counts one who waits, for as long as it waits.
pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    pub(crate) fn join(line: &'a AtomicUsize) -> Self {
        line.fetch_add(1, Ordering::Relaxed);
        Self(line)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place inside; dropping it gives the place to the next in line.
#[derive(Debug)]
#[must_use = "a place that is dropped at once guards nothing"]
pub struct Permit(Bulkhead);

impl Drop for Permit {
    fn drop(&mut self) {
        let Inner { owed, places, .. } = &*self.0.0;
        let repay = || owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        if owed.load(Ordering::Relaxed) == 0 || !repay() {
            places.add_permits(1);
        }
    }
}
