//! What is asked of the database, and how a record is read, held for the length of a transaction, and written.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement};
use seawall_core::effect::{Key, Record, Stamp};
use seawall_core::store::StoreError;

use super::failed;
use super::row::{self, COLUMNS, WIDTH};
use super::schema::{Journal, place};

/// A record in a transaction.
pub(super) struct Held {
    pub(super) record: Option<Record>,
    /// As it is stored: its row, and where its state is counted.
    pub(super) stored: Option<(i64, usize)>,
    pub(super) changed: bool,
}

/// What is asked of the database, prepared once.
pub(super) struct Statements<'a> {
    db: &'a Connection,
    pub(super) begin: Statement<'a>,
    pub(super) commit: Statement<'a>,
    load: Statement<'a>,
    due: Statement<'a>,
    insert: Statement<'a>,
    update: Statement<'a>,
    delete: Statement<'a>,
    pub(super) journal: Statement<'a>,
    frames: Statement<'a>,
}

impl<'a> Statements<'a> {
    pub(super) fn new(db: &'a Connection) -> Result<Self, StoreError> {
        let prepare = |sql: &str| db.prepare(sql).map_err(failed);
        let marks = |count| vec!["?"; count].join(", ");
        let (_, but_key) = COLUMNS.split_once(", ").unwrap_or_default();
        Ok(Self {
            db,
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            load: prepare(&format!("SELECT {COLUMNS}, sum, id FROM effect WHERE key = ?"))?,
            due: prepare("SELECT key FROM effect WHERE due <= ? ORDER BY due LIMIT ?")?,
            insert: prepare(&format!("INSERT INTO effect ({COLUMNS}, sum) VALUES ({})", marks(WIDTH + 1)))?,
            update: prepare(&format!(
                "UPDATE effect SET ({but_key}, sum) = ({}) WHERE id = ?",
                marks(WIDTH)
            ))?,
            delete: prepare("DELETE FROM effect WHERE id = ?")?,
            journal: Journal::update(db)?,
            frames: prepare("PRAGMA wal_checkpoint(NOOP)")?,
        })
    }

    pub(super) fn load(&mut self, key: &Key) -> Result<Held, StoreError> {
        self.load.raw_bind_parameter(1, &key.as_bytes()[..]).map_err(failed)?;
        let mut rows = self.load.raw_query();
        let Some(row) = rows.next().map_err(failed)? else {
            return Ok(Held { record: None, stored: None, changed: false });
        };
        let (_, record) = read(row)?;
        let id = row.get(WIDTH + 1).map_err(failed)?;
        let stored = Some((id, place(&record.state)));
        Ok(Held { record: Some(record), stored, changed: false })
    }

    pub(super) fn due(&mut self, now: Stamp, limit: usize) -> Result<Vec<Key>, StoreError> {
        let now = i64::try_from(now.0).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let keys = self.due.query_map([now, limit], |row| row.get(0)).map_err(failed)?;
        keys.map(|key| key.map(Key::from_bytes).map_err(failed)).collect()
    }

    pub(super) fn write(
        &mut self,
        key: &Key,
        held: &mut Held,
        journal: &mut Journal,
    ) -> Result<bool, StoreError> {
        let wrote = held.record.is_some() || held.stored.is_some();
        if let Some((_, was)) = held.stored {
            journal.counts[was] -= 1;
        }
        held.stored = match (&held.record, held.stored) {
            (None, None) => None,
            (None, Some((id, _))) => {
                self.delete.execute([id]).map_err(failed)?;
                None
            }
            (Some(record), stored) => {
                let id = row::with_cells(key, record, |cells| self.put(stored.map(|(id, _)| id), cells))?;
                Some((id, place(&record.state)))
            }
        };
        if let Some((_, is)) = held.stored {
            journal.counts[is] += 1;
        }
        held.changed = false;
        Ok(wrote)
    }

    fn put(&mut self, id: Option<i64>, cells: &[ValueRef<'_>; WIDTH]) -> Result<i64, StoreError> {
        let sum = ValueRef::Integer(row::sum(cells));
        let Some(id) = id else {
            row::bind(&mut self.insert, 1, cells)?;
            row::bind(&mut self.insert, WIDTH + 1, &[sum])?;
            self.insert.raw_execute().map_err(failed)?;
            return Ok(self.db.last_insert_rowid());
        };
        // The key stays, and with it its place in the one index that is everywhere at once.
        row::bind(&mut self.update, 1, &cells[1..])?;
        row::bind(&mut self.update, WIDTH, &[sum, ValueRef::Integer(id)])?;
        self.update.raw_execute().map_err(failed)?;
        Ok(id)
    }

    pub(super) fn frames(&mut self) -> Result<i64, StoreError> {
        self.frames.query_row([], |row| row.get(1)).map_err(failed)
    }
}

/// The record in a row that begins with its columns and its sum.
pub(super) fn read(row: &rusqlite::Row<'_>) -> Result<(Key, Record), StoreError> {
    let mut cells = [ValueRef::Null; WIDTH];
    for (place, cell) in cells.iter_mut().enumerate() {
        *cell = row.get_ref(place).map_err(failed)?;
    }
    let adds_up = row.get_ref(WIDTH).map_err(failed)? == ValueRef::Integer(row::sum(&cells));
    adds_up.then(|| row::record(&cells)).flatten().ok_or_else(|| {
        let label = String::from_utf8_lossy(cells[1].as_bytes().unwrap_or_default()).into_owned();
        StoreError::Unreadable(format!("the record of {label:?} is damaged, or was changed by hand"))
    })
}

pub(super) fn run(statement: &mut Statement<'_>) -> Result<(), StoreError> {
    statement.raw_execute().map(drop).map_err(failed)
}
