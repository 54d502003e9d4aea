//! What went wrong with a request, and whether any of it may have reached the upstream.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

use http::Request;

/// Whether the upstream may have seen any of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Not one byte of it left, or the upstream said in so many words that it did not process it (HTTP/2). Sending it
    /// again cannot repeat anything.
    No,
    /// A byte reached the kernel, so the upstream may have read and done it.
    Maybe,
}

/// What went wrong. Paired with a [`Sent`]: the kind says why, never whether.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// The host has no address.
    Resolve,
    /// No address accepted a connection.
    Connect,
    /// Resolving, connecting and the TLS handshake together took longer than they may.
    ConnectTimeout,
    /// The TLS handshake failed: a certificate nobody vouches for, no common version, a peer that hung up.
    Tls,
    /// The connection ended before an answer began.
    Closed,
    /// HTTP/2: refused unprocessed (`REFUSED_STREAM`, or a `GOAWAY` that does not cover the request).
    Refused,
    /// HTTP/2: the stream was reset for another reason.
    Reset,
    /// What came back is not HTTP, or HTTP whose length can be read two ways.
    Garbage,
    /// The answer's head is larger than [`Options`](super::Options) allow.
    HeadTooLarge,
    /// The caller's own body failed, or is not as long as its `content-length` says.
    RequestBody,
}

/// Why [`Pool::send`](super::Pool::send) has no answer. The text is complete; there is no source to print after it.
pub struct SendError<B> {
    /// Whether the upstream may have seen the request.
    pub sent: Sent,
    /// What went wrong.
    pub kind: SendErrorKind,
    message: Box<str>,
    request: Option<Box<Request<B>>>,
}

impl<B> SendError<B> {
    /// The request, when it was never begun: its body was not touched, so it can go elsewhere without a copy. Only
    /// ever with [`Sent::No`], and not always then.
    pub fn take_request(&mut self) -> Option<Request<B>> {
        self.request.take().map(|request| *request)
    }

    pub(super) fn new(sent: Sent, kind: SendErrorKind, message: impl Into<Box<str>>) -> Self {
        Self { sent, kind, message: message.into(), request: None }
    }

    pub(super) fn unsent(kind: SendErrorKind, message: impl Into<Box<str>>, request: Request<B>) -> Self {
        Self { sent: Sent::No, kind, message: message.into(), request: Some(Box::new(request)) }
    }
}

impl<B> fmt::Display for SendError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<B> fmt::Debug for SendError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("sent", &self.sent)
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("returned", &self.request.is_some())
            .finish()
    }
}

impl<B> StdError for SendError<B> {}

/// An error and everything under it in one line: `error trying to write: broken pipe`.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        // Formatting into a String cannot fail.
        let _ = write!(text, ": {cause}");
    }
    text
}

/// The error itself, then what is under it.
pub(super) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
