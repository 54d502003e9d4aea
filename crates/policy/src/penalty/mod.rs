//! Limits a caller from whom an offence was seen, for a while: not before, and not for ever.

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units::{self, Rate};
use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::limiter::table::Table;

/// How little an offender may do, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How many of its calls pass. Default `"10/min"`: enough for a person who was taken for something else, little for a
    /// program that tries things out.
    pub rate: Rate,
    /// For how long after the last offence. Default 10 min, range 1 s–7 d.
    #[serde(rename = "for", with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub held: Duration,
    /// Offenders that are known at once. Default 10 000, range 1–1 000 000, about 40 bytes each. A newcomer takes the place
    /// of one whose time is over; where there is none, of another.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub callers: u32,
}

impl Default for Options {
    fn default() -> Self {
        const TEN: NonZeroU32 = NonZeroU32::new(10).expect("ten is more than nothing");
        Self {
            rate: Rate { count: TEN, per: Duration::from_secs(60) },
            held: Duration::from_secs(600),
            callers: 10_000,
        }
    }
}

impl Options {
    /// Refuses what would limit nobody, or somebody for ever.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.interval().is_zero() {
            return Err(Invalid::new("rate", format!("{} limits nobody: write \"10/min\"", self.rate)));
        }
        let week = Duration::from_secs(7 * 86_400);
        if !(Duration::from_secs(1)..=week).contains(&self.held) {
            let message = format!("{:?} is out of range: write \"1s\" to \"7d\"", self.held);
            return Err(Invalid::new("for", message));
        }
        if !(1..=1_000_000).contains(&self.callers) {
            let message = format!("{} is out of range: write 1 to 1000000", self.callers);
            return Err(Invalid::new("callers", message));
        }
        Ok(())
    }

    /// From one call to the next.
    fn interval(&self) -> Duration {
        self.rate.per / self.rate.count.get()
    }
}

/// One offender.
#[derive(Debug, Clone, Copy, Default)]
struct Term {
    until: Instant,
    /// When all the calls of the rate may come at once again.
    full_at: Instant,
}

/// The offenders that are known. A value: every method is a pure step of it.
///
/// Callers are known by a hash of 64 bits that nobody outside can foresee.
#[derive(Debug, Clone)]
pub struct Book {
    options: Options,
    terms: Table<Term>,
    forgotten: u64,
}

impl Book {
    /// Nobody has done anything. `options` must have passed [`Options::check`].
    pub fn new(options: Options) -> Self {
        Self { options, terms: Table::default(), forgotten: 0 }
    }

    /// Other options. Who is limited stays so until the time that was said then.
    pub fn update(&mut self, options: Options) {
        self.options = options;
        self.forgotten += self.terms.keep(self.options.callers as usize) as u64;
    }

    /// An offence was seen: the caller is limited from now on, and the call that was it counts as one.
    pub fn offend(&mut self, caller: u64, now: Instant) {
        let (id, until) = (caller.max(1), now + self.options.held);
        if let Some(term) = self.terms.get_mut(id) {
            // Begun anew where its time was over: then this call has not been counted.
            if term.until <= now {
                term.full_at = now + self.options.interval();
            }
            term.until = until;
            return;
        }
        if self.terms.len() >= self.options.callers as usize {
            let over = |_: u64, term: &mut Term| term.until <= now;
            let found = self.terms.forget_one(over) || self.terms.forget_one(|_, _| true);
            if !found {
                // So few in so large a table that none was near: whoever it is, is known soon.
                self.terms.keep(self.options.callers as usize - 1);
            }
            self.forgotten += 1;
        }
        self.terms.make_room(|_, term| term.until <= now);
        self.terms.insert(id, Term { until, full_at: now + self.options.interval() });
    }

    /// A call arrives: may it pass? Refuses with the time after which one may, at most as long as a term is now.
    pub fn arrive(&mut self, caller: u64, now: Instant) -> Result<(), Duration> {
        let (interval, whole) = (self.options.interval(), self.options.rate.per);
        let Some(term) = self.terms.get_mut(caller.max(1)) else { return Ok(()) };
        if term.until <= now {
            self.terms.remove(caller.max(1));
            return Ok(());
        }
        let full_at = term.full_at.max(now) + interval;
        let ahead = now.until(full_at);
        if ahead > whole {
            // Whatever became of the clock: nobody is told to wait longer than a term.
            return Err((ahead - whole).min(now.until(term.until)).min(self.options.held));
        }
        term.full_at = full_at;
        Ok(())
    }

    /// How many are known, those among them whose time is over and who have not called since.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Is nobody known?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many were forgotten for others.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
