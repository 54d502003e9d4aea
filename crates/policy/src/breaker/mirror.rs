//! What a process has of a breaker that its fleet shares: a machine that follows it, and what it has yet to be told.
//!
//! ```text
//!  calls ──► machine ◄──follows── what the store said
//!               │
//!               └──counts, probes, levers──► what the store is told, in batches
//! ```
//!
//! While the store answers, the machine opens by itself only where its own failures alone would open the fleet's breaker
//! too: so many in a row, or so many. Shares of calls are the fleet's to judge, and so is who sends a probe. While the
//! store is away the machine is a breaker of its own, with its share of what opens it.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::fleet::breaker::{Ask, Counts, Heard, Pull, Report, Rules, Said, State as Stands};
use seawall_core::verdict::Lesson;

use super::counts::{SLOTS, Tally};
use super::follow::Followed;
use super::ticket::Role;
use super::{Machine, Mode, Moved, Options, Recover, Refusal, State, Ticket};
use crate::Invalid;
use crate::fleet::breaker::rules;
use crate::slots::Slots;

/// A breaker's tie to its fleet. Its machine is the caller's.
#[derive(Debug)]
pub struct Mirror {
    /// As they were given, for the whole fleet.
    options: Options,
    rules: Rules,
    /// Of how many members this one is alone.
    alone: Option<u32>,
    /// The state of the fleet's breaker this machine follows; zero before any is known.
    epoch: u64,
    /// What has not been told.
    counts: Slots<Tally, SLOTS>,
    /// Since when that has been counted, where anything has.
    noted: Option<Instant>,
    run: Run,
    back: Vec<(u64, u64, Heard)>,
    lever: Option<Pulled>,
    /// Somebody would send a probe; and when it makes sense to ask for one again.
    wants: bool,
    asks: Instant,
    /// One that may be sent, until then.
    granted: Option<(u64, Instant)>,
    /// Those that were, by the machine's number and the fleet's.
    sent: Vec<(u64, u64)>,
}

/// A lever the store has not confirmed.
#[derive(Debug)]
struct Pulled {
    pull: Pull,
    /// When its hold ends, where it has an end.
    until: Option<Instant>,
    /// Has the store been asked?
    told: bool,
}

/// How calls ended, in their order.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    first: u32,
    last: u32,
    worked: bool,
}

impl Run {
    fn note(&mut self, failed: bool) {
        match (failed, self.worked) {
            (true, false) => self.first = self.first.saturating_add(1),
            (true, true) => self.last = self.last.saturating_add(1),
            (false, _) => (self.last, self.worked) = (0, true),
        }
    }
}

/// How soon a caller may ask again that would be a probe: by then it is known whether one may be sent.
const SOON: Duration = Duration::from_millis(250);

/// A probe that may be sent and that nobody sends gives its place to another process after this.
const UNUSED: Duration = Duration::from_secs(10);

impl Mirror {
    /// A tie to a breaker nothing is known of. Refuses what cannot be shared.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        let rules = rules(&options)?;
        Ok(Self {
            counts: Slots::new(super::kept::slot(&options)),
            options,
            rules,
            alone: None,
            epoch: 0,
            noted: None,
            run: Run::default(),
            back: Vec::new(),
            lever: None,
            wants: false,
            asks: Instant::ORIGIN,
            granted: None,
            sent: Vec::new(),
        })
    }

    /// What the store is to go by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The options of the machine: those that can be judged here.
    pub fn machine_options(&self) -> Options {
        let share = |count: u32, members: u32| count.div_ceil(members.max(1));
        match self.alone {
            None => Options { min_calls: 0, ..self.options.clone() },
            Some(members) => Options {
                consecutive: share(self.options.consecutive, members),
                failures: share(self.options.failures, members),
                min_calls: share(self.options.min_calls, members),
                ..self.options.clone()
            },
        }
    }

    /// Other options, same state and counts.
    pub fn update(&mut self, machine: &mut Machine, options: Options) -> Result<Option<Moved>, Invalid> {
        self.rules = rules(&options)?;
        if self.options.window != options.window {
            self.counts = Slots::new(super::kept::slot(&options));
        }
        self.options = options;
        Ok(machine.update(self.machine_options()))
    }

    /// Admits a call, or says when to come back. Costs no trip: a probe goes where one was granted before.
    pub fn admit(&mut self, machine: &mut Machine, now: Instant) -> (Result<Ticket, Refusal>, Option<Moved>) {
        if self.alone.is_some() {
            return machine.admit(now);
        }
        let moved = machine.elapse(now);
        let (resumes, _, ramp) = machine.times(now);
        let refusal = match machine.shadow_state() {
            State::Open if self.options.recover == Recover::Manual => Refusal::Held,
            State::Open if !resumes.is_zero() => Refusal::Open(resumes),
            State::Open => Refusal::Probing(SOON),
            State::HalfOpen if ramp.is_none() => {
                if let Some((number, _)) = self.granted.take().filter(|(_, until)| now < *until) {
                    let ticket = machine.granted(now);
                    if let Role::Probe(own) = ticket.role {
                        self.sent.push((own, number));
                    }
                    return (Ok(ticket), moved);
                }
                Refusal::Probing(SOON)
            }
            _ => {
                let (answer, later) = machine.admit(now);
                return (answer, later.or(moved));
            }
        };
        self.wants |= matches!(refusal, Refusal::Probing(_)) && now >= self.asks;
        (machine.refuse(refusal, now), moved)
    }

    /// Takes note of how an admitted call ended. Says whether the store should hear of it soon.
    pub fn record(
        &mut self,
        machine: &mut Machine,
        ticket: Ticket,
        lesson: Lesson,
        now: Instant,
    ) -> (Option<Moved>, bool) {
        let slow = self.options.slow.is_some_and(|slow| now.since(ticket.admitted) > slow);
        if let Role::Probe(own) = ticket.role {
            let sent = self.sent.iter().position(|(number, _)| *number == own);
            let sent = sent.map(|place| self.sent.swap_remove(place).1);
            if let (None, Some(number)) = (self.alone, sent) {
                if ticket.epoch == machine.epoch() {
                    let heard = match lesson {
                        Lesson::Nothing => Heard::Nothing,
                        Lesson::Failure => Heard::Failed,
                        Lesson::Success | Lesson::Answered if slow => Heard::Slow,
                        Lesson::Success | Lesson::Answered => Heard::Worked,
                    };
                    self.back.push((self.epoch, number, heard));
                }
                return (machine.elapse(now), true);
            }
            return (machine.record(ticket, lesson, now), true);
        }
        let (_, _, ramp) = machine.times(now);
        let passes = match machine.shadow_state() {
            State::Closed | State::ForcedClosed => true,
            State::HalfOpen => ramp.is_some(),
            _ => false,
        };
        let counts = ticket.role == Role::Call && ticket.epoch == machine.epoch() && passes;
        if counts && matches!(lesson, Lesson::Success | Lesson::Failure) {
            let failed = lesson == Lesson::Failure;
            let one = Tally { calls: 1, failures: failed.into(), slow: slow.into() };
            self.counts.now(now).add(one);
            self.noted.get_or_insert(now);
            self.run.note(failed);
        }
        let moved = machine.record(ticket, lesson, now);
        (moved, moved.is_some())
    }

    /// Somebody has pulled a lever here: the store is to hear of it before anything else, and until it has, nothing it
    /// says counts.
    pub fn pulled(&mut self, pull: Pull, now: Instant) {
        let until = pull.hold.map(|hold| now + hold);
        self.lever = Some(Pulled { pull, until, told: false });
        self.granted = None;
    }

    /// What the store is to be told next, if anything is. If no answer comes, see [`Mirror::unheard`].
    pub fn next(&mut self, now: Instant) -> Option<Ask> {
        if let Some(pull) = self.pull(now) {
            return Some(Ask::Pull(pull));
        }
        if let Some((epoch, probe, heard)) = self.back.pop() {
            return Some(Ask::Probed { epoch, probe, heard });
        }
        if let Some((probe, _)) = self.granted.take_if(|(_, until)| *until <= now) {
            return Some(Ask::Probed { epoch: self.epoch, probe, heard: Heard::Nothing });
        }
        let report = self.report(now);
        if report.is_some() {
            return report;
        }
        std::mem::take(&mut self.wants).then(|| {
            self.asks = now + SOON;
            Ask::Probe
        })
    }

    /// The lever that is to be told, for as long as it still holds: one whose time is over moves nobody.
    fn pull(&mut self, now: Instant) -> Option<Pull> {
        let Pulled { pull, until, told } = self.lever.as_mut().filter(|lever| !lever.told)?;
        let hold = until.map(|until| now.until(until));
        if hold == Some(Duration::ZERO) {
            self.lever = None;
            return None;
        }
        *told = true;
        Some(Pull { hold, ..pull.clone() })
    }

    /// Is there something the store should be asked soon?
    pub fn is_urgent(&self) -> bool {
        self.wants
    }

    /// Would a call be admitted? Takes nothing.
    pub fn peek(&self, machine: &Machine, now: Instant) -> bool {
        let (_, _, ramp) = machine.times(now);
        let probes = match machine.shadow_state() {
            State::Open => true,
            State::HalfOpen => ramp.is_none(),
            _ => false,
        };
        if probes && self.alone.is_none() && self.options.mode == Mode::Enforce {
            return self.granted.is_some_and(|(_, until)| now < until);
        }
        machine.peek(now).is_ok()
    }

    /// A question that tells nothing.
    pub fn look(&self) -> Ask {
        Ask::Report(Report { epoch: self.epoch, ..Report::default() })
    }

    fn report(&mut self, now: Instant) -> Option<Ask> {
        self.counts.now(now);
        let seen = self.counts.ages(now).filter(|(_, tally)| **tally != Tally::default());
        let longest = self.noted.take().map_or(Duration::ZERO, |noted| now.since(noted));
        // In a known epoch, as young as they may be; in none as old, so that what ended before somebody closed it is not
        // taken for what came after.
        let older = if self.epoch == 0 { self.counts.slot() } else { Duration::ZERO };
        let counts: Vec<_> = seen
            .map(|(ago, tally)| {
                let Tally { calls, failures, slow } = *tally;
                Counts { ago: (ago + older).min(longest), calls, failures, slow }
            })
            .collect();
        // What has left the window is over, in a row or not.
        let Run { first, last, worked } = std::mem::take(&mut self.run);
        if counts.is_empty() {
            return None;
        }
        self.counts.clear();
        Some(Ask::Report(Report { epoch: self.epoch, counts, first, last, worked }))
    }

    /// The last question got no answer. A lever is told again. Counts are not: they may have been heard, and nothing is
    /// counted twice.
    pub fn unheard(&mut self) {
        if let Some(lever) = &mut self.lever {
            lever.told = false;
        }
    }

    /// What the store said to the last question: the machine goes where the fleet's breaker stands.
    pub fn hear(&mut self, machine: &mut Machine, said: &Said, now: Instant) -> Option<Moved> {
        if self.alone.take().is_some() {
            machine.update(self.machine_options());
        }
        let standing = &said.standing;
        self.lever.take_if(|lever| lever.told);
        if self.lever.is_some() {
            return None;
        }
        // What time alone does comes first: a hold that is over here may go on there.
        let elapsed = machine.elapse(now);
        if let Some(probe) = said.probe {
            self.granted = Some((probe, now + UNUSED.min(self.options.lease / 2)));
        } else if standing.epoch != self.epoch {
            self.granted = None;
        }
        let state = match standing.state {
            Stands::Closed => State::Closed,
            Stands::Open => State::Open,
            Stands::HalfOpen => State::HalfOpen,
            Stands::ForcedOpen => State::ForcedOpen,
            Stands::ForcedClosed => State::ForcedClosed,
        };
        let first = self.epoch == 0;
        let anew = std::mem::replace(&mut self.epoch, standing.epoch) != standing.epoch;
        let (_, _, ramp) = machine.times(now);
        let same = machine.shadow_state() == state && ramp.is_some() == standing.ramp.is_some();
        if anew && !(first && same && state == State::Closed) {
            self.counts.clear();
            self.noted = None;
            self.run = Run::default();
            self.back.clear();
        } else if same {
            // Counted before anything was known: it is to be told.
            return elapsed;
        } else if machine.shadow_state() == State::Open && self.run.first.max(self.run.last) > 0 {
            // It has opened on what the store has not been told yet.
            return elapsed;
        }
        let followed = Followed {
            state,
            resumes: standing.resumes,
            held: standing.held.as_ref().and_then(|held| held.left),
            ramp: standing.ramp,
        };
        let why = said.moved.map_or("the fleet moved it", seawall_core::fleet::breaker::Why::as_str);
        let moved = machine.follow(&followed, why, now);
        let from = elapsed.map_or(moved.from, |elapsed| elapsed.from);
        (from != moved.to).then_some(Moved { from, ..moved })
    }

    /// Does the machine stand as that was said? Not while a lever is still to be told.
    pub fn follows(&self, said: &Said) -> bool {
        self.lever.is_none() && self.epoch == said.standing.epoch
    }

    /// The store is away: from now on the machine decides, as one of so many.
    pub fn alone(&mut self, machine: &mut Machine, members: u32) -> Option<Moved> {
        if self.alone == Some(members) {
            return None;
        }
        // What was told under an epoch is told; what comes is told in none, once.
        (self.alone, self.epoch) = (Some(members), 0);
        (self.granted, self.wants) = (None, false);
        self.back.clear();
        machine.update(self.machine_options())
    }
}
