//! One call's retries: the outcome of an attempt goes in, *again after a pause* or *stop, because* comes out.

use std::time::Duration;

use seawall_core::units::Share;
use seawall_core::{Effects, Verdict};

use super::{Options, pause};

/// What one call remembers of its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    /// Attempts that have ended.
    pub made: u32,
    /// The pause before the last one.
    pub previous: Duration,
}

/// What is known when an attempt has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ended {
    /// How it ended.
    pub verdict: Verdict,
    /// How safe repeating is.
    pub effects: Effects,
    /// The caller has looked at the outcome and wants it to stand.
    pub declined: bool,
    /// What was refused is the credential, and the next attempt would bear another one, which nobody has asked to wait.
    pub elsewhere: bool,
    /// The time left before the deadline.
    pub remaining: Duration,
    /// The share of recent outcomes that failed, all callers together (see [`super::Climate`]); read only where the
    /// options are adaptive.
    pub errors: Share,
}

/// What to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Send again after this pause, if the budget allows.
    Again {
        /// The pause: the schedule's, or the server's request to wait where that is longer.
        delay: Duration,
    },
    /// The outcome stands.
    Stop(Stop),
}

/// Why an outcome stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It is a success, or nothing that repeating could mend.
    Settled,
    /// Repeating could mend it and would not be safe.
    Unsafe,
    /// Repeating could mend it and would be safe, and the caller's own predicate said no.
    Declined,
    /// The attempts are used up.
    Spent,
    /// The retry budget is spent.
    OverBudget,
    /// The pause would end after the deadline.
    Late,
    /// Its input was consumed, and not kept for another time.
    Consumed,
    /// Retries are in the shadow: it would have been sent again.
    Shadow,
}

/// Decides after an attempt. The caller's predicate only narrows: what the table forbids stays forbidden, except that what
/// was refused for its credential may be sent again with another, at once.
pub fn step(options: &Options, seen: Attempts, ended: Ended, dice: f64) -> (Attempts, Decision) {
    let Ended { verdict, effects, declined, elsewhere, remaining, errors } = ended;
    let made = seen.made.saturating_add(1);
    let stop = |why| (Attempts { made, ..seen }, Decision::Stop(why));
    let elsewhere = elsewhere && verdict.may_change_key(effects);
    if !elsewhere && !verdict.may_repeat(effects) {
        return stop(if verdict.may_repeat(Effects::Repeatable) { Stop::Unsafe } else { Stop::Settled });
    }
    if declined {
        return stop(Stop::Declined);
    }
    if made >= options.attempts {
        return stop(Stop::Spent);
    }
    if elsewhere {
        let again = Decision::Again { delay: Duration::ZERO };
        return (
            Attempts { made, ..seen },
            if remaining.is_zero() { Decision::Stop(Stop::Late) } else { again },
        );
    }
    let drawn = pause(options, made, seen.previous.max(options.base), errors, dice);
    let delay = drawn.max(verdict.retry_after.unwrap_or(Duration::ZERO));
    if delay >= remaining {
        return stop(Stop::Late);
    }
    (Attempts { made, previous: drawn }, Decision::Again { delay })
}
