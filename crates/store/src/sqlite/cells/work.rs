//! The thread of a process: it takes everything that was asked meanwhile, and makes one transaction of it.

use std::path::Path;

use rusqlite::Connection;
use seawall_core::store::StoreError;
use tokio::sync::oneshot;

use super::super::queue::{Closing, Queue};
use super::file::{self, Id};
use super::table::{Statements, Table};
use crate::time::Time;

/// How often what may be forgotten is looked for, in microseconds.
const TIDY: u64 = 10_000_000;

/// Something to be done to the table.
pub(super) trait Work: Send {
    /// Does it, and keeps what came of it.
    fn step(&mut self, table: &mut Table<'_, '_>);
    /// Says what came of it, or why nothing did.
    fn give(self: Box<Self>, written: Result<(), StoreError>);
}

/// A step, who wants to know, and what came of it until that is written.
pub(super) struct Question<T, F> {
    step: Option<F>,
    said: Option<Result<T, StoreError>>,
    to: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Question<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut Table<'_, '_>) -> Result<T, StoreError> + Send + 'static,
{
    pub(super) fn boxed(step: F, to: oneshot::Sender<Result<T, StoreError>>) -> Box<dyn Work> {
        Box::new(Self { step: Some(step), said: None, to })
    }
}

impl<T, F> Work for Question<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut Table<'_, '_>) -> Result<T, StoreError> + Send + 'static,
{
    fn step(&mut self, table: &mut Table<'_, '_>) {
        self.said = self.step.take().map(|step| step(table));
    }

    fn give(self: Box<Self>, written: Result<(), StoreError>) {
        let Self { said, to, .. } = *self;
        let never = || Err(StoreError::Unavailable("it was not asked".into()));
        // Whoever asked may have gone; the step stands all the same.
        let _ = to.send(written.and_then(|()| said.unwrap_or_else(never)));
    }
}

/// Serves the queue until it is closed and empty.
pub(super) fn serve(db: &Connection, path: &Path, own: Id, time: &Time, queue: &Queue<Box<dyn Work>>) {
    let _closing = Closing(queue);
    let mut prepared = Statements::new(db);
    let mut all = Vec::new();
    let mut tidied = 0;
    while queue.take(&mut all, 0) {
        let written = match &mut prepared {
            Ok(statements) => transaction(statements, time, &mut all, &mut tidied),
            Err(error) => Err(error.clone()),
        };
        let written = written.and_then(|()| still_there(path, own));
        if written.is_err() && !db.is_autocommit() {
            // One that cannot be taken back either is found by the next to begin one.
            let _ = db.execute_batch("ROLLBACK");
        }
        for work in all.drain(..) {
            work.give(written.clone());
        }
    }
}

fn transaction(
    statements: &mut Statements<'_>,
    time: &Time,
    all: &mut [Box<dyn Work>],
    tidied: &mut u64,
) -> Result<(), StoreError> {
    let mut table = Table::begin(statements, time)?;
    for work in all {
        work.step(&mut table);
        if let Some(error) = table.failed.take() {
            return Err(error);
        }
    }
    if table.now.saturating_sub(*tidied) >= TIDY {
        *tidied = table.now;
        table.tidy()?;
    }
    table.commit()
}

/// What is written to a file that has been taken away nobody else reads.
fn still_there(path: &Path, own: Id) -> Result<(), StoreError> {
    match file::id(path) {
        Ok(id) if id == own => Ok(()),
        _ => {
            let path = path.display();
            Err(StoreError::Broken(format!("{path} was taken away or replaced while it was open")))
        }
    }
}
