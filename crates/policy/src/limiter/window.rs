//! A sliding window in slots: counts a whole slot as long as any moment of it may lie within the window.

use std::time::Duration;

use seawall_core::Instant;

use super::Decision;

const SLOTS: u64 = 20;

/// What passed in the last `SLOTS + 1` slots of `per / SLOTS`: a little more than `per`, so that no span of `per` ever
/// holds more than the count. A saturated window therefore passes 95 to 100 % of its rate. 100 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    current: u64,
    passed: [u32; SLOTS as usize + 1],
}

impl Default for Window {
    fn default() -> Self {
        Self { current: 0, passed: [0; SLOTS as usize + 1] }
    }
}

fn slot_of(per: Duration) -> u64 {
    u64::try_from(per.as_nanos() / u128::from(SLOTS)).unwrap_or(u64::MAX).max(1)
}

impl Window {
    pub(super) fn take(&mut self, n: u32, count: u32, per: Duration, now: Instant) -> Decision {
        if n > count {
            return Decision::Never;
        }
        let place = self.roll(per, now);
        let used = self.used();
        if used + u64::from(n) <= u64::from(count) {
            self.passed[place] += n;
            return Decision::Go;
        }
        Decision::Wait(self.until_free(used + u64::from(n) - u64::from(count), per, now))
    }

    /// Takes back what was counted at `taken`, from the slot it was counted in, unless that has left the window.
    pub(super) fn give_back(&mut self, n: u32, per: Duration, taken: Instant, now: Instant) {
        self.roll(per, now);
        let (slots, number) = (self.passed.len() as u64, taken.as_nanos() / slot_of(per));
        if self.current.saturating_sub(number) < slots && number <= self.current {
            let slot = &mut self.passed[(number % slots) as usize];
            *slot = slot.saturating_sub(n);
        }
    }

    pub(super) fn remaining(&mut self, count: u32, per: Duration, now: Instant) -> u32 {
        self.roll(per, now);
        count.saturating_sub(u32::try_from(self.used()).unwrap_or(u32::MAX))
    }

    pub(super) fn rested(&mut self, per: Duration, now: Instant) -> bool {
        self.roll(per, now);
        self.used() == 0
    }

    /// How long until the oldest slots that together hold `excess` have left the window.
    fn until_free(&self, excess: u64, per: Duration, now: Instant) -> Duration {
        let (slots, slot) = (self.passed.len() as u64, slot_of(per));
        let mut freed = 0;
        for age in (0..slots).rev() {
            let Some(number) = self.current.checked_sub(age) else { continue };
            freed += u64::from(self.passed[(number % slots) as usize]);
            if freed >= excess {
                let leaves = Instant::from_nanos((number + slots).saturating_mul(slot));
                return now.until(leaves).max(Duration::from_nanos(1));
            }
        }
        per
    }

    fn used(&self) -> u64 {
        self.passed.iter().map(|n| u64::from(*n)).sum()
    }

    fn roll(&mut self, per: Duration, now: Instant) -> usize {
        let slots = self.passed.len() as u64;
        let number = now.as_nanos() / slot_of(per);
        let gone = number.saturating_sub(self.current).min(slots);
        for back in 0..gone {
            self.passed[((number - back) % slots) as usize] = 0;
        }
        self.current = self.current.max(number);
        (self.current % slots) as usize
    }
}
