//! Belonging to a fleet: processes that share limits, breakers and leases through one store, and go on with a share of
//! their own while it is away.
//!
#![doc = include_str!("../../../../docs/fleet.md")]

mod beat;
mod lease;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use seawall_core::clock::wall_now;
use seawall_core::fleet::{self as port, Member, breaker, limit, presence};
use seawall_core::store::{Asked, StoreError};
use seawall_core::{Clock, Instant};
use seawall_policy::Invalid;
pub use seawall_policy::fleet::Options;
use tokio::sync::{Notify, oneshot};

use crate::time::default_clock;
use crate::timeout::within;
pub use lease::{Lease, Taken};

/// A process's place in its fleet. Clones share it; when the last is gone, and with it every limiter, breaker and lease
/// that was made with it, the process leaves.
#[derive(Clone)]
pub struct Fleet(Arc<Place>);

/// What leaves when it is dropped.
struct Place(Arc<Inner>);

pub(crate) struct Inner {
    store: Arc<dyn port::Fleet>,
    group: Arc<str>,
    member: Member,
    options: Options,
    clock: Arc<dyn Clock>,
    up: AtomicBool,
    size: AtomicU32,
    /// When the store was lost or found last, in nanoseconds of the clock.
    since: AtomicU64,
    /// The store was lost, or the process leaves.
    woken: Notify,
    left: AtomicBool,
    runtime: tokio::runtime::Handle,
}

/// By what something is decided that a fleet shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// By the store, for all members together.
    Shared,
    /// By this process alone, with its share: the store is away.
    Local,
}

impl Source {
    /// The word people see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Shared => "shared",
            Source::Local => "local",
        }
    }
}

/// How a process stands in its fleet, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What the fleet is called.
    pub group: Arc<str>,
    /// By what is decided what it shares.
    pub source: Source,
    /// How many members were last heard of, this one included.
    pub size: u32,
    /// Since when it stands so.
    pub since: Instant,
}

/// The store did not answer, or not in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Away;

impl Fleet {
    /// Joins the fleet of that name, and goes on saying that it is there, in the background of the tokio runtime this is
    /// awaited in. Returns once the store has said how many there are, or has not answered in time: then it is asked
    /// again and again, and everything is decided here meanwhile.
    ///
    /// Refuses options that are out of range, and to be awaited outside of a tokio runtime.
    pub async fn join(
        store: Arc<dyn port::Fleet>,
        group: impl Into<Arc<str>>,
        options: Options,
    ) -> Result<Self, Invalid> {
        Self::join_on(store, group, options, default_clock()).await
    }

    /// The same on a clock of your own. Waits stay tokio's.
    pub async fn join_on(
        store: Arc<dyn port::Fleet>,
        group: impl Into<Arc<str>>,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Invalid> {
        options.check()?;
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return Err(Invalid::new("fleet", "there is no tokio runtime here: join within one"));
        };
        let inner = Arc::new(Inner {
            store,
            group: group.into(),
            member: drawn(),
            up: AtomicBool::new(true),
            size: AtomicU32::new(options.members),
            since: clock.now().as_nanos().into(),
            woken: Notify::new(),
            left: AtomicBool::new(false),
            options,
            clock,
            runtime,
        });
        inner.beat().await;
        inner.runtime.spawn(beat::go_on(inner.clone()));
        Ok(Self(Arc::new(Place(inner))))
    }

    /// How many members were last heard of, this one included. It grows at once; it shrinks where the store has answered
    /// for three beats, so that one that comes back empty makes nobody believe to be alone. Before the store has said
    /// anything, what the options say.
    pub fn size(&self) -> u32 {
        self.0.0.size()
    }

    /// By what is decided now what the fleet shares.
    pub fn source(&self) -> Source {
        if self.0.0.is_up() { Source::Shared } else { Source::Local }
    }

    /// How this process stands in its fleet, for people.
    pub fn standing(&self) -> Standing {
        let inner = &self.0.0;
        Standing {
            group: inner.group.clone(),
            source: self.source(),
            size: self.size(),
            since: Instant::from_nanos(inner.since.load(Ordering::Relaxed)),
        }
    }

    /// Takes a name for `span` and keeps it until the lease is dropped; nobody else of the same store has it meanwhile,
    /// whatever fleet they are in. An error where the store does not answer: then nobody can know.
    pub async fn lease(&self, name: impl Into<Arc<str>>, span: Duration) -> Result<Taken, StoreError> {
        lease::take(self, name.into(), span).await
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.0.clock
    }

    /// Takes from a limit. A grant that comes when nobody waits for it any more is given back.
    pub(crate) async fn take(&self, of: &limit::Of, n: u32, owed: u64) -> Result<limit::Said, Away> {
        let inner = &self.0.0;
        if !inner.up.load(Ordering::Relaxed) {
            return Err(Away);
        }
        let (said, answer) = oneshot::channel();
        let (store, of) = (inner.store.clone(), of.clone());
        let take = async move {
            let answer = store.limit(&of, limit::Ask::Take { n, owed }).await;
            if let Err(Ok(limit::Said::Go(taken))) = said.send(answer) {
                let _ = store.limit(&of, limit::Ask::GiveBack { n: n.into(), taken }).await;
            }
        };
        tokio::spawn(take);
        let answer = within(answer, inner.options.patience).await;
        inner.heard(answer.unwrap_or_else(|_| Ok(Err(late()))).unwrap_or_else(|_| Err(late())))
    }

    /// Says something to a limit that nobody waits for.
    pub(crate) fn say(&self, of: &limit::Of, ask: limit::Ask) {
        if self.0.0.up.load(Ordering::Relaxed) {
            // It has been handed over.
            drop(self.0.0.store.limit(of, ask));
        }
    }

    /// What a part of this process works with in the background, without keeping the process in its fleet.
    pub(crate) fn background(&self) -> (Arc<Inner>, tokio::runtime::Handle) {
        (self.0.0.clone(), self.0.0.runtime.clone())
    }

    pub(crate) fn store(&self) -> &Arc<dyn port::Fleet> {
        &self.0.0.store
    }
}

fn late() -> StoreError {
    StoreError::Unavailable("no answer in time".into())
}

/// Nobody else draws the same.
fn drawn() -> Member {
    let time = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let low = u128::from(fastrand::u64(..));
    Member(u128::from(fastrand::u64(..)) << 64 | (low ^ time.as_nanos()))
}

impl Inner {
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub(crate) fn size(&self) -> u32 {
        self.size.load(Ordering::Relaxed).max(1)
    }

    pub(crate) fn poll(&self) -> Duration {
        self.options.poll
    }

    /// Asks a breaker.
    pub(crate) async fn breaker(
        &self,
        name: &Arc<str>,
        rules: &breaker::Rules,
        ask: breaker::Ask,
    ) -> Result<breaker::Said, Away> {
        self.asked(self.store.breaker(name, rules, ask)).await
    }

    /// Says that this process is there, and hears how many are.
    async fn beat(&self) {
        let here = presence::Ask::Here(self.member, self.options.counted());
        if let Ok(size) = self.asked(self.store.presence(&self.group, here)).await {
            if !self.up.swap(true, Ordering::Relaxed) {
                self.moved();
            }
            // A store that has only just been found has not heard of everybody yet.
            let since = Instant::from_nanos(self.since.load(Ordering::Relaxed));
            if self.clock.now().since(since) >= self.options.counted() {
                self.size.store(size, Ordering::Relaxed);
            } else {
                self.size.fetch_max(size, Ordering::Relaxed);
            }
        }
    }

    /// An answer within our patience, or the end of it.
    async fn asked<T>(&self, asked: Asked<'_, T>) -> Result<T, Away> {
        let answer = within(asked, self.options.patience).await;
        self.heard(answer.unwrap_or_else(|_| Err(late())))
    }

    /// A store that does not answer is not asked again by calls, until it answers in the background. What it has kept
    /// of one thing may be damaged: that says nothing of the others.
    fn heard<T>(&self, answer: Result<T, StoreError>) -> Result<T, Away> {
        answer.map_err(|error| {
            if !matches!(error, StoreError::Unreadable(_)) && self.up.swap(false, Ordering::Relaxed) {
                self.moved();
                self.woken.notify_one();
            }
            Away
        })
    }

    fn moved(&self) {
        self.since.store(self.clock.now().as_nanos(), Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.left.store(true, Ordering::Relaxed);
        self.0.woken.notify_one();
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("group", &self.0.0.group)
            .field("source", &self.source())
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}
