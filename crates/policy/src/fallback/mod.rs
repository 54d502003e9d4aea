//! Tries the next alternative when one fails, where trying again is safe.

#[cfg(test)]
mod tests;

use seawall_core::units::Share;
use seawall_core::{Certainty, Effects, Rejection, Verdict};
use serde::{Deserialize, Serialize};

use crate::Invalid;

seawall_core::words! {
    /// What moves a call on to the next target, where repeating allows it.
    On {
        /// Failures and our own refusals.
        Any = "any",
        /// Only failures: where one of our own policies refuses, that is the answer.
        Failure = "failure",
        /// Only our own refusals: whoever was asked has the last word.
        Refusal = "refusal",
    }
}

/// Whose answers are good enough, and what moves a call on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How good each target's answers are, in their order. Default empty: what each target says of itself.
    pub confidence: Vec<Share>,
    /// Targets whose answers are less sure than this are not asked. Default 0 %: a poor answer beats none.
    pub at_least: Share,
    /// What moves a call on. Default `any`.
    pub on: On,
}

impl Default for Options {
    fn default() -> Self {
        Self { confidence: Vec::new(), at_least: Share::percent(0), on: On::Any }
    }
}

impl Options {
    /// Refuses a chain that would ask nobody.
    pub fn check(&self) -> Result<(), Invalid> {
        let own: Vec<f64> = self.confidence.iter().map(|share| share.get()).collect();
        if own.is_empty() { Ok(()) } else { self.confidences(&own).map(drop) }
    }

    /// How good each target's answers are, where the targets say `own` of themselves. Refuses an empty chain, a
    /// confidence that is not between 0 and 1, a list of another length, and a demand that no target meets.
    pub fn confidences(&self, own: &[f64]) -> Result<Vec<f64>, Invalid> {
        if own.is_empty() {
            return Err(Invalid::new("to", "a chain needs at least one target"));
        }
        if let Some(wrong) = own.iter().find(|confidence| !(0.0..=1.0).contains(*confidence)) {
            return Err(Invalid::new("confidence", format!("{wrong} does not lie between 0 and 1")));
        }
        if !self.confidence.is_empty() && self.confidence.len() != own.len() {
            let (said, targets) = (self.confidence.len(), own.len());
            let message = format!("{said} confidences for {targets} targets: write one for each, in order");
            return Err(Invalid::new("confidence", message));
        }
        let all: Vec<f64> = match self.confidence.as_slice() {
            [] => own.to_vec(),
            said => said.iter().map(|share| share.get()).collect(),
        };
        if !all.iter().any(|confidence| self.asks(*confidence)) {
            let message = format!("no target is {} sure: write less, or add one that is", self.at_least);
            return Err(Invalid::new("at_least", message));
        }
        Ok(all)
    }

    /// Is a target of this confidence asked at all?
    pub fn asks(&self, confidence: f64) -> bool {
        confidence >= self.at_least.get()
    }
}

impl On {
    /// May what ended so move a call on at all? Whether it does, [`next`] says.
    pub fn covers(self, ended: &Ended<'_>) -> bool {
        match self {
            On::Any => true,
            On::Failure => matches!(ended, Ended::Outcome(_)),
            On::Refusal => matches!(ended, Ended::Refused(_)),
        }
    }
}

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

/// May a plain value stand in for an outcome of this certainty?
///
/// It sends nothing, so it repeats nothing. But a caller who reads it as the answer stops asking what became of the
/// operation: where that may have taken place and must not happen twice, the doubt is the answer.
pub fn may_stand_in(certainty: Certainty, effects: Effects) -> bool {
    effects == Effects::Repeatable || certainty == Certainty::NotDone
}

/// What is known of a whole call from what was known of each of its attempts: what an earlier one may have done, a later
/// one's refusal does not undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doubt(bool);

impl Doubt {
    /// Takes note of an attempt, or a target, that was not the last.
    pub fn note(&mut self, certainty: Certainty) {
        self.0 |= certainty == Certainty::Unknown;
    }

    /// What is certain in the end, where the last one ended like this.
    pub fn over(self, end: Certainty) -> Certainty {
        match end {
            Certainty::NotDone if self.0 => Certainty::Unknown,
            end => end,
        }
    }
}
