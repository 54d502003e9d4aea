use std::time::Duration;

use http::Method;
use seawall_core::id::CallId;
use seawall_core::rejection::{Code, Rejection};
use seawall_core::verdict::{Certainty, Class, Effects};
use serde_json::Value;

use super::*;
use crate::table::tests::is_sound;

fn classify(status: u16, headers: &[(&'static str, &str)], body: &str) -> Verdict {
    let headers: HeaderMap = headers.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
    let status = StatusCode::from_u16(status).unwrap();
    let body = &body.as_bytes()[..body.len().min(Stripe.peek(status))];
    Stripe.classify(&Head { status, headers: &headers, body })
}

fn error(kind: &str, code: &str) -> String {
    format!(
        r#"{{"error": {{"type": "{kind}", "code": "{code}", "message": "m", "doc_url": "https://stripe.com"}}}}"#
    )
}

#[test]
fn the_table_is_sound_and_says_where_it_comes_from() {
    is_sound(&ERRORS);
}

#[test]
fn every_documented_error_falls_in_its_row() {
    for row in ROWS {
        let verdict = classify(*row.status.start(), &[], &error(row.word, row.word));
        assert_eq!(verdict, Verdict::of(row.seen), "{row:?}");
    }
}

#[test]
fn a_declined_card_is_a_final_result_that_was_not_done() {
    let body = error("card_error", "card_declined");
    let verdict = classify(402, &[], &body);
    assert_eq!((verdict.class(), verdict.certainty(Effects::Once)), (Class::Invalid, Certainty::NotDone));
    assert!(Effects::ALL.iter().all(|effects| !verdict.may_repeat(*effects)));
}

#[test]
fn a_lock_is_not_a_pace() {
    let lock = classify(429, &[], &error("invalid_request_error", "lock_timeout"));
    assert_eq!((lock.class(), lock.may_repeat(Effects::Guarded)), (Class::Overloaded, true));
    let pace = classify(429, &[("retry-after", "2")], &error("invalid_request_error", "rate_limit"));
    assert_eq!(pace, Verdict::of(Seen::RateLimited).after(Some(Duration::from_secs(2))));
    // Compressed, cut, or somebody else's page: a 429 is a pace.
    for body in ["", "\u{1f}\u{8b}", "<html>", r#"{"error": {"code": "lock_tim"#] {
        assert_eq!(classify(429, &[], body).seen, Seen::RateLimited, "{body}");
    }
}

#[test]
fn a_key_in_use_leaves_it_open_and_another_request_under_a_key_does_not() {
    let in_use = classify(409, &[], &error("idempotency_error", "idempotency_key_in_use"));
    assert_eq!(in_use.certainty(Effects::Once), Certainty::Unknown);
    let misused = classify(400, &[], &error("idempotency_error", ""));
    assert_eq!((misused.class(), misused.certainty(Effects::Once)), (Class::Invalid, Certainty::NotDone));
    for verdict in [in_use, misused] {
        assert!(Effects::ALL.iter().all(|effects| !verdict.may_repeat(*effects)));
    }
}

#[test]
fn no_5xx_is_ever_not_done() {
    for status in 500..=599 {
        for headers in [&[][..], &[("retry-after", "3")], &[("stripe-should-retry", "true")]] {
            let verdict = classify(status, headers, &error("api_error", "lock_timeout"));
            for effects in Effects::ALL {
                assert_eq!(verdict.certainty(*effects), Certainty::Unknown, "{status} {headers:?}");
            }
            assert!(!verdict.may_repeat(Effects::Guarded) && !verdict.may_repeat(Effects::Once));
        }
    }
}

#[test]
fn the_provider_can_forbid_a_repeat_and_never_allow_one() {
    for status in 400..=599 {
        let plain = classify(status, &[], "");
        let stop = classify(status, &[("stripe-should-retry", "false")], "");
        let go = classify(status, &[("stripe-should-retry", "true")], "");
        let replayed = classify(status, &[("idempotent-replayed", "true")], "");
        assert_eq!(go, plain, "{status}");
        for effects in Effects::ALL {
            assert!(!stop.may_repeat(*effects) && !replayed.may_repeat(*effects), "{status} {effects}");
            assert_eq!(stop.certainty(*effects), plain.certainty(*effects));
        }
    }
}

#[test]
fn an_answer_out_of_stripes_record_had_been_given_before() {
    let verdict = classify(200, &[("idempotent-replayed", "true")], "");
    assert_eq!((verdict.class(), verdict.certainty(Effects::Once)), (Class::Ok, Certainty::AlreadyDone));
    assert_eq!(classify(200, &[], "").seen, Seen::Success);
    assert_eq!(Stripe.peek(StatusCode::OK), 0);
}

#[test]
fn methods_keep_their_own_word() {
    for method in [Method::GET, Method::POST, Method::DELETE] {
        assert_eq!(Stripe.effects(&method, "/v1/charges"), None);
    }
}

#[test]
fn every_refusal_is_said_in_stripes_shape() {
    let call = CallId::new();
    for code in Code::ALL {
        let rejection = Rejection::new(*code).certainty(Certainty::Unknown);
        let status = StatusCode::from_u16(code.status()).unwrap();
        let refusal = Refusal { rejection: &rejection, status, call };
        let said: Value = serde_json::from_str(&Stripe.dialect(&refusal).unwrap()).unwrap();
        let error = said["error"].as_object().unwrap();
        assert_eq!((said.as_object().unwrap().len(), error.len()), (1, 3), "{said}");
        assert_eq!(error["code"], code.to_string());
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("may have been processed") && message.contains(&call.to_string()),
            "{message}"
        );
        let kind = if code.status() < 500 { "invalid_request_error" } else { "api_error" };
        assert!(error["type"] == kind || [409, 422].contains(&code.status()), "{said}");
        assert_eq!(Stripe.dialect_status(&refusal), status);
    }
}
