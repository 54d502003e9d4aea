//! A meter and the pace before it: one limit for everybody.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::provider::RateLimit;
use seawall_core::verdict::Class;

use super::adaptive::{self, Change, Pace};
use super::{Decision, Lease, Meter, Options, Quota};

/// One limit's whole state: both the meter and the pace must let a call through, and both count it.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    meter: Meter,
    pace: Pace,
    adaptive: Option<adaptive::Options>,
}

impl Limit {
    /// A limit at rest.
    pub fn new(options: &Options) -> Self {
        let (meter, pace) = (Meter::new(&options.quota()), Pace::default());
        Self { meter, pace, adaptive: options.adaptive.clone() }
    }

    /// Counts `n` if they may pass now; else says when they could.
    pub fn take(&mut self, n: u32, now: Instant) -> Decision {
        let quota = self.meter.quota();
        let held = self.pace.wait(&quota, now);
        if !held.is_zero() && n <= quota.most() {
            return Decision::Wait(held);
        }
        let decision = self.meter.take(n, now);
        if decision == Decision::Go {
            self.pace.passed(n, &quota, now);
        }
        decision
    }

    /// As [`Meter::lend`], where the pace holds nobody up.
    pub fn lend(&mut self, now: Instant) -> Option<Lease> {
        self.pace.idle(now).then(|| self.meter.lend(now))
    }

    /// The meter, for what has nothing to do with the pace.
    pub fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    /// How many could pass at once now: none while the pace holds the next one up.
    pub fn remaining(&mut self, now: Instant) -> u32 {
        if self.pace.wait(&self.meter.quota(), now).is_zero() { self.meter.remaining(now) } else { 0 }
    }

    /// How far apart calls are that come evenly.
    pub fn interval(&self) -> Duration {
        self.meter.interval()
    }

    /// The quota it measures.
    pub fn quota(&self) -> Quota {
        self.meter.quota()
    }

    /// Other options, same counts, same pace while there is one.
    pub fn refit(&mut self, options: &Options, now: Instant) {
        self.meter.refit(&options.quota(), now);
        self.adaptive = options.adaptive.clone();
        if self.adaptive.is_none() {
            self.pace.steady();
        }
    }

    /// Forgets what was used, and what the provider said.
    pub fn reset(&mut self, now: Instant) {
        self.meter.reset(now);
        self.pace = Pace::default();
    }

    /// As [`Pace::hear`]; nothing where the limit is not adaptive.
    pub fn hear(&mut self, class: Class, now: Instant) -> Option<Change> {
        self.pace.hear(class, self.adaptive.as_ref()?, &self.meter.quota(), now)
    }

    /// As [`Pace::learn`].
    pub fn learn(&mut self, said: &RateLimit, now: Instant) -> Option<Change> {
        self.pace.learn(said, &self.meter.quota(), now)
    }

    /// The share of the rate that passes now.
    pub fn share(&self, now: Instant) -> f64 {
        self.pace.share(&self.meter.quota(), now)
    }
}
