//! A machine that somebody else moves: what a fleet's store, and a process that follows it, do to it besides what calls do.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::verdict::Lesson;

use super::half_open::Ramp;
use super::ticket::Role;
use super::{Machine, Moved, Recover, State};

/// What a probe found, where somebody else timed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Worked,
    Slow,
    Failed,
    Nothing,
}

impl Machine {
    /// Sends a probe, if one may be sent, and gives its number.
    pub(crate) fn send_probe(&mut self, now: Instant) -> (Option<u64>, Option<Moved>) {
        let probes = match self.state {
            State::Open => self.options().recover == Recover::Automatic,
            State::HalfOpen => self.ramp.is_none(),
            _ => false,
        };
        if !probes {
            return (None, None);
        }
        let (answer, moved) = self.admit(now);
        match answer.map(|ticket| ticket.role) {
            Ok(Role::Probe(number)) => (Some(number), moved),
            _ => (None, moved),
        }
    }

    /// A probe of that epoch came back.
    pub(crate) fn probe_back(&mut self, epoch: u64, probe: u64, heard: Heard, now: Instant) -> Option<Moved> {
        if epoch != self.epoch {
            return None;
        }
        let (lesson, slow) = match heard {
            Heard::Worked => (Lesson::Success, false),
            Heard::Slow => (Lesson::Success, true),
            Heard::Failed => (Lesson::Failure, false),
            Heard::Nothing => (Lesson::Nothing, false),
        };
        self.probed(probe, lesson, slow, now)
    }

    /// Another one with each change of state.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How long until the pause is over, how long until a hold ends, and for how long a ramp has been under way.
    pub(crate) fn times(&self, now: Instant) -> (Duration, Option<Duration>, Option<Duration>) {
        let held = self.held_until.map(|until| now.until(until));
        (now.until(self.resumes), held, self.ramp.map(|ramp| now.since(ramp.began)))
    }

    /// Goes where somebody else says it stands, in a new epoch.
    pub(crate) fn follow(&mut self, to: &Followed, why: &'static str, now: Instant) -> Moved {
        let Followed { state, resumes, held, ramp } = *to;
        if state == State::Closed {
            self.counts.clear();
        }
        let moved = self.go(state, why, now);
        if state == State::Open {
            self.resumes = now + resumes;
        }
        self.held_until = held.map(|left| now + left);
        self.ramp = ramp.map(|age| Ramp::new(now - age));
        moved
    }

    /// Nothing has begun later than now, and no pause and no probe ends later than one that begins now: a clock that was
    /// set back prolongs neither. What a person holds ends when it was said to.
    pub(crate) fn not_ahead(&mut self, now: Instant) {
        self.since = self.since.min(now);
        self.resumes = self.resumes.min(now + self.pause());
        let lease = now + self.options().lease;
        self.probes.leases.iter_mut().for_each(|(_, end)| *end = lease.min(*end));
        if self.ramp.is_some_and(|ramp| ramp.began > now) {
            self.ramp = Some(Ramp::new(now));
        }
    }

    /// A probe that somebody else has granted, whatever this machine thinks of it.
    pub(crate) fn granted(&mut self, now: Instant) -> super::Ticket {
        let probe = self.probes.send(self.options().lease, now);
        super::Ticket { epoch: self.epoch, admitted: now, role: Role::Probe(probe) }
    }
}

/// Where somebody else says a machine stands, and for how much longer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Followed {
    pub(crate) state: State,
    pub(crate) resumes: Duration,
    pub(crate) held: Option<Duration>,
    pub(crate) ramp: Option<Duration>,
}
