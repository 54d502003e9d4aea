//! The machine: signals and levers in, a level out; down as far as the signals ask, up one level at a time.

use std::fmt;
use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units::Share;

use super::{Options, Signal};

/// What changed a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// This signal stood at the level's threshold, at this share.
    Signal(Signal, f64),
    /// Every signal was calm for long enough.
    Calm,
    /// Somebody asked for it.
    Forced,
    /// Somebody let go of it.
    Released,
    /// The time was up that somebody had asked for.
    Expired,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Signal(signal, share) => write!(f, "{signal} at {:.0}%", share * 100.0),
            Why::Calm => f.write_str("every signal is calm"),
            Why::Forced => f.write_str("an operator asked for it"),
            Why::Released => f.write_str("an operator let go of it"),
            Why::Expired => f.write_str("what an operator asked for has expired"),
        }
    }
}

/// A change of level, and what caused it. Levels are counted from 0, the normal one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moved {
    /// When.
    pub at: Instant,
    /// The level until then.
    pub from: usize,
    /// The level since.
    pub to: usize,
    /// Why.
    pub why: Why,
}

/// The levels as a value: every method is a pure step of it. What is due is done at the moment it was due, however late
/// somebody looks.
#[derive(Debug, Clone)]
pub struct Machine {
    options: Options,
    /// The level the signals ask for.
    level: usize,
    since: Instant,
    /// The last moment that was looked at.
    seen: Instant,
    signals: [Option<(f64, Instant)>; Signal::ALL.len()],
    /// Since when each level's threshold is reached.
    above: Vec<Option<Instant>>,
    /// Since when everything is calm enough for a better level.
    below: Option<Instant>,
    /// A level held by an operator, and until when.
    forced: Option<(usize, Instant)>,
}

impl Machine {
    /// At the normal level. `options` must have passed [`Options::check`].
    pub fn new(options: Options, now: Instant) -> Self {
        Self {
            above: vec![None; options.levels.len()],
            options,
            level: 0,
            since: now,
            seen: now,
            signals: [None; Signal::ALL.len()],
            below: None,
            forced: None,
        }
    }

    /// The present level, as of the last step.
    pub fn level(&self) -> usize {
        self.forced.map_or(self.level, |(level, _)| level)
    }

    /// Since when.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The options it runs by.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The last report of a signal that still counts.
    pub fn signal(&self, signal: Signal) -> Option<f64> {
        self.signals[signal as usize].map(|(share, _)| share)
    }

    /// Until when an operator holds the level.
    pub fn forced_until(&self) -> Option<Instant> {
        self.forced.map(|(_, until)| until)
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Instant) -> Vec<Moved> {
        let mut moved = Vec::new();
        self.pass(now, &mut moved);
        moved
    }

    /// Takes note of a signal: a share of 0 to 1; what lies outside is cut, NaN is not heard.
    pub fn report(&mut self, signal: Signal, share: f64, now: Instant) -> Vec<Moved> {
        let mut moved = Vec::new();
        self.pass(now, &mut moved);
        if !share.is_nan() {
            self.signals[signal as usize] = Some((share.clamp(0.0, 1.0), self.seen));
            self.mark(self.seen);
            self.settle(self.seen, &mut moved);
        }
        moved
    }

    /// Holds a level until then, whatever the signals say; they are followed underneath. `None` if there is no such level.
    pub fn force(&mut self, level: usize, until: Instant, now: Instant) -> Option<Vec<Moved>> {
        if level >= self.options.levels.len() {
            return None;
        }
        let mut moved = Vec::new();
        self.pass(now, &mut moved);
        let before = self.level();
        self.forced = Some((level, until));
        self.tell(before, Why::Forced, self.seen, &mut moved);
        // A moment that has passed already holds nothing.
        self.pass(now, &mut moved);
        Some(moved)
    }

    /// Lets go of a level that was held.
    pub fn release(&mut self, now: Instant) -> Vec<Moved> {
        let mut moved = Vec::new();
        self.pass(now, &mut moved);
        let before = self.level();
        self.forced = None;
        self.tell(before, Why::Released, self.seen, &mut moved);
        moved
    }

    /// Other options, same signals. The level stays where it was by its name, else it is the normal one.
    pub fn update(&mut self, options: Options, now: Instant) -> Vec<Moved> {
        let mut moved = self.advance(now);
        let place = |level: usize| {
            let name = &self.options.levels[level].name;
            options.levels.iter().position(|other| other.name == *name)
        };
        let level = place(self.level).unwrap_or(0);
        self.forced = self.forced.and_then(|(level, until)| Some((place(level)?, until)));
        self.level = level;
        self.above = vec![None; options.levels.len()];
        self.below = None;
        self.options = options;
        self.mark(self.seen);
        self.settle(self.seen, &mut moved);
        moved
    }

    /// The soonest a feature that is off now can be on again.
    pub fn off_for(&self, feature: &str, now: Instant) -> Duration {
        if let Some((_, until)) = self.forced {
            return now.until(until);
        }
        let on = (0..self.level).rev().find(|level| !self.options.is_off(feature, *level)).unwrap_or(0);
        let steps = u32::try_from(self.level - on).unwrap_or(u32::MAX);
        let calm = self.below.map_or(Duration::ZERO, |since| now.since(since));
        self.options.leave_after.saturating_mul(steps).saturating_sub(calm)
    }

    /// Passes every moment at which something ends, in order.
    fn pass(&mut self, now: Instant, moved: &mut Vec<Moved>) {
        // Monotonic clocks of several threads may differ by a little.
        let now = now.max(self.seen);
        while let Some(at) = self.next_end().filter(|at| *at <= now) {
            let at = at.max(self.seen);
            self.settle(at, moved);
            self.end(at, moved);
            self.mark(at);
        }
        self.settle(now, moved);
    }

    fn next_end(&self) -> Option<Instant> {
        let stale = self.signals.iter().flatten().map(|(_, at)| *at + self.options.fresh).min();
        [stale, self.forced_until()].into_iter().flatten().min()
    }

    fn end(&mut self, at: Instant, moved: &mut Vec<Moved>) {
        for signal in &mut self.signals {
            signal.take_if(|(_, reported)| *reported + self.options.fresh <= at);
        }
        if self.forced.is_some_and(|(_, until)| until <= at) {
            let before = self.level();
            self.forced = None;
            self.tell(before, Why::Expired, at, moved);
        }
    }

    /// Does what has become due by `at`, the signals being what they are.
    fn settle(&mut self, at: Instant, moved: &mut Vec<Moved>) {
        self.seen = self.seen.max(at);
        let due = |since: &Option<Instant>| since.map(|since| since + self.options.enter_after);
        let worst = (self.level + 1..self.above.len())
            .rev()
            .find_map(|level| Some((level, due(&self.above[level]).filter(|due| *due <= at)?)));
        if let Some((level, due)) = worst {
            self.go(level, self.reason(level), due, moved);
            self.below = None;
        }
        while let Some(due) =
            self.below.map(|since| since + self.options.leave_after).filter(|due| *due <= at)
        {
            self.go(self.level - 1, Why::Calm, due, moved);
            self.below = (self.level > 0 && self.is_calm()).then_some(due);
        }
    }

    /// Notes since when each threshold is reached, after the signals have changed.
    fn mark(&mut self, at: Instant) {
        for level in 0..self.above.len() {
            let hot = Signal::ALL.iter().any(|signal| self.reaches(*signal, level, all()));
            let since = &mut self.above[level];
            *since = if hot { since.or(Some(at)) } else { None };
        }
        let calm = self.level > 0 && self.is_calm();
        self.below = if calm { self.below.or(Some(at)) } else { None };
    }

    /// Is every signal well below the thresholds of this level and every worse one?
    fn is_calm(&self) -> bool {
        let hot = |level| Signal::ALL.iter().any(|signal| self.reaches(*signal, level, self.options.calm));
        !(self.level..self.options.levels.len()).any(hot)
    }

    fn reaches(&self, signal: Signal, level: usize, part: Share) -> bool {
        let threshold = self.options.levels[level].threshold(signal);
        let reported = self.signal(signal);
        reported.zip(threshold).is_some_and(|(share, threshold)| share >= threshold.get() * part.get())
    }

    fn reason(&self, level: usize) -> Why {
        let hot = |signal: &Signal| self.reaches(*signal, level, all());
        let signal = Signal::ALL.iter().copied().find(hot).unwrap_or(Signal::Errors);
        Why::Signal(signal, self.signal(signal).unwrap_or_default())
    }

    fn go(&mut self, level: usize, why: Why, at: Instant, moved: &mut Vec<Moved>) {
        let before = self.level();
        self.level = level;
        self.tell(before, why, at, moved);
    }

    fn tell(&mut self, from: usize, why: Why, at: Instant, moved: &mut Vec<Moved>) {
        let to = self.level();
        if from != to {
            self.since = at;
            moved.push(Moved { at, from, to, why });
        }
    }
}

const fn all() -> Share {
    Share::percent(100)
}
