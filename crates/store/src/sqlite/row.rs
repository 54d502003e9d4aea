//! One effect as one row: plain columns for people, what the step needs, and a sum over all of it.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Statement;
use rusqlite::types::{ToSqlOutput, ValueRef};
use seawall_core::effect::{
    Done, Doubt, Fingerprint, How, Keep, Key, Nature, Nonce, Reason, Record, Stamp, State, Token, Truth,
};
use seawall_core::store::StoreError;
use seawall_policy::effect::due;

use super::failed;

/// The columns that make a record, in this order everywhere.
pub(super) const COLUMNS: &str = "key, label, state, attempts, truth, how, reason, detail, tries, first, since, \
     until, not_before, quiet, asked, due, nature, known_for, settle, keep_result, keep_key, print, epoch, \
     run_epoch, run_nonce, asker, result";

/// How many they are.
pub(super) const WIDTH: usize = 27;

/// Calls `write` with the cells of a record, in the order of [`COLUMNS`].
pub(super) fn with_cells<T>(
    key: &Key,
    record: &Record,
    write: impl FnOnce(&[ValueRef<'_>; WIDTH]) -> T,
) -> T {
    let none = ValueRef::Null;
    let (mut truth, mut how, mut result) = (none, none, none);
    let (mut since, mut until, mut not_before, mut asked, mut asker) = (none, none, none, none, none);
    let nonce = match &record.state {
        State::Reconciling { nonce, .. } => nonce.0.to_be_bytes(),
        _ => [0; 16],
    };
    match &record.state {
        State::Executing { until: end, doubted } => {
            (until, since) = (time(*end), doubted.map_or(none, time));
        }
        State::InDoubt(_) | State::Quarantined(_) => {}
        State::Reconciling { since: at, until: end, .. } => {
            (asked, until, asker) = (time(*at), time(*end), ValueRef::Blob(&nonce));
        }
        State::Free { since: at, not_before: start } => (since, not_before) = (time(*at), time(*start)),
        State::Done(done) => {
            (truth, how, since) = (text(done.truth.as_str()), text(done.how.as_str()), time(done.at));
            result = done.result.as_deref().map_or(none, ValueRef::Blob);
        }
        State::Tombstone { truth: known, at } => (truth, since) = (text(known.as_str()), time(*at)),
    }
    let (mut reason, mut detail, mut tries, mut quiet) = (none, none, none, none);
    if let Some(doubt) = record.state.doubt() {
        (since, quiet, not_before) = (time(doubt.since), time(doubt.quiet), time(doubt.not_before));
        (reason, detail, tries) =
            (text(doubt.reason.as_str()), text(&doubt.detail), number(doubt.tries.into()));
    }
    let known_for = match record.nature {
        Nature::Keyed { window } => span(window),
        _ => none,
    };
    let run_nonce = record.run.nonce.0.to_be_bytes();
    write(&[
        ValueRef::Blob(key.as_bytes()),
        text(&record.label),
        text(record.state.as_str()),
        number(record.attempts.into()),
        truth,
        how,
        reason,
        detail,
        tries,
        time(record.first),
        since,
        until,
        not_before,
        quiet,
        asked,
        due(record).map_or(none, time),
        text(record.nature.as_str()),
        known_for,
        span(record.settle),
        span(record.keep.result),
        span(record.keep.key),
        ValueRef::Blob(record.print.as_bytes()),
        number(record.epoch),
        number(record.run.epoch),
        ValueRef::Blob(&run_nonce),
        asker,
        result,
    ])
}

/// The record these cells make; none if they are not a record of ours.
pub(super) fn record(cells: &[ValueRef<'_>; WIDTH]) -> Option<(Key, Record)> {
    let [
        key,
        label,
        state,
        attempts,
        truth,
        how,
        reason,
        detail,
        tries,
        first,
        since,
        until,
        not_before,
        quiet,
        asked,
        _due,
        nature,
        known_for,
        settle,
        keep_result,
        keep_key,
        print,
        epoch,
        run_epoch,
        run_nonce,
        asker,
        result,
    ] = *cells;
    let doubt = || {
        Some(Doubt {
            since: at(since)?,
            reason: *Reason::ALL.iter().find(|word| is(reason, word.as_str()))?,
            detail: words(detail)?,
            quiet: at(quiet)?,
            not_before: at(not_before)?,
            tries: u32::try_from(count(tries)?).ok()?,
        })
    };
    let truth = || Truth::ALL.iter().copied().find(|word| is(truth, word.as_str()));
    let state = match state.as_str().ok()? {
        "executing" => {
            let doubted = match since {
                ValueRef::Null => None,
                since => Some(at(since)?),
            };
            State::Executing { until: at(until)?, doubted }
        }
        "in-doubt" => State::InDoubt(doubt()?),
        "quarantined" => State::Quarantined(doubt()?),
        "reconciling" => {
            State::Reconciling { doubt: doubt()?, nonce: nonce(asker)?, since: at(asked)?, until: at(until)? }
        }
        "free" => State::Free { since: at(since)?, not_before: at(not_before)? },
        "done" => State::Done(Done {
            truth: truth()?,
            at: at(since)?,
            how: *How::ALL.iter().find(|word| is(how, word.as_str()))?,
            result: match result {
                ValueRef::Null => None,
                ValueRef::Blob(bytes) => Some(Arc::from(bytes)),
                _ => return None,
            },
        }),
        "tombstone" => State::Tombstone { truth: truth()?, at: at(since)? },
        _ => return None,
    };
    let nature = match nature.as_str().ok()? {
        "idempotent" => Nature::Idempotent,
        "keyed" => Nature::Keyed { window: lasting(known_for)? },
        "queryable" => Nature::Queryable,
        "opaque" => Nature::Opaque,
        _ => return None,
    };
    let record = Record {
        label: words(label)?,
        print: Fingerprint::from_bytes(sixteen(print)?),
        nature,
        epoch: count(epoch)?,
        run: Token { epoch: count(run_epoch)?, nonce: nonce(run_nonce)? },
        attempts: u32::try_from(count(attempts)?).ok()?,
        first: at(first)?,
        settle: lasting(settle)?,
        keep: Keep { result: lasting(keep_result)?, key: lasting(keep_key)? },
        state,
    };
    Some((Key::from_bytes(sixteen(key)?), record))
}

/// A sum over cells that any change within eight bytes of one of them changes, and any other but for one in 2^64. Part of
/// the format: it must never change.
pub(super) fn sum(cells: &[ValueRef<'_>]) -> i64 {
    let mut sum = 0x5357_4546_0000_0001_u64;
    // Each step is a bijection of the sum for a given word, and of the word for a given sum.
    let mut mix = |word: u64| sum = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    for cell in cells {
        let (kind, bytes): (u64, &[u8]) = match cell {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(number) => (1, &number.to_le_bytes()),
            ValueRef::Real(number) => (2, &number.to_le_bytes()),
            ValueRef::Text(bytes) => (3, bytes),
            ValueRef::Blob(bytes) => (4, bytes),
        };
        mix(kind << 56 | bytes.len() as u64);
        let mut eights = bytes.chunks_exact(8);
        for eight in &mut eights {
            mix(u64::from_le_bytes(eight.try_into().unwrap_or_default()));
        }
        let mut last = [0; 8];
        last[..eights.remainder().len()].copy_from_slice(eights.remainder());
        mix(u64::from_le_bytes(last));
    }
    sum.cast_signed()
}

/// Binds cells to the parameters from `first` on.
pub(super) fn bind(
    statement: &mut Statement<'_>,
    first: usize,
    cells: &[ValueRef<'_>],
) -> Result<(), StoreError> {
    for (place, cell) in cells.iter().enumerate() {
        statement.raw_bind_parameter(first + place, ToSqlOutput::Borrowed(*cell)).map_err(failed)?;
    }
    Ok(())
}

const fn text(words: &str) -> ValueRef<'_> {
    ValueRef::Text(words.as_bytes())
}

/// Numbers end where SQLite's do: a time or a span beyond is as good as for ever.
fn number(number: u64) -> ValueRef<'static> {
    ValueRef::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn time(at: Stamp) -> ValueRef<'static> {
    number(at.0)
}

/// In whole milliseconds, as stamps count them.
fn span(span: Duration) -> ValueRef<'static> {
    number(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

fn count(cell: ValueRef<'_>) -> Option<u64> {
    u64::try_from(cell.as_i64().ok()?).ok()
}

fn at(cell: ValueRef<'_>) -> Option<Stamp> {
    count(cell).map(Stamp)
}

fn lasting(cell: ValueRef<'_>) -> Option<Duration> {
    count(cell).map(Duration::from_millis)
}

fn words(cell: ValueRef<'_>) -> Option<Arc<str>> {
    cell.as_str().ok().map(Arc::from)
}

fn is(cell: ValueRef<'_>, word: &str) -> bool {
    cell.as_str() == Ok(word)
}

fn sixteen(cell: ValueRef<'_>) -> Option<[u8; 16]> {
    cell.as_blob().ok()?.try_into().ok()
}

fn nonce(cell: ValueRef<'_>) -> Option<Nonce> {
    sixteen(cell).map(|bytes| Nonce(u128::from_be_bytes(bytes)))
}
