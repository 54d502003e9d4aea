//! Remembers how long things took: exact counts and sum, quantiles within six per cent, in fixed memory.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::text;
use crate::slot::{SLOTS, slot};

/// The exported bounds (`le`) unless a family says otherwise: 1 ms to 60 s, which is what a call to a provider takes.
pub const BUCKETS: &[Duration] = &[
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
];

// The grid under the bounds: eight equal steps per power of two, from 2^10 ns (about 1 µs) to 2^42 ns (about 73 min),
// and one bucket on either side.
const STEP_BITS: u32 = 3;
const STEPS: usize = 1 << STEP_BITS;
const LOW: u32 = 10;
const HIGH: u32 = 42;
const GRID: usize = 2 + (HIGH - LOW) as usize * STEPS;

/// Over two years in one record would sooner wrap the sum than tell anybody anything.
const LONGEST: u64 = 1 << 56;

/// Where the buckets lie: the grid's edges and the exported bounds in one sorted list, so that one add into one bucket
/// serves both exactly.
pub(super) struct Layout {
    /// Exported bounds in nanoseconds, ascending.
    bounds: Vec<u64>,
    /// The same as they are spelt in seconds.
    spelt: Vec<String>,
    /// The last nanosecond of each bucket, ascending; the last is `u64::MAX`.
    last: Vec<u64>,
    /// For each grid bucket, the first of `last` that lies in it.
    first: Vec<u16>,
}

impl Layout {
    pub(super) fn new(buckets: &[Duration]) -> Self {
        let mut bounds: Vec<u64> = buckets.iter().copied().map(nanos).collect();
        bounds.sort_unstable();
        bounds.dedup();
        let mut last: Vec<u64> = (0..GRID).map(grid_last).chain(bounds.iter().copied()).collect();
        last.sort_unstable();
        last.dedup();
        let first = (0..GRID)
            .map(|grid| {
                let below = grid.checked_sub(1).map_or(0, |g| grid_last(g) + 1);
                u16::try_from(last.partition_point(|edge| *edge < below)).unwrap_or(u16::MAX)
            })
            .collect();
        let spelt = bounds.iter().map(|bound| text::seconds((*bound).into())).collect();
        Self { bounds, spelt, last, first }
    }

    fn bucket(&self, nanos: u64) -> usize {
        let mut at = usize::from(self.first[grid(nanos)]);
        while self.last[at] < nanos {
            at += 1;
        }
        at
    }
}

fn grid(nanos: u64) -> usize {
    if nanos < 1 << LOW {
        return 0;
    }
    let power = nanos.ilog2();
    if power >= HIGH {
        return GRID - 1;
    }
    let step = (nanos >> (power - STEP_BITS)) as usize & (STEPS - 1);
    1 + (power - LOW) as usize * STEPS + step
}

fn grid_last(grid: usize) -> u64 {
    match grid {
        0 => (1 << LOW) - 1,
        g if g >= GRID - 1 => u64::MAX,
        g => {
            let (power, step) = ((g - 1) / STEPS, (g - 1) % STEPS);
            (((STEPS + step + 1) as u64) << (LOW as usize + power - STEP_BITS as usize)) - 1
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).map_or(LONGEST, |n| n.min(LONGEST))
}

/// How long things took. Clones record into the same one.
///
/// Its memory is fixed (about two kibibytes for each of at most eight thread slots, taken when the slot first
/// records) and does not grow between scrapes. Recording costs two adds into this thread's own part; no lock.
#[derive(Clone)]
pub struct Histogram {
    inner: Arc<Inner>,
}

struct Inner {
    layout: Arc<Layout>,
    shards: [OnceLock<Shard>; SLOTS],
}

struct Shard {
    sum: AtomicU64,
    counts: Box<[AtomicU64]>,
}

impl Histogram {
    /// One that belongs to no registry, exported with these bounds should it come to that.
    pub fn new(buckets: &[Duration]) -> Self {
        Self::over(Arc::new(Layout::new(buckets)))
    }

    pub(super) fn over(layout: Arc<Layout>) -> Self {
        Self { inner: Arc::new(Inner { layout, shards: Default::default() }) }
    }

    /// Records one duration, to the nanosecond.
    pub fn record(&self, took: Duration) {
        let nanos = nanos(took);
        let layout = &self.inner.layout;
        let slot = slot();
        let shard = self.inner.shards[slot.index()].get_or_init(|| Shard {
            sum: AtomicU64::new(0),
            counts: layout.last.iter().map(|_| AtomicU64::new(0)).collect(),
        });
        slot.add(&shard.sum, nanos);
        slot.add(&shard.counts[layout.bucket(nanos)], 1);
    }

    /// The duration below which a share `q` of all records lie; see [`Snapshot::quantile`].
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        self.snapshot().quantile(q)
    }

    /// What it holds now. Records made meanwhile may be missing, or be in the sum and not yet in the count.
    pub fn snapshot(&self) -> Snapshot {
        let mut counts = vec![0; self.inner.layout.last.len()];
        let mut sum = 0;
        for shard in self.inner.shards.iter().filter_map(OnceLock::get) {
            sum += u128::from(shard.sum.load(Ordering::Relaxed));
            for (total, count) in counts.iter_mut().zip(&shard.counts) {
                *total += count.load(Ordering::Relaxed);
            }
        }
        Snapshot { layout: Arc::clone(&self.inner.layout), counts, sum }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new(BUCKETS)
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// What a [`Histogram`] held at one moment.
#[derive(Clone)]
pub struct Snapshot {
    layout: Arc<Layout>,
    counts: Vec<u64>,
    sum: u128,
}

impl Snapshot {
    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The exact sum, in nanoseconds.
    pub fn sum_nanos(&self) -> u128 {
        self.sum
    }

    /// For each exported bound, ascending, how many records were at most that long. Exact.
    pub fn cumulative(&self) -> Vec<(Duration, u64)> {
        let bounds = self.layout.bounds.iter().copied().map(Duration::from_nanos);
        bounds.zip(self.below()).collect()
    }

    /// The same with the bounds as they are spelt in seconds.
    pub(super) fn spelt(&self) -> impl Iterator<Item = (&str, u64)> {
        self.layout.spelt.iter().map(String::as_str).zip(self.below())
    }

    /// How many records lie at or below each bound.
    fn below(&self) -> impl Iterator<Item = u64> {
        let mut at = 0;
        let mut below = 0;
        self.layout.bounds.iter().map(move |bound| {
            while self.layout.last.get(at).is_some_and(|last| last <= bound) {
                below += self.counts[at];
                at += 1;
            }
            below
        })
    }

    /// The duration of the record at rank ⌈`q`·count⌉, counting from the shortest; none when nothing was recorded.
    ///
    /// Within 6 % of that record between 1.024 µs and 2^42 ns (about 73 minutes). Below, within 1.024 µs; above, it
    /// reads as 73 minutes or more. A `q` outside 0 to 1 means the shortest or the longest.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = ((q * count as f64).ceil() as u64).clamp(1, count);
        let mut below = 0;
        let at = self.counts.iter().position(|n| {
            below += n;
            below >= rank
        })?;
        let high = self.layout.last[at];
        let low = at.checked_sub(1).map_or(0, |before| self.layout.last[before] + 1);
        Some(Duration::from_nanos(between(low, high)))
    }

    /// Both together, where both are of histograms with the same bounds.
    pub fn and(mut self, other: &Snapshot) -> Snapshot {
        for (own, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *own += theirs;
        }
        self.sum += other.sum;
        self
    }

    /// What was recorded after `earlier`, a snapshot of the same histogram.
    pub fn since(&self, earlier: &Snapshot) -> Snapshot {
        let mut later = self.clone();
        for (now, then) in later.counts.iter_mut().zip(&earlier.counts) {
            *now = now.saturating_sub(*then);
        }
        later.sum = later.sum.saturating_sub(earlier.sum);
        later
    }
}

/// The point whose relative error towards both ends is the same: their harmonic mean.
fn between(low: u64, high: u64) -> u64 {
    if low >= 1 << HIGH {
        return low;
    }
    if low < 1 << LOW {
        return low.midpoint(high);
    }
    let (low, high) = (u128::from(low), u128::from(high));
    u64::try_from(2 * low * high / (low + high)).unwrap_or(u64::MAX)
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, p50, p95) = (self.count(), self.quantile(0.5), self.quantile(0.95));
        f.debug_struct("Histogram").field("count", &count).field("p50", &p50).field("p95", &p95).finish()
    }
}

#[cfg(test)]
mod tests;
