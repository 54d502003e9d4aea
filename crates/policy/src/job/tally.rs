//! What became of attempts in the last hour.

use std::time::Duration;

use seawall_core::Instant;

use super::Block;
use crate::slots::Slots;

/// How far back a tally looks, in minutes.
const MINUTES: usize = 60;

/// Counts over a sliding hour, forgotten a minute at a time.
#[derive(Debug, Clone)]
pub struct Tally {
    slots: Slots<Counts, MINUTES>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    attempts: u64,
    retries: u64,
    worked: u64,
    failed: u64,
    finished: u64,
    finished_attempts: u64,
    blocked: [u64; Block::ALL.len()],
}

/// An hour in a few numbers. Shares are of 1, and none where there was nothing to take a share of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Attempts that began.
    pub attempts: u64,
    /// Of those, the ones that were not the first of their job.
    pub retries: u64,
    /// Retries a minute.
    pub retries_per_minute: f64,
    /// The share of ended attempts that worked.
    pub success: Option<f64>,
    /// The share of ended attempts that failed.
    pub failure: Option<f64>,
    /// Attempts a job took until it worked or was given up.
    pub average_attempts: Option<f64>,
    /// The share of asked-for attempts that were not made.
    pub blocked: Option<f64>,
    /// How often each reason was given, in the order of [`Block::ALL`].
    pub reasons: [u64; Block::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self { slots: Slots::new(Duration::from_secs(60)) }
    }
}

impl Tally {
    /// An attempt begins.
    pub fn began(&mut self, attempt: u32, now: Instant) {
        let counts = self.slots.now(now);
        counts.attempts += 1;
        counts.retries += u64::from(attempt > 1);
    }

    /// An attempt ended, and its job with it where `finished` says after how many.
    pub fn ended(&mut self, worked: bool, finished: Option<u32>, now: Instant) {
        let counts = self.slots.now(now);
        counts.worked += u64::from(worked);
        counts.failed += u64::from(!worked);
        counts.finished += u64::from(finished.is_some());
        counts.finished_attempts += u64::from(finished.unwrap_or(0));
    }

    /// An attempt was not made.
    pub fn blocked(&mut self, why: Block, now: Instant) {
        self.slots.now(now).blocked[why as usize] += 1;
    }

    /// The last hour.
    pub fn summary(&mut self, now: Instant) -> Summary {
        let _ = self.slots.now(now);
        let all = self.slots.iter().fold(Counts::default(), |mut all, slot| {
            all.attempts += slot.attempts;
            all.retries += slot.retries;
            all.worked += slot.worked;
            all.failed += slot.failed;
            all.finished += slot.finished;
            all.finished_attempts += slot.finished_attempts;
            all.blocked.iter_mut().zip(slot.blocked).for_each(|(all, slot)| *all += slot);
            all
        });
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let blocked: u64 = all.blocked.iter().sum();
        Summary {
            attempts: all.attempts,
            retries: all.retries,
            retries_per_minute: all.retries as f64 / MINUTES as f64,
            success: share(all.worked, all.worked + all.failed),
            failure: share(all.failed, all.worked + all.failed),
            average_attempts: share(all.finished_attempts, all.finished),
            blocked: share(blocked, blocked + all.attempts),
            reasons: all.blocked,
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.slots.clear();
    }
}
