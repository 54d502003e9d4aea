//! What an answered call still holds: its place in the bulkhead, and the breaker's attention.

use seawall_core::verdict::{Lesson, Seen};
use seawall_core::{Instant, Verdict};

use crate::{breaker, bulkhead};

/// Travels with an answer whose body is still being read. Settle it when the body has ended; dropping it tells the
/// breaker nothing and gives the place back.
#[derive(Debug, Default)]
pub struct Held {
    pub(super) lesson: Option<Lesson>,
    pub(super) breaker: Option<breaker::Permit>,
    /// Kept for its drop.
    #[allow(dead_code, reason = "holding it is its whole use")]
    pub(super) place: Option<bulkhead::Permit>,
}

impl Held {
    /// It ended as its verdict said.
    pub fn settle(self) {
        let now = self.breaker.as_ref().map_or(Instant::ORIGIN, breaker::Permit::now);
        self.settle_at(now);
    }

    /// It ended as its verdict said, at a moment the caller has just read.
    pub fn settle_at(mut self, now: Instant) {
        if let (Some(permit), Some(lesson)) = (self.breaker.take(), self.lesson) {
            permit.settle_at(lesson, now);
        }
    }

    /// The body was cut after its head had been passed on: a failure of the upstream, whatever the head said.
    pub fn cut(mut self) {
        if let Some(permit) = self.breaker.take() {
            permit.settle(Verdict::of(Seen::BodyCut).lesson());
        }
    }
}
