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
/// memory. About 120 bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    share: Share,
    floor: u32,
    recent: Slots<Recent, SLOTS>,
    /// Calls of the present slot that stand in no slot yet, so that one more costs a comparison and an addition.
    fresh: u32,
    /// Where the present slot ends.
    ends: Instant,
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
        Self { share, floor: floor.count.get(), recent: Slots::new(slot), fresh: 0, ends: Instant::ORIGIN }
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
        if now >= self.ends {
            self.turn(now);
        }
        self.fresh = self.fresh.saturating_add(1);
    }

    /// A retry is about to be scheduled: is there one left?
    pub fn withdraw(&mut self, now: Instant) -> bool {
        if now >= self.ends {
            self.turn(now);
        }
        let (calls, retries) = self.counts();
        if retries >= self.earned(calls) {
            return false;
        }
        // A moment of the present slot or before: the ring does not turn.
        let retries = &mut self.recent.now(now).retries;
        *retries = retries.saturating_add(1);
        true
    }

    /// Retries in the window.
    pub fn spent(&self) -> u64 {
        self.counts().1
    }

    /// Retries the window allows.
    pub fn allowed(&self) -> u64 {
        self.earned(self.counts().0)
    }

    /// Puts the calls of the slot that ended where they belong, and begins the slot of `now`.
    fn turn(&mut self, now: Instant) {
        let ended = self.ends - Duration::from_nanos(1);
        let calls = &mut self.recent.now(ended).calls;
        *calls = calls.saturating_add(self.fresh);
        self.fresh = 0;
        self.recent.now(now);
        let slot = self.recent.slot();
        let into = now.as_nanos() % u64::try_from(slot.as_nanos()).unwrap_or(u64::MAX);
        self.ends = now - Duration::from_nanos(into) + slot;
    }

    /// Calls and retries in the window. The ten slots are added up here, for a retry: calls happen more often.
    fn counts(&self) -> (u64, u64) {
        self.recent.iter().fold((u64::from(self.fresh), 0), |(calls, retries), slot| {
            (calls + u64::from(slot.calls), retries + u64::from(slot.retries))
        })
    }

    fn earned(&self, calls: u64) -> u64 {
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
