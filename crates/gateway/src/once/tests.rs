//! What is remembered reads back, and the same wish has the same fingerprint however it was written.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, response};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

use super::asked::{Content, age, age_of_key, field, without};
use super::kept::Kept;
use crate::plan::Part;

fn head(status: u16, headers: &[(&str, Vec<u8>)]) -> response::Parts {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    let (mut parts, ()) = Response::new(()).into_parts();
    (parts.status, parts.headers) = (StatusCode::from_u16(status).unwrap(), map);
    parts
}

proptest! {
    #[test]
    fn an_answer_reads_back_byte_for_byte(
        status in 100u16..1000, body: Vec<u8>, values in prop::collection::vec(any::<Vec<u8>>(), 0..4),
    ) {
        let named: Vec<(&str, Vec<u8>)> = values.into_iter().map(|value| ("x-own", value)).collect();
        let parts = head(status, &named);
        let kept = Kept::read(&Kept::whole(&parts, &body).written()).unwrap();
        prop_assert_eq!(kept.status(), parts.status);
        prop_assert_eq!(kept.body().unwrap(), body);
        prop_assert_eq!(kept.headers(), parts.headers);
    }

    #[test]
    fn nothing_that_was_stored_makes_it_panic(bytes: Vec<u8>, text: String) {
        for stored in [&bytes[..], text.as_bytes()] {
            if let Some(kept) = Kept::read(stored) {
                let _ = (kept.status(), kept.headers(), kept.body(), kept.told());
            }
        }
    }

    #[test]
    fn no_query_and_no_body_makes_it_panic(query: String, kind: String, body: Vec<u8>, name: String) {
        let ignore = [Part::Query(name.clone()), Part::Body(name.clone())];
        let _ = (without(&query, &ignore), field(&query, &name));
        let content = Content::of(&kind, &body);
        let _ = (content.text(&name), content.without(&ignore));
    }

    #[test]
    fn what_is_not_ignored_is_compared_as_it_came(query in "[a-z=&%+0-9]{0,40}", body: Vec<u8>) {
        prop_assert_eq!(without(&query, &[]), query);
        prop_assert_eq!(Content::of("application/json", &body).without(&[]), body);
    }
}

#[test]
fn what_is_too_large_keeps_its_head_and_says_nothing_of_a_body() {
    let parts = head(
        200,
        &[("content-length", b"9".to_vec()), ("content-encoding", b"gzip".to_vec()), ("etag", b"x".to_vec())],
    );
    let kept = Kept::read(&Kept::head(&parts).written()).unwrap();
    assert!(kept.is_truncated() && kept.body().is_none());
    assert_eq!(kept.headers().keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["etag"]);
}

#[test]
fn an_ignored_field_is_ignored_however_it_is_spelled() {
    let ignore = [Part::Query("ts".into()), Part::Body("ts".into())];
    assert_eq!(without("a=1&ts=2&b=3&t%73=4", &ignore), "a=1&b=3");
    let read = |kind: &str, body: &str| Content::of(kind, body.as_bytes()).without(&ignore);
    assert_eq!(
        read("application/json; charset=utf-8", r#"{"b": 1.10, "ts": 5, "a": 2}"#),
        read("application/json", r#"{"a":2,"b":1.10,"ts":6}"#),
    );
    assert_ne!(
        read("application/json", r#"{"a":1.10,"ts":1}"#),
        read("application/json", r#"{"a":1.1,"ts":1}"#)
    );
    assert_eq!(read("application/x-www-form-urlencoded", "a=1&ts=2"), b"a=1");
    assert_eq!(read("text/plain", "a=1&ts=2"), b"a=1&ts=2", "nobody knows what its parts are");
    assert_eq!(field("newClientOrderId=a%20b", "newClientOrderId").as_deref(), Some("a b"));
}

#[test]
fn a_key_says_how_old_it_is_only_where_it_is_made_of_its_time() {
    assert!(age_of_key("016f5e66-e800-7000-8000-000000000000").unwrap().as_secs() > 5 * 365 * 86_400);
    assert!(age_of_key("\"016f5e66-e800-7000-8000-000000000000\"").is_some());
    for other in ["", "k", "016f5e66-e800-4000-8000-000000000000", "zzzzzzzz-zzzz-7zzz-zzzz-zzzzzzzzzzzz"] {
        assert_eq!(age_of_key(other), None, "{other}");
    }
    // A clock that is ahead is no reason to refuse.
    assert_eq!(age_of_key("ffffffff-ffff-7000-8000-000000000000").unwrap(), std::time::Duration::ZERO);
    assert!(age(&HeaderValue::from_static("1577836800.5")).unwrap().as_secs() > 5 * 365 * 86_400);
}
