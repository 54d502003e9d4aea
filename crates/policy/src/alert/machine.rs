//! One alert: what is seen of its condition goes in, the state it is in comes out.

use std::time::Duration;

use seawall_core::Instant;

use super::{NoData, Rule};

/// For how long an alert is thought to be as it was while there is no data ([`NoData::Keep`]).
pub const BLIND: Duration = Duration::from_secs(600);

/// What is seen of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It holds.
    Holds,
    /// It does not hold, and neither does what must before it is over.
    Between,
    /// All is well.
    Clear,
    /// There is nothing to judge it by.
    Blind,
}

/// What an alert is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    Quiet,
    /// Its condition holds, not for long enough yet.
    Pending {
        /// Since when, less the time in which nobody could look.
        since: Instant,
    },
    /// It is active.
    Active {
        /// Since when.
        since: Instant,
    },
    /// It is active still, and its condition has ceased to hold.
    Recovering {
        /// Since when it is active.
        since: Instant,
        /// Since when it is well, less the time in which nobody could look.
        well: Instant,
    },
    /// It was active.
    Resolved {
        /// From when.
        since: Instant,
        /// Until when.
        at: Instant,
    },
}

impl Phase {
    /// Is it active, recovering included?
    pub fn is_active(self) -> bool {
        matches!(self, Phase::Active { .. } | Phase::Recovering { .. })
    }
}

seawall_core::words! {
    /// How an alert moved.
    Moved {
        /// Its condition began to hold.
        Pending = "pending",
        /// It ceased to, before it had held for long enough.
        Calmed = "calmed",
        /// It became active.
        Active = "active",
        /// Its condition ceased to hold.
        Recovering = "recovering",
        /// It held again before it had been well for long enough.
        Relapsed = "relapsed",
        /// It is over.
        Resolved = "resolved",
        /// It is over for want of data.
        Lost = "lost",
    }
}

/// An alert as a value: every method is a pure step of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    phase: Phase,
    /// Since when there has been no data.
    blind: Option<Instant>,
    /// The last moment that was looked at.
    seen: Instant,
}

impl Machine {
    /// An alert of which nothing is known.
    pub fn new(now: Instant) -> Self {
        Self { phase: Phase::Quiet, blind: None, seen: now }
    }

    /// An alert as it was left at `seen`. Time until `now` was seen by nobody: it counts neither towards `for` nor towards
    /// `keep_for`. Moments that have not come yet are taken for now.
    pub fn restored(phase: Phase, seen: Instant, now: Instant) -> Self {
        let past = |at: Instant| at.min(now);
        let phase = match phase {
            Phase::Quiet => Phase::Quiet,
            Phase::Pending { since } => Phase::Pending { since: past(since) },
            Phase::Active { since } => Phase::Active { since: past(since) },
            Phase::Recovering { since, well } => Phase::Recovering { since: past(since), well: past(well) },
            Phase::Resolved { since, at } => Phase::Resolved { since: past(since), at: past(at) },
        };
        let mut machine = Self { phase, blind: None, seen: past(seen) };
        machine.pause(now);
        machine
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Since when there has been no data.
    pub fn blind(&self) -> Option<Instant> {
        self.blind
    }

    /// The last moment that was looked at.
    pub fn seen(&self) -> Instant {
        self.seen
    }

    /// How long until it becomes active if its condition goes on holding; none unless it is pending.
    pub fn fires_in(&self, rule: &Rule) -> Option<Duration> {
        match self.phase {
            Phase::Pending { since } => Some(self.seen.until(since + rule.held)),
            _ => None,
        }
    }

    /// Takes note of what is seen at `now`.
    pub fn step(&mut self, rule: &Rule, seen: Seen, now: Instant) -> Option<Moved> {
        let now = now.max(self.seen);
        let seen = match (seen, rule.no_data) {
            (Seen::Blind, NoData::Keep) => return self.wait(now),
            (Seen::Blind, NoData::Ok) => Seen::Clear,
            (Seen::Blind, NoData::Fire) => Seen::Holds,
            (seen, _) => seen,
        };
        self.blind = None;
        self.seen = now;
        let (phase, moved) = match (self.phase, seen) {
            (Phase::Quiet | Phase::Resolved { .. }, Seen::Holds) if rule.held.is_zero() => {
                (Phase::Active { since: now }, Moved::Active)
            }
            (Phase::Quiet | Phase::Resolved { .. }, Seen::Holds) => {
                (Phase::Pending { since: now }, Moved::Pending)
            }
            (Phase::Pending { since }, Seen::Holds) if now.since(since) >= rule.held => {
                (Phase::Active { since: now }, Moved::Active)
            }
            (Phase::Pending { .. }, Seen::Between | Seen::Clear) => (Phase::Quiet, Moved::Calmed),
            (Phase::Active { since }, Seen::Clear) if rule.keep_for.is_zero() => {
                (Phase::Resolved { since, at: now }, Moved::Resolved)
            }
            (Phase::Active { since }, Seen::Clear) => {
                (Phase::Recovering { since, well: now }, Moved::Recovering)
            }
            (Phase::Recovering { since, .. }, Seen::Holds | Seen::Between) => {
                (Phase::Active { since }, Moved::Relapsed)
            }
            (Phase::Recovering { since, well }, Seen::Clear) if now.since(well) >= rule.keep_for => {
                (Phase::Resolved { since, at: now }, Moved::Resolved)
            }
            _ => return None,
        };
        self.phase = phase;
        Some(moved)
    }

    /// Goes on without data, as it was, for so long.
    fn wait(&mut self, now: Instant) -> Option<Moved> {
        self.pause(now);
        let blind = *self.blind.get_or_insert(now);
        if now.since(blind) < BLIND {
            return None;
        }
        match self.phase {
            Phase::Active { since } | Phase::Recovering { since, .. } => {
                self.phase = Phase::Resolved { since, at: now };
                Some(Moved::Lost)
            }
            Phase::Pending { .. } => {
                self.phase = Phase::Quiet;
                Some(Moved::Calmed)
            }
            Phase::Quiet | Phase::Resolved { .. } => None,
        }
    }

    /// Lets time pass that counts towards nothing.
    fn pause(&mut self, now: Instant) {
        let gap = now.since(self.seen);
        match &mut self.phase {
            Phase::Pending { since } => *since = *since + gap,
            Phase::Recovering { well, .. } => *well = *well + gap,
            Phase::Quiet | Phase::Active { .. } | Phase::Resolved { .. } => {}
        }
        self.seen = now;
    }
}
