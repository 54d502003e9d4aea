//! From one memory to another: everything a store remembers of effects, row by row, and nothing believed that was not
//! read back.
//!
//! Nobody may use either side meanwhile. Where it is cut off, the source is as it was; a file that was to be filled is not
//! there, and a Redis says that it may have forgotten. To do it again is always right.

use std::collections::BTreeMap;

use seawall_core::effect::{Key, Record, State};
use seawall_core::store::{Page, Store, StoreError, Wanted};

/// Records read at once: few enough to be held with the largest answers, enough to be worth a round trip.
const PAGE: usize = 256;

/// What there is to move.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// How many effects stand where, by the word of the state; those that are in no state are left out.
    pub states: BTreeMap<&'static str, u64>,
    /// What the names of effects begin with: what tells them from others. None where there are none.
    pub namespace: Option<String>,
}

impl Survey {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.states.values().sum()
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
pub async fn survey(from: &dyn Store) -> Result<Survey, StoreError> {
    while from.sweep(1000).await?.changed > 0 {}
    let mut survey = Survey::default();
    let mut pages = Pages::of(from);
    while let Some(records) = pages.next().await? {
        for (_, record) in records {
            if let State::Executing { until, .. } | State::Reconciling { until, .. } = &record.state {
                return Err(StoreError::InUse(format!(
                    "{} may be under way until {} (milliseconds since 1970): stop who runs it, and wait until then",
                    record.label, until.0
                )));
            }
            let namespace = namespace(&record.label);
            match &survey.namespace {
                None => survey.namespace = Some(namespace.to_owned()),
                Some(known) if known == namespace => {}
                Some(known) => {
                    return Err(StoreError::Unreadable(format!(
                        "effects of {known:?} and of {namespace:?} are kept together: nobody could tell where they go"
                    )));
                }
            }
            *survey.states.entry(record.state.as_str()).or_default() += 1;
        }
    }
    Ok(survey)
}

/// What the name of an effect begins with.
pub fn namespace(label: &str) -> &str {
    label.split_once(":effect:").map_or("", |(namespace, _)| namespace)
}

/// All records of a store, page by page.
pub(crate) struct Pages<'s> {
    store: &'s dyn Store,
    wanted: Option<Wanted>,
}

impl<'s> Pages<'s> {
    pub(crate) fn of(store: &'s dyn Store) -> Self {
        Self { store, wanted: Some(Wanted { state: None, after: None, limit: PAGE }) }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Vec<(Key, Record)>>, StoreError> {
        let Some(wanted) = self.wanted.take() else { return Ok(None) };
        let Page { records, next, .. } = self.store.list(wanted.clone()).await?;
        self.wanted = next.map(|after| Wanted { after: Some(after), ..wanted });
        Ok(Some(records))
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
