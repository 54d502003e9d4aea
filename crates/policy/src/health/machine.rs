//! The machine: findings in, where the check stands out.

use seawall_core::Instant;

use super::{Level, Options, State};

/// One check as a value: every method is a pure step of it.
///
/// It stands at a level when so many findings in a row were at least so bad (or, on the way back, at most): three
/// findings *degraded, unhealthy, degraded* agree on degraded. 64 bytes and no list of findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    stands: Level,
    absent: bool,
    known: bool,
    since: Instant,
    /// Findings in a row that were at least degraded, and at least unhealthy.
    at_least: [u32; 2],
    /// Findings in a row that were at most healthy, and at most degraded.
    at_most: [u32; 2],
    /// The latest findings, the last in the lowest bit; set where one was not healthy.
    recent: u16,
    remembered: u32,
}

/// A check stands elsewhere now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Where it stood.
    pub from: State,
    /// Where it stands.
    pub to: State,
}

/// So many findings make up the share that failed.
const REMEMBERED: u32 = u16::BITS;

impl Machine {
    /// A check nobody has looked at.
    pub fn new(now: Instant) -> Self {
        Self {
            stands: Level::Healthy,
            absent: false,
            known: false,
            since: now,
            at_least: [0; 2],
            at_most: [0; 2],
            recent: 0,
            remembered: 0,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        match (self.absent, self.known) {
            (true, _) => State::Absent,
            (_, false) => State::Unknown,
            _ => self.stands.into(),
        }
    }

    /// The level its findings agree on; healthy before they do.
    pub fn stands(&self) -> Level {
        self.stands
    }

    /// Since when.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Findings in a row that were not healthy.
    pub fn failures(&self) -> u32 {
        self.at_least[0]
    }

    /// The share of the last 16 findings that were not healthy; nothing before the first.
    pub fn failing(&self) -> Option<f64> {
        (self.remembered > 0).then(|| f64::from(self.recent.count_ones()) / f64::from(self.remembered))
    }

    /// Takes note of a finding.
    pub fn found(&mut self, found: Level, options: &Options, now: Instant) -> Option<Moved> {
        let from = self.state();
        if self.absent {
            *self = Self::new(self.since);
        }
        let bad = u16::from(found > Level::Healthy);
        self.recent = self.recent << 1 | bad;
        self.remembered = (self.remembered + 1).min(REMEMBERED);
        let count = |run: &mut u32, holds: bool| *run = if holds { run.saturating_add(1) } else { 0 };
        for (run, level) in self.at_least.iter_mut().zip([Level::Degraded, Level::Unhealthy]) {
            count(run, found >= level);
        }
        for (run, level) in self.at_most.iter_mut().zip([Level::Healthy, Level::Degraded]) {
            count(run, found <= level);
        }
        self.settle(options);
        self.known |= found == Level::Healthy || self.stands > Level::Healthy;
        self.moved(from, now)
    }

    /// What it looks at is not there. What was found before is forgotten.
    pub fn found_nothing(&mut self, now: Instant) -> Option<Moved> {
        let from = self.state();
        *self = Self { absent: true, ..Self::new(self.since) };
        self.moved(from, now)
    }

    /// What was found is too old to say anything of the present: it is as if nobody had looked.
    pub fn forget(&mut self, now: Instant) -> Option<Moved> {
        let from = self.state();
        *self = Self::new(self.since);
        self.moved(from, now)
    }

    fn settle(&mut self, options: &Options) {
        let [degraded, unhealthy] = self.at_least.map(|run| run >= options.down_after);
        let [well, bearable] = self.at_most.map(|run| run >= options.up_after);
        self.stands = match self.stands {
            _ if unhealthy => Level::Unhealthy,
            Level::Healthy if degraded => Level::Degraded,
            _ if well => Level::Healthy,
            Level::Unhealthy if bearable => Level::Degraded,
            stays => stays,
        };
    }

    fn moved(&mut self, from: State, now: Instant) -> Option<Moved> {
        let to = self.state();
        if from == to {
            return None;
        }
        self.since = now;
        Some(Moved { from, to })
    }
}
