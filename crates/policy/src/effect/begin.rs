//! Somebody wants to run an effect.

use std::time::Duration;

use seawall_core::effect::{Answer, Begin, Nature, Note, Record, Stamp, State, Token};

use super::{Stepped, becomes, in_doubt, says};

/// What clocks and queues may add to the age of a wish, and to the age of a key at the far side.
pub(super) const MARGIN: Duration = Duration::from_secs(60);

/// Epochs to the millisecond.
const EACH: u64 = 1000;

/// Which grant of its effect this is, counted from 1; grants to find out count too.
pub const fn grant(token: Token) -> u64 {
    token.epoch % EACH
}

pub(super) fn begin(record: Option<Record>, now: Stamp, begin: &Begin) -> Stepped {
    let Some(record) = record else {
        return if too_old(begin) { says(None, Answer::Expired) } else { first(now, begin) };
    };
    if record.print != begin.print {
        return says(Some(record), Answer::Mismatch).noting(Note::Mismatch);
    }
    match &record.state {
        // The same wish again: its reply was lost, and whoever said it has not begun.
        State::Executing { .. } if record.run.nonce == begin.nonce => {
            let answer = Answer::Run(record.run);
            says(Some(record), answer)
        }
        State::Executing { until, .. } => {
            let answer = Answer::Busy(now.until(*until));
            says(Some(record), answer)
        }
        State::InDoubt(doubt) if may_run_again(&record, now, begin) => {
            let doubted = Some(doubt.since);
            again(record, now, begin, doubted)
        }
        State::InDoubt(doubt) | State::Reconciling { doubt, .. } | State::Quarantined(doubt) => {
            let answer = in_doubt(&record, doubt);
            says(Some(record), answer)
        }
        // A copy of an old wish, late on its way.
        State::Free { .. } if record.run.nonce == begin.nonce => says(Some(record), Answer::Fenced),
        State::Free { not_before, .. } if *not_before > now => {
            let answer = Answer::Cooldown(now.until(*not_before));
            says(Some(record), answer)
        }
        State::Free { .. } if record.attempts >= begin.max_attempts => says(Some(record), Answer::Exhausted),
        State::Free { .. } if too_old(begin) => says(Some(record), Answer::Expired),
        State::Free { .. } => again(record, now, begin, None),
        State::Done(done) => {
            let answer = Answer::Replay(done.truth, done.result.clone());
            says(Some(record), answer)
        }
        State::Tombstone { truth, .. } => {
            let answer = Answer::Replay(*truth, None);
            says(Some(record), answer)
        }
    }
}

/// Was it first wanted so long ago that its record may have been forgotten since?
pub fn too_old(begin: &Begin) -> bool {
    begin.age.is_some_and(|age| age.saturating_add(MARGIN) >= begin.keep.key)
}

/// May a doubt be ended by simply running it again? Only where the far side makes one of two.
fn may_run_again(record: &Record, now: Stamp, begin: &Begin) -> bool {
    if record.attempts >= begin.max_attempts {
        return false;
    }
    match record.nature {
        Nature::Idempotent => true,
        // Will the far side still know the key of the first run when this one ends?
        Nature::Keyed { window } => now + begin.call.saturating_add(MARGIN) < record.first + window,
        Nature::Queryable | Nature::Opaque => false,
    }
}

fn first(now: Stamp, begin: &Begin) -> Stepped {
    // Epochs grow even where a record was forgotten in between: they follow the clock (up to the year 2248, so that
    // every store can count them).
    let run = Token { epoch: now.0.min(1 << 43) * EACH + 1, nonce: begin.nonce };
    let record = Record {
        label: begin.label.clone(),
        print: begin.print,
        nature: begin.nature,
        epoch: run.epoch,
        run,
        attempts: 1,
        first: now,
        settle: begin.settle,
        keep: begin.keep,
        state: State::Executing { until: now + begin.lease, doubted: None },
    };
    says(Some(record), Answer::Run(run))
}

fn again(record: Record, now: Stamp, begin: &Begin, doubted: Option<Stamp>) -> Stepped {
    let run = Token { epoch: record.epoch + 1, nonce: begin.nonce };
    let record = Record {
        epoch: run.epoch,
        run,
        attempts: record.attempts.saturating_add(1),
        settle: record.settle.max(begin.settle),
        ..record
    };
    becomes(record, State::Executing { until: now + begin.lease, doubted }, Answer::Run(run))
}
