//! Connections that stop being HTTP are passed through, both ways, and counted like any call.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use seawall_e2e::{Rig, Running, eventually, refused};
use seawall_gateway::plan::Limit;
use seawall_testkit::client::{Answer, Client, Request};
use seawall_testkit::{Ledger, Reply, Script, Upstream};

const PATIENCE: Duration = Duration::from_secs(10);

async fn gateway(script: impl Into<Script>) -> (Upstream, Running) {
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    (up, gateway)
}

fn asking() -> Request {
    Request::get("/up/socket?token=1")
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
}

async fn upgrade(gateway: &Running) -> (Client, Answer) {
    let mut caller = gateway.connect().await;
    let answer = caller.call(&asking()).await.unwrap();
    (caller, answer)
}

/// Reads until so many bytes are there.
async fn heard(caller: &mut Client, bytes: usize) -> Vec<u8> {
    while caller.surplus().len() < bytes {
        assert!(caller.more().await.unwrap() > 0, "it ended after {:?}", caller.surplus());
    }
    caller.surplus().to_vec()
}

#[tokio::test]
async fn an_upgraded_connection_passes_bytes_both_ways() {
    let (up, gateway) = gateway(Reply::upgrade_echo()).await;
    let (mut caller, answer) = upgrade(&gateway).await;
    assert_eq!((answer.status, answer.header("upgrade")), (101, Some("websocket")));
    assert!(answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
    assert!(answer.header("seawall-call").is_some() && answer.header("seawall-decision").is_some());
    let seen = &up.ledger().requests()[0];
    assert_eq!((seen.target.as_str(), seen.header("upgrade")), ("/socket?token=1", Some("websocket")));
    assert_eq!(seen.header("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));

    caller.send_raw(b"\x81\x05hello").await.unwrap();
    assert_eq!(heard(&mut caller, 7).await, b"\x81\x05hello");
    let large = vec![0xa5; 300_000];
    for piece in large.chunks(20_000) {
        caller.send_raw(piece).await.unwrap();
        let so_far = caller.surplus().len();
        heard(&mut caller, so_far + 1).await;
    }
    assert!(heard(&mut caller, 7 + large.len()).await[7..] == large[..]);
}

#[tokio::test]
async fn what_is_said_right_behind_the_request_is_not_lost() {
    let (_up, gateway) = gateway(Reply::upgrade_echo()).await;
    let mut caller = gateway.connect().await;
    let head = format!(
        "GET /up/x HTTP/1.1\r\n{}connection: upgrade\r\nupgrade: echo\r\n\r\nearly bird",
        gateway.host()
    );
    caller.send_raw(head).await.unwrap();
    assert_eq!(caller.answer().await.unwrap().status, 101);
    assert_eq!(heard(&mut caller, 10).await, b"early bird");
}

#[tokio::test]
async fn an_upgraded_connection_counts_and_holds_its_place_until_it_ends() {
    let up = Upstream::start(Reply::upgrade_echo()).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().limits = vec![Limit::Concurrent(1, None)];
    rig.up().queue.wait = Duration::ZERO;
    let gateway = rig.start();
    let (mut caller, answer) = upgrade(&gateway).await;
    let attempts = gateway.metric(r#"seawall_attempts_total{upstream="up",result="ok"}"#).await;
    assert_eq!((gateway.gateway.in_flight(), attempts), (1, Some(1.0)));
    assert_eq!(gateway.story(&answer).await["state"], "running");
    assert_eq!(refused(&gateway.get("/up/x").await), (503, "SW0006".into()));

    caller.send_raw("bytes").await.unwrap();
    heard(&mut caller, 5).await;
    drop(caller);
    eventually("it is over", async || (gateway.gateway.in_flight() == 0).then_some(())).await;
    let story = gateway.ended_story(&answer).await;
    assert_eq!((&story["class"], &story["status"]), (&"ok".into(), &101.into()), "{story}");
    assert!(story["moments"].to_string().contains("5 bytes"), "{story}");
    let calls = gateway.metric(r#"seawall_calls_total{upstream="up",route="",outcome="ok"}"#).await;
    assert_eq!(calls, Some(1.0));
    assert_eq!(upgrade(&gateway).await.1.status, 101, "its place is free");
}

#[tokio::test]
async fn when_the_upstream_ends_it_the_caller_hears_the_end() {
    let switched = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nbye";
    let script =
        Reply::program([seawall_testkit::Action::Raw(switched.into()), seawall_testkit::Action::Close]);
    let (_up, gateway) = gateway(script).await;
    let (caller, answer) = upgrade(&gateway).await;
    assert_eq!(answer.status, 101);
    let (rest, _) = tokio::time::timeout(PATIENCE, caller.rest()).await.expect("it ends");
    assert_eq!(rest, b"bye");
    eventually("it is over", async || (gateway.gateway.in_flight() == 0).then_some(())).await;
}

#[tokio::test]
async fn when_the_caller_ends_it_the_upstream_hears_the_end() {
    let (up, gateway) = gateway(Reply::upgrade_echo()).await;
    let (caller, _) = upgrade(&gateway).await;
    assert_eq!(up.ledger().in_flight(), 1);
    drop(caller);
    assert!(up.ledger().wait_until(PATIENCE, |ledger: &Ledger| ledger.in_flight() == 0).await);
}

#[tokio::test]
async fn a_refused_upgrade_is_an_answer_like_any_other() {
    let (up, gateway) = gateway(Reply::status(403).body("no sockets")).await;
    let (mut caller, answer) = upgrade(&gateway).await;
    assert_eq!((answer.status, answer.text().as_str()), (403, "no sockets"));
    up.play(Reply::ok("plain"));
    assert_eq!(caller.call(&asking()).await.unwrap().text(), "plain", "the connection still speaks HTTP");
}

#[tokio::test]
async fn an_upgrade_is_asked_for_once() {
    let (up, gateway) = gateway(Reply::status(500).body("broken")).await;
    let (_, answer) = upgrade(&gateway).await;
    assert_eq!((answer.status, up.ledger().request_count()), (500, 1));
}

#[tokio::test]
async fn nobody_is_upgraded_who_did_not_ask() {
    let (up, gateway) = gateway(Reply::ok("plain")).await;
    // The token without the option, and the option without the token, are about our connection only.
    for header in [("upgrade", "websocket"), ("connection", "upgrade")] {
        let answer = gateway.send(Request::get("/up/x").header(header.0, header.1)).await;
        assert_eq!(answer.status, 200);
        let seen = up.ledger().requests().pop().unwrap();
        assert_eq!((seen.header("upgrade"), seen.header("connection")), (None, None), "{header:?}");
    }
}
