//! Lets through only so many in so much time; the others wait their turn, or are told when to come back.

pub mod adaptive;
mod bucket;
mod gauge;
mod kept;
mod keyed;
mod limit;
mod meter;
mod pause;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub mod tiers;
mod window;

use std::num::NonZeroU32;
use std::time::Duration;

use seawall_core::units::{self, Rate};
use serde::{Deserialize, Serialize};

use crate::Invalid;

pub(crate) use kept::Kept;
pub use kept::Measures;
pub use keyed::{House, Keyed};
pub use limit::Limit;
pub use meter::{Lease, Meter};
pub use pause::Pause;

/// How much may pass: a rate, and how it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// So many in so much time.
    pub rate: Rate,
    /// With a burst: a token bucket of that size, refilled smoothly at the rate, so that at most `burst` pass at once
    /// and at most `count + burst` in any span of `per`. Without: a sliding window, so that **no** span of `per` ever
    /// sees more than `count`.
    pub burst: Option<NonZeroU32>,
}

/// A rate limit and its queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// So many in so much time. Default 100 per second.
    pub rate: Rate,
    /// Size of the token bucket. Default none: a sliding window, which no span of time ever exceeds.
    pub burst: Option<NonZeroU32>,
    /// Who may wait for a slot, and for how long.
    pub queue: Queue,
    /// How many keys are remembered where the limit is per key. Default 10 000. Beyond it a key that owes nothing makes
    /// room for a newcomer; where none is found at once, newcomers share one meter: memory stays bounded and no key
    /// gains by being forgotten.
    pub max_keys: usize,
    /// Falls when the provider complains, and recovers. Default none: the rate is the rate. Only for a limit without
    /// keys: a provider's complaint is about all of them.
    pub adaptive: Option<adaptive::Options>,
}

/// Who may wait for a slot, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Calls that may wait at once. Default 200: more would only grow old together.
    pub max: usize,
    /// The longest wait. Default 10 s, and never beyond the deadline. `"0s"` refuses at once.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub wait: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { max: 200, wait: Duration::from_secs(10) }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rate: Rate { count: NonZeroU32::MIN.saturating_add(99), per: Duration::from_secs(1) },
            burst: None,
            queue: Queue::default(),
            max_keys: 10_000,
            adaptive: None,
        }
    }
}

impl Options {
    /// The quota of these options.
    pub fn quota(&self) -> Quota {
        Quota { rate: self.rate, burst: self.burst }
    }

    /// Refuses what would let nothing through, or remember nothing.
    pub fn check(&self) -> Result<(), Invalid> {
        self.quota().check()?;
        if self.max_keys == 0 {
            return Err(Invalid::new("max_keys", "0 keys cannot be told apart: write at least 1"));
        }
        if let Some(adaptive) = &self.adaptive {
            adaptive.check()?;
        }
        Ok(())
    }
}

impl Quota {
    /// Refuses spans that cannot be measured.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.rate.per < Duration::from_millis(1) || self.rate.per > Duration::from_secs(366 * 86_400) {
            return Err(Invalid::new(
                "rate",
                "its span is out of range: write 1 millisecond to 1 year, as \"50/s\"",
            ));
        }
        let fill = self.rate.per.as_secs_f64() / f64::from(self.rate.count.get()) * f64::from(self.most());
        if fill > LONGEST_FILL.as_secs_f64() {
            return Err(Invalid::new(
                "burst",
                format!("{} would take years to refill: write less, or a faster rate", self.most()),
            ));
        }
        Ok(())
    }

    /// What passes at once at the most.
    pub fn most(&self) -> u32 {
        self.burst.unwrap_or(self.rate.count).get()
    }
}

/// The longest that a bucket may take to refill.
const LONGEST_FILL: Duration = Duration::from_secs(10 * 366 * 86_400);

/// What a limiter answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go; it has been counted.
    Go,
    /// Nothing was counted; the earliest moment at which it could pass is this far away.
    Wait(Duration),
    /// More than the quota can ever hold at once: waiting will not help.
    Never,
}
