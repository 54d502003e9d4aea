//! How many of the recent outcomes failed: what an adaptive pause follows.

use std::time::Duration;

use seawall_core::units::Share;
use seawall_core::verdict::Lesson;
use seawall_core::{Class, Effects, Instant, Verdict};

use crate::slots::Slots;

const SLOTS: usize = 10;
/// Fewer outcomes than this count as this many: one failure of one call is not an outage.
const ENOUGH: u64 = 10;

/// Outcomes of all callers over the last ten slots of a span. 104 bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Climate(Slots<Heard, SLOTS>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Heard {
    outcomes: u32,
    failures: u32,
}

impl Climate {
    /// Nothing heard yet; remembers `span`.
    pub fn new(span: Duration) -> Self {
        Self(Slots::new((span / SLOTS as u32).max(Duration::from_millis(1))))
    }

    /// Another span; what was heard is kept if it is the same.
    pub fn update(&mut self, span: Duration) {
        let fresh = Self::new(span);
        if fresh.0.slot() != self.0.slot() {
            *self = fresh;
        }
    }

    /// Is this outcome a failure? Nothing, if it says nothing about how the upstream fares.
    ///
    /// A failure is what a retry could mend, a refusal for going too fast included. That somebody answers, be it with a
    /// no, is none.
    pub fn hears(verdict: Verdict) -> Option<bool> {
        match (verdict.lesson(), verdict.class()) {
            (Lesson::Nothing, Class::RateLimited) => Some(true),
            (Lesson::Nothing, _) => None,
            _ => Some(verdict.may_repeat(Effects::Repeatable)),
        }
    }

    /// An attempt of anybody ended.
    pub fn heard(&mut self, failed: bool, now: Instant) {
        let heard = self.0.now(now);
        heard.outcomes = heard.outcomes.saturating_add(1);
        heard.failures = heard.failures.saturating_add(u32::from(failed));
    }

    /// The share of outcomes that failed, where fewer than ten outcomes count as ten.
    pub fn errors(&mut self, now: Instant) -> Share {
        self.0.now(now);
        let (outcomes, failures) = self.0.iter().fold((0, 0), |(outcomes, failures), heard| {
            (outcomes + u64::from(heard.outcomes), failures + u64::from(heard.failures))
        });
        let share = failures as f64 / outcomes.max(ENOUGH) as f64;
        Share::new(share.min(1.0)).unwrap_or(Share::percent(0))
    }
}
