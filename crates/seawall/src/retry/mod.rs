//! Sends again what is safe to send again: options, presets, and the budget that callers share.
//!
#![doc = include_str!("../../../../docs/policies/retry.md")]

use std::sync::{Arc, Mutex};

use seawall_core::Instant;
use seawall_policy::budget;
pub use seawall_policy::retry::{Jitter, Options, Stop, Strategy, pause};

use crate::lock;

/// A retry budget. Clones share it: all calls to one upstream should.
///
#[doc = include_str!("../../../../docs/policies/budget.md")]
#[derive(Debug, Clone)]
pub struct Budget(Arc<Mutex<budget::Budget>>);

impl Budget {
    /// The budget of these options, untouched.
    pub fn new(options: &Options) -> Self {
        Self(Arc::new(Mutex::new(budget::Budget::new(options.budget, options.floor))))
    }

    /// A call began.
    pub fn deposit(&self, now: Instant) {
        lock(&self.0).deposit(now);
    }

    /// A retry is about to be scheduled: is there one left?
    pub fn withdraw(&self, now: Instant) -> bool {
        lock(&self.0).withdraw(now)
    }

    /// Retries spent and allowed within the window.
    pub fn spent(&self) -> (u64, u64) {
        let budget = lock(&self.0);
        (budget.spent(), budget.allowed())
    }

    /// Other limits, same memory.
    pub fn update(&self, options: &Options) {
        lock(&self.0).update(options.budget, options.floor);
    }
}
