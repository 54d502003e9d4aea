//! The socket of a caller. What hyper says by itself to a request it cannot read is said here in our words.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Method;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use seawall::{Code, Rejection};
use seawall_core::CallId;

use crate::answer;
use crate::body::Outgoing;
use crate::presence::{Doing, Presence};
use crate::proxy::Worker;
use crate::record::refused_at_the_door;
use crate::refusal;
use crate::scene::Slot;
use crate::socket::Link;

/// A caller's connection. A head that cannot be read never becomes a request: hyper answers it with a bare status line
/// and closes. That answer, and nothing else, is exchanged for one with a code, an id and a story.
pub(crate) struct Door {
    stream: TokioIo<Link>,
    slot: Slot,
    presence: Arc<Presence>,
    /// Our words in the place of hyper's, and how much of them has left.
    words: Option<(Vec<u8>, usize)>,
}

impl Door {
    pub(crate) fn new(stream: Link, slot: Slot, presence: Arc<Presence>) -> Self {
        Self { stream: TokioIo::new(stream), slot, presence, words: None }
    }

    /// Whether the caller takes what is written.
    fn wrote(&self, ready: bool) {
        self.presence.is(if ready { Doing::Idling } else { Doing::Unread });
    }

    fn poll_words(&mut self, cx: &mut Context<'_>, instead_of: usize) -> Poll<io::Result<usize>> {
        while let Some((words, gone)) = &mut self.words {
            let left = ready!(Pin::new(&mut self.stream).poll_write(cx, &words[*gone..]))?;
            *gone += left;
            if left == 0 || *gone == words.len() {
                self.words = None;
            }
        }
        Poll::Ready(Ok(instead_of))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if self.presence.is_broken() {
            // Closed with unsent data and no patience for it: the caller sees a reset, not an end.
            let _ =
                socket2::SockRef::from(self.stream.inner().tcp()).set_linger(Some(std::time::Duration::ZERO));
        }
    }
}

/// The code for an answer of hyper's own, if that is what these bytes are: exactly its four lines, and nothing of ours,
/// which always names its call.
fn bare(bytes: &[u8]) -> Option<Code> {
    let line = bytes.strip_prefix(b"HTTP/1.1 4")?;
    let code = match line.get(..2)? {
        b"00" => Code::Malformed,
        b"31" | b"14" => Code::HeadTooLarge,
        _ => return None,
    };
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = text.split("\r\n").skip(1);
    let own = |line: &str| {
        line.eq_ignore_ascii_case("connection: close")
            || line.eq_ignore_ascii_case("content-length: 0")
            || line.get(..6).is_some_and(|name| name.eq_ignore_ascii_case("date: "))
    };
    (lines.clone().count() == 3 && lines.all(own)).then_some(code)
}

fn in_our_words(worker: &Worker, code: Code) -> Vec<u8> {
    let id = CallId::new();
    let rejection = match code {
        Code::Malformed => Rejection::new(code).because("the request cannot be read as HTTP"),
        _ => Rejection::new(code),
    };
    refused_at_the_door(worker, id, (None, None), &Method::GET, "", &rejection);
    let mut response = refusal::answer(&rejection, id, None);
    answer::name(&mut response, id, worker.undecided.clone());
    said(response)
}

/// A refusal as it goes over a connection that ends with it.
pub(crate) fn said(response: http::Response<Outgoing>) -> Vec<u8> {
    let (head, body) = response.into_parts();
    let body = match body {
        Outgoing::Whole(bytes) => bytes,
        Outgoing::Empty | Outgoing::Passing(_) | Outgoing::Packed(_) | Outgoing::Captured(_) => {
            bytes::Bytes::new()
        }
    };
    let mut words = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        words.extend_from_slice(name.as_str().as_bytes());
        words.extend_from_slice(b": ");
        words.extend_from_slice(value.as_bytes());
        words.extend_from_slice(b"\r\n");
    }
    words
        .extend_from_slice(format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
    words.extend_from_slice(&body);
    words
}

impl Read for Door {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.presence.heard();
        }
        read
    }
}

impl Write for Door {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.words.is_none() {
            let Some(code) = bare(bytes) else {
                let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
                self.wrote(wrote.is_ready());
                return wrote;
            };
            self.words = Some((in_our_words(&self.slot.load(), code), 0));
        }
        self.poll_words(cx, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.words.is_some() || matches!(slices, [only] if bare(only).is_some()) {
            return self.poll_write(cx, slices.first().map_or(&[], |only| only));
        }
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(wrote.is_ready());
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hypers_own_bare_answer_is_taken_for_one() {
        let own = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: Sat, 21 Nov 2026 16:00:00 GMT\r\n\r\n";
        assert_eq!(bare(own.as_bytes()), Some(Code::Malformed));
        assert_eq!(
            bare(own.replace("400 Bad Request", "431 Request Header Fields Too Large").as_bytes()),
            Some(Code::HeadTooLarge)
        );
        for other in [
            own.replace("400 Bad", "404 Not"),
            own.replace("date:", "seawall-call:"),
            own.replace("length: 0", "length: 1"),
            format!("{own}x"),
            own.trim_end().to_owned(),
            String::new(),
        ] {
            assert_eq!(bare(other.as_bytes()), None, "{other:?}");
        }
    }
}
