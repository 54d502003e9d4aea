//! Bounds retries to a share of recent calls, so that an outage is never amplified.

#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units::{Rate, Share};

const SLOTS: usize = 10;

/// A retry budget: over the last ten slots of its span, retries never exceed `share × calls + floor`.
///
/// Retries are withdrawn when they are *scheduled*; hedges draw from the same budget. The floor's span is the budget's
/// memory. 200 bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    share: Share,
    floor: u32,
    slot: Duration,
    current: u64,
    calls: [u32; SLOTS],
    retries: [u32; SLOTS],
}

impl Budget {
    /// An untouched budget.
    pub fn new(share: Share, floor: Rate) -> Self {
        let slot = (floor.per / SLOTS as u32).max(Duration::from_millis(1));
        Self { share, floor: floor.count.get(), slot, current: 0, calls: [0; SLOTS], retries: [0; SLOTS] }
    }

    /// Other limits, same memory (as far as the span is the same).
    pub fn update(&mut self, share: Share, floor: Rate) {
        let fresh = Self::new(share, floor);
        if fresh.slot == self.slot {
            (self.share, self.floor) = (fresh.share, fresh.floor);
        } else {
            *self = fresh;
        }
    }

    /// A call began.
    pub fn deposit(&mut self, now: Instant) {
        let slot = self.roll(now);
        self.calls[slot] = self.calls[slot].saturating_add(1);
    }

    /// A retry is about to be scheduled: is there one left?
    pub fn withdraw(&mut self, now: Instant) -> bool {
        let slot = self.roll(now);
        if self.spent() + 1 > self.allowed() {
            return false;
        }
        self.retries[slot] = self.retries[slot].saturating_add(1);
        true
    }

    /// Retries in the window.
    pub fn spent(&self) -> u64 {
        self.retries.iter().map(|n| u64::from(*n)).sum()
    }

    /// Retries the window allows.
    pub fn allowed(&self) -> u64 {
        let calls: u64 = self.calls.iter().map(|n| u64::from(*n)).sum();
        // Floor, not ceiling: a 60 % budget is 60 %, not a little more.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts are small and not negative"
        )]
        let earned = (calls as f64 * self.share.get() + 1e-9) as u64;
        earned + u64::from(self.floor)
    }

    fn roll(&mut self, now: Instant) -> usize {
        let slot = u64::try_from(u128::from(now.as_nanos()) / self.slot.as_nanos()).unwrap_or(u64::MAX);
        let gone = slot.saturating_sub(self.current).min(SLOTS as u64);
        for back in 0..gone {
            let old = ((slot - back) % SLOTS as u64) as usize;
            (self.calls[old], self.retries[old]) = (0, 0);
        }
        self.current = self.current.max(slot);
        (self.current % SLOTS as u64) as usize
    }
}
