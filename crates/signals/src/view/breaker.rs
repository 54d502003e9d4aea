//! Circuit breakers, as they are seen from outside.

use serde::{Deserialize, Serialize};

/// What a circuit breaker does, in the words of the API and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// Lets calls through and watches them.
    Closed,
    /// Refuses calls until a pause is over.
    Open,
    /// Lets a few probes through to find out.
    HalfOpen,
    /// Refuses calls until an operator says otherwise.
    ForcedOpen,
    /// Lets calls through until an operator says otherwise.
    ForcedClosed,
    /// Lets calls through and only counts.
    MetricsOnly,
}

impl BreakerState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Closed, Self::Open, Self::HalfOpen, Self::ForcedOpen, Self::ForcedClosed, Self::MetricsOnly];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::ForcedOpen => "forced-open",
            Self::ForcedClosed => "forced-closed",
            Self::MetricsOnly => "metrics-only",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether it turns every call away.
    pub const fn refuses(self) -> bool {
        matches!(self, Self::Open | Self::ForcedOpen)
    }
}

/// `/api/v1/breakers`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Breakers {
    /// In the order of their names.
    pub breakers: Vec<Breaker>,
}

/// A circuit breaker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Breaker {
    /// Its name; an upstream's breaker bears the upstream's.
    pub name: String,
    /// The upstream it guards; empty where it guards a job or a device.
    pub upstream: String,
    /// What it does now.
    pub state: BreakerState,
    /// For how long it has done so.
    pub since_seconds: u64,
    /// How long until an open one lets a probe through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The share of failures in its window; unknown before enough calls were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_rate: Option<f64>,
    /// Failures since the last success.
    pub consecutive_failures: u64,
    /// Who holds it in a forced state, and why.
    #[serde(rename = "override", default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<Override>,
}

/// An operator's hand on a lever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Override {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when: RFC 3339, in UTC.
    pub since: String,
}
