//! `[route.NAME]`: how some paths are called.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use seawall::{cache, compress, hedge, retry, timeout};
use seawall_core::Effects;
use seawall_core::units::{self, Size};
use seawall_security::injection;
use serde::Deserialize;

use super::once::{self, Once, Unknown};
use super::words::{Listened, Path, Verb, Word};
use super::{minute, schema};

/// How some paths are called. What it does not say, its first target says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// Which calls it is for.
    #[serde(rename = "match")]
    pub(crate) matched: Match,
    /// Upstreams in the order they are tried. Default the one the path begins with.
    #[serde(default)]
    pub(crate) to: Vec<String>,
    /// Other names for models, by target.
    #[serde(default)]
    pub(crate) model: BTreeMap<String, BTreeMap<String, String>>,
    /// How safe these calls are to repeat. Default auto: as the provider says, or else the method.
    #[serde(default = "auto")]
    pub(crate) effects: Word,
    /// Answers that may be given again.
    pub(crate) cache: Option<Cache>,
    /// How requests that read as attacks are looked for, and what is done about them. Default none: nobody looks.
    pub(crate) inspect: Option<injection::Options>,
    /// How a call that must not happen twice is told from others.
    pub(crate) once: Option<Once>,
    /// What is done about a call nobody knows the outcome of.
    pub(crate) unknown: Option<Unknown>,
    /// How a stream ends.
    pub(crate) stream: Option<Stream>,
    /// A second copy beside a slow one, for GET and HEAD, and for the method the route names. Default none.
    pub(crate) hedge: Option<hedge::Options>,
    /// Headers of callers that are listened to. Default none.
    #[serde(default)]
    pub(crate) allow: Vec<Listened>,
    /// From arrival to the response's head, queueing and retries included.
    #[serde(default = "minute", with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub(crate) deadline: Duration,
    /// The patience of one attempt.
    #[serde(default)]
    pub(crate) attempt: timeout::Options,
    /// What is sent again, and when.
    #[serde(default)]
    #[schemars(schema_with = "schema::retry")]
    pub(crate) retry: retry::Options,
    /// Which bodies are compressed or decompressed on the way. Default false: all pass as they are.
    #[serde(default = "compress::Options::off")]
    #[schemars(schema_with = "schema::compress")]
    pub(crate) compress: compress::Options,
}

fn auto() -> Word {
    Word::Auto
}

impl Route {
    /// The names of its targets: those written, or the one its path begins with.
    pub(crate) fn targets(&self) -> Vec<&str> {
        match self.to.is_empty() {
            true => self.matched.path.0.first().into_iter().collect(),
            false => self.to.iter().map(String::as_str).collect(),
        }
    }

    /// Is it, or is it meant to be, a route whose calls must not happen twice?
    pub(crate) fn is_once(&self) -> bool {
        let tables = self.once.is_some() || self.unknown.is_some();
        self.effects == Word::Once || (tables && self.effects == Word::Auto)
    }

    /// The word it is served under.
    pub(crate) fn served_as(&self) -> Option<Effects> {
        if self.is_once() { Some(Effects::Once) } else { self.effects.said() }
    }

    /// How its calls are told apart, where they must not happen twice.
    pub(crate) fn once(&self) -> seawall_gateway::plan::Once {
        once::plan(self.once.as_ref(), self.unknown.as_ref())
    }
}

/// Which calls a route is for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Match {
    /// One method. Default any.
    pub(crate) method: Option<Verb>,
    /// The path, from the upstream's name on.
    pub(crate) path: Path,
}

/// Answers that may be given again: those to GET and HEAD, and those to the route's own method where it names one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cache {
    /// How long an answer is fresh. Default 60 s; the upstream's own word can only shorten it.
    #[serde(with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub(crate) ttl: Duration,
    /// How much longer it is given at once while one call fetches a new one. Default 0.
    #[serde(with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub(crate) stale_while_revalidate: Duration,
    /// How much longer it is given when the upstream cannot be asked or fails. Default 0.
    #[serde(with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub(crate) stale_if_error: Duration,
    /// The largest body that is kept. Default 1 MiB, at most 16 MiB.
    pub(crate) max_body: Size,
}

impl Default for Cache {
    fn default() -> Self {
        let cache::Options { ttl, stale_while_revalidate, stale_if_error, max_entry, .. } =
            cache::Options::default();
        Self { ttl, stale_while_revalidate, stale_if_error, max_body: max_entry }
    }
}

impl Cache {
    /// What the policy knows of it.
    pub(crate) fn options(&self) -> cache::Options {
        let Self { ttl, stale_while_revalidate, stale_if_error, .. } = *self;
        cache::Options { ttl, stale_while_revalidate, stale_if_error, ..cache::Options::default() }
    }
}

/// How a stream ends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stream {
    /// The `data:` of its last event; a stream that ends without it was cut.
    pub(crate) terminal: Option<String>,
}
