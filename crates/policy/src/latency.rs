//! How long calls took, in little room: percentiles of the recent past, with a known error.

#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units::Share;

use crate::slots::Slots;

/// Pieces into which each power of two is cut; also the microseconds that have a bucket each.
const PIECES: u64 = 8;
/// `PIECES` is two to this power.
const PIECES_BITS: u32 = 3;
/// 8 for the first microseconds, and 8 for each power of two from there up to an hour.
const BUCKETS: usize = 240;
/// What takes longer counts as this long.
const LONGEST: Duration = Duration::from_secs(3600);

/// Latencies of the last one to two windows, counted in buckets whose width is an eighth of their value.
///
/// A percentile is never below the exact one (the nearest rank of what was recorded), and above it by at most an eighth
/// or one microsecond, whichever is more; what took longer than an hour counts as an hour. Recording is a few
/// instructions and allocates nothing; a percentile walks 240 buckets. Less than 2 KB.
#[derive(Debug, Clone)]
pub struct Latencies(Slots<Counts, 2>);

#[derive(Debug, Clone, Copy)]
struct Counts {
    all: u32,
    buckets: [u32; BUCKETS],
}

impl Default for Counts {
    fn default() -> Self {
        Self { all: 0, buckets: [0; BUCKETS] }
    }
}

impl Latencies {
    /// Nothing yet. What happened is remembered for at least one `window` and forgotten after two.
    pub fn new(window: Duration) -> Self {
        Self(Slots::new(window))
    }

    /// Something took so long.
    pub fn record(&mut self, took: Duration, now: Instant) {
        let counts = self.0.now(now);
        counts.all = counts.all.saturating_add(1);
        let bucket = &mut counts.buckets[place(took)];
        *bucket = bucket.saturating_add(1);
    }

    /// How many are remembered.
    pub fn count(&mut self, now: Instant) -> u64 {
        self.0.now(now);
        self.0.iter().map(|counts| u64::from(counts.all)).sum()
    }

    /// So long or less took this share of those remembered; nothing if none is.
    pub fn percentile(&mut self, share: Share, now: Instant) -> Option<Duration> {
        let count = self.count(now);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count times a share is a count"
        )]
        // The nearest rank; a little less before rounding up, since 0.95 is not quite 0.95.
        let rank = ((count as f64 * share.get() - 1e-9).ceil() as u64).max(1);
        let mut below = 0;
        (0..BUCKETS)
            .find(|place| {
                below += self.0.iter().map(|counts| u64::from(counts.buckets[*place])).sum::<u64>();
                below >= rank
            })
            .map(end)
    }
}

/// The bucket of a latency.
fn place(took: Duration) -> usize {
    let micros = took.min(LONGEST).as_micros() as u64;
    if micros < PIECES {
        return micros as usize;
    }
    let power = micros.ilog2();
    let piece = (micros >> (power - PIECES_BITS)) - PIECES;
    (u64::from(power - PIECES_BITS + 1) * PIECES + piece) as usize
}

/// Where a bucket ends: nothing in it took longer.
fn end(place: usize) -> Duration {
    let (power, piece) = (place as u64 / PIECES, place as u64 % PIECES);
    let micros = if power == 0 { piece + 1 } else { (PIECES + piece + 1) << (power - 1) };
    Duration::from_micros(micros).min(LONGEST)
}
