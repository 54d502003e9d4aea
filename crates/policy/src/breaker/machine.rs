//! The machine itself: admit, record, and the levers. Every admission carries an epoch, every probe a lease.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::verdict::Lesson;

use super::counts::{Counts, reaches};
use super::half_open::{Probes, Ramp};
use super::ticket::Role;
use super::{Mode, Moved, Options, Pass, Recover, Refusal, Ticket, Totals};

seawall_core::words! {
    /// Where the breaker stands, in the words of the metrics.
    State {
        /// Calls pass.
        Closed = "closed",
        /// Calls are refused.
        Open = "open",
        /// A few probes pass, and then, where there is a ramp, a growing share of calls.
        HalfOpen = "half-open",
        /// An operator refuses calls until further notice.
        ForcedOpen = "forced-open",
        /// An operator lets every call pass until further notice.
        ForcedClosed = "forced-closed",
        /// Counts, refuses nothing.
        MetricsOnly = "metrics-only",
    }
}

/// A circuit breaker as a value: every method is a pure step of it. Less than 1 KB, and 16 bytes for each probe under
/// way.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    options: Options,
    /// Where it stands if it enforces; never [`State::MetricsOnly`].
    pub(super) state: State,
    pub(super) since: Instant,
    pub(super) epoch: u64,
    pub(super) consecutive: u32,
    pub(super) counts: Counts,
    /// While open: when the pause is over.
    pub(super) resumes: Instant,
    /// Times it has opened from half-open since it was last closed.
    pub(super) reopened: u32,
    /// While forced: when that ends by itself.
    pub(super) held_until: Option<Instant>,
    pub(super) probes: Probes,
    /// While half-open: the probes have succeeded, and the door widens.
    pub(super) ramp: Option<Ramp>,
    pub(super) opened: u64,
    refused: u64,
}

impl Machine {
    /// A closed breaker that has seen nothing. `options` must have passed [`Options::check`].
    pub fn new(options: Options, now: Instant) -> Self {
        Self {
            counts: Counts::new(options.window),
            options,
            state: State::Closed,
            since: now,
            epoch: 0,
            consecutive: 0,
            resumes: now,
            reopened: 0,
            held_until: None,
            probes: Probes::default(),
            ramp: None,
            opened: 0,
            refused: 0,
        }
    }

    /// Where it stands. An open breaker whose pause is over still says open until somebody asks to pass; what else
    /// time alone has changed is seen after [`Machine::elapse`].
    pub fn state(&self) -> State {
        match self.state {
            State::Closed | State::Open | State::HalfOpen if self.options.mode == Mode::MetricsOnly => {
                State::MetricsOnly
            }
            state => state,
        }
    }

    /// Where it would stand if it enforced: the same as [`Machine::state`] where it does.
    pub fn shadow_state(&self) -> State {
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

    /// Calls, failures and slow ones within the window.
    pub fn totals(&mut self, now: Instant) -> Totals {
        self.counts.totals(now)
    }

    /// How often it has opened.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// How many calls it has refused, or would have.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The options it runs by.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Other options, same state and counts; the window starts anew only if its length changed.
    pub fn update(&mut self, options: Options) -> Option<Moved> {
        let from = self.state();
        if self.options.window != options.window {
            self.counts = Counts::new(options.window);
        }
        self.options = options;
        self.resumes = self.since + self.pause();
        Moved { from, to: self.state(), why: "its mode was changed" }.shown()
    }

    /// What callers may be told in advance: whether every call is admitted, in this epoch.
    #[inline]
    pub fn pass(&self) -> Pass {
        match self.state {
            State::Closed => Pass::new(self.epoch, self.options.slow.is_some()),
            State::ForcedClosed if self.held_until.is_none() => {
                Pass::new(self.epoch, self.options.slow.is_some())
            }
            _ => Pass::NONE,
        }
    }

    /// Would a call be admitted? Consumes nothing and changes nothing.
    pub fn peek(&self, now: Instant) -> Result<(), Refusal> {
        if self.only_counts() { Ok(()) } else { self.would(now) }
    }

    /// Admits one call, or says when to come back. May move an open breaker to half-open.
    #[inline]
    pub fn admit(&mut self, now: Instant) -> (Result<Ticket, Refusal>, Option<Moved>) {
        let answer = self.would(now);
        if let Some(ramp) = &mut self.ramp {
            ramp.count(self.options.ramp, answer.is_ok(), now);
        }
        match answer {
            Ok(()) => {
                let moved = match self.state {
                    State::Open => self.go(State::HalfOpen, "its pause is over", now).shown(),
                    _ => self.elapse(now),
                };
                let role = match self.state {
                    State::HalfOpen if self.ramp.is_none() => {
                        Role::Probe(self.probes.send(self.options.lease, now))
                    }
                    _ => Role::Call,
                };
                (Ok(Ticket { epoch: self.epoch, admitted: now, role }), moved)
            }
            // Whoever is refused now came before the end of every ramp and hold: there is nothing time has done.
            Err(refusal) => (self.refuse(refusal, now), None),
        }
    }

    /// Refuses a call, or lets it through where the machine only counts.
    pub(super) fn refuse(&mut self, refusal: Refusal, now: Instant) -> Result<Ticket, Refusal> {
        self.refused = self.refused.saturating_add(1);
        let spared = Ticket { epoch: self.epoch, admitted: now, role: Role::Spared(refusal) };
        if self.only_counts() { Ok(spared) } else { Err(refusal) }
    }

    /// Takes note of how an admitted call ended.
    #[inline]
    pub fn record(&mut self, ticket: Ticket, lesson: Lesson, now: Instant) -> Option<Moved> {
        let moved = if ticket.epoch == self.epoch { self.learn(ticket, lesson, now) } else { None };
        match moved {
            Some(moved) => moved.shown(),
            None => self.elapse(now),
        }
    }

    /// Does what time alone does: ends a ramp, or a lever's hold.
    #[inline]
    pub fn elapse(&mut self, now: Instant) -> Option<Moved> {
        if self.state == State::Closed { None } else { self.elapsed(now) }
    }

    fn elapsed(&mut self, now: Instant) -> Option<Moved> {
        let over = self.held_until.is_some_and(|until| until <= now);
        let moved = match (self.state, &self.ramp) {
            (State::ForcedOpen, _) if over => self.go(State::HalfOpen, "the operator's hold is over", now),
            (State::ForcedClosed, _) if over => self.go(State::Closed, "the operator's hold is over", now),
            (State::HalfOpen, Some(ramp)) if ramp.is_over(self.options.ramp, now) => {
                // What the ramp let in and counted goes on counting: the same epoch, the same window.
                let (epoch, consecutive) = (self.epoch, self.consecutive);
                let moved = self.go(State::Closed, "its ramp is over", now);
                (self.epoch, self.consecutive) = (epoch, consecutive);
                moved
            }
            _ => return None,
        };
        moved.shown()
    }

    /// Refuses calls until [`Machine::reset`] or [`Machine::half_open`], or until then; after that probes decide.
    pub fn force_open(&mut self, until: Option<Instant>, now: Instant) -> Moved {
        let moved = self.go(State::ForcedOpen, "an operator holds it open", now);
        self.held_until = until;
        moved
    }

    /// Lets every call pass until [`Machine::reset`] or [`Machine::half_open`], or until then; after that it is closed.
    pub fn force_closed(&mut self, until: Option<Instant>, now: Instant) -> Moved {
        let moved = self.go(State::ForcedClosed, "an operator holds it closed", now);
        self.held_until = until;
        moved
    }

    /// Lets probes pass at once.
    pub fn half_open(&mut self, now: Instant) -> Moved {
        self.go(State::HalfOpen, "an operator asks for a probe", now)
    }

    /// Closes it and forgets what was counted.
    pub fn reset(&mut self, now: Instant) -> Moved {
        self.counts.clear();
        self.go(State::Closed, "an operator reset it", now)
    }

    /// An operator's word holds in every mode: only what it decides by itself it may decide in the shadow.
    fn only_counts(&self) -> bool {
        self.options.mode == Mode::MetricsOnly && self.state != State::ForcedOpen
    }

    #[inline]
    fn would(&self, now: Instant) -> Result<(), Refusal> {
        match self.state {
            State::Closed | State::ForcedClosed | State::MetricsOnly => Ok(()),
            State::ForcedOpen if self.held_until.is_some_and(|until| until <= now) => Ok(()),
            State::ForcedOpen => Err(Refusal::Forced),
            State::Open if self.options.recover == Recover::Manual => Err(Refusal::Held),
            State::Open => match now.until(self.resumes) {
                Duration::ZERO => Ok(()),
                left => Err(Refusal::Open(left)),
            },
            State::HalfOpen => match &self.ramp {
                Some(ramp) => ramp.room(self.options.ramp, now).map_err(Refusal::Ramping),
                None => self.probes.room(self.options.probes, now).map_err(Refusal::Probing),
            },
        }
    }

    #[inline]
    fn learn(&mut self, ticket: Ticket, lesson: Lesson, now: Instant) -> Option<Moved> {
        let slow = self.options.slow.is_some_and(|slow| now.since(ticket.admitted) > slow);
        match (ticket.role, lesson) {
            (Role::Probe(probe), lesson) => self.probed(probe, lesson, slow, now),
            (_, Lesson::Answered | Lesson::Nothing) => None,
            (Role::Call, lesson) => self.counted(lesson == Lesson::Failure, slow, now),
            // Nobody judges by this window before it is cleared; on a ramp somebody does.
            (Role::Spared(_), lesson) => {
                if self.state != State::Closed && self.ramp.is_none() {
                    self.counts.record(lesson == Lesson::Failure, slow, now);
                }
                None
            }
        }
    }

    #[cold]
    pub(super) fn probed(&mut self, probe: u64, lesson: Lesson, slow: bool, now: Instant) -> Option<Moved> {
        if !self.probes.back(probe) {
            return None;
        }
        let bad = match lesson {
            Lesson::Nothing => return None,
            Lesson::Failure => true,
            Lesson::Success | Lesson::Answered => slow,
        };
        self.probes.bad += u32::from(bad);
        self.probes.good += u32::from(!bad);
        let (good, bad_ones) = (self.probes.good, self.probes.bad);
        let proved = match self.options.sample {
            0 if lesson == Lesson::Failure => Err("a probe failed"),
            0 if bad => Err("a probe was slow"),
            0 if good >= self.options.successes => Ok(()),
            0 => return None,
            // What the rest will say can no longer change it.
            sample if reaches(bad_ones.into(), self.options.failure_rate, sample.into()) => {
                Err("too large a share of probes failed")
            }
            sample if good + bad_ones >= sample => Ok(()),
            _ => return None,
        };
        match proved {
            Ok(()) => self.proved(now),
            Err(why) => Some(self.go(State::Open, why, now)),
        }
    }

    /// The probes have succeeded.
    fn proved(&mut self, now: Instant) -> Option<Moved> {
        self.counts.clear();
        if self.options.ramp.is_zero() {
            return Some(self.go(State::Closed, "its probes succeeded", now));
        }
        // Whatever else is under way has lost its place, and says nothing.
        self.probes.clear();
        self.ramp = Some(Ramp::new(now));
        None
    }

    #[inline]
    fn counted(&mut self, failed: bool, slow: bool, now: Instant) -> Option<Moved> {
        self.counts.record(failed, slow, now);
        self.consecutive = if failed { self.consecutive.saturating_add(1) } else { 0 };
        // A call that worked in time never opens it, and an operator's word stands.
        if !(failed || slow) || self.state == State::ForcedClosed {
            return None;
        }
        let why = self.too_much(failed, slow, now)?;
        Some(self.go(State::Open, why, now))
    }

    #[cold]
    pub(super) fn too_much(&mut self, failed: bool, slow: bool, now: Instant) -> Option<&'static str> {
        let options = &self.options;
        if failed && options.consecutive > 0 && self.consecutive >= options.consecutive {
            return Some("too many failures in a row");
        }
        if options.failures == 0 && options.min_calls == 0 {
            return None;
        }
        let seen = self.counts.totals(now);
        if failed && options.failures > 0 && seen.failures >= u64::from(options.failures) {
            return Some("too many failures");
        }
        let enough = u64::from(options.window.at_most(options.min_calls));
        if options.min_calls == 0 || seen.calls < enough {
            return None;
        }
        if failed && reaches(seen.failures, options.failure_rate, seen.calls) {
            return Some("too large a share of failures");
        }
        (slow && reaches(seen.slow, options.slow_rate, seen.calls))
            .then_some("too large a share of slow calls")
    }

    pub(super) fn pause(&self) -> Duration {
        let most = self.options.open_cap.unwrap_or(self.options.open);
        self.options.open.saturating_mul(1 << self.reopened.min(31)).min(most)
    }

    #[cold]
    pub(super) fn go(&mut self, to: State, why: &'static str, now: Instant) -> Moved {
        let from = self.state();
        self.reopened = match (self.state, to) {
            (State::HalfOpen, State::Open) => self.reopened.saturating_add(1),
            (_, State::Closed | State::ForcedClosed) => 0,
            _ => self.reopened,
        };
        self.opened = self.opened.saturating_add(u64::from(to == State::Open));
        self.state = to;
        self.since = now;
        self.epoch += 1;
        self.consecutive = 0;
        self.resumes = now + self.pause();
        self.held_until = None;
        self.probes.clear();
        self.ramp = None;
        Moved { from, to: self.state(), why }
    }
}

#[cfg(test)]
impl Machine {
    /// Would what this ticket's call found out still count?
    pub(super) fn is_current(&self, ticket: Ticket) -> bool {
        ticket.epoch == self.epoch
    }
}
