//! HTTP/2: one connection for all, and the words it has for "not processed".

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response, Version};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::server::*;
use super::tls::{certified, listen, trusting};
use crate::upstream::{Http2, Options, Pool, Progress, SendErrorKind, Sent};

const PRIOR: Options = Options {
    max_idle: 128,
    idle_for: std::time::Duration::from_secs(50),
    http2: Http2::PriorKnowledge,
    max_header_bytes: 256 * 1024,
    max_headers: None,
};

/// Runs `script` on every accepted connection, numbered from 0, over plain TCP.
async fn plain<F, S>(script: F) -> (Pool<AnyBody>, Arc<AtomicUsize>)
where
    F: Fn(usize, TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(count.fetch_add(1, Ordering::SeqCst), stream));
        }
    });
    (pool_with(&url, PRIOR), accepted)
}

async fn shake<T: AsyncRead + AsyncWrite + Unpin>(stream: T) -> Connection<T, Bytes> {
    h2::server::handshake(stream).await.unwrap()
}

fn respond(respond: &mut SendResponse<Bytes>, body: &str) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
}

/// Answers every request with its method, URI and body.
async fn echo<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: T) {
    let mut connection = shake(stream).await;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let (head, mut body) = request.into_parts();
            let mut text = format!("{} {} ", head.method, head.uri);
            while let Some(Ok(chunk)) = body.data().await {
                text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
            assert!(!head.headers.contains_key("host"));
            self::respond(&mut respond, &text);
        });
    }
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let (pool, accepted) = plain(|_, stream| echo(stream)).await;
    let all = (0..50).map(|n| {
        let pool = pool.clone();
        async move {
            text(send(&pool, request("POST", &format!("/{n}?q"), full(format!("body {n}")))).await).await
        }
    });
    for (n, answer) in futures_util::future::join_all(all).await.into_iter().enumerate() {
        assert_eq!(answer, format!("POST http://upstream/{n}?q body {n}"));
    }
    assert_eq!((accepted.load(Ordering::SeqCst), pool.open_connections(), pool.idle()), (1, 1, 1));
    drop(pool);
}

#[tokio::test]
async fn tls_chooses_http2_when_both_can_and_never_when_it_is_off() {
    let (acceptor, ca) = certified(&["h2", "http/1.1"]);
    let url = listen(acceptor, echo).await;
    let pool = trusting(&url, &ca, Options::default());
    let all = (0..20).map(|_| get(&pool, "/x"));
    for answer in futures_util::future::join_all(all).await {
        let answer = answer.unwrap();
        assert_eq!(answer.version(), Version::HTTP_2);
        assert_eq!(read(answer).await.unwrap().0, "GET https://upstream/x ");
    }
    assert_eq!(pool.open_connections(), 1, "those who came together connected once");

    let off = trusting(&url, &ca, Options { http2: Http2::Off, ..Options::default() });
    let error = get(&off, "/").await.unwrap_err();
    assert_ne!(error.kind, SendErrorKind::Tls, "it was asked in HTTP/1: {error}");
}

#[tokio::test]
async fn the_authority_is_the_origins_unless_the_caller_says_another() {
    let (pool, _) = plain(|_, stream| echo(stream)).await;
    let mut plain_request = request("GET", "/", full(""));
    plain_request.headers_mut().insert("host", pool.origin().host_header().clone());
    let expected = format!("GET http://{}/ ", pool.origin().authority());
    assert_eq!(text(send(&pool, plain_request).await).await, expected);
}

#[tokio::test]
async fn a_refused_stream_was_not_processed() {
    let (pool, accepted) = plain(|_, stream| async move {
        let mut connection = shake(stream).await;
        while let Some(Ok((request, mut answer))) = connection.accept().await {
            match request.uri().path() {
                "/refused" => answer.send_reset(Reason::REFUSED_STREAM),
                "/reset" => answer.send_reset(Reason::INTERNAL_ERROR),
                _ => respond(&mut answer, "fine"),
            }
        }
    })
    .await;
    let progress = Progress::new();
    let error = pool.send(request("POST", "/refused", full("x")), SOON, &progress).await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::No, SendErrorKind::Refused), "{error}");
    assert_eq!(progress.sent(), Sent::No);
    let error = get(&pool, "/reset").await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::Maybe, SendErrorKind::Reset), "{error}");
    assert_eq!(text(get(&pool, "/").await).await, "fine");
    assert_eq!(accepted.load(Ordering::SeqCst), 1, "one stream's end is not the connection's");
}

/// A frame: length, type, flags, stream, payload.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Speaks the preface, waits until a request has come, and then writes what the test likes.
async fn raw(mut stream: TcpStream, say: Vec<u8>) {
    use tokio::io::AsyncReadExt;
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    // Frames come after the 24 bytes of the preface; type 1 is HEADERS.
    loop {
        let n = stream.read(&mut chunk).await.unwrap();
        seen.extend_from_slice(&chunk[..n]);
        let mut at = 24;
        let mut asked = false;
        while at + 9 <= seen.len() {
            asked |= seen[at + 3] == 1;
            at += 9 + u32::from_be_bytes([0, seen[at], seen[at + 1], seen[at + 2]]) as usize;
        }
        if asked || n == 0 {
            break;
        }
    }
    stream.write_all(&say).await.unwrap();
    tokio::time::sleep(ms(50)).await;
}

const GOAWAY: u8 = 7;

#[tokio::test]
async fn a_goaway_that_does_not_cover_the_request_means_not_processed() {
    for reason in [0_u8, 11] {
        let (pool, accepted) = plain(move |number, stream| async move {
            if number == 0 {
                raw(stream, frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, reason])).await;
            } else {
                echo(stream).await;
            }
        })
        .await;
        let error = get(&pool, "/").await.unwrap_err();
        assert_eq!((error.sent, error.kind), (Sent::No, SendErrorKind::Refused), "{error}");
        assert_eq!(text(get(&pool, "/again").await).await, "GET http://upstream/again ");
        assert_eq!(accepted.load(Ordering::SeqCst), 2, "the next one has a new connection");
    }
}

#[tokio::test]
async fn a_goaway_that_covers_the_request_and_a_cut_leave_it_open() {
    for say in [
        frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
        frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 2]),
        Vec::new(),
    ] {
        let (pool, _) = plain(move |_, stream| raw(stream, say.clone())).await;
        let error = get(&pool, "/").await.unwrap_err();
        assert_eq!((error.sent, error.kind), (Sent::Maybe, SendErrorKind::Closed), "{error}");
    }
}

#[tokio::test]
async fn frames_that_make_no_sense_are_garbage() {
    let (pool, _) = plain(|_, stream| raw(stream, frame(1, 4, 1, &[0xff; 20]))).await;
    let error = get(&pool, "/").await.unwrap_err();
    assert_eq!((error.sent, error.kind), (Sent::Maybe, SendErrorKind::Garbage), "{error}");
}

async fn partial(request: Request<RecvStream>, mut answer: SendResponse<Bytes>) {
    let mut head = Response::new(());
    if request.uri().path() == "/sized" {
        head.headers_mut().insert("content-length", "100".parse().unwrap());
    }
    let mut stream = answer.send_response(head, false).unwrap();
    stream.send_data("half".into(), false).unwrap();
    tokio::time::sleep(ms(30)).await;
    stream.send_reset(Reason::NO_ERROR);
}

#[tokio::test]
async fn a_stream_reset_without_error_before_its_end_is_no_end() {
    let (pool, _) = plain(|_, stream| async move {
        let mut connection = shake(stream).await;
        while let Some(Ok((request, answer))) = connection.accept().await {
            tokio::spawn(partial(request, answer));
        }
    })
    .await;
    for path in ["/sized", "/unsized"] {
        let error = read(get(&pool, path).await.unwrap()).await.expect_err(path);
        assert!(error.to_string().starts_with("the answer was cut short"), "{error}");
    }
}

#[tokio::test]
async fn trailers_come_through_and_an_answer_dropped_early_resets_only_its_stream() {
    let (pool, accepted) = plain(|_, stream| async move {
        let mut connection = shake(stream).await;
        while let Some(Ok((_, mut answer))) = connection.accept().await {
            let mut stream = answer.send_response(Response::new(()), false).unwrap();
            stream.send_data("data".into(), false).unwrap();
            let mut trailers = http::HeaderMap::new();
            trailers.insert("sum", "4".parse().unwrap());
            stream.send_trailers(trailers).unwrap();
        }
    })
    .await;
    drop(get(&pool, "/").await.unwrap());
    let (body, trailers) = read(get(&pool, "/").await.unwrap()).await.unwrap();
    assert_eq!((body.as_str(), trailers.unwrap()["sum"].to_str().unwrap()), ("data", "4"));
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_went_silent_is_not_given_the_next_request() {
    let (pool, accepted) = plain(|number, stream| async move {
        if number == 0 {
            let mut connection = shake(stream).await;
            let (_, mut answer) = connection.accept().await.unwrap().unwrap();
            respond(&mut answer, "first");
            tokio::time::timeout(ms(50), connection.accept()).await.unwrap_err();
            // From here on nobody polls it: the path is dead, and no packet says so.
            std::future::pending::<()>().await;
        } else {
            echo(stream).await;
        }
    })
    .await;
    assert_eq!(text(get(&pool, "/").await).await, "first");
    tokio::time::sleep(ms(100)).await;
    let progress = Progress::new();
    tokio::time::timeout(ms(50), pool.send(request("GET", "/", full("")), SOON, &progress))
        .await
        .unwrap_err();
    assert_eq!(progress.sent(), Sent::Maybe);
    assert_eq!(text(get(&pool, "/x").await).await, "GET http://upstream/x ");
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
}

/// A lever pulled while a connection was being opened had left that connection in use for everybody: an upstream that had
/// moved away kept its callers.
#[tokio::test]
async fn a_connection_begun_before_a_reconnect_serves_only_whoever_opened_it() {
    let (acceptor, ca) = certified(&["h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = trusting(&format!("https://{}", listener.local_addr().unwrap()), &ca, Options::default());
    let opener = {
        let pool = pool.clone();
        tokio::spawn(async move { text(get(&pool, "/a").await).await })
    };
    let (stream, _) = listener.accept().await.unwrap();
    pool.reconnect();
    let first = acceptor.clone();
    tokio::spawn(async move { echo(first.accept(stream).await.unwrap()).await });
    assert!(opener.await.unwrap().starts_with("GET "));
    assert_eq!(pool.idle(), 0);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        echo(acceptor.accept(stream).await.unwrap()).await;
    });
    assert!(text(get(&pool, "/b").await).await.starts_with("GET "));
    assert_eq!(pool.idle(), 1);
}

#[tokio::test]
async fn reconnect_and_idle_time_replace_the_shared_connection() {
    let (pool, accepted) = plain(|_, stream| echo(stream)).await;
    text(get(&pool, "/").await).await;
    pool.reconnect();
    assert_eq!(pool.idle(), 0);
    eventually("the old one is closed", || pool.open_connections() == 0).await;
    text(get(&pool, "/").await).await;
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
    drop(pool);

    let (pool, accepted) = plain(|_, stream| echo(stream)).await;
    let pool = pool_with(&pool.origin().to_string(), Options { idle_for: ms(20), ..PRIOR });
    text(get(&pool, "/").await).await;
    tokio::time::sleep(ms(30)).await;
    text(get(&pool, "/").await).await;
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
}
