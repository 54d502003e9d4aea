//! A scripted upstream, and a client with short names.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::upstream::{Options, Origin, Pool, Progress, Reply, ReplyError, SendError, Tls};

pub(super) type AnyBody = UnsyncBoxBody<Bytes, std::io::Error>;
pub(super) type Sending = Result<Response<Reply<AnyBody>>, SendError<AnyBody>>;

pub(super) const SOON: Duration = Duration::from_secs(5);

pub(super) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What a server saw.
#[derive(Clone, Default)]
pub(super) struct Seen {
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    hung_up: Arc<AtomicUsize>,
}

impl Seen {
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn count(&self, needle: &str) -> usize {
        self.requests().iter().filter(|request| request.contains(needle)).count()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Connections the client ended.
    pub(super) fn hung_up(&self) -> usize {
        self.hung_up.load(Ordering::SeqCst)
    }
}

pub(super) struct Server {
    pub(super) url: String,
    pub(super) seen: Seen,
}

/// One accepted connection.
pub(super) struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
    seen: Seen,
}

impl Peer {
    /// The next request's head, or `None` when the client hung up.
    pub(super) async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
                self.seen.requests.lock().unwrap().push(head.clone());
                return Some(head);
            }
            self.more().await?;
        }
    }

    /// The next request with its body, framed either way.
    pub(super) async fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head().await?;
        let body = self.body(&head).await?;
        Some((head, body))
    }

    pub(super) async fn body(&mut self, head: &str) -> Option<Vec<u8>> {
        let field = |name: &str| {
            head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
        };
        if field("transfer-encoding").is_some() {
            while !self.unread.ends_with(b"0\r\n\r\n") {
                self.more().await?;
            }
            return Some(std::mem::take(&mut self.unread));
        }
        let length = field("content-length").map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            self.more().await?;
        }
        Some(self.unread.drain(..length).collect())
    }

    pub(super) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        // The client may have gone; that is for the test to notice.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Waits until the client hangs up.
    pub(super) async fn end(&mut self) {
        while self.more().await.is_some() {}
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    async fn more(&mut self) -> Option<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk).await {
            Ok(n) if n > 0 => {
                self.unread.extend_from_slice(&chunk[..n]);
                Some(())
            }
            _ => {
                self.seen.hung_up.fetch_add(1, Ordering::SeqCst);
                None
            }
        }
    }
}

/// Runs `script` for every connection, numbered from 0.
pub(super) async fn serve<F, S>(script: F) -> Server
where
    F: Fn(usize, Peer) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let log = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let number = log.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(script(number, Peer { stream, unread: Vec::new(), seen: log.clone() }));
        }
    });
    Server { url, seen }
}

/// Answers every request with the same bytes, then waits for the next.
pub(super) async fn always(answer: &'static str) -> Server {
    serve(move |_, mut peer| async move {
        while peer.request().await.is_some() {
            peer.say(answer).await;
        }
    })
    .await
}

/// Answers the first request of each connection with these bytes and hangs up.
pub(super) async fn once(answer: impl Into<String>) -> Server {
    let answer = answer.into();
    serve(move |_, mut peer| {
        let answer = answer.clone();
        async move {
            peer.request().await;
            peer.say(answer).await;
        }
    })
    .await
}

pub(super) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(super) fn pool_with(url: &str, options: Options) -> Pool<AnyBody> {
    Pool::new(Origin::from_url(&url.parse().unwrap()).unwrap(), options, &Tls::new(None).unwrap())
}

pub(super) fn pool(server: &Server) -> Pool<AnyBody> {
    pool_with(&server.url, Options::default())
}

pub(super) fn full(body: impl Into<Bytes>) -> AnyBody {
    Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

pub(super) fn request(method: &str, path: &str, body: AnyBody) -> Request<AnyBody> {
    Request::builder().method(method).uri(path).header("host", "upstream").body(body).unwrap()
}

pub(super) async fn send(pool: &Pool<AnyBody>, request: Request<AnyBody>) -> Sending {
    tokio::time::timeout(SOON, pool.send(request, SOON, &Progress::new())).await.expect("an outcome in time")
}

pub(super) async fn get(pool: &Pool<AnyBody>, path: &str) -> Sending {
    send(pool, request("GET", path, full(""))).await
}

/// Body and trailers of an answer.
pub(super) async fn read(
    answer: Response<Reply<AnyBody>>,
) -> Result<(String, Option<HeaderMap>), ReplyError> {
    let whole = tokio::time::timeout(SOON, answer.into_body().collect()).await.expect("an end in time")?;
    let trailers = whole.trailers().cloned();
    Ok((String::from_utf8(whole.to_bytes().to_vec()).unwrap(), trailers))
}

/// The body of a whole answer.
pub(super) async fn text(answer: Sending) -> String {
    read(answer.unwrap()).await.unwrap().0
}

/// Polls until it holds; the other side needs a moment to notice.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(ms(5)).await;
    }
    panic!("it never came to this: {what}");
}

/// A body that gives what it has and then waits for ever, or fails.
pub(super) struct Endless {
    pub(super) first: Option<Bytes>,
    pub(super) fails: bool,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None if self.fails => Poll::Ready(Some(Err(std::io::Error::other("the caller went away")))),
            None => Poll::Pending,
        }
    }
}
