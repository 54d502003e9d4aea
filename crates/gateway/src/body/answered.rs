//! An answer's body as the upstream gives it: what was read of it already, and the rest.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use seawall::compress;

use super::{BodyError, Sending};
use crate::compress::Unpacked;
use crate::upstream::Reply;

/// What an upstream answered: what was read of the body already, and the rest of it.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Read ahead, because a verdict needed it or the answer had to wait.
    pub(crate) begun: Bytes,
    /// The rest; none if the whole has been read.
    pub(crate) rest: Option<Reply<Sending>>,
    /// Trailers that came with what was read ahead.
    pub(crate) trailers: Option<HeaderMap>,
    /// Reading ahead met a cut.
    pub(crate) cut: bool,
    /// Decompresses it on the way. Boxed: most bodies pass as they are.
    pub(crate) unpacked: Option<Box<Unpacked>>,
}

impl Answered {
    /// Nothing was read ahead.
    pub(crate) fn untouched(reply: Reply<Sending>) -> Self {
        Self { begun: Bytes::new(), rest: Some(reply), trailers: None, cut: false, unpacked: None }
    }

    /// Decompresses it from here on. What was read ahead is looked into at once; an error here comes before anything
    /// was passed on.
    pub(crate) fn unpack(&mut self, mut unpacked: Unpacked) -> Result<(), compress::Error> {
        if !self.begun.is_empty() {
            unpacked.feed(std::mem::take(&mut self.begun));
            let all = unpacked.look_ahead()?;
            if all && self.rest.is_none() {
                // Its length is known now. Without its end it is a cut like any other.
                self.begun = unpacked.take_ready();
                self.cut |= unpacked.finish().is_err();
                return Ok(());
            }
        }
        self.unpacked = Some(Box::new(unpacked));
        Ok(())
    }

    /// The next frame.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(unpacked) = &mut self.unpacked {
                match ready!(unpacked.poll_piece(cx)) {
                    Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                }
            }
            let frame = ready!(self.poll_upstream(cx));
            let Some(unpacked) = &mut self.unpacked else { return Poll::Ready(frame) };
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => unpacked.feed(data),
                    Err(trailers) => return Poll::Ready(Some(at_its_end(unpacked).map(|()| trailers))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(at_its_end(unpacked).err().map(Err)),
            }
        }
    }

    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.begun.is_empty() {
            let begun = std::mem::take(&mut self.begun);
            return Poll::Ready(Some(Ok(Frame::data(begun))));
        }
        match &mut self.rest {
            Some(reply) => Pin::new(reply).poll_frame(cx).map_err(Into::into),
            None if self.cut => Poll::Ready(Some(Err("the answer was cut".into()))),
            None => Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))),
        }
    }

    /// Known to be at its end, without asking once more.
    pub(crate) fn is_complete(&self) -> bool {
        self.unpacked.is_none()
            && self.begun.is_empty()
            && !self.cut
            && self.trailers.is_none()
            && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    /// How much is still to come, where that is known.
    pub(crate) fn size(&self) -> Option<u64> {
        let begun = self.begun.len() as u64;
        match &self.rest {
            _ if self.unpacked.is_some() => None,
            Some(rest) => rest.size_hint().exact().map(|rest| rest + begun),
            None => (!self.cut && self.trailers.is_none()).then_some(begun),
        }
    }
}

fn at_its_end(unpacked: &Unpacked) -> Result<(), BodyError> {
    Ok(unpacked.finish()?)
}
