//! HTTP/2 on either side, or both.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use h2::Reason;
use seawall_e2e::http2::{Caller, Deed, Upstream as Upstream2, read, tls_http1};
use seawall_e2e::{Rig, Running, decision, eventually, problem, refused};
use seawall_testkit::client::{Ended, Request};
use seawall_testkit::{Ledger, Reply, Script, Upstream};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(10);

async fn gateway(script: impl Into<Script>) -> (Upstream, Running) {
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    (up, gateway)
}

fn before(up: &Upstream2) -> Running {
    let mut rig = Rig::new(&up.url);
    rig.plan.workers = 1;
    let tls = !up.ca.is_empty();
    rig.up().http2_prior_knowledge = !tls;
    rig.up().ca = tls.then(|| Arc::from(up.ca.as_bytes()));
    rig.start()
}

#[tokio::test]
async fn a_caller_may_speak_http2_without_asking_first() {
    let (up, gateway) = gateway(Reply::ok("hello").header("x-own", "kept")).await;
    let caller = Caller::connect(&gateway).await;
    let answer = caller.get("/up/some/path?q=1").await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str(), answer.reset), (200, "hello", None));
    assert_eq!(answer.header("x-own"), Some("kept"));
    assert!(answer.header("seawall-decision").unwrap().starts_with("upstream=up; attempts=1"));
    assert!(answer.header("seawall-call").is_some() && answer.header("connection").is_none());
    let seen = &up.ledger().requests()[0];
    assert_eq!((seen.target.as_str(), seen.minor), ("/some/path?q=1", 1));
    assert_eq!(seen.header("host"), Some(up.addr().to_string().as_str()));

    let answer = caller.send(caller.asking("POST", "/up/x"), &vec![7; 3 << 20]).await.unwrap();
    assert_eq!((answer.status.as_u16(), up.ledger().requests()[1].body_len), (200, 3 << 20));
    let answer = caller.get("/nowhere/x").await;
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status.as_u16(), &problem["code"]), (404, &"SW0016".into()));
}

#[tokio::test]
async fn a_hundred_calls_share_one_connection_of_a_caller() {
    let (up, gateway) = gateway(Script::per_path(|request, _| Reply::ok(request.path().to_owned()))).await;
    let caller = &Caller::connect(&gateway).await;
    let calls = (0..100).map(|n| async move { (n, caller.get(&format!("/up/{n}")).await) });
    for (n, answer) in join_all(calls).await {
        assert_eq!((answer.text(), answer.reset), (format!("/{n}"), None));
    }
    assert_eq!(up.ledger().request_count(), 100);
}

#[tokio::test]
async fn the_authority_must_be_one_of_ours() {
    let (up, gateway) = gateway(Reply::ok("ok")).await;
    let caller = Caller::connect(&gateway).await;
    for (authority, status, code) in [
        ("evil.example", 403, "SW0017"),
        ("127.0.0.1:1", 403, "SW0017"),
        (up.url().strip_prefix("http://").unwrap(), 403, "SW0017"),
    ] {
        let request = http::Request::get(format!("http://{authority}/up/x")).body(()).unwrap();
        let answer = caller.send(request, b"").await.unwrap();
        let problem: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            (answer.status.as_u16(), problem["code"].as_str().unwrap()),
            (status, code),
            "{authority}"
        );
    }
    let port = gateway.gateway.listen().port();
    let request = http::Request::get(format!("http://localhost:{port}/up/x")).body(()).unwrap();
    assert_eq!(caller.send(request, b"").await.unwrap().status.as_u16(), 200);
    let mut request = caller.asking("GET", "/up/x");
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(caller.send(request, b"").await.unwrap().status.as_u16(), 403);
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn a_body_that_is_cut_is_a_reset_to_a_caller_of_http2() {
    for reply in [
        Reply::ok("some of it").cut_after_bytes(5),
        Reply::ok("some of it").reset_after_bytes(5),
        Reply::chunked(["some ", "of it"]).cut_after_bytes(5),
        Reply::chunked(["some ", "of it"]).cut_chunked_mid_chunk(),
    ] {
        let (_up, gateway) = gateway(reply).await;
        let answer = Caller::connect(&gateway).await.get("/up/x").await;
        assert_eq!((answer.status.as_u16(), answer.reset), (200, Some(Reason::INTERNAL_ERROR)));
        assert!("some of it".starts_with(&answer.text()), "{}", answer.text());
    }
}

#[tokio::test]
async fn an_event_stream_that_is_cut_says_so_and_is_then_reset() {
    let (up, gateway) = gateway(Reply::sse(&["one", "two"]).cut_after_bytes(15)).await;
    let caller = Caller::connect(&gateway).await;
    let answer = caller.get("/up/x").await;
    assert_eq!(answer.reset, Some(Reason::INTERNAL_ERROR));
    let text = answer.text();
    assert!(text.starts_with("data: one\n\nevent: error\ndata: {") && text.contains("SW0022"), "{text}");
    // Only that stream was cut.
    up.play(Reply::sse(&["one", "two"]));
    let answer = caller.get("/up/x").await;
    assert_eq!((answer.text().as_str(), answer.reset), ("data: one\n\ndata: two\n\n", None));
}

#[tokio::test]
async fn a_caller_that_resets_its_stream_takes_only_that_call_back() {
    let (up, gateway) = gateway(Reply::sse(&["a"; 10_000]).every(Duration::from_millis(5))).await;
    let caller = Caller::connect(&gateway).await;
    let mut leaving = caller.begin(caller.asking("GET", "/up/x"), b"").await.unwrap();
    let mut staying = caller.begin(caller.asking("GET", "/up/x"), b"").await.unwrap();
    assert!(leaving.body_mut().data().await.is_some());
    drop(leaving);
    assert!(up.ledger().wait_until(PATIENCE, |ledger: &Ledger| ledger.aborted() == 1).await);
    assert!(staying.body_mut().data().await.unwrap().is_ok());
    assert_eq!((up.ledger().aborted(), gateway.gateway.in_flight()), (1, 1));
}

#[tokio::test]
async fn trailers_pass_to_a_caller_of_http2() {
    let reply = Reply::chunked(["abc"]).header("trailer", "x-sum").trailers([("x-sum", "9")]);
    let (_up, gateway) = gateway(reply).await;
    let answer = Caller::connect(&gateway).await.get("/up/x").await;
    assert_eq!((answer.text().as_str(), answer.reset), ("abc", None));
    assert_eq!(answer.trailers.unwrap()["x-sum"], "9");
}

#[tokio::test]
async fn an_upstream_may_speak_http2_with_and_without_tls() {
    for up in [Upstream2::plain(|_| Deed::Answer).await, Upstream2::tls(|_| Deed::Answer).await] {
        let gateway = before(&up);
        let gateway = &gateway;
        assert_eq!(gateway.get("/up/some/path").await.text(), "GET /some/path with 0 bytes");
        let body = vec![b'z'; 40_000];
        let calls = (0..30).map(|_| gateway.send(Request::post("/up/x").body(body.clone())));
        for answer in join_all(calls).await {
            assert_eq!((answer.status, answer.ended), (200, Ended::Complete));
            assert!(answer.text().starts_with("POST /x with 40000 bytes"), "{}", answer.text());
        }
        assert_eq!((up.requests(), up.connections()), (31, 1), "{}", up.url);
        let answer = Caller::connect(gateway).await.get("/up/both").await;
        assert_eq!(answer.text(), "GET /both with 0 bytes");
    }
}

#[tokio::test]
async fn an_upstream_of_http1_with_a_certificate_of_its_own_is_believed_only_where_the_plan_trusts_it() {
    let (url, ca) = tls_http1().await;
    let mut rig = Rig::new(&url);
    rig.up().ca = Some(Arc::from(ca.as_bytes()));
    let gateway = rig.start();
    for _ in 0..3 {
        assert_eq!(gateway.get("/up/x").await.text(), "private");
    }
    let stranger = Rig::new(&url).start();
    let answer = stranger.post("/up/orders", &json!({})).await;
    assert_eq!(refused(&answer), (502, "SW0011".into()));
    let problem = problem(&answer);
    assert_eq!(problem["certainty"], "not-done");
    assert!(problem["detail"].as_str().unwrap().contains("TLS"), "{problem}");
}

#[tokio::test]
async fn a_refused_stream_was_not_processed_and_is_sent_again_even_for_an_order() {
    let refuse = |n| if n <= 2 { Deed::Reset(Reason::REFUSED_STREAM) } else { Deed::Answer };
    let up = Upstream2::plain(refuse).await;
    let gateway = before(&up);
    let answer = gateway.post("/up/orders", &json!({ "id": "1" })).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "POST /orders with 10 bytes"));
    assert_eq!((decision(&answer, "attempts").as_str(), up.requests()), ("3", 3));
}

#[tokio::test]
async fn a_stream_reset_for_another_reason_leaves_an_order_unknown() {
    let up = Upstream2::plain(|_| Deed::Reset(Reason::INTERNAL_ERROR)).await;
    let gateway = before(&up);
    let answer = gateway.post("/up/orders", &json!({})).await;
    assert_eq!(refused(&answer), (502, "SW0012".into()));
    assert_eq!((&problem(&answer)["certainty"], up.requests()), (&"unknown".into(), 1));
    assert_eq!(gateway.send(Request::get("/up/x")).await.status, 502);
    assert_eq!(up.requests(), 4, "a read is sent again");
}

#[tokio::test]
async fn a_goodbye_that_does_not_cover_the_request_lets_it_go_elsewhere() {
    let up = Upstream2::plain(|n| if n == 2 { Deed::GoAway } else { Deed::Answer }).await;
    let gateway = before(&up);
    for _ in 0..3 {
        assert_eq!(gateway.get("/up/x").await.status, 200);
    }
    assert_eq!(up.connections(), 2);
}

#[tokio::test]
async fn a_stream_that_the_upstream_resets_midway_is_cut_for_every_caller() {
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::NO_ERROR] {
        let up = Upstream2::plain(move |_| Deed::Cut("text/plain", "some ", reason)).await;
        let gateway = before(&up);
        let answer = gateway.get("/up/x").await;
        assert_eq!((answer.text().as_str(), answer.ended), ("some ", Ended::CutShort), "{reason:?}");
        let story = gateway.ended_story(&answer).await;
        assert_eq!((&story["class"], &story["certainty"]), (&"transport".into(), &"partial".into()));
        let answer = Caller::connect(&gateway).await.get("/up/x").await;
        assert_eq!((answer.text().as_str(), answer.reset.is_some()), ("some ", true), "{reason:?}");

        let up =
            Upstream2::plain(move |_| Deed::Cut("text/event-stream", "data: 1\n\ndata: 2", reason)).await;
        let answer = before(&up).get("/up/x").await;
        assert_eq!(answer.ended, Ended::CutShort);
        assert!(answer.text().starts_with("data: 1\n\nevent: error\n"), "{reason:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_slow_reader_of_one_stream_does_not_hold_up_another() {
    let up = Upstream::start(Script::per_path(|request, _| {
        if request.path() == "/large" { Reply::ok(vec![b'z'; 4 << 20]) } else { Reply::ok("small") }
    }))
    .await
    .unwrap();
    let gateway = Rig::new(&up.url()).start();
    let caller = Caller::connect(&gateway).await;
    let unread = caller.begin(caller.asking("GET", "/up/large"), b"").await.unwrap();
    for _ in 0..5 {
        assert_eq!(caller.get("/up/small").await.text(), "small");
    }
    let large = tokio::time::timeout(PATIENCE, read(unread)).await.expect("it goes on").unwrap();
    assert_eq!((large.body.len(), large.reset), (4 << 20, None));
    eventually("all is over", async || (gateway.gateway.in_flight() == 0).then_some(())).await;
}
