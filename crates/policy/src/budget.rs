//! Bounds retries to a share of recent calls, so that an outage is never amplified.

#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units::{Rate, Share};

use crate::slots::Slots;

const SLOTS: usize = 10;

/// A retry budget: over the last ten slots of its span, retries never exceed `share × calls + floor`.
///
/// Retries are withdrawn when they are *scheduled*; hedges draw from the same budget. The floor's span is the budget's
/// memory. 200 bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    share: Share,
    floor: u32,
    recent: Slots<Recent, SLOTS>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Recent {
    calls: u32,
    retries: u32,
}

impl Budget {
    /// An untouched budget.
    pub fn new(share: Share, floor: Rate) -> Self {
        let slot = (floor.per / SLOTS as u32).max(Duration::from_millis(1));
        Self { share, floor: floor.count.get(), recent: Slots::new(slot) }
    }

    /// Other limits, same memory (as far as the span is the same).
    pub fn update(&mut self, share: Share, floor: Rate) {
        let fresh = Self::new(share, floor);
        if fresh.recent.slot() == self.recent.slot() {
            (self.share, self.floor) = (fresh.share, fresh.floor);
        } else {
            *self = fresh;
        }
    }

    /// A call began.
    pub fn deposit(&mut self, now: Instant) {
        let calls = &mut self.recent.now(now).calls;
        *calls = calls.saturating_add(1);
    }

    /// A retry is about to be scheduled: is there one left?
    pub fn withdraw(&mut self, now: Instant) -> bool {
        self.recent.now(now);
        if self.spent() + 1 > self.allowed() {
            return false;
        }
        let retries = &mut self.recent.now(now).retries;
        *retries = retries.saturating_add(1);
        true
    }

    /// Retries in the window.
    pub fn spent(&self) -> u64 {
        self.recent.iter().map(|slot| u64::from(slot.retries)).sum()
    }

    /// Retries the window allows.
    pub fn allowed(&self) -> u64 {
        let calls: u64 = self.recent.iter().map(|slot| u64::from(slot.calls)).sum();
        // Floor, not ceiling: a 60 % budget is 60 %, not a little more.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts are small and not negative"
        )]
        let earned = (calls as f64 * self.share.get() + 1e-9) as u64;
        earned + u64::from(self.floor)
    }
}
