//! Remembers the last minute: how many calls, how many went well, how long they took.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seawall_core::Instant;

use crate::metrics::{Histogram, Snapshot};
use crate::slot::{Padded, SLOTS, slot};

/// How far back it remembers.
pub const WINDOW: Duration = Duration::from_secs(SECONDS as u64);

const SECONDS: usize = 60;

/// Calls, and how many of them went well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub calls: u64,
    /// Those that went well.
    pub successes: u64,
}

impl Tally {
    /// The share that went well, 0 to 1; none without a call.
    pub fn success_rate(self) -> Option<f64> {
        (self.calls > 0).then(|| self.successes as f64 / self.calls as f64)
    }
}

impl std::ops::Add for Tally {
    type Output = Tally;
    fn add(self, other: Tally) -> Tally {
        Tally { calls: self.calls + other.calls, successes: self.successes + other.successes }
    }
}

/// A window of sixty one-second buckets that slides: the second in progress and the fifty-nine before it.
///
/// A moment may come a little late, as from another thread, and is counted in its own second while that is remembered.
#[derive(Clone, Debug)]
pub struct Window {
    buckets: [(u64, Tally); SECONDS],
}

impl Default for Window {
    fn default() -> Self {
        Self { buckets: [(0, Tally::default()); SECONDS] }
    }
}

impl Window {
    /// Counts a call that ended at `now`.
    pub fn record(&mut self, now: Instant, success: bool) {
        let second = seconds(now);
        let (stamp, tally) = &mut self.buckets[(second % SECONDS as u64) as usize];
        if *stamp > second {
            return;
        }
        if *stamp < second {
            (*stamp, *tally) = (second, Tally::default());
        }
        tally.calls += 1;
        tally.successes += u64::from(success);
    }

    /// What the minute before `now` holds.
    pub fn tally(&self, now: Instant) -> Tally {
        let second = seconds(now);
        let remembered = self.buckets.iter().filter(|(stamp, _)| stamp + SECONDS as u64 > second);
        remembered.fold(Tally::default(), |sum, (_, tally)| sum + *tally)
    }
}

fn seconds(now: Instant) -> u64 {
    now.since(Instant::ORIGIN).as_secs()
}

/// A [`Window`] that many threads count in. Clones share it.
///
/// Each thread has a window of its own behind a lock that only a reader, about once a second, or an eighth thread ever
/// contends for. Ten kibibytes or so each; no allocation while counting.
#[derive(Clone, Default)]
pub struct Rate {
    windows: Arc<[Padded<Mutex<Window>>; SLOTS]>,
}

impl Rate {
    /// Counts a call that ended at `now`.
    pub fn record(&self, now: Instant, success: bool) {
        self.windows[slot().index()].0.lock().unwrap_or_else(PoisonError::into_inner).record(now, success);
    }

    /// What the minute before `now` holds, over all threads.
    pub fn tally(&self, now: Instant) -> Tally {
        let each = |window: &Padded<Mutex<Window>>| {
            window.0.lock().unwrap_or_else(PoisonError::into_inner).tally(now)
        };
        self.windows.iter().map(each).fold(Tally::default(), |sum, tally| sum + tally)
    }
}

impl std::fmt::Debug for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rate").finish_non_exhaustive()
    }
}

/// Looks at the last minute of a histogram that never forgets, so that a good week does not hide a bad minute.
///
/// It remembers what the histogram held every five seconds. Somebody has to [`tick`](Recent::tick) it at least that often.
#[derive(Debug)]
pub struct Recent {
    histogram: Histogram,
    marks: VecDeque<(Instant, Snapshot)>,
}

const BETWEEN_MARKS: Duration = Duration::from_secs(5);

impl Recent {
    /// Begins to watch at `now`.
    pub fn new(histogram: Histogram, now: Instant) -> Self {
        let mark = (now, histogram.snapshot());
        Self { histogram, marks: VecDeque::from([mark]) }
    }

    /// Remembers what the histogram holds, if the last time was long enough ago.
    pub fn tick(&mut self, now: Instant) {
        if self.marks.back().is_some_and(|(at, _)| now.since(*at) < BETWEEN_MARKS) {
            return;
        }
        self.marks.push_back((now, self.histogram.snapshot()));
        // The oldest mark that is kept is the youngest that is a whole window old.
        while self.marks.get(1).is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.marks.pop_front();
        }
    }

    /// What was recorded in the last minute, give or take the five seconds between marks.
    pub fn snapshot(&self) -> Snapshot {
        let held = self.histogram.snapshot();
        match self.marks.front() {
            Some((_, before)) => held.since(before),
            None => held,
        }
    }
}

#[cfg(test)]
mod tests;
