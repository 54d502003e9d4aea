//! Our own refusals, in problem+json or in the dialect the caller's SDK understands.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use seawall_core::provider::{Provider, Refusal};
use seawall_core::{CallId, Certainty, Code, Policy, Rejection};
use serde::Serialize;

use crate::body::Outgoing;
use crate::headers;

/// Where the pages of the codes are, for people who read a `type`.
const PAGES: &str = "https://seawall.dev/errors/";

/// The answer to a refusal.
pub(crate) fn answer(
    rejection: &Rejection,
    call: CallId,
    dialect: Option<&dyn Provider>,
) -> Response<Outgoing> {
    let status = StatusCode::from_u16(rejection.code.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    let refusal = Refusal { rejection, status, call };
    let said =
        dialect.and_then(|dialect| Some((dialect.dialect_status(&refusal), dialect.dialect(&refusal)?)));
    let (status, kind, body) = match said {
        Some((status, body)) => (status, "application/json", body),
        None => (status, "application/problem+json", problem(rejection, status, call)),
    };
    let mut response = Response::new(Outgoing::Whole(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if rejection.code == Code::CallerUnknown {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"seawall\""));
    }
    if let Some(wait) = rejection.retry_after {
        // Ceiling, not floor: a caller told to wait 0 s would spin.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    if rejection.code == Code::EffectInFlight {
        // Whoever is at it will have finished soon, and then its answer is there.
        headers::do_retry(headers);
    } else if !worth_retrying(rejection) {
        headers::do_not_retry(headers);
    }
    response
}

/// May the caller's SDK send it again? Not what may have been done, and not what will be refused again.
fn worth_retrying(rejection: &Rejection) -> bool {
    if rejection.certainty != Certainty::NotDone {
        return false;
    }
    matches!(
        rejection.code,
        Code::RateLimited
            | Code::QueueFull
            | Code::UpstreamPaused
            | Code::OffenderLimited
            | Code::BreakerOpen
            | Code::BulkheadFull
            | Code::Draining
    )
}

/// A refusal in words for programs and people: RFC 9457.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Problem<'a> {
    /// Its page.
    #[serde(rename = "type")]
    kind: String,
    /// What the code means.
    title: &'a str,
    /// The status of the answer.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// The particulars, in words.
    detail: &'a str,
    /// What programs go by: it never changes its meaning.
    #[schemars(extend("pattern" = "^SW[0-9]{4}$"))]
    code: String,
    /// The call it is about; at the admin port, nothing but this answer.
    call: String,
    /// Who refused.
    policy: Policy,
    /// Whether what was asked for may have taken place.
    certainty: Certainty,
    /// When asking again makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

fn problem(rejection: &Rejection, status: StatusCode, call: CallId) -> String {
    // Rounded up here too: the difference is a call that comes back a moment too early.
    let millis = |wait: Duration| u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    let problem = Problem {
        kind: format!("{PAGES}{}", rejection.code),
        title: rejection.code.title(),
        status: status.as_u16(),
        detail: &rejection.reason,
        code: rejection.code.to_string(),
        call: call.to_string(),
        policy: rejection.policy,
        certainty: rejection.certainty,
        retry_after_ms: rejection.retry_after.map(millis),
    };
    // Texts and numbers: it cannot fail.
    serde_json::to_string(&problem).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &Outgoing) -> serde_json::Value {
        let Outgoing::Whole(bytes) = body else { panic!("a refusal is whole") };
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn a_refusal_says_everything_a_program_needs() {
        let rejection = Rejection::new(Code::BreakerOpen).after(Duration::from_millis(1200));
        let call = CallId::new();
        let response = answer(&rejection, call, None);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(!response.headers().contains_key("x-should-retry"));
        let body = text(response.body());
        assert_eq!(body["code"], "SW0004");
        assert_eq!(body["status"], 503);
        assert_eq!(body["policy"], "breaker");
        assert_eq!(body["certainty"], "not-done");
        assert_eq!(body["retry_after_ms"], 1200);
        assert_eq!(body["call"], call.to_string());
    }

    #[test]
    fn an_unknown_outcome_and_a_hopeless_request_are_not_to_be_sent_again() {
        for rejection in [
            Rejection::new(Code::ReplyLost).certainty(Certainty::Unknown),
            Rejection::new(Code::NoSuchUpstream),
        ] {
            let response = answer(&rejection, CallId::new(), None);
            assert_eq!(response.headers()["x-should-retry"], "false");
            assert_eq!(response.headers()["stripe-should-retry"], "false");
        }
    }
}
