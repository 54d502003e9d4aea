//! Doing something once: from what is remembered of an effect and one question about it, what is remembered now and what
//! is answered. Every store runs these steps, each as one atomic one.
//!
//! ```text
//!                     not applied                             its time is over
//!          ┌────────────── FREE ◄───────────────┐         DONE ─────► TOMBSTONE ─────► (forgotten)
//!          ▼ begin                              │ resolve  ▲
//! (absent) ───► EXECUTING ──── ended ───────────┼──────────┤
//!                  │  unknown, or silent        │          │ resolve, or its owner after all, or a person
//!                  ▼  for too long              │          │
//!               IN DOUBT ─── reconcile ───► RECONCILING ───┤
//!                  ▲  nothing found out, or not yet │      │
//!                  └────────────────────────────────┘      │
//!                  after ten tries: QUARANTINED ────── a person
//! ```
//!
//! What holds, whatever the clocks do:
//! * A lease that expires never lets anybody run: it only begins a doubt.
//! * "It is not there" ends a doubt only when it is stable: the far side was told to refuse what may still arrive, or
//!   was asked after nothing could be under way any more.
//! * A token of an earlier grant changes nothing, with one exception: the owner of a doubtful run may still say how it
//!   ended.
//! * A doubt outlives a later run that did not take place: that says nothing of the earlier one.
//! * What is not finished is never forgotten.

mod begin;
mod finish;
mod options;
mod pass;
#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::effect::{Answer, Doubt, Note, Operation, Record, Stamp, State};

pub use begin::{grant, too_old};
pub use options::{Ending, Options};
pub use pass::{due, interrupted, pass, restored};

/// How long the next reconcile waits after one that found nothing out; doubled each time.
const BACKOFF: Duration = Duration::from_secs(5);
/// The longest it waits.
const LONGEST_BACKOFF: Duration = Duration::from_secs(3600);
/// Reconciles that may find nothing out before a person is asked.
pub const TRIES: u32 = 10;

/// What became of one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stepped {
    /// What is remembered from now on; none is forgotten, or never was.
    pub record: Option<Record>,
    /// What is answered.
    pub answer: Answer,
    /// What an operator or an auditor should know, in order.
    pub notes: Vec<Note>,
}

/// One question, asked at `now` about an effect of which `record` is remembered.
pub fn step(record: Option<Record>, now: Stamp, operation: &Operation) -> Stepped {
    // A right that has lapsed by the clock alone still stands until somebody else wants something: its owner may say how
    // it ended, or that it is still at it.
    let owners_word =
        matches!(operation, Operation::Complete { .. } | Operation::Renew { .. } | Operation::Resolve { .. });
    let (record, mut notes) = match record {
        Some(record) if !owners_word => pass(record, now),
        record => (record, Vec::new()),
    };
    let mut stepped = match operation {
        Operation::Begin(begin) => begin::begin(record, now, begin),
        Operation::Renew { token, lease, .. } => finish::renew(record, now, *token, *lease),
        Operation::Complete { token, outcome, .. } => finish::complete(record, now, *token, outcome),
        Operation::Reconcile { nonce, lease, .. } => finish::reconcile(record, now, *nonce, *lease),
        Operation::Resolve { token, finding, .. } => finish::resolve(record, now, *token, finding),
        Operation::Force { resolution, .. } => finish::force(record, now, resolution),
        Operation::Peek { .. } => {
            let found = record.clone().map(Box::new);
            Stepped { record, answer: Answer::Found(found), notes: Vec::new() }
        }
    };
    notes.append(&mut stepped.notes);
    Stepped { notes, ..stepped }
}

fn says(record: Option<Record>, answer: Answer) -> Stepped {
    Stepped { record, answer, notes: Vec::new() }
}

fn becomes(record: Record, state: State, answer: Answer) -> Stepped {
    says(Some(Record { state, ..record }), answer)
}

fn in_doubt(record: &Record, doubt: &Doubt) -> Answer {
    let quarantined = matches!(record.state, State::Quarantined(_));
    Answer::InDoubt { since: doubt.since, reason: doubt.reason, quarantined }
}

impl Stepped {
    fn noting(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }
}
