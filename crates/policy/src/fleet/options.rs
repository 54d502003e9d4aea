//! How a process belongs to its fleet.

use std::time::Duration;

use seawall_core::units;
use serde::{Deserialize, Serialize};

use crate::Invalid;

/// How a process says that it is there, and how long it waits for the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How often a process says that it is there; it is counted for three times as long. Default 2 s: the size of the
    /// fleet is then known to within some seconds, at half a question a second.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub beat: Duration,
    /// How long a call waits for the store before it is decided here. Default 100 ms: far above a healthy store's
    /// answer, and less than a caller notices. Paid once: from then on nobody asks until the store answers again.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub patience: Duration,
    /// How often shared breakers are looked at, and a store that was lost is asked for again. Default 250 ms.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub poll: Duration,
    /// How many there are where the store has never said. Default 1: write how many are deployed, so that a process that
    /// starts while the store is away takes no more than its share.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100_000)))]
    pub members: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(2),
            patience: Duration::from_millis(100),
            poll: Duration::from_millis(250),
            members: 1,
        }
    }
}

impl Options {
    /// Refuses what would never be heard, or never be waited for.
    pub fn check(&self) -> Result<(), Invalid> {
        let millis = Duration::from_millis;
        for (key, span, least, most) in [
            ("beat", self.beat, millis(100), millis(60_000)),
            ("patience", self.patience, millis(1), millis(10_000)),
            ("poll", self.poll, millis(10), millis(60_000)),
        ] {
            if span < least || span > most {
                let text = units::format_duration;
                let message = format!(
                    "{} is out of range: write \"{}\" to \"{}\"",
                    text(span),
                    text(least),
                    text(most)
                );
                return Err(Invalid::new(key, message));
            }
        }
        if !(1..=100_000).contains(&self.members) {
            let message = format!("{} is out of range: write 1 to 100000", self.members);
            return Err(Invalid::new("members", message));
        }
        Ok(())
    }

    /// How long a member is counted that is not heard of.
    pub fn counted(&self) -> Duration {
        self.beat * 3
    }
}
