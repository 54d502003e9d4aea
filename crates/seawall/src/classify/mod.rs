//! Turns what an operation returned into a verdict: once, for every policy.

use http::{HeaderMap, StatusCode};
use seawall_core::provider::{Head, Http, Provider as _};
use seawall_core::verdict::Seen;
use seawall_core::{Effects, Verdict};

/// Classifies outcomes. A plain function `Fn(&Result<T, E>) -> Verdict` is one.
pub trait Classify<T, E> {
    /// What the outcome means.
    fn classify(&self, outcome: &Result<T, E>) -> Verdict;

    /// What it means that we stopped waiting. By default: unknown, something may have been sent.
    fn timed_out(&self) -> Verdict {
        Verdict::of(Seen::TimedOut)
    }

    /// Could the operation be sent again at all? Not when its input was consumed and not kept.
    fn can_repeat(&self) -> bool {
        true
    }
}

impl<T, E, F: Fn(&Result<T, E>) -> Verdict> Classify<T, E> for F {
    fn classify(&self, outcome: &Result<T, E>) -> Verdict {
        self(outcome)
    }
}

/// What is assumed of an operation nobody classifies: `Ok` is a success, an `Err` is a failure that may or may not have
/// taken place, so that only [`Effects::Repeatable`] operations are repeated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl<T, E> Classify<T, E> for Plain {
    fn classify(&self, outcome: &Result<T, E>) -> Verdict {
        Verdict::of(if outcome.is_ok() { Seen::Success } else { Seen::ReplyLost })
    }
}

/// Classifies an HTTP answer by its status and headers, as the gateway's plain provider does.
///
/// ```
/// use seawall::{Class, classify};
/// let headers = http::HeaderMap::new();
/// assert_eq!(classify::http(http::StatusCode::TOO_MANY_REQUESTS, &headers).class(), Class::RateLimited);
/// ```
pub fn http(status: StatusCode, headers: &HeaderMap) -> Verdict {
    Http.classify(&Head { status, headers, body: b"" })
}

/// The default word for an HTTP method.
pub fn effects_of(method: &http::Method) -> Effects {
    Effects::for_method(method)
}
