//! Small state that the processes of one machine share, in a file that any number of them have open: what is remembered
//! of jobs, limits, leases, and who is there.
//!
//! It is a file of its own, beside the journal of effects: that belongs to one process, and pays a trip to the disk for
//! each answer. What stands here is wanted by many, and nothing happens twice where its last moments are lost.

mod file;
mod fleet;
mod table;
#[cfg(test)]
mod tests;
mod work;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use seawall_core::effect::Stamp;
use seawall_core::job::{Cell, JobState, Key};
use seawall_core::store::{Asked, StoreError};
use tokio::sync::oneshot;

use super::queue::Queue;
use super::unreachable;
use crate::time::Time;
use table::{Row, Table};
use work::{Question, Work};

/// Questions that may be waiting in one process; who comes later waits to ask.
const QUEUE: usize = 1024;

/// Cells in a file that the processes of one machine share. Share one in an `Arc` within a process; every process opens
/// its own.
///
/// A step that was acknowledged survives the end of any process, kill -9 included. The loss of power may take the last
/// moments with it, and nothing before them. Questions of a process that wait at the same time share one transaction;
/// those of several processes take turns, and one that waits a second for its turn is told so
/// ([`StoreError::Unavailable`]). Times are the machine's wall clock, held so that it never goes back for any of them.
///
/// Dropping it serves who has been taken in.
pub struct Cells {
    path: PathBuf,
    queue: Arc<Queue<Box<dyn Work>>>,
    thread: Option<JoinHandle<()>>,
}

impl Cells {
    /// Opens the file `shared.db` in `dir`, or makes both; on the wall clock. Blocks meanwhile.
    ///
    /// Refuses a file that is something else, is damaged, or is of a newer version.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, Time::wall(Stamp(0)))
    }

    /// The same on a clock of your own, which is moved to the latest time anybody has acted on.
    pub fn open_with(dir: &Path, time: Time) -> Result<Self, StoreError> {
        let path = file::database(dir)?;
        let (db, id) = file::open(&path)?;
        let queue: Arc<Queue<Box<dyn Work>>> = Arc::new(Queue::new(QUEUE));
        let thread = thread::Builder::new().name("seawall-shared".into()).spawn({
            let (path, queue) = (path.clone(), queue.clone());
            move || work::serve(&db, &path, id, &time, &queue)
        });
        let thread = Some(thread.map_err(|error| unreachable(&path, &error))?);
        Ok(Self { path, queue, thread })
    }

    /// One step of the table, answered when its transaction is written. It joins the line before anybody polls: whoever
    /// drops what is returned has asked.
    fn ask<'a, T: Send + 'static>(
        &'a self,
        step: impl FnOnce(&mut Table<'_, '_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Asked<'a, T> {
        let (to, answer) = oneshot::channel();
        let left = self.queue.join_now(Question::boxed(step, to));
        Box::pin(async move {
            let joined = match left {
                Ok(joined) => joined,
                Err(question) => self.queue.join(question).await,
            };
            let ended = || Err(StoreError::Broken("its thread has ended".into()));
            if !joined {
                return ended();
            }
            answer.await.unwrap_or_else(|_| ended())
        })
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so, and nobody is left to be told.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cells").field("file", &self.path).finish_non_exhaustive()
    }
}

impl JobState for Cells {
    fn read<'a>(&'a self, key: &'a Key) -> Asked<'a, Option<Cell>> {
        let place = place(key);
        self.ask(move |table| {
            let Some(Row { version, value }) = table.get(&place)? else { return Ok(None) };
            let text = String::from_utf8(value)
                .map_err(|_| StoreError::Unreadable(format!("{} {:?} is not text", place.0, place.1)))?;
            Ok(Some(Cell { version, text }))
        })
    }

    fn swap<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<u64>,
        text: String,
        keep: Duration,
    ) -> Asked<'a, bool> {
        let place = place(key);
        self.ask(move |table| {
            if table.get(&place)?.map(|row| row.version) != expected {
                return Ok(false);
            }
            table.put(&place, text.as_bytes(), keep)?;
            Ok(true)
        })
    }
}

/// Where a row stands: its kind, and one name or two.
type Place = (&'static str, Arc<str>, Arc<str>);

fn place(key: &Key) -> Place {
    match key {
        Key::Job(kind, id) => ("job", kind.clone(), id.clone()),
        Key::Type(kind) => ("type", kind.clone(), "".into()),
    }
}
