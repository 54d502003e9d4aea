//! Health checks, as they are seen from outside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Health;

/// `/api/v1/health`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Checks {
    /// The checks together: no better than the worst critical one, and degraded at the worst by the others.
    pub status: Health,
    /// In the order of their names.
    pub health: Vec<Check>,
}

/// A health check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Check {
    /// Its name; an upstream's bears the upstream's.
    pub name: String,
    /// `healthy`, `degraded`, `unhealthy`, `unknown` (not looked at often enough to say) or `absent` (there is no such
    /// thing here).
    pub state: String,
    /// How it looks: `calls`, `http`, `tcp`, `disk` and so on.
    pub kind: String,
    /// Nothing works without it.
    pub critical: bool,
    /// For how long it has stood so.
    pub since_seconds: u64,
    /// Findings in a row that were not healthy.
    pub failures: u64,
    /// The share of the last 16 findings that were not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<f64>,
    /// Findings in all.
    pub looks: u64,
    /// What was found last, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What was measured last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Who found it: `probe` or `calls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_ago: Option<f64>,
    /// How long that look took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<f64>,
    /// Half of its recent looks were faster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical_ms: Option<f64>,
    /// What will fail if it goes on like this, the soonest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foretold: Vec<Foretold>,
    /// What else has a limit (`duration`, `failing`, `measured`), and why nothing is foretold of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub doubted: BTreeMap<String, String>,
}

/// A failure that a trend foretells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Foretold {
    /// `duration` of looks, share `failing`, or what is `measured`.
    pub what: String,
    /// The number at which it fails.
    pub limit: f64,
    /// How long until then.
    pub fails_in_seconds: f64,
    /// How soon it may be (95 %).
    pub earliest_seconds: f64,
    /// How late.
    pub latest_seconds: f64,
    /// How fast it moves.
    pub per_hour: f64,
    /// The share of the scatter that the line explains.
    pub quality: f64,
    /// How such forecasts did over what is remembered; in detail only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Past>,
}

/// What forecasts were worth in the past.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Past {
    /// Times the limit was passed.
    pub failures: u32,
    /// Of those, the ones that had been foretold.
    pub foretold: u32,
    /// Times something was foretold.
    pub alarms: u32,
    /// Of those, the ones after which nothing happened.
    pub false_alarms: u32,
    /// How much notice there was; half of the times there was more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_seconds: Option<f64>,
}
