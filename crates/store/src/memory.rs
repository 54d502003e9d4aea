//! Memory of this process: for tests, and for effects whose doubts may end with it.

mod fleet;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use seawall_core::effect::{Key, Operation, Record, Stamp};
use seawall_core::store::{Asked, Cursor, Page, Promise, Store, Swept, Told, Wanted};
use seawall_policy::effect::{due, pass, step};

use crate::time::Time;

/// Effects in a map. One short lock for every question; nothing survives the process.
pub struct Memory {
    time: Time,
    kept: Mutex<Kept>,
    shelf: Mutex<fleet::Shelf>,
}

#[derive(Default)]
struct Kept {
    records: HashMap<Key, Record>,
    due: BTreeSet<(Stamp, Key)>,
}

impl Memory {
    /// An empty memory on the wall clock.
    pub fn new() -> Self {
        Self::with(Time::wall(Stamp(0)))
    }

    /// An empty memory on a clock of your own.
    pub fn with(time: Time) -> Self {
        Self { time, kept: Mutex::default(), shelf: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Kept {
    fn take(&mut self, key: Key) -> Option<Record> {
        let record = self.records.remove(&key)?;
        if let Some(at) = due(&record) {
            self.due.remove(&(at, key));
        }
        Some(record)
    }

    fn put(&mut self, key: Key, record: Option<Record>) {
        let Some(record) = record else { return };
        if let Some(at) = due(&record) {
            self.due.insert((at, key));
        }
        self.records.insert(key, record);
    }
}

impl Store for Memory {
    fn ask(&self, operation: Operation) -> Asked<'_, Told> {
        let mut kept = self.kept();
        let key = operation.key();
        let stepped = step(kept.take(key), self.time.now(), &operation);
        kept.put(key, stepped.record);
        Box::pin(ready(Ok(Told { answer: stepped.answer, notes: stepped.notes })))
    }

    fn sweep(&self, limit: usize) -> Asked<'_, Swept> {
        let (now, mut kept) = (self.time.now(), self.kept());
        let mut swept = Swept::default();
        while swept.changed < limit
            && let Some((at, key)) = kept.due.first().copied()
            && at <= now
            && let Some(record) = kept.take(key)
        {
            let label = record.label.clone();
            let (record, notes) = pass(record, now);
            kept.put(key, record);
            swept.changed += 1;
            swept.notes.extend(notes.into_iter().map(|note| (label.clone(), note)));
        }
        Box::pin(ready(Ok(swept)))
    }

    fn list(&self, wanted: Wanted) -> Asked<'_, Page> {
        let kept = self.kept();
        let fits = |record: &Record| wanted.state.as_ref().is_none_or(|state| record.state.as_str() == state);
        let mut records: Vec<_> = kept.records.iter().filter(|(_, record)| fits(record)).collect();
        let total = Some(records.len() as u64);
        let place = |key: &Key, record: &Record| format!("{} {key}", record.label);
        records.sort_by_cached_key(|(key, record)| place(key, record));
        let after = wanted.after.map_or_else(String::new, |cursor| cursor.0);
        let mut rest =
            records.into_iter().skip_while(|(key, record)| !after.is_empty() && place(key, record) <= after);
        let records: Vec<_> =
            rest.by_ref().take(wanted.limit).map(|(key, record)| (*key, record.clone())).collect();
        let next = rest.next().and(records.last()).map(|(key, record)| Cursor(place(key, record)));
        Box::pin(ready(Ok(Page { records, next, total })))
    }

    fn promise(&self) -> Promise {
        Promise::Process
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("records", &self.kept().records.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[tokio::test]
    async fn memory_conforms() {
        let time = Time::manual(conformance::BEGAN);
        let memory = Memory::with(time.clone());
        let walked = conformance::walk(&memory, &time, 7, 20_000).await;
        assert!(walked.every_answer_was_given(), "{walked:?}");
        conformance::lists(&memory).await;
    }
}
