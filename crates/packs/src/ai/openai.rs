//! OpenAI, and everything that speaks its API: an empty account behind a 429, `[DONE]`, its error body.

use http::{Method, StatusCode};
use seawall_core::provider::{Head, Http, Provider, Refusal};
use seawall_core::verdict::{Effects, Seen, Verdict};
use serde_json::{Value, json};

use super::path::ends_with_any;
use super::said::sentence;

/// OpenAI's API. It has no state; a clone is the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenAi;

/// What an error's `code` or `type` says when there is no money left. All three need a human with a card.
const NO_MONEY: [&str; 3] = ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"];

/// An error body is some hundred bytes; one that does not fit is read as plain HTTP.
const ERROR_BODY: usize = 16 * 1024;

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
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_REQUEST => ERROR_BODY,
            _ => 0,
        }
    }

    /// Plain HTTP, except that an empty account is final. A body that is cut, compressed or no JSON is plain HTTP too.
    fn classify(&self, head: &Head<'_>) -> Verdict {
        let gone = match head.status {
            StatusCode::PAYMENT_REQUIRED => true,
            status if self.peek(status) > 0 => says_no_money(head.body),
            _ => false,
        };
        if gone { Verdict::of(Seen::QuotaGone) } else { Http.classify(head) }
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

fn says_no_money(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
    ["/error/code", "/error/type"]
        .iter()
        .filter_map(|place| body.pointer(place)?.as_str())
        .any(|word| NO_MONEY.contains(&word))
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
