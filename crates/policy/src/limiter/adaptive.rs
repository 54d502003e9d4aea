//! A slower pace than the rate, for as long as the provider has reason to ask for one.
//!
//! The pace is a second limit beside the meter, so it can only hold up what the meter lets through: it never exceeds the
//! configured rate. Calls at a pace come evenly: what a burst would do to a provider that is already complaining, the
//! pace is there to prevent.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::provider::RateLimit;
use seawall_core::units::{self, Share};
use seawall_core::verdict::Class;
use serde::{Deserialize, Serialize};

use super::Quota;
use crate::Invalid;

/// How a limit falls when the provider complains, and recovers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The least share of the rate it falls to. Default 5 %: a trickle that notices the recovery.
    pub least: Share,
    /// What is left of the pace after a 429. Default 50 %.
    pub refused: Share,
    /// What is left of it after an overload error or a time-out. Default 80 %: it may be this call's own fault.
    pub failed: Share,
    /// What a success adds, of the rate. Default 5 %.
    pub recover: Share,
    /// How far apart steps are, down and up alike. Default 1 s: answers to what was sent before a step say nothing
    /// about it.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            least: Share::percent(5),
            refused: Share::percent(50),
            failed: Share::percent(80),
            recover: Share::percent(5),
            every: Duration::from_secs(1),
        }
    }
}

impl Options {
    /// Refuses what would never fall, never rise, or stop altogether.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.least.get() < 0.001 {
            return Err(Invalid::new(
                "adaptive.least",
                format!("{} lets nothing through that could recover: write at least \"0.1%\"", self.least),
            ));
        }
        for (key, share) in [("adaptive.refused", self.refused), ("adaptive.failed", self.failed)] {
            if share.get() <= 0.0 {
                return Err(Invalid::new(key, "nothing would be left: write \"1%\" to \"100%\""));
            }
        }
        if self.recover.get() <= 0.0 {
            return Err(Invalid::new("adaptive.recover", "it would never recover: write \"1%\" to \"100%\""));
        }
        if self.every < Duration::from_millis(10) || self.every > Duration::from_secs(3600) {
            return Err(Invalid::new("adaptive.every", "it is out of range: write \"10ms\" to \"1h\""));
        }
        Ok(())
    }
}

/// The pace of one limit, and the moment from which it lets the next through.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// Of the rate: what the outcomes have left of it.
    share: f64,
    stepped: Option<Instant>,
    told: Option<Told>,
    next_at: Instant,
    /// The share that was last spoken of: what the headers say changes a little with every answer.
    spoken: f64,
}

/// What the provider's headers leave: one in so much time, until its own count begins anew.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    interval: Duration,
    until: Instant,
}

/// A pace that has changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The share of the configured rate that passes now.
    pub share: f64,
    /// What moved it, in words.
    pub why: &'static str,
}

impl Default for Pace {
    fn default() -> Self {
        Self { share: 1.0, stepped: None, told: None, next_at: Instant::ORIGIN, spoken: 1.0 }
    }
}

impl Pace {
    /// An attempt ended in `class`. One step in `every`; outcomes that say nothing about the provider's load change
    /// nothing.
    pub fn hear(&mut self, class: Class, options: &Options, quota: &Quota, now: Instant) -> Option<Change> {
        let (share, why) = match class {
            Class::RateLimited => {
                (self.share * options.refused.get(), "the provider asked for a slower pace")
            }
            Class::Overloaded => (self.share * options.failed.get(), "the provider is overloaded"),
            Class::Timeout => (self.share * options.failed.get(), "the provider does not answer in time"),
            Class::Ok => (self.share + options.recover.get(), "the provider has recovered"),
            _ => return None,
        };
        let share = share.clamp(options.least.get(), 1.0);
        if share == self.share || self.stepped.is_some_and(|at| now.since(at) < options.every) {
            return None;
        }
        if share < self.share {
            self.empty(quota, now);
        }
        (self.share, self.stepped) = (share, Some(now));
        self.spoken = self.share(quota, now);
        Some(Change { share: self.spoken, why })
    }

    /// The provider says what is left. A pace slower than ours holds until its count begins anew; a faster one changes
    /// nothing, nor does a less slow one while a slower holds. With nothing left, nothing passes until then. A change of
    /// less than a tenth takes place, but is not worth a word.
    pub fn learn(&mut self, said: &RateLimit, quota: &Quota, now: Instant) -> Option<Change> {
        let why = "the provider's headers leave less";
        let until = now + said.reset;
        let Some(remaining) = u32::try_from(said.remaining.min(u64::from(u32::MAX))).ok().filter(|n| *n > 0)
        else {
            let next_at = until + slack(quota);
            if said.reset.is_zero() || next_at <= self.next_at {
                return None;
            }
            self.next_at = next_at;
            return Some(Change { share: 0.0, why });
        };
        let interval = said.reset / remaining;
        let held = self.told.filter(|told| told.until > now);
        if interval <= even(quota).max(held.map_or(Duration::ZERO, |told| told.interval)) {
            return None;
        }
        let spoken = if held.is_some() { self.spoken } else { self.share(quota, now) };
        self.empty(quota, now);
        self.told = Some(Told { interval, until: held.map_or(until, |told| told.until.max(until)) });
        let share = self.share(quota, now);
        if share > spoken * 0.9 {
            return None;
        }
        self.spoken = share;
        Some(Change { share, why })
    }

    /// Does it hold nobody up?
    pub fn idle(&self, now: Instant) -> bool {
        self.share >= 1.0 && self.next_at <= now && self.told.is_none_or(|told| told.until <= now)
    }

    /// How long until it lets one through.
    pub fn wait(&self, quota: &Quota, now: Instant) -> Duration {
        now.until(self.next_at).saturating_sub(slack(quota))
    }

    /// `n` have passed.
    pub fn passed(&mut self, n: u32, quota: &Quota, now: Instant) {
        if !self.idle(now) {
            self.next_at = self.next_at.max(now) + self.interval(quota, now).saturating_mul(n);
        }
    }

    /// The share of the rate that passes now.
    pub fn share(&self, quota: &Quota, now: Instant) -> f64 {
        even(quota).as_secs_f64() / self.interval(quota, now).as_secs_f64()
    }

    /// Outcomes no longer move it: back to the rate, or to what the provider's headers leave.
    pub fn steady(&mut self) {
        (self.share, self.stepped) = (1.0, None);
    }

    /// What a pace allows for between two looks begins used up: a step down takes effect at once.
    fn empty(&mut self, quota: &Quota, now: Instant) {
        self.next_at = self.next_at.max(now + slack(quota));
    }

    fn interval(&self, quota: &Quota, now: Instant) -> Duration {
        let told = self.told.filter(|told| told.until > now).map_or(Duration::ZERO, |told| told.interval);
        let even = even(quota);
        Duration::try_from_secs_f64(even.as_secs_f64() / self.share).unwrap_or(even).max(even).max(told)
    }
}

/// How far apart calls are at the rate.
fn even(quota: &Quota) -> Duration {
    (quota.rate.per / quota.rate.count.get()).max(Duration::from_nanos(1))
}

/// How far ahead of an even pace calls may run: timers are not finer than a millisecond, and rates are.
fn slack(quota: &Quota) -> Duration {
    (quota.rate.per / 20).min(Duration::from_millis(100))
}
