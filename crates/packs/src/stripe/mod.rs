//! Stripe: who is told to stop stops, a key in use leaves it open, and errors its SDKs understand.
//!
//! - **A 5xx is indeterminate.** Stripe says so itself, whatever else the answer carries: never *not done*.
//! - **`Stripe-Should-Retry` is obeyed downwards only.** `false` ends it here too; `true` is the word of somebody who
//!   counts on the key, and this gateway repeats only what the table allows.
//! - **A declined card is a result.** 402 is final, and Stripe keeps it under the key.

use http::{HeaderMap, StatusCode};
use seawall_core::provider::{Head, Http, Provider, Refusal};
use seawall_core::verdict::{Seen, Verdict};
use serde_json::json;

use crate::said::sentence;
use crate::table::{Row, Source, Table};

/// Stripe's API. It has no state; a clone is the same.
///
/// Its POSTs carry an `Idempotency-Key` as soon as an SDK sends them, and are `once` by it; without one they are guarded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stripe;

/// How long Stripe promises to remember a key of its first API; of the second it is thirty days.
pub const KEYED: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Its errors.
pub const ERRORS: Table = Table {
    source: Source { page: "https://docs.stripe.com/error-low-level", read: "2026-11-21" },
    rows: ROWS,
};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { status: 400..=400, word: "rate_limit",             seen: Seen::RateLimited, why: "how older versions of the API said 429" },
    Row { status: 400..=400, word: "idempotency_error",      seen: Seen::Invalid,     why: "the key was used for another request: final, a new key is needed" },
    Row { status: 401..=401, word: "",                       seen: Seen::Denied,      why: "the key is missing, wrong or expired" },
    Row { status: 402..=402, word: "",                       seen: Seen::Invalid,     why: "well formed and refused, as a declined card is: a final result" },
    Row { status: 403..=403, word: "",                       seen: Seen::Denied,      why: "the key may not do this" },
    Row { status: 409..=409, word: "",                       seen: Seen::InDoubt,     why: "it collides with another request, perhaps the same one under way with the same key" },
    Row { status: 424..=424, word: "",                       seen: Seen::InDoubt,     why: "somebody behind Stripe failed; how far it went is not said" },
    Row { status: 429..=429, word: "lock_timeout",           seen: Seen::TooEarly,    why: "another request holds the object: nothing was begun, and nobody's pace was too fast" },
    Row { status: 429..=429, word: "",                       seen: Seen::RateLimited, why: "too many requests; the limiter stands before the keys" },
    Row { status: 500..=599, word: "",                       seen: Seen::ServerError, why: "indeterminate, in Stripe's own words" },
];

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn peek(&self, status: StatusCode) -> usize {
        ERRORS.peek(status)
    }

    fn classify(&self, head: &Head<'_>) -> Verdict {
        let plain = Http.classify(head);
        let replayed = says(head.headers, "idempotent-replayed", "true");
        if head.status.as_u16() < 400 {
            return if replayed { Verdict::of(Seen::AlreadyDone) } else { plain };
        }
        let seen = ERRORS.seen(head.status, head.body).unwrap_or(plain.seen);
        let verdict = Verdict::of(seen).after(plain.retry_after);
        // An answer out of the record is the same answer again.
        match replayed || says(head.headers, "stripe-should-retry", "false") {
            true => verdict.settled(),
            false => verdict,
        }
    }

    /// `{"error": {"type", "code", "message"}}`, with our code as `code`.
    fn dialect(&self, refusal: &Refusal<'_>) -> Option<String> {
        let error = json!({
            "type": kind(refusal.status),
            "code": refusal.rejection.code.to_string(),
            "message": sentence(refusal),
        });
        Some(json!({ "error": error }).to_string())
    }
}

fn says(headers: &HeaderMap, name: &str, word: &str) -> bool {
    headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()))
}

// The client picks its exception by the status first; 409 and 422 are about a key, ours or the caller's.
fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        409 | 422 => "idempotency_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

#[cfg(test)]
mod tests;
