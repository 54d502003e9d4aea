//! The machine itself: admit, record, and the levers. Every admission carries an epoch, every probe a lease.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::verdict::Lesson;

use super::Options;
use super::window::Window;

seawall_core::words! {
    /// Where the breaker stands, in the words of the metrics.
    State {
        /// Calls pass.
        Closed = "closed",
        /// Calls are refused.
        Open = "open",
        /// A few probes pass.
        HalfOpen = "half-open",
        /// An operator refuses calls until further notice.
        ForcedOpen = "forced-open",
        /// An operator lets every call pass until further notice.
        ForcedClosed = "forced-closed",
        /// Counts, refuses nothing.
        MetricsOnly = "metrics-only",
    }
}

/// The right to make one call, and the proof of when it was given.
///
/// A ticket of an earlier epoch changes nothing any more: a call admitted while the breaker was closed never decides
/// what a probe found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an admission that is never recorded is a probe that is never heard of"]
pub struct Ticket {
    epoch: u64,
    probe: Option<u64>,
}

/// Why a call was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Open for this much longer.
    Open(Duration),
    /// Half-open, and the probes are under way; worth asking again after this.
    Probing(Duration),
    /// Held open by an operator.
    Forced,
}

/// A change of state, and what caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Where the breaker stands now.
    pub to: State,
    /// What moved it, in words.
    pub why: &'static str,
}

/// A circuit breaker as a value: every method is a pure step of it. Less than 1 KB.
#[derive(Debug, Clone)]
pub struct Machine {
    options: Options,
    state: State,
    since: Instant,
    epoch: u64,
    consecutive: u32,
    window: Window,
    /// Lease ends of the probes under way.
    probes: Vec<(u64, Instant)>,
    next_probe: u64,
    successes: u32,
}

/// How soon a caller refused during probing may ask again: probes usually take about this long.
const PROBING: Duration = Duration::from_secs(1);

impl Machine {
    /// A closed breaker that has seen nothing. `options` must have passed [`Options::check`].
    pub fn new(options: Options, now: Instant) -> Self {
        Self {
            window: Window::new(options.window),
            options,
            state: State::Closed,
            since: now,
            epoch: 0,
            consecutive: 0,
            probes: Vec::new(),
            next_probe: 0,
            successes: 0,
        }
    }

    /// Where it stands. An open breaker whose pause is over still says open until somebody asks to pass.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when it stands there.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Failures in a row, as last counted.
    pub fn consecutive(&self) -> u32 {
        self.consecutive
    }

    /// Calls and failures within the window.
    pub fn window(&mut self, now: Instant) -> (u64, u64) {
        self.window.totals(now)
    }

    /// The options it runs by.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Other options, same state and counts; the window starts anew only if its length changed.
    pub fn update(&mut self, options: Options) {
        if !self.window.covers(options.window) {
            self.window = Window::new(options.window);
        }
        self.options = options;
    }

    /// Would a call be admitted? Consumes nothing and changes nothing.
    pub fn peek(&self, now: Instant) -> Result<(), Refusal> {
        match self.state {
            State::Closed | State::ForcedClosed | State::MetricsOnly => Ok(()),
            State::ForcedOpen => Err(Refusal::Forced),
            State::Open => match now.until(self.since + self.options.open) {
                Duration::ZERO => Ok(()),
                left => Err(Refusal::Open(left)),
            },
            State::HalfOpen => self.room_for_a_probe(now),
        }
    }

    /// Admits one call, or says when to come back. May move an open breaker to half-open.
    pub fn admit(&mut self, now: Instant) -> (Result<Ticket, Refusal>, Option<Moved>) {
        if let Err(refusal) = self.peek(now) {
            return (Err(refusal), None);
        }
        let moved = (self.state == State::Open).then(|| self.go(State::HalfOpen, "its pause is over", now));
        let probe = (self.state == State::HalfOpen).then(|| {
            self.probes.retain(|(_, lease)| *lease > now);
            self.next_probe += 1;
            self.probes.push((self.next_probe, now + self.options.lease));
            self.next_probe
        });
        (Ok(Ticket { epoch: self.epoch, probe }), moved)
    }

    /// Takes note of how an admitted call ended.
    pub fn record(&mut self, ticket: Ticket, lesson: Lesson, now: Instant) -> Option<Moved> {
        if ticket.epoch != self.epoch {
            return None;
        }
        match self.state {
            State::HalfOpen => self.probed(ticket.probe?, lesson, now),
            _ => self.counted(lesson, now),
        }
    }

    /// Refuses calls until [`Machine::reset`] or [`Machine::half_open`].
    pub fn force_open(&mut self, now: Instant) -> Moved {
        self.go(State::ForcedOpen, "an operator holds it open", now)
    }

    /// Lets every call pass until [`Machine::reset`] or [`Machine::half_open`].
    pub fn force_closed(&mut self, now: Instant) -> Moved {
        self.go(State::ForcedClosed, "an operator holds it closed", now)
    }

    /// Lets probes pass at once.
    pub fn half_open(&mut self, now: Instant) -> Moved {
        self.go(State::HalfOpen, "an operator asks for a probe", now)
    }

    /// Closes it and forgets what was counted.
    pub fn reset(&mut self, now: Instant) -> Moved {
        self.window.clear();
        self.go(State::Closed, "an operator reset it", now)
    }

    fn room_for_a_probe(&self, now: Instant) -> Result<(), Refusal> {
        let under_way = self.probes.iter().filter(|(_, lease)| *lease > now);
        if under_way.clone().count() < self.options.probes as usize {
            return Ok(());
        }
        let soonest = under_way.map(|(_, lease)| now.until(*lease)).min().unwrap_or(PROBING);
        Err(Refusal::Probing(soonest.min(PROBING)))
    }

    fn probed(&mut self, probe: u64, lesson: Lesson, now: Instant) -> Option<Moved> {
        let place = self.probes.iter().position(|(id, _)| *id == probe)?;
        self.probes.swap_remove(place);
        match lesson {
            Lesson::Failure => Some(self.go(State::Open, "a probe failed", now)),
            Lesson::Success | Lesson::Answered => {
                self.successes += 1;
                (self.successes >= self.options.successes).then(|| {
                    self.window.clear();
                    self.go(State::Closed, "its probes succeeded", now)
                })
            }
            Lesson::Nothing => None,
        }
    }

    fn counted(&mut self, lesson: Lesson, now: Instant) -> Option<Moved> {
        let failed = match lesson {
            Lesson::Failure => true,
            Lesson::Success => false,
            Lesson::Answered | Lesson::Nothing => return None,
        };
        self.window.record(failed, now);
        self.consecutive = if failed { self.consecutive.saturating_add(1) } else { 0 };
        if !failed || self.state != State::Closed {
            return None;
        }
        if self.options.consecutive > 0 && self.consecutive >= self.options.consecutive {
            return Some(self.go(State::Open, "too many failures in a row", now));
        }
        let (calls, failures) = self.window.totals(now);
        let enough = self.options.min_calls > 0 && calls >= u64::from(self.options.min_calls);
        if enough && failures as f64 >= self.options.failure_rate.get() * calls as f64 {
            return Some(self.go(State::Open, "too large a share of failures", now));
        }
        None
    }

    fn go(&mut self, to: State, why: &'static str, now: Instant) -> Moved {
        self.state = to;
        self.since = now;
        self.epoch += 1;
        self.consecutive = 0;
        self.successes = 0;
        self.probes.clear();
        Moved { to, why }
    }
}
