//! An answer, good or bad: a short program, and plain words that write it.

mod action;
mod faults;

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::framing::is_chunked;

pub(crate) use action::extend_with_headers;
pub use action::{Action, Head, Version};

/// What an upstream does with one request. Constructors make well-behaved answers; methods bend them. The request's
/// body is read first, unless [`before_body`](Self::before_body) says otherwise; the connection stays open after the
/// program unless the program, the head or the client says `close`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub(crate) actions: Vec<Action>,
    pub(crate) unread: bool,
}

impl Reply {
    /// Exactly these actions.
    pub fn program(actions: impl IntoIterator<Item = Action>) -> Self {
        Self { actions: actions.into_iter().collect(), unread: false }
    }

    /// 200 with this body, as text.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self::status(200).header("content-type", "text/plain").body(body)
    }

    /// This status with a JSON body.
    pub fn json(status: u16, value: impl Into<Value>) -> Self {
        Self::status(status).header("content-type", "application/json").body(value.into().to_string())
    }

    /// This status with an empty body; add [`header`](Self::header) and [`body`](Self::body).
    pub fn status(status: u16) -> Self {
        let bare = status < 200 || status == 204 || status == 304;
        let head = if bare { Head::new(status) } else { Head::new(status).header("content-length", "0") };
        Self::program([Action::Head(head)])
    }

    /// 200, chunked, one chunk a piece. Empty pieces are left out: an empty chunk would end the body.
    pub fn chunked<B: Into<Bytes>>(pieces: impl IntoIterator<Item = B>) -> Self {
        let head = Head::new(200).header("transfer-encoding", "chunked");
        let chunks = pieces.into_iter().map(Into::into).filter(|piece| !piece.is_empty()).map(Action::Chunk);
        Self::program([Action::Head(head)].into_iter().chain(chunks).chain([Action::EndChunks]))
    }

    /// 200 as `text/event-stream`, one chunk an event; each string becomes the event's `data`.
    pub fn sse<S: AsRef<str>>(events: &[S]) -> Self {
        let events = events.iter().map(|data| data_event(data.as_ref()));
        Self::chunked(events).header("content-type", "text/event-stream").header("cache-control", "no-cache")
    }

    /// Answers nothing, ever; holds the connection.
    pub fn stall() -> Self {
        Self::program([Action::Stall])
    }

    /// 200 `ok`, after `delay`.
    pub fn slow_head(delay: Duration) -> Self {
        Self::ok("ok").after(delay)
    }

    /// 200 in HTTP/1.0: no length, the body runs until the connection closes.
    pub fn http10() -> Self {
        let head = Head { version: Version::Http10, ..Head::new(200).header("content-type", "text/plain") };
        Self::program([Action::Head(head), Action::Body("ok".into()), Action::Close])
    }

    /// This 1xx head, then 200 `ok`.
    pub fn informational(status: u16) -> Self {
        let mut reply = Self::ok("ok");
        reply.actions.insert(0, Action::Head(Head::new(status).header("link", "</style.css>; rel=preload")));
        reply
    }

    /// 101, then an echo of every byte.
    pub fn upgrade_echo() -> Self {
        Self::program([Action::UpgradeEcho])
    }

    /// One more header on the final head. Repeats are kept. Without effect on a reply that writes no head.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Some(head) = self.head_mut() {
            head.headers.push((name.into(), value.into()));
        }
        self
    }

    /// The final head without the headers of that name.
    pub fn without_header(mut self, name: &str) -> Self {
        if let Some(head) = self.head_mut() {
            head.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        }
        self
    }

    /// Replaces the body; a `content-length` follows it, a chunked reply carries it as one chunk.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let Some(at) = self.head_at() else { return self };
        self.actions.retain(|action| !matches!(action, Action::Body(_) | Action::Chunk(_)));
        if self.is_chunked() {
            if !body.is_empty() {
                self.actions.insert(at + 1, Action::Chunk(body));
            }
            return self;
        }
        self.declare(body.len());
        if !body.is_empty() {
            self.actions.insert(at + 1, Action::Body(body));
        }
        self
    }

    /// One more SSE event with a name, before the end of the stream.
    pub fn event(self, name: &str, data: &str) -> Self {
        let data = data_event(data);
        self.last_chunk(Bytes::from([format!("event: {name}\n").as_bytes(), &data].concat()))
    }

    /// One more SSE event that says the stream is over: `.terminal("[DONE]")`.
    pub fn terminal(self, data: &str) -> Self {
        self.last_chunk(data_event(data))
    }

    /// Ends a chunked body with these trailers.
    pub fn trailers<S: Into<String>>(mut self, trailers: impl IntoIterator<Item = (S, S)>) -> Self {
        let trailers = trailers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        if let Some(end) = self.actions.iter_mut().find(|action| **action == Action::EndChunks) {
            *end = Action::Trailers(trailers);
        }
        self
    }

    /// Waits before anything else.
    pub fn after(mut self, delay: Duration) -> Self {
        self.actions.insert(0, Action::Delay(delay));
        self
    }

    /// Waits between chunks.
    pub fn every(mut self, pause: Duration) -> Self {
        let mut first = true;
        self.actions = (self.actions.into_iter())
            .flat_map(|action| {
                let wait = matches!(action, Action::Chunk(_)) && !std::mem::take(&mut first);
                wait.then_some(Action::Delay(pause)).into_iter().chain([action])
            })
            .collect();
        self
    }

    /// Waits once, after this many chunks.
    pub fn pause_after_chunks(mut self, chunks: usize, pause: Duration) -> Self {
        let mut ends =
            (self.actions.iter().enumerate()).filter(|(_, action)| matches!(action, Action::Chunk(_)));
        let at = match chunks.checked_sub(1) {
            Some(earlier) => ends.nth(earlier).map(|(at, _)| at),
            None => self.head_at(),
        };
        if let Some(at) = at {
            self.actions.insert(at + 1, Action::Delay(pause));
        }
        self
    }

    /// Sends the body `piece` bytes at a time, with a pause between two. Bodies delimited by length only.
    pub fn drip(mut self, piece: usize, every: Duration) -> Self {
        let mut dripping = Vec::new();
        for action in self.actions {
            match action {
                Action::Body(bytes) => {
                    for (nth, part) in bytes.chunks(piece.max(1)).enumerate() {
                        if nth > 0 {
                            dripping.push(Action::Delay(every));
                        }
                        dripping.push(Action::Body(bytes.slice_ref(part)));
                    }
                }
                other => dripping.push(other),
            }
        }
        self.actions = dripping;
        self
    }

    /// Enters a side effect into the ledger before anything else.
    pub fn executing(mut self, label: impl Into<String>) -> Self {
        self.actions.insert(0, Action::Execute(label.into()));
        self
    }

    /// Bytes of body this reply carries.
    pub fn body_len(&self) -> usize {
        let sizes = self.actions.iter().map(|action| match action {
            Action::Body(bytes) | Action::Chunk(bytes) | Action::OpenChunk { bytes, .. } => bytes.len(),
            _ => 0,
        });
        sizes.sum()
    }

    /// Chunks this reply carries.
    pub(crate) fn chunks(&self) -> usize {
        self.actions.iter().filter(|action| matches!(action, Action::Chunk(_))).count()
    }

    fn last_chunk(mut self, chunk: Bytes) -> Self {
        let ends = |action: &Action| matches!(action, Action::EndChunks | Action::Trailers(_));
        let at = self.actions.iter().position(ends).unwrap_or(self.actions.len());
        self.actions.insert(at, Action::Chunk(chunk));
        self
    }

    fn head_at(&self) -> Option<usize> {
        let last = |action: &Action| matches!(action, Action::Head(head) if head.status >= 200 || head.status == 101);
        self.actions
            .iter()
            .position(last)
            .or_else(|| self.actions.iter().position(|action| matches!(action, Action::Head(_))))
    }

    fn head_mut(&mut self) -> Option<&mut Head> {
        let at = self.head_at()?;
        match self.actions.get_mut(at) {
            Some(Action::Head(head)) => Some(head),
            _ => None,
        }
    }

    fn is_chunked(&mut self) -> bool {
        self.head_mut().is_some_and(|head| is_chunked(&head.headers))
    }

    /// Makes an existing `content-length` say this.
    fn declare(&mut self, length: usize) {
        let Some(head) = self.head_mut() else { return };
        for (name, value) in &mut head.headers {
            if name.eq_ignore_ascii_case("content-length") {
                *value = length.to_string();
            }
        }
    }
}

/// An event of the default type; a line of text is a line of `data`.
fn data_event(data: &str) -> Bytes {
    let lines: String = data.split('\n').map(|line| format!("data: {line}\n")).collect();
    Bytes::from(lines + "\n")
}

#[cfg(test)]
mod tests;
