//! What happened to the effects of one type, in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use seawall_core::Clock;
use seawall_core::effect::{Answer, Note, Outcome, Truth};
use seawall_core::event::{Event, Fact, Sink};

macro_rules! counters {
    ($($(#[$meta:meta])* $name:ident)+) => {
        /// What happened to the effects of one type since the guard was made, as far as this process knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Stats { $($(#[$meta])* pub $name: u64,)+ }

        #[derive(Debug, Default)]
        pub(super) struct Counters { $(pub(super) $name: AtomicU64,)+ }

        impl Counters {
            pub(super) fn read(&self) -> Stats {
                Stats { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }
    };
}

counters! {
    /// Wishes that were granted.
    runs
    /// Wishes that were answered with how it had ended before.
    replays
    /// Wishes that found somebody else at it.
    busy
    /// Wishes that came before their cooldown was over.
    cooldowns
    /// Wishes for what had been tried as often as it may be.
    exhausted
    /// Keys that were used for something else.
    mismatches
    /// Wishes that were older than what is remembered.
    expired
    /// Wishes for what is in doubt.
    doubtful
    /// Wishes the store gave no answer to.
    unanswered
    /// Wishes that joined a run of this process.
    joined
    /// Runs that went on without the store.
    unjournalled
    /// Runs that took place.
    applied
    /// Runs that were refused for good.
    rejected
    /// Runs that provably did not take place.
    not_applied
    /// Runs nobody knows the outcome of.
    unknown
    /// Words that came too late to change anything.
    fenced
    /// Effects that may have taken place twice.
    suspected_duplicates
    /// Effects of which two said differently how they ended.
    contradictions
    /// Effects that took place and that the store had forgotten.
    forgotten
    /// Doubts that were given to a person.
    quarantined
    /// Effects that are in doubt, as far as this process has heard.
    in_doubt
    /// Leases the store would not renew.
    renewals_lost
}

pub(super) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// One type of effect, as everything that tells of it needs it.
pub(super) struct Teller {
    pub(super) name: Arc<str>,
    pub(super) counters: Counters,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sink: Option<Arc<dyn Sink>>,
}

impl Teller {
    pub(super) fn answered(&self, answer: &Answer) {
        let counters = &self.counters;
        one(match answer {
            Answer::Run(_) => &counters.runs,
            Answer::Replay(..) => &counters.replays,
            Answer::Busy(_) => &counters.busy,
            Answer::Cooldown(_) => &counters.cooldowns,
            Answer::Exhausted => &counters.exhausted,
            Answer::Mismatch => &counters.mismatches,
            Answer::Expired => &counters.expired,
            Answer::InDoubt { .. } => &counters.doubtful,
            Answer::Fenced => &counters.fenced,
            _ => &counters.unanswered,
        });
    }

    pub(super) fn ended(&self, outcome: &Outcome) {
        let counters = &self.counters;
        one(match outcome {
            Outcome::Ended(Truth::Applied, _) => &counters.applied,
            Outcome::Ended(Truth::Rejected, _) => &counters.rejected,
            Outcome::NotApplied { .. } => &counters.not_applied,
            Outcome::Unknown { .. } => &counters.unknown,
        });
    }

    /// Counts what the store noted, and tells it.
    pub(super) fn noted(&self, label: &Arc<str>, notes: Vec<Note>) {
        for note in notes {
            let counters = &self.counters;
            match &note {
                Note::InDoubt(_) => one(&counters.in_doubt),
                Note::Cleared(_) => {
                    let less = |now: u64| Some(now.saturating_sub(1));
                    let _ = counters.in_doubt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
                }
                Note::Quarantined => one(&counters.quarantined),
                Note::SuspectedDuplicate => one(&counters.suspected_duplicates),
                Note::Contradiction => one(&counters.contradictions),
                Note::Forgotten => one(&counters.forgotten),
                // Counted with the answer.
                Note::Mismatch => {}
            }
            self.tell(Fact::Effect { label: label.clone(), note });
        }
    }

    pub(super) fn tell(&self, fact: Fact) {
        if let Some(sink) = &self.sink {
            sink.offer(Event { at: self.clock.now(), name: self.name.clone(), fact });
        }
    }
}
