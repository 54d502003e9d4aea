//! `[reload]`: how one configuration follows another.

use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use seawall_config::versions::{self, Versions};
use seawall_core::units;
use serde::Deserialize;

use super::Settings;

/// What the directory of versions is called in a state directory.
const DIRECTORY: &str = "versions";

/// How one configuration follows another.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reload {
    /// How many configurations that were in force are kept, to compare with and to go back to: 1 to 1000. Default 50.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) keep: u32,
    /// How long a configuration is watched after it came into force: if what it touched got worse, the one before comes
    /// back. 5 s to 10 min. Default none: during an outage it would take back the very change that mends it.
    #[serde(with = "units::option_duration")]
    #[schemars(schema_with = "units::option_duration_schema")]
    pub(crate) watch: Option<Duration>,
}

impl Default for Reload {
    fn default() -> Self {
        Self { keep: versions::KEEP, watch: None }
    }
}

impl Reload {
    /// Refuses what would keep nothing, or everything, and a time in which nothing is seen.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        let (least, most) = (Duration::from_secs(5), Duration::from_secs(600));
        match (self.keep, self.watch) {
            (1..=1000, None) => Ok(()),
            (1..=1000, Some(watch)) if (least..=most).contains(&watch) => Ok(()),
            (1..=1000, Some(watch)) => {
                let watch = units::format_duration(watch);
                Err(("watch", format!("{watch} is out of range"), "write \"5s\" to \"10m\""))
            }
            (keep, _) => {
                Err(("keep", format!("{keep} versions cannot be kept"), "write a number from 1 to 1000"))
            }
        }
    }
}

/// Where versions are in a state directory.
pub(crate) fn versions_of(state: &Path, keep: u32) -> Versions {
    Versions::at(state.join(DIRECTORY), keep)
}

impl Settings {
    /// The configurations that were in force.
    pub(crate) fn versions(&self) -> Versions {
        versions_of(&self.state_directory(), self.reload.keep)
    }
}
