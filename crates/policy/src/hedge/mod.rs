//! Asks a second time when the first answer is slow, for calls that may be repeated: options, and when it is due.

mod delay;
#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units;
use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::latency::Latencies;

pub use delay::Delay;

/// How long latencies are remembered: for one to two of these.
pub const MEMORY: Duration = Duration::from_secs(60);

/// When a second attempt is begun beside one that is slow, and how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How long the first has to itself. Default `"p95"`: longer than 95 % of recent calls took, so that about one call
    /// in twenty is hedged. A percentile from `"p50"` to below `"p100"`, or a fixed time above zero.
    pub delay: Delay,
    /// A learnt delay is never shorter than this. Default 1 ms: timers are no finer.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub min_delay: Duration,
    /// Hedges for one call. Default 1, range 1–3: the second one mends what the first one did not, and little is left
    /// for a third.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 3)))]
    pub max: u32,
    /// Latencies seen before a percentile is believed; until then nothing is hedged. Default 20: one beyond the 95th.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub min_samples: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { delay: Delay::default(), min_delay: Duration::from_millis(1), max: 1, min_samples: 20 }
    }
}

impl Options {
    /// Refuses what would send everything twice.
    pub fn check(&self) -> Result<(), Invalid> {
        self.delay.check()?;
        if !(1..=3).contains(&self.max) {
            return Err(Invalid::new("max", format!("{} is out of range: write 1 to 3", self.max)));
        }
        if self.min_samples == 0 {
            return Err(Invalid::new("min_samples", "nothing is learnt from nothing: write at least 1"));
        }
        Ok(())
    }
}

/// When the next hedge of a call is due that began at `started` and has been given `made` hedges; nothing, if it gets
/// none. The second one is due a delay after the first, and so on. Never before `now`.
pub fn when(
    options: &Options,
    latencies: &mut Latencies,
    made: u32,
    started: Instant,
    now: Instant,
) -> Option<Instant> {
    if made >= options.max {
        return None;
    }
    let delay = match options.delay {
        Delay::Fixed(delay) => delay,
        Delay::Percentile(_) if latencies.count(now) < u64::from(options.min_samples) => return None,
        Delay::Percentile(share) => latencies.percentile(share, now)?.max(options.min_delay),
    };
    Some((started + delay.saturating_mul(made + 1)).max(now))
}
