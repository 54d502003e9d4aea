use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use seawall_core::id::CallId;
use seawall_core::rejection::{Code, Rejection};
use seawall_core::verdict::{Class, Seen};
use serde_json::Value;

use super::*;

fn classify_with(status: u16, headers: &[(&'static str, &str)], body: &str) -> Verdict {
    let headers: HeaderMap = headers.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
    let status = StatusCode::from_u16(status).unwrap();
    let body = &body.as_bytes()[..body.len().min(Binance.peek(status))];
    Binance.classify(&Head { status, headers: &headers, body })
}

fn classify(status: u16, code: i32, message: &str) -> Verdict {
    classify_with(status, &[], &json!({ "code": code, "msg": message }).to_string())
}

fn of(code: &str, op: Op, message: &str) -> Explanation {
    explain(code, op, message).unwrap()
}

/// Every kind of error there is, through every row that has it.
fn every_meaning() -> Vec<(String, Means)> {
    let codes = CODES.iter().map(|row| (row.code.to_string(), row.means));
    let messages = MESSAGES.iter().map(|row| (row.wording.text().to_owned(), row.means));
    let statuses = STATUSES.iter().map(|row| (row.name.to_owned(), row.means));
    codes.chain(messages).chain(statuses).collect()
}

#[test]
fn every_code_stands_once_in_order_with_a_source() {
    assert!(CODES.windows(2).all(|two| two[0].code > two[1].code), "in order, so none twice");
    let names: HashSet<&str> = CODES.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), CODES.len());
    for row in CODES {
        assert!(
            row.code <= -1000 && !row.says.is_empty() && row.source.page.starts_with("https://"),
            "{row:?}"
        );
        assert_eq!(explain(row.name, Op::Order, "").unwrap().code, row.code);
    }
    for row in MESSAGES {
        assert!(!row.with.is_empty() && !row.says.is_empty() && row.source.read.len() == 10, "{row:?}");
        for with in row.with {
            let listed = CODES.iter().any(|code| code.code == *with)
                || STATUSES
                    .iter()
                    .any(|status| u16::try_from(*with).is_ok_and(|with| status.status.contains(&with)));
            assert!(listed, "{with} of {row:?}");
            let found = messages::listed(*with, row.wording.text()).unwrap();
            assert_eq!((found.wording, found.with), (row.wording, row.with), "{row:?} is hidden");
        }
    }
    for (place, row) in STATUSES.iter().enumerate() {
        assert!(STATUSES[..place].iter().all(|earlier| earlier.status.end() < row.status.start()), "{row:?}");
        assert!(!row.says.is_empty() && row.source.page.contains("rest-api"), "{row:?}");
    }
}

#[test]
fn nothing_is_retryable_unless_it_was_not_done_or_only_reads() {
    for (row, means) in every_meaning() {
        for op in Op::ALL {
            let (certainty, retryable) = (means.certainty(*op), means.retryable(*op));
            assert!(!retryable || certainty == Certainty::NotDone || *op == Op::Query, "{row} {op}");
            if *op != Op::Query && certainty != Certainty::NotDone {
                assert!(!retryable, "{row} {op}");
                assert!(matches!(means.remedy(*op), Remedy::QueryFirst), "{row} {op}");
            }
            assert_eq!(retryable, matches!(means.remedy(*op), Remedy::Wait | Remedy::Resign));
        }
    }
}

/// What a retry does by itself must be no more than what people are told: a guarded or a once call repeats only what is
/// not done, and nothing that needs a new signature, a question or a human first.
#[test]
fn the_gateway_repeats_no_order_that_people_are_told_not_to() {
    for (row, means) in every_meaning() {
        let verdict = Verdict::of(means.seen());
        for effects in [Effects::Guarded, Effects::Once] {
            let repeats = verdict.may_repeat(effects);
            assert!(!repeats || means.remedy(Op::Order) == Remedy::Wait, "{row} {effects}");
            assert!(!repeats || verdict.certainty(effects) == Certainty::NotDone, "{row} {effects}");
        }
        assert_eq!(verdict.class(), means.class());
    }
}

#[test]
fn the_published_codes_say_what_they_must() {
    use Certainty::{AlreadyDone, NotDone, Partial, Unknown};
    #[rustfmt::skip]
    let rows: [(&str, &str, Certainty, bool, Class); 28] = [
        ("-1000", "", Unknown, false, Class::Overloaded),
        ("-1001", "", Unknown, false, Class::Overloaded),
        ("-1002", "", NotDone, false, Class::Auth),
        ("-1003", "", NotDone, true, Class::RateLimited),
        ("-1003", "Way too much request weight used; IP banned until 1700000000000. Please use WebSocket Streams.", NotDone, false, Class::Banned),
        ("-1006", "", Unknown, false, Class::Overloaded),
        ("-1007", "", Unknown, false, Class::Timeout),
        ("-1008", "", NotDone, true, Class::Overloaded),
        ("-1013", "Filter failure: LOT_SIZE", NotDone, false, Class::Invalid),
        ("-1015", "", NotDone, true, Class::RateLimited),
        ("-1021", "", NotDone, true, Class::Invalid),
        ("-1022", "", NotDone, false, Class::Auth),
        ("-1102", "", NotDone, false, Class::Invalid),
        ("-1111", "", NotDone, false, Class::Invalid),
        ("-2010", "", Unknown, false, Class::Invalid),
        ("-2010", "Something nobody has listed.", Unknown, false, Class::Invalid),
        ("-2010", "Duplicate order sent.", AlreadyDone, false, Class::Ok),
        ("-2010", "Account has insufficient balance for requested action.", NotDone, false, Class::QuotaGone),
        ("-2010", "market is closed", NotDone, false, Class::Invalid),
        ("-2010", "This account may not place or cancel orders.", NotDone, false, Class::Auth),
        ("-2010", "Filter failure: MAX_NUM_ORDERS", NotDone, false, Class::Invalid),
        ("-2013", "", Unknown, false, Class::Invalid),
        ("-2015", "", NotDone, false, Class::Auth),
        ("-2021", "", Partial, false, Class::Invalid),
        ("-2022", "", NotDone, false, Class::Invalid),
        ("418", "", NotDone, false, Class::Banned),
        ("429", "", NotDone, true, Class::RateLimited),
        ("503", "", Unknown, false, Class::Overloaded),
    ];
    for (code, message, certainty, retryable, class) in rows {
        let told = of(code, Op::Order, message);
        assert_eq!(
            (told.certainty, told.retryable, told.class),
            (certainty, retryable, class),
            "{code} {message}"
        );
    }
    // What changes nothing may be asked again, except where it is refused again.
    for (code, retryable) in
        [("-1006", true), ("-1007", true), ("-1001", true), ("-2013", true), ("-1102", false)]
    {
        assert_eq!(of(code, Op::Query, "").retryable, retryable, "{code}");
    }
    assert_eq!(of("-1001", Op::Query, "").certainty, NotDone);
    let cancel = of("-2011", Op::Cancel, "Unknown order sent.");
    assert_eq!((cancel.certainty, cancel.retryable, cancel.remedy), (Unknown, false, Remedy::QueryFirst));
}

#[test]
fn a_clock_that_is_wrong_needs_a_new_signature_and_not_the_same_bytes() {
    let told = of("-1021", Op::Order, "");
    assert_eq!(told.remedy, Remedy::Resign);
    assert!(told.advice.contains("/api/v3/time") && told.advice.contains("new timestamp"), "{}", told.advice);
    let verdict = classify(400, -1021, "Timestamp for this request is outside of the recvWindow.");
    assert!(
        Effects::ALL.iter().all(|effects| !verdict.may_repeat(*effects)),
        "the same bytes are refused again"
    );
    assert_eq!(verdict.certainty(Effects::Once), Certainty::NotDone);
}

#[test]
fn whoever_asks_about_an_unknown_order_is_told_about_the_fence() {
    for code in ["-1006", "-1007", "500"] {
        let advice = of(code, Op::Order, "").advice;
        for word in ["do not send it again", "origClientOrderId", "recvWindow + 10s", "twice"] {
            assert!(advice.contains(word), "{code}: {advice}");
        }
    }
    assert!(of("-2013", Op::Query, "").advice.contains("recvWindow + 10s"));
}

#[test]
fn codes_are_found_by_number_and_name_and_strangers_get_their_neighbours() {
    assert_eq!(of("-1006", Op::Order, ""), of(" 1006 ", Op::Order, ""));
    assert_eq!(of("timeout", Op::Cancel, "").code, -1007);
    assert_eq!(of("502", Op::Order, "").says, of("599", Op::Order, "").says);
    assert_eq!(explain("-1005", Op::Order, "").unwrap_err().near, [-1006, -1003]);
    assert_eq!(explain("419", Op::Order, "").unwrap_err().near, [418, 409]);
    for stranger in ["", "abc", "-", "--1006", "1e3", "99999999999"] {
        assert!(explain(stranger, Op::Order, "").unwrap_err().near.is_empty(), "{stranger}");
    }
    for number in [i32::MIN, i32::MAX, 0, 1, 200, 999, 1000] {
        assert!(explain(&number.to_string(), Op::Order, "").is_err() || number == 1000, "{number}");
    }
    assert!(explain("-1005", Op::Order, "").unwrap_err().to_string().contains("nearest are -1006 and -1003"));
}

#[test]
fn an_explanation_for_programs_has_the_published_keys() {
    let told = of("-1006", Op::Order, "").json();
    for (key, value) in
        [("class", json!("overloaded")), ("certainty", json!("unknown")), ("retryable", json!(false))]
    {
        assert_eq!(told[key], value);
    }
    assert!(told["advice"].as_str().unwrap().contains("do not send it again"));
}

#[test]
fn an_answer_is_read_by_status_code_and_message() {
    for (status, code, message, seen) in [
        (400, -1102, "Mandatory parameter 'side' was not sent, was empty/null, or malformed.", Seen::Invalid),
        (400, -1013, "Filter failure: PRICE_FILTER", Seen::Invalid),
        (400, -1000, "An unknown error occurred while processing the request.", Seen::ServerError),
        (
            400,
            -1006,
            "An unexpected response was received from the message bus. Execution status unknown.",
            Seen::ServerError,
        ),
        (408, -1007, "Timeout waiting for response from backend server.", Seen::TimedOut),
        (504, -1007, "Timeout waiting for response from backend server.", Seen::TimedOut),
        (400, -2010, "Account has insufficient balance for requested action.", Seen::QuotaGone),
        (400, -2010, "Duplicate order sent.", Seen::AlreadyDone),
        (400, -2010, "Words of tomorrow.", Seen::InDoubt),
        (400, -2011, "Unknown order sent.", Seen::InDoubt),
        (400, -2011, "Order was not canceled due to cancel restrictions.", Seen::Invalid),
        (400, -2013, "Order does not exist.", Seen::InDoubt),
        (400, -4116, "ClientOrderId is duplicated.", Seen::AlreadyDone),
        (400, -4164, "Order's notional must be no smaller than 5", Seen::Invalid),
        (400, -1210, "A code of tomorrow about form.", Seen::Invalid),
        (400, -2099, "A code of tomorrow.", Seen::InDoubt),
        (400, -2021, "Order would immediately trigger.", Seen::Invalid),
        (401, -2015, "Invalid API-key, IP, or permissions for action.", Seen::Denied),
        (401, -1002, "You are not authorized to execute this request.", Seen::Denied),
        (403, -1003, "Too many requests", Seen::RateLimited),
        (409, -2021, "Order cancel-replace partially failed.", Seen::InDoubt),
        (418, -1003, "Way too much request weight used; IP banned until 1700000000000.", Seen::Banned),
        (
            429,
            -1003,
            "Too much request weight used; current limit is 6000 request weight per 1 MINUTE.",
            Seen::RateLimited,
        ),
        (429, -1015, "Too many new orders; current limit is 50 orders per 10 SECOND.", Seen::RateLimited),
        (429, -1008, "Server is currently overloaded with other requests.", Seen::RateLimited),
        (400, -1008, "Server is currently overloaded with other requests.", Seen::UnavailableForNow),
        (503, -1008, "Request throttled by system-level protection.", Seen::ServerError),
        (503, -1000, "Unknown error, please check your request or try again later.", Seen::ServerError),
        (503, -1001, "Internal error; unable to process your request. Please try again.", Seen::ServerError),
        (503, -1016, "Service Unavailable.", Seen::UnavailableForNow),
        (500, -2010, "Account has insufficient balance for requested action.", Seen::ServerError),
    ] {
        assert_eq!(classify(status, code, message).seen, seen, "{status} {code} {message}");
    }
    let waf = classify_with(403, &[], "<html><body>403 Forbidden</body></html>");
    assert_eq!((waf.seen, waf.class()), (Seen::Banned, Class::Banned));
}

#[test]
fn a_body_that_cannot_be_read_leaves_what_the_status_proves() {
    let whole = json!({ "code": -2010, "msg": "Duplicate order sent." }).to_string();
    let long = format!("{}{whole}", " ".repeat(16 * 1024));
    let deep = "[".repeat(10_000);
    let mut bodies =
        vec!["", "null", "[]", "\u{1f}\u{8b}", r#"{"code": "-2010"}"#, r#"{"code": 1e300}"#, &long, &deep];
    bodies.extend((0..whole.len()).map(|cut| &whole[..cut]));
    for body in bodies {
        for (status, seen) in
            [(400, Seen::Invalid), (409, Seen::InDoubt), (418, Seen::Banned), (500, Seen::ServerError)]
        {
            assert_eq!(classify_with(status, &[], body).seen, seen, "{status} {body}");
        }
    }
    assert_eq!(classify_with(200, &[], &whole).seen, Seen::Success);
    assert_eq!(Binance.peek(StatusCode::OK), 0, "nothing is held back for an answer that went well");
}

/// The exchange: "It is important to NOT treat this as a failure operation; the execution status is UNKNOWN".
#[test]
fn a_5xx_is_unknown_whatever_code_it_carries() {
    let messages = MESSAGES.iter().filter(|row| !row.with.contains(&503)).map(|row| row.wording.text());
    for message in messages.chain([""]) {
        for row in CODES {
            for status in [500, 502, 503, 504, 520] {
                let verdict = classify_with(
                    status,
                    &[("retry-after", "1")],
                    &json!({ "code": row.code, "msg": message }).to_string(),
                );
                assert_eq!(
                    verdict.certainty(Effects::Guarded),
                    Certainty::Unknown,
                    "{status} {} {message}",
                    row.code
                );
                assert!(!verdict.may_repeat(Effects::Guarded) && !verdict.may_repeat(Effects::Once));
            }
        }
    }
    let only = classify(503, -1001, "Service Unavailable.");
    assert!(only.may_repeat(Effects::Guarded) && !only.may_repeat(Effects::Once));
    assert_eq!(
        classify_with(503, &[], "Service Unavailable.").seen,
        Seen::ServerError,
        "a page is not the exchange"
    );
}

#[test]
fn a_cancel_replace_is_read_to_its_halves() {
    let halves = |code: i32, new: Value| {
        let body = json!({
            "code": code, "msg": "Order cancel-replace failed.",
            "data": {
                "cancelResult": "FAILURE", "newOrderResult": "FAILURE",
                "cancelResponse": {"code": -2011, "msg": "Unknown order sent."}, "newOrderResponse": new,
            },
        });
        classify_with(400, &[], &body.to_string()).seen
    };
    assert_eq!(halves(-2022, Value::Null), Seen::Invalid);
    assert_eq!(halves(-2022, json!({"code": -1013, "msg": "Filter failure: LOT_SIZE"})), Seen::Invalid);
    assert_eq!(halves(-2022, json!({"code": -1007, "msg": "Timeout."})), Seen::InDoubt);
    assert_eq!(halves(-2022, json!({"code": -2010, "msg": "Duplicate order sent."})), Seen::InDoubt);
    assert_eq!(halves(-2021, json!({"symbol": "BTCUSDT", "orderId": 1})), Seen::InDoubt);
}

#[test]
fn a_ban_lasts_until_the_time_in_its_header_or_its_message() {
    let verdict = classify_with(418, &[("retry-after", "120")], "");
    assert_eq!(verdict, Verdict::of(Seen::Banned).after(Some(Duration::from_secs(120))));
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000);
    let left = |until: &str| {
        let message = format!(
            "Way too much request weight used; IP banned until {until}. Please use WebSocket Streams."
        );
        read::Answer::read(json!({ "code": -1003, "msg": message }).to_string().as_bytes()).banned_for(|| now)
    };
    assert_eq!(left("1700000090500"), Some(Duration::from_millis(90_500)));
    assert_eq!(left("1600000000000"), Some(Duration::ZERO));
    assert_eq!(left("18446744073709551615"), Some(seawall_core::provider::LONGEST_WAIT));
    for nonsense in ["", "tomorrow", "99999999999999999999999999", "-5"] {
        assert_eq!(left(nonsense), None, "{nonsense}");
    }
    let order = classify_with(429, &[], r#"{"code": -1015, "msg": "Too many new orders."}"#);
    assert_eq!(order.retry_after, None, "the order limit comes without one");
}

#[test]
fn whatever_changes_something_is_guarded_and_what_only_validates_is_not() {
    for (method, path) in [
        (Method::POST, "/api/v3/order"),
        (Method::DELETE, "/api/v3/order?symbol=BTCUSDT"),
        (Method::DELETE, "/api/v3/openOrders"),
        (Method::PUT, "/api/v3/order/amend/keepPriority"),
        (Method::POST, "/api/v3/order/cancelReplace"),
        (Method::POST, "/sapi/v1/capital/withdraw/apply"),
        (Method::POST, "/fapi/v1/batchOrders"),
        (Method::POST, "/something/new"),
        (Method::PATCH, "/"),
    ] {
        assert_eq!(Binance.effects(&method, path), Some(Effects::Guarded), "{method} {path}");
    }
    for path in
        ["/api/v3/order/test", "/api/v3/sor/order/test?computeCommissionRates=true", "/api/v3/userDataStream"]
    {
        assert_eq!(Binance.effects(&Method::POST, path), Some(Effects::Repeatable), "{path}");
    }
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(Binance.effects(&method, "/api/v3/order"), None);
    }
}

#[test]
fn a_refusal_is_a_timeout_in_doubt_busy_or_a_pace_when_not_sent_and_a_bad_request_when_hopeless() {
    let call = CallId::new();
    for code in Code::ALL {
        for certainty in Certainty::ALL {
            let rejection = Rejection::new(*code).certainty(*certainty);
            let status = StatusCode::from_u16(code.status()).unwrap();
            let refusal = Refusal { rejection: &rejection, status, call };
            let said: Value = serde_json::from_str(&Binance.dialect(&refusal).unwrap()).unwrap();
            let expected = match (certainty, code.status()) {
                (Certainty::NotDone, 429) => (429, -1003),
                (Certainty::NotDone, 409) => (504, -1007),
                (Certainty::NotDone, 400..=499) => (400, -1102),
                (Certainty::NotDone, _) => (503, -1008),
                _ => (504, -1007),
            };
            assert_eq!(
                (Binance.dialect_status(&refusal).as_u16(), said["code"].as_i64().unwrap()),
                expected,
                "{code}"
            );
            assert_eq!(said.as_object().unwrap().len(), 2, "{said}");
            let message = said["msg"].as_str().unwrap();
            assert!(message.contains(&code.to_string()) && message.contains(&call.to_string()), "{message}");
            // Read by another seawall, or by whoever has this table, it may claim no more than it does here.
            let read = classify_with(expected.0, &[], &said.to_string()).certainty(Effects::Guarded);
            assert!(
                read == Certainty::Unknown || *certainty == Certainty::NotDone,
                "{code} {certainty}: {read}"
            );
        }
    }
}
