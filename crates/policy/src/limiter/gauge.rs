//! A quota made ready to be measured with: what every decision would otherwise divide and multiply anew.

use super::Quota;

/// A bucket never owes more than this, about 18 years: sums of moments and debts stay far from where they would wrap. In
/// whole microseconds.
pub(super) const LONGEST: u64 = (1 << 59) / 1000 * 1000;

/// The nanoseconds that everything is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gauge {
    pub(super) quota: Quota,
    /// What passes in one span, or at once.
    pub(super) most: u32,
    /// How long the bucket takes to regain one. Rounded up, so that it never refills faster than the rate: beyond a
    /// million per second that costs more than a thousandth of it, and a billion per second is the fastest there is.
    pub(super) interval: u64,
    /// How long the bucket takes to fill.
    pub(super) fill: u64,
    /// One slot of the window. Rounded up, so that all slots but the present one always cover the whole span.
    pub(super) slot: u64,
}

impl Gauge {
    /// For meters whose window has `slots` slots.
    pub(super) fn new(quota: &Quota, slots: usize) -> Self {
        Self::in_steps_of(1, quota, slots)
    }

    /// The same, measuring in whole steps of so many nanoseconds, up: a rate above one in a step is one in a step.
    pub(super) fn in_steps_of(step: u64, quota: &Quota, slots: usize) -> Self {
        let per = u64::try_from(quota.rate.per.as_nanos()).unwrap_or(u64::MAX).clamp(1, LONGEST);
        let interval = per.div_ceil(quota.rate.count.get().into()).next_multiple_of(step);
        let most = quota.burst.unwrap_or(quota.rate.count).get();
        Self {
            quota: *quota,
            most,
            interval,
            fill: interval.saturating_mul(most.into()).min(LONGEST),
            slot: per.div_ceil(slots as u64 - 1).next_multiple_of(step),
        }
    }

    /// How long the bucket takes to regain `n`.
    pub(super) fn cost(&self, n: u64) -> u64 {
        self.interval.saturating_mul(n).min(LONGEST)
    }
}
