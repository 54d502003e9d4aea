//! The directory and what lies in it: who may use it, and whether it is ours at all.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use seawall_core::effect::Stamp;
use seawall_core::store::StoreError;

use super::schema::{APPLICATION, Journal, VERSION, migrate};
use super::{failed, unreachable, unreadable};
use crate::time::Time;

const NAME: &str = "effects.db";

/// Bytes in a page. Four KiB, as most disks and file systems: a quarter of it needs twice as many pages for each
/// transaction, and twice of it twice as many bytes.
const PAGE: u32 = 4096;

/// Where the journal of a directory lies.
pub(super) fn database(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// The log beside a file.
pub(super) fn log_of(file: &Path) -> PathBuf {
    beside(file, "-wal")
}

pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Makes the directory if need be, and keeps everybody else out of the journal for as long as the file is held: other
/// processes and this one alike.
pub(super) fn own(dir: &Path) -> Result<File, StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| unreachable(dir, &error))?;
    let path = dir.join("effects.lock");
    let mut lock = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| unreachable(&path, &error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // What it says is for people; that it is locked is what counts.
            let _ = lock.take(32).read_to_string(&mut owner);
            let owner = owner.trim();
            let dir = dir.display();
            return Err(StoreError::InUse(format!(
                "the journal in {dir} is in use by process {owner}: stop it, or give this one a directory of its own"
            )));
        }
        Err(TryLockError::Error(error)) => return Err(unreachable(&path, &error)),
    }
    let told = lock.set_len(0).and_then(|()| lock.seek(SeekFrom::Start(0))).and_then(|_| {
        let id = std::process::id();
        lock.write_all(format!("{id}\n").as_bytes())
    });
    told.map_err(|error| unreachable(&path, &error))?;
    Ok(lock)
}

/// Is there a journal of ours at `file`? Anything else there is refused, and so is a log without its journal.
pub(super) fn is_there(file: &Path) -> Result<bool, StoreError> {
    let unreadable = |why: &str| Err(StoreError::Unreadable(format!("{} {why}", file.display())));
    let log = log_of(file);
    let logged = match fs::metadata(&log) {
        Ok(log) => log.len() > 0,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(unreachable(&log, &error)),
    };
    let mut header = Vec::new();
    match File::open(file) {
        Ok(opened) => opened.take(100).read_to_end(&mut header).map_err(|error| unreachable(file, &error))?,
        Err(error) if error.kind() == ErrorKind::NotFound && !logged => return Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return unreadable("is missing, though its log is there: put back what was taken away");
        }
        Err(error) => return Err(unreachable(file, &error)),
    };
    if header.len() < 100 {
        return unreadable("is cut short");
    }
    if !header.starts_with(b"SQLite format 3\0") {
        return unreadable("is not an SQLite database");
    }
    if header[68..72] != APPLICATION.to_be_bytes() {
        return unreadable("is not a journal of effects");
    }
    match header[18..20] {
        [2, 2] => Ok(true),
        [1, 1] if !logged => Ok(true),
        // Only a copy is without a log of its own; somebody else's would be taken for part of it.
        [1, 1] => unreadable("is a copy, and beside it lies the log of another journal: take that away"),
        _ => unreadable("is damaged in its header"),
    }
}

/// Makes an empty journal at `file`, whole or not at all.
pub(super) fn make(file: &Path, time: &Time) -> Result<(), StoreError> {
    let draft = fresh(file)?;
    lay(&draft, time.now())?.close().map_err(|(_, error)| failed(error))?;
    publish(&draft, file)
}

/// Makes an empty journal of an empty file.
pub(super) fn lay(draft: &Path, now: Stamp) -> Result<Connection, StoreError> {
    let mut db = Connection::open_with_flags(draft, writable()).map_err(failed)?;
    db.pragma_update(None, "page_size", PAGE).map_err(failed)?;
    db.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
    migrate(&mut db, 0)?;
    let born = i64::try_from(now.0).unwrap_or(i64::MAX);
    Journal { born, latest: born, ..Journal::default() }.save(&mut Journal::update(&db)?)?;
    wal_mode(&db)?;
    Ok(db)
}

/// An empty file beside `file`, for its owner alone.
pub(super) fn fresh(file: &Path) -> Result<PathBuf, StoreError> {
    let draft = beside(file, ".seawall-new");
    for ending in ["", "-wal", "-shm", "-journal"] {
        // Left behind by somebody who was interrupted.
        let _ = fs::remove_file(beside(&draft, ending));
    }
    let made = File::options().create_new(true).write(true).mode(0o600).open(&draft);
    made.map_err(|error| unreachable(&draft, &error))?;
    Ok(draft)
}

/// Gives a finished draft its name, for good.
pub(super) fn publish(draft: &Path, file: &Path) -> Result<(), StoreError> {
    let dir = match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    File::open(draft)
        .and_then(|draft| draft.sync_all())
        .and_then(|()| fs::rename(draft, file))
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(|error| unreachable(file, &error))
}

/// Switches to a write-ahead log; the file remembers.
pub(super) fn wal_mode(db: &Connection) -> Result<(), StoreError> {
    let mode: String =
        db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(unreadable)?;
    if mode == "wal" {
        return Ok(());
    }
    Err(StoreError::Unavailable(
        "its file system cannot share memory between processes: use a local one".into(),
    ))
}

/// The version of a file, refused if it is newer than ours.
pub(super) fn version(db: &Connection, file: &Path) -> Result<i32, StoreError> {
    let found = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unreadable)?;
    if found > VERSION {
        return Err(StoreError::Unreadable(format!(
            "{} is of version {found}, and this seawall reads up to version {VERSION}: use the newer one",
            file.display()
        )));
    }
    if found < 1 {
        return Err(StoreError::Unreadable(format!(
            "{} is of version {found}, which never was",
            file.display()
        )));
    }
    Ok(found)
}

/// Flags of a connection that is used by one thread at a time.
pub(super) fn writable() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

pub(super) fn readable() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}
