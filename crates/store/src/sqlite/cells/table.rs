//! The rows of the file, within one transaction.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Statement};
use seawall_core::store::StoreError;

use super::super::failed;
use super::Place;
use crate::time::Time;

/// What stands in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) version: u64,
    pub(super) value: Vec<u8>,
}

/// What is asked of the database, prepared once.
pub(super) struct Statements<'a> {
    begin: Statement<'a>,
    latest: Statement<'a>,
    save: Statement<'a>,
    commit: Statement<'a>,
    get: Statement<'a>,
    put: Statement<'a>,
    remove: Statement<'a>,
    tidy: Statement<'a>,
}

impl<'a> Statements<'a> {
    pub(super) fn new(db: &'a Connection) -> Result<Self, StoreError> {
        let prepare = |sql| db.prepare(sql).map_err(failed);
        Ok(Self {
            begin: prepare("BEGIN IMMEDIATE")?,
            latest: prepare("SELECT time, version FROM latest")?,
            save: prepare("UPDATE latest SET time = ?, version = ?")?,
            commit: prepare("COMMIT")?,
            get: prepare(
                "SELECT version, value FROM cell WHERE kind = ? AND name = ? AND id = ? AND ends > ?",
            )?,
            put: prepare("REPLACE INTO cell VALUES (?, ?, ?, ?, ?, ?)")?,
            remove: prepare("DELETE FROM cell WHERE kind = ? AND name = ? AND id = ?")?,
            tidy: prepare(
                "DELETE FROM cell WHERE (kind, name, id) IN \
                 (SELECT kind, name, id FROM cell WHERE ends <= ? LIMIT 100)",
            )?,
        })
    }
}

/// The rows as they are at one moment, which is the same for everything that is done to them.
pub(super) struct Table<'a, 'db> {
    statements: &'a mut Statements<'db>,
    /// The moment, in microseconds since 1970.
    pub(super) now: u64,
    /// The last version that was given.
    version: i64,
    wrote: bool,
    /// What the database failed with, after which nothing of the transaction stands.
    pub(super) failed: Option<StoreError>,
}

impl<'a, 'db> Table<'a, 'db> {
    /// Begins a transaction that nobody else is in.
    pub(super) fn begin(statements: &'a mut Statements<'db>, time: &Time) -> Result<Self, StoreError> {
        statements.begin.raw_execute().map_err(failed)?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let (latest, version) = statements.latest.query_row([], read).map_err(failed)?;
        let now = time.micros().max(u64::try_from(latest).unwrap_or(0));
        Ok(Self { statements, now, version, wrote: false, failed: None })
    }

    /// Ends it.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        if self.wrote {
            let time = i64::try_from(self.now).unwrap_or(i64::MAX);
            self.statements.save.execute([time, self.version]).map_err(failed)?;
        }
        self.statements.commit.raw_execute().map(drop).map_err(failed)
    }

    /// What stands in a row, unless it may be forgotten.
    pub(super) fn get(&mut self, place: &Place) -> Result<Option<Row>, StoreError> {
        let (kind, name, id) = place;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Row { version: row.get::<_, i64>(0)?.cast_unsigned(), value: row.get(1)? })
        };
        let read = self.statements.get.query_row((kind, &**name, &**id, self.millis()), row);
        self.kept(read.optional())
    }

    /// Writes a row, to be kept at least so long.
    pub(super) fn put(&mut self, place: &Place, value: &[u8], keep: Duration) -> Result<(), StoreError> {
        let (kind, name, id) = place;
        let keep = i64::try_from(keep.as_micros().div_ceil(1000)).unwrap_or(i64::MAX);
        let ends = self.millis().saturating_add(keep).saturating_add(1);
        self.version += 1;
        self.wrote = true;
        let wrote = self.statements.put.execute((kind, &**name, &**id, value, self.version, ends));
        self.kept(wrote).map(drop)
    }

    /// Forgets a row.
    pub(super) fn remove(&mut self, place: &Place) -> Result<(), StoreError> {
        let (kind, name, id) = place;
        self.wrote = true;
        let gone = self.statements.remove.execute((kind, &**name, &**id));
        self.kept(gone).map(drop)
    }

    /// Forgets up to a hundred rows whose time has come.
    pub(super) fn tidy(&mut self) -> Result<(), StoreError> {
        let gone = self.statements.tidy.execute([self.millis()]);
        self.wrote |= self.kept(gone)? > 0;
        Ok(())
    }

    fn millis(&self) -> i64 {
        i64::try_from(self.now / 1000).unwrap_or(i64::MAX)
    }

    fn kept<T>(&mut self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(failed).inspect_err(|error| self.failed = Some(error.clone()))
    }
}
