//! Stops calling what keeps failing: the machine of `seawall_policy::breaker`, shared and with levers.
//!
#![doc = include_str!("../../../../docs/policies/breaker.md")]

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::event::{Event, Fact, Sink};
use seawall_core::verdict::Lesson;
use seawall_core::{Clock, Code, Instant, Rejection};
use seawall_policy::Invalid;
use seawall_policy::breaker::{Machine, Moved, Refusal, Ticket};
pub use seawall_policy::breaker::{Options, State};

use crate::lock;
use crate::time::default_clock;

/// A circuit breaker. Clones share it.
///
/// An uncontended admission takes one short lock and allocates nothing.
#[derive(Clone)]
pub struct Breaker(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn Sink>>,
    guarded: Mutex<Guarded>,
}

struct Guarded {
    machine: Machine,
    held_by: Option<Override>,
}

/// Who pulled the last lever, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Who.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// When.
    pub since: Instant,
}

/// The present state, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Where it stands.
    pub state: State,
    /// For how long.
    pub for_: Duration,
    /// Failures in a row.
    pub consecutive: u32,
    /// Calls within the window.
    pub calls: u64,
    /// Failures within the window.
    pub failures: u64,
    /// How long calls are still refused, if they are.
    pub retry_after: Option<Duration>,
    /// Who holds it there, if somebody does.
    pub held_by: Option<Override>,
}

impl Breaker {
    /// A closed breaker on tokio's clock that tells nobody.
    pub fn new(name: impl Into<Arc<str>>, options: Options) -> Result<Self, Invalid> {
        Self::with(name, options, default_clock(), None)
    }

    /// A closed breaker on a clock of your own, offering its transitions to a sink.
    pub fn with(
        name: impl Into<Arc<str>>,
        options: Options,
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, Invalid> {
        options.check()?;
        let machine = Machine::new(options, clock.now());
        let guarded = Mutex::new(Guarded { machine, held_by: None });
        Ok(Self(Arc::new(Inner { name: name.into(), clock, sink, guarded })))
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        lock(&self.0.guarded).machine.state()
    }

    /// Would a call pass now? Takes nothing.
    pub fn is_permitted(&self) -> bool {
        self.peek(self.0.clock.now()).is_ok()
    }

    /// Admits a call, or refuses with [`Code::BreakerOpen`] / [`Code::BreakerForcedOpen`] and when to come back.
    pub fn try_acquire(&self) -> Result<Permit, Rejection> {
        self.permit(self.0.clock.now())
    }

    fn permit(&self, now: Instant) -> Result<Permit, Rejection> {
        self.admitted(now).map(Admitted::into_owned)
    }

    /// Admits a call for as long as somebody else holds the breaker: nothing is counted that clones share.
    pub(crate) fn admitted(&self, now: Instant) -> Result<Admitted<'_>, Rejection> {
        let ticket = self.admit(now)?;
        Ok(Admitted { breaker: self, ticket: Some(ticket) })
    }

    /// The present state, for people.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.0.clock.now();
        let mut guarded = lock(&self.0.guarded);
        let (calls, failures) = guarded.machine.window(now);
        Snapshot {
            state: guarded.machine.state(),
            for_: now.since(guarded.machine.since()),
            consecutive: guarded.machine.consecutive(),
            calls,
            failures,
            retry_after: match guarded.machine.peek(now) {
                Err(Refusal::Open(left) | Refusal::Probing(left)) => Some(left),
                Ok(()) | Err(Refusal::Forced) => None,
            },
            held_by: guarded.held_by.clone(),
        }
    }

    /// Refuses calls until a reset. Takes who and why.
    pub fn force_open(&self, by: &str, reason: &str) {
        self.lever("force-open", by, reason, true, Machine::force_open);
    }

    /// Lets every call pass until a reset. Takes who and why.
    pub fn force_closed(&self, by: &str, reason: &str) {
        self.lever("force-closed", by, reason, true, Machine::force_closed);
    }

    /// Lets probes pass at once. Takes who and why.
    pub fn half_open(&self, by: &str, reason: &str) {
        self.lever("half-open", by, reason, false, Machine::half_open);
    }

    /// Closes it and forgets what was counted. Takes who and why.
    pub fn reset(&self, by: &str, reason: &str) {
        self.lever("reset", by, reason, false, Machine::reset);
    }

    /// Other options, same state and counts.
    pub fn update(&self, options: Options) -> Result<(), Invalid> {
        options.check()?;
        lock(&self.0.guarded).machine.update(options);
        Ok(())
    }

    fn peek(&self, now: Instant) -> Result<(), Rejection> {
        lock(&self.0.guarded).machine.peek(now).map_err(refusal)
    }

    fn admit(&self, now: Instant) -> Result<Ticket, Rejection> {
        let (admitted, moved) = lock(&self.0.guarded).machine.admit(now);
        self.tell(moved, now);
        admitted.map_err(refusal)
    }

    fn record(&self, ticket: Ticket, lesson: Lesson, now: Instant) {
        let moved = {
            let mut guarded = lock(&self.0.guarded);
            let moved = guarded.machine.record(ticket, lesson, now);
            if moved.is_some() {
                guarded.held_by = None;
            }
            moved
        };
        self.tell(moved, now);
    }

    fn now(&self) -> Instant {
        self.0.clock.now()
    }

    fn lever(
        &self,
        action: &'static str,
        by: &str,
        reason: &str,
        holds: bool,
        pull: fn(&mut Machine, Instant) -> Moved,
    ) {
        let now = self.0.clock.now();
        let (by, reason): (Arc<str>, Arc<str>) = (by.into(), reason.into());
        let moved = {
            let mut guarded = lock(&self.0.guarded);
            let held = Override { by: by.clone(), reason: reason.clone(), since: now };
            guarded.held_by = holds.then_some(held);
            pull(&mut guarded.machine, now)
        };
        self.offer(Fact::Lever { action, by, reason }, now);
        self.tell(Some(moved), now);
    }

    fn tell(&self, moved: Option<Moved>, now: Instant) {
        if let Some(Moved { to, why }) = moved {
            self.offer(Fact::BreakerMoved { to: to.as_str(), why }, now);
        }
    }

    fn offer(&self, fact: Fact, at: Instant) {
        if let Some(sink) = &self.0.sink {
            sink.offer(Event { at, name: self.0.name.clone(), fact });
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").field("name", &self.0.name).field("state", &self.state()).finish()
    }
}

fn refusal(refusal: Refusal) -> Rejection {
    match refusal {
        Refusal::Open(left) => Rejection::new(Code::BreakerOpen).after(left),
        Refusal::Probing(left) => {
            Rejection::new(Code::BreakerOpen).because("the circuit breaker is probing").after(left)
        }
        // Nobody knows how long an operator will take; half a minute keeps callers from spinning.
        Refusal::Forced => Rejection::new(Code::BreakerForcedOpen).after(Duration::from_secs(30)),
    }
}

/// The same right as a [`Permit`], borrowed.
pub(crate) struct Admitted<'b> {
    breaker: &'b Breaker,
    ticket: Option<Ticket>,
}

impl Admitted<'_> {
    pub(crate) fn settle_at(mut self, lesson: Lesson, now: Instant) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.record(ticket, lesson, now);
        }
    }

    pub(crate) fn into_owned(mut self) -> Permit {
        Permit { breaker: self.breaker.clone(), ticket: self.ticket.take() }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.record(ticket, Lesson::Nothing, self.breaker.now());
        }
    }
}

/// The right to make one call. Say how it ended; dropping it says nothing, and gives a probe's place back.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once guards nothing"]
pub struct Permit {
    breaker: Breaker,
    ticket: Option<Ticket>,
}

impl Permit {
    /// The call worked.
    pub fn success(self) {
        self.settle(Lesson::Success);
    }

    /// The call failed.
    pub fn failure(self) {
        self.settle(Lesson::Failure);
    }

    /// The call says nothing about the upstream.
    pub fn ignore(self) {
        self.settle(Lesson::Nothing);
    }

    /// The call taught this.
    pub fn settle(self, lesson: Lesson) {
        let now = self.now();
        self.settle_at(lesson, now);
    }

    pub(crate) fn settle_at(mut self, lesson: Lesson, now: Instant) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.record(ticket, lesson, now);
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.breaker.now()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.record(ticket, Lesson::Nothing, self.breaker.now());
        }
    }
}
