//! A token bucket told as one moment: the generic cell rate algorithm (ITU-T I.371).

use std::time::Duration;

use seawall_core::Instant;

use super::Decision;

/// `empty_at` is the theoretical arrival time: the bucket is full when it lies in the past, and each token taken moves
/// it one interval ahead. Eight bytes of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bucket {
    empty_at: Instant,
}

impl Bucket {
    pub(super) fn take(&mut self, n: u32, burst: u32, interval: Duration, now: Instant) -> Decision {
        if n > burst {
            return Decision::Never;
        }
        let next = self.empty_at.max(now) + interval * n;
        let wait = now.until(next).saturating_sub(interval * burst);
        if wait.is_zero() {
            self.empty_at = next;
            return Decision::Go;
        }
        Decision::Wait(wait)
    }

    /// Takes back what was counted at `taken`, less what has been refilled since: without the token the bucket might
    /// have been full for that long, and a full bucket gains nothing.
    pub(super) fn give_back(&mut self, n: u32, interval: Duration, taken: Instant, now: Instant) {
        let back = (interval * n).saturating_sub(now.since(taken));
        self.empty_at = (self.empty_at - back).max(now);
    }

    pub(super) fn remaining(&self, burst: u32, interval: Duration, now: Instant) -> u32 {
        let owed = now.until(self.empty_at).as_nanos().div_ceil(interval.as_nanos().max(1));
        burst.saturating_sub(u32::try_from(owed).unwrap_or(u32::MAX))
    }

    pub(super) fn rested(&self, now: Instant) -> bool {
        self.empty_at <= now
    }
}
