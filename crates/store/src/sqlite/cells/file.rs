//! The file: made by whoever comes first, and refused where it is not ours.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use seawall_core::store::StoreError;

use super::super::file::{wal_mode, writable};
use super::super::open::set;
use super::super::{failed, unreachable, unreadable};

/// "SWSH" in the header of the file, so that no other database is taken for ours.
const APPLICATION: i32 = i32::from_be_bytes(*b"SWSH");

/// Each brings a file of the version before to the next one; the first makes it. Only ever added to.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];
const VERSION: i32 = MIGRATIONS.len() as i32;

/// How long others may keep us waiting for our turn.
const PATIENCE: Duration = Duration::from_secs(1);

/// Device and inode of a file.
pub(super) type Id = (u64, u64);

/// Where the file of a directory lies; makes the directory if need be, for its owner alone.
pub(super) fn database(dir: &Path) -> Result<PathBuf, StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| unreachable(dir, &error))?;
    Ok(dir.join("shared.db"))
}

pub(super) fn open(path: &Path) -> Result<(Connection, Id), StoreError> {
    let made = File::options().create(true).append(true).mode(0o600).open(path);
    drop(made.map_err(|error| unreachable(path, &error))?);
    let mut db = Connection::open_with_flags(path, writable()).map_err(unreadable)?;
    db.busy_timeout(PATIENCE).map_err(failed)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
    ours(&db, path)?;
    wal_mode(&db)?;
    // A transaction is safe with the log once it is in it; the disk need not have it yet.
    for (name, value) in [("synchronous", "NORMAL"), ("trusted_schema", "OFF"), ("temp_store", "MEMORY")] {
        set(&db, name, value)?;
    }
    migrate(&mut db, path)?;
    Ok((db, id(path)?))
}

pub(super) fn id(path: &Path) -> Result<Id, StoreError> {
    let file = fs::metadata(path).map_err(|error| unreachable(path, &error))?;
    Ok((file.dev(), file.ino()))
}

fn number(db: &Connection, name: &str) -> Result<i32, StoreError> {
    db.pragma_query_value(None, name, |row| row.get(0)).map_err(unreadable)
}

/// Is it an empty file, or one of ours?
fn ours(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let tables: i64 =
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(unreadable)?;
    if tables == 0 || number(db, "application_id")? == APPLICATION {
        return Ok(());
    }
    Err(StoreError::Unreadable(format!("{} is another program's database", path.display())))
}

/// Brings the file to our version, unless somebody else just did.
fn migrate(db: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let step = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = number(&step, "user_version")?;
    if !(0..=VERSION).contains(&found) {
        return Err(StoreError::Unreadable(format!(
            "{} is of version {found}, and this seawall reads up to version {VERSION}: use the newer one",
            path.display()
        )));
    }
    let missing = usize::try_from(found).unwrap_or(0);
    if missing < MIGRATIONS.len() {
        for migration in &MIGRATIONS[missing..] {
            step.execute_batch(migration).map_err(unreadable)?;
        }
        step.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
        step.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    }
    step.commit().map_err(failed)
}
