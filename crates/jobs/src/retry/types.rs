//! What is counted of each type of jobs, for at most so many types.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seawall::breaker::State;
use seawall_core::Instant;
use seawall_policy::job::{Block, Summary, Tally};
use seawall_signals::metrics::{Registry, names};
use seawall_signals::view::BreakerState;

/// The last hour of this process.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hour {
    /// All jobs together.
    pub all: Summary,
    /// Each type by itself.
    pub types: BTreeMap<Arc<str>, Summary>,
    /// Types beyond those that are told apart.
    pub overflow: Option<Overflow>,
}

/// More types than are told apart: those that came too late share a breaker and their counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overflow {
    /// The name they share.
    pub shared: Arc<str>,
    /// The first type that found no room.
    pub first: String,
    /// How often one did.
    pub times: u64,
}

/// What types that came too late are called.
const SHARED: &str = "(overflow)";

/// Longer names are cut.
const LONGEST_NAME: usize = 256;

pub(super) struct Types {
    max: usize,
    registry: Option<Registry>,
    inner: Mutex<Inner>,
}

struct Inner {
    all: Tally,
    types: BTreeMap<Arc<str>, (Tally, State)>,
    overflow: Option<Overflow>,
}

impl Types {
    pub(super) fn new(max: usize, known: impl Iterator<Item = Arc<str>>, registry: Option<Registry>) -> Self {
        let types = known.map(|kind| (kind, (Tally::default(), State::Closed))).collect();
        let inner = Mutex::new(Inner { all: Tally::default(), types, overflow: None });
        Self { max, registry, inner }
    }

    /// The name under which a type is counted and has its breaker.
    pub(super) fn name(&self, job_type: &str) -> Arc<str> {
        let name = &job_type[..job_type.floor_char_boundary(LONGEST_NAME)];
        let mut inner = self.lock();
        if let Some((known, _)) = inner.types.get_key_value(name) {
            return known.clone();
        }
        let name: Arc<str> = if inner.types.len() < self.max {
            name.into()
        } else {
            let new = || Overflow { shared: SHARED.into(), first: name.to_owned(), times: 0 };
            let overflow = inner.overflow.get_or_insert_with(new);
            overflow.times = overflow.times.saturating_add(1);
            overflow.shared.clone()
        };
        inner.types.entry(name.clone()).or_insert_with(|| (Tally::default(), State::Closed));
        name
    }

    pub(super) fn began(&self, kind: &Arc<str>, attempt: u32, now: Instant) {
        self.count(kind, |tally| tally.began(attempt, now));
        if attempt > 1
            && let Some(registry) = &self.registry
        {
            names::JOB_RETRIES.with(registry, [kind]).inc();
        }
    }

    pub(super) fn ended(&self, kind: &Arc<str>, worked: bool, finished: Option<u32>, now: Instant) {
        self.count(kind, |tally| tally.ended(worked, finished, now));
        if let Some(registry) = &self.registry {
            names::JOB_ATTEMPTS.with(registry, [kind, if worked { "worked" } else { "failed" }]).inc();
        }
    }

    pub(super) fn blocked(&self, kind: &Arc<str>, why: Block, now: Instant) {
        self.count(kind, |tally| tally.blocked(why, now));
        if let Some(registry) = &self.registry {
            names::JOB_BLOCKS.with(registry, [kind, why.as_str()]).inc();
        }
    }

    /// A breaker was moved by this process.
    pub(super) fn moved(&self, kind: &Arc<str>, to: State) {
        self.seen(kind, to);
        if let Some(registry) = &self.registry
            && let Some(to) = BreakerState::parse(to.as_str())
        {
            names::breaker_transitions(registry, kind, "").of(to).inc();
        }
    }

    /// A breaker was seen to stand there.
    pub(super) fn seen(&self, kind: &Arc<str>, state: State) {
        if let Some((_, seen)) = self.lock().types.get_mut(kind) {
            *seen = state;
        }
    }

    /// Each type and where its breaker was last seen.
    pub(super) fn states(&self) -> Vec<(Arc<str>, State)> {
        self.lock().types.iter().map(|(kind, (_, state))| (kind.clone(), *state)).collect()
    }

    pub(super) fn hour(&self, now: Instant) -> Hour {
        let mut inner = self.lock();
        Hour {
            all: inner.all.summary(now),
            types: inner
                .types
                .iter_mut()
                .map(|(kind, (tally, _))| (kind.clone(), tally.summary(now)))
                .collect(),
            overflow: inner.overflow.clone(),
        }
    }

    pub(super) fn reset(&self) {
        let mut inner = self.lock();
        inner.all.clear();
        inner.types.values_mut().for_each(|(tally, _)| tally.clear());
    }

    fn count(&self, kind: &Arc<str>, count: impl Fn(&mut Tally)) {
        let mut inner = self.lock();
        count(&mut inner.all);
        if let Some((tally, _)) = inner.types.get_mut(kind) {
            count(tally);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
