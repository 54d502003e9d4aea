//! What real calls say of the health of whatever they go to.
//!
//! A probe costs something: money, a place under a rate limit, a connection. While calls flow there is no need of it,
//! for they have asked already.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units::{self, Share};
use seawall_core::verdict::Lesson;
use serde::{Deserialize, Serialize};

use super::Level;
use crate::Invalid;

/// What calls must have seen to be worth a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Degraded where this share of the calls failed. Default 10 %.
    pub degraded: Share,
    /// Unhealthy where this share failed. Default 50 %.
    pub unhealthy: Share,
    /// Calls of which nothing can be learnt (the provider said *too many*) still hold a probe back, but no longer than so
    /// long after the last finding. Default 5 min.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub silent: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { degraded: Share::percent(10), unhealthy: Share::percent(50), silent: Duration::from_secs(300) }
    }
}

impl Options {
    /// Refuses shares that are not in order.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.degraded.get() <= 0.0 {
            return Err(Invalid::new("degraded", "0% is always degraded: write \"1%\" to \"100%\""));
        }
        if self.unhealthy < self.degraded {
            let message =
                format!("{} is below degraded, {}: write at least as much", self.unhealthy, self.degraded);
            return Err(Invalid::new("unhealthy", message));
        }
        Ok(())
    }
}

/// How many calls ended how, since somebody last asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that show that it works.
    pub good: u64,
    /// Calls that show that it does not.
    pub bad: u64,
    /// Calls that reached it and show neither: it asked for a slower pace, or the account is empty.
    pub neither: u64,
}

/// What to do instead of a probe, or that one is needed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Advice {
    /// The calls are a finding: so well, with this share of them failing.
    Found(Level, f64),
    /// They are none, and asking would cost what they are short of: leave it where it is.
    Leave,
    /// Nobody has called: ask.
    Probe,
}

impl Counts {
    /// Counts one call.
    pub fn heard(&mut self, lesson: Lesson) {
        let count = match lesson {
            Lesson::Success | Lesson::Answered => &mut self.good,
            Lesson::Failure => &mut self.bad,
            Lesson::Nothing => &mut self.neither,
        };
        *count = count.saturating_add(1);
    }

    /// What these calls are worth. `last` is the moment of the last finding, if there was one.
    pub fn advise(&self, options: &Options, last: Option<Instant>, now: Instant) -> Advice {
        let all = self.good.saturating_add(self.bad);
        if all > 0 {
            let share = self.bad as f64 / all as f64;
            let level = match share {
                share if share >= options.unhealthy.get() => Level::Unhealthy,
                share if share >= options.degraded.get() => Level::Degraded,
                _ => Level::Healthy,
            };
            return Advice::Found(level, share);
        }
        let lately = last.is_some_and(|last| now.since(last) < options.silent);
        if self.neither > 0 && lately { Advice::Leave } else { Advice::Probe }
    }
}
