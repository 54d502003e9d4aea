//! The one thread that writes: it takes everything that was asked meanwhile, makes one transaction of it, and answers
//! when that is on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use seawall_core::effect::{Begin, Key, Nature, Note, Operation, Record, Stamp};
use seawall_core::store::{StoreError, Swept, Told};
use seawall_policy::effect::{pass, step};
use tokio::sync::oneshot;

use super::queue::{Closing, Queue};
use super::schema::Journal;
use super::statements::{Held, Statements, run};
use super::{Ack, Shared, failed};
use crate::moving::Mark;

/// What clocks and queues may add to the age of a wish.
const MARGIN: Duration = Duration::from_secs(60);

/// A question on its way.
#[allow(clippy::large_enum_variant, reason = "nearly all of them are the large one")]
#[derive(Debug)]
pub(super) enum Job {
    Ask(Operation, Ack, Reply<Told>),
    Sweep(usize, Reply<Swept>),
    Settle(Reply<()>),
    Moved(Mark, Reply<()>),
}

/// To whom an answer goes, and what it is, until it may be given.
#[derive(Debug)]
pub(super) struct Reply<T> {
    to: Option<oneshot::Sender<Result<T, StoreError>>>,
    said: Option<Result<T, StoreError>>,
}

impl<T> Reply<T> {
    pub(super) fn new() -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (to, from) = oneshot::channel();
        (Self { to: Some(to), said: None }, from)
    }

    fn give(&mut self) {
        if let (Some(to), Some(said)) = (self.to.take(), self.said.take()) {
            // Whoever asked may have gone; the step stands all the same.
            let _ = to.send(said);
        }
    }

    fn refuse(&mut self, error: &StoreError) {
        self.said = Some(Err(error.clone()));
        self.give();
    }
}

impl Job {
    fn give(&mut self) {
        match self {
            Job::Ask(_, _, reply) => reply.give(),
            Job::Sweep(_, reply) => reply.give(),
            Job::Settle(reply) | Job::Moved(_, reply) => reply.give(),
        }
    }

    fn refuse(&mut self, error: &StoreError) {
        match self {
            Job::Ask(_, _, reply) => reply.refuse(error),
            Job::Sweep(_, reply) => reply.refuse(error),
            Job::Settle(reply) | Job::Moved(_, reply) => reply.refuse(error),
        }
    }

    /// May it be answered before it is on the disk? Only what leaves a doubt, and no more, when it is lost.
    const fn may_be_early(&self) -> bool {
        matches!(self, Job::Ask(Operation::Complete { .. }, Ack::Taken, _))
    }
}

/// Serves the queue until it is closed and empty.
pub(super) fn serve(db: &Connection, journal: Journal, shared: &Shared, queue: &Queue<Job>) {
    let _closing = Closing(queue);
    let mut writer = match Statements::new(db) {
        Ok(statements) => Writer { db, statements, held: BTreeMap::new(), journal, shared },
        Err(error) => {
            shared.broke(&error);
            return;
        }
    };
    let mut jobs = Vec::new();
    let mut before = 0;
    while queue.take(&mut jobs, before) {
        before = jobs.len();
        writer.batch(&mut jobs, queue);
        jobs.clear();
        writer.checkpoint();
    }
}

struct Writer<'a> {
    db: &'a Connection,
    statements: Statements<'a>,
    /// The records the transaction is about, each read once and written once.
    held: BTreeMap<Key, Held>,
    journal: Journal,
    shared: &'a Shared,
}

impl Writer<'_> {
    fn batch(&mut self, jobs: &mut Vec<Job>, queue: &Queue<Job>) {
        if let Some(broken) = self.shared.broken() {
            jobs.iter_mut().for_each(|job| job.refuse(&broken));
            return;
        }
        let error = match self.transaction(jobs, queue) {
            Ok(()) => return jobs.iter_mut().for_each(Job::give),
            Err(error) => error,
        };
        self.held.clear();
        if !self.db.is_autocommit() && self.db.execute_batch("ROLLBACK").is_err() {
            self.broke(&StoreError::Broken("a transaction could not be taken back".into()));
        }
        if let StoreError::Full(_) = error {
            // A log that is folded begins anew where it began, and needs no more room.
            let _ = checkpoint(self.db, "PASSIVE");
        }
        match &error {
            // One may have been too much for the room that is left, and the others not.
            StoreError::Full(_) if jobs.len() > 1 => {
                for job in mem::take(jobs) {
                    self.batch(&mut vec![job], queue);
                }
            }
            StoreError::Broken(_) => {
                self.broke(&error);
                jobs.iter_mut().for_each(|job| job.refuse(&error));
            }
            _ => jobs.iter_mut().for_each(|job| job.refuse(&error)),
        }
    }

    /// After a failed write or fsync nobody can say what is on the disk: nothing more is written or believed.
    fn broke(&self, error: &StoreError) {
        self.shared.broke(error);
        // What is in the log must not be folded into the file on the word of a cache that may be wrong.
        let _ = self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }

    fn transaction(&mut self, jobs: &mut Vec<Job>, queue: &Queue<Job>) -> Result<(), StoreError> {
        run(&mut self.statements.begin)?;
        let mut journal = self.journal.clone();
        let mut wrote = self.steps(jobs, &mut journal)?;
        if !jobs.is_empty() && jobs.iter().all(Job::may_be_early) {
            jobs.iter_mut().for_each(Job::give);
            let early = jobs.len();
            // Nobody waits for the disk yet: whoever comes soon shares the trip.
            queue.take_within(self.shared.linger, jobs);
            wrote |= self.steps(&mut jobs[early..], &mut journal)?;
        }
        if wrote {
            journal.save(&mut self.statements.journal)?;
            self.shared.still_there()?;
        }
        run(&mut self.statements.commit)?;
        self.held.clear();
        if wrote {
            self.shared.known().clone_from(&journal);
            self.journal = journal;
        }
        Ok(())
    }

    /// Runs the jobs in their order and writes what they changed, within the transaction.
    fn steps(&mut self, jobs: &mut [Job], journal: &mut Journal) -> Result<bool, StoreError> {
        let now = self.shared.time.now();
        let tight = self.tight(jobs)?;
        let mut wrote = false;
        for job in jobs {
            match job {
                Job::Ask(operation, _, reply) => {
                    reply.said = Some(self.step(operation, now, journal, tight)?);
                }
                Job::Sweep(limit, reply) => {
                    reply.said = Some(Ok(self.sweep(*limit, now, journal, &mut wrote)?));
                }
                Job::Moved(to, reply) => {
                    journal.moved = Some(to.0);
                    wrote = true;
                    reply.said = Some(Ok(()));
                }
                Job::Settle(reply) => {
                    wrote |= journal.forgot.take().is_some() | journal.moved.take().is_some();
                    reply.said = Some(Ok(()));
                }
            }
        }
        wrote |= self.write(journal)?;
        journal.latest = journal.latest.max(i64::try_from(now.0).unwrap_or(i64::MAX));
        Ok(wrote)
    }

    /// One question. The outer error is the transaction's, the inner one the question's own.
    fn step(
        &mut self,
        operation: &Operation,
        now: Stamp,
        journal: &Journal,
        tight: bool,
    ) -> Result<Result<Told, StoreError>, StoreError> {
        let held = match self.hold(operation.key()) {
            Ok(held) => held,
            Err(error @ StoreError::Unreadable(_)) => return Ok(Err(error)),
            Err(error) => return Err(error),
        };
        if let (Operation::Begin(begin), None) = (operation, &held.record) {
            if let Some(forgot) = journal.forgot
                && could_have_been_forgotten(begin, now, forgot, journal.moved.is_some())
            {
                let what = if journal.moved.is_some() { "moved away" } else { "restored from a copy" };
                let why = format!("it was {what}: whether {} was run elsewhere is not known", begin.label);
                return Ok(Err(StoreError::Forgot(why)));
            }
            if tight {
                let why = "what is left is kept for finishing what has begun".into();
                return Ok(Err(StoreError::Full(why)));
            }
        }
        let stepped = step(held.record.clone(), now, operation);
        held.changed |= stepped.record != held.record;
        held.record = stepped.record;
        Ok(Ok(Told { answer: stepped.answer, notes: stepped.notes }))
    }

    fn hold(&mut self, key: Key) -> Result<&mut Held, StoreError> {
        use std::collections::btree_map::Entry;
        match self.held.entry(key) {
            Entry::Occupied(held) => Ok(held.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.statements.load(&key)?)),
        }
    }

    fn sweep(
        &mut self,
        limit: usize,
        now: Stamp,
        journal: &mut Journal,
        wrote: &mut bool,
    ) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        // Records that cannot be read stay due for ever, and must not keep the others from their end.
        let mut damaged = BTreeSet::new();
        loop {
            // What the jobs before have changed must be seen by the query.
            *wrote |= self.write(journal)?;
            let mut due = self.statements.due(now, (limit - swept.changed).saturating_add(damaged.len()))?;
            due.retain(|key| !damaged.contains(key));
            if due.is_empty() || swept.changed == limit {
                return Ok(swept);
            }
            for key in due {
                let held = match self.hold(key) {
                    Ok(held) => held,
                    Err(StoreError::Unreadable(_)) => {
                        damaged.insert(key);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let Some(record) = held.record.take() else { continue };
                let label = record.label.clone();
                let (record, notes) = pass(record, now);
                (held.record, held.changed) = (record, true);
                swept.changed += 1;
                swept.notes.extend(notes.into_iter().map(|note| (label.clone(), note)));
            }
        }
    }

    fn write(&mut self, journal: &mut Journal) -> Result<bool, StoreError> {
        let mut wrote = false;
        for (key, held) in self.held.iter_mut().filter(|(_, held)| held.changed) {
            wrote |= self.statements.write(key, held, journal)?;
        }
        Ok(wrote)
    }

    /// Is there so little room that no new effect should be begun?
    fn tight(&self, jobs: &[Job]) -> Result<bool, StoreError> {
        let Some(most) = self.shared.most_pages else { return Ok(false) };
        if !jobs.iter().any(|job| matches!(job, Job::Ask(Operation::Begin(_), ..))) {
            return Ok(false);
        }
        let pragma =
            |name| self.db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
        let used = pragma("page_count")? - pragma("freelist_count")?;
        Ok(used >= most - most / 16)
    }

    /// Folds the log into the file once it is long. That is done here, after the answers, so that nobody waits for it
    /// with an answer that is ready.
    fn checkpoint(&mut self) {
        if self.shared.broken().is_some() {
            return;
        }
        let long = self.statements.frames().is_ok_and(|frames| frames >= self.shared.checkpoint);
        if long && let Err(error) = checkpoint(self.db, "PASSIVE") {
            match error {
                // The log stays, and is tried again.
                StoreError::Full(_) | StoreError::Unavailable(_) => {}
                error => self.broke(&error),
            }
        }
    }
}

/// Folds the log into the file, as far as readers allow.
pub(super) fn checkpoint(db: &Connection, how: &str) -> Result<(), StoreError> {
    db.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |_| Ok(())).map_err(failed)
}

/// Could it have been begun after the copy was made, by a journal that is no more, or by one that it was moved to, at any
/// time? Where the far side tells copies apart, or two are as good as one, that does no harm.
fn could_have_been_forgotten(begin: &Begin, now: Stamp, forgot: i64, moved: bool) -> bool {
    let since = now.since(Stamp(u64::try_from(forgot).unwrap_or_default()));
    let newer = !moved && begin.age.is_some_and(|age| age.saturating_add(MARGIN) < since);
    !newer && matches!(begin.nature, Nature::Opaque | Nature::Queryable)
}

/// What [`rewrite`] makes of a record.
type Rewriting = fn(Record, Stamp) -> (Record, Vec<Note>);

/// Changes every unfinished record, in one transaction with the journal: what opening does.
pub(super) fn rewrite(
    db: &Connection,
    journal: &mut Journal,
    now: Stamp,
    how: Rewriting,
) -> Result<Vec<(Arc<str>, Note)>, StoreError> {
    let mut statements = Statements::new(db)?;
    run(&mut statements.begin)?;
    let mut live =
        db.prepare("SELECT key FROM effect WHERE truth IS NULL ORDER BY label, key").map_err(failed)?;
    let keys: Vec<_> =
        live.query_map([], |row| row.get(0)).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    let mut all = Vec::new();
    for key in keys.into_iter().map(Key::from_bytes) {
        let mut held = statements.load(&key)?;
        let Some(before) = held.record.take() else { continue };
        let (after, notes) = how(before.clone(), now);
        all.extend(notes.into_iter().map(|note| (after.label.clone(), note)));
        let changed = after != before;
        held.record = Some(after);
        if changed {
            statements.write(&key, &mut held, journal)?;
        }
    }
    journal.save(&mut statements.journal)?;
    run(&mut statements.commit)?;
    Ok(all)
}
