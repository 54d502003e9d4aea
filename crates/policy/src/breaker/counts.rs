//! What a breaker has seen lately: tallies in ten slots of time, or a bit for each of the last calls.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units::Share;

use super::Window;
use crate::slots::Slots;

pub(super) const SLOTS: usize = 10;

/// What a window holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls that worked or failed.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that took longer than `slow`, whether they worked or not.
    pub slow: u64,
}

/// Counts over a window: what is older is forgotten, whatever the volume.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Counts {
    Time(Slots<Tally, SLOTS>),
    Calls(Ring),
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) calls: u32,
    pub(crate) failures: u32,
    pub(crate) slow: u32,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.slow = self.slow.saturating_add(other.slow);
    }
}

impl Counts {
    pub(super) fn new(window: Window) -> Self {
        match window {
            Window::Time(span) => {
                Counts::Time(Slots::new((span / SLOTS as u32).max(Duration::from_millis(1))))
            }
            Window::Calls(size) => Counts::Calls(Ring::new(size)),
        }
    }

    /// Constant time; in a window over time no division while the slot lasts.
    #[inline]
    pub(super) fn record(&mut self, failed: bool, slow: bool, now: Instant) {
        match self {
            Counts::Time(slots) => {
                let one = Tally { calls: 1, failures: u32::from(failed), slow: u32::from(slow) };
                slots.now(now).add(one);
            }
            Counts::Calls(ring) => ring.record(failed, slow),
        }
    }

    /// Looks through ten slots, or at three numbers: asked only when something went wrong.
    pub(super) fn totals(&mut self, now: Instant) -> Totals {
        match self {
            Counts::Time(slots) => {
                slots.now(now);
                slots.iter().fold(Totals::default(), |sum, tally| Totals {
                    calls: sum.calls + u64::from(tally.calls),
                    failures: sum.failures + u64::from(tally.failures),
                    slow: sum.slow + u64::from(tally.slow),
                })
            }
            Counts::Calls(ring) => ring.totals(),
        }
    }

    pub(super) fn clear(&mut self) {
        match self {
            Counts::Time(slots) => slots.clear(),
            Counts::Calls(ring) => *ring = Ring::new(u32::from(ring.size)),
        }
    }
}

/// The last `size` calls, a bit each for what failed and what was slow, with their sums kept beside them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ring {
    failed: Bits,
    slow: Bits,
    size: u16,
    filled: u16,
    next: u16,
}

impl Ring {
    pub(super) fn new(size: u32) -> Self {
        let size = size.clamp(1, Window::MOST_CALLS) as u16;
        Self { failed: Bits::default(), slow: Bits::default(), size, filled: 0, next: 0 }
    }

    fn record(&mut self, failed: bool, slow: bool) {
        // Places not yet written hold zeros, so there is nothing to forget there.
        self.failed.put(self.next, failed);
        self.slow.put(self.next, slow);
        self.filled = (self.filled + 1).min(self.size);
        self.next = if self.next + 1 == self.size { 0 } else { self.next + 1 };
    }

    fn totals(&self) -> Totals {
        Totals {
            calls: u64::from(self.filled),
            failures: u64::from(self.failed.set),
            slow: u64::from(self.slow.set),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Bits {
    words: [u64; (Window::MOST_CALLS / 64) as usize],
    /// How many are set.
    set: u16,
}

impl Bits {
    fn put(&mut self, place: u16, bit: bool) {
        let (word, shift) = (&mut self.words[usize::from(place / 64)], place % 64);
        let before = *word >> shift & 1;
        *word = *word & !(1 << shift) | u64::from(bit) << shift;
        self.set = self.set + u16::from(bit) - before as u16;
    }
}

/// Is `part` that share of `whole`, or more?
pub(super) fn reaches(part: u64, share: Share, whole: u64) -> bool {
    // 7 of 100 are 7 %, though 0.07 * 100.0 is a little more than 7.
    part as f64 >= share.get() * whole as f64 * (1.0 - 1e-12)
}
