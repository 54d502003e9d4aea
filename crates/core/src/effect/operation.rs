//! What may be asked of the memory of an effect, and what it answers: a closed list, so that a store of another kind can
//! do each in one step of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Fingerprint, How, Keep, Key, Nature, Nonce, Reason, Record, Stamp, Token, Truth};

/// A wish to run an effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Begin {
    /// Which.
    pub key: Key,
    /// Its name for people, at most 512 bytes.
    pub label: Arc<str>,
    /// What it is asked to do.
    pub print: Fingerprint,
    /// Of this wish: the same when it is said again because a reply was lost.
    pub nonce: Nonce,
    /// What the far side does with a second copy.
    pub nature: Nature,
    /// How long ago the caller first wanted it, where that is known: older than its record's life it is refused.
    pub age: Option<Duration>,
    /// How long its owner may be silent.
    pub lease: Duration,
    /// The longest the call itself may take.
    pub call: Duration,
    /// See [`Record::settle`].
    pub settle: Duration,
    /// How often it may be granted.
    pub max_attempts: u32,
    /// How long it is remembered once it is finished.
    pub keep: Keep,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It ended for good.
    Ended(Truth, Option<Arc<[u8]>>),
    /// It provably has not taken place.
    NotApplied {
        /// How long nobody runs it again.
        cooldown: Duration,
    },
    /// It may have.
    Unknown {
        /// Why nobody knows; at most 200 bytes.
        detail: Arc<str>,
    },
}

/// What a reconcile found out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Finding {
    /// It ended for good.
    Ended(Truth, Option<Arc<[u8]>>),
    /// It is not there.
    NotApplied {
        /// The far side now refuses whatever of the old call may still arrive. Without that, what is not there is
        /// believed only once nothing can be under way any more.
        fenced: bool,
    },
    /// Nothing.
    Unknown {
        /// Why; at most 200 bytes.
        detail: Arc<str>,
    },
}

/// What a person decides about an effect in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// It ended for good.
    Ended(Truth, Option<Arc<[u8]>>),
    /// It has not taken place and may be run.
    NotApplied,
}

/// One question to the memory. Each is one atomic step of a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operation {
    /// May I run it?
    Begin(Begin),
    /// I am still at it.
    Renew {
        /// Which.
        key: Key,
        /// By which right.
        token: Token,
        /// How long I may be silent from now on.
        lease: Duration,
    },
    /// This is how it ended.
    Complete {
        /// Which.
        key: Key,
        /// By which right.
        token: Token,
        /// How.
        outcome: Outcome,
    },
    /// May I find out what became of it?
    Reconcile {
        /// Which.
        key: Key,
        /// Of this wish.
        nonce: Nonce,
        /// How long I may be silent.
        lease: Duration,
    },
    /// This is what I found out.
    Resolve {
        /// Which.
        key: Key,
        /// By which right.
        token: Token,
        /// What.
        finding: Finding,
    },
    /// A person decides.
    Force {
        /// Which.
        key: Key,
        /// Who.
        by: Arc<str>,
        /// Why.
        reason: Arc<str>,
        /// What.
        resolution: Resolution,
    },
    /// How does it stand?
    Peek {
        /// Which.
        key: Key,
    },
}

impl Operation {
    /// The effect it is about.
    pub const fn key(&self) -> Key {
        match self {
            Operation::Begin(begin) => begin.key,
            Operation::Renew { key, .. }
            | Operation::Complete { key, .. }
            | Operation::Reconcile { key, .. }
            | Operation::Resolve { key, .. }
            | Operation::Force { key, .. }
            | Operation::Peek { key } => *key,
        }
    }
}

/// What the memory answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Run it, by this right.
    Run(Token),
    /// It is finished: this is how it ended, and what it answered, if that is still kept.
    Replay(Truth, Option<Arc<[u8]>>),
    /// Somebody else is at it; ask again after this.
    Busy(Duration),
    /// Not yet; ask again after this.
    Cooldown(Duration),
    /// It has been granted as often as it may.
    Exhausted,
    /// Its key was used for something else.
    Mismatch,
    /// The wish is older than what is remembered: whether it was fulfilled cannot be known any more.
    Expired,
    /// It may have taken place.
    InDoubt {
        /// Since when.
        since: Stamp,
        /// Why.
        reason: Reason,
        /// Nobody could find out: only a person can.
        quarantined: bool,
    },
    /// Find out, by this right.
    Reconcile {
        /// The right.
        token: Token,
        /// Nothing of the call can still be under way: what is not there now will never be.
        quiet: bool,
    },
    /// Noted.
    Ok,
    /// Noted, and the doubt is over.
    Late,
    /// It was noted before.
    Already,
    /// It ended otherwise, as far as is known here; that stands.
    Conflict,
    /// The right has lapsed; nothing was changed.
    Fenced,
    /// There is nothing of the kind to be done: it stands thus.
    No {
        /// The word for where it stands; `absent` for an effect nobody remembers.
        state: &'static str,
    },
    /// How it stands.
    Found(Option<Box<Record>>),
}

/// Something an operator or an auditor should know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Note {
    /// It is in doubt now.
    InDoubt(Reason),
    /// A doubt has ended.
    Cleared(How),
    /// Nobody could find out what became of it.
    Quarantined,
    /// Its key was used for something else.
    Mismatch,
    /// Somebody whose right had lapsed says it took place, and somebody else was allowed to run it since: it may have
    /// taken place twice. An assumption did not hold.
    SuspectedDuplicate,
    /// Two say differently how it ended.
    Contradiction,
    /// Somebody finished an effect nobody remembers, or was let begin one that may happen twice without harm: the store
    /// has forgotten.
    Forgotten,
}

impl Note {
    /// Must an operator or an auditor see it? The others are the everyday course of things.
    pub const fn is_grave(&self) -> bool {
        !matches!(self, Note::Cleared(_) | Note::Mismatch)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::InDoubt(reason) => write!(f, "in doubt ({reason}): it may have taken place"),
            Note::Cleared(how) => write!(f, "no longer in doubt ({how})"),
            Note::Quarantined => {
                f.write_str("quarantined: nobody could find out what became of it, a person must decide")
            }
            Note::Mismatch => f.write_str("its key was used for something else, which was refused"),
            Note::SuspectedDuplicate => f.write_str(
                "SUSPECTED DUPLICATE: it took place by a right that had lapsed, and may have been run again since",
            ),
            Note::Contradiction => {
                f.write_str("CONTRADICTION: two say differently how it ended, the first word stands")
            }
            Note::Forgotten => f.write_str("FORGOTTEN: it took place, and the store has no record of it"),
        }
    }
}
