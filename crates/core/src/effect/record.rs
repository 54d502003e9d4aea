//! What is remembered of one effect.

use std::fmt;
use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use super::{Fingerprint, Nonce};

/// A store's own time: milliseconds since 1970. It outlives the process, and a store never lets it go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Stamp(pub u64);

impl Stamp {
    /// How long until `later`; zero if it has passed.
    pub const fn until(self, later: Stamp) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }

    /// How long since `earlier`; zero if it is to come.
    pub const fn since(self, earlier: Stamp) -> Duration {
        earlier.until(self)
    }
}

impl Add<Duration> for Stamp {
    type Output = Stamp;
    fn add(self, span: Duration) -> Stamp {
        Stamp(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// What the far side does with a second copy: it decides who may run again after a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nature {
    /// Applying it twice is the same as once (setting a value). A doubt is ended by running it again.
    Idempotent,
    /// The far side recognises our key, for calls under way and finished ones alike, for this long after the first
    /// call. Within the window a doubt is ended by sending the same key again.
    Keyed {
        /// The window.
        window: Duration,
    },
    /// The far side can be asked whether it happened.
    Queryable,
    /// None of these: a doubt is ended by a person.
    Opaque,
}

impl Nature {
    /// The word people see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Nature::Idempotent => "idempotent",
            Nature::Keyed { .. } => "keyed",
            Nature::Queryable => "queryable",
            Nature::Opaque => "opaque",
        }
    }
}

/// The right to run, or to reconcile: the number of the grant, and who asked for it. Every later word about the effect
/// carries it; an older one changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// Grows with every grant.
    pub epoch: u64,
    /// Of the one who asked.
    pub nonce: Nonce,
}

crate::words! {
    /// How a finished effect ended.
    Truth {
        /// It took place.
        Applied = "applied",
        /// It was refused for good: a result like any other.
        Rejected = "rejected",
    }
}

crate::words! {
    /// Who said how it ended.
    How {
        /// Whoever ran it, in time.
        Owner = "owner",
        /// Whoever ran it, after it had been given up for doubtful.
        Late = "late",
        /// A reconcile.
        Reconciled = "reconciled",
        /// A person.
        Forced = "forced",
    }
}

crate::words! {
    /// Why an effect is in doubt.
    Reason {
        /// Whoever ran it was not heard of for too long.
        Lease = "lease",
        /// Its process ended while it ran.
        Crash = "crash",
        /// Whoever ran it does not know.
        Unknown = "unknown",
        /// The journal was restored from a copy, and may have forgotten.
        Restored = "restored",
    }
}

/// An effect nobody knows the outcome of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Doubt {
    /// Since when.
    pub since: Stamp,
    /// Why.
    pub reason: Reason,
    /// Why, in the words of whoever ran it; at most 200 bytes.
    pub detail: Arc<str>,
    /// From then on nothing of the doubtful call can still be under way: what is not there then will never be.
    pub quiet: Stamp,
    /// Nobody reconciles before.
    pub not_before: Stamp,
    /// Reconciles that found nothing out.
    pub tries: u32,
}

/// A finished effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Done {
    /// How it ended.
    pub truth: Truth,
    /// When that became known.
    pub at: Stamp,
    /// Who said so.
    pub how: How,
    /// What it answered, if that was kept.
    pub result: Option<Arc<[u8]>>,
}

/// Where an effect stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// Somebody may be running it.
    Executing {
        /// When it is given up for doubtful unless its owner is heard of.
        until: Stamp,
        /// Since when an earlier run is in doubt, where one is: that this one does not take place says nothing of that
        /// one.
        doubted: Option<Stamp>,
    },
    /// It may have taken place.
    InDoubt(Doubt),
    /// Somebody is finding out.
    Reconciling {
        /// What about.
        doubt: Doubt,
        /// Who.
        nonce: Nonce,
        /// Since when: what was asked earlier proves nothing.
        since: Stamp,
        /// When somebody else may try.
        until: Stamp,
    },
    /// It provably has not taken place, and may be run.
    Free {
        /// Since when.
        since: Stamp,
        /// Not before.
        not_before: Stamp,
    },
    /// It is finished.
    Done(Done),
    /// Nobody could find out; a person decides.
    Quarantined(Doubt),
    /// It is finished, and only that is still remembered.
    Tombstone {
        /// How it ended.
        truth: Truth,
        /// When.
        at: Stamp,
    },
}

impl State {
    /// The word people see.
    pub const fn as_str(&self) -> &'static str {
        match self {
            State::Executing { .. } => "executing",
            State::InDoubt(_) => "in-doubt",
            State::Reconciling { .. } => "reconciling",
            State::Free { .. } => "free",
            State::Done(_) => "done",
            State::Quarantined(_) => "quarantined",
            State::Tombstone { .. } => "tombstone",
        }
    }

    /// The doubt, where there is one.
    pub const fn doubt(&self) -> Option<&Doubt> {
        match self {
            State::InDoubt(doubt) | State::Quarantined(doubt) | State::Reconciling { doubt, .. } => {
                Some(doubt)
            }
            _ => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How long a finished effect is remembered. What is not finished is never forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Keep {
    /// Its result, so that it can be replayed. Default 72 h.
    pub result: Duration,
    /// That it happened. Default 72 h, and never shorter than the result.
    pub key: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        let days = Duration::from_secs(72 * 3600);
        Self { result: days, key: days }
    }
}

/// Everything that is remembered of one effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// The name people see: `{namespace}:effect:{type}:{id}`, at most 512 bytes.
    pub label: Arc<str>,
    /// What it was asked to do.
    pub print: Fingerprint,
    /// What the far side does with a second copy.
    pub nature: Nature,
    /// The last grant of any kind.
    pub epoch: u64,
    /// The last grant to run.
    pub run: Token,
    /// How often it was granted.
    pub attempts: u32,
    /// When it was first granted.
    pub first: Stamp,
    /// How long after its last sign of life something of a call may still arrive: the call's own patience, the time until
    /// the far side shows what it did, and what clocks may differ.
    pub settle: Duration,
    /// How long it is remembered.
    pub keep: Keep,
    /// Where it stands.
    pub state: State,
}
