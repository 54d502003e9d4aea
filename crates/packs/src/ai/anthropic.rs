//! Anthropic: `message_stop`, and errors with a type for every status.

use http::{Method, StatusCode};
use seawall_core::provider::{Head, Http, Provider, Refusal};
use seawall_core::verdict::{Effects, Seen, Verdict};
use serde_json::json;

use super::path::ends_with_any;
use super::said::sentence;

/// Anthropic's API. It has no state; a clone is the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anthropic;

/// POSTs that compute an answer and make nothing else; the last is the API's own OpenAI-shaped door.
const COMPUTES: &[&str] = &["v1/messages", "v1/messages/count_tokens", "v1/complete", "chat/completions"];

impl Provider for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    /// Plain HTTP, except that 402 (`billing_error`) is an account with nothing left to spend.
    ///
    /// 529 (`overloaded_error`) stays a server error of unknown outcome. Its documentation says that the API is
    /// overloaded, not that the request was turned away before work on it began, and a guess must not become a proof.
    /// Messages lose nothing by it: a billable call is sent again after any answered 5xx. A batch is not.
    fn classify(&self, head: &Head<'_>) -> Verdict {
        match head.status {
            StatusCode::PAYMENT_REQUIRED => Verdict::of(Seen::QuotaGone),
            _ => Http.classify(head),
        }
    }

    /// A POST that computes is billable; every other keeps its method's word.
    fn effects(&self, method: &Method, path: &str) -> Option<Effects> {
        (method == Method::POST && ends_with_any(path, COMPUTES)).then_some(Effects::Billable)
    }

    fn terminal(&self, method: &Method, path: &str) -> &'static [&'static str] {
        if method == Method::POST && ends_with_any(path, &["v1/messages"]) {
            &["event:message_stop", "event:error"]
        } else {
            &[]
        }
    }

    /// `{"type": "error", "error": {"type", "message", "details"}, "request_id"}`: the call is the request's id, and
    /// our code stands where the client looks for a stable one, in `details.error_code`.
    fn dialect(&self, refusal: &Refusal<'_>) -> Option<String> {
        let error = json!({
            "type": kind(refusal.status),
            "message": sentence(refusal),
            "details": { "error_code": refusal.rejection.code.to_string() },
        });
        Some(json!({ "type": "error", "error": error, "request_id": refusal.call.to_string() }).to_string())
    }
}

fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        _ => "api_error",
    }
}
