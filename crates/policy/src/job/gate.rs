//! The breaker of a type of jobs, which many processes share: [`Machine`] run over what they have noted.
//!
//! A machine is a function of what it was told, and when. So the notes are what is shared, cut down to those that still
//! matter each time one is added, and everybody who reads them stands where everybody else does.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::effect::Stamp;
use seawall_core::job::{Note, Notes, What};
use seawall_core::verdict::Lesson;

use crate::breaker::{Machine, Moved, Options, Refusal, State, Ticket, Window};

/// What somebody may do to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lever {
    /// Refuse every attempt until further notice.
    ForceOpen,
    /// Let every attempt through until further notice.
    ForceClosed,
    /// Let a probe through now.
    HalfOpen,
    /// Close it and forget what was counted.
    Reset,
}

impl Lever {
    /// The word people and the audit trail see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Lever::ForceOpen => "force-open",
            Lever::ForceClosed => "force-closed",
            Lever::HalfOpen => "half-open",
            Lever::Reset => "reset",
        }
    }

    /// The note of it.
    pub const fn note(self) -> What {
        match self {
            Lever::ForceOpen => What::ForceOpen,
            Lever::ForceClosed => What::ForceClosed,
            Lever::HalfOpen => What::HalfOpen,
            Lever::Reset => What::Reset,
        }
    }
}

/// Notes of one breaker that are kept at most: as many as a window of calls may count, and those of its probes.
const MOST: usize = 2048;

/// A breaker as its notes say it stands.
#[derive(Debug, Clone)]
pub struct Gate {
    machine: Machine,
    /// Probes under way, by their number.
    probes: Vec<(u64, Ticket)>,
}

impl Gate {
    /// Where a breaker with these options stands after these notes.
    pub fn of(options: &Options, notes: &Notes) -> Self {
        let mut gate = Self { machine: Machine::new(options.clone(), Instant::ORIGIN), probes: Vec::new() };
        for note in &notes.notes {
            gate.take(note);
        }
        gate
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.machine.state()
    }

    /// Since when.
    pub fn since(&self) -> Stamp {
        Stamp(self.machine.since().as_nanos() / 1_000_000)
    }

    /// May an attempt begin? `Some` number where it is a probe, which then must be noted before it begins.
    pub fn ask(&self, now: Stamp, number: u64) -> Result<Option<What>, Refusal> {
        self.machine.peek(instant(now))?;
        let probes = matches!(self.machine.state(), State::Open | State::HalfOpen);
        Ok(probes.then_some(What::Probe(number)))
    }

    /// Takes one more note, and says what that moved.
    pub fn take(&mut self, note: &Note) -> Option<Moved> {
        let now = instant(note.at);
        match note.what {
            What::Probe(number) => {
                let (ticket, moved) = self.machine.admit(now);
                self.probes.extend(ticket.ok().map(|ticket| (number, ticket)));
                moved
            }
            What::Worked(began, probe) => self.heard(Lesson::Success, Stamp(began), probe, now),
            What::Failed(began, probe) => self.heard(Lesson::Failure, Stamp(began), probe, now),
            What::Gone(probe) => self.heard(Lesson::Nothing, Stamp(0), Some(probe), now),
            What::ForceOpen => Some(self.machine.force_open(None, now)),
            What::ForceClosed => Some(self.machine.force_closed(None, now)),
            What::HalfOpen => Some(self.machine.half_open(now)),
            What::Reset => Some(self.machine.reset(now)),
        }
    }

    /// An attempt that began before the breaker came to where it stands says nothing about what came after.
    fn heard(&mut self, lesson: Lesson, began: Stamp, probe: Option<u64>, now: Instant) -> Option<Moved> {
        if let Some(number) = probe {
            let place = self.probes.iter().position(|(own, _)| *own == number)?;
            let (_, ticket) = self.probes.swap_remove(place);
            return self.machine.record(ticket, lesson, now);
        }
        let counts = matches!(self.machine.state(), State::Closed | State::MetricsOnly | State::ForcedClosed);
        if !counts || instant(began) < self.machine.since() {
            return None;
        }
        let (ticket, _) = self.machine.admit(now);
        self.machine.record(ticket.ok()?, lesson, now)
    }
}

/// Does a breaker with these options count attempts that work while it is closed?
fn counts_success(options: &Options) -> bool {
    options.consecutive > 0 || options.min_calls > 0
}

/// Would this note change anything that is kept?
pub fn matters(options: &Options, what: What) -> bool {
    !matches!(what, What::Worked(_, None)) || counts_success(options)
}

/// Adds a note to those that were kept, and keeps of all of them what still matters. Says what it moved.
pub fn note(options: &Options, notes: &mut Notes, what: What, now: Stamp) -> Option<Moved> {
    // Clocks of two machines differ a little; a breaker's own time never goes back.
    let at = notes.notes.last().map_or(now, |last| last.at.max(now));
    let mut gate = Gate::of(options, notes);
    let before = gate.machine.shadow_state();
    let note = Note { at, what };
    let moved = gate.take(&note);
    let after = gate.machine.shadow_state();
    let outcome = matches!(what, What::Worked(_, None) | What::Failed(_, None));
    if outcome && before != State::Closed {
        // An attempt from before says nothing now.
        return moved;
    }
    notes.notes.push(note);
    if after == State::Closed && (before != State::Closed || what == What::Reset) {
        // It begins anew; what began before is told by its time.
        notes.notes = vec![Note { at, what: What::Reset }];
    } else if after == State::Closed {
        let window = match options.window {
            Window::Time(span) => span,
            Window::Calls(_) => Duration::MAX,
        };
        notes.notes.retain(|note| note.what == What::Reset || at.since(note.at) <= window);
        let surplus = notes.notes.len().saturating_sub(MOST);
        let anchor = usize::from(notes.notes.first().is_some_and(|note| note.what == What::Reset));
        notes.notes.drain(anchor..anchor + surplus);
    } else if notes.notes.len() > if after == State::HalfOpen { 2 * MOST } else { MOST } {
        // Half-open there are probes under way, which would be forgotten.
        notes.notes = standing(&gate, options);
    }
    moved
}

/// The shortest notes after which a breaker stands where this one does. How often it has reopened is forgotten.
fn standing(gate: &Gate, options: &Options) -> Vec<Note> {
    let at = gate.since();
    let note = |what| Note { at, what };
    match gate.machine.shadow_state() {
        State::ForcedOpen => vec![note(What::ForceOpen)],
        State::ForcedClosed => vec![note(What::ForceClosed)],
        State::HalfOpen => vec![note(What::HalfOpen)],
        State::Open => {
            let mut notes = vec![note(What::HalfOpen)];
            for number in 0..u64::from(options.sample.max(1)) {
                notes.extend([note(What::Probe(number)), note(What::Failed(at.0, Some(number)))]);
            }
            notes
        }
        State::Closed | State::MetricsOnly => vec![note(What::Reset)],
    }
}

fn instant(stamp: Stamp) -> Instant {
    Instant::from_nanos(stamp.0.saturating_mul(1_000_000))
}
