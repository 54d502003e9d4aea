//! Short answers: how things stand in a word, what a lever came to, and the configuration in force by its names.

use serde::{Deserialize, Serialize};

use super::{Check, Health, Status, Upstream, Version};

/// `/health`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Standing {
    /// How things stand.
    pub status: Health,
    /// Why it is not healthy, a sentence each; left out where it is, and for whoever shows no token where one is needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// `/health/detailed`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Detailed {
    /// How things stand.
    pub status: Health,
    /// The whole in a few numbers.
    pub detail: Status,
    /// As `/api/v1/upstreams` lists them.
    pub upstreams: Vec<Upstream>,
    /// As `/api/v1/health` lists them, and how such forecasts did in the past.
    pub health: Vec<Check>,
}

/// `/health/live` and `/ready`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Probe {
    /// `alive`; or `starting`, `ready` or `draining`.
    pub status: String,
}

/// `/api/v1/config`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Config {
    /// Number of the configuration in force.
    pub generation: u64,
    /// The upstreams, then the routes, in the order they were written.
    pub config: Vec<Section>,
    /// Configurations that were in force and are kept, the latest first.
    #[serde(default)]
    pub versions: Vec<Version>,
    /// What somebody must know about the one in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// A table of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Section {
    /// Its name.
    pub name: String,
    /// What it is: `upstream` or `route`.
    pub state: String,
    /// Where an upstream is, without user, password or query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The upstreams a route asks, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<String>>,
}

/// `/api/v1/budgets`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Budgets {
    /// Empty: this gateway has none.
    pub budgets: Vec<Item>,
}

/// `/api/v1/jobs`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Jobs {
    /// Empty: this gateway has none.
    pub jobs: Vec<Item>,
}

/// What every list is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Item {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: String,
}

/// What came of a lever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pulled {
    /// What was moved.
    pub name: String,
    /// How it stands now.
    pub state: String,
}

/// What came of silencing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quieted {
    /// The alert, or its rule.
    pub id: String,
    /// `silenced`, or `heard` again.
    pub state: String,
}

/// What came of reading the configuration again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reloaded {
    /// `config`
    pub name: String,
    /// `active`
    pub state: String,
    /// Its number.
    pub generation: u64,
    /// What differs from the one before, a line each; no secret is shown.
    pub changes: Vec<String>,
    /// The version it is kept as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// What somebody must know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// What came of copying the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Copied {
    /// `journal`
    pub name: String,
    /// `copied`
    pub state: String,
    /// Where the copy is, on the machine of the gateway.
    pub path: String,
}

impl Pulled {
    /// This, standing so.
    pub fn new(name: impl Into<String>, state: impl Into<String>) -> Self {
        Self { name: name.into(), state: state.into() }
    }
}

impl Probe {
    /// That word.
    pub fn new(status: impl Into<String>) -> Self {
        Self { status: status.into() }
    }
}
