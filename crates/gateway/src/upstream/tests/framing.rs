//! Answers whose end can be argued about.

use super::server::*;
use crate::upstream::{Options, Origin, SendErrorKind, Sent};

#[tokio::test]
async fn answers_that_can_be_read_two_ways_are_garbage() {
    for head in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 6",
        "content-length: +5",
        "content-length: 0x5",
        "content-length: -1",
        "content-length: 18446744073709551616",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: xchunked",
        "transfer-encoding : chunked",
        "content-length: 5\r\n folded",
        "x: a\rcontent-length: 5",
        "x: a\0b",
        "no colon",
    ] {
        let server = once(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n0\r\n\r\n")).await;
        let pool = pool(&server);
        let error = get(&pool, "/").await.map(|_| ()).expect_err(head);
        assert_eq!((error.sent, error.kind), (Sent::Maybe, SendErrorKind::Garbage), "{head}: {error}");
        assert_eq!(pool.idle(), 0, "{head}");
        eventually("closed", || pool.open_connections() == 0).await;
    }
    for answer in [
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        "hello\r\n\r\n",
        "HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    ] {
        let error = get(&pool(&once(answer).await), "/").await.map(|_| ()).expect_err(answer);
        assert_eq!((error.sent, error.kind), (Sent::Maybe, SendErrorKind::Garbage), "{answer}: {error}");
    }
}

#[tokio::test]
async fn a_length_said_twice_is_passed_on_once() {
    for lines in ["content-length: 2\r\ncontent-length: 2", "content-length: 2, 2"] {
        let server = once(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nhi")).await;
        let answer = get(&pool(&server), "/").await.unwrap();
        let lengths: Vec<_> = answer.headers().get_all("content-length").iter().collect();
        assert_eq!(lengths, ["2"]);
        assert_eq!(read(answer).await.unwrap().0, "hi");
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error_and_never_an_end() {
    for cut in [
        "content-length: 9\r\n\r\nshort",
        "transfer-encoding: chunked\r\n\r\n5\r\nshort",
        "transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nshortX\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n5\nshort\n0\n\n",
        "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nshort",
        "transfer-encoding: chunked\r\n\r\n-5\r\nshort",
    ] {
        let server = once(format!("HTTP/1.1 200 OK\r\n{cut}")).await;
        let pool = pool(&server);
        let error = read(get(&pool, "/").await.unwrap()).await.expect_err(cut);
        assert!(error.to_string().starts_with("the answer was cut short: "), "{error}");
        assert_eq!(pool.idle(), 0);
        eventually("closed", || pool.open_connections() == 0).await;
    }
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let server =
        once(format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n{}", ok("hi")))
            .await;
    assert_eq!(text(get(&pool(&server), "/").await).await, "hi");
}

#[tokio::test]
async fn lengths_and_ends_are_known_as_soon_as_the_server_tells() {
    use http_body::Body;
    let server = once(ok("hello")).await;
    let pool = pool_with(&server.url, Options::default());
    let answer = get(&pool, "/").await.unwrap();
    assert_eq!((answer.body().size_hint().exact(), answer.body().is_end_stream()), (Some(5), false));
}

#[test]
fn an_origin_is_read_from_a_url() {
    let origin = |url: &str| Origin::from_url(&url.parse().unwrap());
    let all = |url: &str| {
        let origin = origin(url).unwrap();
        (origin.https(), origin.host().to_owned(), origin.port(), origin.authority().to_string())
    };
    assert_eq!(
        all("https://api.openai.com/v1"),
        (true, "api.openai.com".into(), 443, "api.openai.com".into())
    );
    assert_eq!(all("http://127.0.0.1:8080"), (false, "127.0.0.1".into(), 8080, "127.0.0.1:8080".into()));
    assert_eq!(all("https://[::1]:443/"), (true, "::1".into(), 443, "[::1]".into()));
    assert_eq!(all("http://[::1]:81/"), (false, "::1".into(), 81, "[::1]:81".into()));
    for refused in
        ["ftp://x/", "/path", "http://user:password@x/", "https://not..a..name/", "http://x:0/", "x:80"]
    {
        assert!(origin(refused).is_err(), "{refused}");
    }
}
