//! Answers that may be given again: what is kept, for whom, and for how long.
//!
//! ```text
//! call ─► whose, which? (key) ─► fresh: given
//!                                stale: given, and fetched behind it
//!                                on its way: waited for
//!                                nothing: sent ─► passed on and captured as it passes (capture) ─► kept
//!                                            └──► failed: an old one in its place
//! ```

mod capture;
mod captured;
mod flow;
mod give;
mod key;
mod rules;
#[cfg(test)]
mod tests;

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use bytes::Bytes;
use http::HeaderMap;
use seawall::Invalid;
use seawall::cache::{Cache, Options};
use seawall_core::Clock;
use seawall_core::units::Size;

use crate::entry::Entry;
use crate::plan::Route;
pub(crate) use capture::{Capture, Keeper};
pub(crate) use captured::Captured;
pub(crate) use flow::{call, covers};
pub(crate) use key::Key;
use key::Secret;
pub(crate) use rules::is_delimited;

/// What all routes keep together.
const MOST_BYTES: u64 = 64 << 20;
/// How many answers that are at most.
const MOST_ANSWERS: usize = 65_536;
/// What an answer takes that is not its own bytes: its key twice, its places in lists and tables.
const OVERHEAD: u64 = 512;
/// Marks for paths that were written to. Two paths that share one forget each other's answers, and nothing worse.
const MARKS: usize = 4096;

/// An answer that was kept.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Without what is about one connection.
    headers: HeaderMap,
    body: Bytes,
    /// How old it was when it came, by its own word.
    age: std::time::Duration,
    /// The target that gave it.
    place: usize,
}

/// The answers of one process, shared by its workers.
#[derive(Debug)]
pub(crate) struct Answers {
    kept: Cache<Key, Arc<Kept>>,
    clock: Arc<dyn Clock>,
    secret: Secret,
    /// Bytes of answers that are passing now and may be kept: they are bounded like those that are.
    captured: AtomicUsize,
    marks: Box<[AtomicU32]>,
}

impl Answers {
    /// For these routes, if one of them keeps anything.
    pub(crate) fn new(routes: &[Route], clock: &Arc<dyn Clock>) -> Result<Option<Arc<Self>>, Invalid> {
        if routes.iter().all(|route| route.cache.is_none()) {
            return Ok(None);
        }
        // Each route bounds what it keeps; another configuration may allow more.
        let options = Options {
            max_entries: MOST_ANSWERS,
            max_bytes: Size(MOST_BYTES),
            max_entry: Size(MOST_BYTES),
            ..Options::default()
        };
        let weigh = |_: &Key, kept: &Arc<Kept>| kept.weight();
        Ok(Some(Arc::new(Self {
            kept: Cache::with("cache", options, weigh, clock.clone(), None)?,
            clock: clock.clone(),
            secret: Secret::new()?,
            captured: AtomicUsize::new(0),
            marks: (0..MARKS).map(|_| AtomicU32::new(0)).collect(),
        })))
    }

    /// Something is written to a path: what was kept of it is not found again, however the writing ends, unless
    /// nothing has happened.
    pub(crate) fn writing<'a>(
        &'a self,
        entry: &Entry,
        upstream: &str,
        hasher: &impl BuildHasher,
    ) -> Writing<'a> {
        Writing { mark: self.mark(entry, upstream, hasher), happened: true }
    }

    fn mark(&self, entry: &Entry, upstream: &str, hasher: &impl BuildHasher) -> &AtomicU32 {
        let place = hasher.hash_one((upstream, entry.bare, entry.path.path()));
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the remainder is smaller than the number of marks"
        )]
        &self.marks[(place % self.marks.len() as u64) as usize]
    }
}

impl Kept {
    fn weight(&self) -> u64 {
        let headers =
            self.headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + 64) as u64);
        self.body.len() as u64 + headers.sum::<u64>() + OVERHEAD
    }
}

/// A call that may change what is behind its path. Dropped half-way, it may have.
pub(crate) struct Writing<'a> {
    mark: &'a AtomicU32,
    happened: bool,
}

impl Writing<'_> {
    /// It was not done.
    pub(crate) fn not_done(mut self) {
        self.happened = false;
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.happened {
            self.mark.fetch_add(1, Ordering::Release);
        }
    }
}
