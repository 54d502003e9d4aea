//! Time as an argument: a monotonic instant, and the port that reads it.
//!
//! Every policy step takes `now`; only drivers ask a [`Clock`]. Wall time is for people and protocols (ids, dates),
//! never for a policy: it lives in [`wall_now`].

mod counter;

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// A monotonic moment: nanoseconds since an origin that only its clock knows.
///
/// Arithmetic saturates: a moment before the origin is the origin, and the far future is [`Instant::FAR_FUTURE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ORIGIN: Instant = Instant(0);
    /// Later than every moment a clock returns (about 584 years after the origin).
    pub const FAR_FUTURE: Instant = Instant(u64::MAX);

    /// The moment `nanos` after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// How long until `later`; zero if it has passed.
    pub const fn until(self, later: Instant) -> Duration {
        later.since(self)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, span: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;
    fn sub(self, span: Duration) -> Instant {
        Instant(self.0.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{:?}", Duration::from_nanos(self.0))
    }
}

/// Reads monotonic time. Implementations never go backwards.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Instant;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }
}

/// The machine's monotonic clock: the processor's counter, kept to the operating system's time.
///
/// A look at it costs about 10 ns. Within a thread it never goes back; two threads agree to within microseconds. The
/// first look measures the counter, which takes about 10 ms; where there is no steady counter, every look asks the
/// operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// A clock whose origin is one hour before the first look of this process, so that short look-backs never saturate.
    pub fn new() -> Self {
        Self
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant(3_600_000_000_000 + counter::nanos())
    }
}

/// A clock that stands still until it is told to move; clones share the hand.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    nanos: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock standing one hour after its origin.
    pub fn new() -> Self {
        let clock = Self::default();
        clock.advance(Duration::from_secs(3600));
        clock
    }

    /// Moves the hand forward.
    pub fn advance(&self, span: Duration) {
        self.nanos.fetch_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant(self.nanos.load(Ordering::Relaxed))
    }
}

/// The wall clock, for ids, dates and people; it may jump.
#[allow(clippy::disallowed_methods, reason = "the one door to wall time")]
pub fn wall_now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Instant::ORIGIN - Duration::from_secs(1), Instant::ORIGIN);
        assert_eq!(Instant::FAR_FUTURE + Duration::from_secs(1), Instant::FAR_FUTURE);
        assert_eq!(Instant::ORIGIN + Duration::MAX, Instant::FAR_FUTURE);
        assert_eq!(Instant::ORIGIN.since(Instant::FAR_FUTURE), Duration::ZERO);
    }

    #[test]
    fn a_manual_clock_moves_only_when_told_and_clones_share_it() {
        let clock = ManualClock::new();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        let other = clock.clone();
        other.advance(Duration::from_millis(5));
        assert_eq!(clock.now().since(before), Duration::from_millis(5));
    }

    #[test]
    fn the_system_clock_never_goes_back() {
        let clock = SystemClock::new();
        let (a, b) = (clock.now(), clock.now());
        assert!(b >= a);
        assert!(a.as_nanos() > 0, "short look-backs have room");
    }
}
