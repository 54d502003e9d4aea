//! What an answered call still holds: its place in the bulkhead, and the breaker's attention.

use seawall_core::verdict::Seen;
use seawall_core::{Instant, Verdict};

use crate::{breaker, bulkhead};

/// Travels with an answer whose body is still being read. Settle it when the body has ended; dropping it tells the
/// breaker nothing and gives the place back.
#[derive(Debug, Default)]
pub struct Held {
    pub(super) verdict: Option<Verdict>,
    pub(super) breaker: Option<breaker::Permit>,
    pub(super) place: Option<bulkhead::Permit>,
}

impl Held {
    /// It ended as its verdict said.
    pub fn settle(self) {
        self.ended(None);
    }

    /// It ended as its verdict said, at a moment the caller has just read.
    pub fn settle_at(self, now: Instant) {
        self.ended(Some(now));
    }

    /// The body was cut after its head had been passed on: a failure of the upstream, whatever the head said.
    pub fn cut(mut self) {
        self.verdict = Some(Verdict::of(Seen::BodyCut));
        self.ended(None);
    }

    fn ended(self, now: Option<Instant>) {
        let Some(verdict) = self.verdict else { return };
        match (self.breaker, now) {
            (Some(permit), Some(now)) => permit.settle_at(verdict.lesson(), now),
            (Some(permit), None) => permit.settle(verdict.lesson()),
            (None, _) => {}
        }
        match (self.place, now) {
            (Some(place), Some(now)) => place.settle_at(verdict, now),
            (Some(place), None) => place.settle(verdict),
            (None, _) => {}
        }
    }
}
