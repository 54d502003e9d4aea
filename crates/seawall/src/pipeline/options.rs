//! Everything about a pipeline that can be written in a file, and changed while it runs.

use std::time::Duration;

use seawall_core::{Effects, units};
use seawall_policy::Invalid;
use serde::{Deserialize, Serialize};

use super::Shadow;
use crate::breaker;
use crate::bulkhead;
use crate::hedge;
use crate::limiter;
use crate::retry;

/// Everything that can be changed while a pipeline runs. It reads from TOML, YAML or JSON, in the same words as the
/// gateway's configuration:
///
/// ```
/// let options: seawall::pipeline::Options = toml_edit::de::from_str(r#"
///     deadline = "2s"
///     attempt  = "500ms"
///     effects  = "repeatable"
///     retry    = "quick"
///     breaker  = { consecutive = 5, open = "30s" }
///     limiter  = { rate = "500/min" }
///     bulkhead = { concurrent = 32 }
///     shadow   = ["limiter"]
/// "#)?;
/// let pipeline = seawall::Pipeline::builder("payments").options(options).build()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// For the whole call, queueing, attempts and pauses included. Default 60 s.
    #[serde(with = "units::duration")]
    pub deadline: Duration,
    /// For one attempt. Default none: the deadline alone.
    #[serde(with = "units::option_duration")]
    pub attempt: Option<Duration>,
    /// What each further attempt's time is multiplied by, within the deadline. Default 1, range 1–10.
    pub escalate: f64,
    /// How safe repeating is, unless the call says otherwise. Default guarded.
    pub effects: Effects,
    /// Default off.
    pub retry: retry::Options,
    /// Default none.
    pub breaker: Option<breaker::Options>,
    /// Default none.
    pub limiter: Option<limiter::Options>,
    /// Default none.
    pub bulkhead: Option<bulkhead::Options>,
    /// Default none. Only what is repeatable is hedged.
    pub hedge: Option<hedge::Options>,
    /// Policies that decide and report, and let the call through. Default none.
    pub shadow: Shadow,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            attempt: None,
            escalate: 1.0,
            effects: Effects::Guarded,
            retry: retry::Options::off(),
            breaker: None,
            limiter: None,
            bulkhead: None,
            hedge: None,
            shadow: Shadow::NONE,
        }
    }
}

impl Options {
    /// Refuses what contradicts itself.
    pub fn check(&self) -> Result<(), Invalid> {
        self.retry.check()?;
        if self.deadline.is_zero() {
            return Err(Invalid::new("deadline", "zero gives nothing a chance: write at least \"1ms\""));
        }
        if !(1.0..=10.0).contains(&self.escalate) {
            return Err(Invalid::new(
                "escalate",
                format!("{} is out of range: write 1 to 10", self.escalate),
            ));
        }
        if self.attempt.is_some_and(|attempt| attempt.is_zero()) {
            return Err(Invalid::new("attempt", "zero gives nothing a chance: write at least \"1ms\""));
        }
        self.breaker.as_ref().map_or(Ok(()), breaker::Options::check)?;
        self.limiter.as_ref().map_or(Ok(()), limiter::Options::check)?;
        self.bulkhead.as_ref().map_or(Ok(()), bulkhead::Options::check)?;
        self.hedge.as_ref().map_or(Ok(()), hedge::Options::check)?;
        Ok(())
    }
}
