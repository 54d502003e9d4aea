use http::HeaderMap;
use seawall_core::provider::Http;
use seawall_core::verdict::{Certainty, Class};

use super::*;

fn rule(json: &str) -> Rule {
    let rule: Rule = serde_json::from_str(json).unwrap();
    rule.check().unwrap();
    rule
}

fn classify(rules: &[&str], status: u16, headers: &[(&'static str, &str)], body: &str) -> Verdict {
    let headers: HeaderMap = headers.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
    let status = StatusCode::from_u16(status).unwrap();
    let ruled = Ruled::new(Arc::new(Http), rules.iter().map(|json| rule(json)).collect());
    let body = &body.as_bytes()[..body.len().min(ruled.peek(status))];
    ruled.classify(&Head { status, headers: &headers, body })
}

#[test]
fn each_condition_is_looked_at_and_all_of_them_must_hold() {
    let gone = Verdict::of(Seen::QuotaGone);
    let invalid = Verdict::of(Seen::Invalid);
    let body = r#"{"error": {"code": "out", "type": "t", "n": 7, "b": true}, "code": -1021}"#;
    for (conditions, fits) in [
        (r#""status": 400"#, true),
        (r#""status": 401"#, false),
        (r#""code": "-1021""#, true),
        (r#""code": "out""#, true),
        (r#""code": "t""#, true),
        (r#""code": "7""#, false),
        (r#""body": "\"out\"""#, true),
        (r#""body": "in""#, false),
        (r#""at": "/error/n", "equals": "7""#, true),
        (r#""at": "/error/b", "equals": "true""#, true),
        (r#""at": "/error", "equals": "7""#, false),
        (r#""at": "/nobody", "equals": """#, false),
        (r#""header": "x-why""#, true),
        (r#""header": "X-Why", "value": "quota""#, true),
        (r#""header": "x-why", "value": "pace""#, false),
        (r#""status": 400, "code": "out", "header": "x-why""#, true),
        (r#""status": 400, "code": "out", "header": "x-other""#, false),
    ] {
        let verdict = classify(
            &[&format!(r#"{{{conditions}, "as": "quota-gone"}}"#)],
            400,
            &[("x-why", "quota")],
            body,
        );
        assert_eq!(verdict, if fits { gone } else { invalid }, "{conditions}");
    }
}

#[test]
fn the_first_rule_that_fits_holds() {
    let rules = [r#"{"status": 400, "code": "a", "as": "too-early"}"#, r#"{"status": 400, "as": "banned"}"#];
    assert_eq!(classify(&rules, 400, &[], r#"{"code": "a"}"#).seen, Seen::TooEarly);
    assert_eq!(classify(&rules, 400, &[], r#"{"code": "b"}"#).seen, Seen::Banned);
    assert_eq!(classify(&rules, 404, &[], r#"{"code": "b"}"#).seen, Seen::Invalid);
}

#[test]
fn a_rule_names_a_row_and_the_row_says_who_repeats() {
    for word in As::ALL {
        let verdict = classify(&[&format!(r#"{{"status": 500, "as": "{word}"}}"#)], 500, &[], "");
        assert_eq!(verdict.row(), Verdict::of(word.seen()).row());
        assert_eq!(word.as_str(), word.seen().as_str(), "one word for one thing");
        for effects in Effects::ALL {
            assert_eq!(verdict.may_repeat(*effects), Verdict::of(word.seen()).may_repeat(*effects));
            let proved = verdict.certainty(*effects) == Certainty::NotDone;
            assert!(
                !verdict.may_repeat(*effects) || proved || *effects < Effects::Guarded,
                "{word} {effects}"
            );
        }
    }
}

#[test]
fn a_rule_can_stop_a_repeat_and_lengthen_a_wait_and_never_the_other_way() {
    let stopped = classify(&[r#"{"status": 503, "again": false}"#], 503, &[("retry-after", "3")], "");
    assert_eq!(
        (stopped.class(), stopped.certainty(Effects::Guarded)),
        (Class::Overloaded, Certainty::NotDone)
    );
    assert!(Effects::ALL.iter().all(|effects| !stopped.may_repeat(*effects)));
    let again = classify(&[r#"{"status": 400, "as": "invalid", "again": true}"#], 400, &[], "");
    assert!(Effects::ALL.iter().all(|effects| !again.may_repeat(*effects)));
    for (asked, rule, waits) in [(None, "5s", 5), (Some("3"), "5s", 5), (Some("9"), "5s", 9)] {
        let headers: Vec<_> = asked.map(|asked| ("retry-after", asked)).into_iter().collect();
        let verdict =
            classify(&[&format!(r#"{{"status": 429, "retry_after": "{rule}"}}"#)], 429, &headers, "");
        assert_eq!(verdict, Verdict::of(Seen::RateLimited).after(Some(Duration::from_secs(waits))));
    }
}

#[test]
fn nothing_is_held_back_that_no_rule_reads_and_no_success_ever() {
    let ruled = Ruled::new(
        Arc::new(Http),
        vec![
            rule(r#"{"status": 500, "body": "x", "as": "invalid"}"#),
            rule(r#"{"status": 502, "again": false}"#),
        ],
    );
    let peek = |status| ruled.peek(StatusCode::from_u16(status).unwrap());
    assert_eq!((peek(500), peek(502), peek(503), peek(200)), (ERROR_BODY, 0, 0, 0));
    let any = Ruled::new(Arc::new(Http), vec![rule(r#"{"body": "x", "as": "invalid"}"#)]);
    assert_eq!((any.peek(StatusCode::NOT_FOUND), any.peek(StatusCode::OK)), (ERROR_BODY, 0));
    assert_eq!(
        classify(&[r#"{"header": "x-a", "as": "invalid"}"#], 200, &[("x-a", "1")], "").seen,
        Seen::Success
    );
}

#[test]
fn a_body_that_cannot_be_read_fits_no_rule_about_json() {
    let rules = [r#"{"status": 400, "code": "a", "as": "banned"}"#];
    let whole = r#"{"code": "a"}"#;
    for body in
        ["", "null", "[]", "\u{1f}\u{8b}", &"[".repeat(10_000), &format!("{}{whole}", " ".repeat(ERROR_BODY))]
    {
        assert_eq!(classify(&rules, 400, &[], body).seen, Seen::Invalid);
    }
    assert_eq!(classify(&rules, 400, &[], whole).seen, Seen::Banned);
}

#[test]
fn rules_that_cannot_mean_anything_are_refused_by_their_key() {
    for (json, key) in [
        (r#"{"status": 200, "as": "invalid"}"#, "status"),
        (r#"{"status": 400}"#, ""),
        (r#"{"status": 400, "again": true}"#, ""),
        (r#"{"as": "invalid"}"#, ""),
        (r#"{"body": "", "as": "invalid"}"#, ""),
        (r#"{"at": "/a", "as": "invalid"}"#, "at"),
        (r#"{"status": 400, "equals": "a", "as": "invalid"}"#, "at"),
        (r#"{"at": "a", "equals": "b", "as": "invalid"}"#, "at"),
        (r#"{"status": 400, "value": "a", "as": "invalid"}"#, "value"),
        (r#"{"header": "a b", "as": "invalid"}"#, "header"),
    ] {
        let rule: Rule = serde_json::from_str(json).unwrap();
        assert_eq!(rule.check().unwrap_err().key, key, "{json}");
    }
    for json in [r#"{"as": "not-sent"}"#, r#"{"as": "success"}"#, r#"{"stat": 400}"#] {
        assert!(serde_json::from_str::<Rule>(json).is_err(), "{json}");
    }
}

#[test]
fn everything_but_verdicts_is_the_providers_own() {
    let inner = crate::provider("binance").unwrap();
    let ruled = Ruled::new(inner.clone(), vec![rule(r#"{"status": 400, "again": false}"#)]);
    assert_eq!((ruled.name(), ruled.ignores()), ("binance", inner.ignores()));
    assert_eq!(ruled.effects(&Method::PUT, "/x"), Some(Effects::Guarded));
}
