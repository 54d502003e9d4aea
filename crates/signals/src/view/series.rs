//! What a metric was in the last day.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `/api/v1/series`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Series {
    /// The metric, by its whole name.
    pub metric: String,
    /// How far back this goes.
    pub span_seconds: u64,
    /// How far its points are apart; the present is one more.
    pub step_seconds: u64,
    /// One for each set of labels.
    pub series: Vec<Run>,
}

/// One series of a metric: its points, or the number that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Run {
    /// The metric, by its whole name.
    pub name: String,
    /// `ok`
    pub state: String,
    /// What tells it from the others.
    pub labels: BTreeMap<String, String>,
    /// What was made of its points; null where there were too few. Only where something was to be made of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Option<f64>>,
    /// Seconds since 1970, and what it was then. Only where nothing was to be made of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<Vec<(u64, Option<f64>)>>,
}
