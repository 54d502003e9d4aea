//! Sends calls to the best target that works, and back to a better one only when that has been well for a while.
//!
#![doc = include_str!("../../../../docs/policies/failover.md")]

pub mod recovery;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::event::{Event, Fact, Sink};
pub use seawall_core::verdict::Lesson;
use seawall_core::{Clock, Code, Effects, Error, Instant};
use seawall_policy::Invalid;
pub use seawall_policy::failover::{Health, Options};
use seawall_policy::failover::{Machine, Moved};
use seawall_policy::fallback;
use smallvec::SmallVec;

use crate::classify::{Classify, Plain};
use crate::fallback::{On, Served, Target, Walk, confident};
use crate::lever::{self, Lever};
use crate::lock;
use crate::pipeline::{Answer, Call, Cx};
use crate::time::default_clock;

/// Targets by priority, of which one is active. Clones share it.
///
/// A call takes a short lock before it begins and one for each target that it asked.
#[derive(Clone)]
pub struct Group(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    targets: Arc<[Target]>,
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn Sink>>,
    guarded: Mutex<Guarded>,
}

struct Guarded {
    machine: Machine,
    lever: Option<Lever>,
}

/// The present state, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The active target.
    pub active: Arc<str>,
    /// Its place, counted from 0, the best.
    pub place: usize,
    /// For how long it is active.
    pub for_: Duration,
    /// Why it is.
    pub why: &'static str,
    /// Is every target down, so that calls go where they go for want of anything better?
    pub panicking: bool,
    /// Who pinned it, if somebody did.
    pub pinned: Option<Lever>,
    /// Every target, by priority.
    pub targets: Vec<Member>,
}

/// One target of a group, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: Arc<str>,
    /// How good its answers are.
    pub confidence: f64,
    /// How it is.
    pub health: Health,
    /// For how long.
    pub for_: Duration,
    /// Bad reports in a row.
    pub bad: u32,
}

impl Group {
    /// The first target is active; on tokio's clock, telling nobody. Refuses an empty group.
    pub fn new(
        name: impl Into<Arc<str>>,
        targets: impl Into<Arc<[Target]>>,
        options: Options,
    ) -> Result<Self, Invalid> {
        Self::with(name, targets, options, default_clock(), None)
    }

    /// The same on a clock of your own, offering its switches to a sink.
    pub fn with(
        name: impl Into<Arc<str>>,
        targets: impl Into<Arc<[Target]>>,
        options: Options,
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, Invalid> {
        options.check()?;
        let targets = confident(targets.into(), &fallback::Options::default())?;
        let machine = Machine::new(options, targets.len(), clock.now());
        let guarded = Mutex::new(Guarded { machine, lever: None });
        Ok(Self(Arc::new(Inner { name: name.into(), targets, clock, sink, guarded })))
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The targets by priority.
    pub fn targets(&self) -> &[Target] {
        &self.0.targets
    }

    /// The active target.
    pub fn active(&self) -> &Target {
        let place = self.step(|guarded, now| (guarded.machine.advance(now), None, guarded.machine.active()));
        &self.0.targets[place]
    }

    /// Runs the operation at the active target, and at the others where repeating allows it. Outcomes are classified
    /// plainly.
    pub async fn run<T, E, F, Fut>(
        &self,
        effects: Effects,
        deadline: Instant,
        operation: F,
    ) -> Served<'_, T, E>
    where
        F: FnMut(usize, Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.run_with(effects, deadline, None, |_| Plain, |_, call| call, operation).await
    }

    /// The same as [`Chain::run`](crate::fallback::Chain::run): outcomes mean what `classify` says, `each` gives every
    /// target's call its settings. What each target's outcome taught is reported to the group; dropping the future
    /// reports nothing of the target that was being asked.
    pub async fn run_with<'t: 'a, 'a, T, E, C, F, Fut>(
        &'t self,
        effects: Effects,
        deadline: Instant,
        sink: Option<&'a dyn Sink>,
        classify: impl Fn(usize) -> C,
        each: impl Fn(usize, Call<'a>) -> Call<'a>,
        operation: F,
    ) -> Served<'t, T, E>
    where
        C: Classify<T, E>,
        F: FnMut(usize, Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let (first, others) = self.order(effects);
        let tell = sink.or(self.0.sink.as_deref().map(|sink| sink as &dyn Sink));
        let walk = Walk { targets: &self.0.targets, on: On::Any, effects, deadline, sink, tell };
        let seen = |place, answer: &Answer<T, E>| self.learn(place, lesson(answer));
        walk.run(first, others.into_iter(), classify, each, operation, seen).await
    }

    /// Takes note of how a target was found, by a probe or a health check. `false` if no target has this name.
    pub fn report(&self, target: &str, lesson: Lesson) -> bool {
        let place = self.place(target);
        if let Some(place) = place {
            self.learn(place, lesson);
        }
        place.is_some()
    }

    /// Keeps a target active whatever its health: for so long, or until [`Group::unpin`]. Takes who and why. Calls still
    /// move on from it where repeating allows it.
    pub fn pin(&self, target: &str, by: &str, reason: &str, span: Option<Duration>) -> Result<(), Invalid> {
        let Some(place) = self.place(target) else {
            let names: Vec<&str> = self.0.targets.iter().map(|target| &**target.pipeline.name()).collect();
            let message = format!("{target:?} is no target: write one of {}", names.join(", "));
            return Err(Invalid::new("target", message));
        };
        let lever = Lever::pull(by, reason, self.0.clock.now(), span);
        self.step(|guarded, now| {
            let moved = guarded.machine.pin(place, lever.ends(), now).unwrap_or_default();
            let pulled = lever.fact("pin");
            guarded.lever = Some(lever);
            (moved, Some(pulled), ())
        });
        Ok(())
    }

    /// Lets health decide again. Takes who and why.
    pub fn unpin(&self, by: &str, reason: &str) {
        self.step(|guarded, now| {
            guarded.lever = None;
            (guarded.machine.unpin(now), Some(lever::fact("unpin", by, reason)), ())
        });
    }

    /// Other options, same targets and what is known of them.
    pub fn update(&self, options: Options) -> Result<(), Invalid> {
        options.check()?;
        self.step(|guarded, now| (guarded.machine.update(options, now), None, ()));
        Ok(())
    }

    /// The present state, for people.
    pub fn snapshot(&self) -> Snapshot {
        self.step(|guarded, now| {
            let moved = guarded.machine.advance(now);
            let machine = &guarded.machine;
            let member = |(target, watched): (&Target, &seawall_policy::failover::Watched)| Member {
                name: target.pipeline.name().clone(),
                confidence: target.confidence,
                health: watched.health,
                for_: now.since(watched.since),
                bad: watched.bad,
            };
            let snapshot = Snapshot {
                active: self.0.targets[machine.active()].pipeline.name().clone(),
                place: machine.active(),
                for_: now.since(machine.since()),
                why: machine.why(),
                panicking: machine.is_panicking(),
                pinned: guarded.lever.clone().filter(|_| machine.pinned().is_some()),
                targets: self.0.targets.iter().zip(machine.targets()).map(member).collect(),
            };
            (moved, None, snapshot)
        })
    }

    /// Where a call begins and where it may go on.
    fn order(&self, effects: Effects) -> (usize, SmallVec<[usize; 8]>) {
        self.step(|guarded, now| {
            let moved = guarded.machine.advance(now);
            // Only a call that may be repeated is sent where it will perhaps fail.
            let trial = if effects == Effects::Repeatable { guarded.machine.trial(now) } else { None };
            let mut order = guarded.machine.order().filter(|place| Some(*place) != trial);
            let first = trial.or_else(|| order.next()).unwrap_or_default();
            let others = order.collect();
            (moved, None, (first, others))
        })
    }

    fn learn(&self, place: usize, lesson: Lesson) {
        self.step(|guarded, now| (guarded.machine.report(place, lesson, now), None, ()));
    }

    fn place(&self, target: &str) -> Option<usize> {
        self.0.targets.iter().position(|other| **other.pipeline.name() == *target)
    }

    /// Takes one step under the lock, and tells of it afterwards.
    fn step<R>(&self, take: impl FnOnce(&mut Guarded, Instant) -> (Vec<Moved>, Option<Fact>, R)) -> R {
        let now = self.0.clock.now();
        let (moved, lever, answer) = take(&mut lock(&self.0.guarded), now);
        if let Some(sink) = &self.0.sink {
            let offer = |at, fact| sink.offer(Event { at, name: self.0.name.clone(), fact });
            if let Some(fact) = lever {
                offer(now, fact);
            }
            for Moved { at, from, to, why } in moved {
                let name = |place: usize| self.0.targets[place].pipeline.name().clone();
                offer(at, Fact::FailedOver { from: name(from), to: name(to), why: why.into() });
            }
        }
        answer
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let active = self.active().pipeline.name();
        f.debug_struct("Group").field("name", &self.0.name).field("active", active).finish()
    }
}

/// What a target's outcome says of its health. An open breaker has said it already; a limit of ours says nothing.
fn lesson<T, E>(answer: &Answer<T, E>) -> Lesson {
    match &answer.result {
        Err(Error::Rejected(rejection))
            if matches!(rejection.code, Code::BreakerOpen | Code::BreakerForcedOpen) =>
        {
            Lesson::Failure
        }
        _ => answer.verdict.lesson(),
    }
}
