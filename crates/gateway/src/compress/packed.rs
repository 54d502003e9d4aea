//! A body that is compressed as it passes. Whenever it pauses, all that has come is on its way.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use seawall::compress::{Encoder, PIECE};

use super::{SHARE, Stages};
use crate::body::BodyError;

/// Compresses `B`. What cuts `B` cuts it: a reader then lacks the end that the coding has.
#[derive(Debug)]
pub(crate) struct Packed<B> {
    body: B,
    encoder: Encoder,
    /// Came, and is not compressed yet.
    input: Bytes,
    state: State,
    /// Bytes worked on since others had their turn.
    worked: usize,
    stages: Stages,
}

#[derive(Debug)]
enum State {
    Flowing,
    /// All of it is compressed; perhaps trailers follow.
    Ending(Option<HeaderMap>),
    Over,
}

type Next = Option<Result<Frame<Bytes>, BodyError>>;

impl<B> Packed<B> {
    pub(crate) fn new(body: B, encoder: Encoder, stages: Stages) -> Self {
        Self { body, encoder, input: Bytes::new(), state: State::Flowing, worked: 0, stages }
    }

    fn compress(&mut self) -> Result<Vec<u8>, BodyError> {
        let piece = self.input.split_to(self.input.len().min(PIECE));
        self.worked += piece.len();
        let mut out = Vec::new();
        self.encoder.encode(&piece, &mut out)?;
        Ok(out)
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Next {
        let mut out = Vec::new();
        if let Err(error) = self.encoder.finish(&mut out) {
            return self.fail(error);
        }
        self.state = State::Ending(trailers);
        Some(Ok(Frame::data(out.into())))
    }

    fn fail(&mut self, error: impl Into<BodyError>) -> Next {
        self.state = State::Over;
        Some(Err(error.into()))
    }
}

impl<B> Body for Packed<B>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next> {
        let this = &mut *self;
        loop {
            if !this.input.is_empty() {
                if this.worked >= SHARE {
                    this.worked = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                match this.compress() {
                    Ok(out) if out.is_empty() => continue,
                    Ok(out) => return Poll::Ready(Some(Ok(Frame::data(out.into())))),
                    Err(error) => return Poll::Ready(this.fail(error)),
                }
            }
            match &mut this.state {
                State::Flowing => {}
                State::Ending(trailers) => {
                    let trailers = trailers.take();
                    this.state = State::Over;
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
                State::Over => return Poll::Ready(None),
            }
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Pending => {
                    this.worked = 0;
                    let mut out = Vec::new();
                    if let Err(error) = this.encoder.flush(&mut out) {
                        return Poll::Ready(this.fail(error));
                    }
                    return if out.is_empty() {
                        Poll::Pending
                    } else {
                        Poll::Ready(Some(Ok(Frame::data(out.into()))))
                    };
                }
                Poll::Ready(None) => return Poll::Ready(this.end(None)),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(this.fail(error)),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => this.input = data,
                    Err(frame) => return Poll::Ready(this.end(frame.into_trailers().ok())),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ending(None) | State::Over)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl<B> Drop for Packed<B> {
    fn drop(&mut self) {
        let (plain, coded) = self.encoder.counts();
        self.stages.count(plain, coded);
    }
}
