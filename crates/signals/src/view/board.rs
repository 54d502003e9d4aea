//! Everything the first screen shows, in one value.

use serde::{Deserialize, Serialize};

use super::{Alert, Breaker, Call, Check, Configured, Effect, Limit, Retry, Status, Upstream};

/// `/api/v1/board`: what the dashboard and `seawall top` draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Board {
    /// How things stand, in one line.
    pub verdict: String,
    /// The whole in a few numbers.
    pub status: Status,
    /// As `/api/v1/upstreams` lists them.
    pub upstreams: Vec<Upstream>,
    /// As `/api/v1/breakers` lists them.
    pub breakers: Vec<Breaker>,
    /// As `/api/v1/limits` lists them.
    pub limits: Vec<Limit>,
    /// As `/api/v1/retries` lists them.
    pub retries: Vec<Retry>,
    /// The last ten minutes of each upstream.
    pub history: Vec<History>,
    /// As `/api/v1/health` lists them.
    #[serde(default)]
    pub health: Vec<Check>,
    /// Of what `/api/v1/alerts` lists, what is pending, active, recovering or silenced.
    #[serde(default)]
    pub alerts: Vec<Alert>,
    /// The first effects in doubt; `status` counts all.
    pub doubts: Vec<Effect>,
    /// Why the doubts could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubts_failing: Option<String>,
    /// The configuration in force, where versions of it are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Configured>,
    /// The latest calls that waited, failed, were retried or refused; the latest first.
    pub calls: Vec<Call>,
}

/// The last minutes of one upstream in steps, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct History {
    /// The upstream's name.
    pub name: String,
    /// `ok` or, where some of it failed, `failing`.
    pub state: String,
    /// How long a step is.
    pub step_seconds: u64,
    /// Calls that ended in each step.
    pub calls: Vec<u64>,
    /// Those that did not go well.
    pub failures: Vec<u64>,
    /// Attempts after the first.
    pub retries: Vec<u64>,
}

impl Board {
    /// Attempts after the first in the last minute, over all upstreams.
    pub fn retries_last_minute(&self) -> u64 {
        self.history.iter().map(History::retries_last_minute).sum()
    }
}

impl History {
    /// The last minutes of an upstream.
    pub fn of(name: &str, history: &crate::history::History) -> Self {
        let failures: Vec<u64> = history.steps().map(|step| step.failures).collect();
        Self {
            name: name.to_owned(),
            state: if failures.iter().any(|count| *count > 0) { "failing" } else { "ok" }.to_owned(),
            step_seconds: crate::history::STEP.as_secs(),
            calls: history.steps().map(|step| step.calls).collect(),
            failures,
            retries: history.steps().map(|step| step.retries).collect(),
        }
    }

    /// Attempts after the first in the last minute.
    pub fn retries_last_minute(&self) -> u64 {
        let steps = 60_u64.checked_div(self.step_seconds).unwrap_or(0);
        self.retries.iter().rev().take(usize::try_from(steps).unwrap_or(0)).sum()
    }
}
