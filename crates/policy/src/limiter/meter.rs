//! One quota's state, whichever way it is measured.

use std::time::Duration;

use seawall_core::Instant;

use super::bucket::Bucket;
use super::window::Window;
use super::{Decision, Quota};

/// What has passed lately. At most 120 bytes, so a limit per key costs little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bucket(Bucket),
    Window(Window),
}

impl Meter {
    /// A meter at rest.
    pub fn new(quota: &Quota) -> Self {
        Self(match quota.burst {
            Some(_) => Kind::Bucket(Bucket::default()),
            None => Kind::Window(Window::new(quota.rate.per)),
        })
    }

    /// Counts `n` if they may pass now; else says when they could.
    pub fn take(&mut self, quota: &Quota, n: u32, now: Instant) -> Decision {
        self.fit(quota);
        match (&mut self.0, quota.burst) {
            (Kind::Bucket(bucket), Some(burst)) => bucket.take(n, burst.get(), interval(quota), now),
            (Kind::Window(window), _) => window.take(n, quota.rate.count.get(), now),
            (Kind::Bucket(_), None) => Decision::Never,
        }
    }

    /// Takes `n` back that were counted at `taken` and did not go: as if they had never been counted, or less where
    /// that cannot be known.
    pub fn give_back(&mut self, quota: &Quota, n: u32, taken: Instant, now: Instant) {
        match &mut self.0 {
            Kind::Bucket(bucket) => bucket.give_back(n, interval(quota), taken, now),
            Kind::Window(window) => window.give_back(n, taken, now),
        }
    }

    /// How many could pass at once now.
    pub fn remaining(&mut self, quota: &Quota, now: Instant) -> u32 {
        self.fit(quota);
        match &mut self.0 {
            Kind::Bucket(bucket) => bucket.remaining(quota.burst.map_or(0, u32::from), interval(quota), now),
            Kind::Window(window) => window.remaining(quota.rate.count.get(), now),
        }
    }

    /// Owes it nothing, so that forgetting it gives nothing away?
    pub fn rested(&mut self, quota: &Quota, now: Instant) -> bool {
        self.fit(quota);
        match &mut self.0 {
            Kind::Bucket(bucket) => bucket.rested(now),
            Kind::Window(window) => window.rested(now),
        }
    }

    /// An update may have changed the way of measuring: begin anew then.
    fn fit(&mut self, quota: &Quota) {
        let fits = match (&self.0, quota.burst) {
            (Kind::Bucket(_), burst) => burst.is_some(),
            (Kind::Window(window), None) => window.covers(quota.rate.per),
            (Kind::Window(_), Some(_)) => false,
        };
        if !fits {
            *self = Self::new(quota);
        }
    }
}

fn interval(quota: &Quota) -> Duration {
    (quota.rate.per / quota.rate.count.get()).max(Duration::from_nanos(1))
}
