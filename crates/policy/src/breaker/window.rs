//! A sliding window in ten slots: what happened longer ago than the window is forgotten, whatever the volume.

use std::time::Duration;

use seawall_core::Instant;

use crate::slots::Slots;

const SLOTS: usize = 10;

/// Successes and failures of the last `span`, forgotten a tenth at a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window(Slots<(u32, u32), SLOTS>);

impl Window {
    pub(super) fn new(span: Duration) -> Self {
        Self(Slots::new((span / SLOTS as u32).max(Duration::from_millis(1))))
    }

    pub(super) fn covers(&self, span: Duration) -> bool {
        Self::new(span).0.slot() == self.0.slot()
    }

    pub(super) fn record(&mut self, failed: bool, now: Instant) {
        let (calls, failures) = self.0.now(now);
        *calls = calls.saturating_add(1);
        *failures = failures.saturating_add(u32::from(failed));
    }

    /// Calls and failures within the window.
    pub(super) fn totals(&mut self, now: Instant) -> (u64, u64) {
        self.0.now(now);
        let add =
            |(calls, failures), slot: &(u32, u32)| (calls + u64::from(slot.0), failures + u64::from(slot.1));
        self.0.iter().fold((0, 0), add)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
