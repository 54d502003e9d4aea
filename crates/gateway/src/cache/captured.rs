//! A body on its way to a caller, copied as it passes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::Capture;
use crate::body::{BodyError, Outgoing};

/// Passes every frame on at once, and shows it to the copy. Dropped half-way, the copy is dropped too: the caller is gone,
/// and the next in line asks.
pub(crate) struct Captured {
    body: Outgoing,
    capture: Option<Box<Capture>>,
}

impl Captured {
    pub(crate) fn of(body: Outgoing, capture: Box<Capture>) -> Outgoing {
        let mut captured = Self { body, capture: Some(capture) };
        captured.complete_at_its_end();
        Outgoing::Captured(Box::new(captured))
    }

    /// Is the copy still being made?
    pub(crate) fn is_under_way(&self) -> bool {
        self.capture.is_some()
    }

    /// Nobody asks a body that is known to be at its end whether there is more.
    fn complete_at_its_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(capture) = self.capture.take()
        {
            capture.complete();
        }
    }

    fn give_up(&mut self) {
        if let Some(capture) = self.capture.take() {
            capture.give_up();
        }
    }
}

impl Body for Captured {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match (&frame, &mut this.capture) {
            (_, None) => {}
            (None, Some(_)) => this.complete_at_its_end(),
            (Some(Ok(frame)), Some(capture)) => match frame.data_ref() {
                Some(data) if capture.saw(data) => this.complete_at_its_end(),
                // Too large; or trailers, without which it would not be the same answer.
                _ => this.give_up(),
            },
            (Some(Err(_)), Some(_)) => this.give_up(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
