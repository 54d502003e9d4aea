//! `[reload]`: how one configuration follows another.

use std::path::Path;

use schemars::JsonSchema;
use seawall_config::versions::{self, Versions};
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
}

impl Default for Reload {
    fn default() -> Self {
        Self { keep: versions::KEEP }
    }
}

impl Reload {
    /// Refuses what would keep nothing, or everything.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        match self.keep {
            1..=1000 => Ok(()),
            keep => Err(("keep", format!("{keep} versions cannot be kept"), "write a number from 1 to 1000")),
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
