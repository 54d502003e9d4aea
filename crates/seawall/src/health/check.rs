//! A check: a name, what it looks at, and what it is worth.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use seawall_policy::Invalid;
use seawall_policy::health::trend::Limit;
use seawall_policy::health::{Level, Weight, check_deadline, check_interval, check_patience};

use super::feed::Feed;
use crate::breaker::{Breaker, State as BreakerState};
use crate::failover::Group;

/// The longest reason that is remembered, in characters.
const REASON: usize = 200;
/// The longest name.
const NAME: usize = 128;

/// A look that is under way.
pub type Probing = Pin<Box<dyn Future<Output = Finding> + Send>>;

/// Whoever can look. The look is given a task of its own, which is dropped when its deadline passes.
pub trait Probe: Send + Sync + 'static {
    /// What kind of look it is, in one word, such as `tcp`.
    fn kind(&self) -> &'static str;

    /// Looks once.
    fn probe(self: Arc<Self>) -> Probing;
}

/// What one look found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// How well it is; nothing where there is nothing to look at.
    pub level: Option<Level>,
    /// Why it is not healthy, or what else is worth saying: at most 200 characters.
    pub why: Option<Arc<str>>,
    /// What was measured, where something was.
    pub measured: Option<Measured>,
}

/// A number that a look measured. It becomes a trend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// How much.
    pub value: f64,
    /// Of what, such as `share`, `bytes` or `celsius`.
    pub unit: &'static str,
    /// Where it fails; a forecast says when that will be.
    pub limit: Option<Limit>,
}

impl Finding {
    /// All is well.
    pub const fn healthy() -> Self {
        Self { level: Some(Level::Healthy), why: None, measured: None }
    }

    /// It works, and not as it should. Says why: lower case, no full stop, no secret.
    pub fn degraded(why: impl fmt::Display) -> Self {
        Self::of(Level::Degraded, why)
    }

    /// It does not work. Says why.
    pub fn unhealthy(why: impl fmt::Display) -> Self {
        Self::of(Level::Unhealthy, why)
    }

    /// There is nothing to look at. Says why.
    pub fn absent(why: impl fmt::Display) -> Self {
        Self { level: None, why: Some(reason(&why)), measured: None }
    }

    /// So well, for this reason.
    pub fn of(level: Level, why: impl fmt::Display) -> Self {
        Self { level: Some(level), why: Some(reason(&why)), measured: None }
    }

    /// The same finding, with a number.
    pub fn measured(mut self, measured: Measured) -> Self {
        self.measured = Some(measured);
        self
    }
}

fn reason(why: &dyn fmt::Display) -> Arc<str> {
    let plain: String =
        why.to_string().chars().take(REASON).map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.into()
}

/// One check of a [`Registry`](super::Registry).
#[derive(Clone)]
pub struct Check {
    pub(super) name: Arc<str>,
    pub(super) weight: Weight,
    pub(super) deadline: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) patience: Option<(u32, u32)>,
    /// Nothing where real calls are all it knows of.
    pub(super) probe: Option<Arc<dyn Probe>>,
    pub(super) feed: Option<Feed>,
    pub(super) reports_to: Vec<(Group, Arc<str>)>,
}

impl Check {
    /// A check of this name that looks by this probe. It is *supporting* until [`Check::critical`] says otherwise.
    pub fn new(name: impl Into<Arc<str>>, probe: impl Probe) -> Self {
        Self { probe: Some(Arc::new(probe)), ..Self::calls(name) }
    }

    /// A check that sends nothing itself: real calls, counted by its [`Feed`], are all it knows of. Where nobody has called
    /// for as long as [`calls::Options::silent`](super::calls::Options) says, it is unknown again.
    pub fn calls(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            weight: Weight::Supporting,
            deadline: None,
            interval: None,
            patience: None,
            probe: None,
            feed: None,
            reports_to: Vec::new(),
        }
    }

    /// A check that calls a function: an error is unhealthy, and its text the reason. A function that panics is unhealthy
    /// too; one that blocks its thread is stopped by nothing.
    pub fn call<E, Fut>(name: impl Into<Arc<str>>, ask: impl Fn() -> Fut + Send + Sync + 'static) -> Self
    where
        E: fmt::Display,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        Self::find(name, move || {
            let asked = ask();
            async move { asked.await.map_or_else(Finding::unhealthy, |()| Finding::healthy()) }
        })
    }

    /// A check that calls a function which says itself what it found.
    pub fn find<Fut>(name: impl Into<Arc<str>>, ask: impl Fn() -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = Finding> + Send + 'static,
    {
        Self::new(name, Callable(move || Box::pin(ask()) as Probing))
    }

    /// A check that looks at a breaker, which has heard of every call and costs nothing to ask: open is unhealthy,
    /// half-open degraded. It is believed at once: a breaker has been patient already.
    pub fn breaker(name: impl Into<Arc<str>>, breaker: &Breaker) -> Self {
        Self::new(name, OfBreaker(breaker.clone())).at_once()
    }

    /// The same check; without what it looks at nothing works.
    pub fn critical(mut self) -> Self {
        self.weight = Weight::Critical;
        self
    }

    /// The same check with a patience of its own, 1 ms to 10 min.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The same check with an interval of its own, 1 s to 1 d, and half of that again as its spread.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// The same check, standing wherever it was last found: for what is exact, or patient by itself.
    pub fn at_once(self) -> Self {
        self.patience(1, 1)
    }

    /// The same check, believed after so many findings in a row on the way down and on the way up, 1 to 1000 each.
    pub fn patience(mut self, down_after: u32, up_after: u32) -> Self {
        self.patience = Some((down_after, up_after));
        self
    }

    /// The same check; what this feed counts is a finding, and while calls flow no probe is sent.
    pub fn fed_by(mut self, feed: &Feed) -> Self {
        self.feed = Some(feed.clone());
        self
    }

    /// The same check; what its probe finds is reported to a failover group as the health of one of its targets. What its
    /// calls have seen is not: the group has heard of them itself.
    pub fn reports_to(mut self, group: &Group, target: impl Into<Arc<str>>) -> Self {
        self.reports_to.push((group.clone(), target.into()));
        self
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What kind of look it takes, in one word.
    pub(super) fn kind(&self) -> &'static str {
        self.probe.as_ref().map_or("calls", |probe| probe.kind())
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        let name = &self.name;
        if name.is_empty() || name.len() > NAME || name.chars().any(char::is_control) {
            let message = format!("{name:?} is no name: write 1 to {NAME} characters that can be printed");
            return Err(Invalid::new("name", message));
        }
        self.deadline.map_or(Ok(()), check_deadline)?;
        self.interval.map_or(Ok(()), check_interval)?;
        let (down, up) = self.patience.unwrap_or((1, 1));
        check_patience("down_after", down)?;
        check_patience("up_after", up)?;
        for (group, target) in &self.reports_to {
            let names = || group.targets().iter().map(|target| &**target.pipeline.name());
            if !names().any(|known| *known == **target) {
                let known: Vec<&str> = names().collect();
                let message = format!(
                    "{target:?} is no target of {:?}: write one of {}",
                    group.name(),
                    known.join(", ")
                );
                return Err(Invalid::new("target", message));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).field("kind", &self.kind()).finish_non_exhaustive()
    }
}

struct Callable<F>(F);

impl<F: Fn() -> Probing + Send + Sync + 'static> Probe for Callable<F> {
    fn kind(&self) -> &'static str {
        "call"
    }

    fn probe(self: Arc<Self>) -> Probing {
        (self.0)()
    }
}

struct OfBreaker(Breaker);

impl Probe for OfBreaker {
    fn kind(&self) -> &'static str {
        "breaker"
    }

    fn probe(self: Arc<Self>) -> Probing {
        let state = self.0.state();
        let finding = match state {
            BreakerState::Closed | BreakerState::ForcedClosed | BreakerState::MetricsOnly => {
                Finding::healthy()
            }
            BreakerState::HalfOpen => Finding::degraded("its breaker is half-open"),
            BreakerState::Open | BreakerState::ForcedOpen => {
                Finding::unhealthy(format_args!("its breaker is {}", state.as_str()))
            }
        };
        Box::pin(std::future::ready(finding))
    }
}
