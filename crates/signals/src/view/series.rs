//! What a metric was in the last day, and in the hours and days before.

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
    /// Its hours or days. Only where those were asked for, and nothing was to be made of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Stretch>>,
}

/// An hour or a day of a series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stretch {
    /// When it began, in seconds since 1970.
    pub at: u64,
    /// Points that were taken.
    pub count: Option<f64>,
    /// Their mean.
    pub avg: Option<f64>,
    /// Their sum.
    pub sum: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// The latest.
    pub last: Option<f64>,
    /// By how much a counter grew.
    pub increase: Option<f64>,
    /// Half of them were no larger.
    pub p50: Option<f64>,
    /// 95 of 100 were no larger.
    pub p95: Option<f64>,
    /// 99 of 100 were no larger.
    pub p99: Option<f64>,
}
