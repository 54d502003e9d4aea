//! A sliding window in slots: counts a whole slot as long as any moment of it may lie within the window.

use std::time::Duration;

use seawall_core::Instant;

use super::Decision;
use super::bucket::Bucket;
use super::gauge::Gauge;
use crate::slots::Ring;

/// What passed in the last `N` slots, of which all but the present one cover the whole span: so no span ever holds more
/// than the count, and a saturated window passes `(N - 1) / N` of its rate, up to all of it where arrivals are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window<const N: usize>(pub(super) Ring<u32, N>);

impl<const N: usize> Window<N> {
    pub(super) fn take(&mut self, gauge: &Gauge, n: u32, now: Instant) -> Decision {
        if n > gauge.most {
            return Decision::Never;
        }
        self.0.now(gauge.slot, now);
        let wanted = self.used() + u64::from(n);
        if wanted <= u64::from(gauge.most) {
            *self.0.present() += n;
            return Decision::Go;
        }
        Decision::Wait(self.until_free(gauge, wanted - u64::from(gauge.most), now))
    }

    /// Counts what has passed already, even beyond the count. A slot holds four billion.
    pub(super) fn charge(&mut self, gauge: &Gauge, n: u64, now: Instant) {
        let slot = self.0.now(gauge.slot, now);
        *slot = slot.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
    }

    /// Takes back what was counted at `taken`, from the slot it was counted in, unless that has left the window.
    pub(super) fn give_back(&mut self, gauge: &Gauge, n: u64, taken: Instant, now: Instant) {
        self.0.now(gauge.slot, now);
        if let Some(slot) = self.0.at(gauge.slot, taken) {
            *slot = slot.saturating_sub(u32::try_from(n).unwrap_or(u32::MAX));
        }
    }

    pub(super) fn remaining(&mut self, gauge: &Gauge, now: Instant) -> u32 {
        self.0.now(gauge.slot, now);
        gauge.most.saturating_sub(u32::try_from(self.used()).unwrap_or(u32::MAX))
    }

    pub(super) fn rested(&mut self, gauge: &Gauge, now: Instant) -> bool {
        self.0.now(gauge.slot, now);
        self.used() == 0
    }

    /// When the present slot ends: until then nothing that was counted is forgotten.
    pub(super) fn ends(&self, gauge: &Gauge) -> Instant {
        self.0.ends(gauge.slot)
    }

    /// Counts what passed in the slot last looked at, which may have ended since.
    pub(super) fn count_present(&mut self, n: u32) {
        let slot = self.0.present();
        *slot = slot.saturating_add(n);
    }

    /// The same passes in a window of another length, each no earlier than it was. What the old one has forgotten, the
    /// new one does not know.
    pub(super) fn refitted<const M: usize>(&self, from: &Gauge, to: &Gauge, now: Instant) -> Window<M> {
        let mut window = Window::default();
        for (at, passed) in self.passes(from, now) {
            window.charge(to, passed, at);
        }
        window
    }

    /// A bucket that saw the same passes, each no earlier than it was.
    pub(super) fn as_bucket(&self, from: &Gauge, to: &Gauge, now: Instant) -> Bucket {
        let mut bucket = Bucket::default();
        for (at, passed) in self.passes(from, now) {
            bucket.charge(to, passed, at);
        }
        bucket
    }

    /// What passed, oldest first, each at the last moment at which it can have.
    fn passes(&self, gauge: &Gauge, now: Instant) -> impl Iterator<Item = (Instant, u64)> {
        let remembered = Duration::from_nanos(gauge.slot.saturating_mul(N as u64 - 1).saturating_add(1));
        let passed = self.0.oldest_first(gauge.slot).filter(|(_, passed)| **passed > 0);
        passed.map(move |(forgotten, passed)| ((forgotten - remembered).min(now), u64::from(*passed)))
    }

    /// How long until the oldest slots that together hold `excess` have left the window.
    fn until_free(&self, gauge: &Gauge, excess: u64, now: Instant) -> Duration {
        let mut freed = 0;
        let enough = self.0.oldest_first(gauge.slot).find(|(_, passed)| {
            freed += u64::from(**passed);
            freed >= excess
        });
        let leaves = enough.map_or_else(|| self.ends(gauge), |(leaves, _)| leaves);
        now.until(leaves).max(Duration::from_nanos(1))
    }

    pub(super) fn used(&self) -> u64 {
        self.0.iter().map(|n| u64::from(*n)).sum()
    }
}
