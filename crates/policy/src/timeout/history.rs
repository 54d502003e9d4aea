//! What calls took, and the time limit that follows from it.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units::Share;

use crate::Invalid;
use crate::latency::Latencies;

/// Latencies known before a time limit is recommended: one beyond the 95th percentile.
const ENOUGH: u64 = 20;
/// How long latencies are remembered: for one to two of these.
const MEMORY: Duration = Duration::from_secs(300);

/// How a recommendation follows from what was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// What the 95th percentile is multiplied by. Default 1.5, range 1–10: a limit at the percentile itself would give
    /// up on one call in twenty.
    pub margin: f64,
    /// Nothing shorter is recommended. Default 250 ms: one lost packet is sent again after 200 ms.
    pub floor: Duration,
}

impl Default for Advice {
    fn default() -> Self {
        Self { margin: 1.5, floor: Duration::from_millis(250) }
    }
}

impl Advice {
    /// Refuses a margin that would cut what usually works.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(1.0..=10.0).contains(&self.margin) {
            let message = format!("{} is out of range: write 1 to 10", self.margin);
            return Err(Invalid::new("margin", message));
        }
        Ok(())
    }
}

/// What calls took in the last five to ten minutes. Less than 2 KB.
///
/// A call that was given up says only that it would have taken longer than its limit: it is counted as having taken
/// that long. So where more than one in twenty time out, the recommendation is the limit times the margin: follow it,
/// look again, and it finds the true one in a few steps.
#[derive(Debug, Clone)]
pub struct History(Latencies);

impl Default for History {
    fn default() -> Self {
        Self(Latencies::new(MEMORY))
    }
}

impl History {
    /// A call worked, and took so long. One that failed is not told: how fast an upstream refuses says nothing about
    /// how long it works.
    pub fn worked(&mut self, took: Duration, now: Instant) {
        self.0.record(took, now);
    }

    /// A call was given up when it had waited so long under this limit.
    pub fn gave_up(&mut self, limit: Duration, waited: Duration, now: Instant) {
        self.0.record(waited.max(limit), now);
    }

    /// The time limit that follows: the 95th percentile (up to an eighth too long, never too short) times the margin,
    /// at least the floor. Nothing before 20 calls are known.
    pub fn recommended(&mut self, advice: &Advice, now: Instant) -> Option<Duration> {
        if self.0.count(now) < ENOUGH {
            return None;
        }
        let slow = self.0.percentile(Share::percent(95), now)?;
        let limit = Duration::try_from_secs_f64(slow.as_secs_f64() * advice.margin.max(1.0));
        Some(limit.unwrap_or(Duration::MAX).max(advice.floor))
    }
}
