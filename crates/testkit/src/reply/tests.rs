use std::time::Duration;

use crate::client::{self, Answer, Client, Ended, Request};
use crate::{Action, Head, Reply, Script, Upstream};

const LONG: &str = "the quick brown fox jumps over the lazy dog";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What a client makes of this reply.
async fn answer(reply: Reply) -> Answer {
    let upstream = Upstream::start(reply).await.unwrap();
    client::get(&upstream.url()).await.unwrap()
}

/// Every byte this reply puts on the wire before its end, and that end.
async fn bytes(reply: Reply) -> (String, Ended) {
    let upstream = Upstream::start(reply).await.unwrap();
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    client.send_raw("GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let (bytes, ended) = client.rest().await;
    (bytes.iter().copied().map(char::from).collect(), ended)
}

async fn error(reply: Reply) -> std::io::ErrorKind {
    let upstream = Upstream::start(reply).await.unwrap();
    client::request(&upstream.url(), Request::post("/").body("paid")).await.unwrap_err().kind()
}

#[tokio::test]
async fn a_good_answer_is_exactly_this() {
    let (wire, ended) = bytes(Reply::status(429).header("Retry-After", "1").body("slow down")).await;
    assert_eq!(
        wire,
        "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 9\r\nRetry-After: 1\r\n\r\nslow down"
    );
    assert_eq!(ended, Ended::UntilClose);
    let (wire, _) = bytes(Reply::sse(&["a", "b\nc"]).event("ping", "x").terminal("[DONE]")).await;
    let chunks = "9\r\ndata: a\n\n\r\n11\r\ndata: b\ndata: c\n\n\r\n15\r\nevent: ping\ndata: x\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
    assert!(wire.ends_with(&format!("\r\n\r\n{chunks}")), "{wire}");
    assert_eq!(bytes(Reply::status(204)).await.0, "HTTP/1.1 204 No Content\r\n\r\n");
}

#[tokio::test]
async fn json_and_trailers_arrive_whole() {
    let json = answer(Reply::json(201, serde_json::json!({ "a": 1 }))).await;
    assert_eq!((json.status, json.ended, json.text()), (201, Ended::Complete, r#"{"a":1}"#.to_owned()));
    let trailed = answer(Reply::chunked(["a", "", "b"]).trailers([("X-Sum", "2")])).await;
    assert_eq!((trailed.text().as_str(), trailed.ended), ("ab", Ended::Complete));
    assert_eq!(trailed.trailers, [("X-Sum".to_owned(), "2".to_owned())]);
}

#[tokio::test]
async fn cut_after_bytes_delivers_exactly_that_many_then_fin() {
    for n in [0, 1, 10, LONG.len() - 1, LONG.len(), LONG.len() + 7] {
        let cut = answer(Reply::ok(LONG).cut_after_bytes(n)).await;
        assert_eq!((cut.body.len(), cut.ended), (n, Ended::CutShort), "by length, after {n}");
        let known = n.min(LONG.len());
        assert_eq!(&cut.body[..known], &LONG.as_bytes()[..known]);
        let chunked = answer(Reply::chunked(["hello ", "world", "!"]).cut_after_bytes(n)).await;
        assert_eq!((chunked.body.len(), chunked.ended), (n, Ended::CutShort), "chunked, after {n}");
    }
    let (wire, ended) = bytes(Reply::chunked(["hello ", "world"]).cut_after_bytes(8)).await;
    assert!(wire.ends_with("\r\n\r\n6\r\nhello \r\n5\r\nwo"), "{wire}");
    assert_eq!(ended, Ended::UntilClose);
}

#[tokio::test]
async fn reset_after_bytes_delivers_exactly_that_many_then_rst() {
    for n in [0, 10, 60] {
        let reset = answer(Reply::ok(LONG).reset_after_bytes(n)).await;
        assert_eq!((reset.body.len(), reset.ended), (n, Ended::Reset));
    }
    // More than a socket holds: the reset must not overtake what was written before it.
    let large = answer(Reply::ok(vec![b'x'; 6 << 20]).reset_after_bytes(5 << 20)).await;
    assert_eq!((large.body.len(), large.ended), (5 << 20, Ended::Reset));
    assert_eq!(error(Reply::reset()).await, std::io::ErrorKind::ConnectionReset);
    assert_eq!(answer(Reply::ok("whole").then_reset()).await.ended, Ended::Complete);
}

#[tokio::test]
async fn cut_chunked_mid_chunk_leaves_a_chunk_unfinished() {
    for (reply, tail) in [
        (Reply::chunked(["hello ", "world!"]), "6\r\nhello \r\n6\r\nwor"),
        (Reply::ok("abcd"), "4\r\nab"),
        (Reply::chunked(["a"]), "1\r\na\r\n2\r\n."),
        (Reply::status(200), "\r\n\r\n2\r\n."),
    ] {
        let (wire, _) = bytes(reply.clone().cut_chunked_mid_chunk()).await;
        assert!(wire.ends_with(tail), "{wire}");
        assert_eq!(answer(reply.cut_chunked_mid_chunk()).await.ended, Ended::CutShort);
    }
}

#[tokio::test]
async fn a_quiet_cut_looks_whole_to_http() {
    let quiet = answer(Reply::sse(&["a", "b"]).terminal("[DONE]").end_after_chunks(1)).await;
    assert_eq!((quiet.ended, quiet.events()), (Ended::Complete, vec!["a".to_owned()]));
}

#[tokio::test]
async fn execute_then_drop_does_it_and_says_nothing() {
    let upstream = Upstream::start(Reply::execute_then_drop("order")).await.unwrap();
    let order = || Request::post("/orders").header("Idempotency-Key", "k").body("{}");
    for _ in 0..2 {
        let lost = client::request(&upstream.url(), order()).await.unwrap_err();
        assert_eq!(lost.kind(), std::io::ErrorKind::UnexpectedEof);
    }
    let ledger = upstream.ledger();
    assert_eq!((ledger.executed("order").len(), ledger.duplicates("order")), (2, 1));
    assert_eq!((ledger.requests()[0].body.as_ref(), ledger.aborted()), (&b"{}"[..], 0));
}

#[tokio::test]
async fn drop_before_reading_body_does_nothing() {
    let upstream = Upstream::start(Reply::drop_before_reading_body()).await.unwrap();
    let body = vec![b'x'; 3 << 20];
    let dropped = client::request(&upstream.url(), Request::post("/").body(body)).await.unwrap_err();
    assert_eq!(dropped.kind(), std::io::ErrorKind::UnexpectedEof);
    let seen = &upstream.ledger().requests()[0];
    assert!(!seen.body_complete && seen.body_len == 0);

    // The close is a FIN even to a client that goes on sending.
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    client.send_raw("POST / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n").await.unwrap();
    client.send_raw(vec![b'x'; 8 << 20]).await.unwrap();
    assert_eq!(client.rest().await, (vec![], Ended::UntilClose));
}

#[tokio::test]
async fn an_early_answer_comes_before_the_body_and_the_connection_lives_on() {
    let script = Script::sequence([Reply::early_response_before_body_read()]).then(Reply::ok("next"));
    let upstream = Upstream::start(script).await.unwrap();
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    client.send_raw("POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n").await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 413);
    client.send_raw("helloGET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(client.answer().await.unwrap().body, b"next");
    assert_eq!(upstream.ledger().requests()[0].body, "hello");
}

#[tokio::test]
async fn what_is_not_http_is_reported_as_that() {
    assert_eq!(bytes(Reply::garbage()).await.0.chars().count(), 512);
    let noise = Upstream::start(Reply::garbage()).await.unwrap();
    let error = client::get(&noise.url()).await.unwrap_err();
    assert!(
        matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof),
        "{error}"
    );
    let broken = answer(Reply::invalid_chunk()).await;
    assert_eq!((broken.body, broken.ended), (b"hello".to_vec(), Ended::Malformed));
}

#[tokio::test]
async fn a_wrong_length_is_short_or_spills_over() {
    let short = answer(Reply::wrong_content_length(10, 4)).await;
    assert_eq!((short.body.len(), short.ended), (4, Ended::CutShort));
    let upstream = Upstream::start(Reply::wrong_content_length(4, 10)).await.unwrap();
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    assert_eq!(client.call(&Request::get("/")).await.unwrap().body, b"....");
    while client.surplus().len() < 6 {
        assert!(client.more().await.unwrap() > 0);
    }
    assert_eq!(client.surplus(), b"......");
}

#[tokio::test]
async fn a_second_head_is_taken_for_the_next_answer_by_who_does_not_look() {
    let upstream = Upstream::start(Reply::two_heads()).await.unwrap();
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    assert_eq!(client.call(&Request::get("/1")).await.unwrap().body, b"first");
    assert_eq!(client.call(&Request::get("/2")).await.unwrap().body, b"poison");
}

#[tokio::test]
async fn heads_can_be_huge_early_old_or_late() {
    let huge = answer(Reply::huge_headers(100_000)).await;
    let size: usize = huge.headers.iter().map(|(_, value)| value.len()).sum();
    assert!((100_000..101_000).contains(&size), "{size}");
    let hinted = answer(Reply::informational(103)).await;
    assert_eq!((hinted.informational, hinted.status, hinted.body), (vec![103], 200, b"ok".to_vec()));
    let old = answer(Reply::http10()).await;
    assert_eq!((old.minor, old.ended, old.body), (0, Ended::UntilClose, b"ok".to_vec()));
    let late = answer(Reply::slow_head(ms(60))).await;
    assert!(late.took >= ms(60));
}

#[tokio::test]
async fn close_after_gives_no_warning() {
    let upstream = Upstream::start(Reply::close_after()).await.unwrap();
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    let good = client.call(&Request::get("/")).await.unwrap();
    assert_eq!((good.ended, good.header("connection")), (Ended::Complete, None));
    assert_eq!(client.rest().await, (vec![], Ended::UntilClose));
}

#[tokio::test]
async fn an_upgrade_echoes_every_byte() {
    let upstream = Upstream::start(Reply::upgrade_echo()).await.unwrap();
    let mut client = Client::connect(upstream.addr()).await.unwrap();
    let ask = Request::get("/").header("connection", "upgrade").header("upgrade", "websocket");
    let switched = client.call(&ask).await.unwrap();
    assert_eq!((switched.status, switched.header("upgrade")), (101, Some("websocket")));
    client.send_raw(b"\x00\xffping").await.unwrap();
    while client.surplus().len() < 6 {
        assert!(client.more().await.unwrap() > 0);
    }
    assert_eq!(client.surplus(), b"\x00\xffping");
    drop(client);
    assert!(upstream.ledger().wait_until(ms(2000), |ledger| ledger.in_flight() == 0).await);
    assert_eq!(upstream.ledger().aborted(), 0);
}

#[tokio::test]
async fn pauses_fall_where_they_are_put() {
    let upstream =
        Upstream::start(Reply::sse(&["a", "b", "c"]).pause_after_chunks(1, ms(400))).await.unwrap();
    let stream = client::stream(&upstream.url(), Request::get("/")).await.unwrap();
    let (pieces, ended) = stream.collect().await;
    assert_eq!((pieces.len(), ended), (3, Ended::Complete));
    assert!(pieces[0].at < ms(300) && pieces[1].at >= ms(400), "{pieces:?}");

    upstream.play(Reply::sse(&["a", "b", "c"]).every(ms(20)));
    let (pieces, _) = client::stream(&upstream.url(), Request::get("/")).await.unwrap().collect().await;
    assert!(pieces.windows(2).all(|pair| pair[1].at >= pair[0].at + ms(10)), "{pieces:?}");

    upstream.play(Reply::ok("abcdef").drip(2, ms(20)));
    let (pieces, ended) = client::stream(&upstream.url(), Request::get("/")).await.unwrap().collect().await;
    assert_eq!((pieces.concat_bytes(), ended), (b"abcdef".to_vec(), Ended::Complete));
    assert!(pieces.last().unwrap().at >= ms(40));

    let head = Head::new(200).header("content-length", "2").render();
    let drip = Action::DripBytes { bytes: [&head[..], b"ok"].concat().into(), every: ms(1), piece: 0 };
    upstream.play(Reply::program([drip]));
    assert_eq!(client::get(&upstream.url()).await.unwrap().body, b"ok");
}

trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for Vec<client::Piece> {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|piece| piece.bytes.to_vec()).collect()
    }
}

#[tokio::test]
async fn stalls_hold_the_connection_and_say_nothing() {
    let upstream = Upstream::start(Reply::stall()).await.unwrap();
    let silent = client::request(&upstream.url(), Request::get("/").timeout(ms(50))).await.unwrap_err();
    assert_eq!(silent.kind(), std::io::ErrorKind::TimedOut);
    assert!(upstream.ledger().wait_until(ms(2000), |ledger| ledger.aborted() == 1).await);

    upstream.play(Reply::ok(LONG).stall_after_bytes(10));
    let mut stream = client::stream(&upstream.url(), Request::get("/")).await.unwrap();
    assert_eq!(stream.next().await.unwrap().bytes, LONG[..10]);
    assert!(tokio::time::timeout(ms(50), stream.next()).await.is_err());
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_whatever_the_framing() {
    for reply in [Reply::ok(LONG), Reply::sse(&["a"]).terminal("[DONE]"), Reply::ok(LONG).drip(1, ms(0))] {
        let upstream = Upstream::start(reply).await.unwrap();
        let mut client = Client::connect(upstream.addr()).await.unwrap();
        for _ in 0..2 {
            let head = client.call(&Request::head("/")).await.unwrap();
            assert_eq!((head.status, head.body.len(), client.surplus().len()), (200, 0, 0));
        }
    }
}

#[test]
fn words_on_a_reply_without_a_head_change_nothing() {
    let bare = Reply::stall();
    assert_eq!(bare.clone().header("a", "b").body("c").without_header("a"), bare);
    assert_eq!(Reply::ok("abc").body("de").body_len(), 2);
    assert_eq!(Reply::chunked(["abc", "d"]).body("ef").body_len(), 2);
}
