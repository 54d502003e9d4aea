//! The order in which a program ends, and how long each part of that may take.

#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::units;
use serde::{Deserialize, Serialize};

use crate::Invalid;

seawall_core::words! {
    /// The stages of an end, in their order.
    Stage {
        /// Nobody is sent here any more: readiness turns.
        Unready = "unready",
        /// No new work is taken: listeners close, schedules stop.
        Refuse = "refuse",
        /// Work under way ends, streams are told to.
        Drain = "drain",
        /// Services stop.
        Stop = "stop",
        /// What still runs is cut.
        Cancel = "cancel",
        /// State is brought to the disk.
        Persist = "persist",
        /// Logs and alerts are brought out.
        Flush = "flush",
    }
}

seawall_core::words! {
    /// How a step ended.
    Ending {
        /// It did what it should.
        Done = "done",
        /// It said that it could not.
        Failed = "failed",
        /// Its time was up, and it was dropped.
        Late = "late",
        /// There was no time left for it, or somebody was in a hurry.
        Skipped = "skipped",
    }
}

impl Stage {
    /// Is it gone through whatever happened before, with all the time it asks for? What is cut, kept and told at the end
    /// must not pay for a drain that took too long.
    pub const fn is_kept(self) -> bool {
        matches!(self, Stage::Cancel | Stage::Persist | Stage::Flush)
    }
}

/// How patient an end is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How long readiness is off before new work is refused. Default none; behind a load balancer, what it takes to notice.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub delay: Duration,
    /// How long everything up to the stage of services may take together, the delay included. Default 30 s. What is cut, kept
    /// and told after that has its own deadlines.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { delay: Duration::ZERO, patience: Duration::from_secs(30) }
    }
}

impl Options {
    /// Refuses a delay that leaves no time, and ends that never come.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.patience > Duration::from_secs(86_400) {
            return Err(Invalid::new("patience", "longer than anybody waits: write \"0s\" to \"1d\""));
        }
        if !self.delay.is_zero() && self.delay >= self.patience {
            let (delay, patience) =
                (units::format_duration(self.delay), units::format_duration(self.patience));
            return Err(Invalid::new(
                "delay",
                format!("{delay} leaves nothing of patience, {patience}: write less"),
            ));
        }
        Ok(())
    }
}

/// Refuses a step without time, or with all of it.
pub fn check_deadline(deadline: Duration) -> Result<(), Invalid> {
    if (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(&deadline) {
        return Ok(());
    }
    let written = units::format_duration(deadline);
    Err(Invalid::new("deadline", format!("{written} is out of range: write \"1ms\" to \"1h\"")))
}

/// The place of the step that comes next among those that are left, in the order in which they were registered: the
/// earliest stage first, and within it what was registered last, for it may lean on what was there before it.
pub fn next(left: &[Stage]) -> Option<usize> {
    let places = left.iter().enumerate();
    places.min_by_key(|(place, stage)| (**stage, std::cmp::Reverse(*place))).map(|(place, _)| place)
}

/// How long a step may take: its deadline, or what is left of the patience if that is less. Nothing if it is to be skipped.
pub fn allowance(stage: Stage, deadline: Duration, left: Duration, hurried: bool) -> Option<Duration> {
    if stage.is_kept() {
        return Some(deadline);
    }
    (!hurried && !left.is_zero()).then(|| deadline.min(left))
}
