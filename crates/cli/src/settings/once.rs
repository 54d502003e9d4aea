//! `once` and `unknown` of a route: how calls that must not happen twice are told apart, and how a doubt is ended.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, Method};
use schemars::JsonSchema;
use seawall_config::SecretRef;
use seawall_core::units;
use seawall_gateway::plan;
use serde::Deserialize;

use super::words::{spelled, text};

/// How effects are remembered, whatever their route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Effects {
    /// Encrypts the answers that are remembered, by a key of 32 characters or more. Default none: they are kept as they
    /// are.
    pub(crate) encrypt: Option<SecretRef>,
}

/// How a call that must not happen twice is told from others.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Once {
    /// The header that carries the caller's key. Default `Idempotency-Key`.
    pub(crate) key: KeyHeader,
    /// Refuses calls without a key. Default false: each gets a key of its own.
    pub(crate) require: bool,
    /// How long an outcome is remembered. Default 72 h, range 5 min – 10 years.
    #[serde(with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub(crate) keep: Duration,
    /// Sends the key on, under the provider's own name for it. Default true.
    pub(crate) forward: bool,
    /// Parts of a request that may differ between two tries of one operation: `query:NAME`, `body:NAME`. What a known
    /// provider signs anew for every try is ignored anyway.
    pub(crate) ignore: Vec<Ignored>,
    /// How long the provider itself recognises a key. Default none: it is not known to.
    #[serde(with = "units::option_duration")]
    #[schemars(schema_with = "units::option_duration_schema")]
    pub(crate) keyed: Option<Duration>,
}

impl Default for Once {
    fn default() -> Self {
        let plan::Once { key, require, keep, forward, .. } = plan::Once::default();
        Self { key: KeyHeader(key), require, keep, forward, ignore: Vec::new(), keyed: None }
    }
}

/// What is done about a call nobody knows the outcome of.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unknown {
    /// The request that finds out, like "GET /orders/{key}"; path and query are the upstream's.
    pub(crate) probe: Question,
    /// What is done when it took place. Default replay: the answer to the question is from then on the answer.
    #[serde(default)]
    pub(crate) found: FoundWord,
    /// What is done when it did not. Default report.
    #[serde(default)]
    pub(crate) absent: AbsentWord,
    /// What is done when nobody can say. Default report, and there is nothing else to do.
    #[serde(rename = "else", default)]
    pub(crate) otherwise: OtherwiseWord,
    /// How long the upstream takes to show what it did. Default 5 s.
    #[serde(default = "seconds", with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub(crate) visibility: Duration,
}

fn seconds() -> Duration {
    Duration::from_secs(5)
}

spelled! {
    /// What is done when a call took place.
    FoundWord {
        /// What the question was answered is from then on the answer to the call.
        Replay = "replay",
        /// A person decides.
        Report = "report",
    }
}

spelled! {
    /// What is done when a call did not take place.
    AbsentWord {
        /// A person decides.
        Report = "report",
        /// Once nothing of it can be under way any more, the key is free, and the next caller runs it.
        Release = "release",
    }
}

spelled! {
    /// What is done when nobody can say whether a call took place.
    OtherwiseWord {
        /// A person decides.
        Report = "report",
    }
}

#[allow(clippy::derivable_impls, reason = "the words are made by a macro that knows no defaults")]
impl Default for FoundWord {
    fn default() -> Self {
        Self::Replay
    }
}

#[allow(clippy::derivable_impls, reason = "the words are made by a macro that knows no defaults")]
impl Default for AbsentWord {
    fn default() -> Self {
        Self::Report
    }
}

#[allow(clippy::derivable_impls, reason = "the words are made by a macro that knows no defaults")]
impl Default for OtherwiseWord {
    fn default() -> Self {
        Self::Report
    }
}

/// The name of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyHeader(pub(crate) HeaderName);

impl FromStr for KeyHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name: HeaderName =
            text.parse().map_err(|_| "is no header: write \"Idempotency-Key\"".to_owned())?;
        let taken =
            ["host", "content-length", "content-type", "transfer-encoding", "authorization", "connection"];
        if taken.contains(&name.as_str()) || name.as_str().starts_with("seawall-") {
            return Err("has a meaning of its own: write \"Idempotency-Key\"".to_owned());
        }
        Ok(Self(name))
    }
}

text!(KeyHeader, "KeyHeader", "the name of a header, like \"Idempotency-Key\"");

/// A part of a request that is not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ignored(pub(crate) plan::Part);

impl FromStr for Ignored {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(plan::Part::Header(_)) => {
                Err("names a header, and headers are not compared: leave it out".to_owned())
            }
            Ok(part) => Ok(Self(part)),
            Err(_) => Err("names no part of a request: write \"query:NAME\" or \"body:NAME\"".to_owned()),
        }
    }
}

text!(Ignored, "Ignored", "a part of a request, like \"query:timestamp\" or \"body:nonce\"");

/// A request that finds out what became of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) path: String,
}

impl FromStr for Question {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write \"GET /orders/{key}\"";
        let Some((method, path)) = text.split_once(' ') else {
            return Err(format!("is no question: {example}"));
        };
        let method = match method {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            _ => return Err(format!("asks with {method}, and a question must change nothing: {example}")),
        };
        if !path.contains("{key}") {
            return Err(format!("does not say which: {example}"));
        }
        let bare = path.replace("{key}", "k");
        if !bare.starts_with('/')
            || bare.parse::<http::uri::PathAndQuery>().is_err()
            || bare.contains(['{', '}'])
        {
            return Err(format!("has no path a request can have: {example}"));
        }
        Ok(Self { method, path: path.to_owned() })
    }
}

text!(Question, "Question", "a request, like \"GET /orders/{key}\"");

/// How a route's calls are told apart, as a gateway is told.
pub(crate) fn plan(once: Option<&Once>, unknown: Option<&Unknown>) -> plan::Once {
    let once = once.cloned().unwrap_or_default();
    plan::Once {
        key: once.key.0,
        require: once.require,
        keep: once.keep,
        forward: once.forward,
        ignore: once.ignore.into_iter().map(|part| part.0).collect(),
        keyed: once.keyed,
        probe: unknown.map(|unknown @ Unknown { otherwise: OtherwiseWord::Report, .. }| plan::Probe {
            method: unknown.probe.method.clone(),
            path: unknown.probe.path.clone(),
            found: match unknown.found {
                FoundWord::Replay => plan::Found::Replay,
                FoundWord::Report => plan::Found::Report,
            },
            absent: match unknown.absent {
                AbsentWord::Report => plan::Absent::Report,
                AbsentWord::Release => plan::Absent::Release,
            },
            visibility: unknown.visibility,
        }),
    }
}
