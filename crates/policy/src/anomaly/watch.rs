//! Every caller that is known, in bounded memory.

use std::time::Duration;

use seawall_core::Instant;

use super::baseline::decay;
use super::caller::Caller;
use super::{Notices, Options, Seen};
use crate::limiter::table::Table;

/// A caller that was seen within so many slots is not forgotten for another.
const RECENT: u64 = 2;

/// Watches callers, each against its own past. A value: every method is a pure step of it.
///
/// Callers are known by a hash of 64 bits that nobody outside can foresee. A call costs one look into a table and a few
/// dozen operations on numbers, and allocates only where the table grows.
#[derive(Debug, Clone)]
pub struct Watch {
    options: Options,
    callers: Table<Caller>,
    forgotten: u64,
    overlooked: u64,
}

impl Watch {
    /// Nobody is known. `options` must have passed [`Options::check`].
    pub fn new(options: Options) -> Self {
        Self { options, callers: Table::default(), forgotten: 0, overlooked: 0 }
    }

    /// The options it runs by.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Other options; what was learnt stays. A slot of another length begins anew, and what was learnt of rates by the old
    /// one is forgotten with everything else. Where fewer callers may be known than are, some are forgotten.
    pub fn update(&mut self, options: Options) {
        if options.slot != self.options.slot {
            self.callers = Table::default();
        }
        self.options = options;
        self.forgotten += self.callers.keep(self.options.callers as usize) as u64;
    }

    /// A call of a caller has ended: what is unusual about it, each thing at most once in a slot, new destinations apart.
    pub fn see(&mut self, caller: u64, seen: &Seen, now: Instant) -> Notices {
        let id = caller.max(1);
        let (length, memory) = (self.options.slot, self.options.memory);
        let slot = now.as_nanos() / nanos(length) + 1;
        if self.callers.get_mut(id).is_none() && !self.admit(id, slot) {
            self.overlooked += 1;
            return Notices::default();
        }
        let known = self.callers.get_mut(id).map(|known| {
            known.enter(slot, |slots| {
                let passed = u32::try_from(slots).map_or(Duration::MAX, |slots| length.saturating_mul(slots));
                decay(passed, memory)
            });
            known.see(seen, &self.options)
        });
        known.unwrap_or_default()
    }

    /// Makes a place for a newcomer, if need be where somebody was who has not been seen for a while.
    fn admit(&mut self, id: u64, slot: u64) -> bool {
        let mut gone = |_: u64, known: &mut Caller| known.slot() + RECENT < slot;
        if self.callers.len() >= self.options.callers as usize {
            if !self.callers.forget_one(&mut gone) {
                return false;
            }
            self.forgotten += 1;
        }
        // Growing is no reason to forget.
        self.callers.make_room(|_, _| false);
        self.callers.insert(id, Caller::default());
        true
    }

    /// How many callers are known.
    pub fn len(&self) -> usize {
        self.callers.len()
    }

    /// Is nobody known?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many callers were forgotten for others.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// How many calls came from callers there was no room for.
    pub fn overlooked(&self) -> u64 {
        self.overlooked
    }

    /// What is remembered takes so many bytes.
    pub fn bytes(&self) -> usize {
        self.callers.bytes()
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).max(1)
}
