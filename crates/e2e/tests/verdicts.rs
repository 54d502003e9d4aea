//! How safe it is to repeat: the published table, every row under every word, through real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use seawall::{Effects, timeout};
use seawall_e2e::{Nowhere, Rig, Running, calling, code, decision, eventually, ms, problem, upstream};
use seawall_gateway::plan::{Allow, Once, Route};
use seawall_testkit::client::{Ended, Request};
use seawall_testkit::{Ledger, Reply, Script, Upstream};
use serde_json::{Value, json};

/// What the breaker sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaker {
    Failure,
    Success,
    Nothing,
}
use Breaker::{Failure, Nothing, Success};

/// One row, written down from the contract by hand. `again` names the words that send it again, by their initials.
struct Row {
    outcome: &'static str,
    /// None is a port where nobody listens.
    reply: Option<Reply>,
    again: &'static str,
    status: u16,
    code: Option<&'static str>,
    class: &'static str,
    certainty: &'static str,
    once: &'static str,
    breaker: Breaker,
}

/// A row of an answer that passes through as it is.
fn answered(
    outcome: &'static str,
    reply: Reply,
    again: &'static str,
    status: u16,
    class: &'static str,
    certainty: &'static str,
    breaker: Breaker,
) -> Row {
    Row { outcome, reply: Some(reply), again, status, code: None, class, certainty, once: certainty, breaker }
}

/// A row without an answer: ours stands in its place.
fn unanswered(
    outcome: &'static str,
    reply: Option<Reply>,
    again: &'static str,
    (status, code): (u16, &'static str),
    class: &'static str,
    certainty: &'static str,
) -> Row {
    let code = Some(code);
    Row { outcome, reply, again, status, code, class, certainty, once: certainty, breaker: Failure }
}

#[rustfmt::skip]
fn table() -> Vec<Row> {
    let s = Reply::status;
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    let lost = (502, "SW0012");
    vec![
        unanswered("connection refused",    None,                                    "RBGO", (502, "SW0011"), "transport", "not-done"),
        answered("200",                     Reply::ok("fine"),                       "", 200, "ok", "done", Success),
        answered("201",                     s(201),                                  "", 201, "ok", "done", Success),
        answered("204",                     s(204),                                  "", 204, "ok", "done", Success),
        answered("302",                     s(302).header("location", "/else"),      "", 302, "ok", "done", Success),
        answered("304",                     s(304),                                  "", 304, "ok", "done", Success),
        answered("307 + Retry-After",       s(307).header("retry-after", "60"),      "", 307, "ok", "done", Success),
        answered("429",                     s(429),                                  "RBGO", 429, "rate-limited", "not-done", Nothing),
        answered("429 + seconds",           s(429).header("retry-after", "0"),       "RBGO", 429, "rate-limited", "not-done", Nothing),
        answered("429 + HTTP-date",         s(429).header("retry-after", past),      "RBGO", 429, "rate-limited", "not-done", Nothing),
        answered("429 + retry-after-ms",    s(429).header("retry-after-ms", "5"),    "RBGO", 429, "rate-limited", "not-done", Nothing),
        answered("425",                     s(425),                                  "RBG", 425, "overloaded", "not-done", Nothing),
        Row { once: "unknown",
            ..answered("503 + Retry-After", s(503).header("retry-after", "0"),       "RBG", 503, "overloaded", "not-done", Failure) },
        Row { once: "unknown",
            ..answered("503 + retry-after-ms", s(503).header("retry-after-ms", "5"), "RBG", 503, "overloaded", "not-done", Failure) },
        answered("503",                     s(503),                                  "RB", 503, "overloaded", "unknown", Failure),
        answered("503 + nonsense",          s(503).header("retry-after", "soon"),    "RB", 503, "overloaded", "unknown", Failure),
        answered("408",                     s(408),                                  "RB", 408, "overloaded", "unknown", Failure),
        answered("500",                     s(500).body("oops"),                     "RB", 500, "overloaded", "unknown", Failure),
        answered("502",                     s(502),                                  "RB", 502, "overloaded", "unknown", Failure),
        answered("504",                     s(504),                                  "RB", 504, "overloaded", "unknown", Failure),
        answered("599",                     s(599),                                  "RB", 599, "overloaded", "unknown", Failure),
        unanswered("closed without a byte", Some(Reply::close()),                    "R", lost, "transport", "unknown"),
        unanswered("reset",                 Some(Reply::reset()),                    "R", lost, "transport", "unknown"),
        unanswered("garbage",               Some(Reply::garbage()),                  "R", (502, "SW0013"), "transport", "unknown"),
        unanswered(TIMED_OUT,               Some(Reply::stall()),                    "R", (504, "SW0009"), "timeout", "unknown"),
        answered(CUT,                       Reply::ok("hello").cut_after_bytes(3),   "", 200, "transport", "partial", Failure),
        answered("cut in mid-chunk",        Reply::chunked(["hello"]).cut_chunked_mid_chunk(), "", 200, "transport", "partial", Failure),
        answered("401",                     s(401),                                  "", 401, "auth", "not-done", Nothing),
        answered("403",                     s(403),                                  "", 403, "auth", "not-done", Nothing),
        answered("400",                     s(400),                                  "", 400, "invalid", "not-done", Nothing),
        answered("404 + Retry-After",       s(404).header("retry-after", "60"),      "", 404, "invalid", "not-done", Nothing),
        answered("409",                     s(409),                                  "", 409, "invalid", "not-done", Nothing),
        answered("422",                     s(422),                                  "", 422, "invalid", "not-done", Nothing),
    ]
}

const TIMED_OUT: &str = "timed out after the first byte left";
const CUT: &str = "body cut after its head";

/// What was seen of one call, spelled so that two of them can be compared.
#[derive(Debug, PartialEq)]
struct Line {
    status: u16,
    code: Option<String>,
    attempts: usize,
    class: String,
    certainty: String,
    breaker: (u64, Value),
}

#[tokio::test]
async fn every_outcome_is_repeated_counted_and_called_what_the_table_says_under_every_word() {
    let rows = table();
    let nowhere = Nowhere::new().unwrap();
    let mut upstreams = Vec::new();
    let mut standing = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let up = match &row.reply {
            Some(reply) => Some(Upstream::start(Script::always(reply.clone())).await.unwrap()),
            None => None,
        };
        let url = match &up {
            Some(up) => up.url(),
            None => nowhere.url(),
        };
        // One upstream for each word: its breaker and its budget see nothing else.
        upstreams.extend(Effects::ALL.iter().map(|word| upstream(&format!("{place}-{word}"), &url)));
        standing.push(up);
    }
    let mut rig = Rig::of(upstreams);
    for place in 0..rig.plan.upstreams.len() {
        let name = rig.plan.upstreams[place].name.clone();
        let mut calling = calling();
        if rows[place / 4].outcome == TIMED_OUT {
            calling.attempt = timeout::Options { first_byte: ms(150), ..calling.attempt };
        }
        rig.plan.routes.push(Route {
            path: format!("/{name}/**").parse().unwrap(),
            name,
            method: None,
            to: vec![place],
            effects: Some(Effects::ALL[place % 4]),
            calling,
            terminal: None,
            allow: Allow::default(),
            cache: None,
            inspect: None,
            hedge: None,
            once: Once::default(),
        });
    }
    let gateway = rig.start();
    let look = async |place: usize, row: &Row, word: Effects| {
        let ledger = standing[place].as_ref().map(Upstream::ledger);
        let seen = observe(&gateway, &format!("{place}-{word}"), &format!("/{word}"), ledger, row).await;
        let expected = expected(row, word);
        (seen != expected)
            .then(|| format!("{} under {word}:\n  expected {expected:?}\n  saw      {seen:?}", row.outcome))
    };
    let calls = rows
        .iter()
        .enumerate()
        .flat_map(|(place, row)| Effects::ALL.iter().map(move |word| (place, row, *word)))
        .map(|(place, row, word)| look(place, row, word));
    let wrong: Vec<String> = join_all(calls).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn expected(row: &Row, word: Effects) -> Line {
    let initial = word.as_str()[..1].to_uppercase();
    let attempts = if row.again.contains(&initial) { 3 } else { 1 };
    let held_back = word == Effects::Once && row.certainty == "partial";
    Line {
        // What must not happen twice is read whole before its head is passed on.
        status: if held_back { 502 } else { row.status },
        code: if held_back { Some("SW0012".to_owned()) } else { row.code.map(str::to_owned) },
        attempts,
        class: row.class.to_owned(),
        certainty: match word {
            Effects::Once if held_back => "unknown",
            Effects::Once => row.once,
            _ => row.certainty,
        }
        .to_owned(),
        breaker: match row.breaker {
            Failure => (attempts as u64, json!(1.0)),
            Success => (0, json!(0.0)),
            Nothing => (0, Value::Null),
        },
    }
}

/// Makes one call and looks at it from every side.
async fn observe(gateway: &Running, name: &str, path: &str, ledger: Option<Ledger>, row: &Row) -> Line {
    let partial = row.certainty == "partial";
    let cut = partial && path != "/once";
    let ours = row.code.is_some() || (partial && !cut);
    let answer = gateway.post(&format!("/{name}{path}"), &json!({ "some": "thing" })).await;
    assert_eq!(answer.ended == Ended::Complete, !cut, "{name}: {:?}", answer.ended);
    let story = gateway.ended_story(&answer).await;
    let attempts = story["attempts"].as_array().unwrap().len();
    assert_eq!(decision(&answer, "attempts"), attempts.to_string(), "{name}");
    if let Some(ledger) = ledger {
        let arrived = ledger.requests().iter().filter(|request| request.target == path).count();
        assert_eq!(arrived, attempts, "{name}: the upstream saw as many as the story tells");
    }
    if ours {
        assert_eq!(problem(&answer)["certainty"], story["certainty"], "{name}: problem and story agree");
    }
    // The breaker learns of a body's end after the caller has read it.
    let breaker = eventually("the breaker has heard of it", async || {
        let breaker = gateway.item("breakers", name).await;
        let counted = breaker["consecutive_failures"].as_u64().unwrap();
        let waiting = cut && counted == 0;
        (!waiting).then(|| (counted, breaker["failure_rate"].clone()))
    })
    .await;
    Line {
        status: answer.status,
        code: ours.then(|| code(&answer)),
        attempts,
        class: story["class"].as_str().unwrap().to_owned(),
        certainty: story["certainty"].as_str().unwrap().to_owned(),
        breaker,
    }
}

#[tokio::test]
async fn without_a_word_the_method_and_the_key_decide() {
    let up = Upstream::start(Script::always(Reply::ok("ok"))).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    for (method, key, word) in [
        ("GET", false, "repeatable"),
        ("HEAD", false, "repeatable"),
        ("OPTIONS", false, "repeatable"),
        ("PUT", false, "repeatable"),
        ("DELETE", false, "repeatable"),
        ("POST", false, "guarded"),
        ("PATCH", false, "guarded"),
        ("PROPFIND", false, "guarded"),
        ("GET", true, "repeatable"),
        ("PUT", true, "repeatable"),
        ("POST", true, "once"),
        ("PATCH", true, "once"),
    ] {
        let mut request = Request::new(method, "/up/x");
        if key {
            request = request.header("Idempotency-Key", "k-1");
        }
        let answer = gateway.send(request).await;
        assert_eq!(gateway.story(&answer).await["effects"], word, "{method}, key: {key}");
    }
}

#[tokio::test]
async fn a_routes_word_stands_above_the_method_and_the_key() {
    let up = Upstream::start(Script::always(Reply::status(500))).await.unwrap();
    let gateway = Rig::new(&up.url())
        .route("careful", "/up/careful", Some(Effects::Guarded))
        .route("free", "/up/free", Some(Effects::Repeatable))
        .start();
    let careful = gateway.get("/up/careful").await;
    assert_eq!((careful.status, decision(&careful, "attempts").as_str()), (500, "1"));
    assert_eq!(decision(&careful, "stopped"), "not-safe-to-repeat");
    let free = Request::post("/up/free").header("idempotency-key", "k").body("x");
    assert_eq!(decision(&gateway.send(free).await, "attempts"), "3");
}

/// How long after its first request an upstream saw the second.
async fn gap(header: (&str, &str)) -> Duration {
    let script = Script::sequence([Reply::status(429).header(header.0, header.1)]).then(Reply::ok("ok"));
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let answer = gateway.post("/up/x", &json!({})).await;
    assert_eq!((answer.status, decision(&answer, "attempts").as_str()), (200, "2"));
    let seen = up.ledger().requests();
    seen[1].at - seen[0].at
}

#[tokio::test]
async fn a_retry_after_is_a_floor_under_the_pause() {
    let (seconds, millis, rather_millis) = tokio::join!(
        gap(("Retry-After", "1")),
        gap(("retry-after-ms", "300")),
        gap(("Retry-After-Ms", "200.5")),
    );
    assert!(seconds >= ms(1000), "{seconds:?}");
    assert!(millis >= ms(300), "{millis:?}");
    assert!(rather_millis >= ms(200), "{rather_millis:?}");
}

#[tokio::test]
async fn a_retry_after_beyond_the_deadline_is_not_waited_for_and_passes_through() {
    let date = seawall_e2e::http_date(Duration::from_secs(60));
    for (header, value) in [("retry-after", "60"), ("retry-after", &*date), ("retry-after-ms", "60000")] {
        for status in [429, 503] {
            let reply = Reply::status(status).header(header, value).body("come back later");
            let up = Upstream::start(Script::always(reply)).await.unwrap();
            let gateway = Rig::new(&up.url()).start();
            let answer = gateway.get("/up/x").await;
            assert_eq!((answer.status, answer.text().as_str()), (status, "come back later"));
            assert_eq!(answer.header(header), Some(value), "the upstream's own header is kept");
            assert_eq!(decision(&answer, "stopped"), "deadline");
            assert_eq!(up.ledger().request_count(), 1);
        }
    }
}

#[tokio::test]
async fn a_guarded_order_is_sent_again_after_not_done_and_no_more_after_unknown() {
    let script = Script::sequence([
        Reply::status(503).header("retry-after", "0"),
        Reply::execute_then_drop("order"),
        Reply::ok("never"),
    ]);
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let answer = gateway.post("/up/orders", &json!({ "id": "7" })).await;
    let problem = problem(&answer);
    assert_eq!((answer.status, &problem["certainty"]), (502, &json!("unknown")));
    assert_eq!(up.ledger().request_count(), 2);
    assert_eq!(up.ledger().times("order", "7"), 1);
}

#[tokio::test]
async fn what_one_attempt_may_have_done_stays_unknown_whatever_the_next_one_saw() {
    // The first may have been processed; that the second never arrived does not undo it.
    let up = Upstream::start(Script::always(Reply::status(500))).await.unwrap();
    let nowhere = Nowhere::new().unwrap();
    let mut rig = Rig::of([upstream("up", &up.url()), upstream("gone", &nowhere.url())]).route(
        "chat",
        "/up/**",
        Some(Effects::Billable),
    );
    rig.plan.routes[0].calling.retry.attempts = 1;
    let gateway = rig.start();
    let answer = gateway.post("/up/chat", &json!({})).await;
    let problem = problem(&answer);
    assert_eq!((answer.status, &problem["code"]), (502, &json!("SW0011")), "{problem}");
    assert_eq!(problem["certainty"], "unknown");
    assert_eq!(gateway.story(&answer).await["certainty"], "unknown");
}

#[tokio::test]
async fn a_deadline_that_passes_after_the_first_byte_left_is_unknown_and_ends_the_call() {
    let up = Upstream::start(Script::always(Reply::stall())).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().defaults.deadline = ms(200);
    let gateway = rig.start();
    for method in [Method::GET, Method::POST] {
        let answer = gateway.send(Request::new(method.as_str(), "/up/x")).await;
        let problem = problem(&answer);
        assert_eq!((answer.status, &problem["code"]), (504, &json!("SW0008")));
        assert_eq!(problem["certainty"], "unknown");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    }
    assert_eq!(up.ledger().request_count(), 2, "one attempt each");
}

#[tokio::test]
async fn a_second_attempt_has_more_patience_where_patience_escalates() {
    for (escalate, status) in [(1.0, 504), (10.0, 200)] {
        let up = Upstream::start(Script::always(Reply::slow_head(ms(400)))).await.unwrap();
        let mut rig = Rig::new(&up.url());
        let attempt = &mut rig.up().defaults.attempt;
        (attempt.first_byte, attempt.escalate) = (ms(100), escalate);
        let answer = rig.start().get("/up/x").await;
        assert_eq!(answer.status, status, "×{escalate}");
        assert_eq!(decision(&answer, "attempts"), if status == 200 { "2" } else { "3" });
    }
}

#[tokio::test]
async fn a_redirect_is_the_callers_to_follow() {
    let script = Script::always(Reply::status(307).header("location", "http://elsewhere.example/x"));
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, answer.header("location")), (307, Some("http://elsewhere.example/x")));
    assert_eq!(up.ledger().request_count(), 1);
}
