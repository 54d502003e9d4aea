//! The ways an answer can go wrong.

use bytes::{Bytes, BytesMut};

use super::{Action, Head, Reply};
use crate::framing::is_chunked;

/// What fills a body that has fewer bytes than a fault asks for.
const FILLER: u8 = b'.';

impl Reply {
    /// Sends the head and exactly `n` bytes of body, then FIN; the length or the chunking says more was to come. A
    /// body that is too short is filled up with dots.
    pub fn cut_after_bytes(self, n: usize) -> Self {
        self.broken_off(n, Action::Close)
    }

    /// The same, ended by RST. The bytes are given 20 ms to be read as bytes before the reset reaches the client.
    pub fn reset_after_bytes(self, n: usize) -> Self {
        self.broken_off(n, Action::Reset)
    }

    /// The same, but the connection stays open and silent.
    pub fn stall_after_bytes(self, n: usize) -> Self {
        self.broken_off(n, Action::Stall)
    }

    /// Chunked, and cut by FIN in the middle of its last chunk.
    pub fn cut_chunked_mid_chunk(mut self) -> Self {
        self = self.rechunked();
        let last = self.actions.iter().rev().find_map(|action| match action {
            Action::Chunk(bytes) => Some(bytes.len()),
            _ => None,
        });
        let kept = last.unwrap_or(0) / 2;
        let before = self.body_len() - last.unwrap_or(0);
        // A chunk too short to be halved stays whole, and an unfinished one follows it.
        let n = if kept > 0 { before + kept } else { self.body_len() + 1 };
        self.cut_after_bytes(n)
    }

    /// Ends a stream cleanly, last chunk included, after `chunks` chunks: whole to HTTP, cut short to whoever knows
    /// how it should have ended.
    pub fn end_after_chunks(mut self, chunks: usize) -> Self {
        let mut seen = 0;
        self.actions.retain(|action| {
            let chunk = matches!(action, Action::Chunk(_));
            seen += usize::from(chunk);
            !chunk || seen <= chunks
        });
        self
    }

    /// Answers, then closes with FIN, without having said `connection: close`.
    pub fn then_close(self) -> Self {
        self.then(Action::Close)
    }

    /// Answers, then resets the connection.
    pub fn then_reset(self) -> Self {
        self.then(Action::Reset)
    }

    /// One more action at the end.
    pub fn then(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// Plays before the request's body is read, and reads it afterwards if the connection is still there.
    pub fn before_body(mut self) -> Self {
        self.unread = true;
        let ends = |action: &Action| matches!(action, Action::Close | Action::Reset | Action::Stall);
        if !self.actions.iter().any(ends) {
            self.actions.push(Action::ReadBody);
        }
        self
    }

    /// Reads the request, does what it asks, and closes without one byte of answer.
    pub fn execute_then_drop(label: impl Into<String>) -> Self {
        Self::close().executing(label)
    }

    /// Reads the request and closes, FIN, without one byte of answer and without doing anything.
    pub fn close() -> Self {
        Self::program([Action::Close])
    }

    /// Reads the request and resets the connection.
    pub fn reset() -> Self {
        Self::program([Action::Reset])
    }

    /// Closes as soon as the head was read.
    pub fn drop_before_reading_body() -> Self {
        Self::close().before_body()
    }

    /// Answers 413 as soon as the head was read, and reads the body only then.
    pub fn early_response_before_body_read() -> Self {
        Self::status(413).body("too large").before_body()
    }

    /// Answers 200 and closes the connection without a `connection: close` to warn of it.
    pub fn close_after() -> Self {
        Self::ok("ok").then_close()
    }

    /// 512 bytes that are not HTTP, the same every time, then FIN.
    pub fn garbage() -> Self {
        let mut random = fastrand::Rng::with_seed(0x5ea_0a11);
        // 0xff first: no prefix of it can be taken for a status line.
        let noise: Vec<u8> =
            std::iter::once(0xff).chain(std::iter::repeat_with(|| random.u8(..)).take(511)).collect();
        Self::program([Action::Raw(noise.into()), Action::Close])
    }

    /// Declares one length and sends another. Too few bytes end with FIN; too many are left on the open connection.
    pub fn wrong_content_length(declared: usize, actual: usize) -> Self {
        let head = Head::new(200)
            .header("content-type", "text/plain")
            .header("content-length", declared.to_string());
        let reply = Self::program([Action::Head(head), Action::Body(filler(actual))]);
        if actual < declared { reply.then_close() } else { reply }
    }

    /// A good chunk, then a chunk whose size is not a number, then FIN.
    pub fn invalid_chunk() -> Self {
        let head = Head::new(200).header("transfer-encoding", "chunked");
        let broken = Action::Raw(Bytes::from_static(b"zz\r\nworld\r\n0\r\n\r\n"));
        Self::program([Action::Head(head), Action::Chunk("hello".into()), broken, Action::Close])
    }

    /// 200, and right behind it a second whole response that nobody asked for.
    pub fn two_heads() -> Self {
        let second = Head::new(200).header("content-length", "6").header("x-unsolicited", "true").render();
        let mut unsolicited = BytesMut::from(&second[..]);
        unsolicited.extend_from_slice(b"poison");
        Self::ok("first").then(Action::Raw(unsolicited.freeze()))
    }

    /// 200 `ok` with at least `bytes` bytes of headers, in lines of up to 1 KiB.
    pub fn huge_headers(bytes: usize) -> Self {
        let lines = bytes.div_ceil(1024);
        (0..lines).fold(Self::ok("ok"), |reply, line| {
            reply.header(format!("x-filler-{line}"), "h".repeat(1024.min(bytes - line * 1024)))
        })
    }

    fn broken_off(mut self, n: usize, end: Action) -> Self {
        let Some(at) = self.head_at() else { return self.then(end) };
        let chunked = self.is_chunked();
        self.declare(self.body_len().max(n.saturating_add(1)));
        let rest = self.actions.split_off(at + 1);
        let mut left = n;
        for action in rest {
            match action {
                Action::Body(bytes) if bytes.len() > left => {
                    self.actions.push(Action::Body(bytes.slice(..left)));
                    left = 0;
                    break;
                }
                Action::Chunk(bytes) if bytes.len() > left => {
                    if left > 0 {
                        let declared = bytes.len();
                        self.actions.push(Action::OpenChunk { declared, bytes: bytes.slice(..left) });
                    }
                    left = 0;
                    break;
                }
                Action::EndChunks | Action::Trailers(_) => break,
                Action::Close | Action::Reset | Action::Stall => break,
                other => {
                    if let Action::Body(bytes) | Action::Chunk(bytes) = &other {
                        left -= bytes.len();
                    }
                    self.actions.push(other);
                }
            }
        }
        match (left, chunked) {
            (0, _) => {}
            (_, true) => self.actions.push(Action::OpenChunk { declared: left + 1, bytes: filler(left) }),
            (_, false) => self.actions.push(Action::Body(filler(left))),
        }
        self.then(end)
    }

    fn rechunked(mut self) -> Self {
        let Some(head) = self.head_mut().filter(|head| !is_chunked(&head.headers)) else { return self };
        head.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
        head.headers.push(("transfer-encoding".into(), "chunked".into()));
        for action in &mut self.actions {
            if let Action::Body(bytes) = action {
                *action = Action::Chunk(std::mem::take(bytes));
            }
        }
        self.then(Action::EndChunks)
    }
}

fn filler(bytes: usize) -> Bytes {
    Bytes::from(vec![FILLER; bytes])
}
