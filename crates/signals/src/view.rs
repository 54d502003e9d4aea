//! The present state as the status page, the admin API and the command line speak of it.
//!
//! Plain data: whoever owns the state fills it in, and nothing here is kept between two looks. Every list travels in an
//! object under its own name (`{"breakers": [...]}`), and everything in a list has a `name` or an `id`, and a
//! `state`. Durations are numbers with their unit in the key; shares go from 0 to 1; what is not known is left out.

mod alert;
mod audit;
mod board;
mod breaker;
mod cache;
mod call;
mod config;
mod effect;
mod health;
mod series;
mod short;
mod verdict;

pub use alert::{Alert, Alerts, Channel, Silenced, Why};
pub use audit::{Audit, Audited};
pub use board::{Board, History};
pub use breaker::{Breaker, BreakerState, Breakers, Override};
pub use cache::CacheResult;
pub use call::{Attempt, Call, Calls, Moment, Refusal};
pub use config::{Configured, Version};
pub use effect::{Effect, EffectVerdict, Effects};
pub use health::{Check, Checks, Foretold, Past};
pub use series::{Run, Series, Stretch};
pub use short::{
    Budgets, Config, Copied, Detailed, Item, Jobs, Probe, Pulled, Quieted, Reloaded, Section, Standing,
};
pub use verdict::{share, verdict};

use serde::{Deserialize, Serialize};

/// How things stand, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Nothing to do.
    Healthy,
    /// Serving, with something failing.
    Degraded,
    /// Not serving.
    Unhealthy,
}

impl Health {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The whole in a few numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    /// How things stand.
    pub status: Health,
    /// Why it is not healthy, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Which version this is.
    pub version: String,
    /// How long it has been up.
    pub uptime_seconds: u64,
    /// Number of the configuration in force.
    pub generation: u64,
    /// No new calls are taken: it is about to stop.
    #[serde(default)]
    pub draining: bool,
    /// Effects nobody knows the outcome of, those given to a person included.
    #[serde(default)]
    pub effects_in_doubt: u64,
    /// All calls together.
    pub calls: Traffic,
}

/// How much goes through, and how well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Traffic {
    /// Calls answered since the start.
    pub total: u64,
    /// Calls being worked on now.
    pub in_flight: u64,
    /// Calls answered in the last minute.
    pub last_minute: u64,
    /// The share of those that went well; unknown when there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
    /// Half of those were faster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// Nineteen in twenty of those were faster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<f64>,
}

/// `/api/v1/upstreams`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Upstreams {
    /// In the order of their names.
    pub upstreams: Vec<Upstream>,
}

/// Something seawall calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: String,
    /// `ok`, `failing` (its breaker is not closed), `paused` (it asked to be left alone) or `idle` (no call in the
    /// last minute).
    pub state: String,
    /// Where it is, without user, password or query.
    pub url: String,
    /// What its breaker does; nothing where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerState>,
    /// Calls waiting for a slot.
    pub waiting: u64,
    /// The calls to it.
    #[serde(flatten)]
    pub calls: Traffic,
    /// Its keys, in the order of the configuration, where it has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<UpstreamKey>,
}

/// One of several keys of an upstream, by its name and never by its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UpstreamKey {
    /// Its name in the configuration.
    pub name: String,
    /// `ok` or `resting`.
    pub state: String,
    /// Its share of the calls, beside the others'.
    pub weight: u32,
    /// Attempts sent with it since the start.
    pub calls: u64,
    /// Why it rests: `limited` (it was too fast), `quota` (its account is empty) or `denied` (it was refused).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How much longer it rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_ms: Option<u64>,
}

/// `/api/v1/limits`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limits {
    /// In the order of their names.
    pub limits: Vec<Limit>,
}

/// A rate limit, or a limit of concurrent calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limit {
    /// Its name; an upstream's limiter bears the upstream's.
    pub name: String,
    /// The upstream it guards.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub upstream: String,
    /// `ok` (lets calls through), `waiting` (calls queue for a slot) or `paused` (the provider asked for it).
    pub state: String,
    /// As the configuration writes it: `500/min`, `32 at once`.
    pub rate: String,
    /// What is left of it now. For a limit per key: of the key with the least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// What there is of it when nothing is used; for a limit of concurrent calls, its size now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// Calls waiting for a slot.
    pub waiting: u64,
    /// How much longer it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_ms: Option<u64>,
    /// How many keys it remembers, for a limit per key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
}

/// `/api/v1/retries`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Retries {
    /// In the order of their names.
    pub retries: Vec<Retry>,
}

/// How often an upstream is asked again, and what the budget still allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Retry {
    /// The upstream's name.
    pub name: String,
    /// `ok`, `exhausted` (the budget is spent) or `off`.
    pub state: String,
    /// Attempts the schedule allows for one call, the first included.
    pub attempts: u32,
    /// Retries made since the start.
    pub retried: u64,
    /// Retries the budget refused since the start.
    pub refused: u64,
    /// Retries the budget allows now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
}

#[cfg(test)]
mod tests;
