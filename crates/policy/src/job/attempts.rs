//! One job: may it be attempted now, and what follows when an attempt has ended.

use std::time::Duration;

use seawall_core::effect::Stamp;
use seawall_core::job::{Record, Tried};
use seawall_core::units::Share;

use super::{Block, Options};
use crate::retry;

/// What a job is told that wants an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// This attempt, from 1.
    Attempt(u32),
    /// Not now: this much later.
    Wait(Duration),
    /// Never again for this reason, unless somebody says otherwise.
    Over(Block),
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It worked.
    Done,
    /// Another attempt, after this cooldown.
    Again(Duration),
    /// No other attempt.
    Over(Block),
}

/// A job wants an attempt.
pub fn begin(options: &Options, record: &Record, now: Stamp) -> (Record, Begun) {
    if record.attempts >= options.attempts {
        return (record.clone(), Begun::Over(Block::AttemptsSpent));
    }
    if record.over {
        return (record.clone(), Begun::Over(Block::Final));
    }
    match now.until(record.next) {
        Duration::ZERO => {}
        left => return (record.clone(), Begun::Wait(left)),
    }
    let mut record = record.clone();
    record.attempts += 1;
    record.history.push(Tried { began: now, ended: None });
    let attempt = record.attempts;
    (record, Begun::Attempt(attempt))
}

/// Attempt `attempt` ended as `how` says in words; `repeat` is none where it worked, else whether another attempt may
/// change that. `dice` is in `0.0..1.0`.
pub fn ended(
    options: &Options,
    record: &Record,
    attempt: u32,
    how: &str,
    repeat: Option<bool>,
    now: Stamp,
    dice: f64,
) -> (Record, Next) {
    let mut record = record.clone();
    let place = usize::try_from(attempt).unwrap_or(usize::MAX);
    if let Some(tried) = place.checked_sub(1).and_then(|place| record.history.get_mut(place)) {
        tried.ended = Some(how[..how.floor_char_boundary(LONGEST_WORD)].to_owned());
    }
    let next = match repeat {
        // Whoever comes with the same job later begins anew.
        None => return (Record::default(), Next::Done),
        Some(false) => Next::Over(Block::Final),
        Some(true) if record.attempts >= options.attempts => Next::Over(Block::AttemptsSpent),
        Some(true) => {
            let previous = Duration::from_millis(record.pause_ms);
            let pause = retry::pause(&options.pauses(), attempt, previous, Share::percent(0), dice);
            // Up, to whole milliseconds: a stamp knows no less, and nobody should come too early.
            let pause =
                pause.as_nanos().div_ceil(1_000_000).try_into().map_or(options.cap, Duration::from_millis);
            record.pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            record.next = record.next.max(now + pause);
            Next::Again(now.until(record.next))
        }
    };
    record.over |= matches!(next, Next::Over(_));
    (record, next)
}

/// An ending is for people.
const LONGEST_WORD: usize = 256;
