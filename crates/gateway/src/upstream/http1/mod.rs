//! One request on one HTTP/1 connection, driven by whoever waits for the answer: no task of its own, nothing to wake.
//!
//! A connection belongs to one exchange at a time. It is read only while somebody waits for its answer; idle, it is
//! looked at before it is used and swept now and then. What goes wrong on it closes it, and so does dropping whatever
//! holds it. Only an upload that an early answer overtook goes on by itself, so that it does not wait for a reader.

pub(super) mod head;
pub(super) mod length;
mod upload;
mod whole;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::header::UPGRADE;
use http::{Method, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::task::AbortHandle;

use super::error::{SendError, SendErrorKind, Sent};
use super::framing::{self, Asked, Ending};
use super::progress::{Flight, Progress};
use super::reply::Reply;
use super::wire::{Line, Quiet, Wire};
use super::{Inner, RequestBody};
use head::Limits;
use length::Decoder;
use upload::{Broken, Upload};
pub use whole::{Answer, End, read_answer};

/// Read at once, at first; a body that fills it gets more.
const READ: usize = 8 * 1024;
const READ_MOST: usize = 128 * 1024;

/// A connection that owes us nothing. Dropping it closes it.
pub(super) struct Conn {
    line: Line,
    wire: Arc<Wire>,
    /// [`Pool::reconnect`](super::Pool::reconnect)s before it was opened.
    pub(super) generation: u64,
}

impl Conn {
    pub(super) fn new(line: Line, wire: Arc<Wire>, generation: u64) -> Self {
        Self { line, wire, generation }
    }

    /// Whether it is known that its server hung up, or spoke unasked; costs no system call while there is no such news.
    pub(super) fn is_over(&self) -> bool {
        self.wire.has_news() && !self.is_ready()
    }

    /// Whether it is fit for a request: open, and silent.
    pub(super) fn is_ready(&self) -> bool {
        self.wire.quiet() == Quiet::Yes
    }

    /// For a connection that was never used: whether the server waited to be asked.
    pub(super) fn greeting(&self) -> Result<(), (SendErrorKind, &'static str)> {
        match self.wire.quiet() {
            Quiet::Yes => Ok(()),
            Quiet::Closed => Err((SendErrorKind::Closed, "connection closed before anything was sent on it")),
            Quiet::Surplus => {
                Err((SendErrorKind::Garbage, "the upstream spoke before it was asked anything"))
            }
        }
    }
}

pub(super) async fn exchange<B: RequestBody>(
    pool: &Arc<Inner<B>>,
    conn: Conn,
    mut request: Request<B>,
    progress: &Progress,
) -> Result<Response<Reply<B>>, SendError<B>> {
    framing::for_http1(&mut request);
    let asked =
        Asked { head: *request.method() == Method::HEAD, upgrade: request.headers().contains_key(UPGRADE) };
    let (parts, body) = request.into_parts();
    let mut upload = Upload::new(&parts, body);
    drop(parts);
    let Conn { mut line, wire, generation } = conn;
    let mut buffer = BytesMut::new();
    let limits = pool.limits();
    let flight = Flight::begin(&wire, progress);
    let talked = poll_fn(|cx| talk(&mut line, &mut buffer, &mut upload, limits, cx)).await;
    let (mut parts, goes_on) = match talked {
        Ok(head) => (head.parts, head.goes_on),
        Err(Trouble { kind, why }) => return Err(SendError::new(flight.fail(), kind, why)),
    };
    flight.land();
    let (decoder, goes_on) = match framing::judge(&mut parts, asked) {
        Ok(Ending::Length(length)) => (Decoder::bytes(length), goes_on),
        Ok(Ending::Chunked) => (Decoder::chunked(limits), goes_on),
        Ok(Ending::UntilClose) => (Decoder::until_close(), false),
        Ok(Ending::Upgrade) => {
            parts.extensions.insert(Upgraded::new(line, buffer.freeze()));
            return Ok(Response::from_parts(parts, Reply::nothing()));
        }
        Err(why) => {
            let why = format!("the answer's length is ambiguous: {why}");
            return Err(SendError::new(Sent::Maybe, SendErrorKind::Garbage, why));
        }
    };
    let (line, goes_on) = if upload.is_whole() {
        (Listening::Whole(line), goes_on)
    } else {
        // An early answer. The server may take the rest of our body for the next request, so there is none.
        (Listening::overtaking(line, &wire, upload), false)
    };
    let answering = Answering { line, wire, generation, buffer, decoder, goes_on, room: READ };
    let home = if goes_on { Arc::downgrade(pool) } else { Weak::new() };
    Ok(Response::from_parts(parts, Reply::http1(answering, home)))
}

/// Why there is no answer.
struct Trouble {
    kind: SendErrorKind,
    why: String,
}

/// Sends what can be sent, and reads until the head of the answer is there.
fn talk<B: RequestBody>(
    line: &mut Line,
    buffer: &mut BytesMut,
    upload: &mut Upload<B>,
    limits: Limits,
    cx: &mut Context<'_>,
) -> Poll<Result<head::Head, Trouble>> {
    if !upload.is_over() {
        match upload.poll(line, cx) {
            Poll::Ready(Err(Broken::Body(why))) => {
                return Poll::Ready(Err(Trouble { kind: SendErrorKind::RequestBody, why }));
            }
            // A server that has had enough may have said so before it hung up.
            Poll::Ready(Err(Broken::Socket(why))) => upload.refuse(why),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
    }
    loop {
        match head::read(buffer, limits) {
            Ok(Some(head)) => return Poll::Ready(Ok(head)),
            Ok(None) => {}
            Err(bad) => return Poll::Ready(Err(Trouble { kind: bad.kind, why: bad.why })),
        }
        let why = match ready!(read(line, buffer, READ, cx)) {
            Ok(0) => match upload.refusal() {
                Some(why) => format!("connection closed while the request was written: {why}"),
                None => "connection closed before an answer".into(),
            },
            Ok(_) => continue,
            Err(error) => format!("connection lost before an answer: {error}"),
        };
        return Poll::Ready(Err(Trouble { kind: SendErrorKind::Closed, why }));
    }
}

/// Reads once, at most `most`; 0 is the end.
fn read<R: AsyncRead + Unpin>(
    line: &mut R,
    buffer: &mut BytesMut,
    most: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if buffer.capacity() == buffer.len() {
        buffer.reserve(most);
    }
    pin!(line.read_buf(buffer)).poll(cx)
}

/// An answer that is being read.
pub(super) struct Answering {
    line: Listening,
    wire: Arc<Wire>,
    generation: u64,
    buffer: BytesMut,
    decoder: Decoder,
    goes_on: bool,
    room: usize,
}

/// The reading end of a connection.
enum Listening {
    Whole(Line),
    /// Another task still writes.
    Half(ReadHalf<Line>, AbortHandle),
}

impl Listening {
    /// Lets the rest of the upload go on by itself.
    fn overtaking<B: RequestBody>(line: Line, wire: &Arc<Wire>, upload: Upload<B>) -> Self {
        let (reading, writing) = tokio::io::split(line);
        Self::Half(reading, tokio::spawn(carry_on(upload, writing, Arc::clone(wire))).abort_handle())
    }
}

async fn carry_on<B: RequestBody>(mut upload: Upload<B>, mut writing: WriteHalf<Line>, wire: Arc<Wire>) {
    if upload.is_over() {
        return;
    }
    if let Err(Broken::Body(_)) = poll_fn(|cx| upload.poll(&mut writing, cx)).await {
        // What was sent of it must not look like all of it.
        wire.cut();
    }
}

impl Answering {
    pub(super) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The next piece of the body; never [`Piece::More`](length::Piece::More).
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<length::Piece, String>> {
        loop {
            match self.decoder.next(&mut self.buffer)? {
                length::Piece::More => {}
                piece => return Poll::Ready(Ok(piece)),
            }
            let had = self.buffer.len();
            let read = match &mut self.line {
                Listening::Whole(line) => read(line, &mut self.buffer, self.room, cx),
                Listening::Half(line, _) => read(line, &mut self.buffer, self.room, cx),
            };
            match ready!(read) {
                Ok(0) if self.decoder.hung_up() => return Poll::Ready(Ok(length::Piece::End)),
                Ok(0) => return Poll::Ready(Err("it stopped before its end".into())),
                // Filled: there is more where it came from.
                Ok(_) if had == 0 && self.buffer.len() >= self.room => {
                    self.room = READ_MOST.min(self.room * 2);
                }
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(error.to_string())),
            }
        }
    }

    /// The answer is whole: its connection, if another request may follow on it.
    pub(super) fn into_conn(self) -> Option<Conn> {
        match self.line {
            // Bytes behind the end are nobody's answer.
            Listening::Whole(line) if self.goes_on && self.buffer.is_empty() => {
                Some(Conn { line, wire: self.wire, generation: self.generation })
            }
            Listening::Whole(_) => None,
            Listening::Half(_, upload) => {
                // Nobody waits for the rest of our body any more.
                self.wire.cut();
                upload.abort();
                None
            }
        }
    }

    /// The answer is not wanted any more, or was cut: the server learns of it at once.
    pub(super) fn abandon(self) {
        self.wire.cut();
        if let Listening::Half(_, upload) = self.line {
            upload.abort();
        }
    }
}

/// A connection that has switched to another protocol (101): one [`take`](Self::take) has it, in an answer's extensions.
#[derive(Clone)]
pub struct Upgraded(Arc<Mutex<Option<Switched>>>);

impl Upgraded {
    fn new(line: Line, heard: Bytes) -> Self {
        Self(Arc::new(Mutex::new(Some(Switched { line, heard }))))
    }

    /// The connection, once.
    pub fn take(&self) -> Option<Switched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What comes and goes on a connection that has switched.
pub struct Switched {
    line: Line,
    /// Came in one breath with the answer's head.
    heard: Bytes,
}

impl AsyncRead for Switched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.heard.is_empty() {
            return Pin::new(&mut self.line).poll_read(cx, buf);
        }
        let length = self.heard.len().min(buf.remaining());
        buf.put_slice(&self.heard[..length]);
        self.heard.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Switched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}
