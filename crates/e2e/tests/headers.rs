//! What passes, what stops here, and what every answer says about its call.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use http::HeaderValue;
use http::header::AUTHORIZATION;
use seawall::{Effects, breaker};
use seawall_e2e::{Nowhere, Rig, code, decision, ms, problem, requests, upstream};
use seawall_gateway::plan::{Allow, Credential, Limit};
use seawall_testkit::client::{self, Answer, Client, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::json;

async fn answering(reply: Reply) -> Upstream {
    Upstream::start(Script::always(reply)).await.unwrap()
}

/// A UUID of version 7, as RFC 9562 writes it.
fn is_uuid_v7(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'7',
            19 => b"89ab".contains(&byte),
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// The call's id, after a look at both headers that every answer bears.
fn named(answer: &Answer) -> String {
    let id = answer.header("seawall-call").unwrap_or_else(|| panic!("no call in {:?}", answer.headers));
    assert!(is_uuid_v7(id), "{id}");
    let line = answer.header("seawall-decision").expect("no decision");
    for part in line.split("; ") {
        let (key, value) = part.split_once('=').unwrap_or_else(|| panic!("{part:?} is no key=value"));
        assert!(!key.is_empty() && !value.is_empty(), "{line}");
    }
    decision(answer, "upstream");
    decision(answer, "attempts").parse::<u32>().unwrap();
    id.to_owned()
}

#[tokio::test]
async fn every_answer_names_its_call_and_says_what_was_decided() {
    let script = Script::per_path(|request, _| match request.path() {
        "/missing" => Reply::status(404),
        "/broken" => Reply::status(500),
        "/lost" => Reply::close(),
        "/stuck" => Reply::stall(),
        "/slow-down" => Reply::status(429).header("retry-after", "0"),
        _ => Reply::ok("fine"),
    });
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::of(["up", "limited", "open", "drained"].map(|name| upstream(name, &up.url()))).route(
        "stuck",
        "/up/stuck",
        None,
    );
    rig.plan.routes[0].to = vec![0];
    rig.plan.routes[0].calling.attempt.first_byte = ms(60);
    rig.plan.routes[0].calling.retry.attempts = 1;
    rig.up().breaker = breaker::Options::off();
    rig.plan.upstreams[1].limits = vec![requests(1, ms(60_000))];
    rig.plan.upstreams[1].queue.wait = ms(0);
    let nowhere = Nowhere::new().unwrap();
    rig.plan.upstreams.push(upstream("gone", &nowhere.url()));
    let gateway = rig.start();
    assert_eq!(gateway.lever("/api/v1/breakers/open/force-open").await.status, 200);
    let mut ids = Vec::new();
    let mut note = |answer: &Answer, status: u16| {
        assert_eq!(answer.status, status, "{}", answer.text());
        ids.push(named(answer));
    };
    note(&gateway.get("/limited/first").await, 200);
    for (path, status) in [
        ("/up/fine", 200),
        ("/up/missing", 404),
        ("/up/broken", 500),
        ("/up/slow-down", 429),
        ("/up/lost", 502),
        ("/up/stuck", 504),
        ("/gone/x", 502),
        ("/limited/second", 429),
        ("/open/x", 503),
        ("/nobody/x", 404),
        ("/", 404),
        ("/fetch/ftp", 400),
        ("/fetch/http://elsewhere.example/", 403),
    ] {
        note(&gateway.get(path).await, status);
    }
    note(&gateway.send(Request::get("/up/x").header("origin", "https://evil.example")).await, 403);
    note(&gateway.send(Request::get("/up/x").header("host", "evil.example")).await, 403);
    note(&gateway.send(Request::head("/up/x")).await, 200);
    let mut raw = Client::connect(gateway.gateway.listen()).await.unwrap();
    raw.send_raw("GET /up/x HTTP/1.1\r\n\r\n").await.unwrap();
    note(&raw.answer().await.unwrap(), 400);
    assert_eq!(gateway.lever("/api/v1/drain").await.status, 200);
    note(&gateway.get("/up/fine").await, 503);
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "an id is never given twice");
    for id in ids {
        assert_eq!(gateway.admin(&format!("/api/v1/calls/{id}")).await.status, 200, "{id} has a story");
    }
}

#[tokio::test]
async fn a_refusal_says_in_json_what_who_why_and_when() {
    let up = answering(Reply::ok("ok")).await;
    let mut rig = Rig::new(&up.url());
    rig.up().limits = vec![requests(1, ms(30_000))];
    rig.up().queue.wait = ms(0);
    let gateway = rig.start();
    assert_eq!(gateway.get("/up/x").await.status, 200);
    let answer = gateway.get("/up/x").await;
    let problem = problem(&answer);
    assert!(problem["type"].as_str().unwrap().ends_with("SW0001"), "{problem}");
    assert!(!problem["title"].as_str().unwrap().is_empty());
    assert!(!problem["detail"].as_str().unwrap().is_empty());
    assert_eq!(problem["status"], 429);
    assert_eq!(problem["code"], "SW0001");
    assert_eq!(problem["call"], named(&answer));
    assert_eq!(problem["policy"], "limiter");
    assert_eq!(problem["certainty"], "not-done");
    let millis = problem["retry_after_ms"].as_u64().unwrap();
    assert!((1..=31_500).contains(&millis), "{millis}");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(seconds, millis.div_ceil(1000), "rounded up, never down");
    assert_eq!(answer.header("x-should-retry"), None, "the caller may come back");
}

#[tokio::test]
async fn every_429_and_503_of_our_own_says_when_to_come_back() {
    let up = answering(Reply::ok("ok")).await;
    let names = ["limited", "full", "crowded", "forced", "broken", "paused"];
    let mut rig = Rig::of(names.map(|name| upstream(name, &up.url())));
    for limited in [0, 1] {
        rig.plan.upstreams[limited].limits = vec![requests(1, ms(5_000))];
    }
    rig.plan.upstreams[0].queue.wait = ms(0);
    rig.plan.upstreams[1].queue.max = 0;
    rig.plan.upstreams[2].limits = vec![Limit::Concurrent(1, None)];
    rig.plan.upstreams[2].queue.wait = ms(0);
    let broken = answering(Reply::status(500)).await;
    rig.plan.upstreams[4].url = broken.url().parse().unwrap();
    rig.plan.upstreams[4].breaker.consecutive = 1;
    let pausing = answering(Reply::status(429).header("retry-after", "3000")).await;
    rig.plan.upstreams[5].url = pausing.url().parse().unwrap();
    let gateway = rig.start();
    gateway.get("/limited/x").await;
    gateway.get("/full/x").await;
    gateway.get("/paused/x").await;
    gateway.post("/broken/x", &json!({})).await;
    gateway.lever("/api/v1/breakers/forced/force-open").await;
    up.play(Script::per_path(|request, _| match request.path() {
        "/long" => Reply::ok("long").stall_after_bytes(4),
        _ => Reply::ok("ok"),
    }));
    let stream = client::stream(&gateway.url("/crowded/long"), Request::get("")).await.unwrap();
    for (path, status, expected) in [
        ("/limited/x", 429, "SW0001"),
        ("/full/x", 429, "SW0002"),
        ("/paused/x", 429, "SW0003"),
        ("/broken/x", 503, "SW0004"),
        ("/forced/x", 503, "SW0005"),
        ("/crowded/x", 503, "SW0006"),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, code(&answer).as_str()), (status, expected), "{path}");
        let seconds: u64 = answer.header("retry-after").unwrap_or_else(|| panic!("{path}")).parse().unwrap();
        let millis = problem(&answer)["retry_after_ms"].as_u64().unwrap();
        assert_eq!(seconds, millis.div_ceil(1000), "{path}");
        assert!(seconds >= 1, "{path}");
    }
    drop(stream);
    gateway.lever("/api/v1/drain").await;
    let answer = gateway.get("/limited/x").await;
    assert_eq!((code(&answer).as_str(), answer.header("retry-after").is_some()), ("SW0014", true));
}

fn advice(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("x-should-retry"), answer.header("stripe-should-retry"))
}

const DO_NOT: (Option<&str>, Option<&str>) = (Some("false"), Some("false"));

#[tokio::test]
async fn a_clients_sdk_is_told_not_to_retry_what_we_have_retried() {
    let up = answering(Reply::status(500).header("x-should-retry", "true")).await;
    let gateway = Rig::new(&up.url()).start();
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, decision(&answer, "attempts").as_str()), (500, "3"));
    assert_eq!(advice(&answer), DO_NOT);
}

#[tokio::test]
async fn an_upstream_error_that_we_did_not_retry_is_left_to_the_caller() {
    for status in [500, 409, 404, 401] {
        let up = answering(Reply::status(status)).await;
        let gateway = Rig::new(&up.url()).start();
        let answer = gateway.post("/up/x", &json!({})).await;
        assert_eq!((answer.status, decision(&answer, "attempts").as_str()), (status, "1"));
        assert_eq!(advice(&answer), (None, None), "{status}");
    }
}

#[tokio::test]
async fn a_success_after_retries_says_nothing_about_retrying() {
    let script = Script::sequence([Reply::status(503)]).then(Reply::ok("ok"));
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, advice(&answer)), (200, (None, None)));
}

#[tokio::test]
async fn our_own_permanent_and_unknown_answers_are_not_to_be_retried() {
    let up = answering(Reply::close()).await;
    let gateway = Rig::new(&up.url()).start();
    let unknown = gateway.post("/up/x", &json!({})).await;
    assert_eq!((unknown.status, advice(&unknown)), (502, DO_NOT));
    let nobody = gateway.get("/nobody/x").await;
    assert_eq!((nobody.status, advice(&nobody)), (404, DO_NOT));
    let foreign = gateway.send(Request::get("/up/x").header("host", "evil.example")).await;
    assert_eq!((foreign.status, advice(&foreign)), (403, DO_NOT));
}

#[tokio::test]
async fn the_retries_a_client_has_made_itself_lower_our_attempts() {
    let up = answering(Reply::status(500)).await;
    let gateway = Rig::new(&up.url()).start();
    for (count, attempts) in [("0", "3"), ("1", "2"), ("2", "1"), ("9", "1"), ("many", "3")] {
        let request = Request::get("/up/x").header("x-stainless-retry-count", count);
        let answer = gateway.send(request).await;
        assert_eq!(decision(&answer, "attempts"), attempts, "retry count {count}");
        gateway.lever("/api/v1/breakers/up/reset").await;
    }
}

#[tokio::test]
async fn headers_about_one_connection_stop_at_it_both_ways() {
    let reply = Reply::ok("ok")
        .header("connection", "keep-alive, X-Inner")
        .header("x-inner", "secret")
        .header("keep-alive", "timeout=5")
        .header("proxy-authenticate", "Basic")
        .header("x-outer", "kept");
    let up = answering(reply).await;
    let gateway = Rig::new(&up.url()).start();
    let request = Request::get("/up/x")
        .header("Connection", "keep-alive, X-Secret, host, content-length")
        .header("X-Secret", "hush")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authorization", "Basic c2VjcmV0")
        .header("TE", "gzip")
        .header("X-Kept", "kept")
        .body("four");
    let answer = gateway.send(request).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    for gone in ["x-inner", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
    assert_eq!(answer.header("x-outer"), Some("kept"));
    let seen = &up.ledger().requests()[0];
    for gone in ["x-secret", "keep-alive", "proxy-connection", "proxy-authorization", "te"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    assert_eq!((seen.header("x-kept"), seen.body.as_ref()), (Some("kept"), &b"four"[..]));
    assert_eq!(seen.header("host"), Some(up.addr().to_string().as_str()), "Host is the upstream's");
}

#[tokio::test]
async fn repeated_headers_stay_repeated_both_ways() {
    let up = answering(Reply::ok("ok").header("set-cookie", "a=1").header("set-cookie", "b=2")).await;
    let gateway = Rig::new(&up.url()).start();
    let answer = gateway.send(Request::get("/up/x").header("x-many", "1").header("x-many", "2, 3")).await;
    let cookies: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| &**value).collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    let seen = &up.ledger().requests()[0];
    assert_eq!(seen.headers_named("x-many").collect::<Vec<_>>(), ["1", "2, 3"]);
}

#[tokio::test]
async fn a_trace_is_continued_or_begun_with_the_call() {
    let up = answering(Reply::ok("ok")).await;
    let gateway = Rig::new(&up.url()).start();
    let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let request = Request::get("/up/x").header("traceparent", own).header("tracestate", "a=1");
    gateway.send(request).await;
    let begun = gateway.get("/up/x").await;
    let call = begun.header("seawall-call").unwrap().replace('-', "");
    let seen = up.ledger().requests();
    let continued = seen[0].header("traceparent").unwrap();
    assert!(continued.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{continued}");
    assert!(continued.ends_with("-00"), "the caller's flags are kept: {continued}");
    assert!(!continued.contains("b7ad6b7169203331"), "a span of our own: {continued}");
    assert_eq!(seen[0].header("tracestate"), Some("a=1"));
    let fresh = seen[1].header("traceparent").unwrap();
    assert!(fresh.starts_with(&format!("00-{call}-")), "{fresh}");
}

const TO_US: [(&str, &str); 5] = [
    ("Seawall-Effects", "repeatable"),
    ("Seawall-Deadline", "150ms"),
    ("Seawall-Tenant", "acme"),
    ("Seawall-Priority", "1"),
    ("Seawall-First-Seen", "2020-01-01T00:00:00Z"),
];

fn to_us(request: Request) -> Request {
    TO_US.into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

#[tokio::test]
async fn a_callers_words_to_us_are_ignored_and_never_sent_on() {
    let up = answering(Reply::status(500).after(ms(200))).await;
    let gateway = Rig::new(&up.url()).start();
    let answer = gateway.send(to_us(Request::post("/up/x"))).await;
    assert_eq!(
        (answer.status, decision(&answer, "attempts").as_str()),
        (500, "1"),
        "not repeatable, not late"
    );
    let seen = &up.ledger().requests()[0];
    assert!(!seen.headers.iter().any(|(name, _)| name.starts_with("seawall-")), "{:?}", seen.headers);
}

#[tokio::test]
async fn a_route_may_allow_its_callers_words() {
    let up = answering(Reply::status(500)).await;
    let mut rig = Rig::new(&up.url()).route("free", "/up/**", Some(Effects::Guarded));
    rig.plan.routes[0].allow = Allow { effects: true, deadline: true, ..Allow::default() };
    let gateway = rig.start();
    let answer = gateway.send(Request::post("/up/x").header("seawall-effects", "repeatable").body("x")).await;
    assert_eq!(decision(&answer, "attempts"), "3");
    up.play(Script::always(Reply::stall()));
    gateway.lever("/api/v1/breakers/up/reset").await;
    let answer = gateway.send(to_us(Request::get("/up/x"))).await;
    assert_eq!((answer.status, code(&answer).as_str()), (504, "SW0008"), "within its own deadline");
    let sent = up.ledger().requests();
    assert!(sent.iter().all(|request| request.headers.iter().all(|(name, _)| !name.starts_with("seawall-"))));
}

#[tokio::test]
async fn a_caller_may_shorten_its_deadline_and_not_lengthen_it() {
    let up = answering(Reply::stall()).await;
    let mut rig = Rig::new(&up.url()).route("free", "/up/**", None);
    rig.plan.routes[0].allow.deadline = true;
    rig.plan.routes[0].calling.deadline = ms(150);
    let gateway = rig.start();
    let answer = gateway.send(Request::get("/up/x").header("seawall-deadline", "1h")).await;
    assert_eq!((answer.status, code(&answer).as_str()), (504, "SW0008"));
}

const KEYS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

fn with_keys(request: Request) -> Request {
    KEYS.into_iter().fold(request, |request, name| request.header(name, "callers-own-key"))
}

#[tokio::test]
async fn an_upstreams_credential_replaces_the_callers_own() {
    let up = answering(Reply::ok("ok")).await;
    let mut rig = Rig::of(["mine", "theirs"].map(|name| upstream(name, &up.url())));
    let value = HeaderValue::from_static("Bearer ours");
    rig.plan.upstreams[0].auth = Some(Credential { header: AUTHORIZATION, value });
    let gateway = rig.start();
    let ours = gateway.send(with_keys(Request::get("/mine/x?key=in-the-query"))).await;
    gateway.send(with_keys(Request::get("/theirs/x"))).await;
    let seen = up.ledger().requests();
    let keys: Vec<_> = KEYS.iter().flat_map(|name| seen[0].headers_named(name)).collect();
    assert_eq!(keys, ["Bearer ours"], "ours, once, and nothing of the caller's");
    assert_eq!(KEYS.map(|name| seen[1].header(name)), [Some("callers-own-key"); 4], "without ours, theirs");
    let story = gateway.story(&ours).await.to_string();
    for secret in ["Bearer ours", "callers-own-key", "in-the-query"] {
        assert!(!story.contains(secret), "a story holds no secrets: {story}");
    }
}

#[tokio::test]
async fn a_fallback_never_carries_the_callers_credentials_to_another_upstream() {
    let nowhere = Nowhere::new().unwrap();
    let (plain, own) = (answering(Reply::status(429)).await, answering(Reply::ok("ok")).await);
    let mut rig = Rig::of([
        upstream("first", &nowhere.url()),
        upstream("second", &plain.url()),
        upstream("third", &own.url()),
    ])
    .route("all", "/first/**", Some(Effects::Guarded));
    rig.plan.routes[0].calling.retry.attempts = 1;
    let value = HeaderValue::from_static("Bearer third");
    rig.plan.upstreams[2].auth = Some(Credential { header: AUTHORIZATION, value });
    let gateway = rig.start();
    let request = with_keys(Request::post("/first/x"))
        .header("Cookie", "session=callers-own-key")
        .header("x-kept", "kept")
        .json(&json!({ "n": 1 }));
    let answer = gateway.send(request).await;
    assert_eq!((answer.status, decision(&answer, "upstream").as_str()), (200, "third"));
    for (up, authorization) in [(&plain, None), (&own, Some("Bearer third"))] {
        let seen = &up.ledger().requests()[0];
        assert_eq!(seen.header("authorization"), authorization);
        assert!(
            seen.headers.iter().all(|(_, value)| !value.contains("callers-own-key")),
            "{:?}",
            seen.headers
        );
        assert_eq!((seen.header("x-kept"), seen.json()), (Some("kept"), Some(json!({ "n": 1 }))));
        assert_eq!(seen.header("host"), Some(up.addr().to_string().as_str()));
    }
}

#[tokio::test]
async fn path_and_query_go_on_byte_for_byte() {
    let up = answering(Reply::ok("ok")).await;
    let base = format!("{}/base/v1", up.url());
    let rig = Rig::of([
        upstream("up", &up.url()),
        upstream("based", &base),
        upstream("slashed", &format!("{base}/")),
    ]);
    let gateway = rig.start();
    let paths = [
        "/",
        "/x",
        "/x?",
        "/?x=1",
        "/x/",
        "//double//slash//",
        "/a%2Fb",
        "/a%2fb%20c%00%ff",
        "/half%",
        "/;p=1;q/x;y?a=1;b=2",
        "/x?a=1&&b=%26&c=+%2B&d",
        "/x?a=b?c=d/e//f",
        "/~!$&'()*+,;=:@-._",
        "/.././x/.",
        "/%C3%A9?%C3%A9",
        "/a|b{c}[d]?{x:[1]}|^`\\",
        "/é?é",
        "/http://other.example/x",
    ];
    let mut client = Client::connect(gateway.gateway.listen()).await.unwrap();
    let mut expected = Vec::new();
    for path in paths {
        for (name, base) in [("up", ""), ("based", "/base/v1"), ("slashed", "/base/v1")] {
            let answer = client.call(&Request::get(format!("/{name}{path}"))).await.unwrap();
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            expected.push(format!("{base}{path}"));
        }
    }
    for (bare, target) in
        [("/up", "/"), ("/up?x=1", "/?x=1"), ("/based", "/base/v1"), ("/based?x", "/base/v1?x")]
    {
        assert_eq!(client.call(&Request::get(bare)).await.unwrap().status, 200);
        expected.push(target.to_owned());
    }
    let seen: Vec<String> = up.ledger().requests().iter().map(|request| request.target.clone()).collect();
    assert_eq!(seen, expected);
}
