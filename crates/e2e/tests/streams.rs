//! Streams: passed on as they come, and never taken for whole when they are not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use seawall::retry::Jitter;
use seawall_e2e::{Rig, Running, eventually, ms, refused, upstream};
use seawall_gateway::plan::Limit;
use seawall_packs::ai::{Anthropic, OpenAi};
use seawall_testkit::client::{self, Answer, Ended, Request, Stream};
use seawall_testkit::{Action, Head, Ledger, Reply, Script, Upstream};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(10);

async fn gateway(script: impl Into<Script>) -> (Upstream, Running) {
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    (up, gateway)
}

async fn open(gateway: &Running, path: &str) -> Stream {
    client::stream(&gateway.url(path), Request::get("")).await.unwrap()
}

/// What the last event of a stream that was cut says, checked to be an error event.
fn error_event(answer: &Answer) -> Value {
    let text = answer.text();
    let (_, event) =
        text.rsplit_once("event: error\n").unwrap_or_else(|| panic!("no error event in {text:?}"));
    assert!(event.ends_with("\n\n"), "{event:?}");
    let json = event.trim_end().strip_prefix("data: ").expect("its data is one line");
    let error: Value = serde_json::from_str(json).unwrap();
    assert_eq!(error["type"], "error", "{error}");
    for word in ["type", "message", "code"] {
        assert!(error["error"][word].as_str().is_some_and(|word| !word.is_empty()), "{error}");
    }
    error
}

async fn assert_cut(gateway: &Running, answer: &Answer) {
    let story = gateway.ended_story(answer).await;
    assert_eq!((&story["class"], &story["certainty"]), (&"transport".into(), &"partial".into()), "{story}");
    assert_eq!((&story["state"], &story["status"]), (&"partial".into(), &200.into()), "{story}");
}

#[tokio::test]
async fn an_event_reaches_the_caller_before_the_next_one_is_made() {
    let two = Reply::sse(&["first", "second"]);
    let first = "data: first\n\n";
    let (_up, gateway) = gateway(two.stall_after_bytes(first.len())).await;
    let mut stream = open(&gateway, "/up/x").await;
    let piece = tokio::time::timeout(PATIENCE, stream.next()).await.expect("it is not held back").unwrap();
    assert_eq!(piece.bytes, first);
}

#[tokio::test]
async fn every_event_is_passed_on_by_itself_and_in_its_time() {
    let words: Vec<String> = (0..8).map(|n| format!("word {n}")).collect();
    let (_up, gateway) = gateway(Reply::sse(&words).every(ms(40))).await;
    let stream = open(&gateway, "/up/x").await;
    assert_eq!(stream.head.status, 200);
    let (pieces, ended) = stream.collect().await;
    assert_eq!(ended, Ended::Complete);
    let events: Vec<_> =
        pieces.iter().map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned()).collect();
    let sent: Vec<_> = words.iter().map(|word| format!("data: {word}\n\n")).collect();
    assert_eq!(events, sent);
    // 280 ms lie between the first and the last where they are made; a machine that is busy adds, it cannot take away.
    assert!(pieces[7].at - pieces[0].at > ms(150), "{:?} and {:?}", pieces[0].at, pieces[7].at);
}

#[tokio::test]
async fn a_stream_that_is_cut_says_so_in_an_event_and_then_breaks() {
    let whole = Reply::sse(&["one", "two", "three"]);
    let (up, gateway) = gateway(whole.clone().cut_after_bytes(whole.body_len() - 20)).await;
    for end in [None, Some(Reply::sse(&["one", "two", "three"]).reset_after_bytes(whole.body_len() - 20))] {
        if let Some(reply) = end {
            up.play(reply);
        }
        let answer = gateway.get("/up/x").await;
        assert_eq!((answer.status, answer.ended), (200, Ended::CutShort));
        assert_eq!(answer.events().first().map(String::as_str), Some("one"));
        let error = error_event(&answer);
        assert_eq!(
            (&error["error"]["code"], &error["error"]["type"]),
            (&"SW0022".into(), &"stream_cut".into())
        );
        assert_cut(&gateway, &answer).await;
    }
    let calls = r#"seawall_calls_total{upstream="up",route="",outcome="transport"}"#;
    assert_eq!(gateway.metric(calls).await, Some(2.0));
}

#[tokio::test]
async fn half_an_event_at_a_cut_is_not_delivered_as_an_event() {
    let whole = Reply::sse(&["complete", "{\"amount\": 1000000}"]);
    let first = "data: complete\n\n".len();
    let second = whole.body_len() - first;
    for beyond in [1, 6, second / 2, second - 3] {
        let (_up, gateway) = gateway(whole.clone().cut_after_bytes(first + beyond)).await;
        let answer = gateway.get("/up/x").await;
        assert_eq!(answer.ended, Ended::CutShort, "cut {beyond} bytes into the event");
        let events = answer.events();
        assert_eq!((events.len(), events[0].as_str()), (2, "complete"), "cut {beyond} bytes in: {events:?}");
        assert_eq!(error_event(&answer)["error"]["code"], "SW0022");
    }
    let (_up, gateway) = gateway(whole.clone().cut_after_bytes(whole.body_len() - 1)).await;
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.events().len(), answer.ended), (2, Ended::CutShort), "{:?}", answer.text());
}

#[tokio::test]
async fn a_clean_end_without_the_routes_last_event_is_a_cut() {
    let up = Upstream::start(Reply::sse(&["one", "two"])).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("chat", "/up/chat/**", None);
    rig.plan.routes[0].terminal = Some("[DONE]".into());
    let gateway = rig.start();
    let answer = gateway.get("/up/chat/x").await;
    assert_eq!((answer.ended, answer.events().len()), (Ended::CutShort, 3));
    assert_eq!(error_event(&answer)["error"]["code"], "SW0022");
    assert_cut(&gateway, &answer).await;

    up.play(Reply::sse(&["one", "two"]).terminal("[DONE]"));
    let answer = gateway.get("/up/chat/x").await;
    assert_eq!((answer.ended, answer.events().join(" ")), (Ended::Complete, "one two [DONE]".into()));
    assert_eq!(gateway.ended_story(&answer).await["certainty"], "done");
    // Where nobody knows the last event, a clean end is an end.
    up.play(Reply::sse(&["one", "two"]));
    assert_eq!(gateway.get("/up/other").await.ended, Ended::Complete);
}

#[tokio::test]
async fn a_clean_end_without_the_providers_last_event_is_a_cut() {
    let up = Upstream::start(Reply::sse(&["{}"])).await.unwrap();
    let (mut openai, mut anthropic) = (upstream("openai", &up.url()), upstream("anthropic", &up.url()));
    openai.provider = Arc::new(OpenAi);
    anthropic.provider = Arc::new(Anthropic);
    let gateway = Rig::of([openai, anthropic]).start();
    let chat = json!({ "stream": true });
    for (path, whole) in [
        ("/openai/v1/chat/completions", Reply::sse(&["{}"]).terminal("[DONE]")),
        ("/openai/v1/responses", Reply::sse(&["{}"]).event("response.completed", "{}")),
        ("/anthropic/v1/messages", Reply::sse(&["{}"]).event("message_stop", "{\"type\":\"message_stop\"}")),
    ] {
        up.play(whole);
        let answer = gateway.post(path, &chat).await;
        assert_eq!(answer.ended, Ended::Complete, "{path}: {}", answer.text());
        up.play(Reply::sse(&["{}"]));
        let answer = gateway.post(path, &chat).await;
        assert_eq!(answer.ended, Ended::CutShort, "{path}");
        assert_eq!(error_event(&answer)["error"]["code"], "SW0022", "{path}");
        assert_cut(&gateway, &answer).await;
    }
}

#[tokio::test]
async fn a_body_that_is_no_event_stream_breaks_where_it_was_cut() {
    let chunked = Reply::chunked(["some ", "of ", "it"]);
    for reply in [
        chunked.clone().cut_after_bytes(7),
        chunked.clone().cut_chunked_mid_chunk(),
        chunked.reset_after_bytes(5),
        Reply::ok("some of it").cut_after_bytes(5),
        Reply::ok("some of it").reset_after_bytes(5),
    ] {
        let (_up, gateway) = gateway(reply).await;
        let answer = gateway.get("/up/x").await;
        assert_eq!((answer.status, answer.ended), (200, Ended::CutShort));
        assert!("some of it".starts_with(&answer.text()) && answer.body.len() >= 5, "{}", answer.text());
        assert_cut(&gateway, &answer).await;
    }
}

#[tokio::test]
async fn a_cut_stream_counts_against_the_breaker() {
    let up = Upstream::start(Reply::sse(&["one", "two"]).cut_after_bytes(15)).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().breaker.consecutive = 3;
    let gateway = rig.start();
    for _ in 0..3 {
        let answer = gateway.get("/up/x").await;
        gateway.ended_story(&answer).await;
    }
    assert_eq!(refused(&gateway.get("/up/x").await), (503, "SW0004".into()));
}

#[tokio::test]
async fn a_body_that_stands_still_is_given_up() {
    let up = Upstream::start(Reply::sse(&["one", "two"]).stall_after_bytes(11)).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().defaults.attempt.idle = ms(150);
    let gateway = rig.start();
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.ended, answer.events()[0].as_str()), (Ended::CutShort, "one"));
    assert_eq!(error_event(&answer)["error"]["code"], "SW0033");
    let story = gateway.ended_story(&answer).await;
    assert_eq!((&story["class"], &story["certainty"]), (&"timeout".into(), &"partial".into()));
    assert!(
        up.ledger().wait_until(PATIENCE, |ledger| ledger.aborted() == 1).await,
        "and its connection closed"
    );

    up.play(Reply::ok("some of it").stall_after_bytes(5));
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.text().as_str(), answer.ended), ("some ", Ended::CutShort));
    // As long as something comes now and then, it may take its time.
    up.play(Reply::sse(&["a"; 12]).every(ms(50)));
    assert_eq!(gateway.get("/up/x").await.ended, Ended::Complete);
}

#[tokio::test]
async fn a_body_may_have_a_longest_time() {
    let up = Upstream::start(Reply::sse(&["a"; 1000]).every(ms(20))).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().defaults.attempt.max_body_time = Some(ms(200));
    let gateway = rig.start();
    let answer = gateway.get("/up/x").await;
    assert_eq!(answer.ended, Ended::CutShort);
    assert_eq!(error_event(&answer)["error"]["code"], "SW0033");
}

#[tokio::test]
async fn a_compressed_stream_passes_untouched_to_its_last_byte() {
    let noise: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let pieces: Vec<Vec<u8>> = noise.chunks(1000).map(<[u8]>::to_vec).collect();
    let reply =
        Reply::chunked(pieces).header("content-type", "text/event-stream").header("content-encoding", "gzip");
    let (up, gateway) = gateway(reply.clone()).await;
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.ended, answer.header("content-encoding")), (Ended::Complete, Some("gzip")));
    assert!(answer.body == noise);
    up.play(reply.cut_after_bytes(5500));
    let answer = gateway.get("/up/x").await;
    assert_eq!(answer.ended, Ended::CutShort);
    assert!(answer.body == noise[..5500], "{} bytes, and no word of ours among them", answer.body.len());
}

#[tokio::test]
async fn a_caller_that_leaves_mid_stream_takes_the_upstreams_connection_with_it() {
    let (up, gateway) = gateway(Reply::sse(&["a"; 10_000]).every(ms(5))).await;
    for method in ["GET", "POST"] {
        let before = up.ledger().aborted();
        let mut stream = client::stream(&gateway.url("/up/x"), Request::new(method, "")).await.unwrap();
        let call = stream.head.headers.iter().find(|(name, _)| name == "seawall-call").unwrap().1.clone();
        assert!(stream.next().await.is_some());
        drop(stream);
        let left = |ledger: &Ledger| ledger.aborted() == before + 1;
        assert!(up.ledger().wait_until(PATIENCE, left).await, "{method}");
        let story = eventually("the call is over", async || {
            let story = gateway.admin(&format!("/api/v1/calls/{call}")).await.json()?;
            (story["state"] != "running").then_some(story)
        })
        .await;
        assert_eq!(
            (&story["class"], &story["certainty"]),
            (&"cancelled".into(), &"partial".into()),
            "{story}"
        );
    }
    assert_eq!(gateway.gateway.in_flight(), 0);
    let breaker = gateway.item("breakers", "up").await;
    assert_eq!(breaker["state"], "closed", "a caller's leaving says nothing about the upstream");
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_head_takes_its_call_back() {
    let (up, gateway) = gateway(Reply::ok("late").executing("order").after(PATIENCE * 6)).await;
    let mut caller = gateway.connect().await;
    caller.send(&Request::post("/up/orders").body("{}")).await.unwrap();
    let whole = |ledger: &Ledger| ledger.requests().first().is_some_and(|seen| seen.body_complete);
    assert!(up.ledger().wait_until(PATIENCE, whole).await);
    drop(caller);
    assert!(up.ledger().wait_until(PATIENCE, |ledger| ledger.aborted() == 1).await);
    eventually("the call is over", async || (gateway.gateway.in_flight() == 0).then_some(())).await;
    let calls = gateway.list("calls").await;
    assert_eq!((&calls[0]["class"], &calls[0]["certainty"]), (&"cancelled".into(), &"unknown".into()));
    assert_eq!(up.ledger().executed("order").len(), 0);
}

#[tokio::test]
async fn a_caller_that_leaves_between_two_attempts_leaves_what_the_first_may_have_done() {
    for (status, certainty) in [(500, "unknown"), (429, "not-done")] {
        let up = Upstream::start(Reply::status(status)).await.unwrap();
        let mut rig = Rig::new(&up.url());
        rig.up().defaults.retry.base = PATIENCE;
        rig.up().defaults.retry.cap = PATIENCE;
        rig.up().defaults.retry.jitter = Jitter::None;
        rig.up().defaults.deadline = PATIENCE * 6;
        let gateway = rig.start();
        let mut caller = gateway.connect().await;
        caller.send(&Request::get("/up/x")).await.unwrap();
        let retries = format!(
            r#"seawall_retries_total{{upstream="up",reason="{}"}}"#,
            if status == 429 { "rate-limited" } else { "overloaded" }
        );
        eventually("it waits to try again", async || {
            gateway.metric(&retries).await.filter(|count| *count == 1.0)
        })
        .await;
        drop(caller);
        eventually("the call is over", async || (gateway.gateway.in_flight() == 0).then_some(())).await;
        let calls = gateway.list("calls").await;
        assert_eq!((&calls[0]["class"], &calls[0]["certainty"]), (&"cancelled".into(), &certainty.into()));
    }
}

#[tokio::test]
async fn a_caller_that_leaves_the_queue_frees_its_place() {
    let up = Upstream::start(Reply::sse(&["a"; 100]).stall_after_bytes(10)).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().limits = vec![Limit::Concurrent(1, None)];
    rig.up().queue.max = 1;
    rig.up().queue.wait = PATIENCE;
    let gateway = rig.start();
    let first = open(&gateway, "/up/first").await;
    let queue = || async {
        let mut caller = gateway.connect().await;
        caller.send(&Request::get("/up/second")).await.unwrap();
        eventually("it waits", async || (gateway.gateway.in_flight() == 2).then_some(())).await;
        caller
    };
    let waiting = queue().await;
    eventually("the queue is full", async || (gateway.get("/up/x").await.status == 503).then_some(())).await;
    drop(waiting);
    eventually("its place is free", async || (gateway.gateway.in_flight() == 1).then_some(())).await;
    let mut waiting = queue().await;
    up.play(Reply::ok("served"));
    drop(first);
    assert_eq!(waiting.answer().await.unwrap().text(), "served");
    assert_eq!(up.ledger().requests().len(), 2, "who left was never sent");
}

#[tokio::test]
async fn sixty_four_streams_flow_side_by_side() {
    let words: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let first = "data: 0\n\n".len();
    let (up, gateway) = gateway(Reply::sse(&words).stall_after_bytes(first)).await;
    let gateway = &gateway;
    // All are open, and each has its first event, while none of them can end.
    let mut open_streams = join_all((0..64).map(|_| open(gateway, "/up/x"))).await;
    let firsts =
        join_all(open_streams.iter_mut().map(|stream| tokio::time::timeout(PATIENCE, stream.next()))).await;
    assert!(firsts.into_iter().all(|piece| piece.unwrap().unwrap().bytes == "data: 0\n\n"));
    assert_eq!(up.ledger().peak_concurrency(), 64);
    drop(open_streams);

    up.play(Reply::sse(&words).every(ms(10)));
    let whole = join_all((0..64).map(|_| gateway.get("/up/x"))).await;
    for answer in whole {
        assert_eq!((answer.ended, answer.events()), (Ended::Complete, words.clone()));
    }
}

#[tokio::test]
async fn an_error_answer_that_is_a_stream_is_passed_on_like_any_other() {
    let head =
        Head::new(500).header("content-type", "text/event-stream").header("transfer-encoding", "chunked");
    let reply =
        Reply::program([Action::Head(head), Action::Chunk("data: broken\n\n".into()), Action::EndChunks]);
    let (_up, gateway) = gateway(reply).await;
    let answer = gateway.post("/up/x", &json!({})).await;
    assert_eq!(
        (answer.status, answer.ended, answer.events()),
        (500, Ended::Complete, vec!["broken".to_owned()])
    );
}
