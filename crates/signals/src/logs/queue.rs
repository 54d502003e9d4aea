//! The queue between those who log and the one who writes: bounded in bytes, and never waited for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::options::Stream;

/// How long a line may lie before it is written. Whoever logs does not wake the writer, for that would cost more than the
/// rest: it looks by itself, so often.
const LIE: Duration = Duration::from_millis(50);
/// This much of a queue is kept free for what is accounted for, as a part of the whole.
const RESERVE: usize = 8;

/// A line on its way.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) stream: Stream,
    pub(super) text: String,
    /// What groups an error with others.
    pub(super) cause: Option<u64>,
}

/// What came since the last time.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// Lines that found no room.
    pub(super) refused: u64,
    pub(super) reopen: bool,
    /// Nobody will log any more.
    pub(super) over: bool,
}

#[derive(Debug)]
pub(super) struct Queue {
    most: usize,
    inner: Mutex<Inner>,
    /// Told to the writer when it should not lie any longer.
    hurry: Condvar,
    /// Told to whoever waits for the writer.
    done: Condvar,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    items: Vec<Item>,
    bytes: usize,
    refused: u64,
    reopen: bool,
    hurried: bool,
    closed: bool,
    /// Batches that were taken, and that were written.
    taken: u64,
    written: u64,
    /// The writer has gone.
    gone: bool,
}

impl Queue {
    pub(super) fn of(bytes: usize) -> Self {
        Self {
            most: bytes,
            inner: Mutex::default(),
            hurry: Condvar::new(),
            done: Condvar::new(),
            refused: AtomicU64::new(0),
        }
    }

    /// Puts a line in, or counts it as refused: one short lock, and no waiting.
    pub(super) fn push(&self, item: Item) {
        let mut inner = self.lock();
        let room = if item.stream.is_reserved() { self.most } else { self.most - self.most / RESERVE };
        let needs = item.text.len() + size_of::<Item>();
        if inner.closed || inner.gone || inner.bytes + needs > room {
            inner.refused += 1;
            self.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        inner.bytes += needs;
        inner.items.push(item);
        if inner.bytes > self.most / 2 && !inner.hurried {
            inner.hurried = true;
            self.hurry.notify_one();
        }
    }

    /// Lines that were refused since the start.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Takes everything, after having waited a while for it. `emptied` gives back the room of the batch before.
    pub(super) fn take(&self, emptied: Vec<Item>) -> Batch {
        let mut inner = self.lock();
        inner.written = inner.taken;
        self.done.notify_all();
        if !inner.hurried && !inner.closed {
            inner = self
                .hurry
                .wait_timeout(inner, LIE)
                .map_or_else(|error| error.into_inner().0, |(inner, _)| inner);
        }
        inner.taken += 1;
        inner.bytes = 0;
        inner.hurried = false;
        Batch {
            items: std::mem::replace(&mut inner.items, emptied),
            refused: std::mem::take(&mut inner.refused),
            reopen: std::mem::take(&mut inner.reopen),
            over: inner.closed,
        }
    }

    /// Waits until what is there now is written, at most so long.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let mut inner = self.lock();
        // What is there now goes with the next batch that is taken.
        let wanted = inner.taken + 1;
        inner.hurried = true;
        self.hurry.notify_one();
        let waits = |inner: &mut Inner| inner.written < wanted && !inner.gone;
        match self.done.wait_timeout_while(inner, patience, waits) {
            Ok((inner, _)) => inner.written >= wanted || (inner.gone && inner.items.is_empty()),
            Err(_) => false,
        }
    }

    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
    }

    /// Takes nothing more, and waits for the writer to end, at most so long.
    pub(super) fn close(&self, patience: Duration) {
        let mut inner = self.lock();
        inner.closed = true;
        self.hurry.notify_one();
        let _ = self.done.wait_timeout_while(inner, patience, |inner| !inner.gone);
    }

    /// The writer has gone, in whatever way.
    pub(super) fn gone(&self) {
        let mut inner = self.lock();
        inner.gone = true;
        inner.written = inner.taken;
        self.done.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
