//! OpenAI, and everything that speaks its API: an empty account behind a 429, `[DONE]`, its error body.

use http::{Method, StatusCode};
use seawall_core::provider::{Head, Http, Provider, Refusal};
use seawall_core::verdict::{Effects, Seen, Verdict};
use serde_json::json;

use crate::path::ends_with_any;
use crate::said::sentence;
use crate::table::{Row, Source, Table};

/// OpenAI's API. It has no state; a clone is the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenAi;

/// Its errors. Only an empty account differs from plain HTTP; the rest is listed so that nobody has to wonder.
pub(super) const ERRORS: Table = Table {
    source: Source { page: "https://developers.openai.com/docs/guides/error-codes", read: "2026-11-21" },
    rows: ROWS,
};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // All of them need a human with a card; the hard limit is said with a 400. Type and code say different ones of them.
    Row { status: 400..=400, word: "insufficient_quota",         seen: Seen::QuotaGone,   why: "no credits are left, or the month's budget is spent" },
    Row { status: 400..=400, word: "billing_hard_limit_reached", seen: Seen::QuotaGone,   why: "the limit its owner has set" },
    Row { status: 400..=400, word: "billing_not_active",         seen: Seen::QuotaGone,   why: "the account has no payment method that works" },
    Row { status: 429..=429, word: "insufficient_quota",         seen: Seen::QuotaGone,   why: "no credits are left, or the month's budget is spent" },
    Row { status: 429..=429, word: "billing_hard_limit_reached", seen: Seen::QuotaGone,   why: "the limit its owner has set" },
    Row { status: 429..=429, word: "billing_not_active",         seen: Seen::QuotaGone,   why: "the account has no payment method that works" },
    Row { status: 429..=429, word: "credit_balance_exhausted", seen: Seen::QuotaGone, why: "no prepaid credits are left" },
    Row { status: 429..=429, word: "organization_spend_limit_exceeded", seen: Seen::QuotaGone, why: "the organisation's own limit for the month" },
    Row { status: 429..=429, word: "project_spend_limit_exceeded", seen: Seen::QuotaGone, why: "the project's own limit for the month" },
    Row { status: 429..=429, word: "organization_usage_limit_exceeded", seen: Seen::QuotaGone, why: "what OpenAI lets the organisation spend in a month" },
    Row { status: 402..=402, word: "",                           seen: Seen::QuotaGone,   why: "payment required" },
    Row { status: 429..=429, word: "rate_limit_exceeded",        seen: Seen::RateLimited, why: "too many requests or tokens a minute" },
    Row { status: 429..=429, word: "slow_down",                  seen: Seen::RateLimited, why: "a sudden rise: the pace, though within the limits" },
    Row { status: 503..=503, word: "server_is_overloaded",       seen: Seen::ServerError, why: "nobody says that it was turned away before work began" },
    Row { status: 400..=400, word: "content_policy_violation",   seen: Seen::Invalid,     why: "refused for what it asks; asking again is refused again" },
    Row { status: 400..=400, word: "content_filter",             seen: Seen::Invalid,     why: "the same, of deployments elsewhere" },
    Row { status: 400..=400, word: "context_length_exceeded",    seen: Seen::Invalid,     why: "more tokens than the model reads" },
    Row { status: 400..=400, word: "invalid_request_error",      seen: Seen::Invalid,     why: "a parameter is wrong" },
    Row { status: 401..=401, word: "invalid_api_key",            seen: Seen::Denied,      why: "the key is wrong, revoked or of another organisation" },
    Row { status: 403..=403, word: "unsupported_country_region_territory", seen: Seen::Denied, why: "not served where the request comes from" },
    Row { status: 404..=404, word: "model_not_found",            seen: Seen::Invalid,     why: "no such model, or none for this key" },
];

/// POSTs that compute an answer and make nothing else.
const COMPUTES: &[&str] = &[
    "chat/completions",
    "completions",
    "responses",
    "responses/compact",
    "responses/input_tokens",
    "embeddings",
    "moderations",
    "images/generations",
    "images/edits",
    "images/variations",
    "audio/speech",
    "audio/transcriptions",
    "audio/translations",
];

// The official client stops at `[DONE]` and raises on an `error`; Responses has one event for each way to end.
const COMPLETIONS_END: &[&str] = &["[DONE]", "event:error"];
const RESPONSES_END: &[&str] =
    &["event:response.completed", "event:response.failed", "event:response.incomplete", "event:error"];

impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    /// 400 as well as 429: a hard billing limit is said with a 400.
    fn peek(&self, status: StatusCode) -> usize {
        ERRORS.peek(status)
    }

    /// Plain HTTP, except that an empty account is final. A body that is cut, compressed or no JSON is plain HTTP too.
    fn classify(&self, head: &Head<'_>) -> Verdict {
        match ERRORS.seen(head.status, head.body) {
            // What is said of the pace is not about the money.
            Some(Seen::QuotaGone) => Verdict::of(Seen::QuotaGone),
            _ => Http.classify(head),
        }
    }

    /// A POST that computes is billable; every other keeps its method's word.
    fn effects(&self, method: &Method, path: &str) -> Option<Effects> {
        (method == Method::POST && ends_with_any(path, COMPUTES)).then_some(Effects::Billable)
    }

    fn terminal(&self, method: &Method, path: &str) -> &'static [&'static str] {
        if method != Method::POST {
            &[]
        } else if ends_with_any(path, &["completions"]) {
            COMPLETIONS_END
        } else if ends_with_any(path, &["responses"]) {
            RESPONSES_END
        } else {
            &[]
        }
    }

    /// `{"error": {"message", "type", "param", "code"}}`, with our code as `code`.
    fn dialect(&self, refusal: &Refusal<'_>) -> Option<String> {
        let error = json!({
            "message": sentence(refusal),
            "type": kind(refusal.status),
            "param": null,
            "code": refusal.rejection.code.to_string(),
        });
        Some(json!({ "error": error }).to_string())
    }
}

// The client picks its exception by the status; `type` is for people and for gateways further down.
fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        500 | 503 => "server_error",
        _ => "api_error",
    }
}
