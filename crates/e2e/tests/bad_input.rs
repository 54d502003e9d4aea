//! Callers and upstreams that get HTTP wrong: the wrong one hears a clear word, everybody else hears nothing of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use futures_util::future::join_all;
use seawall::breaker;
use seawall_e2e::{Rig, Running, decision, eventually, ms, problem, refused};
use seawall_testkit::client::{Answer, Ended, Request};
use seawall_testkit::{Action, Head, Reply, Script, Upstream, closed_port};

async fn gateway(script: impl Into<Script>) -> (Upstream, Running) {
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::new(&up.url());
    // One worker, so that the next call would meet whatever connection the last one left behind.
    rig.plan.workers = 1;
    // Nobody is left alone here for failing.
    rig.up().breaker = breaker::Options::off();
    let gateway = rig.start();
    (up, gateway)
}

fn post(gateway: &Running, headers_and_body: &str) -> String {
    format!("POST /up/orders HTTP/1.1\r\n{}{headers_and_body}", gateway.host())
}

async fn first_answer(gateway: &Running, bytes: impl AsRef<[u8]>) -> Answer {
    let mut client = gateway.connect().await;
    client.send_raw(bytes).await.unwrap();
    client.answer().await.unwrap()
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let (up, gateway) = gateway(Reply::ok("ok")).await;
    let host = gateway.host();
    for hosts in [String::new(), format!("{host}{host}"), format!("{host}host: evil.example\r\n")] {
        let answer = first_answer(&gateway, format!("GET /up/x HTTP/1.1\r\n{hosts}\r\n")).await;
        assert_eq!(refused(&answer), (400, "SW0015".into()), "{hosts:?}");
    }
    assert_eq!(up.ledger().request_count(), 0);
}

#[tokio::test]
async fn a_body_with_two_ends_cannot_smuggle_a_second_request() {
    let (up, gateway) = gateway(Reply::ok("ok")).await;
    let smuggled = format!("POST /up/smuggled HTTP/1.1\r\n{}content-length: 0\r\n\r\n", gateway.host());
    let length = smuggled.len() + 5;
    for headers in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        "transfer-encoding: chunked\r\ncontent-length: 0\r\n".to_owned(),
        "Content-Length: 6\r\nTransfer-Encoding: Chunked\r\n".to_owned(),
    ] {
        let before = up.ledger().request_count();
        let mut client = gateway.connect().await;
        client.send_raw(post(&gateway, &format!("{headers}\r\n0\r\n\r\n{smuggled}"))).await.unwrap();
        let first = client.answer().await.unwrap();
        assert!([200, 400].contains(&first.status), "{headers:?}: {}", first.status);
        // Whichever end was meant, what follows it is not believed.
        assert_eq!(client.rest().await.0, b"", "{headers:?}");
        let seen = &up.ledger().requests()[before..];
        assert!(seen.len() <= 1 && seen.iter().all(|one| one.path() == "/orders" && one.body.is_empty()));
    }
    assert_eq!(gateway.get("/up/next").await.text(), "ok");
}

#[tokio::test]
async fn a_transfer_coding_that_is_not_just_chunked_is_refused_rather_than_lost() {
    let (up, gateway) = gateway(Reply::ok("ok")).await;
    for coding in [
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: identity, chunked\r\n",
        "transfer-encoding: , chunked\r\n",
    ] {
        let answer = first_answer(&gateway, post(&gateway, &format!("{coding}\r\n0\r\n\r\n"))).await;
        assert_eq!(refused(&answer), (400, "SW0015".into()), "{coding:?}");
        let detail = problem(&answer)["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("transfer-encoding"), "{detail}");
    }
    assert_eq!(up.ledger().request_count(), 0);
    let chunked = post(&gateway, "Transfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
    assert_eq!(first_answer(&gateway, chunked).await.status, 200);
    assert_eq!(up.ledger().requests()[0].body, "hi");
}

#[tokio::test]
async fn chunks_that_are_none_are_400_and_the_operation_is_not_carried_out() {
    let (up, gateway) = gateway(Reply::ok("ok").executing("order")).await;
    for chunks in
        ["-1\r\nabc\r\n", "xyz\r\nabc\r\n", "fffffffffffffffff\r\nabc\r\n", "3\r\nabcXX", "3 3\r\nabc\r\n"]
    {
        let answer =
            first_answer(&gateway, post(&gateway, &format!("transfer-encoding: chunked\r\n\r\n{chunks}")))
                .await;
        assert_eq!(refused(&answer), (400, "SW0015".into()), "{chunks:?}");
        assert_eq!(decision(&answer, "attempts"), "1", "{chunks:?}");
        let detail = problem(&answer)["detail"].to_string();
        assert!(detail.contains("body"), "{detail}");
        assert_eq!(answer.header("x-should-retry"), Some("false"), "{chunks:?}");
    }
    let extended = format!("transfer-encoding: chunked\r\n\r\n3;{}\r\nabc\r\n", "e".repeat(100_000));
    assert_eq!(refused(&first_answer(&gateway, post(&gateway, &extended)).await), (400, "SW0015".into()));
    assert_eq!(up.ledger().executed("order").len(), 0);
    assert_eq!(gateway.get("/up/next").await.status, 200);
}

#[tokio::test]
async fn a_caller_that_leaves_in_the_middle_of_its_body_takes_the_request_back() {
    let (up, gateway) = gateway(Reply::ok("ok").executing("order")).await;
    for (number, begun) in
        ["content-length: 10\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
            .into_iter()
            .enumerate()
    {
        let mut client = gateway.connect().await;
        client.send_raw(post(&gateway, begun)).await.unwrap();
        assert!(up.ledger().wait_for_requests(number + 1, Duration::from_secs(5)).await);
        drop(client);
        let gone = |ledger: &seawall_testkit::Ledger| ledger.incomplete() == number + 1;
        assert!(up.ledger().wait_until(Duration::from_secs(5), gone).await, "{begun:?}");
    }
    assert_eq!(up.ledger().executed("order").len(), 0);
    eventually("both are over", async || (gateway.gateway.in_flight() == 0).then_some(())).await;
    assert_eq!(gateway.post("/up/orders", &serde_json::json!({ "id": "1" })).await.status, 200);
    assert_eq!(up.ledger().executed("order").len(), 1);
}

#[tokio::test]
async fn bytes_beyond_a_body_are_another_request_and_not_part_of_this_one() {
    let (up, gateway) = gateway(Reply::ok("ok")).await;
    let mut client = gateway.connect().await;
    client.send_raw(post(&gateway, "content-length: 3\r\n\r\nabcdefg\r\n\r\n")).await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(refused(&client.answer().await.unwrap()), (400, "SW0015".into()));
    assert_eq!(up.ledger().requests().iter().map(|seen| seen.body.clone()).collect::<Vec<_>>(), ["abc"]);
}

#[tokio::test]
async fn three_hundred_callers_that_never_finish_their_heads_stop_nobody() {
    let (_up, gateway) = gateway(Reply::ok("ok")).await;
    let mut slow = Vec::new();
    for n in 0..300 {
        let mut client = gateway.connect().await;
        let method = ["GET", "POST", "PRI"][n % 3];
        let head = format!("{method} /up/x HTTP/1.1\r\n{}x: y\r\n", gateway.host());
        client.send_raw(&head[..1 + n / 3 % head.len()]).await.unwrap();
        slow.push(client);
    }
    for _ in 0..20 {
        let answer = gateway.send(Request::get("/up/x").timeout(Duration::from_secs(5))).await;
        assert_eq!(answer.text(), "ok");
    }
    // Half a head and the other half later is a request like any other.
    let mut client = gateway.connect().await;
    let head = format!("GET /up/x HTTP/1.1\r\n{}\r\n", gateway.host());
    for byte in head.as_bytes() {
        client.send_raw([*byte]).await.unwrap();
    }
    assert_eq!(client.answer().await.unwrap().text(), "ok");
    assert_eq!(slow.len(), 300);
}

#[tokio::test]
async fn an_upstream_that_speaks_garbage_is_502_after_the_retries_a_read_may_have() {
    let (up, gateway) = gateway(Reply::garbage()).await;
    let answer = gateway.get("/up/x").await;
    assert_eq!(refused(&answer), (502, "SW0013".into()));
    assert_eq!((decision(&answer, "attempts").as_str(), up.ledger().request_count()), ("3", 3));
    assert_eq!(gateway.story(&answer).await["class"], "transport");
    let counted =
        gateway.metric(r#"seawall_rejections_total{upstream="up",policy="gateway",code="SW0013"}"#).await;
    assert_eq!(counted, Some(1.0));

    let answer = gateway.post("/up/orders", &serde_json::json!({})).await;
    assert_eq!(refused(&answer), (502, "SW0013".into()));
    assert_eq!(problem(&answer)["certainty"], "unknown");
    assert_eq!((answer.header("x-should-retry"), up.ledger().request_count()), (Some("false"), 4));
    up.play(Reply::ok("sober"));
    assert_eq!(gateway.get("/up/x").await.text(), "sober");
}

#[tokio::test]
async fn an_answer_that_can_be_read_two_ways_is_not_believed() {
    let raw = |text: &'static str| Reply::program([Action::Raw(text.into()), Action::Close]);
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: folded\r\n over\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/3.9 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
    ] {
        let (up, gateway) = gateway(raw(answer)).await;
        let refusal = gateway.post("/up/orders", &serde_json::json!({})).await;
        assert_eq!(refused(&refusal), (502, "SW0013".into()), "{answer:?}");
        assert_eq!(problem(&refusal)["certainty"], "unknown", "{answer:?}");
        assert_eq!(up.ledger().request_count(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_shorter_than_it_says_is_seen_to_be_short() {
    let (up, gateway) = gateway(Reply::wrong_content_length(10, 4)).await;
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, answer.text().as_str(), answer.ended), (200, "....", Ended::CutShort));
    let story = gateway.ended_story(&answer).await;
    assert_eq!((&story["class"], &story["certainty"]), (&"transport".into(), &"partial".into()));
    up.play(Reply::ok("whole"));
    assert_eq!(gateway.get("/up/x").await.text(), "whole");
}

#[tokio::test]
async fn an_answer_longer_than_it_says_ends_where_it_says_and_taints_no_other() {
    let (up, gateway) = gateway(Reply::wrong_content_length(4, 10)).await;
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.text().as_str(), answer.ended), ("....", Ended::Complete));
    up.play(Reply::ok("mine"));
    for _ in 0..3 {
        assert_eq!(gateway.get("/up/x").await.text(), "mine");
    }
}

#[tokio::test]
async fn a_chunk_that_is_none_cuts_the_answer_where_it_stands() {
    let (_up, gateway) = gateway(Reply::invalid_chunk()).await;
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, answer.text().as_str(), answer.ended), (200, "hello", Ended::CutShort));
    assert_eq!(gateway.ended_story(&answer).await["class"], "transport");
}

#[tokio::test]
async fn an_answer_nobody_asked_for_is_never_given_to_the_next_caller() {
    let (up, gateway) = gateway(Reply::two_heads()).await;
    for n in 0..20 {
        let answer = gateway.get(&format!("/up/{n}")).await;
        assert_eq!((answer.text().as_str(), answer.header("x-unsolicited")), ("first", None));
    }
    up.play(Script::per_path(|request, _| Reply::ok(request.path().to_owned())));
    for n in 0..5 {
        assert_eq!(gateway.get(&format!("/up/{n}")).await.text(), format!("/{n}"));
    }
}

#[tokio::test]
async fn every_caller_gets_its_own_answer_from_an_upstream_that_breaks_everything() {
    let script = Script::per_path(|request, n| {
        let own = Reply::ok(request.path().to_owned());
        match n % 8 {
            0 => Reply::two_heads(),
            1 => own.then_close(),
            2 => own.then_reset(),
            3 => Reply::wrong_content_length(4, 40),
            4 => Reply::garbage(),
            5 => own.drip(1, ms(1)),
            6 => own.then(Action::Raw("surplus".into())),
            _ => own,
        }
    });
    let (_up, gateway) = gateway(script).await;
    let gateway = &gateway;
    let mut own = 0;
    for round in 0..20 {
        let calls = (0..8).map(|n| async move {
            let path = format!("/{round}-{n}");
            let answer = gateway.get(&format!("/up{path}")).await;
            (path, answer)
        });
        for (path, answer) in join_all(calls).await {
            let text = answer.text();
            let allowed = [path.as_str(), "first", "...."].contains(&text.as_str()) || answer.status == 502;
            assert!(allowed, "{path} was answered {} {text:?}", answer.status);
            own += usize::from(text == path);
        }
    }
    assert!(own > 40, "only {own} of 160 got through");
}

#[tokio::test]
async fn a_head_no_upstream_should_send_is_502_and_a_large_one_passes() {
    let (up, gateway) = gateway(Reply::huge_headers(60 * 1024)).await;
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, answer.headers.len() > 60), (200, true));
    for reply in [
        Reply::ok("ok").header("x", "h".repeat(400 * 1024)),
        (0..5_000).fold(Reply::ok("ok"), |reply, n| reply.header(format!("x-{n}"), "h")),
    ] {
        up.play(reply);
        let answer = gateway.get("/up/x").await;
        assert_eq!(refused(&answer), (502, "SW0013".into()));
    }
    let endless = [Action::Head(Head::new(200)), Action::Raw("x".repeat(1 << 20).into()), Action::Stall];
    let begin = Action::Raw("HTTP/1.1 200 OK\r\nx: ".into());
    up.play(Reply::program([begin].into_iter().chain(endless.into_iter().skip(1))));
    assert_eq!(refused(&gateway.get("/up/x").await), (502, "SW0013".into()));
    up.play(Reply::ok("fine"));
    assert_eq!(gateway.get("/up/x").await.text(), "fine");
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_502_with_nothing_done() {
    let closed = format!("http://{}", closed_port().await.unwrap());
    for url in [closed.as_str(), "http://no-such-host.invalid"] {
        let gateway = Rig::new(url).start();
        let answer = gateway.post("/up/orders", &serde_json::json!({})).await;
        assert_eq!(refused(&answer), (502, "SW0011".into()), "{url}");
        let problem = problem(&answer);
        assert_eq!((&problem["certainty"], &problem["policy"]), (&"not-done".into(), &"gateway".into()));
        // Nothing left, so even an order is tried again.
        assert_eq!(decision(&answer, "attempts"), "3", "{url}");
        let story = gateway.story(&answer).await;
        assert_eq!((&story["class"], &story["certainty"]), (&"transport".into(), &"not-done".into()));
        assert!(story["attempts"][0]["then"].as_str().is_some_and(|why| !why.is_empty()), "{story}");
        let metric = r#"seawall_rejections_total{upstream="up",policy="gateway",code="SW0011"}"#;
        assert_eq!(gateway.metric(metric).await, Some(1.0), "{url}");
    }
}

#[tokio::test]
async fn a_connection_closed_before_it_was_used_is_tried_again_even_for_an_order() {
    let (up, gateway) = gateway(Script::always(Reply::ok("ok")).close_on_accept(1).close_on_accept(2)).await;
    // A close may be seen only after the first bytes have left; then the outcome is unknown, and says so.
    let answer = gateway.post("/up/orders", &serde_json::json!({})).await;
    match answer.status {
        200 => assert_eq!(up.ledger().request_count(), 1),
        _ => assert_eq!(problem(&answer)["certainty"], "unknown"),
    }
    assert_eq!(gateway.get("/up/x").await.text(), "ok");
}

#[tokio::test]
async fn a_word_before_the_answer_is_not_the_answer() {
    for status in [100, 102, 103] {
        let (_up, gateway) = gateway(Reply::informational(status)).await;
        let answer = gateway.get("/up/x").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{status}");
    }
}
