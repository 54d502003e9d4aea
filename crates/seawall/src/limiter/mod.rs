//! Lets through only so many in so much time, per key or for all; the others wait in order, or are told when to come
//! back.
//!
#![doc = include_str!("../../../../docs/policies/limiter.md")]

mod common;
mod gate;
mod keys;
mod pauses;
mod reservation;
mod shared;
#[cfg(test)]
mod tests;
mod tiered;
mod waiting;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use seawall_core::event::{Event, Fact, Sink};
use seawall_core::provider::RateLimit;
use seawall_core::{Clock, Code, Instant, Rejection, Verdict};
use seawall_policy::Invalid;
use seawall_policy::limiter::Decision;
use seawall_policy::limiter::adaptive::Change;
pub use seawall_policy::limiter::tiers::{Tier, Tiers};
pub use seawall_policy::limiter::{Options, Queue, adaptive};
pub use seawall_policy::queue::Priority;

use crate::fleet::Fleet;
use crate::lock;
use crate::time::default_clock;
use common::Common;
use keys::{Keys, Meant};
pub use pauses::Pauses;
pub use reservation::Reservation;
use shared::Shared;
pub use tiered::{Tiered, TieredTaken};

/// A rate limiter, for everybody together or for each key apart. Clones share it.
///
/// Without keys [`Limiter::try_acquire`] swaps one word and takes no lock, unless somebody waits, the limit is reached,
/// the provider holds its pace, or (without a burst) a twentieth of the rate's span has gone by. With keys it takes one
/// short lock of many. For a key that is known neither allocates.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    options: Mutex<Options>,
    /// Does it adapt? Asked after every attempt.
    adapts: AtomicBool,
    scope: Scope,
    told: Option<(Arc<str>, Arc<dyn Sink>)>,
    refused: AtomicU64,
    waited: AtomicU64,
}

enum Scope {
    Everybody(Common),
    EachKey {
        per: Arc<str>,
        keys: Keys,
    },
    /// For all processes of a fleet: only those can pass that have time to ask.
    Fleet(Box<Shared>),
}

/// What a limiter has done since it was made, and what it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// How many were counted, given back or not.
    pub passed: u64,
    /// How many times somebody was refused.
    pub refused: u64,
    /// How many times somebody passed after a wait.
    pub waited: u64,
    /// How many wait now.
    pub waiting: usize,
    /// How many keys are remembered; none where the limit is for everybody.
    pub keys: usize,
    /// How many keys were forgotten that owed nothing.
    pub evicted: u64,
}

impl Limiter {
    /// One limit for everybody, on tokio's clock.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        Self::with(options, None, default_clock())
    }

    /// One limit for each key. `per` says what the key is, such as `header:x-user`.
    pub fn per_key(per: impl Into<Arc<str>>, options: Options) -> Result<Self, Invalid> {
        Self::with(options, Some(per.into()), default_clock())
    }

    /// The same on a clock of your own.
    pub fn with(options: Options, per: Option<Arc<str>>, clock: Arc<dyn Clock>) -> Result<Self, Invalid> {
        Self::telling(options, per, clock, None)
    }

    /// The same, offering the changes of its pace to a sink, under a name.
    pub fn telling(
        options: Options,
        per: Option<Arc<str>>,
        clock: Arc<dyn Clock>,
        told: Option<(Arc<str>, Arc<dyn Sink>)>,
    ) -> Result<Self, Invalid> {
        check(&options, per.is_some())?;
        let scope = match per {
            None => Scope::Everybody(Common::new(&options)),
            Some(per) => Scope::EachKey { per, keys: Keys::new(&options) },
        };
        let adapts = AtomicBool::new(options.adaptive.is_some());
        let (options, refused, waited) = (Mutex::new(options), AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self(Arc::new(Inner { clock, options, adapts, scope, told, refused, waited })))
    }

    /// One limit for all processes of a fleet, for everybody or for each key: whoever makes one of the same name, by the
    /// same store, shares it.
    ///
    /// Every call asks the store, in one round trip, so that it passes only where there is time to:
    /// [`Limiter::acquire_for`] and its like. Without time ([`Limiter::try_acquire`]) it is refused, and so is a hedge. While the store is away
    /// each process lets through its share; see [`crate::fleet`]. Refuses options that adapt: each process would hear
    /// only its own complaints.
    pub fn shared(
        fleet: &Fleet,
        name: impl Into<Arc<str>>,
        per: Option<Arc<str>>,
        options: Options,
    ) -> Result<Self, Invalid> {
        check_shared(&options)?;
        let (clock, scope) = (fleet.clock().clone(), Shared::new(fleet, name.into(), per, &options)?);
        Ok(Self(Arc::new(Inner {
            clock,
            options: Mutex::new(options),
            adapts: AtomicBool::new(false),
            scope: Scope::Fleet(Box::new(scope)),
            told: None,
            refused: AtomicU64::new(0),
            waited: AtomicU64::new(0),
        })))
    }

    /// The fleet it is shared with, where it is.
    pub fn fleet(&self) -> Option<&Fleet> {
        match &self.0.scope {
            Scope::Everybody(_) | Scope::EachKey { .. } => None,
            Scope::Fleet(shared) => Some(shared.fleet()),
        }
    }

    /// What the key is, where there is one.
    pub fn per(&self) -> Option<&Arc<str>> {
        match &self.0.scope {
            Scope::Everybody(_) => None,
            Scope::EachKey { per, .. } => Some(per),
            Scope::Fleet(shared) => shared.own().per(),
        }
    }

    /// Counts one call, or refuses with [`Code::RateLimited`] and when to come back. Where the limit is per key, all
    /// callers of this share the key of those who have none.
    #[inline]
    pub fn try_acquire(&self) -> Result<Taken<'_>, Rejection> {
        self.try_acquire_for("", 1)
    }

    /// Counts `n` calls of one key, or refuses with [`Code::RateLimited`] and when to come back. A limit for everybody
    /// ignores the key.
    #[inline]
    pub fn try_acquire_for(&self, key: &str, n: u32) -> Result<Taken<'_>, Rejection> {
        self.try_acquire_at(key, n, self.0.clock.now())
    }

    #[inline]
    pub(crate) fn try_acquire_at(&self, key: &str, n: u32, now: Instant) -> Result<Taken<'_>, Rejection> {
        // What usually happens is small enough to become part of the caller.
        if let Scope::Everybody(common) = &self.0.scope
            && common.passes(n, now)
        {
            return Ok(Taken { limiter: self, counted: Counted::here(Meant::CROWD, n, now) });
        }
        self.try_count(key, n, now)
            .map(|meant| Taken { limiter: self, counted: Counted::here(meant, n, now) })
    }

    fn try_count(&self, key: &str, n: u32, now: Instant) -> Result<Meant, Rejection> {
        match self.count(key, n, now) {
            Some((meant, Decision::Go)) => Ok(meant),
            Some((_, decision)) => Err(self.refuse(decision)),
            None => Err(Rejection::new(Code::RateLimited).because(
                "a limit that a fleet shares lets through only who has time to ask: wait for it with acquire_for",
            )),
        }
    }

    /// Counts `n` calls as soon as there is room, in order of arrival, within the queue's patience and before
    /// `deadline`. A waiter that is dropped leaves the queue and has taken nothing.
    pub async fn acquire_for(&self, key: &str, n: u32, deadline: Instant) -> Result<Taken<'_>, Rejection> {
        self.acquire_as(key, n, Priority::Normal, deadline).await
    }

    /// The same for a call that is more or less important than those who wait with it: the more important go first, and
    /// every eighth turn goes to whoever has waited longest, so that nobody waits for ever. In a full queue a high call
    /// takes the place of the youngest low one, which is refused with [`Code::QueueFull`].
    pub async fn acquire_as(
        &self,
        key: &str,
        n: u32,
        priority: Priority,
        deadline: Instant,
    ) -> Result<Taken<'_>, Rejection> {
        let counted = self.count_in_time(key, n, priority, deadline).await?;
        Ok(Taken { limiter: self, counted })
    }

    /// Counts the estimate of a cost that is known only afterwards, as [`Limiter::acquire_as`] does.
    /// [`Reservation::settle`] says what it was.
    pub async fn reserve(
        &self,
        key: &str,
        estimate: u32,
        priority: Priority,
        deadline: Instant,
    ) -> Result<Reservation, Rejection> {
        let counted = self.count_in_time(key, estimate, priority, deadline).await?;
        Ok(Reservation::new(self.clone(), counted))
    }

    /// Counts an estimate at once, or refuses with [`Code::RateLimited`] and when to come back.
    pub fn try_reserve(&self, key: &str, estimate: u32) -> Result<Reservation, Rejection> {
        let counted = self.try_acquire_for(key, estimate)?.counted;
        Ok(Reservation::new(self.clone(), counted))
    }

    /// How many calls could pass at once now. Of a limit that a fleet shares: of this process's share of it.
    pub fn remaining(&self, key: &str) -> u32 {
        let now = self.0.clock.now();
        match &self.0.scope {
            Scope::Everybody(common) => common.remaining(now),
            Scope::EachKey { keys, .. } => keys.remaining(keys.id(key), now),
            Scope::Fleet(shared) => shared.own().remaining(key),
        }
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        match &self.0.scope {
            Scope::Everybody(common) => common.line.len(),
            Scope::EachKey { keys, .. } => keys.waiting(),
            Scope::Fleet(shared) => shared.own().waiting(),
        }
    }

    /// How many keys are remembered; none where the limit is for everybody.
    pub fn keys(&self) -> Option<usize> {
        match &self.0.scope {
            Scope::Everybody(_) => None,
            Scope::EachKey { keys, .. } => Some(keys.len()),
            Scope::Fleet(shared) => shared.own().keys(),
        }
    }

    /// What it has done, and what it knows. Takes every lock once: for people and metrics, not for a call.
    pub fn stats(&self) -> Stats {
        let now = self.0.clock.now();
        let (passed, evicted) = match &self.0.scope {
            Scope::Everybody(common) => (common.passed(now), 0),
            Scope::EachKey { keys, .. } => (keys.passed(now), keys.evicted()),
            Scope::Fleet(shared) => (shared.passed(), shared.own().stats().evicted),
        };
        Stats {
            passed,
            refused: self.0.refused.load(Ordering::Relaxed),
            waited: self.0.waited.load(Ordering::Relaxed),
            waiting: self.waiting(),
            keys: self.keys().unwrap_or(0),
            evicted,
        }
    }

    /// The options it runs by.
    pub fn options(&self) -> Options {
        lock(&self.0.options).clone()
    }

    /// Other options, same counts: what was used is used under the new rate as well, no earlier than it was.
    pub fn update(&self, options: Options) -> Result<(), Invalid> {
        match &self.0.scope {
            Scope::Fleet(_) => check_shared(&options)?,
            Scope::Everybody(_) | Scope::EachKey { .. } => check(&options, self.per().is_some())?,
        }
        let now = self.0.clock.now();
        // Held to the end: of two updates one comes last everywhere.
        let mut current = lock(&self.0.options);
        match &self.0.scope {
            Scope::Everybody(common) => common.refit(&options, now),
            Scope::EachKey { keys, .. } => keys.refit(&options, now),
            Scope::Fleet(shared) => shared.refit(&options)?,
        }
        self.0.adapts.store(options.adaptive.is_some(), Ordering::Relaxed);
        *current = options;
        Ok(())
    }

    /// Forgets what one key has used. A key that is not remembered may be one of those who share a meter: that is reset
    /// then. Where a fleet shares the limit, the store is told, for everybody.
    pub fn reset(&self, key: &str) {
        let now = self.0.clock.now();
        match &self.0.scope {
            Scope::Everybody(common) => common.reset(now),
            Scope::EachKey { keys, .. } => keys.reset(keys.id(key), now),
            Scope::Fleet(shared) => shared.reset(key, &self.options()),
        }
    }

    /// Forgets what everybody has used. Of a limit per key that a fleet shares, only what this process counts by itself:
    /// reset its keys one by one.
    pub fn reset_all(&self) {
        let now = self.0.clock.now();
        match &self.0.scope {
            Scope::Everybody(common) => common.reset(now),
            Scope::EachKey { keys, .. } => keys.reset_all(now),
            Scope::Fleet(shared) => {
                shared.own().reset_all();
                if shared.own().per().is_none() {
                    shared.reset("", &self.options());
                }
            }
        }
    }

    /// An attempt ended so. An adaptive limit slows down on a 429, an overload error and a time-out, and recovers while
    /// calls succeed; any other limit ignores it.
    pub fn feedback(&self, verdict: Verdict) {
        if let Scope::Everybody(common) = &self.0.scope
            && self.0.adapts.load(Ordering::Relaxed)
        {
            self.tell(common.hear(verdict.class(), self.0.clock.now()));
        }
    }

    /// The provider says what is left of its own limit: a pace slower than ours holds until its count begins anew. A
    /// limit per key ignores it: the provider counts otherwise.
    pub fn learn(&self, said: &RateLimit) {
        if let Scope::Everybody(common) = &self.0.scope {
            self.tell(common.learn(said, self.0.clock.now()));
        }
    }

    /// The share of the configured rate that passes now, above 0 and at most 1.
    pub fn pace(&self) -> f64 {
        match &self.0.scope {
            Scope::Everybody(common) => common.share(self.0.clock.now()),
            Scope::EachKey { .. } | Scope::Fleet(_) => 1.0,
        }
    }

    fn tell(&self, change: Option<Change>) {
        if let (Some(Change { share, why }), Some((name, sink))) = (change, &self.0.told) {
            let fact = Fact::PaceChanged { share, why };
            sink.offer(Event { at: self.0.clock.now(), name: name.clone(), fact });
        }
    }

    /// Counts `n` if they may pass now; nothing where only a store could say so.
    fn count(&self, key: &str, n: u32, now: Instant) -> Option<(Meant, Decision)> {
        match &self.0.scope {
            Scope::Everybody(common) => Some((Meant::CROWD, common.take(n, now))),
            Scope::EachKey { keys, .. } => Some(keys.take(keys.id(key), n, now)),
            Scope::Fleet(_) => None,
        }
    }

    fn settle(&self, counted: Counted, actual: u64) {
        let Counted { meant, n, at, .. } = counted;
        let now = self.0.clock.now();
        let estimate = u64::from(n);
        match &self.0.scope {
            Scope::Everybody(common) if actual > estimate => common.charge(actual - estimate, now),
            Scope::Everybody(common) if actual < estimate => common.give_back(estimate - actual, at, now),
            Scope::EachKey { keys, .. } if actual > estimate => keys.charge(meant, actual - estimate, now),
            Scope::EachKey { keys, .. } if actual < estimate => {
                keys.give_back(meant, estimate - actual, at, now);
            }
            Scope::Fleet(shared) => shared.settle(counted, actual, &self.options()),
            Scope::Everybody(_) | Scope::EachKey { .. } => {}
        }
    }

    #[cold]
    fn refuse(&self, decision: Decision) -> Rejection {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        let rejection = Rejection::new(Code::RateLimited);
        match decision {
            Decision::Wait(wait) => rejection.after(wait),
            _ => rejection.because("more is asked for at once than the limit ever holds"),
        }
    }
}

fn check(options: &Options, keyed: bool) -> Result<(), Invalid> {
    options.check()?;
    if keyed && options.adaptive.is_some() {
        let why = "a limit per key cannot adapt, for a complaint is about all keys: write it on a limit without keys";
        return Err(Invalid::new("adaptive", why));
    }
    Ok(())
}

fn check_shared(options: &Options) -> Result<(), Invalid> {
    options.check()?;
    if options.adaptive.is_some() {
        let why = "a limit that a fleet shares cannot adapt, for each process hears only its own complaints: leave it out";
        return Err(Invalid::new("adaptive", why));
    }
    Ok(())
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("options", &self.options()).finish_non_exhaustive()
    }
}

/// What was counted, where and when.
#[derive(Debug, Clone, Copy)]
struct Counted {
    meant: Meant,
    n: u32,
    by: By,
    /// By the clock of whoever counted it.
    at: Instant,
    /// Which key of a limit that a fleet shares.
    key: u64,
}

/// Who has counted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// This process.
    Here,
    /// The store of a fleet.
    Store,
}

impl Counted {
    fn here(meant: Meant, n: u32, at: Instant) -> Self {
        Self { meant, n, by: By::Here, at, key: 0 }
    }
}

/// Proof that calls were counted. Dropping it keeps them counted; [`Taken::give_back`] takes them back, for a call that
/// never left.
#[derive(Debug)]
pub struct Taken<'a> {
    limiter: &'a Limiter,
    counted: Counted,
}

impl Taken<'_> {
    /// The call did not go: somebody else may.
    pub fn give_back(self) {
        self.limiter.settle(self.counted, 0);
    }
}
