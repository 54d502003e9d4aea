//! Alerts as the API, the dashboard and the command line speak of them.

use std::collections::BTreeMap;

use seawall_policy::alert::Severity;
use serde::{Deserialize, Serialize};

/// `/api/v1/alerts`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Alerts {
    /// The worst first, then by name: those that are doing something or did so lately, and each rule that has none.
    pub alerts: Vec<Alert>,
    /// Where notices go, by name.
    pub channels: Vec<Channel>,
    /// Why what is known of alerts cannot be written down at present: a restart would repeat what was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
}

/// An alert, or a rule of which there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Alert {
    /// What a silence calls it: its rule, and the values of its labels where it has any.
    pub id: String,
    /// Its rule.
    pub name: String,
    /// `ok`, `no-data`, `pending`, `active`, `recovering`, `resolved`, or `silenced` where it would be one of the middle
    /// three.
    pub state: String,
    /// How bad it is.
    pub severity: Severity,
    /// What sets it apart from others of its rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What it means.
    pub summary: String,
    /// Its condition.
    pub when: String,
    /// Since when it is active, or pending; from when it was, of one that is over. RFC 3339, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The number that is compared; of a rule the one that is nearest to making it active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// How long until a pending one is active, if it goes on like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fires_in_seconds: Option<f64>,
    /// Who silenced it, until when and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced: Option<Silenced>,
    /// The active alert that says the same or more, while which nobody is told of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quieted_by: Option<String>,
    /// The channels that hear of it.
    pub send: Vec<String>,
    /// Why somebody was told, or was not, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Why>,
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Silenced {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when: RFC 3339, in UTC.
    pub until: String,
}

/// A moment in the life of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Why {
    /// When: RFC 3339, in UTC.
    pub at: String,
    /// What, in words.
    pub what: String,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// `ok`, `failing`, or `idle` before the first delivery.
    pub state: String,
    /// `webhook`, `slack`, `email`, `console`, `log` or `own`.
    pub kind: String,
    /// Notices that wait.
    pub waiting: u64,
    /// Notices that arrived, since the start.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Notices that were given up.
    pub dropped: u64,
    /// When one arrived last: RFC 3339, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_delivered: Option<String>,
    /// Why the last attempt failed, unless one has worked since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
}
