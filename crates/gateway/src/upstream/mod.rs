//! Calls upstreams over pooled connections, and knows of every failure whether the request may have arrived.
//!
//! Most clients can say that a call failed. This one says whether a byte of *this* request was written, because that
//! decides whether it may be sent again: the socket counts what it takes, and a request that is given up is
//! cut off there, so "not sent" cannot become untrue later. And it never takes an answer that is not surely the
//! answer to the request at hand: a connection is used again only after a complete, unambiguously framed answer to a
//! completely sent request, and only while its receive buffer is empty.
//!
//! One thing no HTTP/1 client can see: bytes a server sends unasked that cross the next request on the wire look like
//! its answer. `max_idle = 0` uses every connection once.
//!
//! ```text
//! send ─► idle connection that is open and silent ─► write ─► answer ─► Reply ─► read to the end ─► idle again
//!     └─► resolve ─► connect ─► TLS ─► HTTP/1 or 2 ─┘    └─► SendError { sent, kind }   └─► dropped, cut ─► closed
//! ```

mod connect;
mod error;
mod framing;
mod http1;
mod http2;
mod idle;
mod origin;
mod progress;
mod reply;
mod tls;
mod tunnel;
mod wire;

use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use connect::{ConnectError, Connector, Opened, Stage};
use idle::Idle;

pub use error::{SendError, SendErrorKind, Sent};
pub use http1::{Answer, End, Switched, Upgraded, read_answer};
pub use origin::{Origin, OriginError};
pub use progress::Progress;
pub use reply::{Reply, ReplyError};
pub use tls::{Tls, TlsError};
pub use tunnel::Proxy;

/// How often idle connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Any body a request can have. A pool is made for one type of it; box them where there are several.
pub trait RequestBody:
    Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + Unpin + 'static
{
}

impl<B> RequestBody for B where
    B: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + Unpin + 'static
{
}

/// Whether HTTP/2 is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Http2 {
    /// Over TLS when the server chooses it; never without TLS.
    #[default]
    Auto,
    /// Always, without TLS too; a server that does not speak it is an error.
    PriorKnowledge,
    /// Never.
    Off,
}

/// How a pool keeps its connections.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Idle HTTP/1 connections kept; the oldest makes room. Default 128, enough for a burst and few for a server.
    pub max_idle: usize,
    /// How long one may idle. Default 50 s: servers hang up after 60 s or 75 s, and losing that race costs a request.
    pub idle_for: Duration,
    /// Default [`Http2::Auto`].
    pub http2: Http2,
    /// Size of an answer's head, and of its trailers. Default 256 KiB, at least 8 KiB.
    pub max_header_bytes: usize,
    /// Number of header lines in an HTTP/1 answer. Default `None`, which is 100: they fit on the stack; a larger
    /// number allocates for every answer.
    pub max_headers: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_idle: 128,
            idle_for: Duration::from_secs(50),
            http2: Http2::Auto,
            max_header_bytes: 256 * 1024,
            max_headers: None,
        }
    }
}

/// The connections to one [`Origin`]: HTTP/1 one request at a time each, or one HTTP/2 connection for all.
///
/// Clones share everything. Dropping the last one closes idle connections at once and others when their answers are
/// read or dropped. There is no limit on connections here; a bulkhead in front decides that. Idle ones that grow too
/// old are closed when the pool is next used, without timers. Everything runs on the tokio runtime that calls `send`,
/// so make one pool per runtime.
pub struct Pool<B: RequestBody>(Arc<Inner<B>>);

impl<B: RequestBody> Clone for Pool<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: RequestBody> fmt::Debug for Pool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("origin", &self.0.origin)
            .field("idle", &self.idle())
            .field("open", &self.open_connections())
            .finish()
    }
}

impl<B: RequestBody> Pool<B> {
    /// Opens nothing yet.
    pub fn new(origin: Origin, options: Options, tls: &Tls) -> Self {
        Self::through(None, origin, options, tls)
    }

    /// The same, with every connection through a tunnel that a proxy opens.
    pub fn through(proxy: Option<Proxy>, origin: Origin, options: Options, tls: &Tls) -> Self {
        // hyper (HTTP/2) panics below this.
        let options = Options { max_header_bytes: options.max_header_bytes.max(8 * 1024), ..options };
        let spoken = match (options.http2, origin.https()) {
            (Http2::PriorKnowledge, _) => Spoken::Http2,
            (Http2::Auto, true) => Spoken::Unknown,
            (Http2::Auto, false) | (Http2::Off, _) => Spoken::Http1,
        };
        let open = Arc::default();
        Self(Arc::new(Inner {
            connector: Connector::new(origin.clone(), proxy, &options, tls, Arc::clone(&open)),
            origin,
            options,
            idle: Mutex::new(Idle::new()),
            shared: http2::Slot::empty(),
            spoken: AtomicU8::new(spoken as u8),
            turn: tokio::sync::Mutex::new(()),
            generation: AtomicU64::new(0),
            open,
        }))
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// The URI is path and query; the `Host` header is the caller's ([`Origin::host_header`]), and so is dropping
    /// hop-by-hop headers and `Expect`. `connect_within` covers resolving, connecting and TLS, when a new connection
    /// is needed; nothing else is timed here. On a connection the server has just closed, the request moves on to
    /// another without a word, as long as nothing of it was written.
    ///
    /// Dropping the future gives the request up: HTTP/1 closes the connection, HTTP/2 resets the stream, and
    /// `progress` tells whether anything had left.
    ///
    /// An upgrade (101) leaves its connection in the answer's extensions, as [`Upgraded`].
    ///
    /// # Errors
    /// No answer, see [`SendErrorKind`]; [`SendError::sent`] tells whether sending it again can repeat anything.
    pub async fn send(
        &self,
        mut request: Request<B>,
        connect_within: Duration,
        progress: &Progress,
    ) -> Result<Response<Reply<B>>, SendError<B>> {
        let pool = &self.0;
        progress.connecting();
        if let Err(why) = framing::check(&mut request) {
            return Err(SendError::unsent(SendErrorKind::RequestBody, why, request));
        }
        let mut reuses = 0;
        loop {
            let ready = if reuses <= pool.options.max_idle { pool.ready() } else { None };
            let fresh = ready.is_none();
            reuses += 1;
            let opened = match ready {
                Some(opened) => opened,
                // Boxed: connecting is rare and its state large.
                None => match Box::pin(pool.connect(connect_within)).await {
                    Ok(opened) => opened,
                    Err(error) => return Err(SendError::unsent(error.kind, error.message, request)),
                },
            };
            let result = match opened {
                Opened::Http1(conn) => {
                    // Under TLS what waits may be the handshake's own last words.
                    if fresh
                        && !pool.origin.https()
                        && let Err((kind, why)) = conn.greeting()
                    {
                        return Err(SendError::unsent(kind, why, request));
                    }
                    return http1::exchange(pool, conn, request, progress).await;
                }
                Opened::Http2(shared) => http2::exchange(pool, shared, request, progress).await,
            };
            match result {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Unsent { kind, message, request }) if fresh => {
                    return Err(SendError::unsent(kind, message, *request));
                }
                Err(Failure::Unsent { request: returned, .. }) => {
                    progress.connecting();
                    request = *returned;
                }
            }
        }
    }

    /// Uses no present connection for a new request: idle ones close, busy ones close after their answer. A lever, for
    /// an upstream that moved.
    pub fn reconnect(&self) {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        self.0.idle_list().clear();
        self.0.shared.clear();
    }

    /// Connections open and waiting for a request.
    pub fn idle(&self) -> usize {
        self.0.idle_list().len() + usize::from(self.0.shared.is_idle())
    }

    /// Connections open or opening, used or not; upgraded ones count until they end.
    pub fn open_connections(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Where its connections go.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }
}

struct Inner<B: RequestBody> {
    origin: Origin,
    options: Options,
    connector: Connector,
    idle: Mutex<Idle>,
    shared: http2::Slot<B>,
    spoken: AtomicU8,
    /// Held while connecting to a server that speaks HTTP/2, or may: the others wait and share what comes of it.
    turn: tokio::sync::Mutex<()>,
    generation: AtomicU64,
    open: Arc<AtomicUsize>,
}

/// What the last connection turned out to speak.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Spoken {
    Unknown,
    Http1,
    Http2,
}

/// Why an exchange has no answer.
enum Failure<B> {
    /// Never begun, so it may try another connection.
    Unsent {
        kind: SendErrorKind,
        message: String,
        request: Box<Request<B>>,
    },
    Final(SendError<B>),
}

impl<B: RequestBody> Inner<B> {
    /// A connection that needs no opening.
    fn ready(&self) -> Option<Opened<B>> {
        let now = Instant::now();
        if !self.speaks(Spoken::Http1)
            && let Some(shared) = self.shared.get(self.options.idle_for, now)
        {
            return Some(Opened::Http2(shared));
        }
        if self.speaks(Spoken::Http2) {
            return None;
        }
        self.idle_list().take(self.options.idle_for, now).map(Opened::Http1)
    }

    async fn connect(&self, within: Duration) -> Result<Opened<B>, ConnectError> {
        let mut stage = Stage::new();
        let deadline = Instant::now() + within;
        timeout_at(deadline, self.connect_in_turn(deadline, &mut stage)).await.unwrap_or_else(|_| {
            let message = format!("no {} {} within {within:?}", stage.awaited(), self.origin.authority());
            Err(ConnectError { kind: SendErrorKind::ConnectTimeout, message })
        })
    }

    async fn connect_in_turn(&self, deadline: Instant, stage: &mut Stage) -> Result<Opened<B>, ConnectError> {
        let mut turn = None;
        if !self.speaks(Spoken::Http1) {
            turn = Some(self.turn.lock().await);
            if let Some(shared) = self.shared.get(self.options.idle_for, Instant::now()) {
                return Ok(Opened::Http2(shared));
            }
            if self.speaks(Spoken::Http1) {
                // Found out while we waited: no need to queue.
                turn = None;
            }
        }
        let generation = self.generation.load(Ordering::Acquire);
        let opened = self.connector.open(generation, deadline, stage).await?;
        let opened = match opened {
            Opened::Http1(conn) => {
                self.spoken.store(Spoken::Http1 as u8, Ordering::Release);
                Opened::Http1(conn)
            }
            Opened::Http2(shared) => {
                self.spoken.store(Spoken::Http2 as u8, Ordering::Release);
                let fresh = || generation == self.generation.load(Ordering::Acquire);
                Opened::Http2(self.shared.offer(shared, fresh, Instant::now()))
            }
        };
        drop(turn);
        Ok(opened)
    }

    /// Takes a connection back whose answer is complete.
    fn keep(self: &Arc<Self>, conn: http1::Conn) {
        let mut idle = self.idle_list();
        // Under the lock: a reconnect counts before it clears, so whoever puts down after the clearing sees the count.
        if conn.generation == self.generation.load(Ordering::Acquire) {
            idle.put(conn, self.options.max_idle, self.options.idle_for, Instant::now());
            if idle.wants_a_sweeper()
                && let Ok(runtime) = Handle::try_current()
            {
                idle.swept();
                runtime.spawn(sweep(Arc::downgrade(self)));
            }
        }
    }

    fn limits(&self) -> http1::head::Limits {
        let lines = self.options.max_headers.unwrap_or(http1::head::Limits::default().lines);
        http1::head::Limits { bytes: self.options.max_header_bytes, lines }
    }

    fn speaks(&self, spoken: Spoken) -> bool {
        self.spoken.load(Ordering::Acquire) == spoken as u8
    }

    fn idle_list(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody reads an idle connection: now and then it is looked whether its server has hung up, or it is too old.
async fn sweep<B: RequestBody>(pool: Weak<Inner<B>>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.idle_list().sweep(pool.options.idle_for, Instant::now()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
