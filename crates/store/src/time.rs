//! The time a store goes by: the wall clock, which must outlive the process and therefore may jump, held so that it
//! never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use seawall_core::clock::wall_now;
use seawall_core::effect::Stamp;

/// A store's clock. Clones share it.
#[derive(Debug, Clone)]
pub struct Time(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The latest time that was told, in microseconds since 1970; a wall clock that is set back stands still until it has
    /// caught up.
    latest: AtomicU64,
    runs: bool,
}

impl Time {
    /// The wall clock, never earlier than `latest`, the latest time a journal knows.
    pub fn wall(latest: Stamp) -> Self {
        Self(Arc::new(Inner { latest: AtomicU64::new(micros(latest)), runs: true }))
    }

    /// A clock that stands still until it is told to move.
    pub fn manual(now: Stamp) -> Self {
        Self(Arc::new(Inner { latest: AtomicU64::new(micros(now)), runs: false }))
    }

    /// The present moment.
    pub fn now(&self) -> Stamp {
        Stamp(self.micros() / 1000)
    }

    /// The same in microseconds since 1970.
    pub fn micros(&self) -> u64 {
        if !self.0.runs {
            return self.0.latest.load(Ordering::Relaxed);
        }
        let since = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        self.0.latest.fetch_max(wall, Ordering::Relaxed).max(wall)
    }

    /// Moves the hand to `latest`, the latest time a journal knows, unless it is there already.
    pub fn at_least(&self, latest: Stamp) {
        self.0.latest.fetch_max(micros(latest), Ordering::Relaxed);
    }

    /// Moves the hand forward.
    pub fn advance(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.0.latest.fetch_add(micros, Ordering::Relaxed);
    }
}

fn micros(stamp: Stamp) -> u64 {
    stamp.0.saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_was_set_back_stands_still() {
        let ahead = Stamp(Time::wall(Stamp(0)).now().0 + 3_600_000);
        let time = Time::wall(ahead);
        assert_eq!((time.now(), time.now()), (ahead, ahead));
    }

    #[test]
    fn a_manual_clock_moves_when_it_is_told_to() {
        let time = Time::manual(Stamp(5));
        let both = [time.clone(), time];
        both[0].advance(Duration::from_secs(1));
        assert_eq!(both[1].now(), Stamp(1005));
        both[1].advance(Duration::from_micros(1));
        assert_eq!((both[0].now(), both[0].micros()), (Stamp(1005), 1_005_001));
    }
}
