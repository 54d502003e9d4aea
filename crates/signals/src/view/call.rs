//! One call's story: what was asked, what happened, what is known about it.

use seawall_core::{Certainty, Class};
use serde::{Deserialize, Serialize};

/// `/api/v1/calls`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Calls {
    /// The latest first.
    pub calls: Vec<Call>,
}

/// One call, from arrival to answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Call {
    /// Its id, as in the `seawall-call` header.
    pub id: String,
    /// `waiting` (for a slot or a pause), `running`, or how it ended, as in `certainty`.
    pub state: String,
    /// The upstream that answered, or was asked last.
    pub upstream: String,
    /// The route it took; empty for an upstream's defaults.
    pub route: String,
    /// Who called, by the name in the configuration; empty where callers are not told apart.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub caller: String,
    /// The request's method.
    pub method: String,
    /// The request's path, without the query, which may hold secrets.
    pub path: String,
    /// How safe it is to repeat: `repeatable`, `billable`, `guarded` or `once`.
    pub effects: String,
    /// When it arrived: RFC 3339, in UTC.
    pub started: String,
    /// How long it took, or has taken so far, to the response's head.
    pub duration_ms: f64,
    /// How much of that was waiting for limits.
    pub waited_ms: f64,
    /// The status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The class of the outcome, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// What is known about whether it took place, once it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certainty: Option<Certainty>,
    /// The `seawall-decision` header.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub decision: String,
    /// Why seawall itself said no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What was sent, in order.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// What else happened, in order: waits, pauses, fallbacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<Moment>,
}

/// One attempt of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attempt {
    /// Which one, from 1.
    pub number: u32,
    /// Where it went.
    pub upstream: String,
    /// When it began, after the call's arrival.
    pub at_ms: f64,
    /// How long it took to its head, or its failure.
    pub duration_ms: f64,
    /// The status, where there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The class of the outcome.
    pub class: Class,
    /// What is known about whether it took place.
    pub certainty: Certainty,
    /// What followed, and why: `again in 480ms`, `not repeated: guarded, and the outcome is unknown`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub then: String,
}

/// Something that happened to a call between its attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Moment {
    /// When, after the call's arrival.
    pub at_ms: f64,
    /// What, in words.
    pub what: String,
}

/// A refusal of seawall's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refusal {
    /// Its stable code: `SW0004`.
    pub code: String,
    /// The policy that refused.
    pub policy: String,
    /// Why, in words.
    pub reason: String,
    /// When asking again makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}
