//! The body of an answer, and with it the fate of its connection.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::error::chain;
use super::http1::Conn;
use super::http2::Shared;
use super::{Inner, RequestBody};

/// The body of an answer: data and trailers, frame by frame, as they come.
///
/// Read to its end, it gives its connection back to the pool. Dropped before that, or failed, it closes it (HTTP/2:
/// resets its stream); the server learns of it at once. A body that ends early is an error, never an end, with one
/// exception HTTP/1 leaves: an answer with neither content-length nor chunks, over plain TCP, ends where the server
/// hangs up.
pub struct Reply<B: RequestBody> {
    body: Incoming,
    hold: Hold<B>,
}

enum Hold<B: RequestBody> {
    Nothing,
    /// To be closed after its answer when the pool is gone, or none was named. A running answer keeps no pool alive.
    Http1 {
        conn: Conn<B>,
        pool: Weak<Inner<B>>,
    },
    Http2 {
        _shared: Arc<Shared<B>>,
    },
}

impl<B: RequestBody> Reply<B> {
    pub(super) fn free(body: Incoming) -> Self {
        Self { body, hold: Hold::Nothing }
    }

    pub(super) fn http1(body: Incoming, conn: Conn<B>, pool: Weak<Inner<B>>) -> Self {
        let mut reply = Self { body, hold: Hold::Http1 { conn, pool } };
        if reply.body.is_end_stream() {
            reply.finish();
        }
        reply
    }

    pub(super) fn http2(body: Incoming, shared: Arc<Shared<B>>) -> Self {
        Self { body, hold: Hold::Http2 { _shared: shared } }
    }

    /// Complete: the connection goes back.
    fn finish(&mut self) {
        if let Hold::Http1 { conn, pool } = std::mem::replace(&mut self.hold, Hold::Nothing) {
            match pool.upgrade() {
                Some(pool) if conn.rests() => pool.keep(conn),
                // An early answer: nobody waits for the rest of our body any more.
                _ if conn.holds_body() => conn.cut(),
                // Dropped, it closes in good order.
                _ => {}
            }
        }
    }

    /// Incomplete: the connection must never be used again.
    fn abandon(&mut self) {
        if let Hold::Http1 { conn, .. } = std::mem::replace(&mut self.hold, Hold::Nothing) {
            // At once, and not when the connection's task next runs.
            conn.cut();
        }
    }

    /// Whether the end hyper reports is one. It takes an HTTP/2 reset with `NO_ERROR` for an end, even before the
    /// server said it was one.
    fn is_whole(&self) -> bool {
        match self.hold {
            Hold::Nothing => true,
            Hold::Http1 { .. } => self.body.size_hint().exact().is_none_or(|left| left == 0),
            Hold::Http2 { .. } => self.body.is_end_stream(),
        }
    }
}

impl<B: RequestBody> Body for Reply<B> {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        let this = self.get_mut();
        Poll::Ready(match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                // A reader that knows the length does not ask again after the last byte.
                if frame.is_trailers() || this.body.is_end_stream() {
                    this.finish();
                }
                Some(Ok(frame))
            }
            None if this.is_whole() => {
                this.finish();
                None
            }
            None => {
                this.abandon();
                Some(Err(ReplyError(None)))
            }
            Some(Err(error)) => {
                this.abandon();
                Some(Err(ReplyError(Some(error))))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: RequestBody> Drop for Reply<B> {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl<B: RequestBody> fmt::Debug for Reply<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.body).finish()
    }
}

/// An answer that ended before its end, or whose chunks make no sense. The text is complete.
#[derive(Debug)]
pub struct ReplyError(Option<hyper::Error>);

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(error) => write!(f, "the answer was cut short: {}", chain(error)),
            None => f.write_str("the answer was cut short: it stopped before its end"),
        }
    }
}

impl std::error::Error for ReplyError {}
