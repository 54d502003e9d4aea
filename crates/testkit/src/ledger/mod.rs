//! What arrived and what was done, counted one by one: two of the same are two.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::request::Request;

/// Requests kept whole; older ones are counted but no longer shown.
const KEPT_REQUESTS: usize = 10_000;
/// Bytes of request bodies kept over all requests; older bodies are emptied, their length and digest stay.
const KEPT_BODIES: u64 = 256 * 1024 * 1024;
/// Arrival times kept for [`Ledger::max_in_any_window`]: 4 million, 64 MiB.
const KEPT_ARRIVALS: usize = 1 << 22;

/// The upstream's memory. A clone shows the same ledger and outlives the upstream. Counts are exact for ever; whole
/// requests are kept for the last 10 000, their bodies up to 256 MiB; executions are all kept.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Inner>);

/// One side effect that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// What was done, in the script's word.
    pub label: String,
    /// The caller's name for it; see [`Request::key`].
    pub key: Option<String>,
    /// When, counted from the start of the upstream.
    pub at: Duration,
    /// The number of the request that did it.
    pub request: u64,
}

#[derive(Debug)]
struct Inner {
    started: Instant,
    book: Mutex<Book>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Book {
    arrived: u64,
    connections: u64,
    malformed: u64,
    incomplete: u64,
    aborted: u64,
    open: usize,
    peak: usize,
    arrivals: VecDeque<Duration>,
    seen: VecDeque<Arc<Request>>,
    body_bytes: u64,
    /// Requests before this number have had their bodies emptied.
    bodies_from: u64,
    executions: BTreeMap<String, Page>,
}

#[derive(Debug, Default)]
struct Page {
    lines: Vec<Execution>,
    keys: HashMap<String, usize>,
    keyless: usize,
}

impl Ledger {
    /// The last requests, in order of arrival, at most 10 000. One whose body is still on its way shows none yet.
    pub fn requests(&self) -> Vec<Arc<Request>> {
        self.book().seen.iter().cloned().collect()
    }

    /// How many requests arrived, ever.
    pub fn request_count(&self) -> usize {
        self.book().arrived as usize
    }

    /// Every execution under this label, in order, repeated ones repeated.
    pub fn executed(&self, label: &str) -> Vec<Execution> {
        self.book().executions.get(label).map(|page| page.lines.clone()).unwrap_or_default()
    }

    /// How many times this was executed under this key.
    pub fn times(&self, label: &str, key: &str) -> usize {
        self.book().executions.get(label).and_then(|page| page.keys.get(key).copied()).unwrap_or(0)
    }

    /// Executions beyond the first of each key. Those without a key cannot be told apart and are not counted:
    /// see [`keyless`](Self::keyless).
    pub fn duplicates(&self, label: &str) -> usize {
        self.book().executions.get(label).map_or(0, |page| page.lines.len() - page.keyless - page.keys.len())
    }

    /// Executions that carried no key.
    pub fn keyless(&self, label: &str) -> usize {
        self.book().executions.get(label).map_or(0, |page| page.keyless)
    }

    /// The most requests that were being answered at one time.
    pub fn peak_concurrency(&self) -> usize {
        self.book().peak
    }

    /// How many requests are being received or answered now.
    pub fn in_flight(&self) -> usize {
        self.book().open
    }

    /// How many connections were accepted, refused ones included.
    pub fn connections(&self) -> usize {
        self.book().connections as usize
    }

    /// The most requests that arrived within any span of this length, ends excluded: what a limit of n per window
    /// must keep at n. Looks back over the last 4 million requests.
    pub fn max_in_any_window(&self, window: Duration) -> usize {
        max_in_window(self.book().arrivals.make_contiguous(), window)
    }

    /// Requests whose client went away before its answer was finished. Noticed at the next write or wait, so an
    /// answer that fitted into the socket's buffer counts as delivered.
    pub fn aborted(&self) -> usize {
        self.book().aborted as usize
    }

    /// Requests whose body never came to its end.
    pub fn incomplete(&self) -> usize {
        self.book().incomplete as usize
    }

    /// Heads that were not HTTP/1; they are not counted as requests.
    pub fn malformed(&self) -> usize {
        self.book().malformed as usize
    }

    /// Waits until `n` requests have arrived; false if they have not `within` that time.
    pub async fn wait_for_requests(&self, n: usize, within: Duration) -> bool {
        self.wait_until(within, |ledger| ledger.request_count() >= n).await
    }

    /// Waits until the ledger looks as asked; false if it does not `within` that time. The question is asked again
    /// after every entry.
    pub async fn wait_until(&self, within: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let mut changes = self.0.changes.subscribe();
        let reached = async {
            while !condition(self) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(within, reached).await;
        condition(self)
    }

    pub(crate) fn begin() -> Self {
        let (changes, _) = watch::channel(());
        Self(Arc::new(Inner { started: Instant::now(), book: Mutex::default(), changes }))
    }

    pub(crate) fn connected(&self) -> u64 {
        self.entry(|book, _| {
            book.connections += 1;
            book.connections
        })
    }

    /// Numbers and dates a request whose head is complete, and opens it until the guard is dropped.
    pub(crate) fn arrived(&self, request: &mut Request) -> Open {
        self.entry(|book, at| {
            book.arrived += 1;
            request.number = book.arrived;
            request.at = at;
            book.arrivals.push_back(at);
            book.seen.push_back(Arc::new(request.clone()));
            if book.arrivals.len() > KEPT_ARRIVALS {
                book.arrivals.pop_front();
            }
            if book.seen.len() > KEPT_REQUESTS
                && let Some(oldest) = book.seen.pop_front()
            {
                book.body_bytes -= oldest.body.len() as u64;
            }
            book.open += 1;
            book.peak = book.peak.max(book.open);
        });
        Open(self.clone())
    }

    /// Puts the request, now with its body, in the place of its head.
    pub(crate) fn received(&self, request: &Request) {
        self.entry(|book, _| {
            if !request.body_complete {
                book.incomplete += 1;
            }
            book.replace(Arc::new(request.clone()));
            book.forget_bodies();
        });
    }

    pub(crate) fn execute(&self, label: &str, request: &Request) {
        let key = request.key();
        self.entry(|book, at| {
            let page = book.executions.entry(label.to_owned()).or_default();
            match &key {
                Some(key) => *page.keys.entry(key.clone()).or_default() += 1,
                None => page.keyless += 1,
            }
            page.lines.push(Execution { label: label.to_owned(), key, at, request: request.number });
        });
    }

    pub(crate) fn abandoned(&self) {
        self.entry(|book, _| book.aborted += 1);
    }

    pub(crate) fn not_http(&self) {
        self.entry(|book, _| book.malformed += 1);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry<T>(&self, write: impl FnOnce(&mut Book, Duration) -> T) -> T {
        let written = {
            let mut book = self.book();
            // Read under the lock, so that times never run backwards in the book.
            let at = self.0.started.elapsed();
            write(&mut book, at)
        };
        self.0.changes.send_replace(());
        written
    }
}

impl Book {
    fn place(&self, number: u64) -> Option<usize> {
        let first = self.seen.front()?.number;
        usize::try_from(number.checked_sub(first)?).ok().filter(|place| *place < self.seen.len())
    }

    fn replace(&mut self, request: Arc<Request>) {
        if let Some(place) = self.place(request.number)
            && let Some(slot) = self.seen.get_mut(place)
        {
            self.body_bytes += request.body.len() as u64;
            self.body_bytes -= slot.body.len() as u64;
            *slot = request;
        }
    }

    fn forget_bodies(&mut self) {
        while self.body_bytes > KEPT_BODIES && self.bodies_from < self.arrived {
            self.bodies_from = self.bodies_from.max(self.seen.front().map_or(0, |request| request.number));
            if let Some(place) = self.place(self.bodies_from) {
                let mut bare = Request::clone(&self.seen[place]);
                bare.body = bytes::Bytes::new();
                self.replace(Arc::new(bare));
            }
            self.bodies_from += 1;
        }
    }
}

/// A request in flight; dropping it, however that happens, takes it out of the count.
pub(crate) struct Open(Ledger);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.entry(|book, _| book.open -= 1);
    }
}

/// The most of these times, given in ascending order, that lie within less than `window` of each other. One pass.
pub fn max_in_window(times: &[Duration], window: Duration) -> usize {
    let (mut first, mut most) = (0, 0);
    for (last, at) in times.iter().enumerate() {
        while first <= last && at.saturating_sub(times[first]) >= window {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

#[cfg(test)]
mod tests;
