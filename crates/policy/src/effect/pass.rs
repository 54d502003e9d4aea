//! What time alone does to a record.

use std::sync::Arc;

use seawall_core::effect::{Doubt, Note, Reason, Record, Stamp, State};

/// The record as it stands at `now`, and what happened on the way. None is forgotten: only what is finished, or provably
/// never happened, and only when its time is over.
pub fn pass(record: Record, now: Stamp) -> (Option<Record>, Vec<Note>) {
    match record.state.clone() {
        State::Executing { until, doubted } if until <= now => {
            // Its owner may have sent something up to the last moment of its lease.
            let quiet = until + record.settle;
            let doubt = doubt(Reason::Lease, doubted, now, quiet, "not heard of within its lease");
            let record = Record { state: State::InDoubt(doubt), ..record };
            (Some(record), vec![Note::InDoubt(Reason::Lease)])
        }
        State::Reconciling { doubt, until, .. } if until <= now => {
            (Some(Record { state: State::InDoubt(Doubt { not_before: now, ..doubt }), ..record }), Vec::new())
        }
        State::Done(done) => {
            let life = record.keep.key.max(record.keep.result);
            if done.at + life <= now {
                (None, Vec::new())
            } else if done.at + record.keep.result <= now {
                let state = State::Tombstone { truth: done.truth, at: done.at };
                (Some(Record { state, ..record }), Vec::new())
            } else {
                (Some(record), Vec::new())
            }
        }
        State::Tombstone { at, .. } if at + record.keep.key <= now => (None, Vec::new()),
        State::Free { since, not_before } if not_before.max(since + record.keep.key) <= now => {
            (None, Vec::new())
        }
        _ => (Some(record), Vec::new()),
    }
}

/// When time alone will change it next, if it ever will.
pub fn due(record: &Record) -> Option<Stamp> {
    match &record.state {
        State::Executing { until, .. } | State::Reconciling { until, .. } => Some(*until),
        State::Done(done) => Some(done.at + record.keep.result),
        State::Tombstone { at, .. } => Some(*at + record.keep.key),
        State::Free { since, not_before } => Some((*not_before).max(*since + record.keep.key)),
        State::InDoubt(_) | State::Quarantined(_) => None,
    }
}

/// The record after the one process that could have been running it has ended: nobody can be at it any more.
pub fn interrupted(record: Record, now: Stamp) -> (Record, Vec<Note>) {
    match record.state.clone() {
        State::Executing { doubted, .. } => {
            let quiet = now + record.settle;
            let doubt = doubt(Reason::Crash, doubted, now, quiet, "its process ended while it ran");
            (Record { state: State::InDoubt(doubt), ..record }, vec![Note::InDoubt(Reason::Crash)])
        }
        State::Reconciling { doubt, .. } => {
            (Record { state: State::InDoubt(Doubt { not_before: now, ..doubt }), ..record }, Vec::new())
        }
        _ => (record, Vec::new()),
    }
}

/// The record as a restored journal may believe it: what happened since the copy was made is not in it.
pub fn restored(record: Record, now: Stamp) -> (Record, Vec<Note>) {
    match record.state.clone() {
        State::Executing { .. } | State::Free { .. } => {
            let doubted = match record.state {
                State::Executing { doubted, .. } => doubted,
                _ => None,
            };
            let quiet = now + record.settle;
            let doubt = doubt(Reason::Restored, doubted, now, quiet, "the journal was restored from a copy");
            (Record { state: State::InDoubt(doubt), ..record }, vec![Note::InDoubt(Reason::Restored)])
        }
        _ => interrupted(record, now),
    }
}

/// A doubt that begins now, or that an earlier run left behind.
fn doubt(reason: Reason, doubted: Option<Stamp>, now: Stamp, quiet: Stamp, detail: &str) -> Doubt {
    let since = doubted.unwrap_or(now);
    Doubt { since, reason, detail: Arc::from(detail), quiet, not_before: now, tries: 0 }
}
