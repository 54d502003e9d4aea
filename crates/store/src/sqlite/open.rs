//! Opening a journal: nothing is changed before all of it is known to be sound.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use seawall_core::effect::Stamp;
use seawall_core::store::StoreError;
use seawall_policy::effect::{interrupted, restored};

use super::file::{self, database, log_of};
use super::queue::Queue;
use super::row::COLUMNS;
use super::schema::{Journal, STATES, migrate};
use super::{
    Found, Opened, Options, Shared, Sqlite, failed, reader, statements, unreachable, unreadable, wal, writer,
};
use crate::time::Time;

/// Frames of the log at which it is folded into the file: 64 MiB. Twelve thousand effects or so share the trip, and it
/// takes some ten milliseconds.
const CHECKPOINT: i64 = 16_384;

/// How long somebody else may hold the file: an operator's shell, for an instant.
const PATIENCE: Duration = Duration::from_secs(1);

/// `leaving` says that it is opened only to be moved away: then nobody is told that it was moved before.
pub(super) fn open(dir: &Path, options: &Options, time: Time, leaving: bool) -> Result<Opened, StoreError> {
    let lock = file::own(dir)?;
    let path = database(dir);
    let mut found = Found::Journal;
    if file::is_there(&path)? {
        wal::check(&log_of(&path))?;
        look(&path, options.full_check)?;
    } else {
        file::make(&path, &time)?;
        found = Found::Nothing;
    }
    let mut db = connect(&path, options)?;
    let version = file::version(&db, &path)?;
    migrate(&mut db, version)?;
    let mut journal = Journal::load(&db)?;
    time.at_least(stamp(journal.latest));
    let now = time.now();
    journal.latest = journal.latest.max(i64::try_from(now.0).unwrap_or(i64::MAX));
    // What was moved away stays so until a person settles it: the other place lives on, and may be used at this moment.
    let moved = !leaving && journal.moved.is_some();
    let copied = journal.copied.take().is_some();
    let notes = if copied || moved {
        found = Found::Copy;
        if copied || journal.forgot.is_none() {
            journal.forgot = Some(journal.latest);
        }
        writer::rewrite(&db, &mut journal, now, restored)?
    } else {
        writer::rewrite(&db, &mut journal, now, interrupted)?
    };
    let on_disk = fs::metadata(&path).map_err(|error| unreachable(&path, &error))?;
    let shared = Arc::new(Shared {
        time,
        id: (on_disk.dev(), on_disk.ino()),
        linger: options.linger,
        checkpoint: CHECKPOINT,
        most_pages: most_pages(&db, options)?,
        broken: OnceLock::new(),
        known: Mutex::new(journal.clone()),
        file: path.clone(),
    });
    let looking = Connection::open_with_flags(&path, file::readable()).map_err(failed)?;
    looking.busy_timeout(PATIENCE).map_err(failed)?;
    let interrupt = looking.get_interrupt_handle();
    let writing = Arc::new(Queue::new(options.queue));
    let reading = Arc::new(Queue::new(64));
    let start = |name: &str, task: Box<dyn FnOnce() + Send>| {
        thread::Builder::new().name(name.into()).spawn(task).map_err(|error| unreachable(&path, &error))
    };
    let reader = start("seawall-look", {
        let (shared, queue) = (shared.clone(), reading.clone());
        Box::new(move || reader::serve(&looking, &shared, &queue))
    })?;
    let writer = start("seawall-journal", {
        let (shared, queue) = (shared.clone(), writing.clone());
        Box::new(move || writer::serve(&db, journal, &shared, &queue))
    });
    if writer.is_err() {
        reading.close();
    }
    let threads = vec![reader, writer?];
    let store = Sqlite { shared, writing, reading, interrupt, threads, _lock: lock };
    Ok(Opened { store, found, notes })
}

fn stamp(millis: i64) -> Stamp {
    Stamp(u64::try_from(millis).unwrap_or_default())
}

/// A connection that writes, its log empty.
pub(super) fn connect(path: &Path, options: &Options) -> Result<Connection, StoreError> {
    let db = Connection::open_with_flags(path, file::writable()).map_err(unreadable)?;
    if db.is_readonly("main").map_err(unreadable)? {
        return Err(StoreError::Unavailable(format!("{} may only be read", path.display())));
    }
    db.busy_timeout(PATIENCE).map_err(failed)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
    file::wal_mode(&db)?;
    let cache = i64::try_from(options.cache / 1024).unwrap_or(i64::MAX).min(1 << 30);
    for (name, value) in [
        ("synchronous", "FULL".to_owned()),
        // For disks that need to be told twice.
        ("fullfsync", "ON".to_owned()),
        ("checkpoint_fullfsync", "ON".to_owned()),
        // The writer folds the log itself, once it has answered.
        ("wal_autocheckpoint", "0".to_owned()),
        ("cache_size", format!("-{cache}")),
        ("cell_size_check", "ON".to_owned()),
        ("trusted_schema", "OFF".to_owned()),
        ("temp_store", "MEMORY".to_owned()),
    ] {
        set(&db, name, &value)?;
    }
    // A log that begins empty has no remains of an earlier one in it: `wal::check` relies on that.
    writer::checkpoint(&db, "TRUNCATE")?;
    Ok(db)
}

/// Some answer with the value they have taken, others with nothing.
pub(super) fn set(db: &Connection, name: &str, value: &str) -> Result<(), StoreError> {
    let mut pragma = db.prepare(&format!("PRAGMA {name} = {value}")).map_err(failed)?;
    let mut rows = pragma.raw_query();
    while rows.next().map_err(failed)?.is_some() {}
    Ok(())
}

fn most_pages(db: &Connection, options: &Options) -> Result<Option<i64>, StoreError> {
    let Some(bytes) = options.max_bytes else { return Ok(None) };
    let page: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(failed)?;
    let pages = (i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1)).clamp(1, 0xffff_fffe);
    set(db, "max_page_count", &pages.to_string())?;
    Ok(Some(pages))
}

/// Reads a journal and changes nothing. Beyond `full` bytes only its header and what it says of itself are read.
pub(super) fn look(path: &Path, full: u64) -> Result<Journal, StoreError> {
    let db = Connection::open_with_flags(path, file::readable()).map_err(unreadable)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(unreadable)?;
    db.busy_timeout(PATIENCE).map_err(failed)?;
    file::version(&db, path)?;
    let journal = Journal::load(&db)?;
    let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    if size(path).saturating_add(size(&log_of(path))) <= full {
        check(&db, path, &journal)?;
    }
    Ok(journal)
}

/// Checks every page, every row, and that they are as many as they should be.
fn check(db: &Connection, path: &Path, journal: &Journal) -> Result<(), StoreError> {
    let damaged = |what: String| StoreError::Unreadable(format!("{} is damaged: {what}", path.display()));
    let said: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(unreadable)?;
    if said != "ok" {
        return Err(damaged(said));
    }
    let mut counts = [0; STATES.len()];
    let mut all = db.prepare(&format!("SELECT {COLUMNS}, sum FROM effect")).map_err(unreadable)?;
    let mut rows = all.raw_query();
    while let Some(row) = rows.next().map_err(unreadable)? {
        let (_, record) = statements::read(row)?;
        counts[super::schema::place(&record.state)] += 1;
    }
    if counts != journal.counts {
        return Err(damaged("rows were added or taken away by hand".into()));
    }
    Ok(())
}
