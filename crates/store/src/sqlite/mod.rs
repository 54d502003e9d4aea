//! Memory in a file: it survives kill -9 and the loss of power, and needs no server.

mod cells;
mod copy;
mod file;
mod moving;
mod open;
mod queue;
mod reader;
mod row;
mod schema;
mod statements;
#[cfg(test)]
mod tests;
mod wal;
mod writer;

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{ErrorCode, InterruptHandle};
use seawall_core::effect::{Note, Operation, Stamp};
use seawall_core::store::{Asked, Page, Promise, Store, StoreError, Swept, Told, Wanted};
use tokio::sync::oneshot;

use crate::time::Time;
pub use cells::Cells;
pub use moving::Filled;
use queue::Queue;
use reader::Look;
use schema::{Journal, STATES};
use writer::{Job, Reply};

/// How a file is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Questions that may be waiting; who comes later waits to ask. Default 4096: some 50 ms of work.
    pub queue: usize,
    /// The most the file may grow to; the log beside it comes on top. From fifteen sixteenths on, no new effect is begun,
    /// so that what is under way can still be finished. Default none: what the disk has.
    pub max_bytes: Option<u64>,
    /// A file up to this size is checked from end to end when it is opened; of a larger one, only what is read. Default
    /// 64 MiB: about half a second.
    pub full_check: u64,
    /// Pages held in memory, in bytes. Default 32 MiB, enough for the keys of a million effects.
    pub cache: u64,
    /// How long an outcome that was answered early ([`Ack::Taken`]) waits for company before it is written. Default 2 ms.
    pub linger: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue: 4096,
            max_bytes: None,
            full_check: 64 << 20,
            cache: 32 << 20,
            linger: Duration::from_millis(2),
        }
    }
}

/// When an outcome is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ack {
    /// When it survives the loss of power.
    #[default]
    Durable,
    /// When it is worked out, some milliseconds before it survives anything. What is lost then leaves a doubt, never a
    /// second run, and one caller alone saves a trip to the disk. Heeded for [`Operation::Complete`] only.
    Taken,
}

/// What was found in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing: the journal is new, and knows of no effect there ever was.
    Nothing,
    /// A journal, as it was left.
    Journal,
    /// A copy made by [`Sqlite::backup`], or what was moved away. What was begun since then is not in it.
    Copy,
}

/// A journal that has been opened.
#[derive(Debug)]
pub struct Opened {
    /// The journal.
    pub store: Sqlite,
    /// What there was.
    pub found: Found,
    /// What an operator or an auditor should know of the process before, with the label of each record.
    pub notes: Vec<(Arc<str>, Note)>,
}

/// Effects in a file. One thread writes, another reads; clones of nothing: share it in an `Arc`.
///
/// Questions that wait at the same time share one trip to the disk, so that many callers cost little more than one. When
/// the disk fails, everything is answered [`StoreError::Broken`] until it is opened anew.
///
/// Dropping it serves who has been taken in, folds the log into the file, and waits for both: up to some tenths of a
/// second, on the thread that drops it.
pub struct Sqlite {
    shared: Arc<Shared>,
    writing: Arc<Queue<Job>>,
    reading: Arc<Queue<Look>>,
    interrupt: InterruptHandle,
    /// The reader first: the last connection to close folds the log, and the reader's may not.
    threads: Vec<JoinHandle<()>>,
    _lock: File,
}

/// What the threads and those who ask share.
#[derive(Debug)]
struct Shared {
    time: Time,
    file: PathBuf,
    /// Device and inode of the file.
    id: (u64, u64),
    linger: Duration,
    /// Frames of the log at which it is folded into the file.
    checkpoint: i64,
    most_pages: Option<i64>,
    broken: OnceLock<String>,
    known: Mutex<Journal>,
}

impl Sqlite {
    /// Opens the journal in `dir`, or makes one; on the wall clock. Blocks while it reads and repairs.
    ///
    /// Whatever was executing is in doubt from then on: its process is no more. Refuses a journal that another process,
    /// or this one, has open; one that is damaged; and one of a newer version. The file is then left as it is.
    pub fn open(dir: &Path, options: &Options) -> Result<Opened, StoreError> {
        Self::open_with(dir, options, Time::wall(Stamp(0)))
    }

    /// The same on a clock of your own, which is moved to the latest time the journal has acted on.
    pub fn open_with(dir: &Path, options: &Options, time: Time) -> Result<Opened, StoreError> {
        open::open(dir, options, time, false)
    }

    /// Lays a copy made by [`backup`](Self::backup) into `dir`, where no journal may be, to be opened there. Blocks.
    pub fn restore(copy: &Path, dir: &Path) -> Result<(), StoreError> {
        copy::restore(copy, dir)
    }

    /// Asks one question; `ack` says when an outcome is answered.
    pub fn ask_with(&self, operation: Operation, ack: Ack) -> Asked<'_, Told> {
        Box::pin(self.write(move |reply| Job::Ask(operation, ack, reply)))
    }

    /// Writes a consistent copy to `path`, where nothing may be yet, while everybody goes on. Whoever opens the copy has
    /// a journal that knows it may have forgotten. Lists wait meanwhile.
    pub fn backup(&self, path: &Path) -> Asked<'_, ()> {
        let path = path.to_owned();
        Box::pin(self.read(move |to| Look::Backup(path, to)))
    }

    /// Since when it has been a restored copy, or one that was moved away, and may have forgotten: until [`settled`](Self::settled) is said, an
    /// effect it does not know is begun only if nothing is lost by running it twice, or if it was first wanted later.
    pub fn forgot(&self) -> Option<Stamp> {
        self.shared.known().forgot.map(|at| Stamp(u64::try_from(at).unwrap_or_default()))
    }

    /// A person says that whatever was forgotten has been looked after.
    pub fn settled(&self) -> Asked<'_, ()> {
        Box::pin(self.write(Job::Settle))
    }

    /// How many effects stand where, by the word of the state.
    pub fn counts(&self) -> [(&'static str, u64); 7] {
        let counts = self.shared.known().counts;
        std::array::from_fn(|place| (STATES[place], u64::try_from(counts[place]).unwrap_or_default()))
    }

    async fn write<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = Reply::new();
        let joined = self.writing.join(job(reply)).await;
        self.answered(joined, answer).await
    }

    async fn read<T>(
        &self,
        look: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Look,
    ) -> Result<T, StoreError> {
        let (to, answer) = oneshot::channel();
        let joined = self.reading.join(look(to)).await;
        self.answered(joined, answer).await
    }

    async fn answered<T>(
        &self,
        joined: bool,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let ended = || StoreError::Broken("its thread has ended".into());
        if !joined {
            return Err(self.shared.broken().unwrap_or_else(ended));
        }
        answer.await.unwrap_or_else(|_| Err(self.shared.broken().unwrap_or_else(ended)))
    }
}

impl Store for Sqlite {
    fn ask(&self, operation: Operation) -> Asked<'_, Told> {
        self.ask_with(operation, Ack::Durable)
    }

    fn sweep(&self, limit: usize) -> Asked<'_, Swept> {
        Box::pin(self.write(move |reply| Job::Sweep(limit, reply)))
    }

    fn list(&self, wanted: Wanted) -> Asked<'_, Page> {
        Box::pin(self.read(move |to| Look::List(wanted, to)))
    }

    fn promise(&self) -> Promise {
        Promise::Power
    }

    fn doubted(&self) -> Option<String> {
        self.forgot().map(|_| {
            "it was restored from a copy or moved away, and what was begun since is not in it".to_owned()
        })
    }

    fn settle(&self) -> Asked<'_, ()> {
        self.settled()
    }

    fn backup(&self, path: &Path) -> Asked<'_, ()> {
        Sqlite::backup(self, path)
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.reading.close();
        self.writing.close();
        self.interrupt.interrupt();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so, and nobody is left to be told.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("file", &self.shared.file)
            .field("broken", &self.shared.broken.get())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn broken(&self) -> Option<StoreError> {
        self.broken.get().map(|why| StoreError::Broken(why.clone()))
    }

    fn broke(&self, error: &StoreError) {
        let why = match error {
            StoreError::Broken(why) => why.clone(),
            error => error.to_string(),
        };
        self.broken.get_or_init(|| why);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is written to a file that has been taken away is lost with its last user.
    fn still_there(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.file) {
            Ok(file) if (file.dev(), file.ino()) == self.id => Ok(()),
            _ => {
                let file = self.file.display();
                Err(StoreError::Broken(format!("{file} was taken away or replaced while it was open")))
            }
        }
    }
}

/// An error of a file that was readable so far.
#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::TooBig) => StoreError::Full(error.to_string()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Unavailable(format!("somebody else is writing to the file: {error}"))
        }
        Some(ErrorCode::OperationInterrupted) => StoreError::Unavailable("it is being closed".into()),
        _ => StoreError::Broken(error.to_string()),
    }
}

/// An error of a file that nobody has read yet.
fn unreadable(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            StoreError::Unavailable(error.to_string())
        }
        _ => match failed(error) {
            StoreError::Broken(why) => StoreError::Unreadable(why),
            error => error,
        },
    }
}

fn unreachable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}
