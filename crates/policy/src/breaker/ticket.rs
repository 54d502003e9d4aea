//! What a caller is given, and what it is told.

use std::time::Duration;

use seawall_core::Instant;

use super::State;

/// The right to make one call, and the proof of when it was given.
///
/// A ticket of an earlier epoch changes nothing any more: a call admitted while the breaker was closed never decides
/// what a probe found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an admission that is never recorded is a probe that is never heard of"]
pub struct Ticket {
    pub(super) epoch: u64,
    /// When the call was let through; [`Instant::FAR_FUTURE`] where nobody will ask how long it took.
    pub(super) admitted: Instant,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Call,
    Probe(u64),
    /// An enforcing breaker would have refused it.
    Spared(Refusal),
}

impl Ticket {
    /// What an enforcing breaker would have answered, where this one only counts.
    pub fn would_refuse(&self) -> Option<Refusal> {
        match self.role {
            Role::Spared(refusal) => Some(refusal),
            Role::Call | Role::Probe(_) => None,
        }
    }
}

/// A standing permission: as long as it holds, every call is admitted and nobody needs to ask the machine.
///
/// It is one word, so that a driver can publish it. Whoever reads an old one has asked a moment earlier: its ticket is
/// of that epoch, and says nothing once the epoch is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass(u64);

impl Pass {
    /// Ask the machine.
    pub const NONE: Pass = Pass(u64::MAX);

    pub(super) fn new(epoch: u64, timed: bool) -> Self {
        Self(epoch << 1 | u64::from(timed))
    }

    /// The word to publish.
    #[inline]
    pub fn word(self) -> u64 {
        self.0
    }

    /// The pass that was published as this word.
    #[inline]
    pub fn of(word: u64) -> Self {
        Self(word)
    }

    /// A ticket, if it holds. The clock is read only if it matters how long calls take.
    #[inline]
    pub fn ticket(self, now: impl FnOnce() -> Instant) -> Option<Ticket> {
        if self == Self::NONE {
            return None;
        }
        let admitted = if self.0 & 1 == 1 { now() } else { Instant::FAR_FUTURE };
        Some(Ticket { epoch: self.0 >> 1, admitted, role: Role::Call })
    }
}

/// Why a call was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Open for this much longer.
    Open(Duration),
    /// Open until an operator says otherwise.
    Held,
    /// Half-open, and the probes are under way; worth asking again after this.
    Probing(Duration),
    /// Calls are let back in little by little, and this one was not; worth asking again after this.
    Ramping(Duration),
    /// Held open by an operator.
    Forced,
}

impl Refusal {
    /// When asking again makes sense; nobody knows how long an operator will take.
    #[inline]
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Refusal::Open(left) | Refusal::Probing(left) | Refusal::Ramping(left) => Some(left),
            Refusal::Held | Refusal::Forced => None,
        }
    }
}

/// A change of state, and what caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Where the breaker stood.
    pub from: State,
    /// Where it stands now.
    pub to: State,
    /// What moved it, in words.
    pub why: &'static str,
}

impl Moved {
    /// What happens in the shadow is told to nobody.
    pub(super) fn shown(self) -> Option<Moved> {
        (self.from != self.to).then_some(self)
    }
}
