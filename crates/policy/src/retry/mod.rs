//! Sends again what is safe to send again, after a pause, a bounded number of times.

mod climate;
mod schedule;
mod step;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::time::Duration;

use seawall_core::units::{self, Rate, Share};
use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::spelling::table_or_word;

pub use climate::Climate;
pub use schedule::pause;
pub use step::{Attempts, Decision, Ended, Stop, step};

/// How the pause grows from one attempt to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Always `base`.
    Fixed,
    /// `base`, 2 × `base`, 3 × `base` …
    Linear,
    /// `base`, `base` × `multiplier`, `base` × `multiplier`² …
    Exponential,
    /// `base` × 1, 1, 2, 3, 5, 8 …
    Fibonacci,
}

/// How much chance is mixed into a pause, so that callers who failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Jitter {
    /// The pause itself.
    None,
    /// Anything above zero up to the pause.
    Full,
    /// Half the pause, and anything up to the other half.
    Equal,
    /// Between `base` and three times the last pause, whatever the strategy; never above `cap`.
    Decorrelated,
}

/// When and how often to send again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct Options {
    /// Attempts in all, the first one included. Default 3, range 1–10: more only prolongs an outage.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10)))]
    pub attempts: u32,
    /// How the pause grows. Default exponential.
    pub strategy: Strategy,
    /// The first pause. Default 500 ms: longer than a hiccup, shorter than a patience.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub base: Duration,
    /// The longest pause, jitter included. Default 5 s.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub cap: Duration,
    /// What the pause is multiplied by when the strategy is exponential. Default 2, range 1–10.
    pub multiplier: f64,
    /// How much chance is mixed in. Default full.
    pub jitter: Jitter,
    /// Retries may be at most this share of recent calls, over all callers. Default 20 %: an outage is never amplified
    /// by more.
    pub budget: Share,
    /// Retries that are always allowed, so that a lone caller can retry; its span is the budget's memory.
    /// Default 10 per 10 s.
    pub floor: Rate,
    /// Do pauses grow with the share of recent outcomes that failed? Default no. Up to four times as long when
    /// everything fails, never above `cap`.
    pub adaptive: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attempts: 3,
            strategy: Strategy::Exponential,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(5),
            multiplier: 2.0,
            jitter: Jitter::Full,
            budget: Share::percent(20),
            floor: Rate { count: NonZeroU32::MIN.saturating_add(9), per: Duration::from_secs(10) },
            adaptive: false,
        }
    }
}

impl Options {
    /// The names of the presets.
    pub const PRESETS: [&'static str; 4] = ["aggressive", "conservative", "quick", "off"];

    /// Five attempts, 0.2 s to 10 s: for a batch that must get through.
    pub fn aggressive() -> Self {
        Self {
            attempts: 5,
            base: Duration::from_millis(200),
            cap: Duration::from_secs(10),
            ..Self::default()
        }
    }

    /// Three attempts, 1 s to 5 s: for a provider that is easily offended.
    pub fn conservative() -> Self {
        Self { attempts: 3, base: Duration::from_secs(1), cap: Duration::from_secs(5), ..Self::default() }
    }

    /// Two attempts, 0.1 s to 1 s: for somebody who is waiting.
    pub fn quick() -> Self {
        Self { attempts: 2, base: Duration::from_millis(100), cap: Duration::from_secs(1), ..Self::default() }
    }

    /// One attempt.
    pub fn off() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// A preset by its name.
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "aggressive" => Some(Self::aggressive()),
            "conservative" => Some(Self::conservative()),
            "quick" => Some(Self::quick()),
            "off" => Some(Self::off()),
            _ => None,
        }
    }

    /// Refuses what contradicts itself.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(1..=10).contains(&self.attempts) {
            return Err(Invalid::new(
                "attempts",
                format!("{} is out of range: write 1 to 10", self.attempts),
            ));
        }
        if self.base.is_zero() {
            return Err(Invalid::new("base", "a pause of zero hammers the upstream: write at least \"1ms\""));
        }
        if self.cap < self.base {
            let (cap, base) = (units::format_duration(self.cap), units::format_duration(self.base));
            return Err(Invalid::new(
                "cap",
                format!("{cap} is less than base {base}: write at least \"{base}\""),
            ));
        }
        if !(1.0..=10.0).contains(&self.multiplier) {
            return Err(Invalid::new(
                "multiplier",
                format!("{} is out of range: write 1 to 10", self.multiplier),
            ));
        }
        if self.floor.per < Duration::from_secs(1) || self.floor.per > Duration::from_secs(600) {
            return Err(Invalid::new(
                "floor",
                "its span is out of range: write 1 second to 10 minutes, as \"10/10s\"",
            ));
        }
        Ok(())
    }
}

// A table of options, or the name of a preset.
table_or_word!(Options, "a table, or one of \"aggressive\", \"conservative\", \"quick\", \"off\"", visit_str: |name: &str, E| {
    Options::preset(name).ok_or_else(|| E::unknown_variant(name, &Options::PRESETS))
});
