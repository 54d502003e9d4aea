//! The one thread of a guard: it renews what is running, and says what could not be said in passing. It needs no
//! runtime, so that leases hold though every thread of the runtime is busy.
//!
//! ```text
//! tickets ──renew──► ┌────────┐
//! dropped, spooled ─►│ keeper │──► store
//! shutdown, flush ──►└────────┘
//! ```

mod work;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use seawall_core::effect::{Answer, Begin, Key, Nonce, Operation, Outcome, Token};
use seawall_core::store::Store;
use seawall_core::{Clock, Instant};
use seawall_policy::Invalid;
use tokio::sync::oneshot;

use super::stats::{Teller, one};
use crate::lock;

pub(super) use work::LOOKS;
use work::Worker;

/// Wishes to take back that are remembered at most: each only spares somebody a doubt.
const MOST_RETRACTS: usize = 10_000;

/// What the guard, its tickets and its thread share.
pub(super) struct Keeper {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    inbox: Mutex<Inbox>,
    thread: OnceLock<Thread>,
    /// Words on their way, or waiting for a store that does not answer.
    unsaid: AtomicUsize,
    retracts: AtomicUsize,
    pub(super) draining: AtomicBool,
}

#[derive(Default)]
struct Inbox {
    live: HashMap<u64, Arc<Live>>,
    next: u64,
    renewals: Vec<u64>,
    jobs: Vec<Job>,
    waiters: Vec<Waiter>,
    /// Until when the thread sleeps, where it does.
    sleeps: Option<Instant>,
    /// Nobody can begin anything any more.
    closed: bool,
}

/// A right that is held: to run, or to find out.
pub(super) struct Live {
    pub(super) key: Key,
    pub(super) label: Arc<str>,
    pub(super) token: Token,
    pub(super) teller: Arc<Teller>,
    pub(super) lease: Duration,
    /// Renewed until then.
    pub(super) limit: Instant,
    /// Until when it is surely held, in nanoseconds of the guard's clock.
    held: AtomicU64,
    lost: AtomicBool,
    runs: bool,
    id: u64,
}

/// Something to be said until the store has heard it.
pub(super) struct Job {
    pub(super) label: Arc<str>,
    pub(super) teller: Arc<Teller>,
    pub(super) what: What,
}

pub(super) enum What {
    /// An answer of any kind ends it.
    Say(Operation),
    /// A wish whose answer nobody waits for any more, and by which nothing was begun. What is still found of it is taken
    /// back; `looks` more times, for copies that are late on their way.
    Retract { key: Key, nonce: Nonce, looks: u8 },
    /// How a run ended that the store never granted.
    Note { begin: Box<Begin>, outcome: Outcome },
}

enum Waiter {
    /// Nothing is unsaid any more.
    Flush { within: Duration, done: oneshot::Sender<usize> },
    /// The same, after what still runs has had its time.
    Shutdown { within: Duration, done: oneshot::Sender<usize> },
}

impl Keeper {
    pub(super) fn start(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Arc<Self>, Invalid> {
        let keeper = Arc::new(Self {
            store,
            clock,
            inbox: Mutex::default(),
            thread: OnceLock::new(),
            unsaid: AtomicUsize::new(0),
            retracts: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
        });
        let worker = Worker::new(keeper.clone());
        let thread = thread::Builder::new().name("effect-keeper".into()).spawn(move || worker.run());
        let thread =
            thread.map_err(|error| Invalid::new("effect", format!("no thread for its keeper: {error}")))?;
        // Until this is set nobody has anything to wake it for.
        let _ = keeper.thread.set(thread.thread().clone());
        Ok(keeper)
    }

    /// Holds a right until [`Keeper::release`].
    pub(super) fn hold(&self, live: Holding, asked: Instant) -> Arc<Live> {
        let Holding { key, label, token, teller, lease, limit, runs } = live;
        let held = AtomicU64::new((asked + lease).as_nanos());
        let mut inbox = lock(&self.inbox);
        let id = inbox.next;
        inbox.next += 1;
        let lost = AtomicBool::new(false);
        let live = Arc::new(Live { key, label, token, teller, lease, limit, held, lost, runs, id });
        inbox.live.insert(id, live.clone());
        inbox.renewals.push(id);
        // Most are over long before they have to be renewed: it is not woken for each.
        let wake = inbox.sleeps.is_some_and(|until| asked + lease / 3 < until);
        drop(inbox);
        if wake {
            self.wake();
        }
        live
    }

    pub(super) fn release(&self, live: &Live) {
        let closed = {
            let mut inbox = lock(&self.inbox);
            inbox.live.remove(&live.id);
            inbox.closed
        };
        if closed || self.draining.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    pub(super) fn queue(&self, job: Job) {
        if matches!(job.what, What::Retract { .. })
            && self.retracts.fetch_add(1, Ordering::Relaxed) >= MOST_RETRACTS
        {
            self.retracts.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.unsaid.fetch_add(1, Ordering::Relaxed);
        lock(&self.inbox).jobs.push(job);
        self.wake();
    }

    /// Words the store has not heard yet.
    pub(super) fn unsaid(&self) -> usize {
        self.unsaid.load(Ordering::Relaxed)
    }

    pub(super) fn flush(&self, within: Duration) -> oneshot::Receiver<usize> {
        let (done, told) = oneshot::channel();
        lock(&self.inbox).waiters.push(Waiter::Flush { within, done });
        self.wake();
        told
    }

    pub(super) fn shutdown(&self, within: Duration) -> oneshot::Receiver<usize> {
        self.draining.store(true, Ordering::Relaxed);
        let (done, told) = oneshot::channel();
        lock(&self.inbox).waiters.push(Waiter::Shutdown { within, done });
        self.wake();
        told
    }

    /// The last handle is gone. The thread ends when nothing runs and nothing is left to say.
    pub(super) fn close(&self) {
        lock(&self.inbox).closed = true;
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// A right that is about to be held.
pub(super) struct Holding {
    pub(super) key: Key,
    pub(super) label: Arc<str>,
    pub(super) token: Token,
    pub(super) teller: Arc<Teller>,
    pub(super) lease: Duration,
    pub(super) limit: Instant,
    pub(super) runs: bool,
}

impl Live {
    /// Until when it is surely held.
    pub(super) fn held(&self) -> Instant {
        if self.lost.load(Ordering::Relaxed) {
            return Instant::ORIGIN;
        }
        Instant::from_nanos(self.held.load(Ordering::Relaxed))
    }

    fn renewed(&self, asked: Instant) {
        self.held.store((asked + self.lease).as_nanos(), Ordering::Relaxed);
    }

    /// Nothing may be sent by it any more.
    fn withdrawn(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    fn refused(&self) {
        if !self.lost.swap(true, Ordering::Relaxed) {
            one(&self.teller.counters.renewals_lost);
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("label", &self.label).field("token", &self.token).finish_non_exhaustive()
    }
}

impl Job {
    /// What is still to be done once the store has answered; none is nothing.
    fn heard(mut self, told: seawall_core::store::Told) -> Option<Job> {
        self.teller.noted(&self.label, told.notes);
        self.what = match (self.what, told.answer) {
            (What::Retract { key, nonce, looks }, Answer::Found(record)) => {
                let open = record.filter(|record| {
                    let state = record.state.as_str();
                    record.run.nonce == nonce
                        && matches!(state, "executing" | "in-doubt" | "reconciling" | "quarantined")
                });
                match open {
                    Some(record) => {
                        let outcome = Outcome::NotApplied { cooldown: Duration::ZERO };
                        What::Say(Operation::Complete { key, token: record.run, outcome })
                    }
                    None if looks > 0 => What::Retract { key, nonce, looks: looks - 1 },
                    None => return None,
                }
            }
            (What::Note { begin, outcome }, Answer::Run(token)) => {
                What::Say(Operation::Complete { key: begin.key, token, outcome })
            }
            _ => return None,
        };
        Some(self)
    }

    fn question(&self) -> Operation {
        match &self.what {
            What::Say(operation) => operation.clone(),
            What::Retract { key, .. } => Operation::Peek { key: *key },
            What::Note { begin, .. } => Operation::Begin(Begin::clone(begin)),
        }
    }
}
