//! A machine that is kept somewhere else between two looks: in whole microseconds since 1970, as bytes.
//!
//! | bytes | |
//! |---|---|
//! | 1 | the layout, 1 |
//! | 1 | where it stands: `C`losed, `O`pen, `H`alf-open, `F`orced open, `f`orced closed |
//! | 8, 8 | the epoch; since when |
//! | 8, 8 | when the pause is over; when the hold ends, or zero |
//! | 8 | when the ramp began, or zero |
//! | 8, 4, 4 | how often it has opened, reopened, and failed in a row |
//! | 8, 4, 4 | the last probe's number; what probes found, good and bad |
//! | 8, 8 | the length of a slot of its window, and the number of the present one |
//! | 120 | calls, failures and slow calls of each slot, 4 each, slot `n` at `n % 10` |
//! | 2, … | how many probes are under way; 8 of number and 8 of lease for each |
//! | 2, …, 2, … | who holds it, and why |

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::fleet::breaker::Report;

use super::counts::{Counts, SLOTS, Tally};
use super::half_open::Ramp;
use super::{Machine, Moved, Options, State, Window};
use crate::slots::Slots;

/// A machine for the length of one step, and who holds it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) machine: Machine,
    pub(crate) by: String,
    pub(crate) reason: String,
}

/// No slot is shorter, in microseconds.
const SHORTEST: u64 = 1000;

/// Names and reasons are for people.
pub(crate) const LONGEST_WORD: usize = 256;

const STATES: [(u8, State); 5] = [
    (b'C', State::Closed),
    (b'O', State::Open),
    (b'H', State::HalfOpen),
    (b'F', State::ForcedOpen),
    (b'f', State::ForcedClosed),
];

impl Kept {
    /// A machine that was kept as these bytes, or a new one; nothing where they cannot be read.
    pub(crate) fn read(options: Options, held: Option<&[u8]>, now: Instant) -> Option<Self> {
        let wanted = slot(&options);
        let mut machine = Machine::new(options, now);
        let Some(held) = held else {
            // Of a machine that was forgotten no epoch comes again.
            machine.epoch = micros(now);
            machine.counts = Counts::Time(Slots::new(wanted));
            return Some(Self { machine, by: String::new(), reason: String::new() });
        };
        let mut from = Reader(held);
        let [1, letter] = from.array()? else { return None };
        machine.state = STATES.iter().find(|(own, _)| *own == letter)?.1;
        machine.epoch = from.u64()?;
        machine.since = from.instant()?;
        machine.resumes = from.instant()?;
        machine.held_until = from.instant().map(|until| (until > Instant::ORIGIN).then_some(until))?;
        machine.ramp = from.instant().map(|began| (began > Instant::ORIGIN).then(|| Ramp::new(began)))?;
        machine.opened = from.u64()?;
        (machine.reopened, machine.consecutive) = (from.u32()?, from.u32()?);
        machine.probes.next = from.u64()?;
        (machine.probes.good, machine.probes.bad) = (from.u32()?, from.u32()?);
        let (length, number) = (from.u64()?, from.u64()?);
        if length < SHORTEST {
            return None;
        }
        let mut tallies = [Tally::default(); SLOTS];
        for tally in &mut tallies {
            *tally = Tally { calls: from.u32()?, failures: from.u32()?, slow: from.u32()? };
        }
        let ahead = number.saturating_sub(micros(now) / length);
        let mut slots = Slots::of(Duration::from_micros(length), number, tallies);
        slots.now(now);
        // Another window begins when the old one is empty: two that take turns would never count anything. And when it is
        // all of a time to come: a clock that was set back must not make the breaker blind until it has caught up.
        if empty(&slots) || ahead >= SLOTS as u64 {
            slots = Slots::new(wanted);
        }
        machine.counts = Counts::Time(slots);
        for _ in 0..from.u16()? {
            machine.probes.leases.push((from.u64()?, from.instant()?));
        }
        let (by, reason) = (from.text()?, from.text()?);
        machine.not_ahead(now);
        from.0.is_empty().then_some(Self { machine, by, reason })
    }

    /// As it is to be kept.
    pub(crate) fn written(&self) -> Vec<u8> {
        let Self { machine, by, reason } = self;
        let state = machine.shadow_state();
        let letter = STATES.iter().find(|(_, own)| *own == state).map_or(b'C', |(letter, _)| *letter);
        let mut to = vec![1, letter];
        let ramp = machine.ramp.map_or(Instant::ORIGIN, |ramp| ramp.began);
        let held = machine.held_until.unwrap_or(Instant::ORIGIN);
        for number in [
            machine.epoch,
            micros(machine.since),
            micros(machine.resumes),
            micros(held),
            micros(ramp),
            machine.opened,
        ] {
            to.extend(number.to_be_bytes());
        }
        to.extend([machine.reopened, machine.consecutive].iter().flat_map(|number| number.to_be_bytes()));
        to.extend(machine.probes.next.to_be_bytes());
        to.extend([machine.probes.good, machine.probes.bad].iter().flat_map(|number| number.to_be_bytes()));
        let none = Slots::new(slot(machine.options()));
        let slots = match &machine.counts {
            Counts::Time(slots) if !empty(slots) => slots,
            _ => &none,
        };
        let (number, tallies) = slots.parts();
        to.extend(micros_of(slots.slot()).to_be_bytes());
        to.extend(number.to_be_bytes());
        for Tally { calls, failures, slow } in tallies {
            to.extend([calls, failures, slow].iter().flat_map(|count| count.to_be_bytes()));
        }
        let leases = &machine.probes.leases;
        to.extend(u16::try_from(leases.len()).unwrap_or(u16::MAX).to_be_bytes());
        for (number, lease) in leases.iter().take(u16::MAX.into()) {
            to.extend([*number, micros(*lease)].iter().flat_map(|number| number.to_be_bytes()));
        }
        for word in [by, reason] {
            let word = &word[..word.floor_char_boundary(LONGEST_WORD)];
            to.extend((word.len() as u16).to_be_bytes());
            to.extend(word.as_bytes());
        }
        to
    }

    /// Counts calls that ended somewhere else. Those of another epoch say nothing; those of none count where they ended
    /// since the breaker lets calls through.
    pub(crate) fn report(&mut self, report: &Report, now: Instant) -> Option<Moved> {
        let machine = &mut self.machine;
        let passes = match machine.state {
            State::Closed | State::ForcedClosed => true,
            State::HalfOpen => machine.ramp.is_some(),
            State::Open | State::ForcedOpen | State::MetricsOnly => false,
        };
        if !passes || report.epoch != 0 && report.epoch != machine.epoch {
            return None;
        }
        let Counts::Time(slots) = &mut machine.counts else { return None };
        let mut all = Tally::default();
        slots.now(now);
        for counts in &report.counts {
            let at = now - Duration::from_micros(micros_of(counts.ago));
            if report.epoch == 0 && at < machine.since {
                continue;
            }
            let Some(slot) = slots.at(at) else { continue };
            let tally = Tally { calls: counts.calls, failures: counts.failures, slow: counts.slow };
            slot.add(tally);
            all.add(tally);
        }
        // In a row they are with those before, up to the first that worked, and with those to come from the last.
        let peak = machine.consecutive.saturating_add(report.first.min(all.failures));
        let last = if report.worked { report.last.min(all.failures) } else { peak };
        machine.consecutive = peak.max(last);
        let (failed, slow) = (all.failures > 0, all.slow > 0);
        if machine.state != State::ForcedClosed
            && (failed || slow)
            && let Some(why) = machine.too_much(failed, slow, now)
        {
            return Some(machine.go(State::Open, why, now));
        }
        machine.consecutive = last;
        None
    }
}

/// One slot of a window that is kept, in whole microseconds.
pub(crate) fn slot(options: &Options) -> Duration {
    let Window::Time(span) = options.window else { return Duration::from_millis(1) };
    Duration::from_micros((micros_of(span) / SLOTS as u64).max(SHORTEST))
}

fn empty(slots: &Slots<Tally, SLOTS>) -> bool {
    slots.iter().all(|tally| *tally == Tally::default())
}

fn micros(instant: Instant) -> u64 {
    instant.as_nanos() / 1000
}

fn micros_of(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn instant(&mut self) -> Option<Instant> {
        self.u64().map(|micros| Instant::from_nanos(micros.saturating_mul(1000)))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::from(self.u16()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}
