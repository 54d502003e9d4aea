//! What the file looks like: its tables, its version, and the one row it keeps about itself.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement};
use seawall_core::effect::State;
use seawall_core::store::StoreError;

use super::row::{self, sum};
use super::{failed, unreadable};

/// "SWEF" in the header of the file, so that no other database is taken for a journal.
pub(super) const APPLICATION: i32 = i32::from_be_bytes(*b"SWEF");

/// Each brings a file of the version before to the next one; the first makes it. Only ever added to.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// The version this code reads and writes.
pub(super) const VERSION: i32 = MIGRATIONS.len() as i32;

/// The words of the states, in the order in which they are counted.
pub(super) const STATES: [&str; 7] =
    ["executing", "in-doubt", "reconciling", "free", "done", "quarantined", "tombstone"];

/// Where a state is counted.
pub(super) const fn place(state: &State) -> usize {
    match state {
        State::Executing { .. } => 0,
        State::InDoubt(_) => 1,
        State::Reconciling { .. } => 2,
        State::Free { .. } => 3,
        State::Done(_) => 4,
        State::Quarantined(_) => 5,
        State::Tombstone { .. } => 6,
    }
}

/// What a journal knows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Journal {
    /// When it was made.
    pub(super) born: i64,
    /// The latest time it has acted on. It outlives the process, so that a clock set back never takes time back.
    pub(super) latest: i64,
    /// It is a copy, made then, and has not been opened since.
    pub(super) copied: Option<i64>,
    /// Everything in it was moved to the place with this mark, and nobody has settled that since. Its own mark,
    /// `born`: it is that place, and not all of it has been confirmed. Kept where `copied` is, below zero.
    pub(super) moved: Option<i64>,
    /// It was restored from a copy then, and nobody has said since that what was forgotten is settled.
    pub(super) forgot: Option<i64>,
    /// How many effects are in each of [`STATES`].
    pub(super) counts: [i64; 7],
}

const JOURNAL: &str =
    "born, latest, copied, forgot, executing, in_doubt, reconciling, free, done, quarantined, tombstone";

impl Journal {
    pub(super) fn load(db: &Connection) -> Result<Self, StoreError> {
        db.query_row(&format!("SELECT {JOURNAL}, sum FROM journal"), [], |row| {
            let mut cells = [ValueRef::Null; 12];
            for (place, cell) in cells.iter_mut().enumerate() {
                *cell = row.get_ref(place)?;
            }
            Ok(Self::from_cells(&cells))
        })
        .map_err(unreadable)?
        .ok_or_else(|| StoreError::Unreadable("what the journal says of itself is damaged".into()))
    }

    fn from_cells(cells: &[ValueRef<'_>; 12]) -> Option<Self> {
        let (kept, last) = cells.split_at(11);
        if last != [ValueRef::Integer(sum(kept))] {
            return None;
        }
        let number = |place: usize| match kept[place] {
            ValueRef::Integer(number) => Some(number),
            _ => None,
        };
        let mut counts = [0; 7];
        for (place, count) in counts.iter_mut().enumerate() {
            *count = number(4 + place)?;
        }
        let (copied, moved) = match number(2) {
            Some(mark @ ..0) => (None, Some(mark.saturating_neg())),
            copied => (copied, None),
        };
        Some(Self { born: number(0)?, latest: number(1)?, copied, moved, forgot: number(3), counts })
    }

    pub(super) fn save(&self, update: &mut Statement<'_>) -> Result<(), StoreError> {
        let span = |at: Option<i64>| at.map_or(ValueRef::Null, ValueRef::Integer);
        let mut cells = [ValueRef::Null; 12];
        cells[0] = ValueRef::Integer(self.born);
        cells[1] = ValueRef::Integer(self.latest);
        cells[2] = span(self.copied.or(self.moved.map(|mark| -mark)));
        cells[3] = span(self.forgot);
        for (place, count) in self.counts.iter().enumerate() {
            cells[4 + place] = ValueRef::Integer(*count);
        }
        cells[11] = ValueRef::Integer(sum(&cells[..11]));
        row::bind(update, 1, &cells)?;
        update.raw_execute().map_err(failed)?;
        Ok(())
    }

    /// The statement [`save`](Self::save) needs.
    pub(super) fn update(db: &Connection) -> Result<Statement<'_>, StoreError> {
        let marks = ["?"; 12].join(", ");
        db.prepare(&format!("UPDATE journal SET ({JOURNAL}, sum) = ({marks})")).map_err(failed)
    }
}

/// Brings a file of an older version, or an empty one, to ours, or leaves it as it was.
pub(super) fn migrate(db: &mut Connection, found: i32) -> Result<(), StoreError> {
    let missing = usize::try_from(found).unwrap_or(0).min(MIGRATIONS.len());
    if missing == MIGRATIONS.len() {
        return Ok(());
    }
    let step = db.transaction().map_err(failed)?;
    for migration in &MIGRATIONS[missing..] {
        step.execute_batch(migration).map_err(unreadable)?;
    }
    step.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    step.commit().map_err(failed)
}
