//! Anthropic: `message_stop`, and errors with a type for every status.

use http::{Method, StatusCode};
use seawall_core::provider::{Head, Http, Provider, Refusal};
use seawall_core::verdict::{Effects, Seen, Verdict};
use serde_json::json;

use crate::path::ends_with_any;
use crate::said::sentence;
use crate::table::{Row, Source, Table};

/// Anthropic's API. It has no state; a clone is the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anthropic;

/// Its errors. Each type has a status of its own, so the status decides, except where the money of the month is spent.
pub(super) const ERRORS: Table = Table {
    source: Source { page: "https://platform.claude.com/docs/en/api/errors", read: "2026-11-21" },
    rows: ROWS,
};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { status: 400..=400, word: "You have reached your specified", seen: Seen::QuotaGone, why: "the limit its owner has set, for the organisation or a workspace" },
    Row { status: 400..=400, word: "", seen: Seen::Invalid,     why: "invalid_request_error: its form or content is wrong" },
    Row { status: 401..=401, word: "", seen: Seen::Denied,      why: "authentication_error: the key is wrong" },
    Row { status: 402..=402, word: "", seen: Seen::QuotaGone,   why: "billing_error: waiting does not fill an account" },
    Row { status: 403..=403, word: "", seen: Seen::Denied,      why: "permission_error: the key may not use it" },
    Row { status: 404..=404, word: "", seen: Seen::Invalid,     why: "not_found_error" },
    Row { status: 409..=409, word: "", seen: Seen::Invalid,     why: "conflict_error: something was changed meanwhile, or exists" },
    Row { status: 413..=413, word: "", seen: Seen::Invalid,     why: "request_too_large" },
    Row { status: 429..=429, word: "enforced_spend_limit_reached", seen: Seen::QuotaGone, why: "the tier's money of the month is spent: said without a Retry-After" },
    Row { status: 429..=429, word: "", seen: Seen::RateLimited, why: "rate_limit_error: requests or tokens a minute, or a sudden rise" },
    Row { status: 500..=500, word: "", seen: Seen::ServerError, why: "api_error: an error inside; how far the work went is not said" },
    Row { status: 504..=504, word: "", seen: Seen::ServerError, why: "timeout_error: it took too long, and may still have been computed" },
    Row { status: 529..=529, word: "", seen: Seen::ServerError, why: "overloaded_error: nobody says that it was turned away before work began" },
];

/// POSTs that compute an answer and make nothing else; the last is the API's own OpenAI-shaped door.
const COMPUTES: &[&str] = &["v1/messages", "v1/messages/count_tokens", "v1/complete", "chat/completions"];

impl Provider for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn peek(&self, status: StatusCode) -> usize {
        ERRORS.peek(status)
    }

    /// Plain HTTP, except for an account with nothing left to spend: 402 (`billing_error`), and what the month may cost.
    ///
    /// 529 (`overloaded_error`) stays a server error of unknown outcome. Its documentation says that the API is
    /// overloaded, not that the request was turned away before work on it began, and a guess must not become a proof.
    /// Messages lose nothing by it: a billable call is sent again after any answered 5xx. A batch is not.
    fn classify(&self, head: &Head<'_>) -> Verdict {
        match ERRORS.seen(head.status, head.body) {
            Some(Seen::QuotaGone) => Verdict::of(Seen::QuotaGone),
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
