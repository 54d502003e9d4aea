//! How long one attempt may take, phase by phase; the deadline of the whole call stands above it.

mod history;
#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::units;
use serde::{Deserialize, Serialize};

use crate::Invalid;

pub use history::{Advice, History};

/// The patience of one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// To resolve, connect and agree on TLS. Default 10 s. When it passes, nothing was sent.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub connect: Duration,
    /// From a connection to the answer's head. Default 30 s. When it passes, the outcome is unknown.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub first_byte: Duration,
    /// Between two pieces of a body, either way. Default 30 s.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub idle: Duration,
    /// For a whole body. Default none: a stream may last as long as it keeps moving.
    #[serde(with = "units::option_duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::option_duration_schema"))]
    pub max_body_time: Option<Duration>,
    /// What `first_byte` is multiplied by from one attempt to the next. Default 1, range 1–10: more gives a slow answer
    /// another chance instead of the same one.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10)))]
    pub escalate: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            max_body_time: None,
            escalate: 1.0,
        }
    }
}

impl Options {
    /// Refuses a patience of zero, and one that shrinks.
    pub fn check(&self) -> Result<(), Invalid> {
        for (key, span) in [("connect", self.connect), ("first_byte", self.first_byte), ("idle", self.idle)] {
            if span.is_zero() {
                return Err(Invalid::new(key, "zero gives nothing a chance: write at least \"1ms\""));
            }
        }
        if !(1.0..=10.0).contains(&self.escalate) {
            let message = format!("{} is out of range: write 1 to 10", self.escalate);
            return Err(Invalid::new("escalate", message));
        }
        Ok(())
    }

    /// The patience for the answer's head in this attempt, from 1, when the call has so much time left.
    pub fn first_byte_of(&self, attempt: u32, remaining: Duration) -> Duration {
        attempt_patience(self.first_byte, self.escalate, attempt, remaining)
    }
}

/// The patience of attempt `attempt` (from 1): `base × escalate^(attempt - 1)`, never above what remains of the call,
/// never below `base` where that much remains.
pub fn attempt_patience(base: Duration, escalate: f64, attempt: u32, remaining: Duration) -> Duration {
    let steps = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    // `max` also takes 1 where there is no number at all.
    let growth = escalate.max(1.0).powi(steps);
    if growth == 1.0 {
        return base.min(remaining);
    }
    Duration::try_from_secs_f64(base.as_secs_f64() * growth).unwrap_or(Duration::MAX).max(base).min(remaining)
}
