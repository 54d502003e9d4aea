//! Bodies of every kind and size, both ways, byte for byte.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use seawall_e2e::{Rig, Running, decision, ms, refused};
use seawall_testkit::client::{self, Ended, Request};
use seawall_testkit::{Action, Head, Ledger, Reply, Script, Upstream, digest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(10);
const MIB: usize = 1 << 20;

async fn gateway(script: impl Into<Script>) -> (Upstream, Running) {
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.workers = 1;
    let gateway = rig.start();
    (up, gateway)
}

/// Bytes without a pattern, so that no piece can stand for another.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

#[tokio::test]
async fn a_large_upload_arrives_byte_for_byte() {
    let (up, gateway) = gateway(Script::always(Reply::ok("ok")).discard_bodies()).await;
    let body = noise(8 * MIB);
    let whole = digest(&body);
    for request in [
        Request::post("/up/x").body(body.clone()),
        Request::post("/up/x").chunked(body.chunks(100_000).map(<[u8]>::to_vec)),
    ] {
        assert_eq!(gateway.send(request).await.text(), "ok");
        let seen = up.ledger().requests().pop().unwrap();
        assert_eq!((seen.body_len, seen.body_digest, seen.body_complete), (8 * MIB as u64, whole, true));
    }
}

#[tokio::test]
async fn an_upload_nobody_reads_is_not_taken_in() {
    const WHOLE: usize = 512 * MIB;
    let script = Script::always(Reply::ok("ok")).on_accept(|_| seawall_testkit::Accept::Ignore);
    let (_up, gateway) = gateway(script).await;
    let mut caller = TcpStream::connect(gateway.gateway.listen()).await.unwrap();
    let head = format!("POST /up/x HTTP/1.1\r\n{}content-length: {WHOLE}\r\n\r\n", gateway.host());
    caller.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'z'; 64 << 10];
    let mut taken = 0;
    while taken < WHOLE
        && let Ok(Ok(more)) = tokio::time::timeout(ms(400), caller.write(&piece)).await
    {
        taken += more;
    }
    // Four socket buffers and a mebibyte of ours; the sockets' are the kernel's choice.
    assert!(taken < WHOLE / 4, "{taken} bytes of a body nobody reads were taken in");
}

#[tokio::test]
async fn a_body_of_up_to_a_mebibyte_is_sent_again_byte_for_byte() {
    for (bytes, chunked) in [(1, false), (70_000, true), (MIB, false), (MIB, true)] {
        let script = Script::sequence([Reply::status(500), Reply::status(503)]).then(Reply::ok("stored"));
        let (up, gateway) = gateway(script.discard_bodies()).await;
        let body = noise(bytes);
        let put = Request::new("PUT", "/up/x");
        let request = if chunked {
            put.chunked(body.chunks(10_000).map(<[u8]>::to_vec))
        } else {
            put.body(body.clone())
        };
        let answer = gateway.send(request).await;
        assert_eq!(
            (answer.text().as_str(), decision(&answer, "attempts").as_str()),
            ("stored", "3"),
            "{bytes}"
        );
        for seen in up.ledger().requests() {
            assert_eq!((seen.body_len, seen.body_digest), (bytes as u64, digest(&body)), "{bytes} {chunked}");
        }
    }
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_sent_once_and_the_decision_says_why() {
    for chunked in [false, true] {
        let (up, gateway) = gateway(Script::always(Reply::status(500).body("no")).discard_bodies()).await;
        let body = noise(MIB + 1);
        let put = Request::new("PUT", "/up/x");
        let request = if chunked {
            put.chunked(body.chunks(10_000).map(<[u8]>::to_vec))
        } else {
            put.body(body.clone())
        };
        let answer = gateway.send(request).await;
        assert_eq!((answer.status, answer.text().as_str()), (500, "no"));
        assert_eq!(decision(&answer, "attempts"), "1");
        assert_eq!(decision(&answer, "stopped"), "body-not-replayable");
        assert_eq!((up.ledger().request_count(), up.ledger().requests()[0].body_digest), (1, digest(&body)));
    }
}

#[tokio::test]
async fn how_much_is_kept_for_another_try_is_the_plans_word() {
    let up = Upstream::start(Script::sequence([Reply::status(500)]).then(Reply::ok("ok"))).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.replay = 10;
    let gateway = rig.start();
    let answer = gateway.send(Request::new("PUT", "/up/x").body("0123456789a")).await;
    assert_eq!((answer.status, decision(&answer, "stopped").as_str()), (500, "body-not-replayable"));
    up.play(Script::sequence([Reply::status(500)]).then(Reply::ok("ok")));
    assert_eq!(gateway.send(Request::new("PUT", "/up/x").body("0123456789")).await.status, 200);
}

#[tokio::test]
async fn leave_to_send_a_body_is_given_by_us_and_not_asked_of_the_upstream() {
    let (up, gateway) = gateway(Reply::ok("ok")).await;
    let answer = gateway.send(Request::post("/up/x").body("payload").expect_continue()).await;
    assert_eq!((answer.informational.as_slice(), answer.text().as_str()), ([100].as_slice(), "ok"));
    let seen = &up.ledger().requests()[0];
    assert_eq!((seen.header("expect"), seen.body.as_ref()), (None, &b"payload"[..]));
    // Who is refused is not asked for a body.
    let answer = gateway.send(Request::post("/nowhere/x").body("payload").expect_continue()).await;
    assert_eq!((refused(&answer), answer.informational), ((404, "SW0016".into()), vec![]));
}

#[tokio::test]
async fn a_chunked_upload_passes_with_its_trailers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = Rig::new(&format!("http://{}", listener.local_addr().unwrap())).start();
    let mut caller = gateway.connect().await;
    let body = "transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nx-sum: 9\r\n\r\n";
    caller.send_raw(format!("POST /up/x HTTP/1.1\r\n{}{body}", gateway.host())).await.unwrap();
    let mut upstream = listener.accept().await.unwrap().0;
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") || !heard.windows(5).any(|five| five == b"\r\n0\r\n") {
        assert!(upstream.read_buf(&mut heard).await.unwrap() > 0, "{:?}", String::from_utf8_lossy(&heard));
    }
    upstream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(caller.answer().await.unwrap().text(), "ok");
    let heard = String::from_utf8(heard).unwrap().to_ascii_lowercase();
    assert!(heard.ends_with("\r\n0\r\nx-sum: 9\r\n\r\n"), "{heard}");
}

#[tokio::test]
async fn an_answers_trailers_pass_to_a_caller_that_takes_them() {
    let reply = Reply::chunked(["abc"]).header("trailer", "x-sum").trailers([("x-sum", "9")]);
    let (_up, gateway) = gateway(reply).await;
    let answer =
        gateway.send(Request::get("/up/x").header("te", "trailers").header("connection", "te")).await;
    assert_eq!((answer.text().as_str(), answer.ended), ("abc", Ended::Complete));
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "9".to_owned())]);
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.text().as_str(), answer.ended), ("abc", Ended::Complete));
}

#[tokio::test]
async fn answers_without_a_body_have_none_and_leave_the_connection_usable() {
    let script = Script::per_path(|request, _| match request.path() {
        "/head" => Reply::ok("eleven long"),
        "/204" => Reply::status(204),
        "/304" => Reply::status(304).header("etag", "\"1\"").header("content-length", "11"),
        "/205" => Reply::status(205),
        "/empty" => Reply::ok(""),
        _ => Reply::ok("a body"),
    });
    let (_up, gateway) = gateway(script).await;
    let mut caller = gateway.connect().await;
    for (request, status) in [
        (Request::head("/up/head"), 200),
        (Request::get("/up/204"), 204),
        (Request::get("/up/304"), 304),
        (Request::get("/up/205"), 205),
        (Request::get("/up/empty"), 200),
        (Request::head("/nowhere"), 404),
        (Request::new("DELETE", "/up/204"), 204),
    ] {
        let answer = caller.call(&request).await.unwrap();
        assert_eq!(
            (answer.status, answer.body.len(), answer.ended),
            (status, 0, Ended::Complete),
            "{request:?}"
        );
        assert!(answer.header("seawall-call").is_some(), "{request:?}");
        // Were there a stray byte, the next answer would begin with it.
        assert_eq!(caller.call(&Request::get("/up/x")).await.unwrap().text(), "a body", "after {request:?}");
    }
    let head = gateway.send(Request::head("/up/head")).await;
    assert_eq!(head.header("content-length"), Some("11"), "what GET would have said");
}

#[tokio::test]
async fn a_request_without_a_body_has_none_at_the_upstream_and_is_framed_as_it_came() {
    let (up, gateway) = gateway(Script::sequence([Reply::status(500)]).then(Reply::ok("ok"))).await;
    for (request, length) in [
        (Request::new("PUT", "/up/x").header("content-length", "0"), Some("0")),
        (Request::post("/up/x").header("content-length", "0"), Some("0")),
        (Request::post("/up/x"), None),
        (Request::new("DELETE", "/up/x"), None),
        (Request::get("/up/x"), None),
        (Request::post("/up/x").chunked([""; 0]), None),
    ] {
        assert_eq!(gateway.send(request.clone()).await.text(), "ok");
        let seen = up.ledger().requests().pop().unwrap();
        assert_eq!((seen.header("content-length"), seen.body_len), (length, 0), "{request:?}");
        let chunked = request.headers.iter().any(|(name, _)| name == "transfer-encoding");
        assert_eq!(seen.header("transfer-encoding"), chunked.then_some("chunked"), "{request:?}");
    }
    assert_eq!(up.ledger().request_count(), 7, "the first of them twice");
}

#[tokio::test]
async fn an_answer_that_comes_before_the_upload_has_ended_is_passed_on() {
    let (up, gateway) =
        gateway(Script::always(Reply::early_response_before_body_read()).discard_bodies()).await;
    for _ in 0..5 {
        let answer = gateway.send(Request::post("/up/x").body(vec![b'z'; 8 * MIB])).await;
        assert_eq!((answer.status, answer.text().as_str()), (413, "too large"));
        assert_eq!(decision(&answer, "attempts"), "1");
    }
    up.play(Reply::ok("small enough"));
    assert_eq!(gateway.send(Request::post("/up/x").body("z")).await.text(), "small enough");
}

/// A head that announces a body, and the body.
fn post(gateway: &Running, path: &str, bytes: usize) -> (String, Vec<u8>) {
    let head = format!("POST {path} HTTP/1.1\r\n{}content-length: {bytes}\r\n\r\n", gateway.host());
    (head, noise(bytes))
}

#[tokio::test]
async fn what_is_left_of_a_body_after_its_answer_does_not_end_the_connection() {
    let (up, gateway) =
        gateway(Script::always(Reply::early_response_before_body_read()).discard_bodies()).await;
    let mut caller = gateway.connect().await;
    for path in ["/up/x", "/nowhere/x", "/up/x", "/nowhere/x"] {
        let (head, body) = post(&gateway, path, 200_000);
        caller.send_raw(head).await.unwrap();
        caller.send_raw(&body[..100_000]).await.unwrap();
        let answer = caller.answer().await.unwrap();
        assert_eq!(answer.status, if path == "/up/x" { 413 } else { 404 });
        assert_eq!(answer.header("connection"), None);
        // Only now the rest, which nobody wants.
        tokio::time::sleep(ms(20)).await;
        caller.send_raw(&body[100_000..]).await.unwrap();
    }
    up.play(Reply::ok("next"));
    assert_eq!(caller.call(&Request::get("/up/x")).await.unwrap().text(), "next", "on the same connection");
}

#[tokio::test]
async fn a_large_rest_of_a_body_ends_the_connection_in_so_many_words_and_no_answer_is_lost() {
    let (_up, gateway) =
        gateway(Script::always(Reply::early_response_before_body_read()).discard_bodies()).await;
    for (path, status) in [("/up/x", 413), ("/nowhere/x", 404)] {
        let (head, body) = post(&gateway, path, 8 * MIB);
        let mut caller = TcpStream::connect(gateway.gateway.listen()).await.unwrap();
        caller.write_all(head.as_bytes()).await.unwrap();
        // One of those that read only after they have sent everything.
        caller.write_all(&body).await.unwrap();
        let mut said = Vec::new();
        caller.read_to_end(&mut said).await.unwrap();
        let said = String::from_utf8_lossy(&said);
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{said}");
        assert!(said.to_lowercase().contains("\r\nconnection: close\r\n"), "{said}");
    }
    // A small one in chunks that is there already ends nothing.
    let mut caller = gateway.connect().await;
    for _ in 0..3 {
        let head =
            format!("POST /nowhere/x HTTP/1.1\r\n{}transfer-encoding: chunked\r\n\r\n", gateway.host());
        caller.send_raw(head + "5\r\na few\r\n6\r\n words\r\n0\r\n\r\n").await.unwrap();
        let answer = caller.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (404, None));
    }
    // Who asked for leave and sends without it is heard out too, as long as it takes to be answered.
    let mut caller = TcpStream::connect(gateway.gateway.listen()).await.unwrap();
    let (head, body) = post(&gateway, "/nowhere/x", 8 * MIB);
    let head = head.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    caller.write_all(head.as_bytes()).await.unwrap();
    caller.write_all(&body).await.unwrap();
    let mut said = String::new();
    caller.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 404") && said.contains("connection: close"), "{said}");
    // Nobody knows how much is left of what comes in chunks, nor whether it comes at all after leave was not given.
    for line in ["transfer-encoding: chunked", "content-length: 5\r\nexpect: 100-continue"] {
        let mut caller = gateway.connect().await;
        let head = format!("POST /nowhere/x HTTP/1.1\r\n{}{line}\r\n\r\n", gateway.host());
        caller.send_raw(head).await.unwrap();
        let answer = caller.answer().await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (404, Some("close")), "{line}");
        assert!(answer.informational.is_empty());
    }
}

#[tokio::test]
async fn a_drain_waits_for_those_who_are_still_sending_what_nobody_wants() {
    let (_up, gateway) = gateway(Reply::ok("ok")).await;
    let mut callers = Vec::new();
    for bytes in [200_000, 8 * MIB] {
        let (head, body) = post(&gateway, "/nowhere/x", bytes);
        let mut caller = TcpStream::connect(gateway.gateway.listen()).await.unwrap();
        caller.write_all(head.as_bytes()).await.unwrap();
        caller.write_all(&body[..100_000]).await.unwrap();
        callers.push((caller, body));
    }
    // Both are answered, and nobody has read it.
    for (caller, _) in &callers {
        caller.readable().await.unwrap();
    }
    let stopping = tokio::task::spawn_blocking(move || gateway.gateway.stop());
    for (mut caller, body) in callers {
        tokio::time::sleep(ms(50)).await;
        caller.write_all(&body[100_000..]).await.unwrap();
        let mut said = String::new();
        caller.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 404"), "{said}");
    }
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_what_it_can_read() {
    let (up, gateway) = gateway(Reply::chunked(["not ", "chunked"])).await;
    let ask = format!("GET /up/x HTTP/1.0\r\n{}\r\n", gateway.host());
    let mut caller = gateway.connect().await;
    caller.send_raw(&ask).await.unwrap();
    let answer = caller.answer().await.unwrap();
    assert_eq!((answer.minor, answer.header("transfer-encoding")), (0, None));
    assert_eq!((answer.text().as_str(), answer.ended), ("not chunked", Ended::UntilClose));
    assert_eq!(up.ledger().requests()[0].minor, 1);

    up.play(Reply::ok("known length"));
    let mut caller = gateway.connect().await;
    caller.send_raw(ask.replace("\r\n\r\n", "\r\nconnection: keep-alive\r\n\r\n")).await.unwrap();
    assert_eq!(caller.answer().await.unwrap().text(), "known length");
    caller.send_raw(&ask).await.unwrap();
    assert_eq!(caller.answer().await.unwrap().text(), "known length");
    assert_eq!(caller.rest().await, (vec![], Ended::UntilClose));
}

#[tokio::test]
async fn an_upstream_of_http_1_0_is_read_to_where_it_hangs_up() {
    let (_up, gateway) = gateway(Reply::http10()).await;
    for _ in 0..3 {
        let answer = gateway.get("/up/x").await;
        assert_eq!((answer.minor, answer.text().as_str(), answer.ended), (1, "ok", Ended::Complete));
    }
}

#[tokio::test]
async fn requests_sent_in_one_go_are_answered_in_order() {
    let slow_first = |request: &seawall_testkit::Request, _| {
        let reply = Reply::ok(format!("{} {}", request.path(), String::from_utf8_lossy(&request.body)));
        if request.path() == "/1" { reply.after(ms(80)) } else { reply }
    };
    let (_up, gateway) = gateway(Script::per_path(slow_first)).await;
    let host = gateway.host();
    let mut caller = gateway.connect().await;
    let one = format!("POST /up/1 HTTP/1.1\r\n{host}content-length: 2\r\n\r\nhi");
    let two = format!("POST /up/2 HTTP/1.1\r\n{host}transfer-encoding: chunked\r\n\r\n2\r\nyo\r\n0\r\n\r\n");
    let (three, four) =
        (format!("GET /nowhere HTTP/1.1\r\n{host}\r\n"), format!("GET /up/4 HTTP/1.1\r\n{host}\r\n"));
    caller.send_raw([one, two, three, four].concat()).await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(caller.answer().await.unwrap());
    }
    let texts: Vec<_> = answers.iter().map(|answer| (answer.status, answer.text())).collect();
    assert_eq!((&texts[0], &texts[1]), (&(200, "/1 hi".into()), &(200, "/2 yo".into())));
    assert_eq!((texts[2].0, &texts[3]), (404, &(200, "/4 ".into())));
}

#[tokio::test]
async fn connections_are_used_again_on_both_sides() {
    let (up, gateway) = gateway(Reply::ok("ok")).await;
    let mut caller = gateway.connect().await;
    for n in 0..20 {
        let request = match n % 3 {
            0 => Request::get("/up/x"),
            1 => Request::post("/up/x").body("z"),
            _ => Request::post("/up/x").chunked(["z"]).header("trailer", "x-sum"),
        };
        let answer = caller.call(&request).await.unwrap();
        assert_eq!((answer.text().as_str(), answer.header("connection")), ("ok", None));
    }
    assert_eq!((up.ledger().request_count(), up.ledger().connections()), (20, 1));
    // One that the upstream hung up is not missed.
    up.play(Reply::close_after());
    caller.call(&Request::get("/up/x")).await.unwrap();
    for _ in 0..5 {
        let answer = caller.call(&Request::post("/up/x").body("z")).await.unwrap();
        assert_eq!((answer.status, decision(&answer, "attempts").as_str()), (200, "1"));
    }
}

#[tokio::test]
async fn a_large_download_arrives_byte_for_byte() {
    let body = noise(32 * MIB);
    let (up, gateway) = gateway(Reply::ok(body.clone())).await;
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.ended, answer.body == body), (Ended::Complete, true));
    assert_eq!(answer.header("content-length"), Some((32 * MIB).to_string().as_str()));
    up.play(Reply::chunked(body.chunks(50_000).map(<[u8]>::to_vec)));
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.ended, answer.body == body), (Ended::Complete, true));
}

#[tokio::test]
async fn a_download_nobody_reads_is_not_taken_in() {
    const PIECES: usize = 4000;
    let piece = Action::Chunk(vec![b'z'; 64 << 10].into());
    let head = Head::new(200).header("transfer-encoding", "chunked");
    // Far more than sockets buffer: it can all be written only if somebody holds it.
    let pour = [Action::Head(head)].into_iter().chain(std::iter::repeat_n(piece, PIECES));
    let poured = pour.chain([Action::EndChunks, Action::Execute("poured".into())]);
    let (up, gateway) = gateway(Reply::program(poured)).await;
    let mut stream = client::stream(&gateway.url("/up/x"), Request::get("")).await.unwrap();
    stream.next().await.unwrap();
    tokio::time::sleep(ms(700)).await;
    assert_eq!(up.ledger().executed("poured").len(), 0, "250 MiB were taken in and read by nobody");
    drop(stream);
    let left = |ledger: &Ledger| ledger.aborted() == 1;
    assert!(up.ledger().wait_until(PATIENCE, left).await);
}
