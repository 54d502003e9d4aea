//! One caller: what it does in the present slot, and what it usually does.

use super::baseline::{Baseline, count, steps};
use super::{Notices, Options, Seen, Unusual, What};

/// Destinations remembered of each caller; one with more has no usual ones.
const DESTINATIONS: usize = 16;
/// The least deviation of rates, in doublings: chance alone has as much.
const RATE: f32 = 0.25;
/// The same for sizes, which vary more.
const SIZE: f32 = 0.5;
/// The same for shares of failures.
const SHARE: f32 = 0.05;
/// Fewer calls in a slot have no share of failures.
const SHARED: u32 = 10;

/// Everything that is remembered of a caller.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Caller {
    /// The present slot, counted from 1.
    slot: u64,
    calls: u32,
    failures: u32,
    /// What was told in this slot already, a bit for each.
    told: u8,
    /// Since then it calls more destinations than are remembered; 0 if it does not.
    everywhere: u32,
    rate: Baseline,
    size: Baseline,
    errors: Baseline,
    known: [Destination; DESTINATIONS],
}

/// Where a caller goes, and the slot in which it went there last; 0 if there is none.
#[derive(Debug, Clone, Copy, Default)]
struct Destination {
    hash: u32,
    slot: u32,
}

impl Caller {
    /// In the slot it was seen last.
    pub(super) fn slot(&self) -> u64 {
        self.slot
    }

    /// Goes on to the present slot: the one before is learnt, and everything fades by what has passed.
    pub(super) fn enter(&mut self, slot: u64, fade: impl FnOnce(u64) -> f32) {
        if slot <= self.slot {
            // Clocks of several threads may differ by a little.
            return;
        }
        if self.calls > 0 {
            self.rate.learn(steps(self.calls.into()), RATE);
            if self.calls >= SHARED {
                self.errors.learn(self.share(), SHARE);
            }
        }
        if self.slot > 0 {
            let factor = fade(slot - self.slot);
            for baseline in [&mut self.rate, &mut self.size, &mut self.errors] {
                baseline.fade(factor);
            }
        }
        (self.slot, self.calls, self.failures, self.told) = (slot, 0, 0, 0);
    }

    fn share(&self) -> f32 {
        #[allow(clippy::cast_precision_loss, reason = "a share needs no more")]
        let share = self.failures as f32 / self.calls.max(1) as f32;
        share
    }

    /// Counts a call, and says what is unusual about it: each thing once in a slot.
    pub(super) fn see(&mut self, seen: &Seen, options: &Options) -> Notices {
        self.calls = self.calls.saturating_add(1);
        self.failures = self.failures.saturating_add(u32::from(seen.failed));
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        let (learn, deviations) = (options.learn as f32, options.deviations as f32);
        let mut notices = Notices::default();

        let rate = steps(self.calls.into());
        let many = self.calls >= options.min_calls && self.rate.weight() >= learn;
        if many && self.rate.is_above(rate, deviations, RATE) {
            self.tell(&mut notices, What::Rate, self.calls.into(), count(self.rate.mean()));
        }

        let size = steps(seen.size);
        let large = seen.size >= options.min_size.0 && self.size.weight() >= learn;
        if large && self.size.is_above(size, deviations, SIZE) {
            #[allow(clippy::cast_precision_loss, reason = "told to people")]
            self.tell(&mut notices, What::Size, seen.size as f64, count(self.size.mean()));
        }
        self.size.learn(size, SIZE);

        let share = self.share();
        // Slots with too few calls teach nothing about failures; as many slots as for the rate would be long.
        let known = self.rate.weight() >= learn && self.errors.weight() >= learn / 2.0;
        let failing = seen.failed && self.calls >= SHARED && known;
        if failing && self.errors.is_above(share, deviations, SHARE) {
            self.tell(&mut notices, What::Errors, share.into(), self.errors.mean().into());
        }

        if let Some(destination) = seen.destination {
            self.go(destination, options, learn, &mut notices);
        }
        notices
    }

    fn go(&mut self, destination: u64, options: &Options, learn: f32, notices: &mut Notices) {
        let slot = u32::try_from(self.slot).unwrap_or(u32::MAX);
        // What was learnt counts a quarter by then.
        let long = options.memory.as_nanos() * 2 / options.slot.as_nanos().max(1);
        let long = u32::try_from(long).unwrap_or(u32::MAX);
        let is_old = |then: u32| slot - then.min(slot) > long;
        if self.everywhere > 0 && !is_old(self.everywhere) {
            return;
        }
        self.everywhere = 0;
        #[allow(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
        let hash = (destination ^ (destination >> 32)) as u32;
        for known in &mut self.known {
            if known.slot > 0 && is_old(known.slot) {
                *known = Destination::default();
            }
        }
        let here = |known: &&mut Destination| known.slot > 0 && known.hash == hash;
        if let Some(known) = self.known.iter_mut().find(here) {
            known.slot = slot;
            return;
        }
        let places = self.known.iter().filter(|known| known.slot > 0).count();
        match self.known.iter_mut().find(|known| known.slot == 0) {
            Some(free) => *free = Destination { hash, slot },
            None => {
                self.everywhere = slot;
                return;
            }
        }
        if places > 0 && self.rate.weight() >= learn {
            #[allow(clippy::cast_precision_loss, reason = "at most 16")]
            self.tell(notices, What::Destination, 1.0, places as f64);
        }
    }

    fn tell(&mut self, notices: &mut Notices, what: What, seen: f64, usual: f64) {
        let bit = 1 << what as u8;
        // A second new destination in the same slot is news all the same.
        if self.told & bit == 0 || what == What::Destination {
            self.told |= bit;
            notices.0[what as usize] = Some(Unusual { what, seen, usual });
        }
    }
}
