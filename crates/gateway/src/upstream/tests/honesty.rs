//! Not sent, maybe sent: what each failure says, against what the server saw.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use http_body_util::BodyExt;
use tokio::net::TcpListener;

use super::server::*;
use crate::upstream::{Options, Progress, SendErrorKind, Sent};

async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Polls once.
async fn begin(mut sending: Pin<&mut impl Future>) {
    poll_fn(|cx| {
        assert!(sending.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn a_refused_connection_sent_nothing_and_gives_the_request_back() {
    let pool = pool_with(&nobody().await, Options::default());
    let mut error = send(&pool, request("POST", "/order", full("x"))).await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::No, SendErrorKind::Connect));
    assert!(error.to_string().contains("refused"), "{error}");
    let request = error.take_request().expect("untouched");
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/order"));
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "x");
    assert_eq!(pool.open_connections(), 0);
}

#[tokio::test]
async fn a_name_without_an_address_sent_nothing() {
    let pool = pool_with("http://not..a..name/", Options::default());
    let error = get(&pool, "/").await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::No, SendErrorKind::Resolve));
}

#[tokio::test]
async fn a_name_is_resolved() {
    let server = always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    let pool = pool_with(&server.url.replace("127.0.0.1", "localhost"), Options::default());
    assert_eq!(text(get(&pool, "/").await).await, "hi");
}

#[tokio::test]
async fn a_server_that_reads_the_request_and_hangs_up_may_have_done_it() {
    let server = serve(|_, mut peer| async move {
        peer.request().await;
    })
    .await;
    let mut error = get(&pool(&server), "/").await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::Maybe, SendErrorKind::Closed));
    assert!(error.take_request().is_none());
}

#[tokio::test]
async fn a_server_that_hangs_up_at_once_is_told_apart_by_what_was_written() {
    let server = serve(|_, peer| async move { drop(peer) }).await;
    let pool = pool(&server);
    for _ in 0..20 {
        let progress = Progress::new();
        let error = pool.send(request("GET", "/", full("")), SOON, &progress).await.unwrap_err();
        assert_eq!(error.kind, SendErrorKind::Closed);
        assert_eq!(error.sent, progress.sent());
    }
}

#[tokio::test]
async fn what_is_not_http_is_garbage_and_may_have_been_done() {
    let server = once("SSH-2.0-OpenSSH_9.2\r\n").await;
    let error = get(&pool(&server), "/").await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::Maybe, SendErrorKind::Garbage), "{error}");
}

#[tokio::test]
async fn a_server_that_speaks_first_is_not_sent_anything() {
    let (said, heard) = std::sync::mpsc::channel();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, ok("for nobody").as_bytes()).unwrap();
        said.send(()).unwrap();
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut rest);
        assert!(rest.is_empty());
        said.send(()).unwrap();
    });
    let pool = pool_with(&url, Options::default());
    let progress = Progress::new();
    {
        let mut sending = pin!(pool.send(request("GET", "/", full("")), SOON, &progress));
        // Begins to connect; the bytes are there before it goes on.
        begin(sending.as_mut()).await;
        heard.recv().unwrap();
        let error = sending.await.unwrap_err();
        assert_eq!((error.sent, error.kind), (Sent::No, SendErrorKind::Garbage), "{error}");
    }
    eventually("closed", || pool.open_connections() == 0).await;
    heard.recv().expect("the server saw not one byte");
}

#[tokio::test]
async fn a_head_without_end_is_refused_early() {
    let server = serve(|_, mut peer| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\n").await;
        let line = format!("x-filler: {}\r\n", "y".repeat(4000));
        for _ in 0..25_000 {
            peer.say(&line).await;
        }
    })
    .await;
    let error = get(&pool(&server), "/").await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::Maybe, SendErrorKind::HeadTooLarge), "{error}");
}

#[tokio::test]
async fn the_number_of_header_lines_is_bounded_and_the_bound_is_an_option() {
    let many = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{}\r\n", "x: y\r\n".repeat(150));
    let server = once(many).await;
    let error = get(&pool(&server), "/").await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::Maybe, SendErrorKind::HeadTooLarge), "{error}");
    let roomy = pool_with(&server.url, Options { max_headers: Some(256), ..Options::default() });
    assert_eq!(get(&roomy, "/").await.unwrap().headers().get_all("x").iter().count(), 150);
}

#[tokio::test]
async fn a_listener_that_never_accepts_runs_out_of_time_with_nothing_sent() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(1).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut filling = Vec::new();
    for _ in 0..8 {
        filling.push(tokio::spawn(tokio::net::TcpStream::connect(address)));
    }
    tokio::time::sleep(ms(50)).await;
    let pool = pool_with(&format!("http://{address}"), Options::default());
    let progress = Progress::new();
    let mut error = pool.send(request("GET", "/", full("")), ms(100), &progress).await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::No, SendErrorKind::ConnectTimeout), "{error}");
    assert!(!progress.connected() && !progress.written());
    assert!(error.take_request().is_some());
    assert_eq!(pool.open_connections(), 0);
}

#[tokio::test]
async fn the_callers_own_failure_is_told_apart_and_never_looks_like_an_end() {
    let server = serve(|_, mut peer| async move {
        let head = peer.head().await.unwrap();
        assert!(peer.body(&head).await.is_none(), "the body must not end");
    })
    .await;
    let pool = pool(&server);
    // More than is written in one go, so that some of it is out when the rest fails.
    let body = Endless { first: Some(vec![b'x'; 4 << 20].into()), fails: true };
    let error = send(&pool, request("POST", "/", body.boxed_unsync())).await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::Maybe, SendErrorKind::RequestBody), "{error}");
    assert!(error.to_string().contains("the caller went away"), "{error}");
    eventually("the server sees it cut", || server.seen.hung_up() == 1).await;
}

#[tokio::test]
async fn a_body_that_fails_before_anything_left_sent_nothing() {
    let server = always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let pool = pool(&server);
    let body = Endless { first: None, fails: true };
    let error = send(&pool, request("POST", "/", body.boxed_unsync())).await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::No, SendErrorKind::RequestBody), "{error}");
    eventually("closed", || server.seen.hung_up() == 1).await;
    assert_eq!(server.seen.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_request_that_lies_about_its_length_is_not_sent() {
    let server = always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let pool = pool(&server);
    for (declared, body) in [("5", ""), ("5", "four"), ("3", "four"), ("+4", "four"), ("4, 5", "four")] {
        let mut lying = request("POST", "/", full(body));
        lying.headers_mut().insert("content-length", declared.parse().unwrap());
        let error = send(&pool, lying).await.unwrap_err();
        assert_eq!((error.sent, error.kind), (Sent::No, SendErrorKind::RequestBody), "{declared}: {error}");
    }
    let mut twice = request("POST", "/", full("four"));
    twice.headers_mut().append("content-length", "4".parse().unwrap());
    twice.headers_mut().append("content-length", "4".parse().unwrap());
    text(send(&pool, twice).await).await;
    assert_eq!(server.seen.requests()[0].matches("content-length: 4\r\n").count(), 1);
}

#[tokio::test]
async fn giving_up_while_connecting_shows_nothing_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool_with(&format!("https://{}", listener.local_addr().unwrap()), Options::default());
    let progress = Progress::new();
    tokio::time::timeout(ms(50), pool.send(request("GET", "/", full("")), SOON, &progress))
        .await
        .unwrap_err();
    assert!(!progress.connected() && !progress.written());
    assert_eq!(pool.open_connections(), 0, "nothing is left behind");
}

#[tokio::test]
async fn giving_up_after_the_request_left_shows_it_and_closes_the_connection() {
    let server = serve(|_, mut peer| async move {
        peer.request().await;
        peer.end().await;
    })
    .await;
    let pool = pool(&server);
    let progress = Progress::new();
    tokio::time::timeout(ms(50), pool.send(request("GET", "/", full("")), SOON, &progress))
        .await
        .unwrap_err();
    assert!(progress.connected() && progress.written());
    assert_eq!(progress.sent(), Sent::Maybe);
    eventually("closed", || server.seen.hung_up() == 1 && pool.open_connections() == 0).await;
}

#[tokio::test]
async fn giving_up_after_one_step_on_a_warm_connection_shows_what_left() {
    let server = always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let pool = pool(&server);
    text(get(&pool, "/warm").await).await;
    let progress = Progress::new();
    {
        let _never_polled = pool.send(request("POST", "/never", full("")), SOON, &progress);
    }
    assert!(!progress.connected() && !progress.written());
    {
        let mut sending = pin!(pool.send(request("POST", "/once", full("")), SOON, &progress));
        begin(sending.as_mut()).await;
    }
    assert!(progress.connected() && progress.written(), "it was written at once");
    eventually("closed", || server.seen.hung_up() == 1 && pool.open_connections() == 0).await;
    assert_eq!((server.seen.count("/never"), server.seen.count("/once")), (0, 1));
}
