//! Gives up what matters least while something is wrong, and gives it back step by step.
//!
#![doc = include_str!("../../../../docs/policies/degrade.md")]

mod partial;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::event::{Event, Fact, Sink};
use seawall_core::{Clock, Code, Instant, Rejection};
use seawall_policy::Invalid;
pub use seawall_policy::degrade::{Level, Options, Signal};
use seawall_policy::degrade::{Machine, Moved};

use crate::lever::{self, Lever};
use crate::lock;
use crate::time::default_clock;

pub use partial::{Gather, Missing, Partial};

/// The present level of one service. Clones share it.
///
/// Every question takes one short lock; what is due by itself is done when somebody asks.
#[derive(Clone)]
pub struct Degrade(Arc<Inner>);

struct Inner {
    name: Arc<str>,
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
    /// The level.
    pub level: String,
    /// Its place, counted from 0, the normal one.
    pub place: usize,
    /// For how long.
    pub for_: Duration,
    /// The features that are off.
    pub off: Vec<String>,
    /// What is left of every limit that is scaled.
    pub share: f64,
    /// The last report of each signal that still counts.
    pub signals: Vec<(Signal, f64)>,
    /// Who holds the level, if somebody does.
    pub held_by: Option<Lever>,
}

impl Degrade {
    /// At the normal level, on tokio's clock, telling nobody.
    pub fn new(name: impl Into<Arc<str>>, options: Options) -> Result<Self, Invalid> {
        Self::with(name, options, default_clock(), None)
    }

    /// The same on a clock of your own, offering its changes to a sink.
    pub fn with(
        name: impl Into<Arc<str>>,
        options: Options,
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, Invalid> {
        options.check()?;
        let guarded = Mutex::new(Guarded { machine: Machine::new(options, clock.now()), lever: None });
        Ok(Self(Arc::new(Inner { name: name.into(), clock, sink, guarded })))
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The name of the present level.
    pub fn level(&self) -> String {
        self.look(|machine, _| machine.options().levels[machine.level()].name.clone())
    }

    /// Is the feature on? Refuses with [`Code::SwitchedOff`] and the soonest moment at which it can be back.
    pub fn allows(&self, feature: &str) -> Result<(), Rejection> {
        self.look(|machine, now| {
            let level = machine.level();
            if !machine.options().is_off(feature, level) {
                return Ok(());
            }
            let name = &machine.options().levels[level].name;
            let refusal = Rejection::new(Code::SwitchedOff);
            let refusal = refusal.because(format!("{feature:?} is switched off at level {name:?}"));
            let wait = machine.off_for(feature, now);
            // Held until somebody lets go: nobody knows when that is.
            let known = machine.forced_until() != Some(Instant::FAR_FUTURE);
            Err(if known { refusal.after(wait) } else { refusal })
        })
    }

    /// What is left of every limit that is scaled, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.look(|machine, _| machine.options().levels[machine.level()].share.get())
    }

    /// A limit of this size at the present level: rounded down, never below 1.
    pub fn scaled(&self, size: u32) -> u32 {
        // The share is at most 1, so that the product fits again.
        ((f64::from(size) * self.share()) as u32).max(1)
    }

    /// Takes note of a signal, as a share from 0 to 1. What lies outside is cut; NaN is not heard.
    pub fn report(&self, signal: Signal, share: f64) {
        self.step(|guarded, now| (guarded.machine.report(signal, share, now), None, ()));
    }

    /// Holds a level by its name whatever the signals say: for so long, or until [`Degrade::release`]. Takes who and why.
    /// Refuses a name that no level has.
    pub fn force(&self, level: &str, by: &str, reason: &str, span: Option<Duration>) -> Result<(), Invalid> {
        let lever = Lever::pull(by, reason, self.0.clock.now(), span);
        let known = self.step(|guarded, now| {
            let levels = &guarded.machine.options().levels;
            let place = levels.iter().position(|other| other.name == level);
            let moved = place.and_then(|place| guarded.machine.force(place, lever.ends(), now));
            let forced = moved.is_some();
            if forced {
                guarded.lever = Some(lever.clone());
            }
            let pulled = forced.then(|| lever.fact("degrade"));
            (moved.unwrap_or_default(), pulled, forced)
        });
        if known { Ok(()) } else { Err(Invalid::new("level", self.no_such(level))) }
    }

    /// Lets the signals decide again. Takes who and why.
    pub fn release(&self, by: &str, reason: &str) {
        self.step(|guarded, now| {
            guarded.lever = None;
            (guarded.machine.release(now), Some(lever::fact("release", by, reason)), ())
        });
    }

    /// Other levels, same signals. The level stays where it was by its name, else it is the normal one.
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
            let (place, levels) = (machine.level(), &machine.options().levels);
            let off: std::collections::BTreeSet<_> =
                levels[..=place].iter().flat_map(|level| &level.off).cloned().collect();
            let signals = Signal::ALL.iter().filter_map(|of| Some((*of, machine.signal(*of)?))).collect();
            let snapshot = Snapshot {
                level: levels[place].name.clone(),
                place,
                for_: now.since(machine.since()),
                off: off.into_iter().collect(),
                share: levels[place].share.get(),
                signals,
                held_by: guarded.lever.clone().filter(|_| machine.forced_until().is_some()),
            };
            (moved, None, snapshot)
        })
    }

    fn look<R>(&self, ask: impl FnOnce(&Machine, Instant) -> R) -> R {
        self.step(|guarded, now| {
            let moved = guarded.machine.advance(now);
            let answer = ask(&guarded.machine, now);
            (moved, None, answer)
        })
    }

    /// Takes one step under the lock, and tells of it afterwards.
    fn step<R>(&self, take: impl FnOnce(&mut Guarded, Instant) -> (Vec<Moved>, Option<Fact>, R)) -> R {
        let now = self.0.clock.now();
        let (moved, lever, answer, names) = {
            let mut guarded = lock(&self.0.guarded);
            let (moved, lever, answer) = take(&mut guarded, now);
            let name = |moved: &Moved| guarded.machine.options().levels[moved.to].name.as_str().into();
            let names: Vec<Arc<str>> = moved.iter().map(name).collect();
            (moved, lever, answer, names)
        };
        if let Some(sink) = &self.0.sink {
            let offer = |at, fact| sink.offer(Event { at, name: self.0.name.clone(), fact });
            if let Some(fact) = lever {
                offer(now, fact);
            }
            for (moved, level) in moved.iter().zip(names) {
                offer(moved.at, Fact::Degraded { level, why: moved.why.to_string().into() });
            }
        }
        answer
    }

    fn no_such(&self, level: &str) -> String {
        let guarded = lock(&self.0.guarded);
        let names: Vec<&str> =
            guarded.machine.options().levels.iter().map(|level| level.name.as_str()).collect();
        format!("{level:?} is no level: write one of {}", names.join(", "))
    }
}

impl fmt::Debug for Degrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Degrade").field("name", &self.0.name).field("level", &self.level()).finish()
    }
}
