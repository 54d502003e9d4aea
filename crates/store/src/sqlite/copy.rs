//! Copies: made while the journal is in use, and laid back where it was lost. A copy knows that it is one, and that what
//! happened since it was made is not in it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rusqlite::Connection;
use seawall_core::effect::Stamp;
use seawall_core::store::StoreError;

use super::file::{self, beside, database, log_of};
use super::open::{look, set};
use super::schema::Journal;
use super::{failed, unreachable};

/// Writes what the journal is at this moment to `path`, whole or not at all.
pub(super) fn backup(db: &Connection, path: &Path, now: Stamp) -> Result<(), StoreError> {
    if path.exists() || beside(path, "-wal").exists() {
        return Err(StoreError::Unavailable(format!("{} is there already: name another", path.display())));
    }
    let draft = file::fresh(path)?;
    let Some(name) = draft.to_str() else {
        return Err(StoreError::Unavailable(format!("{} is not UTF-8: name another", path.display())));
    };
    let made = db.execute("VACUUM INTO ?1", [name]).map_err(failed);
    let made = made.and_then(|_| mark(&draft, now)).and_then(|()| file::publish(&draft, path));
    if made.is_err() {
        // Half a copy is worse than none.
        let _ = fs::remove_file(&draft);
    }
    made
}

/// Lays `copy` into `dir`, where no journal may be.
pub(super) fn restore(copy: &Path, dir: &Path) -> Result<(), StoreError> {
    let _lock = file::own(dir)?;
    let path = database(dir);
    if path.exists() || log_of(&path).exists() {
        return Err(StoreError::Unavailable(format!(
            "there is a journal at {}: move it away, and its log with it",
            path.display()
        )));
    }
    if !file::is_there(copy)? {
        return Err(StoreError::Unavailable(format!("there is nothing at {}", copy.display())));
    }
    if log_of(copy).exists() {
        return Err(StoreError::Unavailable(format!(
            "{} has a log beside it, so it is not a copy: open it where it is, and make one",
            copy.display()
        )));
    }
    let draft = file::fresh(&path)?;
    let laid = File::open(copy)
        .and_then(|mut from| io::copy(&mut from, &mut File::options().write(true).open(&draft)?))
        .map_err(|error| unreachable(copy, &error));
    let laid = laid.and_then(|_| look(&draft, u64::MAX)).and_then(|journal| {
        // A file that was copied by other means is a copy all the same.
        if journal.copied.is_none() { mark(&draft, Stamp(journal.latest.cast_unsigned())) } else { Ok(()) }
    });
    let laid = laid.and_then(|()| file::publish(&draft, &path));
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(beside(&draft, ending));
    }
    laid
}

/// Writes into a copy that it is one.
fn mark(copy: &Path, now: Stamp) -> Result<(), StoreError> {
    let db = Connection::open_with_flags(copy, file::writable()).map_err(failed)?;
    set(&db, "journal_mode", "DELETE")?;
    let mut journal = Journal::load(&db)?;
    journal.copied = Some(i64::try_from(now.0).unwrap_or(i64::MAX));
    journal.save(&mut Journal::update(&db)?)?;
    db.close().map_err(|(_, error)| failed(error))
}
