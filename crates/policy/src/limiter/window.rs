//! A sliding window in slots: counts a whole slot as long as any moment of it may lie within the window.

use std::time::Duration;

use seawall_core::Instant;

use super::Decision;
use crate::slots::Slots;

const SLOTS: u32 = 20;

/// What passed in the last `SLOTS + 1` slots of `per / SLOTS`: a little more than `per`, so that no span of `per` ever
/// holds more than the count. A saturated window therefore passes 95 to 100 % of its rate. 104 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window(Slots<u32, { SLOTS as usize + 1 }>);

impl Window {
    pub(super) fn new(per: Duration) -> Self {
        Self(Slots::new(per / SLOTS))
    }

    pub(super) fn covers(&self, per: Duration) -> bool {
        Self::new(per).0.slot() == self.0.slot()
    }

    pub(super) fn take(&mut self, n: u32, count: u32, now: Instant) -> Decision {
        if n > count {
            return Decision::Never;
        }
        self.0.now(now);
        let wanted = self.used() + u64::from(n);
        if wanted <= u64::from(count) {
            *self.0.now(now) += n;
            return Decision::Go;
        }
        Decision::Wait(self.until_free(wanted - u64::from(count), now))
    }

    /// Takes back what was counted at `taken`, from the slot it was counted in, unless that has left the window.
    pub(super) fn give_back(&mut self, n: u32, taken: Instant, now: Instant) {
        self.0.now(now);
        if let Some(slot) = self.0.at(taken) {
            *slot = slot.saturating_sub(n);
        }
    }

    pub(super) fn remaining(&mut self, count: u32, now: Instant) -> u32 {
        self.0.now(now);
        count.saturating_sub(u32::try_from(self.used()).unwrap_or(u32::MAX))
    }

    pub(super) fn rested(&mut self, now: Instant) -> bool {
        self.0.now(now);
        self.used() == 0
    }

    /// How long until the oldest slots that together hold `excess` have left the window.
    fn until_free(&self, excess: u64, now: Instant) -> Duration {
        let mut freed = 0;
        for (leaves, passed) in self.0.oldest_first() {
            freed += u64::from(*passed);
            if freed >= excess {
                return now.until(leaves).max(Duration::from_nanos(1));
            }
        }
        self.0.slot() * (SLOTS + 1)
    }

    fn used(&self) -> u64 {
        self.0.iter().map(|n| u64::from(*n)).sum()
    }
}
