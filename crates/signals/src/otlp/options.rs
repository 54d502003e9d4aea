//! What can be written about OTLP.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use seawall_core::secret::Secret;
use seawall_core::units::{self, format_duration};
use seawall_policy::Invalid;
use serde::{Deserialize, Serialize};

use super::run::client;
use crate::alerts::channel::{Address, certificates};

/// Traces and metrics for a collector that speaks OTLP over HTTP. `S` is what stands for a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, bound(serialize = "S: Serialize", deserialize = "S: Deserialize<'de>"))]
pub struct Options<S> {
    /// Where the collector is, like "http://127.0.0.1:4318"; `/v1/traces` and `/v1/metrics` are added.
    pub endpoint: Address,
    /// Headers for it, such as a key: the names of headers, and secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, S>,
    /// Sends a span for each call and one for each attempt. Default true.
    #[serde(default = "yes")]
    pub traces: bool,
    /// Sends the metrics. Default true.
    #[serde(default = "yes")]
    pub metrics: bool,
    /// How often metrics are sent. Default 30 s.
    #[serde(default = "half_a_minute", with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub interval: Duration,
    /// A file of PEM certificates to believe beside the public authorities. Read when the exporter starts.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// What this gateway is called there: `service.name`. Default seawall.
    #[serde(default = "seawall")]
    pub service: String,
    /// Spans bear the path of the call. Default false: some providers have keys in their paths. A query is never sent.
    #[serde(default)]
    pub paths: bool,
}

fn yes() -> bool {
    true
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn seawall() -> String {
    "seawall".to_owned()
}

/// The most headers.
const HEADERS: usize = 16;

impl<S> Options<S> {
    /// Everything to a collector at an address, as it is by default.
    pub fn to(endpoint: Address) -> Self {
        Self {
            endpoint,
            headers: BTreeMap::new(),
            traces: true,
            metrics: true,
            interval: half_a_minute(),
            ca: None,
            service: seawall(),
            paths: false,
        }
    }

    /// Refuses what is no header, an interval out of range, and a service without a name.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.headers.len() > HEADERS {
            return Err(Invalid::new("headers", format!("are more than {HEADERS}: write those that matter")));
        }
        for name in self.headers.keys() {
            let ours = ["content-type", "content-length", "host", "connection", "transfer-encoding"];
            if HeaderName::try_from(name.as_str()).is_err() || ours.contains(&&*name.to_ascii_lowercase()) {
                let shown: String = name.chars().take(40).collect();
                let message = format!("{shown:?} is no header of yours: write \"authorization\" or its like");
                return Err(Invalid::new("headers", message));
            }
        }
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(3600));
        if self.interval < least || self.interval > most {
            let shown = format_duration(self.interval);
            return Err(Invalid::new("interval", format!("{shown} is out of range: write \"1s\" to \"1h\"")));
        }
        if self.service.is_empty() || self.service.len() > 128 {
            return Err(Invalid::new("service", "is empty or longer than 128 bytes: write a name"));
        }
        if self.ca.is_some() && !self.endpoint.is_tls() {
            let message = "is of no use: write an endpoint that begins with https://, or remove it";
            return Err(Invalid::new("ca", message));
        }
        if !self.traces && !self.metrics {
            return Err(Invalid::new("traces", "neither traces nor metrics are sent: remove [otlp]"));
        }
        Ok(())
    }

    /// The same with every secret replaced; `get` is given the name of its header. None as soon as one cannot be had.
    pub fn resolve<T>(self, mut get: impl FnMut(&str, S) -> Option<T>) -> Option<Options<T>> {
        let mut headers = BTreeMap::new();
        let mut whole = true;
        for (name, own) in self.headers {
            match get(&name, own) {
                Some(value) => _ = headers.insert(name, value),
                None => whole = false,
            }
        }
        whole.then_some(Options {
            endpoint: self.endpoint,
            headers,
            traces: self.traces,
            metrics: self.metrics,
            interval: self.interval,
            ca: self.ca,
            service: self.service,
            paths: self.paths,
        })
    }
}

impl Options<Secret> {
    /// What its file of certificates holds, if it has one. Refuses one that cannot be read, or in which there is none.
    pub fn authorities(&self) -> Result<Option<Vec<u8>>, Invalid> {
        let Some(path) = &self.ca else { return Ok(None) };
        let pem = certificates(path)?;
        client(self.endpoint.clone(), Some(&pem)).map_err(|why| Invalid::new("ca", why))?;
        Ok(Some(pem))
    }

    /// Are these the same, secrets included?
    pub fn is(&self, other: &Self) -> bool {
        let plain = |own: &Self| {
            let headers = own.headers.iter().map(|(name, secret)| (name.clone(), secret.expose().to_owned()));
            (own.endpoint.clone(), headers.collect::<BTreeMap<_, _>>(), own.service.clone())
        };
        let rest = |own: &Self| (own.traces, own.metrics, own.paths, own.interval, own.ca.clone());
        plain(self) == plain(other) && rest(self) == rest(other)
    }
}
