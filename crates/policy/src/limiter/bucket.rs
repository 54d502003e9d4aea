//! A token bucket told as one moment: the generic cell rate algorithm (ITU-T I.371).

use std::time::Duration;

use seawall_core::Instant;

use super::Decision;
use super::gauge::{Gauge, LONGEST};
use super::window::Window;

/// `full_at` is the theoretical arrival time: the bucket is full when it lies in the past, and each token taken moves
/// it one interval ahead. Eight bytes of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bucket {
    pub(super) full_at: Instant,
}

impl Bucket {
    pub(super) fn take(&mut self, gauge: &Gauge, n: u32, now: Instant) -> Decision {
        if n > gauge.most {
            return Decision::Never;
        }
        let next = self.after(gauge, n.into(), now);
        let owed = next.as_nanos().saturating_sub(now.as_nanos());
        // At the end of time the sum no longer grows, and what cannot be counted must not pass.
        if next == Instant::FAR_FUTURE || owed > gauge.fill {
            return Decision::Wait(Duration::from_nanos((owed - owed.min(gauge.fill)).max(1)));
        }
        self.full_at = next;
        Decision::Go
    }

    /// Counts what has passed already, even beyond what the bucket holds.
    pub(super) fn charge(&mut self, gauge: &Gauge, n: u64, now: Instant) {
        self.full_at = self.after(gauge, n, now).min(now + Duration::from_nanos(LONGEST));
    }

    /// Takes back what was counted at `taken`, less what has been refilled since: without the token the bucket might
    /// have been full for that long, and a full bucket gains nothing.
    pub(super) fn give_back(&mut self, gauge: &Gauge, n: u64, taken: Instant, now: Instant) {
        let back = Duration::from_nanos(gauge.cost(n)).saturating_sub(now.since(taken));
        self.full_at = self.full_at.min((self.full_at - back).max(now));
    }

    pub(super) fn remaining(&self, gauge: &Gauge, now: Instant) -> u32 {
        let owed = self.owed(now).div_ceil(gauge.interval);
        gauge.most.saturating_sub(u32::try_from(owed).unwrap_or(u32::MAX))
    }

    pub(super) fn rested(&self, now: Instant) -> bool {
        self.full_at <= now
    }

    /// The same tokens owed, in a bucket that refills at another rate.
    pub(super) fn refitted(&self, from: &Gauge, to: &Gauge, now: Instant) -> Bucket {
        let owed = u128::from(self.owed(now)) * u128::from(to.interval);
        let owed = u64::try_from(owed.div_ceil(from.interval.into())).unwrap_or(LONGEST);
        Bucket { full_at: now + Duration::from_nanos(owed.min(LONGEST)) }
    }

    /// The most that may have passed in each slot of a window: from any moment on, no more than moved `full_at` from
    /// there to where it is.
    pub(super) fn as_window<const N: usize>(&self, from: &Gauge, to: &Gauge, now: Instant) -> Window<N> {
        let mut window = Window::default();
        let number = now.as_nanos() / to.slot;
        let since = |slot: u64| {
            let begins = slot.saturating_mul(to.slot);
            self.full_at.as_nanos().saturating_sub(begins) / from.interval
        };
        let mut known = 0;
        let mut passed = [0; N];
        for (age, count) in passed.iter_mut().enumerate() {
            let Some(slot) = number.checked_sub(age as u64) else { break };
            *count = since(slot) - known;
            known += *count;
        }
        for (age, count) in passed.into_iter().enumerate().rev() {
            let at = number.saturating_sub(age as u64).saturating_mul(to.slot);
            window.charge(to, count, Instant::from_nanos(at));
        }
        window
    }

    fn after(&self, gauge: &Gauge, n: u64, now: Instant) -> Instant {
        self.full_at.max(now) + Duration::from_nanos(gauge.cost(n))
    }

    fn owed(&self, now: Instant) -> u64 {
        self.full_at.as_nanos().saturating_sub(now.as_nanos())
    }
}
