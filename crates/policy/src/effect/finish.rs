//! How an effect ended: said by its owner, found out, or decided.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::effect::{
    Answer, Done, Doubt, Finding, How, Nature, Nonce, Note, Outcome, Reason, Record, Resolution, Stamp,
    State, Token, Truth,
};

use super::{BACKOFF, LONGEST_BACKOFF, Stepped, TRIES, becomes, in_doubt, says};

/// What a doubt says when only its latest run is known not to have taken place. Redis says it too.
const EARLIER: &str = "the last run has not taken place, an earlier one may have";

pub(super) fn renew(record: Option<Record>, now: Stamp, token: Token, lease: Duration) -> Stepped {
    let Some(record) = record else { return absent() };
    let until = now + lease;
    match record.state.clone() {
        State::Executing { doubted, .. } if record.run == token => {
            becomes(record, State::Executing { until, doubted }, Answer::Ok)
        }
        State::Reconciling { doubt, nonce, since, .. } if right(&record, nonce) == token => {
            becomes(record, State::Reconciling { doubt, nonce, since, until }, Answer::Ok)
        }
        state => says(Some(record), Answer::No { state: state.as_str() }),
    }
}

pub(super) fn complete(record: Option<Record>, now: Stamp, token: Token, outcome: &Outcome) -> Stepped {
    let Some(record) = record else {
        let stepped = says(None, Answer::Fenced);
        return if took_place(outcome) { stepped.noting(Note::Forgotten) } else { stepped };
    };
    if record.run != token {
        return stale(record, outcome);
    }
    let doubted = record.state.doubt().is_some();
    match (&record.state, outcome) {
        (State::Executing { .. }, Outcome::Ended(truth, result)) => {
            done(record, now, *truth, result.clone(), How::Owner, Answer::Ok)
        }
        // The owner knows after all. Whoever reconciles meanwhile is fenced off by a new epoch.
        (_, Outcome::Ended(truth, result)) if doubted => {
            done(fenced(record), now, *truth, result.clone(), How::Late, Answer::Late)
                .noting(Note::Cleared(How::Late))
        }
        (State::Executing { doubted: Some(since), .. }, Outcome::NotApplied { .. }) => {
            let doubt = unknown(&record, *since, now, EARLIER.into());
            let answer = in_doubt(&record, &doubt);
            becomes(record, State::InDoubt(doubt), answer)
        }
        (State::Executing { doubted: None, .. }, Outcome::NotApplied { cooldown }) => {
            free(record, now, *cooldown, Answer::Ok)
        }
        (
            State::InDoubt(doubt) | State::Reconciling { doubt, .. } | State::Quarantined(doubt),
            Outcome::NotApplied { .. },
        ) if earlier(&record) => {
            let answer = in_doubt(&record, doubt);
            says(Some(record), answer)
        }
        (_, Outcome::NotApplied { cooldown }) if doubted => {
            free(fenced(record), now, *cooldown, Answer::Late).noting(Note::Cleared(How::Late))
        }
        (State::Executing { doubted, .. }, Outcome::Unknown { detail }) => {
            let doubt = unknown(&record, doubted.unwrap_or(now), now, detail.clone());
            becomes(record, State::InDoubt(doubt), Answer::Ok).noting(Note::InDoubt(Reason::Unknown))
        }
        (State::Done(Done { truth: known, result: kept, how, .. }), Outcome::Ended(truth, result)) => {
            let same = known == truth && (*how != How::Owner && *how != How::Late || kept == result);
            contradicted(record, same)
        }
        (State::Tombstone { truth: known, .. }, Outcome::Ended(truth, _)) => {
            let same = known == truth;
            contradicted(record, same)
        }
        (State::Free { .. }, Outcome::Ended(Truth::Applied, _)) => suspicious(record),
        (State::Free { .. }, Outcome::NotApplied { .. }) => says(Some(record), Answer::Already),
        (State::Done(_) | State::Tombstone { .. }, Outcome::NotApplied { .. }) => contradicted(record, false),
        _ => says(Some(record), Answer::Already),
    }
}

/// May the doubt be about an earlier run too? Only what the far side makes one of two is run again in doubt, and what a
/// doubt is about is not kept: so every run but the first counts.
fn earlier(record: &Record) -> bool {
    record.attempts > 1 && matches!(record.nature, Nature::Idempotent | Nature::Keyed { .. })
}

/// A doubt since `since` that begins to settle now.
fn unknown(record: &Record, since: Stamp, now: Stamp, detail: Arc<str>) -> Doubt {
    let quiet = now + record.settle;
    Doubt { since, reason: Reason::Unknown, detail, quiet, not_before: now, tries: 0 }
}

/// The word of an owner whose right has lapsed because somebody else was granted a run.
fn stale(record: Record, outcome: &Outcome) -> Stepped {
    if took_place(outcome) { suspicious(record) } else { says(Some(record), Answer::Fenced) }
}

/// It took place, and somebody else was, or may be, allowed to run it too.
fn suspicious(record: Record) -> Stepped {
    let harmless = matches!(record.nature, Nature::Idempotent | Nature::Keyed { .. });
    let stepped = says(Some(record), Answer::Fenced);
    if harmless { stepped } else { stepped.noting(Note::SuspectedDuplicate) }
}

fn took_place(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Ended(Truth::Applied, _))
}

fn contradicted(record: Record, same: bool) -> Stepped {
    match same {
        true => says(Some(record), Answer::Already),
        false => says(Some(record), Answer::Conflict).noting(Note::Contradiction),
    }
}

pub(super) fn reconcile(record: Option<Record>, now: Stamp, nonce: Nonce, lease: Duration) -> Stepped {
    let Some(record) = record else { return absent() };
    match record.state.clone() {
        State::Reconciling { nonce: same, since, ref doubt, .. } if same == nonce => {
            let answer = Answer::Reconcile { token: right(&record, nonce), quiet: since >= doubt.quiet };
            says(Some(record), answer)
        }
        State::Reconciling { until, .. } => says(Some(record), Answer::Busy(now.until(until))),
        State::InDoubt(doubt) if doubt.not_before > now => {
            says(Some(record), Answer::Cooldown(now.until(doubt.not_before)))
        }
        State::InDoubt(doubt) => {
            let record = fenced(record);
            let answer = Answer::Reconcile { token: right(&record, nonce), quiet: now >= doubt.quiet };
            let state = State::Reconciling { doubt, nonce, since: now, until: now + lease };
            becomes(record, state, answer)
        }
        state => says(Some(record), Answer::No { state: state.as_str() }),
    }
}

pub(super) fn resolve(record: Option<Record>, now: Stamp, token: Token, finding: &Finding) -> Stepped {
    let Some(record) = record else { return absent() };
    let (doubt, since) = match record.state.clone() {
        State::Reconciling { doubt, nonce, since, .. } if right(&record, nonce) == token => (doubt, since),
        _ => return says(Some(record), Answer::Fenced),
    };
    match finding {
        Finding::Ended(truth, result) => {
            done(record, now, *truth, result.clone(), How::Reconciled, Answer::Ok)
                .noting(Note::Cleared(How::Reconciled))
        }
        // Asked when nothing could be under way any more, or with the far side's word that nothing will arrive.
        Finding::NotApplied { fenced } if *fenced || since >= doubt.quiet => {
            free(record, now, Duration::ZERO, Answer::Ok).noting(Note::Cleared(How::Reconciled))
        }
        // Too early to believe. That is nobody's failure, and asking again makes sense when all is quiet.
        Finding::NotApplied { .. } => {
            let not_before = doubt.quiet.max(now + Duration::from_secs(1));
            becomes(record, State::InDoubt(Doubt { not_before, ..doubt }), Answer::Ok)
        }
        Finding::Unknown { detail } => {
            let tries = doubt.tries.saturating_add(1);
            let wait = BACKOFF.saturating_mul(1 << doubt.tries.min(16)).min(LONGEST_BACKOFF);
            let doubt = Doubt { tries, not_before: now + wait, detail: detail.clone(), ..doubt };
            if tries >= TRIES {
                return becomes(record, State::Quarantined(doubt), Answer::Ok).noting(Note::Quarantined);
            }
            becomes(record, State::InDoubt(doubt), Answer::Ok)
        }
    }
}

pub(super) fn force(record: Option<Record>, now: Stamp, resolution: &Resolution) -> Stepped {
    let Some(record) = record else { return absent() };
    if record.state.doubt().is_none() {
        let state = record.state.as_str();
        return says(Some(record), Answer::No { state });
    }
    let record = fenced(record);
    let stepped = match resolution {
        Resolution::Ended(truth, result) => {
            done(record, now, *truth, result.clone(), How::Forced, Answer::Ok)
        }
        Resolution::NotApplied => free(record, now, Duration::ZERO, Answer::Ok),
    };
    stepped.noting(Note::Cleared(How::Forced))
}

fn absent() -> Stepped {
    says(None, Answer::No { state: "absent" })
}

/// The right of whoever reconciles.
fn right(record: &Record, nonce: Nonce) -> Token {
    Token { epoch: record.epoch, nonce }
}

/// A new epoch, so that nobody who was granted anything before can finish it. The owner's own right stays.
fn fenced(record: Record) -> Record {
    Record { epoch: record.epoch + 1, ..record }
}

fn done(
    record: Record,
    at: Stamp,
    truth: Truth,
    result: Option<Arc<[u8]>>,
    how: How,
    answer: Answer,
) -> Stepped {
    becomes(record, State::Done(Done { truth, at, how, result }), answer)
}

fn free(record: Record, now: Stamp, cooldown: Duration, answer: Answer) -> Stepped {
    becomes(record, State::Free { since: now, not_before: now + cooldown }, answer)
}
