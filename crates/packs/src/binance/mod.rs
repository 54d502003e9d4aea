//! Binance: every code with what it proves, orders that are never sent twice on a guess, errors its clients understand.
//!
//! - **An answer proves something only where the documentation says so.** The exchange's own words for a 5xx, for
//!   -1006 and for -1007 are that the execution status is unknown; so they are here, and so is every code nobody listed.
//! - **-1021 is a clock, not a timeout.** It was not done, and the same bytes would be refused again: whoever signs has
//!   to sign anew.
//! - **-2010 says by its message what it is**, from an empty account to an order that is live already.
//! - **`newClientOrderId` is no idempotency key.** It is unique among *open* orders only: a market order that was
//!   filled, and whose reply was lost, is accepted once more under the same id.
//!
//! The tables are [`CODES`], [`MESSAGES`] and [`STATUSES`]; [`explain`] reads them for people.

mod codes;
mod explain;
mod means;
mod messages;
mod read;
mod statuses;

use http::{Method, StatusCode};
use seawall_core::clock::wall_now;
use seawall_core::provider::{Head, Http, Provider, Refusal};
use seawall_core::verdict::{Certainty, Effects, Verdict};
use serde_json::json;

pub use codes::{CODES, CodeRow};
pub use explain::{Explanation, Unlisted, explain};
pub use means::{Means, Op, Remedy};
pub use messages::{MESSAGES, MessageRow, Wording};
pub use statuses::{STATUSES, StatusRow};

use crate::path::ends_with_any;
use crate::said::sentence;
use crate::table::ERROR_BODY;

/// Binance's REST API. It has no state; a clone is the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct Binance;

/// What changes nothing that a second try could double: validation without an order, and the key of a user's stream.
const HARMLESS: &[&str] = &["order/test", "sor/order/test", "userDataStream", "listenKey"];

impl Provider for Binance {
    fn name(&self) -> &'static str {
        "binance"
    }

    fn peek(&self, status: StatusCode) -> usize {
        if status.as_u16() < 400 { 0 } else { ERROR_BODY }
    }

    /// By status, code and message. A body that is cut, compressed or no JSON leaves what the status proves alone.
    fn classify(&self, head: &Head<'_>) -> Verdict {
        let plain = Http.classify(head);
        if head.status.as_u16() < 400 {
            return plain;
        }
        let answer = read::Answer::read(head.body);
        let wait = plain.retry_after.max(answer.banned_for(wall_now));
        match answer.means(head.status.as_u16()) {
            Some(means) => Verdict::of(means.seen()).after(wait),
            None => plain.after(wait),
        }
    }

    /// Whatever changes something is guarded, cancels and amendments too: sent again after a lost reply, a cancel is
    /// refused with -2011, which reads as if the order had been filled.
    fn effects(&self, method: &Method, path: &str) -> Option<Effects> {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => None,
            _ if ends_with_any(path, HARMLESS) => Some(Effects::Repeatable),
            _ => Some(Effects::Guarded),
        }
    }

    /// `{"code", "msg"}`: -1007 (a timeout to its clients) where it may have been done, and where it was not -1003 for
    /// a pace, -1008 for everything that passes by itself, -1102 for a request that is refused again.
    fn dialect(&self, refusal: &Refusal<'_>) -> Option<String> {
        let (_, code) = said(refusal);
        Some(json!({ "code": code, "msg": sentence(refusal) }).to_string())
    }

    fn dialect_status(&self, refusal: &Refusal<'_>) -> StatusCode {
        said(refusal).0
    }

    /// Signed anew for every try, in the query or in a form.
    fn ignores(&self) -> &'static [&'static str] {
        &[
            "query:timestamp",
            "query:signature",
            "query:recvWindow",
            "body:timestamp",
            "body:signature",
            "body:recvWindow",
        ]
    }

    /// Its clients name every order; whoever puts a key into the header beside that means the header.
    fn keys(&self) -> &'static [&'static str] {
        &["header:idempotency-key", "query:newClientOrderId", "body:newClientOrderId"]
    }

    /// -2013 is its word for an order that is not there.
    fn found(&self, head: &Head<'_>) -> Option<bool> {
        if head.status.is_success() {
            return Some(true);
        }
        match read::Answer::read(head.body).means(head.status.as_u16()) {
            Some(Means::Absent) => Some(false),
            _ => None,
        }
    }
}

fn said(refusal: &Refusal<'_>) -> (StatusCode, i32) {
    match (refusal.rejection.certainty, refusal.status.as_u16()) {
        // 409: another call with this key is under way, or nobody knows how it ended.
        (Certainty::NotDone, 409) => (StatusCode::GATEWAY_TIMEOUT, -1007),
        (Certainty::NotDone, 429) => (StatusCode::TOO_MANY_REQUESTS, -1003),
        (Certainty::NotDone, 400..=499) => (StatusCode::BAD_REQUEST, -1102),
        (Certainty::NotDone, _) => (StatusCode::SERVICE_UNAVAILABLE, -1008),
        _ => (StatusCode::GATEWAY_TIMEOUT, -1007),
    }
}

#[cfg(test)]
mod tests;
