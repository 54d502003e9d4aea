//! What callers of one upstream share: how many retries are left, and how many of their attempts fail.

use std::sync::{Arc, Mutex};

use seawall_core::units::Share;
use seawall_core::{Instant, Verdict};
use seawall_policy::budget;
use seawall_policy::retry::Climate;

use super::Options;
use crate::lock;

/// A retry budget. Clones share it: all calls to one upstream should.
///
/// A deposit and a withdrawal take one short lock each and allocate nothing. What adaptive pauses follow has a lock of
/// its own, which nobody takes while `adaptive` is off.
#[doc = ""]
#[doc = include_str!("../../../../docs/policies/budget.md")]
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    budget: Mutex<budget::Budget>,
    climate: Mutex<Climate>,
}

impl Budget {
    /// The budget of these options, untouched.
    pub fn new(options: &Options) -> Self {
        Self(Arc::new(Inner {
            budget: Mutex::new(budget::Budget::new(options.budget, options.floor)),
            climate: Mutex::new(Climate::new(options.floor.per)),
        }))
    }

    /// A call began.
    pub fn deposit(&self, now: Instant) {
        lock(&self.0.budget).deposit(now);
    }

    /// A retry is about to be scheduled: is there one left?
    pub fn withdraw(&self, now: Instant) -> bool {
        lock(&self.0.budget).withdraw(now)
    }

    /// Retries spent and allowed within the window.
    pub fn spent(&self) -> (u64, u64) {
        let budget = lock(&self.0.budget);
        (budget.spent(), budget.allowed())
    }

    /// An attempt ended, and failed or did not.
    pub fn heard(&self, failed: bool, now: Instant) {
        lock(&self.0.climate).heard(failed, now);
    }

    /// The share of the outcomes within the window that failed, where fewer than ten outcomes count as ten.
    pub fn error_share(&self, now: Instant) -> Share {
        lock(&self.0.climate).errors(now)
    }

    /// Takes note of an outcome and tells how things stand. Nobody asks, and nothing is done, unless pauses adapt.
    pub(crate) fn climate(&self, options: &Options, verdict: Verdict, now: Instant) -> Share {
        if !options.adaptive {
            return Share::percent(0);
        }
        let mut climate = lock(&self.0.climate);
        if let Some(failed) = Climate::hears(verdict) {
            climate.heard(failed, now);
        }
        // Only a failure is followed by a pause.
        if verdict.is_ok() { Share::percent(0) } else { climate.errors(now) }
    }

    /// Other limits, same memory.
    pub fn update(&self, options: &Options) {
        lock(&self.0.budget).update(options.budget, options.floor);
        lock(&self.0.climate).update(options.floor.per);
    }
}
