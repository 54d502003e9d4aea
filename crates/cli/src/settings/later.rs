//! Parts that can be written today and are built later: each is named *not available yet* by `check` and `serve`.

use std::time::Duration;

use schemars::JsonSchema;
use seawall::retry::{Jitter, Strategy};
use seawall_config::SecretRef;
use seawall_core::units;
use serde::Deserialize;

use super::words::Url;

/// A command that is supervised.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    /// When it is run again.
    pub(crate) retry: Option<JobRetry>,
}

/// When a command is run again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobRetry {
    /// Runs in all, the first one included.
    pub(crate) attempts: Option<u32>,
    /// How the pause grows.
    pub(crate) strategy: Option<Strategy>,
    /// The first pause.
    #[serde(default, with = "units::option_duration")]
    #[schemars(schema_with = "units::option_duration_schema")]
    pub(crate) base: Option<Duration>,
    /// The longest pause.
    #[serde(default, with = "units::option_duration")]
    #[schemars(schema_with = "units::option_duration_schema")]
    pub(crate) cap: Option<Duration>,
    /// How much chance is mixed in.
    pub(crate) jitter: Option<Jitter>,
    /// Exit codes and signals worth another run. Default 75.
    #[serde(default)]
    pub(crate) on: Vec<u8>,
}

/// Where the carbon intensity of electricity is read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Carbon {
    /// Sources in the order they are asked.
    #[serde(default)]
    pub(crate) providers: Vec<String>,
    /// The value when nobody answers, in grams per kilowatt-hour.
    #[serde(rename = "static")]
    pub(crate) fixed: Option<f64>,
    /// electricitymaps.com.
    pub(crate) electricity_maps: Option<CarbonSource>,
    /// carbonintensity.org.uk.
    pub(crate) uk: Option<CarbonSource>,
}

/// A source of carbon intensities.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CarbonSource {
    /// Its key.
    pub(crate) token: Option<SecretRef>,
    /// Where it is, when it is not where it usually is.
    pub(crate) url: Option<Url>,
}
