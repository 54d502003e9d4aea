//! A bounded line of questions to one thread: whoever asks waits without holding a thread, and the thread takes everybody
//! who is there at once.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, TryAcquireError};

/// How long those who were just answered may take to come back. A trip to the disk costs as much.
const RETURN: Duration = Duration::from_micros(100);

#[derive(Debug)]
pub(super) struct Queue<T> {
    room: Semaphore,
    line: Mutex<Line<T>>,
    somebody: Condvar,
}

#[derive(Debug)]
struct Line<T> {
    waiting: Vec<T>,
    /// How many must wait before the thread is woken.
    wanted: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(room: usize) -> Self {
        Self {
            room: Semaphore::new(room.clamp(1, Semaphore::MAX_PERMITS)),
            line: Mutex::new(Line { waiting: Vec::new(), wanted: 1, closed: false }),
            somebody: Condvar::new(),
        }
    }

    /// Waits for room and joins the line. `false` if nobody takes from it any more.
    pub(super) async fn join(&self, one: T) -> bool {
        let Ok(place) = self.room.acquire().await else { return false };
        place.forget();
        self.push(one)
    }

    /// Joins the line if there is room, and otherwise gives back who wanted to. `false` if nobody takes from it any more.
    pub(super) fn join_now(&self, one: T) -> Result<bool, T> {
        match self.room.try_acquire() {
            Ok(place) => place.forget(),
            Err(TryAcquireError::NoPermits) => return Err(one),
            Err(TryAcquireError::Closed) => return Ok(false),
        }
        Ok(self.push(one))
    }

    fn push(&self, one: T) -> bool {
        let mut line = self.line();
        if line.closed {
            return false;
        }
        line.waiting.push(one);
        if line.waiting.len() >= line.wanted {
            self.somebody.notify_one();
        }
        true
    }

    /// Waits until somebody is there, and takes all of them in their order. Where several were taken the time before, it
    /// waits a moment for as many: they mostly come again at once. `false` once it is closed and nobody is left.
    pub(super) fn take(&self, all: &mut Vec<T>, before: usize) -> bool {
        let mut line = self.line();
        if before > 1 {
            line = self.wait(line, before, RETURN);
        }
        while line.waiting.is_empty() && !line.closed {
            line = self.somebody.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        self.leave(line, all)
    }

    /// Takes whoever is there, or comes within `patience`.
    pub(super) fn take_within(&self, patience: Duration, all: &mut Vec<T>) -> bool {
        let line = self.wait(self.line(), 1, patience);
        self.leave(line, all)
    }

    /// Waits until `wanted` are there, but not for ever.
    fn wait<'a>(
        &self,
        mut line: MutexGuard<'a, Line<T>>,
        wanted: usize,
        patience: Duration,
    ) -> MutexGuard<'a, Line<T>> {
        line.wanted = wanted;
        let few = |line: &mut Line<T>| line.waiting.len() < wanted && !line.closed;
        let waited = self.somebody.wait_timeout_while(line, patience, few);
        let (mut line, _) = waited.unwrap_or_else(PoisonError::into_inner);
        line.wanted = 1;
        line
    }

    fn leave(&self, mut line: MutexGuard<'_, Line<T>>, all: &mut Vec<T>) -> bool {
        let taken = line.waiting.len();
        if all.is_empty() {
            mem::swap(all, &mut line.waiting);
        } else {
            all.append(&mut line.waiting);
        }
        drop(line);
        self.room.add_permits(taken);
        taken > 0
    }

    /// Nobody joins from now on; who is in the line is still served.
    pub(super) fn close(&self) {
        self.line().closed = true;
        self.room.close();
        self.somebody.notify_all();
    }

    fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes a queue when the thread that serves it ends, however it ends: whoever is left hears that nobody will answer.
pub(super) struct Closing<'a, T>(pub(super) &'a Queue<T>);

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        self.0.close();
        self.0.line().waiting.clear();
    }
}
