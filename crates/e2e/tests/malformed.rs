//! Heads nobody can read: each is answered once, clearly, and costs nobody else anything.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use seawall_e2e::{Rig, Running, refused};
use seawall_testkit::client::{Answer, Client};
use seawall_testkit::{Reply, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MALFORMED: &str = r#"seawall_rejections_total{upstream="",policy="gateway",code="SW0015"}"#;
const TOO_LARGE: &str = r#"seawall_rejections_total{upstream="",policy="gateway",code="SW0032"}"#;

async fn gateway() -> (Upstream, Running) {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    (up, gateway)
}

/// What comes back for these bytes on a connection of their own, and that the connection ends with it.
async fn only_answer(gateway: &Running, bytes: impl AsRef<[u8]>) -> Answer {
    let mut client = gateway.connect().await;
    client.send_raw(bytes).await.unwrap();
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(client.rest().await.0, b"", "nothing follows it");
    answer
}

async fn still_serves(up: &Upstream, gateway: &Running) {
    assert_eq!(up.ledger().request_count(), 0, "nothing of it reached the upstream");
    assert_eq!(gateway.get("/up/next").await.text(), "ok");
}

#[tokio::test]
async fn what_is_not_a_request_is_400_with_a_code_an_id_and_a_story() {
    let (up, gateway) = gateway().await;
    let get = format!("GET /up/x HTTP/1.1\r\n{}", gateway.host());
    let post = format!("POST /up/x HTTP/1.1\r\n{}", gateway.host());
    let cases = [
        "HELLO\r\n\r\n".to_owned(),
        "\u{1}\u{2}\u{3}\r\n\r\n".to_owned(),
        "GET /up/x\r\n\r\n".to_owned(),
        get.replace("HTTP/1.1", "HTTP/2.0") + "\r\n",
        get.replace("HTTP/1.1", "HTTP/1.3") + "\r\n",
        get.replace("HTTP/1.1", "ICY/1.1") + "\r\n",
        get.replace("GET", "G(T") + "\r\n",
        get.replace("/x", "/a b") + "\r\n",
        get.replace("/x", "/a\0b") + "\r\n",
        get.clone() + "x: a\0b\r\n\r\n",
        get.clone() + "x: a\rb\r\n\r\n",
        get.clone() + "x: folded\r\n over lines\r\n\r\n",
        get.clone() + "no colon\r\n\r\n",
        get.clone() + ": no name\r\n\r\n",
        get.clone() + "x : space\r\n\r\n",
        get + "x\u{e9}: not a token\r\n\r\n",
        post.clone() + "content-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        post.clone() + "content-length: 3, 3\r\n\r\nabc",
        post.clone() + "content-length: -3\r\n\r\nabc",
        post.clone() + "content-length: +3\r\n\r\nabc",
        post.clone() + "content-length: 0x3\r\n\r\nabc",
        post.clone() + "content-length: \r\n\r\nabc",
        post.clone() + "content-length: 99999999999999999999999\r\n\r\nabc",
        post.clone() + "transfer-encoding: xchunked\r\n\r\nabc",
        post.clone() + "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        post.clone() + "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        post.replace("HTTP/1.1", "HTTP/1.0") + "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for (already, bytes) in cases.iter().enumerate() {
        let answer = only_answer(&gateway, bytes).await;
        assert_eq!(refused(&answer), (400, "SW0015".into()), "{bytes:?}");
        assert_eq!(answer.header("x-should-retry"), Some("false"), "{bytes:?}");
        assert_eq!(
            answer.header("seawall-decision"),
            Some(
                "upstream=none; attempts=0; waited=0ms; breaker=none; cache=none; effect=none; generation=1"
            ),
            "{bytes:?}"
        );
        assert_eq!(gateway.metric(MALFORMED).await, Some(already as f64 + 1.0), "{bytes:?}");
        let story = gateway.story(&answer).await;
        assert_eq!((&story["status"], &story["refusal"]["code"]), (&400.into(), &"SW0015".into()));
    }
    still_serves(&up, &gateway).await;
}

#[tokio::test]
async fn a_head_too_large_is_431_with_a_code_an_id_and_a_story() {
    let (up, gateway) = gateway().await;
    let lines = |count| -> String { (0..count).map(|n| format!("x-{n}: 1\r\n")).collect() };
    let line = |bytes| "l".repeat(bytes);
    let cases = [
        format!("GET /up/x HTTP/1.1\r\n{}{}\r\n", gateway.host(), lines(10_000)),
        format!("GET /up/x HTTP/1.1\r\n{}{}\r\n", gateway.host(), lines(128)),
        format!("GET /up/x HTTP/1.1\r\n{}x: {}\r\n\r\n", gateway.host(), line(200_000)),
        format!("GET /up/{} HTTP/1.1\r\n{}\r\n", line(100_000), gateway.host()),
    ];
    for (already, bytes) in cases.iter().enumerate() {
        let (_, heard) = flood(&gateway, bytes, b"", 0).await;
        let answer = parsed(&heard).await;
        assert_eq!(refused(&answer), (431, "SW0032".into()), "{:?}", &bytes[..40]);
        assert_eq!(gateway.metric(TOO_LARGE).await, Some(already as f64 + 1.0));
        assert_eq!(gateway.story(&answer).await["refusal"]["code"], "SW0032");
    }
    still_serves(&up, &gateway).await;
}

#[tokio::test]
async fn a_head_of_a_hundred_megabytes_is_refused_long_before_it_is_there() {
    const WHOLE: usize = 100 << 20;
    let (up, gateway) = gateway().await;
    let begins = [
        format!("GET /up/x HTTP/1.1\r\n{}x: ", gateway.host()),
        "GET /up/".to_owned(),
        format!("GET /up/x HTTP/1.1\r\n{}", gateway.host()),
    ];
    for (begin, piece) in begins.iter().zip([[b'l'; 64 << 10].as_slice(), &[b'u'; 64 << 10], b"x: 1\r\n"]) {
        let (sent, heard) = flood(&gateway, begin, &piece.repeat((64 << 10) / piece.len()), WHOLE).await;
        // What the two sockets' buffers take cannot be known here; that it is not the whole can.
        assert!(sent < WHOLE / 2, "{sent} bytes were taken");
        assert_eq!(refused(&parsed(&heard).await), (431, "SW0032".into()));
    }
    still_serves(&up, &gateway).await;
}

#[tokio::test]
async fn garbage_behind_a_good_request_is_answered_behind_its_answer() {
    let (up, gateway) = gateway().await;
    let mut client = gateway.connect().await;
    client.send_raw(format!("GET /up/x HTTP/1.1\r\n{}\r\nHELLO\r\n\r\n", gateway.host())).await.unwrap();
    assert_eq!(client.answer().await.unwrap().text(), "ok");
    assert_eq!(refused(&client.answer().await.unwrap()), (400, "SW0015".into()));
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn an_upstreams_own_bare_400_is_passed_on_as_it_is() {
    let (up, gateway) = gateway().await;
    up.play(Reply::status(400).header("date", "Sat, 21 Nov 2026 16:00:00 GMT").header("connection", "close"));
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, answer.text().as_str()), (400, ""));
    assert_eq!(answer.header("content-type"), None);
}

/// Says `begin`, then `piece` again and again until somebody stops it or `most` bytes are out, listening all the while.
/// How much went out, and what came back.
async fn flood(gateway: &Running, begin: &str, piece: &[u8], most: usize) -> (usize, Vec<u8>) {
    let mut stream = TcpStream::connect(gateway.gateway.listen()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut heard = Vec::new();
    let saying = async {
        let mut sent = 0;
        if writer.write_all(begin.as_bytes()).await.is_ok() {
            while sent < most && writer.write_all(piece).await.is_ok() {
                sent += piece.len();
            }
        }
        sent
    };
    // The answer first, then the end: by FIN, or by RST because we had not finished.
    let hearing = async { while matches!(reader.read_buf(&mut heard).await, Ok(1..)) {} };
    let both = async { tokio::join!(saying, hearing) };
    let (sent, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("it ends");
    (sent, heard)
}

/// Reads bytes as the client would.
async fn parsed(heard: &[u8]) -> Answer {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Client::connect(listener.local_addr().unwrap()).await.unwrap();
    listener.accept().await.unwrap().0.write_all(heard).await.unwrap();
    client.answer().await.unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(heard)))
}
