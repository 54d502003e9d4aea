//! A server filled with what another store remembers. Until all of it is there and was read back, it says that it may have
//! forgotten.

use std::sync::Arc;

use redis::{Cmd, Value};
use seawall_core::effect::{Done, Key, Record, Stamp, State};
use seawall_core::store::{Store, StoreError};
use seawall_policy::effect::{due, pass};

use super::link::Job;
use super::live::checked;
use super::scripts::shard_of;
use super::{Check, Redis, answer, wire};
use crate::moving::{Moved, Pages, Progress, differs, taken};
use crate::time::Time;

/// Where the index keeps what is never due: doubts, then those for a person.
const IN_DOUBT: u64 = 4_503_599_627_370_496;

impl Redis {
    /// Fills it with everything another store remembers. `forgot` says that the other may have forgotten, and so may this
    /// one.
    ///
    /// Refuses a server that holds anything else in this namespace, and leaves it as it was. Where it is cut off the
    /// server says that it may have forgotten; the same again goes on where that ended.
    pub async fn fill(
        &self,
        from: &dyn Store,
        forgot: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Moved, StoreError> {
        let mut moved = Moved { before: self.beforehand(from).await?, ..Moved::default() };
        self.lose().await?;
        let (mut pages, mut written) = (Pages::of(from), 0);
        while let Some(records) = pages.next().await? {
            written += records.len() as u64;
            let commands = records.iter().flat_map(|(key, record)| self.puts(*key, record)).collect();
            for value in self.batch(commands).await? {
                checked(value)?;
            }
            progress(Progress::Written(written));
        }
        let mut pages = Pages::of(from);
        while let Some(records) = pages.next().await? {
            let now = Time::wall(Stamp(0)).now();
            for ((key, record), kept) in records.iter().zip(self.there(&records).await?) {
                match kept {
                    Some(kept) if kept == normal(record) => moved.verified += 1,
                    None if pass(record.clone(), now).0.is_none() => moved.ended += 1,
                    _ => return Err(differs(*key, &record.label)),
                }
            }
            progress(Progress::Verified(moved.verified));
        }
        if !forgot {
            self.rearm().await?;
        }
        Ok(moved)
    }

    /// Notes that what it remembers was moved elsewhere: whoever goes on using it is told that it may have forgotten.
    pub async fn moved_away(&self) -> Result<(), StoreError> {
        self.lose().await
    }

    /// May it have forgotten, as far as was seen?
    pub fn may_have_forgotten(&self) -> bool {
        self.findings().iter().any(|concern| concern.check == Check::Forgotten)
    }

    async fn lose(&self) -> Result<(), StoreError> {
        answer(self.send(Job::Lose).await?).await
    }

    /// How many of its effects are what an earlier attempt moved: all of them, or it is refused.
    async fn beforehand(&self, from: &dyn Store) -> Result<u64, StoreError> {
        let (mut mine, mut count) = (Pages::of(self), 0);
        let mut others = std::collections::HashMap::new();
        while let Some(records) = mine.next().await? {
            for (key, record) in records {
                others.insert(key, (record.label.clone(), digest(&record)));
                count += 1;
            }
        }
        let mut theirs = Pages::of(from);
        while !others.is_empty() {
            let Some(records) = theirs.next().await? else { break };
            for (key, record) in records {
                if others.get(&key).is_some_and(|(_, kept)| *kept == digest(&normal(&record))) {
                    others.remove(&key);
                }
            }
        }
        match others.into_values().next() {
            Some((label, _)) => Err(taken(&label)),
            None => Ok(count),
        }
    }

    /// What writes a record and its place in the index, as the scripts do.
    fn puts(&self, key: Key, record: &Record) -> [Cmd; 2] {
        let names = &self.shared.names;
        let mut set = redis::cmd("SET");
        set.arg(names.record(key)).arg(wire::stored(record)).arg("NX");
        if let Some(gone) = gone(record) {
            set.arg("PXAT").arg(gone.0);
        }
        let mut index = redis::cmd("ZADD");
        let place = match &record.state {
            State::Quarantined(_) => IN_DOUBT + 1,
            State::InDoubt(_) => IN_DOUBT,
            _ => due(record).map_or(IN_DOUBT, |due| due.0),
        };
        index.arg(names.index(shard_of(key))).arg(place).arg(&key.as_bytes()[..]);
        [set, index]
    }

    async fn there(&self, records: &[(Key, Record)]) -> Result<Vec<Option<Record>>, StoreError> {
        let get = |(key, _): &(Key, Record)| {
            let mut command = redis::cmd("GET");
            command.arg(self.shared.names.record(*key));
            command
        };
        let said = self.batch(records.iter().map(get).collect()).await?;
        said.into_iter()
            .map(|value| match checked(value)? {
                Value::BulkString(stored) => Ok(wire::record(&stored)),
                _ => Ok(None),
            })
            .collect()
    }
}

/// When the server lets a record go by itself: only what is finished, or provably never happened.
fn gone(record: &Record) -> Option<Stamp> {
    match &record.state {
        State::Done(Done { at, .. }) => Some(*at + record.keep.result.max(record.keep.key)),
        State::Tombstone { at, .. } => Some(*at + record.keep.key),
        State::Free { since, not_before } => Some((*not_before).max(*since + record.keep.key)),
        _ => None,
    }
}

/// A record as it reads back: spans beyond two thousand years are as good as for ever.
fn normal(record: &Record) -> Record {
    wire::record(&wire::stored(record)).unwrap_or_else(|| record.clone())
}

fn digest(record: &Record) -> Arc<[u8]> {
    use sha2::{Digest, Sha256};
    Arc::from(&Sha256::digest(wire::stored(record))[..])
}
