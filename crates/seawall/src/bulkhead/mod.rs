//! Bounds how many calls are in flight at once; the others wait in order, or are refused.
//!
#![doc = include_str!("../../../../docs/policies/bulkhead.md")]

mod places;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::event::{Event, Fact, Sink};
use seawall_core::units::format_duration;
use seawall_core::{Clock, Code, Instant, Rejection};
use seawall_policy::Invalid;
use seawall_policy::bulkhead::adaptive::{Machine, Passed};
pub use seawall_policy::bulkhead::{Adaptive, Algorithm, Ended, Load, Options};
pub use seawall_policy::limiter::Queue;
pub use seawall_policy::queue::Priority;

use crate::lock;
use crate::queue::{Line, Stood, Turn, Waiter};
use crate::time::default_clock;
use crate::timeout::within;
use places::Places;

/// A bulkhead. Clones share it. Waiting is by priority and then by arrival; a waiter that is dropped leaves the line.
///
/// An uncontended [`Bulkhead::try_acquire`] changes one word and allocates nothing; where the size is adaptive it also
/// reads the clock, and [`Permit::settle`] takes one short lock.
#[derive(Clone)]
pub struct Bulkhead(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn Sink>>,
    places: Places,
    line: Line,
    guarded: Mutex<Guarded>,
}

struct Guarded {
    options: Options,
    machine: Option<Machine>,
    /// The size the sink knows.
    told: u32,
}

impl Bulkhead {
    /// An empty bulkhead on tokio's clock that tells nobody.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        Self::with("bulkhead", options, default_clock(), None)
    }

    /// An empty bulkhead on a clock of your own, offering changes of its size to a sink.
    pub fn with(
        name: impl Into<Arc<str>>,
        options: Options,
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, Invalid> {
        options.check()?;
        let begins = options.concurrent;
        let machine = options.adaptive.clone().map(|adaptive| Machine::new(adaptive, begins, clock.now()));
        let places = Places::new(begins, machine.is_some());
        let guarded = Mutex::new(Guarded { options, machine, told: begins });
        Ok(Self(Arc::new(Inner { name: name.into(), clock, sink, places, line: Line::default(), guarded })))
    }

    /// Who is inside and who is waiting.
    pub fn load(&self) -> Load {
        Load { in_flight: self.0.places.now().in_flight as usize, waiting: self.0.line.len() }
    }

    /// How many may be inside now.
    pub fn size(&self) -> u32 {
        self.0.places.now().size
    }

    /// The options it runs by.
    pub fn options(&self) -> Options {
        lock(&self.0.guarded).options.clone()
    }

    /// A place now, or [`Code::BulkheadFull`]. Nobody overtakes those who wait.
    pub fn try_acquire(&self) -> Result<Permit, Rejection> {
        self.try_enter().map(Place::into_owned).ok_or_else(|| self.refusal())
    }

    /// The same, borrowed, where somebody else holds the bulkhead meanwhile: less than half the price.
    #[inline]
    pub fn try_enter(&self) -> Option<Place<'_>> {
        if self.0.line.len() > 0 {
            return None;
        }
        self.take().or_else(|| self.take_overdue())
    }

    /// What those are told for whom there is no place now.
    pub fn refusal(&self) -> Rejection {
        self.full("there is no place now")
    }

    /// A place as soon as there is one, within the queue's patience and before `deadline`.
    pub async fn acquire(&self, deadline: Instant) -> Result<Permit, Rejection> {
        self.acquire_as(Priority::default(), deadline).await
    }

    /// The same, before those of a lower priority. In a full line a high one takes the place of the youngest low one.
    pub async fn acquire_as(&self, priority: Priority, deadline: Instant) -> Result<Permit, Rejection> {
        self.enter_as(priority, deadline).await.map(Place::into_owned)
    }

    /// The same, borrowed.
    pub(crate) async fn enter_as(
        &self,
        priority: Priority,
        deadline: Instant,
    ) -> Result<Place<'_>, Rejection> {
        if let Some(place) = self.try_enter() {
            return Ok(place);
        }
        let queue = lock(&self.0.guarded).options.queue.clone();
        let patience = self.0.clock.now().until(deadline).min(queue.wait);
        if patience.is_zero() {
            return Err(self.full("there is no place now, and no time to wait"));
        }
        let Some(waiter) = self.0.line.join(priority, queue.max) else {
            return Err(self.full("there is no place now, nor one to wait"));
        };
        match within(self.stand(waiter), patience).await {
            Ok(Some(place)) => Ok(place),
            Ok(None) => Err(self.full("a more important call took its place in the line")),
            Err(_) => Err(self.full(format!("no place came free in {}", format_duration(patience)))),
        }
    }

    /// Another size or queue, same calls inside. An adaptive size moves only as far as its new bounds ask.
    pub fn update(&self, options: Options) -> Result<(), Invalid> {
        options.check()?;
        {
            let mut guarded = lock(&self.0.guarded);
            let Guarded { options: current, machine, told } = &mut *guarded;
            match (&options.adaptive, &mut *machine) {
                (None, _) => *machine = None,
                (Some(adaptive), Some(machine)) => machine.update(adaptive.clone(), options.concurrent),
                (Some(adaptive), None) => {
                    *machine = Some(Machine::new(adaptive.clone(), options.concurrent, self.0.clock.now()));
                }
            }
            *told = machine.as_ref().map_or(options.concurrent, Machine::settled);
            let size = machine.as_ref().map_or(options.concurrent, Machine::size);
            self.0.places.resize(size, machine.is_some());
            *current = options;
        }
        self.0.line.wake_first();
        Ok(())
    }

    #[inline]
    fn take(&self) -> Option<Place<'_>> {
        let taken = self.0.places.take()?;
        let began = if taken.adaptive { Some(self.0.clock.now()) } else { None };
        Some(Place { bulkhead: Some(self), began })
    }

    /// A size that is overdue to grow does not wait for somebody to wait.
    #[cold]
    fn take_overdue(&self) -> Option<Place<'_>> {
        self.0.places.now().adaptive.then(|| self.look())?;
        self.take()
    }

    /// Stands in the line until there is a place. None if it was pushed out.
    async fn stand(&self, mut waiter: Waiter<'_>) -> Option<Place<'_>> {
        loop {
            if waiter.turn().await == Turn::PushedOut {
                return None;
            }
            if let Some(place) = self.take() {
                waiter.served();
                return Some(place);
            }
            let stood = match self.overdue() {
                None => waiter.while_first(pending()).await,
                Some(wait) => waiter.while_first(tokio::time::sleep(wait)).await,
            };
            match stood {
                Stood::Done(()) => self.look(),
                Stood::Called | Stood::Overtaken => {}
                Stood::PushedOut => return None,
            }
        }
    }

    /// How long until an adaptive size may be larger without any call ending.
    fn overdue(&self) -> Option<Duration> {
        let until = lock(&self.0.guarded).machine.as_ref()?.overdue()?;
        // Never nothing at all: tokio's timer counts whole milliseconds, and the clock it is for may be behind it.
        Some(self.0.clock.now().until(until).max(Duration::from_millis(1)))
    }

    fn look(&self) {
        let now = self.0.clock.now();
        self.change(now, |machine| machine.look(now));
        self.0.line.wake_first();
    }

    /// One is leaving; where it is known how long it took, somebody wants to know how it ended.
    #[inline]
    fn leave(&self, began: Option<Instant>, ended: Ended, now: Option<Instant>) {
        if let Some(began) = began {
            self.learn(began, ended, now.unwrap_or_else(|| self.0.clock.now()));
        }
        self.0.places.give_back();
        if self.0.line.len() > 0 {
            self.0.line.wake_first();
        }
    }

    /// Before the place is given back: the call counts itself.
    fn learn(&self, began: Instant, ended: Ended, now: Instant) {
        let in_flight = self.0.places.now().in_flight;
        self.change(now, |machine| machine.ended(Passed { began, in_flight, ended }, now));
    }

    /// A step of the machine, where there is one, and what follows from it.
    fn change(&self, now: Instant, step: impl FnOnce(&mut Machine)) {
        let told = {
            let mut guarded = lock(&self.0.guarded);
            let Guarded { machine: Some(machine), told, .. } = &mut *guarded else { return };
            step(machine);
            self.0.places.resize(machine.size(), true);
            let size = machine.settled();
            let notable = u64::from(size.abs_diff(*told)) * 10 >= u64::from(*told);
            notable.then(|| std::mem::replace(told, size)).map(|_| size)
        };
        if let (Some(size), Some(sink)) = (told, &self.0.sink) {
            sink.offer(Event { at: now, name: self.0.name.clone(), fact: Fact::SizeChanged { size } });
        }
    }

    fn full(&self, why: impl Into<Cow<'static, str>>) -> Rejection {
        let (why, max) = (why.into(), lock(&self.0.guarded).options.queue.max);
        let (size, Load { in_flight, waiting }) = (self.size(), self.load());
        // Calls in flight end when they end; a second is the soonest that asking again is worth it.
        Rejection::new(Code::BulkheadFull)
            .because(format!("{why}: {in_flight} of {size} are in flight, {waiting} of {max} wait"))
            .after(Duration::from_secs(1))
    }
}

impl fmt::Debug for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead").field("size", &self.size()).field("load", &self.load()).finish()
    }
}

/// A place inside; dropping it gives the place to the next in line. Where the size is adaptive, say how the call ended.
#[derive(Debug)]
#[must_use = "a place that is dropped at once guards nothing"]
pub struct Permit {
    /// None once it is settled.
    bulkhead: Option<Bulkhead>,
    /// When it began, where somebody wants to know how long it took.
    began: Option<Instant>,
}

/// The same place, borrowed.
#[derive(Debug)]
#[must_use = "a place that is dropped at once guards nothing"]
pub struct Place<'b> {
    bulkhead: Option<&'b Bulkhead>,
    began: Option<Instant>,
}

impl Place<'_> {
    /// A place that may outlive the borrow.
    pub fn into_owned(mut self) -> Permit {
        Permit { bulkhead: self.bulkhead.take().cloned(), began: self.began }
    }
}

macro_rules! settles {
    ($place:ty) => {
        impl $place {
            /// Gives the place back, and says how the call ended: a [`Verdict`](seawall_core::Verdict) will do.
            pub fn settle(mut self, ended: impl Into<Ended>) {
                if let Some(bulkhead) = self.bulkhead.take() {
                    bulkhead.leave(self.began, ended.into(), None);
                }
            }

            /// The same at a moment the caller has just read.
            pub fn settle_at(mut self, ended: impl Into<Ended>, now: Instant) {
                if let Some(bulkhead) = self.bulkhead.take() {
                    bulkhead.leave(self.began, ended.into(), Some(now));
                }
            }
        }

        impl Drop for $place {
            #[inline]
            fn drop(&mut self) {
                if let Some(bulkhead) = self.bulkhead.take() {
                    bulkhead.leave(self.began, Ended::Nothing, None);
                }
            }
        }
    };
}
settles!(Permit);
settles!(Place<'_>);
