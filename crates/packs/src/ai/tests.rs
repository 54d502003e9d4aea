use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use seawall_core::id::CallId;
use seawall_core::provider::{Head, Http, Provider, Refusal};
use seawall_core::rejection::{Code, Rejection};
use seawall_core::verdict::{Certainty, Class, Effects, Seen, Verdict};
use serde_json::Value;

use super::*;
use crate::table::tests::is_sound;

const EVERY: [&dyn Provider; 2] = [&OpenAi, &Anthropic];

fn classify(provider: &dyn Provider, status: u16, headers: &[(&'static str, &str)], body: &str) -> Verdict {
    let headers: HeaderMap = headers.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
    let status = StatusCode::from_u16(status).unwrap();
    // The gateway never shows more than was asked for.
    let body = &body.as_bytes()[..body.len().min(provider.peek(status))];
    provider.classify(&Head { status, headers: &headers, body })
}

fn openai_error(kind: &str, code: &str) -> String {
    format!(r#"{{"error": {{"message": "m", "type": "{kind}", "param": null, "code": {code}}}}}"#)
}

fn dialect(provider: &dyn Provider, rejection: &Rejection, call: CallId) -> Value {
    let status = StatusCode::from_u16(rejection.code.status()).unwrap();
    serde_json::from_str(&provider.dialect(&Refusal { rejection, status, call }).unwrap()).unwrap()
}

#[test]
fn both_tables_are_sound_and_say_where_they_come_from() {
    for table in [openai::ERRORS, anthropic::ERRORS] {
        is_sound(&table);
    }
}

/// Most rows say what plain HTTP says too: they are there so that the list is whole.
#[test]
fn every_documented_error_falls_in_its_row() {
    for (provider, table) in EVERY.into_iter().zip([openai::ERRORS, anthropic::ERRORS]) {
        for row in table.rows {
            let body =
                format!(r#"{{"error": {{"type": "{0}", "code": "{0}", "message": "{0} m"}}}}"#, row.word);
            let verdict = classify(provider, *row.status.start(), &[], &body);
            assert_eq!(verdict.seen, row.seen, "{} {row:?}", provider.name());
        }
    }
}

#[test]
fn an_empty_openai_account_is_final_and_its_wait_is_not_believed() {
    for (status, body) in [
        (429, openai_error("insufficient_quota", r#""insufficient_quota""#)),
        (429, openai_error("insufficient_quota", "null")),
        (429, openai_error("requests", r#""insufficient_quota""#)),
        (429, openai_error("billing_not_active", r#""billing_not_active""#)),
        (400, openai_error("invalid_request_error", r#""billing_hard_limit_reached""#)),
        (402, String::new()),
    ] {
        let verdict = classify(&OpenAi, status, &[("retry-after", "3600")], &body);
        assert_eq!(verdict, Verdict::of(Seen::QuotaGone), "{status} {body}");
        assert_eq!(verdict.class(), Class::QuotaGone);
        assert!(Effects::ALL.iter().all(|effects| !verdict.may_repeat(*effects)));
    }
}

#[test]
fn a_month_whose_money_is_spent_is_final_though_it_looks_like_a_pace() {
    for code in ["credit_balance_exhausted", "project_spend_limit_exceeded"] {
        let body = openai_error("insufficient_quota", &format!(r#""{code}""#));
        assert_eq!(classify(&OpenAi, 429, &[], &body), Verdict::of(Seen::QuotaGone), "{code}");
        let alone = openai_error("rate_limit_error", &format!(r#""{code}""#));
        assert_eq!(classify(&OpenAi, 429, &[], &alone), Verdict::of(Seen::QuotaGone), "{code}");
    }
    let spent = r#"{"type": "error", "error": {"type": "rate_limit_error", "message": "You have reached your API usage limits",
        "details": {"error_code": "enforced_spend_limit_reached"}}}"#;
    assert_eq!(classify(&Anthropic, 429, &[], spent), Verdict::of(Seen::QuotaGone));
    let pace =
        r#"{"type": "error", "error": {"type": "rate_limit_error", "message": "This request would exceed"}}"#;
    assert_eq!(classify(&Anthropic, 429, &[], pace), Verdict::of(Seen::RateLimited));
    for (message, seen) in [
        (
            "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
            Seen::QuotaGone,
        ),
        ("You have reached your specified workspace API usage limits.", Seen::QuotaGone),
        ("messages: at least one message is required", Seen::Invalid),
    ] {
        let body = format!(
            r#"{{"type": "error", "error": {{"type": "invalid_request_error", "message": "{message}"}}}}"#
        );
        assert_eq!(classify(&Anthropic, 400, &[], &body), Verdict::of(seen), "{message}");
    }
}

#[test]
fn an_openai_429_about_the_pace_is_repeated_after_its_wait() {
    let body = openai_error("tokens", r#""rate_limit_exceeded""#);
    let verdict = classify(&OpenAi, 429, &[("retry-after-ms", "250")], &body);
    assert_eq!(verdict, Verdict::of(Seen::RateLimited).after(Some(Duration::from_millis(250))));
    // Where the words stand matters: a message may quote them.
    let quoted = r#"{"error": {"message": "insufficient_quota", "code": "rate_limit_exceeded"}}"#;
    assert_eq!(classify(&OpenAi, 429, &[], quoted).seen, Seen::RateLimited);
    assert_eq!(
        classify(&OpenAi, 400, &[], &openai_error("invalid_request_error", "null")).seen,
        Seen::Invalid
    );
}

#[test]
fn a_body_that_cannot_be_read_leaves_the_plain_verdict() {
    let whole = openai_error("insufficient_quota", r#""insufficient_quota""#);
    let long = format!("{}{whole}", " ".repeat(16 * 1024));
    let deep = "[".repeat(10_000);
    let mut bodies =
        vec!["", "<html>insufficient_quota</html>", "null", "[]", r#"{"error": "insufficient_quota"}"#];
    bodies.extend([r#"{"error": {"code": ["insufficient_quota"]}}"#, "\u{1f}\u{8b}", &long, &deep]);
    bodies.extend((0..whole.len()).map(|cut| &whole[..cut]));
    for body in bodies {
        let verdict = classify(&OpenAi, 429, &[("retry-after", "2")], body);
        assert_eq!(verdict, Verdict::of(Seen::RateLimited).after(Some(Duration::from_secs(2))), "{body}");
    }
}

/// Refinements are exceptions: with no telling body, every status but 402 is what plain HTTP says.
#[test]
fn every_other_status_is_plain_http() {
    for provider in EVERY {
        for status in (100..=999).filter(|status| *status != 402) {
            for headers in [&[][..], &[("retry-after", "3")]] {
                let body = r#"{"type": "error", "error": {"type": "overloaded_error", "message": "m"}}"#;
                let plain = classify(&Http, status, headers, "");
                assert_eq!(classify(provider, status, headers, body), plain, "{} {status}", provider.name());
            }
        }
    }
}

#[test]
fn an_overloaded_anthropic_may_have_worked_and_messages_are_sent_again_all_the_same() {
    let body = r#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#;
    let verdict = classify(&Anthropic, 529, &[], body);
    assert_eq!((verdict.seen, verdict.certainty(Effects::Guarded)), (Seen::ServerError, Certainty::Unknown));
    assert!(verdict.may_repeat(Effects::Billable) && !verdict.may_repeat(Effects::Guarded));
    assert_eq!(classify(&Anthropic, 402, &[], ""), Verdict::of(Seen::QuotaGone));
}

#[test]
fn nothing_is_held_back_for_an_answer_that_went_well() {
    for provider in EVERY {
        for status in [200, 201, 206, 304, 500, 503, 529] {
            assert_eq!(provider.peek(StatusCode::from_u16(status).unwrap()), 0);
        }
    }
    assert_eq!(OpenAi.peek(StatusCode::TOO_MANY_REQUESTS), 16 * 1024);
}

#[test]
fn what_computes_is_billable_and_what_makes_something_keeps_its_methods_word() {
    let computes: [(&dyn Provider, &[&str]); 2] = [
        (
            &OpenAi,
            &[
                "/v1/chat/completions",
                "/v1/completions",
                "/v1/responses",
                "/v1/responses/input_tokens",
                "/v1/embeddings",
                "/v1/moderations",
                "/v1/images/generations",
                "/v1/images/edits",
                "/v1/audio/speech",
                "/v1/audio/transcriptions",
                "/openai/v1/chat/completions",
                "/openai/deployments/gpt-5/chat/completions?api-version=2025-01-01",
            ],
        ),
        (
            &Anthropic,
            &[
                "/v1/messages",
                "/v1/messages?beta=true",
                "/v1/messages/count_tokens",
                "/a/v1/messages",
                "/v1/complete",
            ],
        ),
    ];
    for (provider, paths) in computes {
        for path in paths {
            assert_eq!(provider.effects(&Method::POST, path), Some(Effects::Billable), "{path}");
            for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
                assert_eq!(provider.effects(&method, path), None, "{method} {path}");
            }
        }
    }
    let makes: [(&dyn Provider, &[&str]); 2] = [
        (
            &OpenAi,
            &[
                "/v1/files",
                "/v1/batches",
                "/v1/fine_tuning/jobs",
                "/v1/uploads/upload_1/complete",
                "/v1/responses/resp_1/cancel",
                "/v1/chat/completions/chatcmpl-1",
                "/v1/threads/thread_1/runs",
                "/v1/audio/voices",
                "/v1/videos",
                "/v1/organization/admin_api_keys",
                "/v1/something/new",
                "/",
            ],
        ),
        (
            &Anthropic,
            &["/v1/messages/batches", "/v1/messages/batches/b_1/cancel", "/v1/files", "/v1/skills", ""],
        ),
    ];
    for (provider, paths) in makes {
        for path in paths {
            // `None` is the method's default, which is guarded, or `once` with an idempotency key.
            assert_eq!(provider.effects(&Method::POST, path), None, "{path}");
        }
    }
}

#[test]
fn every_stream_ends_where_its_documentation_says() {
    let responses =
        ["event:response.completed", "event:response.failed", "event:response.incomplete", "event:error"];
    let completions = ["[DONE]", "event:error"];
    let messages = ["event:message_stop", "event:error"];
    let rows: [(&dyn Provider, &str, &[&str]); 13] = [
        (&OpenAi, "/v1/chat/completions", &completions),
        (&OpenAi, "/v1/completions", &completions),
        (&OpenAi, "/openai/deployments/gpt-5/chat/completions?api-version=1", &completions),
        (&OpenAi, "/v1/responses", &responses),
        (&OpenAi, "/v1/responses/compact", &[]),
        (&OpenAi, "/v1/embeddings", &[]),
        (&OpenAi, "/v1/audio/speech", &[]),
        (&OpenAi, "/v1/images/generations", &[]),
        (&Anthropic, "/v1/messages", &messages),
        (&Anthropic, "/v1/messages?beta=true", &messages),
        (&Anthropic, "/v1/messages/batches", &[]),
        (&Anthropic, "/v1/complete", &[]),
        (&Anthropic, "/v1/chat/completions", &[]),
    ];
    for (provider, path, endings) in rows {
        assert_eq!(provider.terminal(&Method::POST, path), endings, "{path}");
        assert_eq!(provider.terminal(&Method::GET, path), [""; 0], "{path}");
    }
}

#[test]
fn every_refusal_is_said_in_openais_shape() {
    let call = CallId::new();
    for code in Code::ALL {
        let said = dialect(&OpenAi, &Rejection::new(*code), call);
        assert_eq!(said.as_object().unwrap().len(), 1, "{code}");
        let error = said["error"].as_object().unwrap();
        assert_eq!(error.len(), 4, "{code}: {error:?}");
        assert_eq!((&error["code"], &error["param"]), (&Value::from(code.to_string()), &Value::Null));
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(code.title()) && message.contains(&call.to_string()), "{message}");
        let kind = match code.status() {
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            500 | 503 => "server_error",
            501 | 502 | 504 => "api_error",
            other => panic!("{code} has status {other}: which type is that?"),
        };
        assert_eq!(error["type"], kind, "{code}");
    }
}

#[test]
fn every_refusal_is_said_in_anthropics_shape() {
    let call = CallId::new();
    for code in Code::ALL {
        let said = dialect(&Anthropic, &Rejection::new(*code), call);
        assert_eq!(said["type"], "error");
        assert_eq!(said["request_id"], call.to_string());
        assert_eq!(said["error"]["details"]["error_code"], code.to_string());
        let message = said["error"]["message"].as_str().unwrap();
        assert!(message.contains(code.title()) && message.contains(&call.to_string()), "{message}");
        let kind = match code.status() {
            401 => "authentication_error",
            429 => "rate_limit_error",
            404 => "not_found_error",
            403 => "permission_error",
            413 => "request_too_large",
            400..=499 => "invalid_request_error",
            503 => "overloaded_error",
            504 => "timeout_error",
            500..=502 => "api_error",
            other => panic!("{code} has status {other}: which type is that?"),
        };
        assert_eq!(said["error"]["type"], kind, "{code}");
    }
}

#[test]
fn the_message_says_why_when_and_whether_it_may_have_happened() {
    let call = CallId::new();
    let rejection = Rejection::new(Code::BreakerOpen).after(Duration::from_secs(5));
    let open = dialect(&OpenAi, &rejection, call);
    assert_eq!(
        open["error"]["message"],
        format!(
            "SW0004 the circuit breaker is open: ask again in 5s; the request was not processed (seawall call {call})"
        ),
    );
    let lost =
        Rejection::new(Code::ReplyLost).certainty(Certainty::Unknown).because("she said \"no\"\r\n\u{0}");
    for provider in EVERY {
        let message = dialect(provider, &lost, call)["error"]["message"].clone();
        assert_eq!(
            message,
            format!(
                "SW0012 she said \"no\"\r\n\u{0}; the request may have been processed (seawall call {call})"
            ),
        );
    }
    for certainty in Certainty::ALL {
        let said =
            dialect(&Anthropic, &Rejection::new(Code::ReplyLost).certainty(*certainty), call).to_string();
        let denies = said.contains("not processed");
        assert_eq!(denies, *certainty == Certainty::NotDone, "{said}");
    }
}

/// The answer's status goes on the wire, so it decides the type even where it is not the code's usual one.
#[test]
fn the_type_follows_the_status_that_is_sent() {
    let rejection = Rejection::new(Code::BreakerOpen);
    let refusal = Refusal { rejection: &rejection, status: StatusCode::UNAUTHORIZED, call: CallId::new() };
    for (provider, kind) in EVERY.into_iter().zip(["invalid_request_error", "authentication_error"]) {
        let said: Value = serde_json::from_str(&provider.dialect(&refusal).unwrap()).unwrap();
        assert_eq!(said["error"]["type"], kind);
    }
}
