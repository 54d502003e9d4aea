//! How many are inside and how many may be, in one word, so that no one ever sees one without the other.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::atomic::Word;

const ADAPTIVE: u64 = 1 << 63;
const SIZE: u32 = 32;

/// From the lowest bit: calls in flight (32), the size (31), and whether the size is adaptive (1).
///
/// One order with the length of the line: whoever gives a place back and then sees an empty line, and whoever joins the
/// line and then sees no place, cannot both have come too early.
#[derive(Debug)]
pub(super) struct Places<W = AtomicU64>(W);

/// The word, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) in_flight: u32,
    pub(super) size: u32,
    pub(super) adaptive: bool,
}

impl<W: Word> Places<W> {
    pub(super) fn new(size: u32, adaptive: bool) -> Self {
        Self(W::new(word(0, size, adaptive)))
    }

    pub(super) fn now(&self) -> Now {
        read(self.0.load(Ordering::SeqCst))
    }

    /// One more inside, unless as many are as may be.
    #[inline]
    pub(super) fn take(&self) -> Option<Now> {
        let mut seen = self.0.load(Ordering::SeqCst);
        loop {
            let now = read(seen);
            if now.in_flight >= now.size {
                return None;
            }
            match self.0.exchange(seen, seen + 1, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some(now),
                Err(other) => seen = other,
            }
        }
    }

    #[inline]
    pub(super) fn give_back(&self) {
        self.0.less(1, Ordering::SeqCst);
    }

    /// As many may be inside from now on. Those who are stay.
    pub(super) fn resize(&self, size: u32, adaptive: bool) {
        let mut seen = self.0.load(Ordering::SeqCst);
        loop {
            let now = read(seen);
            if (now.size, now.adaptive) == (size, adaptive) {
                return;
            }
            let next = word(now.in_flight, size, adaptive);
            match self.0.exchange(seen, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }
}

fn word(in_flight: u32, size: u32, adaptive: bool) -> u64 {
    let flag = if adaptive { ADAPTIVE } else { 0 };
    flag | (u64::from(size) << SIZE) | u64::from(in_flight)
}

#[allow(clippy::cast_possible_truncation, reason = "cut to its own bits")]
fn read(word: u64) -> Now {
    Now { in_flight: word as u32, size: ((word & !ADAPTIVE) >> SIZE) as u32, adaptive: word & ADAPTIVE != 0 }
}
