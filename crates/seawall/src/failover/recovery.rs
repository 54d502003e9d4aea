//! Emergency procedures: for each critical state its procedures, run in order and once an episode, with a record.
//!
//! The states are yours to name. A procedure that fails, or takes too long, is tried again as often as it says, then the
//! next one is; the first that works ends the episode. While an episode is under way, or has just been, the same state
//! begins no other.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::{Clock, Instant};
use seawall_policy::Invalid;
use seawall_policy::failover::recovery::{Machine, Next, check_attempts};
pub use seawall_policy::failover::recovery::{Options, Refusal};

use crate::lock;
use crate::time::default_clock;
use crate::timeout::within;

/// The longest reason that is remembered, in characters.
const REASON: usize = 200;

type Running = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// One procedure: a name, and what to do.
pub struct Procedure {
    name: Arc<str>,
    attempts: Option<u32>,
    deadline: Option<Duration>,
    begin: Box<dyn Fn() -> Running + Send + Sync>,
}

impl Procedure {
    /// A procedure that works if it returns `Ok`. It runs once unless [`Procedure::attempts`] says otherwise.
    pub fn new<E, Fut>(name: impl Into<Arc<str>>, begin: impl Fn() -> Fut + Send + Sync + 'static) -> Self
    where
        E: fmt::Display,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        let begin = Box::new(move || {
            let running = begin();
            Box::pin(async { running.await.map_err(|error| error.to_string()) }) as Running
        });
        Self { name: name.into(), attempts: None, deadline: None, begin }
    }

    /// How often it may be tried: 1 to 10. More than once only where half of it done twice does no harm.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// The longest one attempt may take; then it is dropped, and counts as failed.
    pub fn deadline(mut self, span: Duration) -> Self {
        self.deadline = Some(span);
        self
    }
}

impl fmt::Debug for Procedure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Procedure").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The critical states and their procedures. Clones share everything.
#[derive(Clone)]
pub struct Recovery(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    options: Options,
    states: BTreeMap<Arc<str>, State>,
    history: Mutex<VecDeque<Episode>>,
}

struct State {
    procedures: Vec<Procedure>,
    machine: Mutex<Machine>,
}

/// How an episode ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A procedure worked.
    Recovered,
    /// None did: somebody has to look.
    GaveUp,
    /// Whoever ran it went away half-way.
    Abandoned,
}

/// One episode of a critical state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// The state.
    pub state: Arc<str>,
    /// When it came up.
    pub began: Instant,
    /// How long the procedures took.
    pub took: Duration,
    /// How it ended.
    pub end: End,
    /// Every attempt, in order.
    pub steps: Vec<Step>,
}

/// One attempt of a procedure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which procedure.
    pub procedure: Arc<str>,
    /// Which attempt of it, from 1.
    pub attempt: u32,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// Why nothing was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBegun {
    /// No state has this name.
    Unknown,
    /// An episode of it is under way, or has just been.
    Refused(Refusal),
}

impl Recovery {
    /// These states, each with its procedures in the order in which they are tried. Refuses a state without any, and
    /// options that contradict themselves.
    pub fn new<N: Into<Arc<str>>>(
        options: Options,
        states: impl IntoIterator<Item = (N, Vec<Procedure>)>,
    ) -> Result<Self, Invalid> {
        Self::with(options, states, default_clock())
    }

    /// The same on a clock of your own.
    pub fn with<N: Into<Arc<str>>>(
        options: Options,
        states: impl IntoIterator<Item = (N, Vec<Procedure>)>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Invalid> {
        options.check()?;
        let mut known = BTreeMap::new();
        for (name, procedures) in states {
            let name = name.into();
            if procedures.is_empty() {
                return Err(Invalid::new("procedures", format!("{name:?} has none: write at least one")));
            }
            let tries = |procedure: &Procedure| procedure.attempts.unwrap_or(options.attempts);
            let attempts: Vec<u32> = procedures.iter().map(tries).collect();
            attempts.iter().try_for_each(|attempts| check_attempts(*attempts))?;
            let machine = Mutex::new(Machine::new(options.cooldown, attempts));
            if known.insert(name.clone(), State { procedures, machine }).is_some() {
                return Err(Invalid::new("states", format!("{name:?} is there twice: write another name")));
            }
        }
        Ok(Self(Arc::new(Inner { clock, options, states: known, history: Mutex::default() })))
    }

    /// The state has come up: runs its procedures here and now, and gives the record of it. Dropping the future drops the
    /// procedure that is running and ends the episode as abandoned.
    pub async fn trigger(&self, state: &str) -> Result<Episode, NotBegun> {
        let (name, known) = self.0.states.get_key_value(state).ok_or(NotBegun::Unknown)?;
        let began = self.0.clock.now();
        let mut next = lock(&known.machine).begin(began).map_err(NotBegun::Refused)?;
        let mut under_way =
            UnderWay { recovery: self, name, state: known, began, steps: Vec::new(), closed: false };
        loop {
            let end = match next {
                Next::Run { procedure, attempt } => {
                    next = under_way.attempt(procedure, attempt).await;
                    continue;
                }
                Next::Recovered => End::Recovered,
                Next::GaveUp => End::GaveUp,
            };
            return Ok(under_way.close(end));
        }
    }

    /// Is an episode of this state under way?
    pub fn is_running(&self, state: &str) -> bool {
        self.0.states.get(state).is_some_and(|state| lock(&state.machine).is_running())
    }

    /// The episodes that are remembered, oldest first.
    pub fn history(&self) -> Vec<Episode> {
        lock(&self.0.history).iter().cloned().collect()
    }

    fn remember(&self, episode: Episode) {
        let mut history = lock(&self.0.history);
        history.push_back(episode);
        while history.len() > self.0.options.history {
            history.pop_front();
        }
    }
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.states.keys()).finish()
    }
}

/// An episode that has not ended. Dropped, it was abandoned.
struct UnderWay<'a> {
    recovery: &'a Recovery,
    name: &'a Arc<str>,
    state: &'a State,
    began: Instant,
    steps: Vec<Step>,
    closed: bool,
}

impl UnderWay<'_> {
    async fn attempt(&mut self, procedure: usize, attempt: u32) -> Next {
        let Inner { clock, options, .. } = &*self.recovery.0;
        // The machine counts the procedures of this very list.
        let Some(procedure) = self.state.procedures.get(procedure) else { return Next::GaveUp };
        let patience = procedure.deadline.unwrap_or(options.deadline);
        let began = clock.now();
        let failure = match within((procedure.begin)(), patience).await {
            Ok(Ok(())) => None,
            Ok(Err(reason)) => Some(reason.chars().take(REASON).collect()),
            Err(_) => Some(format!("not done in {}", seawall_core::units::format_duration(patience))),
        };
        let now = clock.now();
        let worked = failure.is_none();
        self.steps.push(Step { procedure: procedure.name.clone(), attempt, took: now.since(began), failure });
        lock(&self.state.machine).ended(worked, now)
    }

    fn close(mut self, end: End) -> Episode {
        // The machine has ended by itself, and may by now be in its next episode.
        self.closed = true;
        let episode = self.record(end);
        self.recovery.remember(episode.clone());
        episode
    }

    fn record(&mut self, end: End) -> Episode {
        Episode {
            state: self.name.clone(),
            began: self.began,
            took: self.recovery.0.clock.now().since(self.began),
            end,
            steps: std::mem::take(&mut self.steps),
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.closed {
            lock(&self.state.machine).abandon(self.recovery.0.clock.now());
            let episode = self.record(End::Abandoned);
            self.recovery.remember(episode);
        }
    }
}
