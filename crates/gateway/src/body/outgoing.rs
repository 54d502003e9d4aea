//! Every body an answer of the gateway can have.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{BodyError, Passing};
use crate::cache::Captured;
use crate::compress::Packed;

/// What the caller reads.
pub(crate) enum Outgoing {
    /// Nothing.
    Empty,
    /// Words of our own.
    Whole(Bytes),
    /// An upstream's answer. Boxed: it is large, and one of these lives in every connection.
    Passing(Box<Passing>),
    /// The same, compressed for a caller that reads that.
    Packed(Box<Packed<Passing>>),
    /// Either of them, copied as it passes, to be given again.
    Captured(Box<Captured>),
}

impl Outgoing {
    /// Is a copy of it being made while it passes?
    pub(crate) fn is_captured(&self) -> bool {
        matches!(self, Outgoing::Captured(captured) if captured.is_under_way())
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Outgoing::Empty => Poll::Ready(None),
            Outgoing::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Outgoing::Passing(passing) => Pin::new(passing.as_mut()).poll_frame(cx),
            Outgoing::Packed(packed) => Pin::new(packed.as_mut()).poll_frame(cx),
            Outgoing::Captured(captured) => Pin::new(captured.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Outgoing::Empty => true,
            Outgoing::Whole(bytes) => bytes.is_empty(),
            Outgoing::Passing(passing) => passing.is_end_stream(),
            Outgoing::Packed(packed) => packed.is_end_stream(),
            Outgoing::Captured(captured) => captured.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Outgoing::Empty => SizeHint::with_exact(0),
            Outgoing::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Outgoing::Passing(passing) => passing.size_hint(),
            Outgoing::Packed(packed) => packed.size_hint(),
            Outgoing::Captured(captured) => captured.size_hint(),
        }
    }
}
