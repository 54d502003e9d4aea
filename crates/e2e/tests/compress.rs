//! Bodies that change their coding on the way: each side reads what it reads, and nobody is blown up.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use seawall::breaker;
use seawall::compress::{self, Algorithm, Bounds, Options, decode, encode};
use seawall_core::units::Size;
use seawall_e2e::{Rig, Running, decision, refused, upstream};
use seawall_packs::ai::OpenAi;
use seawall_testkit::client::{self, Answer, Ended, Request};
use seawall_testkit::{Action, Head, Reply, Script, Upstream};

const PATIENCE: Duration = Duration::from_secs(10);

/// Text as services send it: it repeats itself, though not without end.
fn text(size: usize) -> Vec<u8> {
    let lines = (0..u32::MAX).flat_map(|n| {
        let id = n.wrapping_mul(2_654_435_761);
        format!("{{\"id\": {id}, \"role\": \"assistant\", \"content\": \"the same again\"}}\n").into_bytes()
    });
    lines.take(size).collect()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    encode(Algorithm::Gzip, 6, body).unwrap()
}

fn opened(algorithm: Algorithm, body: &[u8]) -> Vec<u8> {
    decode(algorithm, Bounds { max_decoded: 1 << 30, max_ratio: u32::MAX }, body).unwrap()
}

fn both() -> Options {
    Options { requests: true, ..Options::default() }
}

async fn gateway(options: Options, script: impl Into<Script>) -> (Upstream, Running) {
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().defaults.compress = options;
    (up, rig.start())
}

fn json(body: impl Into<bytes::Bytes>) -> Reply {
    Reply::status(200).header("content-type", "application/json").body(body)
}

async fn get(gateway: &Running, accept: &str) -> Answer {
    gateway.send(Request::get("/up/x").header("accept-encoding", accept)).await
}

/// Header lines but those that name the call.
fn own(answer: &Answer) -> Vec<(String, String)> {
    let ours = ["seawall-call", "seawall-decision", "date"];
    let lines = answer.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
    let mut lines: Vec<_> = lines.filter(|(name, _)| !ours.contains(&name.as_str())).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_caller_gets_the_coding_it_likes_best() {
    let body = text(100_000);
    let reply = json(body.clone()).header("etag", "\"v1\"").header("accept-ranges", "bytes");
    let (up, gateway) = gateway(Options::default(), reply).await;
    for (accept, algorithm) in [
        ("gzip", Algorithm::Gzip),
        ("deflate", Algorithm::Deflate),
        ("br, gzip;q=0.9, deflate;q=0.8", Algorithm::Gzip),
        ("gzip;q=0.1, deflate", Algorithm::Deflate),
    ] {
        let answer = get(&gateway, accept).await;
        assert_eq!((answer.status, answer.ended), (200, Ended::Complete), "{accept}");
        assert_eq!(answer.header("content-encoding"), Some(algorithm.as_str()), "{accept}");
        assert_eq!(opened(algorithm, &answer.body), body);
        assert!(answer.body.len() < 25_000, "{}", answer.body.len());
        assert_eq!(answer.header("content-length"), None);
        assert_eq!(answer.header("accept-ranges"), None);
        assert_eq!(
            (answer.header("vary"), answer.header("etag")),
            (Some("accept-encoding"), Some("W/\"v1\""))
        );
        let story = gateway.ended_story(&answer).await;
        let line = format!("the answer was compressed for the caller ({algorithm})");
        assert!(story["moments"].as_array().unwrap().iter().any(|moment| moment["what"] == line), "{story}");
        assert_eq!((&story["certainty"], &story["class"]), (&"done".into(), &"ok".into()));
    }
    // It reads them itself: the upstream is asked in its own words.
    assert!(
        up.ledger().requests().iter().any(|request| request.header("accept-encoding") == Some("deflate"))
    );
    let plain = r#"seawall_compress_bytes_total{upstream="up",direction="response",stage="plain"}"#;
    assert_eq!(gateway.metric(plain).await, Some(400_000.0));
    let coded = r#"seawall_compress_bytes_total{upstream="up",direction="response",stage="coded"}"#;
    assert!(gateway.metric(coded).await.unwrap() < 100_000.0);
}

#[tokio::test]
async fn a_caller_that_reads_none_is_not_made_to() {
    let body = text(10_000);
    let (_up, gateway) = gateway(Options::default(), json(body.clone())).await;
    for accept in ["gzip;q=0, deflate;q=0", "identity", "br", "gzip;q=0.2, identity;q=0.5", "*;q=0"] {
        let answer = get(&gateway, accept).await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{accept}");
        assert_eq!((&answer.body, answer.header("vary")), (&body, Some("accept-encoding")), "{accept}");
        assert_eq!(answer.header("content-length"), Some("10000"), "{accept}");
    }
}

#[tokio::test]
async fn what_is_not_worth_it_or_not_ours_to_change_is_left_alone() {
    let body = text(10_000);
    let (up, gateway) = gateway(Options::default(), json("")).await;
    let part = json(body.clone()).header("content-range", "bytes 0-9999/20000");
    let brotli = json(body.clone()).header("content-encoding", "br");
    let twice = json(gzip(&gzip(&body))).header("content-encoding", "gzip, gzip");
    let events = Reply::sse(&[&"e".repeat(2000), &"f".repeat(2000)]);
    for reply in [
        json(text(1023)),
        Reply::status(200).header("content-type", "image/png").body(body.clone()),
        Reply::status(200).body(body.clone()),
        json(body.clone()).header("cache-control", "private, no-transform"),
        json(body.clone()).header("content-digest", "sha-256=:x:"),
        part,
        brotli,
        twice,
        events,
        Reply::status(204),
        Reply::status(304).header("etag", "\"v1\""),
        json(""),
    ] {
        up.play(reply);
        let direct = client::request(&up.url(), Request::get("/x")).await.unwrap();
        let answer = get(&gateway, "gzip").await;
        let mut lines = own(&answer);
        // Small as it is, its kind is one that others get compressed.
        lines.retain(|line| line.1 != "accept-encoding");
        assert_eq!((answer.status, answer.ended), (direct.status, Ended::Complete));
        assert_eq!((lines, &answer.body), (own(&direct), &direct.body));
    }
    up.play(json(body.clone()));
    let head = gateway.send(Request::head("/up/x").header("accept-encoding", "gzip")).await;
    assert_eq!((head.header("content-length"), head.header("content-encoding")), (Some("10000"), None));
    for (name, value) in [("range", "bytes=0-"), ("cache-control", "no-transform")] {
        let request = Request::get("/up/x").header("accept-encoding", "gzip").header(name, value);
        let answer = gateway.send(request).await;
        assert_eq!((answer.header("content-encoding"), &answer.body), (None, &body), "{name}");
    }
    // One that forbids plain bodies gets even a small one compressed.
    up.play(json("{}"));
    let answer = get(&gateway, "gzip, identity;q=0").await;
    assert_eq!(opened(Algorithm::Gzip, &answer.body), b"{}");
}

#[tokio::test]
async fn switched_off_every_byte_passes_as_it_is() {
    let coded = gzip(&text(50_000));
    let reply = json(coded.clone())
        .header("content-encoding", "gzip")
        .header("etag", "\"v1\"")
        .header("accept-ranges", "bytes");
    let (up, gateway) = gateway(Options::off(), reply).await;
    let direct = client::request(&up.url(), Request::get("/x")).await.unwrap();
    for request in [Request::get("/up/x"), Request::get("/up/x").header("accept-encoding", "gzip, br")] {
        let answer = gateway.send(request).await;
        assert_eq!((own(&answer), &answer.body), (own(&direct), &coded));
    }
    let asked: Vec<_> = up.ledger().requests();
    assert_eq!(asked[1].header("accept-encoding"), None);
    assert_eq!(asked[2].header("accept-encoding"), Some("gzip, br"));
    let body = text(5000);
    up.play(json("{}"));
    gateway.send(Request::post("/up/x").header("content-type", "application/json").body(body.clone())).await;
    let last = up.ledger().requests().pop().unwrap();
    assert_eq!((last.header("content-encoding"), &last.body[..]), (None, &body[..]));
    assert_eq!(last.header("content-length"), Some("5000"));
    let metrics = gateway.admin("/metrics").await.text();
    assert!(!metrics.contains("seawall_compress_bytes_total{"));
}

#[tokio::test]
async fn who_reads_no_coding_gets_plain_text_though_it_came_compressed() {
    let body = text(200_000);
    let coded = gzip(&body);
    let sized = json(coded.clone()).header("etag", "\"v1\"").header("content-encoding", "gzip");
    let (up, gateway) = gateway(Options::default(), Reply::status(200)).await;
    let pieces = |size: usize| {
        let pieces: Vec<Vec<u8>> = coded.chunks(size).map(<[u8]>::to_vec).collect();
        Reply::chunked(pieces).header("content-type", "application/json").header("content-encoding", "gzip")
    };
    let zlib = encode(Algorithm::Deflate, 4, &body).unwrap();
    let bare = zlib[2..zlib.len() - 4].to_vec();
    for reply in [
        sized,
        pieces(7),
        pieces(1000),
        json(zlib).header("content-encoding", "deflate"),
        json(bare).header("content-encoding", "deflate"),
        json([gzip(&body[..70_000]), gzip(&body[70_000..])].concat()).header("content-encoding", "gzip"),
    ] {
        up.play(reply);
        let answer = gateway.get("/up/x").await;
        assert_eq!((answer.status, answer.ended), (200, Ended::Complete));
        assert!(answer.body == body, "{} of {} bytes", answer.body.len(), body.len());
        assert_eq!(
            (answer.header("content-encoding"), answer.header("vary")),
            (None, Some("accept-encoding"))
        );
        let asked = up.ledger().requests().pop().unwrap();
        assert_eq!(asked.header("accept-encoding"), Some("gzip, deflate"), "it was asked for");
        let story = gateway.ended_story(&answer).await;
        assert!(story.to_string().contains("the answer was decompressed for the caller"), "{story}");
    }
    // What fits into a look ahead has its length again.
    up.play(json(gzip(&body[..20_000])).header("content-encoding", "gzip").header("etag", "\"v1\""));
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.header("content-length"), answer.header("etag")), (Some("20000"), Some("W/\"v1\"")));
    // Who reads it gets it as it is.
    let answer = get(&gateway, "gzip").await;
    assert_eq!(opened(Algorithm::Gzip, &answer.body), &body[..20_000]);
    assert_eq!(answer.header("etag"), Some("\"v1\""));
}

#[tokio::test]
async fn a_bomb_is_refused_before_the_head() {
    let bomb = json(gzip(&vec![0; 8 << 20])).header("content-encoding", "gzip");
    let (up, gateway) = gateway(Options::default(), bomb).await;
    let answer = gateway.get("/up/x").await;
    assert_eq!(refused(&answer), (502, "SW0035".into()));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(decision(&answer, "attempts"), "1", "the same bomb would come back");
    assert_eq!(up.ledger().request_count(), 1);
    let story = gateway.ended_story(&answer).await;
    assert_eq!((&story["certainty"], &story["class"]), (&"partial".into(), &"transport".into()));
    let refusals = r#"seawall_rejections_total{upstream="up",policy="gateway",code="SW0035"}"#;
    assert_eq!(gateway.metric(refusals).await, Some(1.0));
    // Its own caller may decide for itself.
    let answer = get(&gateway, "gzip").await;
    assert_eq!(answer.status, 200);
    // What is no gzip at all is said to be none.
    up.play(json("{\"plain\": true}").header("content-encoding", "gzip"));
    assert_eq!(refused(&gateway.get("/up/x").await), (502, "SW0013".into()));
}

#[tokio::test]
async fn a_bomb_that_goes_off_later_cuts_the_answer() {
    let mut honest: Vec<u8> =
        (0..300_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    honest.truncate(200_000);
    let pieces = [gzip(&honest), gzip(&vec![0; 8 << 20])];
    let bomb = Reply::chunked(pieces).header("content-type", "text/plain").header("content-encoding", "gzip");
    let options = Options { max_decoded: Size(1 << 20), ..Options::default() };
    let (_up, gateway) = gateway(options, bomb).await;
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, answer.ended), (200, Ended::CutShort));
    assert!(answer.body.starts_with(&honest[..100_000]) && answer.body.len() <= 1 << 20);
    let story = gateway.ended_story(&answer).await;
    assert_eq!((&story["certainty"], &story["class"]), (&"partial".into(), &"transport".into()));
    assert!(story.to_string().contains("SW0035"), "{story}");
    let refusals = r#"seawall_rejections_total{upstream="up",policy="gateway",code="SW0035"}"#;
    assert_eq!(gateway.metric(refusals).await, Some(1.0));
}

#[tokio::test]
async fn a_cut_upstream_stays_a_cut() {
    let body: Vec<u8> = (0..40_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let coded = gzip(&body);
    let half = coded.len() / 2;
    let up = Upstream::start(json("")).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().defaults.compress = Options::default();
    rig.up().breaker = breaker::Options::off();
    let gateway = rig.start();
    let chunks = |upto: usize| {
        let pieces: Vec<Vec<u8>> = coded[..upto].chunks(10_000).map(<[u8]>::to_vec).collect();
        Reply::chunked(pieces).header("content-type", "application/json").header("content-encoding", "gzip")
    };
    let whole = chunks(coded.len());
    let small = gzip(&text(5000));
    let small = json(small[..small.len() - 4].to_vec()).header("content-encoding", "gzip");
    // Broken off; ended in good order by HTTP, but not by gzip: without half of it, without its last bytes, and so
    // small that it was read ahead.
    for reply in [whole.cut_after_bytes(half), chunks(half), chunks(coded.len() - 3), small] {
        up.play(reply);
        let answer = gateway.get("/up/x").await;
        assert_eq!((answer.status, answer.ended), (200, Ended::CutShort));
        let story = gateway.ended_story(&answer).await;
        assert_eq!((&story["certainty"], &story["class"]), (&"partial".into(), &"transport".into()));
    }
    // Compressed on the way, a cut has neither the end of HTTP nor that of gzip.
    let plain = Reply::chunked([text(50_000)]).header("content-type", "application/json");
    for reply in [plain.clone().cut_after_bytes(30_000), plain.reset_after_bytes(30_000)] {
        up.play(reply);
        let answer = get(&gateway, "gzip").await;
        assert_eq!((answer.status, answer.ended), (200, Ended::CutShort));
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        let bounds = Bounds::from(&Options::default());
        assert_eq!(decode(Algorithm::Gzip, bounds, &answer.body), Err(compress::Error::Truncated));
    }
}

#[tokio::test]
async fn what_has_come_is_not_held_back() {
    let line = "{\"n\": 1}\n";
    let head =
        Head::new(200).header("content-type", "application/x-ndjson").header("transfer-encoding", "chunked");
    let reply = Reply::program([Action::Head(head), Action::Chunk(line.into()), Action::Stall]);
    let (up, gateway) = gateway(Options::default(), reply).await;
    let bounds = Bounds::from(&Options::default());
    let request = Request::get("").header("accept-encoding", "gzip");
    let mut stream = client::stream(&gateway.url("/up/x"), request).await.unwrap();
    let mut decoder = compress::Decoder::new(Algorithm::Gzip, bounds);
    let mut seen = Vec::new();
    while seen.len() < line.len() {
        let piece =
            tokio::time::timeout(PATIENCE, stream.next()).await.expect("it is not held back").unwrap();
        decoder.decode(&piece.bytes, &mut seen).unwrap();
    }
    assert_eq!(seen, line.as_bytes());
    // And the other way: what the upstream flushed can be read.
    let (mut encoder, mut wire) = (compress::Encoder::new(Algorithm::Gzip, 4), Vec::new());
    encoder.encode(line.as_bytes(), &mut wire).unwrap();
    encoder.flush(&mut wire).unwrap();
    let head = Head::new(200)
        .header("content-type", "application/x-ndjson")
        .header("content-encoding", "gzip")
        .header("transfer-encoding", "chunked");
    up.play(Reply::program([Action::Head(head), Action::Chunk(wire.into()), Action::Stall]));
    let mut stream = client::stream(&gateway.url("/up/x"), Request::get("")).await.unwrap();
    let piece = tokio::time::timeout(PATIENCE, stream.next()).await.expect("it is not held back").unwrap();
    assert_eq!(piece.bytes, line.as_bytes());
}

#[tokio::test]
async fn events_that_come_compressed_are_followed_to_their_end() {
    let events = |last: &str| {
        let stream = format!("data: one\n\ndata: two\n\n{last}");
        Reply::chunked([gzip(stream.as_bytes())])
            .header("content-type", "text/event-stream")
            .header("content-encoding", "gzip")
    };
    let up = Upstream::start(events("data: [DONE]\n\n")).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("chat", "/up/**", None);
    rig.plan.routes[0].terminal = Some("[DONE]".into());
    rig.plan.routes[0].calling.compress = Options::default();
    let gateway = rig.start();
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.ended, answer.events().join(" ")), (Ended::Complete, "one two [DONE]".into()));
    up.play(events(""));
    let answer = gateway.get("/up/x").await;
    assert_eq!(answer.ended, Ended::CutShort);
    assert!(answer.text().contains("SW0022"), "{}", answer.text());
    // A bomb among events says so in an event.
    let bomb = [b"data: one\n\n".to_vec(), vec![b'\n'; 8 << 20]].concat();
    up.play(
        Reply::chunked([gzip(&bomb)])
            .header("content-type", "text/event-stream")
            .header("content-encoding", "gzip"),
    );
    let answer = gateway.get("/up/x").await;
    assert_eq!(answer.ended, Ended::CutShort);
    assert!(answer.text().contains("\"code\":\"SW0035\""), "{}", answer.text().trim_start_matches('\n'));
    // Whoever says that it wants events is not in the way of their coming plain.
    gateway.send(Request::get("/up/x").header("accept", "text/event-stream")).await;
    assert_eq!(up.ledger().requests().pop().unwrap().header("accept-encoding"), None);
}

#[tokio::test]
async fn a_request_is_compressed_once_and_sent_again_as_it_is() {
    let body = text(300_000);
    let script =
        Script::sequence([Reply::status(503).header("retry-after", "0"), json("{}")]).then(json("{}"));
    let (up, gateway) = gateway(both(), script).await;
    let request = |body: &[u8]| {
        let post = Request::post("/up/x").header("content-type", "application/json");
        post.body(body.to_vec())
    };
    let answer = gateway.send(request(&body)).await;
    assert_eq!((answer.status, decision(&answer, "attempts")), (200, "2".into()));
    let story = gateway.ended_story(&answer).await;
    assert!(story.to_string().contains("the request was compressed for the upstream (gzip)"), "{story}");
    let sent = up.ledger().requests();
    assert_eq!(sent[0].body, sent[1].body);
    for request in &sent {
        assert_eq!(request.header("content-encoding"), Some("gzip"));
        assert!(opened(Algorithm::Gzip, &request.body) == body && request.body.len() < 75_000);
    }
    // Once it is known whole, its length is.
    let framing =
        |n: usize| (sent[n].header("transfer-encoding"), sent[n].header("content-length").is_some());
    assert_eq!((framing(0), framing(1)), ((Some("chunked"), false), (None, true)));
    let plain = r#"seawall_compress_bytes_total{upstream="up",direction="request",stage="plain"}"#;
    assert_eq!(gateway.metric(plain).await, Some(300_000.0));
    // Of unknown length, too; and pieces as they come.
    let pieces: Vec<Vec<u8>> = body.chunks(9_999).map(<[u8]>::to_vec).collect();
    let chunked = Request::post("/up/x").header("content-type", "text/plain").chunked(pieces);
    assert_eq!(gateway.send(chunked).await.status, 200);
    assert_eq!(opened(Algorithm::Gzip, &up.ledger().requests().pop().unwrap().body), body);
}

#[tokio::test]
async fn requests_that_are_not_ours_to_change_arrive_as_they_were() {
    let body = text(10_000);
    let (up, gateway) = gateway(both(), json("{}")).await;
    let post = |kind: &str| Request::post("/up/x").header("content-type", kind);
    for request in [
        post("application/json").header("content-encoding", "gzip").body(gzip(&body)),
        post("application/json").header("content-encoding", "br").body(body.clone()),
        post("application/json").header("content-digest", "sha-256=:x:").body(body.clone()),
        post("application/json").header("x-amz-content-sha256", "0a").body(body.clone()),
        post("application/json").header("cache-control", "no-transform").body(body.clone()),
        post("application/json").body(text(1023)),
        post("multipart/form-data; boundary=x").body(body.clone()),
        post("image/png").body(body.clone()),
    ] {
        let before = client::request(&up.url(), request.clone()).await.unwrap();
        assert_eq!(before.status, 200);
        assert_eq!(gateway.send(request).await.status, 200);
        let [.., direct, passed] = &up.ledger().requests()[..] else { panic!("two requests") };
        assert_eq!(direct.body, passed.body);
        assert_eq!(direct.header("content-encoding"), passed.header("content-encoding"));
        assert_eq!(direct.header("content-length"), passed.header("content-length"));
    }
}

#[tokio::test]
async fn a_route_may_say_otherwise_than_its_upstream() {
    let up = Upstream::start(json(text(10_000))).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("plain", "/up/plain/**", None);
    rig.up().defaults.compress = Options::default();
    let gateway = rig.start();
    let coding = async |path: &str| {
        let answer = gateway.send(Request::get(path).header("accept-encoding", "gzip")).await;
        answer.header("content-encoding").map(str::to_owned)
    };
    assert_eq!(coding("/up/plain/x").await, None);
    assert_eq!(coding("/up/x").await.as_deref(), Some("gzip"));
}

#[tokio::test]
async fn an_old_caller_is_answered_with_a_length() {
    let (up, gateway) = gateway(Options::default(), json(text(10_000))).await;
    let mut caller = gateway.connect().await;
    let request = format!("GET /up/x HTTP/1.0\r\n{}accept-encoding: gzip\r\n\r\n", gateway.host());
    caller.send_raw(request).await.unwrap();
    let answer = caller.answer().await.unwrap();
    assert_eq!((answer.header("content-length"), answer.header("content-encoding")), (Some("10000"), None));
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn what_a_compressed_error_says_is_heard() {
    let spent =
        serde_json::json!({ "error": { "code": "insufficient_quota", "type": "insufficient_quota" } });
    let reply = Reply::status(429)
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(gzip(spent.to_string().as_bytes()));
    for options in [Options::off(), Options::default()] {
        let up = Upstream::start(reply.clone()).await.unwrap();
        let mut openai = upstream("openai", &up.url());
        openai.provider = Arc::new(OpenAi);
        openai.defaults.compress = options;
        let gateway = Rig::of([openai]).start();
        let post = Request::post("/openai/v1/chat/completions").header("accept-encoding", "gzip");
        let answer = gateway.send(post.json(&serde_json::json!({}))).await;
        assert_eq!((answer.status, decision(&answer, "attempts")), (429, "1".into()));
        assert_eq!(gateway.ended_story(&answer).await["class"], "quota-gone");
        assert_eq!(opened(Algorithm::Gzip, &answer.body), spent.to_string().as_bytes(), "it passes as it is");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_does_not_hold_up_the_others() {
    let large = vec![text(1 << 18); 32];
    let script = Script::per_path(move |request, _| match request.path() {
        "/large" => Reply::chunked(large.clone()).header("content-type", "text/plain"),
        _ => json("{}"),
    });
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.workers = 1;
    rig.up().defaults.compress = Options::default();
    let gateway = rig.start();
    let request =
        Request::get("/up/large").header("accept-encoding", "gzip").timeout(Duration::from_secs(60));
    let done = AtomicBool::new(false);
    let large = async {
        let answer = gateway.send(request).await;
        done.store(true, Ordering::Relaxed);
        answer
    };
    // While one body is compressed, on the one worker there is, others come and go.
    let others = async {
        let mut answered = 0;
        while !done.load(Ordering::Relaxed) {
            assert_eq!(gateway.get("/up/small").await.status, 200);
            answered += 1;
        }
        answered
    };
    let (large, answered) = tokio::join!(large, others);
    assert_eq!(opened(Algorithm::Gzip, &large.body).len(), 8 << 20);
    assert!(answered > 0, "{answered} small ones were answered while the large one was under way");
}
