//! What must not happen twice: under its key it is run by one, replayed to the others, and never run on a guess.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use seawall::Effects;
use seawall_core::store::Store;
use seawall_e2e::{Rig, Running, decision, eventually, ms, refused, remembered_by, upstream};
use seawall_gateway::plan::{Absent, Found, Once, Part, Probe};
use seawall_packs::stripe::Stripe;
use seawall_store::sqlite::{Options, Sqlite};
use seawall_testkit::client::{Answer, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(10);

/// An order under a key.
fn order(key: &str, body: &Value) -> Request {
    Request::post("/up/orders").header("idempotency-key", key).json(body)
}

fn one() -> Value {
    json!({ "symbol": "BTC", "quantity": 1 })
}

/// A route for orders at one upstream.
fn rig(up: &Upstream, once: Once) -> Rig {
    let mut rig = Rig::new(&up.url()).route("orders", "/up/orders", Some(Effects::Once));
    rig.plan.routes[0].once = once;
    rig
}

async fn gateway(script: impl Into<Script>) -> (Upstream, Running) {
    let up = Upstream::start(script).await.unwrap();
    let gateway = rig(&up, Once::default()).start();
    (up, gateway)
}

/// Every request is executed and gets its own number.
fn executing() -> Script {
    Script::per_path(|_, n| Reply::json(201, json!({ "order": n })).executing("order"))
}

fn effect(answer: &Answer) -> String {
    decision(answer, "effect")
}

async fn effects(gateway: &Running, query: &str) -> Vec<Value> {
    let answer = gateway.admin(&format!("/api/v1/effects{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json().unwrap()["effects"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_same_key_again_is_answered_with_the_same_status_and_bytes_and_nothing_is_sent() {
    let script = Script::per_path(|_, n| {
        Reply::json(201, json!({ "order": n }))
            .header("x-own", "ü")
            .header("location", "/orders/0")
            .executing("order")
    });
    let (up, gateway) = gateway(script).await;
    let first = gateway.send(order("k1", &one())).await;
    let again = gateway.send(order("k1", &one())).await;
    assert_eq!(
        (first.status, first.header("idempotent-replayed"), effect(&first)),
        (201, None, "done".into())
    );
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("location"), Some("/orders/0"));
    assert_eq!(effect(&again), "replayed");
    assert_eq!(decision(&again, "attempts"), "0");
    assert_eq!(up.ledger().executed("order").len(), 1);
    let other = gateway.send(order("k2", &one())).await;
    assert_ne!(other.body, first.body, "another key is another order, however equal");
    assert_eq!(up.ledger().executed("order").len(), 2);
    let name = "seawall_effect_replays_total{type=\"orders\"}";
    assert_eq!(gateway.metric(name).await, Some(1.0));
    let name = "seawall_effects_total{type=\"orders\",verdict=\"applied\"}";
    assert_eq!(gateway.metric(name).await, Some(2.0));
    let story = gateway.story(&again).await;
    assert_eq!(story["certainty"], "already-done");
}

#[tokio::test]
async fn of_many_callers_at_once_one_is_sent_and_the_others_are_told_to_ask_again() {
    let slow =
        Script::per_path(|_, n| Reply::json(201, json!({ "order": n })).executing("order").after(ms(300)));
    let (up, gateway) = gateway(slow).await;
    let answers = join_all((0..20).map(|_| gateway.send(order("k", &one())))).await;
    let (done, busy): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((done.len(), busy.len()), (1, 19));
    for answer in busy {
        assert_eq!(refused(answer), (409, "SW0036".into()));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(
            (answer.header("x-should-retry"), answer.header("stripe-should-retry")),
            (Some("true"), Some("true"))
        );
        assert_eq!(effect(answer), "open");
    }
    assert_eq!(gateway.send(order("k", &one())).await.header("idempotent-replayed"), Some("true"));
    assert_eq!(up.ledger().executed("order").len(), 1);
}

#[tokio::test]
async fn a_lost_reply_is_unknown_to_its_caller_and_in_doubt_to_every_other() {
    let (up, gateway) = gateway(Script::always(Reply::execute_then_drop("order"))).await;
    let first = gateway.send(order("k", &one())).await;
    assert_eq!(refused(&first), (502, "SW0012".into()));
    assert_eq!(seawall_e2e::problem(&first)["certainty"], "unknown");
    assert_eq!((first.header("x-should-retry"), effect(&first)), (Some("false"), "in-doubt".into()));
    for _ in 0..3 {
        let again = gateway.send(order("k", &one())).await;
        assert_eq!(refused(&again), (409, "SW0037".into()));
        assert_eq!((again.header("x-should-retry"), effect(&again)), (Some("false"), "in-doubt".into()));
    }
    assert_eq!(up.ledger().executed("order").len(), 1);
    let doubts = effects(&gateway, "?state=in-doubt").await;
    assert_eq!(doubts.len(), 1);
    assert_eq!(doubts[0]["name"], "seawall:effect:orders:k");
    assert_eq!(doubts[0]["reason"], "unknown");
    let gauge = "seawall_effects_in_doubt{type=\"orders\"}";
    eventually("the gauge says so", async || gateway.metric(gauge).await.filter(|count| *count == 1.0)).await;
    let status = gateway.admin("/api/v1/status").await.json().unwrap();
    assert_eq!((&status["effects_in_doubt"], &status["status"]), (&json!(1), &json!("healthy")));
}

#[tokio::test]
async fn an_upstreams_own_error_passes_and_its_caller_is_told_not_to_repeat_it() {
    let (up, gateway) =
        gateway(Script::always(Reply::json(500, json!({ "oh": "no" })).executing("order"))).await;
    let first = gateway.send(order("k", &one())).await;
    assert_eq!((first.status, first.header("x-should-retry")), (500, Some("false")));
    assert_eq!(first.text(), r#"{"oh":"no"}"#);
    assert_eq!(refused(&gateway.send(order("k", &one())).await), (409, "SW0037".into()));
    assert_eq!(up.ledger().executed("order").len(), 1);
}

#[tokio::test]
async fn what_was_not_done_frees_its_key_however_often() {
    let limited = Reply::status(429).header("retry-after", "0");
    let replies = (0..40).map(|_| limited.clone());
    let script = Script::sequence(replies).then(Reply::json(201, json!({ "order": 1 })).executing("order"));
    let up = Upstream::start(script).await.unwrap();
    let mut rig = rig(&up, Once::default());
    rig.plan.routes[0].calling.retry.attempts = 1;
    let gateway = rig.start();
    let mut last = 429;
    for _ in 0..60 {
        let answer = gateway.send(order("k", &one())).await;
        last = answer.status;
        if last == 201 {
            break;
        }
        assert_eq!((answer.status, effect(&answer)), (429, "open".into()));
    }
    assert_eq!((last, up.ledger().executed("order").len()), (201, 1));
}

#[tokio::test]
async fn a_final_refusal_is_a_result_and_is_replayed() {
    let script = Script::per_path(|_, n| Reply::json(402, json!({ "declined": n })));
    let (up, gateway) = gateway(script).await;
    let first = gateway.send(order("k", &one())).await;
    let again = gateway.send(order("k", &one())).await;
    assert_eq!((first.status, again.status, again.body == first.body), (402, 402, true));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn a_key_used_for_something_else_is_refused() {
    let (up, gateway) = gateway(executing()).await;
    gateway.send(order("k", &one())).await;
    for other in [
        order("k", &json!({ "symbol": "BTC", "quantity": 2 })),
        Request::post("/up/orders?dry=1").header("idempotency-key", "k").json(&one()),
        Request::new("PUT", "/up/orders").header("idempotency-key", "k").json(&one()),
    ] {
        let answer = gateway.send(other).await;
        assert_eq!(refused(&answer), (422, "SW0038".into()));
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    }
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn what_is_signed_anew_for_every_try_is_not_compared() {
    let up = Upstream::start(executing()).await.unwrap();
    let ignore = vec![Part::Query("ts".into()), Part::Body("nonce".into())];
    let gateway = rig(&up, Once { ignore, ..Once::default() }).start();
    let try_ = |n: u32, quantity: &str| {
        let body = format!("{{\"nonce\": {n}, \"quantity\": {quantity}}}");
        Request::post(format!("/up/orders?ts={n}"))
            .header("idempotency-key", "k")
            .header("content-type", "application/json")
            .body(body)
    };
    assert_eq!(gateway.send(try_(1, "1")).await.status, 201);
    assert_eq!(gateway.send(try_(2, "1")).await.header("idempotent-replayed"), Some("true"));
    // Digit by digit: no float is both.
    assert_eq!(gateway.send(try_(3, "1.00000000000000001")).await.status, 422);
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn nobody_replays_anothers_answer() {
    let (up, gateway) = gateway(executing()).await;
    let by = |who: &str| order("k", &one()).header("authorization", format!("Bearer {who}"));
    let ann = gateway.send(by("ann")).await;
    let bob = gateway.send(by("bob")).await;
    assert_eq!((bob.status, bob.header("idempotent-replayed")), (201, None));
    assert_ne!(ann.body, bob.body);
    assert_eq!(gateway.send(by("ann")).await.body, ann.body);
    // A cookie that changes beside a credential changes nothing.
    let again = gateway.send(by("ann").header("cookie", "session=2")).await;
    assert_eq!(again.body, ann.body);
    assert_eq!(up.ledger().executed("order").len(), 2);
    let keys: Vec<String> =
        up.ledger().requests().iter().map(|request| header(request, "idempotency-key")).collect();
    assert_eq!(keys, ["k", "k"], "the upstream tells them apart by their credentials");
}

fn header(request: &seawall_testkit::Request, name: &str) -> String {
    let found = request.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

#[tokio::test]
async fn behind_one_credential_of_ours_two_callers_keys_do_not_meet() {
    let up = Upstream::start(executing()).await.unwrap();
    let mut rig = rig(&up, Once::default());
    rig.up().auth = Some(seawall_gateway::plan::Credential {
        header: http::header::AUTHORIZATION,
        value: http::HeaderValue::from_static("Bearer ours"),
    });
    let gateway = rig.start();
    for who in ["ann", "bob"] {
        gateway.send(order("k", &one()).header("authorization", format!("Bearer {who}"))).await;
    }
    gateway.send(order("k", &one())).await;
    let keys: Vec<String> =
        up.ledger().requests().iter().map(|request| header(request, "idempotency-key")).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys[0] != keys[1] && keys[0].len() == 36 && keys[1].len() == 36, "{keys:?}");
    assert_eq!(keys[2], "k", "a caller without a credential is the only one of its kind");
}

#[tokio::test]
async fn a_key_is_read_required_made_up_and_sent_on_as_the_route_says() {
    let up = Upstream::start(executing()).await.unwrap();
    let named =
        Once { key: http::HeaderName::from_static("x-request-key"), require: true, ..Once::default() };
    let mut rig = rig(&up, named);
    rig.up().provider = Arc::new(Stripe);
    rig.up().dialect = Arc::new(seawall_core::provider::Http);
    let gateway = rig.start();
    let answer = gateway.send(Request::post("/up/orders").json(&one())).await;
    assert_eq!(refused(&answer), (400, "SW0039".into()));
    let answer = gateway.send(Request::post("/up/orders").header("x-request-key", "k").json(&one())).await;
    assert_eq!(answer.status, 201);
    let seen = up.ledger().requests()[0].clone();
    assert_eq!(
        (header(&seen, "idempotency-key"), header(&seen, "x-request-key")),
        ("k".into(), String::new())
    );

    let (up, gateway) = self::gateway(executing()).await;
    let answer = gateway.send(Request::post("/up/orders").json(&one())).await;
    assert_eq!((answer.status, effect(&answer)), (201, "done".into()));
    let made = header(&up.ledger().requests()[0], "idempotency-key");
    assert_eq!(
        Some(made.as_str()),
        answer.header("seawall-call"),
        "a call without a key is an operation of its own"
    );
    assert_eq!(gateway.send(Request::post("/up/orders").json(&one())).await.status, 201);
    assert_eq!(up.ledger().executed("order").len(), 2);
}

#[tokio::test]
async fn any_post_with_a_key_is_done_once_without_a_route() {
    let up = Upstream::start(executing()).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    for replayed in [None, Some("true")] {
        let answer = gateway.send(order("k", &one())).await;
        assert_eq!((answer.status, answer.header("idempotent-replayed")), (201, replayed));
    }
    assert_eq!(up.ledger().executed("order").len(), 1);
    let all = effects(&gateway, "").await;
    assert_eq!((all.len(), &all[0]["type"]), (1, &json!("upstream.up")));
    // A read with a key is a read.
    let get = Request::get("/up/orders").header("idempotency-key", "k");
    assert_eq!(effect(&gateway.send(get).await), "none");
}

#[tokio::test]
async fn keys_that_are_none_are_refused() {
    let (up, gateway) = gateway(executing()).await;
    for bad in [String::new(), "k".repeat(256), "ü".into(), "a\tb".into()] {
        let answer = gateway.send(order(&bad, &one())).await;
        assert_eq!(refused(&answer), (400, "SW0015".into()), "{bad}");
    }
    let twice = order("k", &one()).header("idempotency-key", "l");
    assert_eq!(refused(&gateway.send(twice).await), (400, "SW0015".into()));
    assert_eq!(gateway.send(order(&"k".repeat(255), &one())).await.status, 201);
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn a_body_that_cannot_be_compared_is_refused_before_anything_is_sent() {
    let (up, gateway) = gateway(executing()).await;
    let large = Request::post("/up/orders").header("idempotency-key", "k").body(vec![b'x'; (1 << 20) + 1]);
    assert_eq!(refused(&gateway.send(large).await), (413, "SW0020".into()));
    let fits = Request::post("/up/orders").header("idempotency-key", "k").body(vec![b'x'; 1 << 20]);
    assert_eq!(gateway.send(fits).await.status, 201);
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn an_answer_over_the_cap_streams_and_is_replayed_without_its_body() {
    let script = Script::per_path(|request, _| {
        let body = vec![b'x'; (1 << 20) + 5];
        match request.target.contains("chunked") {
            true => {
                Reply::chunked(body.chunks(70_000).map(<[u8]>::to_vec).collect::<Vec<_>>()).executing("order")
            }
            false => Reply::ok(body).executing("order"),
        }
    });
    let (up, gateway) = gateway(script).await;
    for (key, query) in [("a", ""), ("b", "?chunked")] {
        let request =
            || Request::post(format!("/up/orders{query}")).header("idempotency-key", key).json(&one());
        let first = gateway.send(request()).await;
        assert_eq!((first.status, first.body.len()), (200, (1 << 20) + 5));
        let again = gateway.send(request()).await;
        assert_eq!((again.status, again.body.len()), (200, 0));
        assert_eq!(
            (again.header("seawall-replay"), again.header("idempotent-replayed")),
            (Some("truncated"), Some("true"))
        );
    }
    assert_eq!(up.ledger().executed("order").len(), 2);
}

#[tokio::test]
async fn a_stream_flows_at_once_and_is_replayed_without_its_body() {
    let script = Script::always(Reply::sse(&["one", "two", "[DONE]"]).every(ms(50)).executing("order"));
    let (up, gateway) = gateway(script).await;
    let first = gateway.send(order("k", &one())).await;
    assert_eq!(
        (first.events(), effect(&first)),
        (vec!["one".into(), "two".into(), "[DONE]".into()], "done".into())
    );
    let again = gateway.send(order("k", &one())).await;
    assert_eq!((again.status, again.header("seawall-replay"), again.body.len()), (200, Some("truncated"), 0));
    assert_eq!(up.ledger().executed("order").len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_cut_before_it_is_whole_leaves_a_doubt() {
    let script = Script::always(Reply::ok("x".repeat(1000)).executing("order").cut_after_bytes(500));
    let (up, gateway) = gateway(script).await;
    let first = gateway.send(order("k", &one())).await;
    assert_eq!((refused(&first), effect(&first)), ((502, "SW0012".into()), "in-doubt".into()));
    assert_eq!(refused(&gateway.send(order("k", &one())).await), (409, "SW0037".into()));
    assert_eq!(up.ledger().executed("order").len(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_operation_to_its_end() {
    let script = Script::always(Reply::json(201, json!({ "order": 1 })).executing("order").after(ms(300)));
    let (up, gateway) = gateway(script).await;
    {
        let mut caller = gateway.connect().await;
        caller.send(&order("k", &one())).await.unwrap();
        assert!(up.ledger().wait_for_requests(1, PATIENCE).await);
    }
    let replayed = eventually("its answer is there", async || {
        let answer = gateway.send(order("k", &one())).await;
        (answer.status == 201).then_some(answer)
    })
    .await;
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    assert_eq!(up.ledger().executed("order").len(), 1);
}

#[tokio::test]
async fn a_wish_older_than_its_record_is_refused_where_it_says_so() {
    let up = Upstream::start(executing()).await.unwrap();
    let mut rig = rig(&up, Once::default());
    rig.plan.routes[0].allow.first_seen = true;
    let gateway = rig.start();
    // A UUID of version 7, made in 2020.
    let old = order("016f5e66-e800-7000-8000-000000000000", &one());
    assert_eq!(refused(&gateway.send(old).await), (409, "SW0040".into()));
    for long_ago in ["1577836800", "2020-01-01T00:00:00Z"] {
        let request = order("k", &one()).header("seawall-first-seen", long_ago);
        assert_eq!(refused(&gateway.send(request).await), (409, "SW0040".into()), "{long_ago}");
    }
    for nonsense in ["yesterday", "-1", "1e400", "NaN", ""] {
        let request = order("k", &one()).header("seawall-first-seen", nonsense);
        assert_eq!(refused(&gateway.send(request).await), (400, "SW0015".into()), "{nonsense}");
    }
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
    let request = order("k", &one()).header("seawall-first-seen", now);
    assert_eq!(gateway.send(request).await.status, 201);
    assert_eq!(up.ledger().request_count(), 1);
    assert_eq!(header(&up.ledger().requests()[0], "seawall-first-seen"), "");
}

/// An upstream that knows its orders by their keys, and loses replies.
fn exchange() -> Script {
    Script::with_ledger(|request, _, ledger| match request.method.as_str() {
        "POST" => {
            let lost = header(request, "x-lose") == "1";
            if header(request, "x-lose") == "before" {
                Reply::close()
            } else if lost {
                Reply::execute_then_drop("order")
            } else {
                Reply::json(201, json!({ "placed": true })).executing("order")
            }
        }
        _ => {
            let key = request.target.rsplit('/').next().unwrap_or("");
            match ledger.times("order", key) {
                0 => Reply::json(404, json!({ "error": "none" })),
                _ => Reply::json(200, json!({ "found": key })),
            }
        }
    })
}

fn asking(absent: Absent) -> Once {
    let probe = Probe {
        method: Method::GET,
        path: "/orders/{key}".into(),
        found: Found::Replay,
        absent,
        visibility: ms(0),
    };
    Once { probe: Some(probe), ..Once::default() }
}

#[tokio::test]
async fn a_doubt_is_asked_about_and_what_is_found_is_replayed() {
    let up = Upstream::start(exchange()).await.unwrap();
    let gateway = rig(&up, asking(Absent::Report)).start();
    let lost = gateway.send(order("k 1", &one()).header("x-lose", "1")).await;
    assert_eq!(refused(&lost), (502, "SW0012".into()));
    // The key is percent-encoded on its way, and the exchange compares what it was sent.
    let answer = eventually("the doubt ends", async || {
        let answer = gateway.send(order("k2", &one()).header("x-lose", "1")).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.text(), r#"{"found":"k2"}"#);
    assert_eq!(answer.header("idempotent-replayed"), Some("true"));
    assert_eq!(up.ledger().times("order", "k2"), 1);
    let done = effects(&gateway, "?state=done").await;
    assert_eq!((&done[0]["how"], &done[0]["truth"]), (&json!("reconciled"), &json!("applied")));
    let calls = gateway.admin("/api/v1/calls").await.json().unwrap();
    let probes = calls["calls"].as_array().unwrap().iter().filter(|call| call["method"] == "GET").count();
    assert!(probes > 0, "each question is a call with a story");
}

#[tokio::test]
async fn an_operator_decides_what_nobody_can_find_out() {
    let (up, gateway) = gateway(
        Script::sequence([Reply::execute_then_drop("order"), Reply::execute_then_drop("order")])
            .then(Reply::json(201, json!({ "order": 3 })).executing("order")),
    )
    .await;
    gateway.send(order("a", &one())).await;
    gateway.send(order("b", &one())).await;
    let id = async |name: &str| {
        let doubts = effects(&gateway, "?state=in-doubt").await;
        let found = doubts.iter().find(|effect| effect["name"] == format!("seawall:effect:orders:{name}"));
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (a, b) = (id("a").await, id("b").await);
    let decide = async |id: &str, body: Value| {
        let url = format!("http://{}/api/v1/effects/{id}/resolve", gateway.gateway.admin());
        seawall_testkit::client::post_json(&url, body).await.unwrap()
    };
    let signed = |outcome: &str, force: bool| json!({ "by": "ann", "reason": "asked them", "outcome": outcome, "force": force });
    assert_eq!(decide(&a, json!({ "outcome": "applied" })).await.status, 400, "who and why are missing");
    assert_eq!(decide(&a, json!({ "by": "ann", "reason": "x" })).await.status, 400, "what is missing");
    assert_eq!(decide(&a, signed("maybe", false)).await.status, 400);
    assert_eq!(decide("77", signed("applied", false)).await.status, 400);
    assert_eq!(decide(&"0".repeat(32), signed("applied", false)).await.status, 404);
    let decided = decide(&a, signed("applied", false)).await;
    assert_eq!((decided.status, decided.json().unwrap()["how"].clone()), (200, json!("forced")));
    let after = gateway.send(order("a", &one())).await;
    assert_eq!(refused(&after), (409, "SW0044".into()));
    assert_eq!(seawall_e2e::problem(&after)["certainty"], "already-done");
    // That it did not take place is believed when nothing can be under way any more, or by force.
    assert_eq!(decide(&b, signed("not-applied", false)).await.status, 409);
    assert_eq!(decide(&b, signed("not-applied", true)).await.status, 200);
    assert_eq!(gateway.send(order("b", &one())).await.status, 201);
    assert_eq!(up.ledger().executed("order").len(), 3);
    let audit = gateway.admin("/api/v1/audit").await.text();
    assert!(audit.contains("lever.resolve-effect") && audit.contains("lever.force-effect"), "{audit}");
    assert_eq!(decide(&a, signed("applied", false)).await.status, 404, "there is no doubt any more");
}

#[tokio::test]
async fn a_keyed_upstream_gets_the_same_key_again_and_the_doubt_ends() {
    // It recognises its keys, and loses the first reply.
    let script = Script::with_ledger(|request, _, ledger| {
        let key = header(request, "idempotency-key");
        if ledger.executed("order").is_empty() {
            return Reply::execute_then_drop("order");
        }
        let reply = Reply::json(201, json!({ "charge": key }));
        if ledger.times("order", &key) == 0 { reply.executing("order") } else { reply }
    });
    let up = Upstream::start(script).await.unwrap();
    let gateway = rig(&up, Once { keyed: Some(Duration::from_secs(24 * 3600)), ..Once::default() }).start();
    let first = gateway.send(order("k", &one())).await;
    assert_eq!(first.status, 502);
    let again = gateway.send(order("k", &one())).await;
    assert_eq!((again.status, again.text()), (201, r#"{"charge":"k"}"#.into()));
    assert_eq!((up.ledger().times("order", "k"), up.ledger().request_count()), (1, 2));
}

#[tokio::test]
async fn a_keyed_try_that_was_not_done_does_not_say_so_of_the_one_before() {
    let script =
        Script::sequence([Reply::execute_then_drop("order"), Reply::status(425), Reply::status(425)])
            .then(Reply::json(201, json!({ "charge": 1 })));
    let up = Upstream::start(script).await.unwrap();
    let once = Once { keyed: Some(Duration::from_secs(24 * 3600)), ..Once::default() };
    let mut rig = rig(&up, once);
    rig.plan.routes[0].calling.retry.attempts = 1;
    let gateway = rig.start();
    assert_eq!(gateway.send(order("k", &one())).await.status, 502);
    for _ in 0..2 {
        let again = gateway.send(order("k", &one())).await;
        assert_eq!((again.status, effect(&again)), (425, "in-doubt".into()));
        assert_eq!(gateway.story(&again).await["certainty"], "unknown");
        assert_eq!(effects(&gateway, "?state=in-doubt").await.len(), 1);
    }
    up.stop().await;
    let refused_at_the_door = gateway.send(order("k", &one())).await;
    let problem = seawall_e2e::problem(&refused_at_the_door);
    assert_eq!((refused_at_the_door.status, &problem["certainty"]), (502, &json!("unknown")), "{problem}");
}

#[tokio::test]
async fn a_journal_that_does_not_answer_lets_nothing_be_begun() {
    let up = Upstream::start(executing()).await.unwrap();
    let mut rig = rig(&up, Once::default());
    rig.plan.journal = remembered_by(Arc::new(Silent));
    let gateway = rig.start();
    let answer = gateway.send(order("k", &one())).await;
    assert_eq!((refused(&answer), answer.header("retry-after")), ((503, "SW0041".into()), Some("1")));
    assert_eq!(up.ledger().request_count(), 0);
    assert_eq!(gateway.get("/up/other").await.status, 201, "what needs no journal goes on");
    let reason = eventually("it says why", async || {
        let health = gateway.admin("/health").await.json()?;
        (health["status"] == "degraded").then(|| health["reasons"][0].as_str().unwrap().to_owned())
    })
    .await;
    assert!(reason.contains("the disk is gone"), "{reason}");
}

/// A store that has failed.
#[derive(Debug)]
struct Silent;

impl Store for Silent {
    fn ask(
        &self,
        _: seawall_core::effect::Operation,
    ) -> seawall_core::store::Asked<'_, seawall_core::store::Told> {
        Box::pin(std::future::ready(Err(broken())))
    }
    fn sweep(&self, _: usize) -> seawall_core::store::Asked<'_, seawall_core::store::Swept> {
        Box::pin(std::future::ready(Err(broken())))
    }
    fn list(
        &self,
        _: seawall_core::store::Wanted,
    ) -> seawall_core::store::Asked<'_, seawall_core::store::Page> {
        Box::pin(std::future::ready(Err(broken())))
    }
    fn promise(&self) -> seawall_core::store::Promise {
        seawall_core::store::Promise::Process
    }
}

fn broken() -> seawall_core::store::StoreError {
    seawall_core::store::StoreError::Broken("the disk is gone".into())
}

#[tokio::test]
async fn a_journal_in_a_file_outlives_the_gateway() {
    let up = Upstream::start(executing()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let open = async || Sqlite::open(dir.path(), &Options::default()).ok();
        let opened = eventually("the journal is free", open).await;
        let mut rig = rig(&up, Once::default());
        rig.plan.journal = remembered_by(Arc::new(opened.store));
        rig.start()
    };
    let gateway = start().await;
    let first = gateway.send(order("k", &one())).await;
    tokio::task::spawn_blocking(move || gateway.gateway.stop()).await.unwrap();
    let gateway = start().await;
    let again = gateway.send(order("k", &one())).await;
    assert_eq!(
        (again.status, &again.body, again.header("idempotent-replayed")),
        (201, &first.body, Some("true"))
    );
    assert_eq!(up.ledger().executed("order").len(), 1);
}

#[tokio::test]
async fn a_second_target_gets_it_only_where_the_first_provably_did_not() {
    let (first, second) = (
        Upstream::start(Script::always(Reply::status(503).header("retry-after", "0").executing("order")))
            .await
            .unwrap(),
        Upstream::start(executing()).await.unwrap(),
    );
    let mut rig = Rig::of([upstream("up", &first.url()), upstream("other", &second.url())]).route(
        "orders",
        "/up/orders",
        Some(Effects::Once),
    );
    rig.plan.routes[0].calling.retry.attempts = 1;
    let gateway = rig.start();
    assert_eq!(gateway.send(order("k", &one())).await.status, 503);
    assert_eq!(second.ledger().request_count(), 0, "a 503 proves nothing where it must not happen twice");
    first.play(Script::always(Reply::status(429)));
    assert_eq!(gateway.send(order("l", &one())).await.status, 201);
    assert_eq!(gateway.send(order("l", &one())).await.header("idempotent-replayed"), Some("true"));
    assert_eq!(second.ledger().executed("order").len(), 1);
}

#[tokio::test]
async fn pages_of_effects_follow_each_other_by_what_was_given() {
    let (_up, gateway) = gateway(executing()).await;
    let orders: Vec<String> = (0..130).map(|n| format!("an order & its #{n:03} %")).collect();
    join_all(orders.iter().map(|key| gateway.send(order(key, &one())))).await;
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        // As a script would: what was given goes into the URL as it is.
        let page = gateway.admin(&format!("/api/v1/effects?state=done{after}")).await.json().unwrap();
        let named = |effect: &Value| effect["name"].as_str().unwrap().to_owned();
        seen.extend(page["effects"].as_array().unwrap().iter().map(named));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert!(!after.is_empty(), "there was more than one page");
    let distinct: std::collections::HashSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (130, 130));
    let odd = gateway.admin("/api/v1/effects?after=7").await;
    assert_eq!((odd.status, odd.json().unwrap()["code"].clone()), (400, json!("SW0015")), "{}", odd.text());
}
