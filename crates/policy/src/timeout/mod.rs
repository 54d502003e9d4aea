//! How long one attempt may take, phase by phase; the deadline of the whole call stands above it.

use std::time::Duration;

use seawall_core::units;
use serde::{Deserialize, Serialize};

use crate::Invalid;

/// The patience of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            max_body_time: None,
        }
    }
}

impl Options {
    /// Refuses a patience of zero.
    pub fn check(&self) -> Result<(), Invalid> {
        for (key, span) in [("connect", self.connect), ("first_byte", self.first_byte), ("idle", self.idle)] {
            if span.is_zero() {
                return Err(Invalid::new(key, "zero gives nothing a chance: write at least \"1ms\""));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_ten_and_thirty_seconds_and_zero_is_refused() {
        let options = Options::default();
        assert_eq!(
            (options.connect.as_secs(), options.first_byte.as_secs(), options.idle.as_secs()),
            (10, 30, 30)
        );
        options.check().unwrap();
        let bad = Options { idle: Duration::ZERO, ..options };
        assert_eq!(bad.check().unwrap_err().key, "idle");
    }
}
