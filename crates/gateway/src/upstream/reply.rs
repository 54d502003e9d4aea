//! The body of an answer, and with it the fate of its connection.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::error::chain;
use super::http1::Answering;
use super::http1::length::Piece;
use super::http2::Shared;
use super::{Inner, RequestBody};

/// The body of an answer: data and trailers, frame by frame, as they come.
///
/// Read to its end, it gives its connection back to the pool. Dropped before that, or failed, it closes it (HTTP/2:
/// resets its stream); the server learns of it at once. A body that ends early is an error, never an end, with one
/// exception HTTP/1 leaves: an answer with neither content-length nor chunks, over plain TCP, ends where the server
/// hangs up.
pub struct Reply<B: RequestBody>(Source<B>);

enum Source<B: RequestBody> {
    /// Nothing more comes.
    Over,
    Http1 {
        answering: Answering,
        /// Where its connection goes then; closed when the pool is gone, or none was named. A running answer keeps no
        /// pool alive.
        home: Weak<Inner<B>>,
    },
    Http2 {
        body: Incoming,
        _shared: Arc<Shared<B>>,
    },
}

impl<B: RequestBody> Reply<B> {
    pub(super) fn nothing() -> Self {
        Self(Source::Over)
    }

    pub(super) fn http1(answering: Answering, home: Weak<Inner<B>>) -> Self {
        let mut reply = Self(Source::Http1 { answering, home });
        reply.settle();
        reply
    }

    pub(super) fn http2(body: Incoming, shared: Arc<Shared<B>>) -> Self {
        Self(Source::Http2 { body, _shared: shared })
    }

    /// A complete answer over HTTP/1 gives its connection back. A reader that knows the length does not ask again after
    /// the last byte.
    fn settle(&mut self) {
        if !matches!(&self.0, Source::Http1 { answering, .. } if answering.decoder().is_end()) {
            return;
        }
        if let Source::Http1 { answering, home } = std::mem::replace(&mut self.0, Source::Over)
            && let Some(conn) = answering.into_conn()
            && let Some(pool) = home.upgrade()
        {
            pool.keep(conn);
        }
    }

    /// Incomplete: the connection must never be used again.
    fn abandon(&mut self) {
        if let Source::Http1 { answering, .. } = std::mem::replace(&mut self.0, Source::Over) {
            answering.abandon();
        }
    }

    fn cut(&mut self, why: impl Into<Box<str>>) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        self.abandon();
        Poll::Ready(Some(Err(ReplyError(why.into()))))
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
        match &mut this.0 {
            Source::Over => Poll::Ready(None),
            Source::Http1 { answering, .. } => {
                let frame = match ready!(answering.poll_piece(cx)) {
                    Ok(Piece::Data(data)) => Some(Ok(Frame::data(data))),
                    Ok(Piece::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
                    Ok(Piece::End | Piece::More) => None,
                    Err(why) => return this.cut(why),
                };
                this.settle();
                Poll::Ready(frame)
            }
            Source::Http2 { body, .. } => match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
                // hyper takes a reset with `NO_ERROR` for an end, even before the server said it was one.
                None if body.is_end_stream() => Poll::Ready(None),
                None => this.cut("it stopped before its end"),
                Some(Err(error)) => this.cut(chain(&error)),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Over => true,
            Source::Http1 { answering, .. } => answering.decoder().is_end(),
            Source::Http2 { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Over => SizeHint::with_exact(0),
            Source::Http1 { answering, .. } => {
                answering.decoder().exact().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Source::Http2 { body, .. } => body.size_hint(),
        }
    }
}

impl<B: RequestBody> Drop for Reply<B> {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl<B: RequestBody> fmt::Debug for Reply<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match &self.0 {
            Source::Over => "over",
            Source::Http1 { .. } => "HTTP/1",
            Source::Http2 { .. } => "HTTP/2",
        };
        f.debug_tuple("Reply").field(&version).finish()
    }
}

/// An answer that ended before its end, or whose chunks make no sense. The text is complete.
#[derive(Debug)]
pub struct ReplyError(Box<str>);

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer was cut short: {}", self.0)
    }
}

impl std::error::Error for ReplyError {}
