//! What is known of a request whose future was dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::error::Sent;
use super::wire::Wire;

const CONNECTING: u8 = 0;
const CONNECTED: u8 = 1;
const WRITTEN: u8 = 2;

/// How far one [`send`](super::Pool::send) came; still there after its future was dropped, by a timeout for instance.
///
/// While the future lives, `written` errs towards true: it turns true when the request is handed to a connection.
/// Dropping the future, or an error, settles it: an HTTP/1 connection is cut at that moment, and if nothing had been
/// written by then nothing ever will be. An HTTP/2 connection is shared and cannot be cut, so there it stays true.
#[derive(Debug, Default)]
pub struct Progress(AtomicU8);

impl Progress {
    /// For one request; a second `send` starts it over.
    pub const fn new() -> Self {
        Self(AtomicU8::new(CONNECTING))
    }

    /// Whether a connection was had: the host resolved, answered and, where asked, proved who it is.
    pub fn connected(&self) -> bool {
        self.0.load(Ordering::Acquire) >= CONNECTED
    }

    /// Whether a byte of the request may have left.
    pub fn written(&self) -> bool {
        self.0.load(Ordering::Acquire) >= WRITTEN
    }

    /// [`written`](Self::written) in the words of an error.
    pub fn sent(&self) -> Sent {
        if self.written() { Sent::Maybe } else { Sent::No }
    }

    pub(super) fn connecting(&self) {
        self.0.store(CONNECTING, Ordering::Release);
    }

    pub(super) fn handed_over(&self) {
        self.0.store(WRITTEN, Ordering::Release);
    }

    pub(super) fn nothing_written(&self) {
        self.0.store(CONNECTED, Ordering::Release);
    }
}

/// A request on an HTTP/1 connection that has no answer yet. Dropped, it cuts the connection and settles the progress.
pub(super) struct Flight<'a> {
    wire: &'a Arc<Wire>,
    mark: u64,
    progress: &'a Progress,
    landed: bool,
}

impl<'a> Flight<'a> {
    pub(super) fn begin(wire: &'a Arc<Wire>, progress: &'a Progress) -> Self {
        progress.handed_over();
        Self { wire, mark: wire.written(), progress, landed: false }
    }

    /// An answer came.
    pub(super) fn land(mut self) {
        self.landed = true;
    }

    /// None will come. Nothing is written after this, so what it returns stays true.
    pub(super) fn fail(mut self) -> Sent {
        self.landed = true;
        self.settle()
    }

    fn settle(&self) -> Sent {
        if self.wire.cut() > self.mark {
            Sent::Maybe
        } else {
            self.progress.nothing_written();
            Sent::No
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.landed {
            self.settle();
        }
    }
}
