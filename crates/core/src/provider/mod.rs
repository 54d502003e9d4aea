//! A provider is a port: everything one provider does its own way sits behind [`Provider`].
//!
//! [`Http`] is the plain one. Packs bring the others; the gateway knows only the trait.

mod http_plain;
mod rate_limit;
mod retry_after;

use std::fmt;

use http::{HeaderMap, Method, StatusCode};

pub use http_plain::{Http, seen_of_status};
pub use rate_limit::{RateLimit, rate_limit};
pub use retry_after::{LONGEST_WAIT, retry_after};

use crate::id::CallId;
use crate::rejection::Rejection;
use crate::verdict::{Effects, Verdict};

/// The beginning of a provider's answer: what a verdict is made from.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The status line's code.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The first bytes of the body, where [`Provider::peek`] asked for them.
    pub body: &'a [u8],
}

/// One of our refusals, ready to be said in a provider's own dialect.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// What was refused, why, and how certain it is.
    pub rejection: &'a Rejection,
    /// The status it is answered with.
    pub status: StatusCode,
    /// The call.
    pub call: CallId,
}

/// How one provider differs from plain HTTP. Every method has the plain answer as its default.
pub trait Provider: fmt::Debug + Send + Sync {
    /// The word for it in the configuration.
    fn name(&self) -> &'static str;

    /// How many bytes of an answer's body a verdict needs. Zero for most.
    fn peek(&self, _status: StatusCode) -> usize {
        0
    }

    /// Classifies an answer by its head.
    fn classify(&self, head: &Head<'_>) -> Verdict {
        Http.classify(head)
    }

    /// The default word for a path of this provider, where it differs from the method's default.
    fn effects(&self, _method: &Method, _path: &str) -> Option<Effects> {
        None
    }

    /// The `data:` of the server-sent event that ends a stream on this path, where there is one.
    /// `event: NAME` streams are recognised by a terminal of the form `event:NAME`.
    fn terminal(&self, _method: &Method, _path: &str) -> &'static [&'static str] {
        &[]
    }

    /// The body of a refusal in this provider's dialect, as JSON; `None` is `application/problem+json`.
    fn dialect(&self, _refusal: &Refusal<'_>) -> Option<String> {
        None
    }

    /// The status a refusal is answered with where it is said in this dialect; the refusal's own for most.
    fn dialect_status(&self, refusal: &Refusal<'_>) -> StatusCode {
        refusal.status
    }

    /// Parts of a request that differ between two tries of one operation, such as its timestamp and signature, in the
    /// words of a route's `once.ignore`.
    fn ignores(&self) -> &'static [&'static str] {
        &[]
    }

    /// Where this provider's clients put the key that makes an operation one operation, in the words of `once.ignore`:
    /// read in this order where the route's own header is missing. The first header is also the name under which a key
    /// is sent on.
    fn keys(&self) -> &'static [&'static str] {
        &["header:idempotency-key"]
    }

    /// What an answer to a question after one operation says: it is there, it is not, or (none) that nobody can say.
    fn found(&self, head: &Head<'_>) -> Option<bool> {
        match head.status.as_u16() {
            200..=299 => Some(true),
            404 | 410 => Some(false),
            _ => None,
        }
    }
}
