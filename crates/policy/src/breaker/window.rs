//! A sliding window in ten slots: what happened longer ago than the window is forgotten, whatever the volume.

use std::time::Duration;

use seawall_core::Instant;

const SLOTS: usize = 10;

/// Successes and failures of the last `span`, forgotten a tenth at a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    slot: Duration,
    current: u64,
    seen: [(u32, u32); SLOTS],
}

impl Window {
    pub(super) fn new(span: Duration) -> Self {
        Self { slot: (span / SLOTS as u32).max(Duration::from_millis(1)), current: 0, seen: [(0, 0); SLOTS] }
    }

    pub(super) fn covers(&self, span: Duration) -> bool {
        Self::new(span).slot == self.slot
    }

    pub(super) fn record(&mut self, failed: bool, now: Instant) {
        let slot = self.roll(now);
        let (calls, failures) = &mut self.seen[slot];
        *calls = calls.saturating_add(1);
        *failures = failures.saturating_add(u32::from(failed));
    }

    /// Calls and failures within the window.
    pub(super) fn totals(&mut self, now: Instant) -> (u64, u64) {
        self.roll(now);
        self.seen
            .iter()
            .fold((0, 0), |(calls, failures), slot| (calls + u64::from(slot.0), failures + u64::from(slot.1)))
    }

    pub(super) fn clear(&mut self) {
        self.seen = [(0, 0); SLOTS];
    }

    fn roll(&mut self, now: Instant) -> usize {
        let slot = now.as_nanos() / u64::try_from(self.slot.as_nanos()).unwrap_or(u64::MAX);
        let gone = slot.saturating_sub(self.current).min(SLOTS as u64);
        for back in 0..gone {
            self.seen[((slot - back) % SLOTS as u64) as usize] = (0, 0);
        }
        self.current = self.current.max(slot);
        (self.current % SLOTS as u64) as usize
    }
}
