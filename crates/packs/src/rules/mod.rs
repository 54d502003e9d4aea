//! A user's own rows: an error with this status, code, text or header falls in that row of the verdict table.
//!
//! The first rule that fits holds, before the provider's own tables. A rule names a row and nothing else: who may repeat
//! what falls in it is written in [`TABLE`](seawall_core::verdict::TABLE) and cannot be widened; `again = false` narrows
//! it further. Rules are about errors: an answer below 400 is never held back to be read.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};
use seawall_core::provider::{Head, Provider, Refusal};
use seawall_core::units;
use seawall_core::verdict::{Effects, Seen, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::table::ERROR_BODY;

/// One rule. What is not given is not looked at; everything given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// The status: 400 to 599.
    pub status: Option<u16>,
    /// The error's code, as text or a number: what stands at `code`, `error.code` or `error.type` of a JSON body.
    pub code: Option<String>,
    /// What the body holds, anywhere in its first 16 KiB.
    pub body: Option<String>,
    /// A place in a JSON body, like "/error/reason"; with `equals`.
    pub at: Option<String>,
    /// What stands there, as text, a number or a boolean.
    pub equals: Option<String>,
    /// A header that is there; with `value`, that has this value.
    pub header: Option<String>,
    /// The value of `header`.
    pub value: Option<String>,
    /// The row it falls in.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub seen: Option<As>,
    /// How long to leave the provider alone, where it asks for less.
    #[serde(with = "units::option_duration", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::option_duration_schema"))]
    pub retry_after: Option<Duration>,
    /// `false`: not sent again, whatever the row allows.
    pub again: Option<bool>,
}

seawall_core::words! {
    /// The rows a rule can name: those an answer can fall in.
    As {
        /// A pace: wait, then again.
        RateLimited = "rate-limited",
        /// It was not begun.
        TooEarly = "too-early",
        /// It was turned away for now.
        UnavailableForNow = "unavailable-for-now",
        /// Something broke, and how far the work went is unknown.
        ServerError = "server-error",
        /// Somebody waited in vain, and how far the work went is unknown.
        TimedOut = "timed-out",
        /// The answer leaves open whether it took place; nobody repeats it.
        InDoubt = "in-doubt",
        /// The credentials were refused.
        Denied = "denied",
        /// The request is wrong.
        Invalid = "invalid",
        /// The account is empty.
        QuotaGone = "quota-gone",
        /// The caller is blocked.
        Banned = "banned",
        /// It had taken place before.
        AlreadyDone = "already-done",
    }
}

impl As {
    /// The row.
    pub const fn seen(self) -> Seen {
        match self {
            As::RateLimited => Seen::RateLimited,
            As::TooEarly => Seen::TooEarly,
            As::UnavailableForNow => Seen::UnavailableForNow,
            As::ServerError => Seen::ServerError,
            As::TimedOut => Seen::TimedOut,
            As::InDoubt => Seen::InDoubt,
            As::Denied => Seen::Denied,
            As::Invalid => Seen::Invalid,
            As::QuotaGone => Seen::QuotaGone,
            As::Banned => Seen::Banned,
            As::AlreadyDone => Seen::AlreadyDone,
        }
    }
}

/// A rule that cannot mean anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The key, as it is spelled in the configuration; empty for the rule as a whole.
    pub key: &'static str,
    /// What is wrong.
    pub message: Cow<'static, str>,
    /// What to write.
    pub advice: &'static str,
}

impl Rule {
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), Invalid> {
        let wrong = |key, message: Cow<'static, str>, advice| Err(Invalid { key, message, advice });
        if let Some(status) = self.status.filter(|status| !(400..=599).contains(status)) {
            let message = format!("{status} is no error: rules are about errors").into();
            return wrong("status", message, "write a status from 400 to 599");
        }
        if self.seen.is_none() && self.retry_after.is_none() && self.again != Some(false) {
            let advice = "write as = \"invalid\", retry_after = \"30s\" or again = false";
            return wrong("", "says nothing of what it matches".into(), advice);
        }
        let conditions = [&self.code, &self.body, &self.at, &self.header];
        if self.status.is_none() && conditions.iter().all(|condition| condition.is_none()) {
            return wrong("", "matches every error".into(), "write at least a status, such as status = 400");
        }
        if conditions.into_iter().flatten().any(String::is_empty) {
            return wrong("", "matches an empty text".into(), "write what is looked for, or remove it");
        }
        if self.at.is_some() != self.equals.is_some() {
            return wrong("at", "and equals belong together".into(), "write both");
        }
        if self.at.as_ref().is_some_and(|at| !at.starts_with('/')) {
            return wrong("at", "is no JSON pointer".into(), "write a place like \"/error/reason\"");
        }
        if self.value.is_some() && self.header.is_none() {
            return wrong("value", "belongs to a header".into(), "write header beside it");
        }
        match &self.header {
            Some(name) if name.parse::<HeaderName>().is_err() => {
                wrong("header", format!("{name:?} is not a header").into(), "write a name like \"x-reason\"")
            }
            _ => Ok(()),
        }
    }

    fn reads_body(&self) -> bool {
        self.code.is_some() || self.body.is_some() || self.at.is_some()
    }

    fn may_fit(&self, status: StatusCode) -> bool {
        status.as_u16() >= 400 && self.status.is_none_or(|wanted| wanted == status.as_u16())
    }

    fn fits(&self, head: &Head<'_>, json: Option<&Value>) -> bool {
        let says = |places: &[&str], wanted: &String| {
            places.iter().filter_map(|place| json?.pointer(place)).any(|value| is(value, wanted))
        };
        self.may_fit(head.status)
            && self.code.as_ref().is_none_or(|code| says(&["/code", "/error/code", "/error/type"], code))
            && self.body.as_ref().is_none_or(|text| holds(head.body, text.as_bytes()))
            && self.at.as_ref().zip(self.equals.as_ref()).is_none_or(|(at, equals)| says(&[at], equals))
            && self.header.as_ref().is_none_or(|name| {
                let mut values = head.headers.get_all(name.as_str()).iter();
                values.any(|value| {
                    self.value.as_ref().is_none_or(|wanted| value.as_bytes() == wanted.as_bytes())
                })
            })
    }

    fn apply(&self, verdict: Verdict) -> Verdict {
        let ruled = Verdict { seen: self.seen.map_or(verdict.seen, As::seen), ..verdict };
        let ruled = ruled.after(verdict.retry_after.max(self.retry_after));
        if self.again == Some(false) { ruled.settled() } else { ruled }
    }
}

fn is(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(truth) => wanted.parse() == Ok(*truth),
        Value::Number(number) => {
            let number = number.to_string();
            number == wanted
        }
        _ => false,
    }
}

fn holds(body: &[u8], text: &[u8]) -> bool {
    !text.is_empty() && body.windows(text.len()).any(|window| window == text)
}

/// A provider under a user's rules. What no rule matches is as the provider has it, and so is everything but verdicts.
#[derive(Clone)]
pub struct Ruled {
    inner: Arc<dyn Provider>,
    rules: Vec<Rule>,
}

impl Ruled {
    /// Puts rules before a provider. They must have passed [`Rule::check`]; one that has not merely never fits.
    pub fn new(inner: Arc<dyn Provider>, rules: Vec<Rule>) -> Self {
        Self { inner, rules }
    }
}

impl fmt::Debug for Ruled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} under {} rules", self.inner, self.rules.len())
    }
}

impl Provider for Ruled {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn peek(&self, status: StatusCode) -> usize {
        let reads = self.rules.iter().any(|rule| rule.reads_body() && rule.may_fit(status));
        self.inner.peek(status).max(if reads { ERROR_BODY } else { 0 })
    }

    fn classify(&self, head: &Head<'_>) -> Verdict {
        let verdict = self.inner.classify(head);
        if head.status.as_u16() < 400 {
            return verdict;
        }
        // Parsed once, and only where somebody asks.
        let asks = self.rules.iter().any(|rule| rule.reads_body() && rule.may_fit(head.status));
        let json = if asks { serde_json::from_slice(head.body).ok() } else { None };
        match self.rules.iter().find(|rule| rule.fits(head, json.as_ref())) {
            Some(rule) => rule.apply(verdict),
            None => verdict,
        }
    }

    fn effects(&self, method: &Method, path: &str) -> Option<Effects> {
        self.inner.effects(method, path)
    }

    fn terminal(&self, method: &Method, path: &str) -> &'static [&'static str] {
        self.inner.terminal(method, path)
    }

    fn dialect(&self, refusal: &Refusal<'_>) -> Option<String> {
        self.inner.dialect(refusal)
    }

    fn dialect_status(&self, refusal: &Refusal<'_>) -> StatusCode {
        self.inner.dialect_status(refusal)
    }

    fn ignores(&self) -> &'static [&'static str] {
        self.inner.ignores()
    }

    fn keys(&self) -> &'static [&'static str] {
        self.inner.keys()
    }

    fn found(&self, head: &Head<'_>) -> Option<bool> {
        self.inner.found(head)
    }
}

#[cfg(test)]
mod tests;
