//! Sends calls to the best target that works, and back to a better one only when that has been well for a while.

mod machine;
pub mod recovery;
#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::units;
use serde::{Deserialize, Serialize};

use crate::Invalid;

pub use machine::{Health, Machine, Moved, Watched};

/// When a target is left, and when it is gone back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Bad reports in a row after which a target is down. Default 3: one may be bad luck.
    pub down_after: u32,
    /// A target that was bad for so long, with nothing good between two bad reports, is down as well. Default 10 s, for
    /// targets that are seldom asked.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub unhealthy_for: Duration,
    /// How long a target that was down must be well, without one bad report, before it counts as up. Default 60 s.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub up_after: Duration,
    /// The active target is kept at least this long before it is given up for a better one. Default 30 s. A target that
    /// is down is left at once if another is up.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub min_hold: Duration,
    /// A target that is not up, and of which nobody has heard for so long, is asked by one repeatable call. Default 15 s.
    /// Zero never does: then health must be reported from outside.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub trial: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            down_after: 3,
            unhealthy_for: Duration::from_secs(10),
            up_after: Duration::from_secs(60),
            min_hold: Duration::from_secs(30),
            trial: Duration::from_secs(15),
        }
    }
}

impl Options {
    /// Refuses numbers by which no target would ever be down, or up again.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(1..=1000).contains(&self.down_after) {
            let message = format!("{} is out of range: write 1 to 1000", self.down_after);
            return Err(Invalid::new("down_after", message));
        }
        if self.unhealthy_for.is_zero() {
            let message = "zero takes the second bad moment for an outage: write at least \"1ms\"";
            return Err(Invalid::new("unhealthy_for", message));
        }
        let day = Duration::from_secs(86_400);
        for (key, span) in [("up_after", self.up_after), ("min_hold", self.min_hold), ("trial", self.trial)] {
            if span > day {
                return Err(Invalid::new(key, "longer than anybody waits: write \"0s\" to \"1d\""));
            }
        }
        Ok(())
    }
}
