//! A request on its way out: its head, then its body as it comes, framed as the head says.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRAILER};
use http::{HeaderMap, HeaderName, request};
use http_body::Frame;
use tokio::io::AsyncWrite;

use super::super::framing;
use super::super::{RequestBody, error::chain};
use super::head::{self, Sized};

/// Up to here a piece is copied behind what is written before it; a larger one is written from where it is.
const COPIED: usize = 4 * 1024;

/// A request that is being written.
pub(in crate::upstream) struct Upload<B> {
    /// Gone when all of it is in `out`.
    body: Option<B>,
    sized: Sized,
    /// Trailers that were announced; no others are sent.
    announced: Vec<HeaderName>,
    out: Out,
    /// The socket takes no more.
    refused: Option<io::Error>,
}

/// Why a body will never be sent whole.
#[derive(Debug)]
pub(in crate::upstream) enum Broken {
    /// The socket took no more of it.
    Socket(io::Error),
    /// The caller's own failure.
    Body(String),
}

/// Bytes that are ready to be written, in this order.
struct Out {
    text: BytesMut,
    data: Bytes,
    tail: &'static [u8],
}

impl<B: RequestBody> Upload<B> {
    /// Nothing is written yet, and the body not touched.
    pub(in crate::upstream) fn new(parts: &request::Parts, body: B) -> Self {
        let sized = if body.is_end_stream() {
            Sized::Nothing
        } else {
            let declared =
                parts.headers.get(CONTENT_LENGTH).and_then(|length| framing::digits(length.as_bytes()));
            match body.size_hint().exact().or(declared) {
                Some(0) => Sized::Nothing,
                Some(length) => Sized::Bytes(length),
                None => Sized::Chunked,
            }
        };
        let announced = match sized {
            Sized::Chunked => {
                framing::words(&parts.headers, &TRAILER).filter_map(|name| name.parse().ok()).collect()
            }
            _ => Vec::new(),
        };
        let out = Out { text: head::write(parts, sized), data: Bytes::new(), tail: &[] };
        Self { body: (sized != Sized::Nothing).then_some(body), sized, announced, out, refused: None }
    }

    /// Whether all of it is written.
    pub(in crate::upstream) fn is_whole(&self) -> bool {
        self.body.is_none() && self.out.is_empty() && self.refused.is_none()
    }

    /// Whether nothing of it will be written any more.
    pub(in crate::upstream) fn is_over(&self) -> bool {
        self.refused.is_some() || self.is_whole()
    }

    /// Writes no more: an answer may be there all the same.
    pub(in crate::upstream) fn refuse(&mut self, why: io::Error) {
        self.refused = Some(why);
    }

    /// Why the socket took no more.
    pub(in crate::upstream) fn refusal(&self) -> Option<&io::Error> {
        self.refused.as_ref()
    }

    /// Writes what can be written now; ready when that is all.
    pub(in crate::upstream) fn poll<W: AsyncWrite + Unpin>(
        &mut self,
        line: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        loop {
            // What there is of the body goes with what is before it.
            while self.out.has_room()
                && let Some(body) = &mut self.body
            {
                match Pin::new(body).poll_frame(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Some(Ok(frame))) => self.add(frame)?,
                    Poll::Ready(Some(Err(error))) => {
                        return Poll::Ready(Err(Broken::Body(chain(&*error.into()))));
                    }
                    Poll::Ready(None) => self.end(&HeaderMap::new())?,
                }
            }
            if self.out.is_empty() {
                // TLS keeps what it took until it is flushed.
                ready!(Pin::new(&mut *line).poll_flush(cx)).map_err(Broken::Socket)?;
                return if self.body.is_none() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            ready!(self.out.poll_write(line, cx)).map_err(Broken::Socket)?;
        }
    }

    fn add(&mut self, frame: Frame<Bytes>) -> Result<(), Broken> {
        let data = match frame.into_data() {
            Ok(data) if data.is_empty() => return Ok(()),
            Ok(data) => data,
            Err(frame) => return frame.into_trailers().map_or(Ok(()), |trailers| self.end(&trailers)),
        };
        match &mut self.sized {
            Sized::Chunked => {
                // Writing into memory cannot fail.
                let _ = io::Write::write_fmt(
                    &mut (&mut self.out.text).writer(),
                    format_args!("{:x}\r\n", data.len()),
                );
                self.out.add(data, b"\r\n");
            }
            Sized::Bytes(left) => {
                let length = data.len() as u64;
                *left = left
                    .checked_sub(length)
                    .ok_or_else(|| Broken::Body("the body is longer than its content-length".into()))?;
                let whole = *left == 0;
                self.out.add(data, b"");
                if whole {
                    self.body = None;
                }
            }
            Sized::Nothing => self.body = None,
        }
        Ok(())
    }

    fn end(&mut self, trailers: &HeaderMap) -> Result<(), Broken> {
        match self.sized {
            Sized::Bytes(left) if left > 0 => {
                let why = format!("the body ended {left} bytes before its content-length");
                return Err(Broken::Body(why));
            }
            Sized::Chunked => {
                self.out.text.put_slice(b"0\r\n");
                for (name, value) in trailers.iter().filter(|(name, _)| self.announced.contains(name)) {
                    head::line(&mut self.out.text, name, value);
                }
                self.out.text.put_slice(b"\r\n");
            }
            _ => {}
        }
        self.body = None;
        Ok(())
    }
}

impl Out {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.data.is_empty() && self.tail.is_empty()
    }

    /// Whether another piece can be put behind what is there.
    fn has_room(&self) -> bool {
        self.data.is_empty() && self.tail.is_empty() && self.text.len() < COPIED
    }

    fn add(&mut self, data: Bytes, tail: &'static [u8]) {
        if data.len() <= COPIED {
            self.text.put_slice(&data);
            self.text.put_slice(tail);
        } else {
            (self.data, self.tail) = (data, tail);
        }
    }

    /// One write.
    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        line: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut line = Pin::new(line);
        let mut written = ready!(if self.data.is_empty() && self.tail.is_empty() {
            line.as_mut().poll_write(cx, &self.text)
        } else {
            let slices = [IoSlice::new(&self.text), IoSlice::new(&self.data), IoSlice::new(self.tail)];
            let first = slices.iter().take_while(|slice| slice.is_empty()).count();
            line.as_mut().poll_write_vectored(cx, &slices[first..])
        })?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        for part in [&mut self.text as &mut dyn Buf, &mut self.data, &mut self.tail] {
            let taken = written.min(part.remaining());
            part.advance(taken);
            written -= taken;
        }
        Poll::Ready(Ok(()))
    }
}
