//! A journal filled with what another store remembers, whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use seawall_core::effect::{Key, Record, Stamp};
use seawall_core::store::{Asked, Store, StoreError};
use seawall_policy::effect::pass;

use super::file::{self, beside, database, log_of};
use super::open::look;
use super::row::COLUMNS;
use super::schema::{Journal, STATES};
use super::statements::{Held, Statements, read, run};
use super::writer::{Job, checkpoint};
use super::{Sqlite, failed};
use crate::moving::{Moved, Pages, Progress, differs, taken};
use crate::time::Time;

impl Sqlite {
    /// How many effects stand where in the journal of a directory, by the word of the state; none where there is none.
    /// Changes nothing. Refuses a journal that somebody has open, and one that is damaged.
    pub fn counted(dir: &Path) -> Result<Option<[(&'static str, u64); 7]>, StoreError> {
        if !file::is_there(&database(dir))? {
            return Ok(None);
        }
        let _lock = file::own(dir)?;
        let journal = look(&database(dir), u64::MAX)?;
        Ok(Some(std::array::from_fn(|place| {
            (STATES[place], u64::try_from(journal.counts[place]).unwrap_or_default())
        })))
    }

    /// Fills a new journal in `dir` with everything another store remembers. `forgot` says that the other may have
    /// forgotten, and so may this one.
    ///
    /// Where a journal is there that holds exactly the same, an earlier attempt had come to its end, and nothing is done.
    /// Refuses any other; it is then as it was. Blocks while it writes.
    pub async fn fill(
        dir: &Path,
        from: &dyn Store,
        forgot: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Moved, StoreError> {
        let _lock = file::own(dir)?;
        let path = database(dir);
        if file::is_there(&path)? && !is_empty(&path)? {
            let before = Draft { path };
            return match before.compare(from, progress).await {
                Ok(verified) => Ok(Moved { verified, before: verified, ended: 0 }),
                Err(StoreError::Unreadable(_)) => Err(taken("a journal")),
                Err(error) => Err(error),
            };
        }
        let mut draft = Draft { path: file::fresh(&path)? };
        let verified = draft.fill(from, forgot, progress).await;
        let done = verified.and_then(|verified| {
            for ending in ["-wal", "-shm"] {
                // Empty, and of an empty one.
                let _ = fs::remove_file(beside(&path, ending));
            }
            file::publish(&draft.path, &path)?;
            Ok(Moved { verified, ..Moved::default() })
        });
        draft.clear();
        done
    }

    /// Notes that what it remembers was moved elsewhere: opened again, it knows that it may have forgotten.
    pub fn moved_away(&self) -> Asked<'_, ()> {
        Box::pin(self.write(Job::Moved))
    }
}

/// Has nothing ever been kept there that is not forgotten by right?
fn is_empty(path: &Path) -> Result<bool, StoreError> {
    let journal = look(path, u64::MAX)?;
    let trusted = journal.copied.is_none() && journal.forgot.is_none();
    let logged = fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0);
    Ok(trusted && journal.counts.iter().all(|count| *count == 0) && !logged)
}

/// A journal in the making, or one that is only read.
struct Draft {
    path: PathBuf,
}

impl Draft {
    async fn fill(
        &mut self,
        from: &dyn Store,
        forgot: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<u64, StoreError> {
        let now = Time::wall(Stamp(0)).now();
        let mut db = file::lay(&self.path, now)?;
        let now = i64::try_from(now.0).unwrap_or(i64::MAX);
        let forgot = forgot.then_some(now);
        let mut journal = Journal { born: now, latest: now, forgot, ..Journal::default() };
        let (mut pages, mut written) = (Pages::of(from), 0);
        while let Some(records) = pages.next().await? {
            written += records.len() as u64;
            put(&mut db, records, &mut journal)?;
            progress(Progress::Written(written));
        }
        put(&mut db, Vec::new(), &mut journal)?;
        checkpoint(&db, "TRUNCATE")?;
        db.close().map_err(|(_, error)| failed(error))?;
        self.compare(from, progress).await
    }

    /// Every page of the file, and every row beside the one it was made from. Gives their number.
    async fn compare(
        &self,
        from: &dyn Store,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<u64, StoreError> {
        let journal = look(&self.path, u64::MAX)?;
        let there: i64 = journal.counts.iter().sum();
        let (mut pages, mut verified) = (Pages::of(from), 0);
        while let Some(records) = pages.next().await? {
            let db = Connection::open_with_flags(&self.path, file::readable()).map_err(failed)?;
            let mut by_key =
                db.prepare(&format!("SELECT {COLUMNS}, sum FROM effect WHERE key = ?")).map_err(failed)?;
            for (key, record) in records {
                let mut rows = by_key.query([&key.as_bytes()[..]]).map_err(failed)?;
                let kept = rows.next().map_err(failed)?.map(read).transpose()?;
                if kept.is_none_or(|kept| kept != (key, record.clone())) {
                    return Err(differs(key, &record.label));
                }
                verified += 1;
            }
            progress(Progress::Verified(verified));
        }
        let more = u64::try_from(there).unwrap_or_default().saturating_sub(verified);
        match more > self.ended()? {
            true => Err(taken(&format!("a journal of {there} effects"))),
            false => Ok(verified),
        }
    }

    /// How many have come to the end of their life by now: a source may have let them go since they were read.
    fn ended(&self) -> Result<u64, StoreError> {
        let db = Connection::open_with_flags(&self.path, file::readable()).map_err(failed)?;
        let mut all = db
            .prepare(&format!("SELECT {COLUMNS}, sum FROM effect WHERE due IS NOT NULL"))
            .map_err(failed)?;
        let (mut rows, mut ended) = (all.raw_query(), 0);
        let now = Time::wall(Stamp(0)).now();
        while let Some(row) = rows.next().map_err(failed)? {
            let (_, record) = read(row)?;
            ended += u64::from(pass(record, now).0.is_none());
        }
        Ok(ended)
    }

    fn clear(&self) {
        for ending in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(beside(&self.path, ending));
        }
    }
}

/// Writes records in one transaction with what the journal says of itself.
fn put(db: &mut Connection, records: Vec<(Key, Record)>, journal: &mut Journal) -> Result<(), StoreError> {
    let mut statements = Statements::new(db)?;
    run(&mut statements.begin)?;
    for (key, record) in records {
        // Time must not go back behind what is remembered, whatever the clock here says.
        journal.latest = journal.latest.max(i64::try_from(record.first.0).unwrap_or(i64::MAX));
        let mut held = Held { record: Some(record), stored: None, changed: true };
        statements.write(&key, &mut held, journal)?;
    }
    journal.save(&mut statements.journal)?;
    run(&mut statements.commit)
}
