//! Stops calling what keeps failing: the machine of `seawall_policy::breaker`, shared and with levers.
//!
#![doc = include_str!("../../../../docs/policies/breaker.md")]

mod published;
mod registry;
mod shared;
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
pub use seawall_policy::breaker::{Mode, Options, Recover, State, Window};

use crate::fleet::Fleet;
use crate::lever::Lever;
use crate::lock;
use crate::time::default_clock;

use published::Published;
pub use registry::Registry;
use shared::Tie;

/// A circuit breaker. Clones share it.
///
/// An admission while it is closed takes no lock, a refusal and an outcome one short lock each, and nothing allocates.
#[derive(Clone)]
pub struct Breaker(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn Sink>>,
    pass: Published,
    guarded: Mutex<Guarded>,
}

struct Guarded {
    machine: Machine,
    held_by: Option<Lever>,
    /// To the fleet that shares it.
    tie: Option<Box<Tie>>,
}

/// The present state, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Where it stands.
    pub state: State,
    /// Where it would stand if it enforced; the same as `state` where it does.
    pub shadow: State,
    /// For how long.
    pub for_: Duration,
    /// Failures in a row.
    pub consecutive: u32,
    /// Calls within the window.
    pub calls: u64,
    /// Failures within the window.
    pub failures: u64,
    /// Slow calls within the window.
    pub slow: u64,
    /// How often it has opened since it was made.
    pub opened: u64,
    /// How many calls it has refused since it was made; where it only counts, how many it would have.
    pub refused: u64,
    /// How long calls are still refused, if they are and that is known.
    pub retry_after: Option<Duration>,
    /// Who holds it there, if somebody does.
    pub held_by: Option<Lever>,
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
        Ok(Self::made(name.into(), options, clock, sink))
    }

    /// A breaker that the processes of a fleet share: whoever makes one of the same name, by the same store. It offers its
    /// transitions to a sink; every process tells of its own.
    ///
    /// No call waits for the store: what has ended is reported in batches, and what other processes found out is known
    /// here a poll later. See [`crate::fleet`]. Refuses a window of calls, for the calls of several processes have no
    /// order.
    pub fn shared(
        fleet: &Fleet,
        name: impl Into<Arc<str>>,
        options: Options,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, Invalid> {
        options.check()?;
        shared::made(fleet, name.into(), options, sink)
    }

    /// The fleet it is shared with, where it is.
    pub fn fleet(&self) -> Option<Fleet> {
        lock(&self.0.guarded).tie.as_ref().map(|tie| tie.fleet.clone())
    }

    /// Of options that have been checked.
    fn made(name: Arc<str>, options: Options, clock: Arc<dyn Clock>, sink: Option<Arc<dyn Sink>>) -> Self {
        let machine = Machine::new(options, clock.now());
        let pass = Published::new(machine.pass());
        let guarded = Mutex::new(Guarded { machine, held_by: None, tie: None });
        Self(Arc::new(Inner { name, clock, sink, pass, guarded }))
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.look(Machine::state)
    }

    /// Where it would stand if it enforced: what a metrics-only breaker does in the shadow.
    pub fn shadow_state(&self) -> State {
        self.look(Machine::shadow_state)
    }

    /// Would a call pass now? Takes nothing.
    pub fn is_permitted(&self) -> bool {
        let (now, guarded) = (self.now(), lock(&self.0.guarded));
        match &guarded.tie {
            None => guarded.machine.peek(now).is_ok(),
            Some(tie) => tie.peek(&guarded.machine, now),
        }
    }

    /// Admits a call, or refuses with [`Code::BreakerOpen`] / [`Code::BreakerForcedOpen`] and when to come back.
    pub fn try_acquire(&self) -> Result<Permit, Rejection> {
        // While it is closed the clock is read only where it matters how long calls take.
        self.permit_at(|| self.now())
    }

    /// Admits a call for as long as somebody else holds the breaker: nothing is counted that clones share.
    pub(crate) fn admitted(&self, now: Instant) -> Result<Admitted<'_>, Rejection> {
        self.admitted_at(|| now)
    }

    fn permit_at(&self, now: impl Fn() -> Instant) -> Result<Permit, Rejection> {
        self.admitted_at(now).map(Admitted::into_owned)
    }

    fn admitted_at(&self, now: impl Fn() -> Instant) -> Result<Admitted<'_>, Rejection> {
        let ticket = match self.0.pass.pass().ticket(&now) {
            Some(ticket) => ticket,
            None => match self.admit(now()) {
                Ok(ticket) => ticket,
                Err(refusal) => return Err(refused(refusal)),
            },
        };
        Ok(Admitted { breaker: self, ticket: Some(ticket) })
    }

    /// The present state, for people.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.now();
        self.step(now, |guarded| {
            let machine = &mut guarded.machine;
            let moved = machine.elapse(now);
            let totals = machine.totals(now);
            let snapshot = Snapshot {
                state: machine.state(),
                shadow: machine.shadow_state(),
                for_: now.since(machine.since()),
                consecutive: machine.consecutive(),
                calls: totals.calls,
                failures: totals.failures,
                slow: totals.slow,
                opened: machine.opened(),
                refused: machine.refused(),
                retry_after: machine.peek(now).err().and_then(Refusal::retry_after),
                held_by: guarded.held_by.clone().filter(|_| moved.is_none()),
            };
            let snapshot = match &guarded.tie {
                None => snapshot,
                Some(tie) => tie.told(snapshot),
            };
            (snapshot, moved)
        })
    }

    /// Refuses calls until a reset. Takes who and why.
    pub fn force_open(&self, by: &str, reason: &str) {
        self.force_open_for(by, reason, None);
    }

    /// Refuses calls until a reset, or for so long; after that probes decide. Takes who and why.
    pub fn force_open_for(&self, by: &str, reason: &str, hold: Option<Duration>) {
        self.lever("force-open", by, reason, hold, Machine::force_open);
    }

    /// Lets every call pass until a reset. Takes who and why.
    pub fn force_closed(&self, by: &str, reason: &str) {
        self.force_closed_for(by, reason, None);
    }

    /// Lets every call pass until a reset, or for so long; after that it is closed. Takes who and why.
    pub fn force_closed_for(&self, by: &str, reason: &str, hold: Option<Duration>) {
        self.lever("force-closed", by, reason, hold, Machine::force_closed);
    }

    /// Lets probes pass at once. Takes who and why.
    pub fn half_open(&self, by: &str, reason: &str) {
        self.lever("half-open", by, reason, None, |machine, _, now| machine.half_open(now));
    }

    /// Closes it and forgets what was counted. Takes who and why.
    pub fn reset(&self, by: &str, reason: &str) {
        self.lever("reset", by, reason, None, |machine, _, now| machine.reset(now));
    }

    /// Other options, same state and counts.
    pub fn update(&self, options: Options) -> Result<(), Invalid> {
        options.check()?;
        self.step(self.now(), |guarded| match &mut guarded.tie {
            None => (Ok(()), guarded.machine.update(options)),
            Some(tie) => tie.update(&mut guarded.machine, options),
        })
    }

    fn look<T>(&self, at: fn(&Machine) -> T) -> T {
        let now = self.now();
        self.step(now, |guarded| {
            let moved = guarded.machine.elapse(now);
            (at(&guarded.machine), moved)
        })
    }

    fn admit(&self, now: Instant) -> Result<Ticket, Refusal> {
        let ticket = self.step(now, |guarded| match &mut guarded.tie {
            None => guarded.machine.admit(now),
            Some(tie) => tie.admit(&mut guarded.machine, now),
        })?;
        if let Some(refusal) = ticket.would_refuse() {
            let Rejection { code, policy, .. } = refused(refusal);
            self.offer(Fact::WouldReject { code, policy }, now);
        }
        Ok(ticket)
    }

    fn record(&self, ticket: Ticket, lesson: Lesson, now: Instant) {
        self.step(now, |guarded| match &mut guarded.tie {
            None => ((), guarded.machine.record(ticket, lesson, now)),
            Some(tie) => ((), tie.record(&mut guarded.machine, ticket, lesson, now)),
        });
    }

    fn now(&self) -> Instant {
        self.0.clock.now()
    }

    fn lever(
        &self,
        action: &'static str,
        by: &str,
        reason: &str,
        hold: Option<Duration>,
        pull: fn(&mut Machine, Option<Instant>, Instant) -> Moved,
    ) {
        let now = self.now();
        let held = Lever::pull(by, reason, now, hold);
        self.offer(held.fact(action), now);
        self.step(now, |guarded| {
            let moved = pull(&mut guarded.machine, held.until, now);
            if let Some(tie) = &mut guarded.tie {
                tie.pulled(action, &held, hold);
            }
            guarded.held_by = Some(held);
            ((), Some(moved))
        });
    }

    /// One step of the machine: what follows from it is published under the lock, and told after it.
    fn step<T>(&self, now: Instant, step: impl FnOnce(&mut Guarded) -> (T, Option<Moved>)) -> T {
        let (value, moved) = {
            let mut guarded = lock(&self.0.guarded);
            let (value, moved) = step(&mut guarded);
            self.0.pass.publish(guarded.machine.pass());
            if moved.is_some_and(|moved| !matches!(moved.to, State::ForcedOpen | State::ForcedClosed)) {
                guarded.held_by = None;
            }
            (value, moved)
        };
        if let Some(Moved { to, why, .. }) = moved {
            self.offer(Fact::BreakerMoved { to: to.as_str(), why }, now);
        }
        value
    }

    fn offer(&self, fact: Fact, at: Instant) {
        if let Some(sink) = &self.0.sink {
            sink.offer(Event { at, name: self.0.name.clone(), fact });
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.0.guarded).machine.state();
        f.debug_struct("Breaker").field("name", &self.0.name).field("state", &state).finish()
    }
}

fn refused(refusal: Refusal) -> Rejection {
    let open = Rejection::new(Code::BreakerOpen);
    match refusal {
        Refusal::Open(left) => open.after(left),
        Refusal::Probing(left) => open.because("the circuit breaker is probing").after(left),
        Refusal::Ramping(left) => {
            open.because("the circuit breaker lets calls in little by little").after(left)
        }
        Refusal::Held => open.because("the circuit breaker is open until an operator resets it").after(HELD),
        Refusal::Forced => Rejection::new(Code::BreakerForcedOpen).after(HELD),
    }
}

/// Nobody knows how long an operator will take; half a minute keeps callers from spinning.
const HELD: Duration = Duration::from_secs(30);

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
