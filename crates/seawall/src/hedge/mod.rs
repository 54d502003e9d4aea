//! Asks a second time when the first answer is slow, for calls that may be repeated; the first good answer wins.
//!
#![doc = include_str!("../../../../docs/policies/hedge.md")]

mod race;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::event::{Event, Fact, Sink};
use seawall_core::{Clock, Code, Effects, Instant};
use seawall_policy::Invalid;
pub use seawall_policy::hedge::{Delay, Options};
use seawall_policy::hedge::{MEMORY, when};
use seawall_policy::latency::Latencies;

pub(crate) use race::{First, Raced, race};

use crate::lock;
use crate::retry::{self, Budget};
use crate::time::default_clock;

/// Hedging for calls to one upstream. Clones share what was learnt: less than 3 KB.
///
/// A call that is answered at once costs a look at the clock and two short locks; nothing is allocated before a hedge is
/// due. Nothing is spawned.
#[derive(Clone)]
pub struct Hedge(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn Sink>>,
    budget: Purse,
    learnt: Mutex<Learnt>,
}

struct Learnt {
    options: Options,
    latencies: Latencies,
}

/// Out of whose budget hedges are made.
enum Purse {
    /// Its own: calls are counted here.
    Own(Budget),
    /// Of somebody who stands outside, and has counted the call.
    Shared(Budget),
}

/// What the operation may know about the attempt it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cx {
    hedge: u32,
}

impl Cx {
    /// Which hedge this is, from 1; 0 is the attempt that is hedged.
    pub fn hedge(&self) -> u32 {
        self.hedge
    }

    /// Is another attempt of the same call under way?
    pub fn is_hedge(&self) -> bool {
        self.hedge > 0
    }
}

impl Hedge {
    /// Hedges out of a budget of its own, that of a retry's defaults: one for every five calls and ten more in ten
    /// seconds. Refuses options that would send everything twice.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        let budget = Purse::Own(Budget::new(&retry::Options::default()));
        Self::build("hedge".into(), options, budget, default_clock(), None)
    }

    /// Hedges out of a budget that retries draw from too. Calls are counted by whoever stands outside (a
    /// [`Retry`](retry::Retry) or a pipeline that shares the budget), or by you with [`Budget::deposit`].
    pub fn with(
        name: impl Into<Arc<str>>,
        options: Options,
        budget: Budget,
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, Invalid> {
        Self::build(name.into(), options, Purse::Shared(budget), clock, sink)
    }

    /// The options it runs by.
    pub fn options(&self) -> Options {
        lock(&self.0.learnt).options.clone()
    }

    fn build(
        name: Arc<str>,
        options: Options,
        budget: Purse,
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, Invalid> {
        options.check()?;
        let learnt = Mutex::new(Learnt { options, latencies: Latencies::new(MEMORY) });
        Ok(Self(Arc::new(Inner { name, clock, sink, budget, learnt })))
    }

    /// Other options, same memory.
    pub fn update(&self, options: Options) -> Result<(), Invalid> {
        options.check()?;
        lock(&self.0.learnt).options = options;
        Ok(())
    }

    /// How long a call that begins now has to itself before it is hedged; nothing, as long as too little is known.
    pub fn delay(&self) -> Option<Duration> {
        let now = self.0.clock.now();
        self.due(now, 0, now).map(|due| now.until(due))
    }

    /// The budget hedges are drawn from.
    pub fn budget(&self) -> &Budget {
        match &self.0.budget {
            Purse::Own(budget) | Purse::Shared(budget) => budget,
        }
    }

    /// Runs the operation, and once more beside it when it is slow and [`Effects::Repeatable`]; an operation of any
    /// other kind is run once and teaches nothing.
    ///
    /// The first `Ok` wins and the others are dropped. An `Err` ends the call only when nobody is left under way; it is
    /// then the first attempt's. Hedges are no refusals and add none. Dropping the future drops all attempts.
    pub async fn run<T, E, F, Fut>(&self, effects: Effects, mut operation: F) -> Result<T, E>
    where
        F: FnMut(Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let first = operation(Cx { hedge: 0 });
        if effects != Effects::Repeatable {
            return first.await;
        }
        let started = self.0.clock.now();
        if let Purse::Own(budget) = &self.0.budget {
            budget.deposit(started);
        }
        let mut hedge = 0;
        let admit = || {
            let now = self.0.clock.now();
            if !self.budget().withdraw(now) {
                self.tell(now, Fact::HedgeDenied { code: Code::RetryBudgetExhausted });
                return None;
            }
            self.tell(now, Fact::Hedged { after: now.since(started) });
            hedge += 1;
            Some(operation(Cx { hedge }))
        };
        self.race(started, first, admit, Result::is_ok).await.output
    }

    /// Runs `first`, which begins at `started`, and beside it what `admit` gives when a hedge is due: see [`race`].
    ///
    /// What is learnt is how long first attempts take. One that was outrun took at least until then, and counts as that
    /// long: leaving it out would make the delay shrink with every hedge that wins.
    pub(crate) async fn race<F, H, T>(
        &self,
        started: Instant,
        first: F,
        admit: impl FnMut() -> Option<H>,
        acceptable: impl FnMut(&T) -> bool,
    ) -> Raced<T>
    where
        F: Future<Output = T>,
        H: Future<Output = T>,
    {
        let next = |made| {
            let now = self.0.clock.now();
            self.due(started, made, now).map(|due| now.until(due))
        };
        let raced = race(first, next, admit, acceptable).await;
        if raced.first != First::Failed {
            let now = self.0.clock.now();
            lock(&self.0.learnt).latencies.record(now.since(started), now);
        }
        raced
    }

    fn due(&self, started: Instant, made: u32, now: Instant) -> Option<Instant> {
        let learnt = &mut *lock(&self.0.learnt);
        when(&learnt.options, &mut learnt.latencies, made, started, now)
    }

    fn tell(&self, at: Instant, fact: Fact) {
        if let Some(sink) = &self.0.sink {
            sink.offer(Event { at, name: self.0.name.clone(), fact });
        }
    }
}

impl fmt::Debug for Hedge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge").field("name", &self.0.name).field("delay", &self.delay()).finish()
    }
}
