//! One quota's state, whichever way it is measured.

use std::time::Duration;

use seawall_core::Instant;

use super::bucket::Bucket;
use super::gauge::Gauge;
use super::window::Window;
use super::{Decision, Quota};

/// Twenty that cover the span, and the present one.
pub(super) const SLOTS: usize = 21;

/// What has passed lately under one quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter {
    pub(super) gauge: Gauge,
    pub(super) kind: Kind,
    pub(super) anew: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bucket(Bucket),
    Window(Window<SLOTS>),
}

/// What may be decided without the meter: see [`Meter::lend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// A bucket. It decides as [`Meter::take`] does and says afterwards where it is.
    Bucket {
        /// When it will be full.
        full_at: Instant,
        /// How long it takes to regain one.
        interval: Duration,
        /// How long it takes to fill: at most this far may `full_at` lie ahead after a take.
        fill: Duration,
    },
    /// So many may pass before the moment, and nothing else is known.
    Room {
        /// How many.
        room: u32,
        /// Until when.
        ends: Instant,
    },
}

impl Meter {
    /// A meter at rest.
    pub fn new(quota: &Quota) -> Self {
        Self { gauge: Gauge::new(quota, SLOTS), kind: Kind::at_rest(quota), anew: None }
    }

    /// The quota it measures.
    pub fn quota(&self) -> Quota {
        self.gauge.quota
    }

    /// How far apart calls are that come evenly at the rate.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.gauge.interval)
    }

    /// Counts `n` if they may pass now; else says when they could.
    pub fn take(&mut self, n: u32, now: Instant) -> Decision {
        match &mut self.kind {
            Kind::Bucket(bucket) => bucket.take(&self.gauge, n, now),
            Kind::Window(window) => window.take(&self.gauge, n, now),
        }
    }

    /// Counts `n` that have passed already, beyond the quota if need be: a debt, which is paid before anything passes.
    pub fn charge(&mut self, n: u64, now: Instant) {
        match &mut self.kind {
            Kind::Bucket(bucket) => bucket.charge(&self.gauge, n, now),
            Kind::Window(window) => window.charge(&self.gauge, n, now),
        }
    }

    /// Takes `n` back that were counted at `taken` and did not go: as if they had never been counted, or less where
    /// that cannot be known.
    pub fn give_back(&mut self, n: u64, taken: Instant, now: Instant) {
        if self.anew.is_some_and(|anew| taken <= anew) {
            return;
        }
        match &mut self.kind {
            Kind::Bucket(bucket) => bucket.give_back(&self.gauge, n, taken, now),
            Kind::Window(window) => window.give_back(&self.gauge, n, taken, now),
        }
    }

    /// How many could pass at once now.
    pub fn remaining(&mut self, now: Instant) -> u32 {
        match &mut self.kind {
            Kind::Bucket(bucket) => bucket.remaining(&self.gauge, now),
            Kind::Window(window) => window.remaining(&self.gauge, now),
        }
    }

    /// Owes it nothing, so that forgetting it gives nothing away?
    pub fn rested(&mut self, now: Instant) -> bool {
        match &mut self.kind {
            Kind::Bucket(bucket) => bucket.rested(now),
            Kind::Window(window) => window.rested(&self.gauge, now),
        }
    }

    /// Forgets what was used. What was counted until now can no longer be given back: it would be given twice.
    pub fn reset(&mut self, now: Instant) {
        self.kind = Kind::at_rest(&self.gauge.quota);
        self.anew = Some(now);
    }

    /// Another quota, measured as if what is remembered had been used under it, no earlier than it was. What was counted
    /// until now can no longer be given back.
    pub fn refit(&mut self, quota: &Quota, now: Instant) {
        if *quota == self.gauge.quota {
            return;
        }
        let to = Gauge::new(quota, SLOTS);
        self.kind = match (&self.kind, quota.burst) {
            (Kind::Bucket(bucket), Some(_)) => Kind::Bucket(bucket.refitted(&self.gauge, &to, now)),
            (Kind::Bucket(bucket), None) => Kind::Window(bucket.as_window(&self.gauge, &to, now)),
            (Kind::Window(window), None) => Kind::Window(window.refitted(&self.gauge, &to, now)),
            (Kind::Window(window), Some(_)) => Kind::Bucket(window.as_bucket(&self.gauge, &to, now)),
        };
        self.gauge = to;
        self.anew = Some(now);
    }

    /// Lends what it knows to somebody who decides faster. Until it is told with [`Meter::redeem`] what came of it,
    /// nothing else may be asked of it.
    pub fn lend(&mut self, now: Instant) -> Lease {
        match &mut self.kind {
            Kind::Bucket(bucket) => Lease::Bucket {
                full_at: bucket.full_at,
                interval: Duration::from_nanos(self.gauge.interval),
                fill: Duration::from_nanos(self.gauge.fill),
            },
            Kind::Window(window) => {
                let room = window.remaining(&self.gauge, now);
                Lease::Room { room, ends: window.ends(&self.gauge) }
            }
        }
    }

    /// What is left of `lent`.
    pub fn redeem(&mut self, lent: &Lease, left: &Lease) {
        match (&mut self.kind, lent, left) {
            (Kind::Bucket(bucket), _, Lease::Bucket { full_at, .. }) => bucket.full_at = *full_at,
            (Kind::Window(window), Lease::Room { room: lent, .. }, Lease::Room { room: left, .. }) => {
                window.count_present(lent.saturating_sub(*left));
            }
            (Kind::Bucket(_) | Kind::Window(_), _, _) => {}
        }
    }

    pub(super) fn kind(&self) -> (&Gauge, &Kind) {
        (&self.gauge, &self.kind)
    }
}

impl Kind {
    fn at_rest(quota: &Quota) -> Self {
        match quota.burst {
            Some(_) => Kind::Bucket(Bucket::default()),
            None => Kind::Window(Window::default()),
        }
    }
}
