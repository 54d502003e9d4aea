//! From one memory to another: everything a store remembers of effects, row by row, and nothing believed that was not
//! read back.
//!
//! ```text
//! survey ──► fill: written, read back ──► the source says that it is not the journal any more ──► nobody used it meanwhile? ──► trusted
//! ```
//!
//! Nobody may use either side meanwhile. Where it is cut off, what was to be filled is not there, or says that it may have
//! forgotten, until all of it was confirmed; and the source is as it was, or knows what it was moved to. To do it again is
//! always right.

use std::collections::BTreeMap;

use seawall_core::effect::{Done, Key, Record, Stamp, State};
use seawall_core::store::{Asked, Cursor, Page, Store, StoreError, Wanted};
use seawall_policy::effect::pass;

use crate::time::Time;

/// Records read at once: few enough to be held with the largest answers, enough to be worth a round trip.
const PAGE: usize = 256;

/// A store whose records can be gone through from end to end.
pub trait Source: Store {
    /// Records from after `after` on, in whatever order costs least. By label, as they are listed for people, unless it is
    /// said otherwise.
    fn walk(&self, after: Option<Cursor>, limit: usize) -> Asked<'_, Page> {
        self.list(Wanted { state: None, after, limit })
    }
}

/// What there is to move.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// How many effects stand where, by the word of the state; those that are in no state are left out.
    pub states: BTreeMap<&'static str, u64>,
    /// What the names of effects begin with: what tells them from others. None where there are none.
    pub namespace: Option<String>,
    /// May something have been forgotten?
    pub forgot: bool,
    /// Was it moved away before?
    pub moved: bool,
}

impl Survey {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.states.values().sum()
    }

    /// Counts one more, after what time does to it.
    pub(crate) fn add(&mut self, record: Record, now: Stamp) -> Result<(), StoreError> {
        let Some(record) = pass(record, now).0 else { return Ok(()) };
        if let State::Executing { until, .. } | State::Reconciling { until, .. } = &record.state {
            return Err(StoreError::InUse(format!(
                "{} may be under way until {} (milliseconds since 1970): stop who runs it, and wait until then",
                record.label, until.0
            )));
        }
        let namespace = namespace(&record.label);
        match &self.namespace {
            None => self.namespace = Some(namespace.to_owned()),
            Some(known) if known == namespace => {}
            Some(known) => {
                return Err(StoreError::Unreadable(format!(
                    "effects of {known:?} and of {namespace:?} are kept together: nobody could tell where they go"
                )));
            }
        }
        *self.states.entry(record.state.as_str()).or_default() += 1;
        Ok(())
    }

    pub(crate) async fn add_all(&mut self, from: &dyn Source) -> Result<(), StoreError> {
        let (mut pages, time) = (Pages::of(from), Time::wall(Stamp(0)));
        while let Some(records) = pages.next().await? {
            records.into_iter().try_for_each(|(_, record)| self.add(record, time.now()))?;
        }
        Ok(())
    }
}

/// What a place is known by from the time it is filled until it forgets: to whoever was moved there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(pub(crate) i64);

/// What is known of the place that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leaving {
    /// It may have forgotten, and so may then the other.
    pub forgot: bool,
    /// It was moved away before: to the place with this mark.
    pub moved: Option<Mark>,
    /// Tells whether another move was noted since.
    pub(crate) noted: u64,
}

impl Leaving {
    /// Of a place that says nothing of moves itself.
    pub const fn new(forgot: bool, moved: Option<Mark>) -> Self {
        Self { forgot, moved, noted: 0 }
    }
}

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Effects that are there now, each read back and found equal.
    pub verified: u64,
    /// Of those, effects that an earlier attempt had moved.
    pub before: u64,
    /// Effects whose life ended meanwhile.
    pub ended: u64,
    /// An earlier run had come to its end: nothing was done but to compare.
    pub finished: bool,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many were written.
    Written(u64),
    /// So many were read back.
    Verified(u64),
}

/// Reads everything once and changes nothing but what time changes: whose life is over goes, and whoever was not heard of
/// is in doubt.
///
/// Refuses where somebody may still be running an effect, and where effects of two namespaces are kept together.
pub async fn survey(from: &dyn Source) -> Result<Survey, StoreError> {
    while from.sweep(1000).await?.changed > 0 {}
    let mut survey = Survey::default();
    survey.add_all(from).await?;
    Ok(survey)
}

/// What the name of an effect begins with.
pub fn namespace(label: &str) -> &str {
    label.split_once(":effect:").map_or("", |(namespace, _)| namespace)
}

/// All records of a store, page by page.
pub(crate) struct Pages<'s> {
    store: &'s dyn Source,
    /// After what the next one begins; none when there is none.
    after: Option<Option<Cursor>>,
}

impl<'s> Pages<'s> {
    pub(crate) fn of(store: &'s dyn Source) -> Self {
        Self { store, after: Some(None) }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Vec<(Key, Record)>>, StoreError> {
        let Some(after) = self.after.take() else { return Ok(None) };
        let Page { records, next, .. } = self.store.walk(after, PAGE).await?;
        self.after = next.map(Some);
        Ok(Some(records))
    }
}

/// Is what was kept what it was made from? An answer whose time is over may have gone from the source since then. Nothing
/// is like what somebody is at: it will not stay so.
pub(crate) fn alike(kept: &Record, record: &Record) -> bool {
    if let State::Executing { .. } | State::Reconciling { .. } = record.state {
        return false;
    }
    kept == record || matches!(record.state, State::Tombstone { .. }) && faded(kept.clone()) == *record
}

/// The record without its answer.
pub(crate) fn faded(record: Record) -> Record {
    match record.state {
        State::Done(Done { truth, at, .. }) => Record { state: State::Tombstone { truth, at }, ..record },
        _ => record,
    }
}

/// A record that is not what it should be.
pub(crate) fn differs(key: Key, label: &str) -> StoreError {
    StoreError::Unreadable(format!(
        "{label} ({key}) is not there as it was written: nothing of the copy is to be believed"
    ))
}

/// There is something else where the copy is to go.
pub(crate) fn taken(label: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "it is not empty: {label} is there, and is none of what is moved; name another, or take that one away"
    ))
}

/// What is left was moved before, and not to here.
pub fn elsewhere() -> StoreError {
    StoreError::Unavailable(
        "what is to be moved was moved to another place before, and what was begun since is only there: move it from \
         there; where that place is lost, start a gateway on this one, say seawall state settle, and move it then"
            .into(),
    )
}

/// It was all there once, and is not any more.
pub(crate) fn lost_since() -> StoreError {
    StoreError::Unavailable(
        "it was moved there before, and that place may have lost it since: do not empty the place it was moved from. To go \
         back to it, start a gateway on it, say seawall state settle, and move it again"
            .into(),
    )
}

/// It was all there once, and has been used since.
pub(crate) fn used_since() -> StoreError {
    StoreError::Unavailable(
        "it was moved there before, all of it, and has been used there since: nothing is left to move, and nothing was \
         changed"
            .into(),
    )
}
