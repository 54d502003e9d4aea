//! Half-open: probes on a lease, and after them a door that widens from a tenth to all.

use std::time::Duration;

use seawall_core::Instant;

/// How soon a caller refused by a half-open breaker may ask again: probes usually take about this long.
const SOON: Duration = Duration::from_secs(1);

/// The probes under way, each with the end of its lease, and what the others found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Probes {
    pub(super) leases: Vec<(u64, Instant)>,
    pub(super) next: u64,
    pub(super) good: u32,
    pub(super) bad: u32,
}

impl Probes {
    /// Is one of `most` places free? If not, when to ask again.
    pub(super) fn room(&self, most: u32, now: Instant) -> Result<(), Duration> {
        let under_way = self.leases.iter().filter(|(_, lease)| *lease > now);
        if under_way.clone().count() < most as usize {
            return Ok(());
        }
        let soonest = under_way.map(|(_, lease)| now.until(*lease)).min().unwrap_or(SOON);
        Err(soonest.min(SOON))
    }

    /// Sends one out. Whoever lost its lease has lost its place.
    pub(super) fn send(&mut self, lease: Duration, now: Instant) -> u64 {
        self.leases.retain(|(_, lease)| *lease > now);
        self.next += 1;
        self.leases.push((self.next, now + lease));
        self.next
    }

    /// One came back. Did it still hold its place?
    pub(super) fn back(&mut self, probe: u64) -> bool {
        let place = self.leases.iter().position(|(id, _)| *id == probe);
        place.map(|place| self.leases.swap_remove(place)).is_some()
    }

    /// Forgets all of them, but never gives a number twice.
    pub(super) fn clear(&mut self) {
        self.leases.clear();
        (self.good, self.bad) = (0, 0);
    }
}

/// A door that widens with time. Who passes is counted out, not diced: at 30 % every third or fourth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ramp {
    pub(super) began: Instant,
    /// What refused callers have left behind, in thousandths of a call; always less than one.
    credit: u32,
}

/// A whole call, in thousandths.
const CALL: u32 = 1000;
/// The share the door begins with, in thousandths.
const FIRST: u32 = 100;

impl Ramp {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, credit: 0 }
    }

    pub(super) fn is_over(&self, span: Duration, now: Instant) -> bool {
        now.since(self.began) >= span
    }

    /// Would the next caller pass? If not, when to ask again.
    pub(super) fn room(&self, span: Duration, now: Instant) -> Result<(), Duration> {
        if self.credit + self.share(span, now) >= CALL {
            return Ok(());
        }
        Err(now.until(self.began + span).min(SOON))
    }

    /// A caller came: its share is added, and a whole call taken off if it passed.
    pub(super) fn count(&mut self, span: Duration, passed: bool, now: Instant) {
        self.credit += self.share(span, now);
        if passed {
            self.credit = self.credit.saturating_sub(CALL);
        }
    }

    /// From a tenth to all, in thousandths.
    fn share(&self, span: Duration, now: Instant) -> u32 {
        let (gone, span) = (now.since(self.began).as_nanos(), span.as_nanos());
        if gone >= span {
            return CALL;
        }
        // Below 900, because `gone` is below `span`.
        FIRST + (u128::from(CALL - FIRST) * gone / span) as u32
    }
}
