//! Stops calling what keeps failing, and asks again, gently, after a pause.

mod machine;
#[cfg(test)]
mod tests;
mod window;

use std::time::Duration;

use seawall_core::units::{self, Share};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Invalid;

pub use machine::{Machine, Moved, Refusal, State, Ticket};

/// When to open, for how long, and what closes it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct Options {
    /// Failures in a row that open it. Default 5. 0 never opens it this way.
    pub consecutive: u32,
    /// How far back the failure rate looks. Default 30 s, in ten steps that slide.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub window: Duration,
    /// The share of failures within the window that opens it. Default 50 %.
    pub failure_rate: Share,
    /// Calls the window must have seen before the rate is believed. Default 20. 0 never opens it this way.
    pub min_calls: u32,
    /// Pause before the first probe. Default 60 s: long enough for a restart, short enough to notice.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub open: Duration,
    /// Probes that may be under way at once. Default 1.
    pub probes: u32,
    /// Successful probes that close it. Default 2: one may be luck.
    pub successes: u32,
    /// How long a probe may keep its place before another may take it. Default 60 s: a probe that was lost cannot
    /// keep the breaker half-open for ever.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub lease: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            consecutive: 5,
            window: Duration::from_secs(30),
            failure_rate: Share::percent(50),
            min_calls: 20,
            open: Duration::from_secs(60),
            probes: 1,
            successes: 2,
            lease: Duration::from_secs(60),
        }
    }
}

impl Options {
    /// A breaker that counts and never opens by itself.
    pub fn off() -> Self {
        Self { consecutive: 0, min_calls: 0, ..Self::default() }
    }

    /// Refuses what contradicts itself.
    pub fn check(&self) -> Result<(), Invalid> {
        let day = Duration::from_secs(86_400);
        if self.window < Duration::from_millis(100) || self.window > day {
            return Err(Invalid::new("window", "the window is out of range: write \"100ms\" to \"1d\""));
        }
        if self.failure_rate.get() <= 0.0 {
            return Err(Invalid::new(
                "failure_rate",
                "a rate of zero would open it on the first success: write \"1%\" to \"100%\"",
            ));
        }
        if self.open.is_zero() || self.open > day {
            return Err(Invalid::new("open", "the pause is out of range: write \"1ms\" to \"1d\""));
        }
        if !(1..=1000).contains(&self.probes) {
            return Err(Invalid::new("probes", format!("{} is out of range: write 1 to 1000", self.probes)));
        }
        if !(1..=1000).contains(&self.successes) {
            return Err(Invalid::new(
                "successes",
                format!("{} is out of range: write 1 to 1000", self.successes),
            ));
        }
        if self.lease.is_zero() {
            return Err(Invalid::new("lease", "a probe needs time: write at least \"1s\""));
        }
        Ok(())
    }
}

impl Serialize for Options {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// A table of options, or `"off"`.
impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spelling;
        impl<'de> serde::de::Visitor<'de> for Spelling {
            type Value = Options;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table, or \"off\"")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Options, E> {
                if name == "off" { Ok(Options::off()) } else { Err(E::unknown_variant(name, &["off"])) }
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Options, A::Error> {
                Options::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(Spelling)
    }
}
