//! Tries the next alternative when one fails, where trying again is safe.

#[cfg(test)]
mod tests;

use seawall_core::{Certainty, Effects, Rejection, Verdict};

/// How one target ended.
#[derive(Debug, Clone, Copy)]
pub enum Ended<'a> {
    /// It gave an outcome, retries included.
    Outcome(Verdict),
    /// A policy of ours refused to call it.
    Refused(&'a Rejection),
}

/// Is the next target tried? `left` alternatives remain, and some time does too.
///
/// Falling back is a repeat: after an outcome it is allowed exactly where a retry would be. After a refusal of ours
/// nothing was sent to this target, and the next may be asked unless the deadline itself has passed.
pub fn next(ended: &Ended<'_>, effects: Effects, left: usize, time_left: bool) -> bool {
    if left == 0 || !time_left {
        return false;
    }
    match ended {
        Ended::Outcome(verdict) => verdict.may_repeat(effects),
        Ended::Refused(rejection) => match rejection.certainty {
            Certainty::NotDone => true,
            Certainty::Unknown => effects == Effects::Repeatable,
            Certainty::Done | Certainty::Partial | Certainty::AlreadyDone => false,
        },
    }
}
