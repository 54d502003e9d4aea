//! A provider's request to be left alone, kept for everybody.

use std::time::Duration;

use seawall_core::Instant;

/// Until when nobody may call. A shorter request never shortens a longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pause {
    until: Instant,
}

impl Pause {
    /// The provider asks for `wait`.
    pub fn extend(&mut self, wait: Duration, now: Instant) {
        self.until = self.until.max(now + wait);
    }

    /// How much of it is left.
    pub fn left(&self, now: Instant) -> Duration {
        now.until(self.until)
    }

    /// An operator lifts it.
    pub fn lift(&mut self) {
        self.until = Instant::ORIGIN;
    }
}
