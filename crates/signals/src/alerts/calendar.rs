//! Moments that mean something after a restart: the wall's at the start, and from then on as much later as has passed.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seawall_core::{Clock, Instant};

/// Reads moments since 1970 that never go back while the process lives, however the wall clock is set meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    clock: Arc<dyn Clock>,
    began: Instant,
    wall: Instant,
}

impl Calendar {
    pub(super) fn new(clock: Arc<dyn Clock>, wall: SystemTime) -> Self {
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { began: clock.now(), wall: Instant::ORIGIN + since, clock }
    }

    pub(super) fn now(&self) -> Instant {
        self.wall + self.clock.now().since(self.began)
    }
}

/// Milliseconds since 1970.
pub(super) fn millis(at: Instant) -> u64 {
    at.as_nanos() / 1_000_000
}

/// The moment so many milliseconds after 1970.
pub(super) fn moment(millis: u64) -> Instant {
    Instant::from_nanos(millis.saturating_mul(1_000_000))
}

/// RFC 3339, in UTC, to the millisecond, of milliseconds since 1970.
pub fn timestamp(millis: u64) -> String {
    let millis = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    millis.unwrap_or(jiff::Timestamp::MAX).to_string()
}
