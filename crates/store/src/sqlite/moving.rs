//! A journal filled with what another store remembers, whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use seawall_core::effect::{Key, Record, Stamp};
use seawall_core::store::{Asked, Cursor, Page, StoreError};
use seawall_policy::effect::{interrupted, pass, restored};

use super::file::{self, beside, database, log_of};
use super::open::{connect, look};
use super::reader::Look;
use super::row::COLUMNS;
use super::schema::Journal;
use super::statements::{Held, Statements, read, run};
use super::writer::{Job, checkpoint};
use super::{Opened, Options, Sqlite, failed, open};
use crate::moving::{
    Leaving, Mark, Moved, Pages, Progress, Source, Survey, alike, differs, elsewhere, taken, used_since,
};
use crate::time::Time;

impl Source for Sqlite {
    /// By key: every page by label would go through all of them.
    fn walk(&self, after: Option<Cursor>, limit: usize) -> Asked<'_, Page> {
        Box::pin(self.read(move |to| Look::Walk(after, limit, to)))
    }
}

impl Sqlite {
    /// What there is to move in the journal of a directory; none where there is none. Changes nothing, and counts what would be
    /// there once it was opened. Refuses a journal that somebody has open, and one that is damaged.
    pub fn survey(dir: &Path) -> Result<Option<Survey>, StoreError> {
        if !file::is_there(&database(dir))? {
            return Ok(None);
        }
        let _lock = file::own(dir)?;
        let journal = look(&database(dir), u64::MAX)?;
        let copied = journal.copied.is_some();
        let mut survey = Survey {
            forgot: copied || journal.forgot.is_some(),
            moved: journal.moved.is_some(),
            ..Survey::default()
        };
        let db = Connection::open_with_flags(database(dir), file::readable()).map_err(failed)?;
        let mut all = db.prepare(&format!("SELECT {COLUMNS}, sum FROM effect")).map_err(failed)?;
        let mut rows = all.raw_query();
        let now = Time::wall(Stamp(u64::try_from(journal.latest).unwrap_or_default())).now();
        while let Some(row) = rows.next().map_err(failed)? {
            let (_, record) = read(row)?;
            let (record, _) = if copied { restored(record, now) } else { interrupted(record, now) };
            survey.add(record, now)?;
        }
        Ok(Some(survey))
    }

    /// Opens a journal to move it away, as [`open`](Self::open) does, but one that was moved away before stays so. None where
    /// there is none.
    pub fn leave(dir: &Path, options: &Options) -> Result<Option<Opened>, StoreError> {
        if !file::is_there(&database(dir))? {
            return Ok(None);
        }
        open::open(dir, options, Time::wall(Stamp(0)), true).map(Some)
    }

    /// What is known of it as a place that is left.
    pub fn leaving(&self) -> Leaving {
        Leaving { forgot: self.forgot().is_some(), moved: self.shared.known().moved.map(Mark), noted: 0 }
    }

    /// Fills a new journal in `dir` with everything another store remembers.
    ///
    /// It is not trusted before [`Filled::trust`]: opened until then, it is a copy. Where a journal is there that holds
    /// exactly the same, an earlier attempt had come so far, and nothing is done. Refuses any other; it is then as it was. Blocks
    /// while it writes.
    pub async fn fill(
        dir: &Path,
        from: &dyn Source,
        leaving: Leaving,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Filled, StoreError> {
        let lock = file::own(dir)?;
        let path = database(dir);
        let there = file::is_there(&path)?.then(|| look(&path, u64::MAX)).transpose()?;
        let this = |journal: &Journal| leaving.moved == Some(Mark(journal.born));
        if let Some(journal) = there.filter(|journal| this(journal) || !is_empty(journal, &path)) {
            let mark = Mark(journal.born);
            let finished = match leaving.moved {
                Some(to) if to != mark => return Err(elsewhere()),
                Some(_) => !is_filling(&journal),
                None => false,
            };
            let mut filled =
                Filled { path, mark, moved: Moved::default(), forgot: leaving.forgot, _lock: lock };
            return match filled.compare(from, progress).await {
                Ok(verified) => {
                    filled.moved = Moved { verified, before: verified, finished, ..Moved::default() };
                    // Before the source is told anything: then it would not say it again.
                    if leaving.forgot && !finished {
                        filled.change(forgets)?;
                    }
                    Ok(filled)
                }
                Err(StoreError::Unreadable(_) | StoreError::Unavailable(_)) if finished => Err(used_since()),
                Err(StoreError::Unreadable(_)) => Err(taken("a journal")),
                Err(error) => Err(error),
            };
        }
        if leaving.moved.is_some() {
            return Err(elsewhere());
        }
        let draft = file::fresh(&path)?;
        let done = lay(&draft, from, leaving.forgot, progress).await;
        let mut filled = Filled {
            path: draft.clone(),
            mark: Mark(done.as_ref().map_or(0, |journal| journal.born)),
            moved: Moved::default(),
            forgot: leaving.forgot,
            _lock: lock,
        };
        let done = match done {
            Ok(_) => filled.compare(from, progress).await,
            Err(error) => Err(error),
        };
        let done = done.and_then(|verified| {
            filled.moved.verified = verified;
            for ending in ["-wal", "-shm"] {
                // Empty, and of an empty one.
                let _ = fs::remove_file(beside(&path, ending));
            }
            file::publish(&draft, &path)
        });
        for ending in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(beside(&draft, ending));
        }
        filled.path = path;
        done.map(|()| filled)
    }

    /// Notes that what it remembers was moved to the place with this mark: opened again to be used, it knows that it may have
    /// forgotten.
    pub fn moved_away(&self, to: Mark) -> Asked<'_, ()> {
        Box::pin(self.write(move |reply| Job::Moved(to, reply)))
    }
}

/// A directory that holds everything. Nobody else uses its journal as long as this is held.
#[derive(Debug)]
pub struct Filled {
    path: PathBuf,
    mark: Mark,
    moved: Moved,
    forgot: bool,
    _lock: File,
}

impl Filled {
    /// What it is known by.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// What was moved.
    pub fn moved(&self) -> Moved {
        self.moved
    }

    /// Every page of the file, and every row beside the one it was made from. Gives their number.
    pub async fn compare(
        &self,
        from: &dyn Source,
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
                if kept.is_none_or(|(found, kept)| found != key || !alike(&kept, &record)) {
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

    /// From now on it is the journal. Whether it may have forgotten: because the other may have, or it had before.
    pub fn trust(self) -> Result<bool, StoreError> {
        let journal = self.change(|journal| {
            if is_filling(journal) {
                journal.moved = None;
            }
            if self.forgot && !self.moved.finished {
                forgets(journal);
            }
        })?;
        Ok(journal.forgot.is_some() || journal.copied.is_some() || journal.moved.is_some())
    }

    /// Changes what the journal says of itself, and gives that.
    fn change(&self, change: impl FnOnce(&mut Journal)) -> Result<Journal, StoreError> {
        let db = connect(&self.path, &Options::default())?;
        let before = Journal::load(&db)?;
        let mut journal = before.clone();
        change(&mut journal);
        if journal != before {
            journal.save(&mut Journal::update(&db)?)?;
        }
        checkpoint(&db, "TRUNCATE")?;
        db.close().map_err(|(_, error)| failed(error))?;
        Ok(journal)
    }
}

/// It may lack whatever was begun until now.
fn forgets(journal: &mut Journal) {
    let now = Time::wall(Stamp(0)).now();
    journal.latest = journal.latest.max(i64::try_from(now.0).unwrap_or(i64::MAX));
    journal.forgot = Some(journal.latest);
}

/// Has it been filled, and not been confirmed since?
fn is_filling(journal: &Journal) -> bool {
    journal.moved == Some(journal.born)
}

/// Has nothing ever been kept there that is not forgotten by right?
fn is_empty(journal: &Journal, path: &Path) -> bool {
    let trusted = journal.copied.is_none() && journal.moved.is_none() && journal.forgot.is_none();
    let logged = fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0);
    trusted && journal.counts.iter().all(|count| *count == 0) && !logged
}

/// Writes everything into an empty file, and that nobody has confirmed it yet.
async fn lay(
    path: &Path,
    from: &dyn Source,
    forgot: bool,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Journal, StoreError> {
    let now = Time::wall(Stamp(0)).now();
    let mut db = file::lay(path, now)?;
    let now = i64::try_from(now.0).unwrap_or(i64::MAX);
    let mut journal = Journal { born: now, latest: now, moved: Some(now), ..Journal::default() };
    let (mut pages, mut written) = (Pages::of(from), 0);
    while let Some(records) = pages.next().await? {
        written += records.len() as u64;
        put(&mut db, records, &mut journal)?;
        progress(Progress::Written(written));
    }
    // Not before the latest time it has acted on: that is the clock of whoever opens it.
    journal.forgot = forgot.then_some(journal.latest);
    put(&mut db, Vec::new(), &mut journal)?;
    checkpoint(&db, "TRUNCATE")?;
    db.close().map_err(|(_, error)| failed(error))?;
    Ok(journal)
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
