//! An answer, who gave it, and who did not.

use seawall_core::units::Share;
use seawall_core::{Certainty, Code, Effects, Error, Verdict};
use seawall_policy::fallback::{Doubt, may_stand_in};

use crate::pipeline::Answer;

/// An answer, and who gave it.
#[derive(Debug)]
pub struct Served<'a, T, E> {
    /// How it ended at the last target tried.
    pub answer: Answer<T, E>,
    /// Attempts over all targets.
    pub attempts: u32,
    /// What is certain of the whole call, earlier targets included.
    pub certainty: Certainty,
    /// Where the answer comes from.
    pub from: Provenance<'a>,
    pub(super) effects: Effects,
}

/// Where an answer comes from, and what was tried before.
#[derive(Debug, Clone, PartialEq)]
pub struct Provenance<'a> {
    /// The name of the target that served, or was the last to be tried.
    pub name: &'a str,
    /// Its place, counted from 0. A value that stood in for all of them has the place after the last.
    pub place: usize,
    /// How good the answer is, from 0 to 1; 0 where there is none.
    pub confidence: f64,
    /// The targets tried before that failed, in order: the first [`Provenance::REMEMBERED`] of them.
    pub failed: Vec<Failed<'a>>,
    /// How many targets were tried, the last one included.
    pub tried: usize,
}

impl Provenance<'_> {
    /// Failed targets that are remembered by name.
    pub const REMEMBERED: usize = 16;
}

/// A target that was tried and did not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its place, counted from 0.
    pub place: usize,
    /// What its outcome meant.
    pub verdict: Verdict,
    /// The code, where one of our own policies refused or ran out of time.
    pub code: Option<Code>,
}

/// The name of a value that stood in for every target.
pub(super) const VALUE: &str = "value";

impl<T, E> Served<'_, T, E> {
    /// A plain value at the end of the chain, of its own confidence: where no target answered, `value` is asked with
    /// what the last one said.
    ///
    /// It is not asked where the operation may have taken place and must not happen twice: there the doubt is the
    /// answer, and a value would hide it. The answer's verdict stays the last target's.
    pub fn or_else(mut self, confidence: Share, value: impl FnOnce(&Error<E>) -> T) -> Self {
        if !may_stand_in(self.certainty, self.effects) {
            return self;
        }
        if let Err(error) = &self.answer.result {
            let value = value(error);
            let last = failed(self.from.name, self.from.place, self.answer.verdict, &self.answer.result);
            self.from.stood_in(last, confidence);
            self.answer.result = Ok(value);
            // The last target's outcome is over: its breaker hears of it now.
            std::mem::take(&mut self.answer.held).settle_at(self.answer.ended);
        }
        self
    }
}

impl<'a> Provenance<'a> {
    pub(super) fn stood_in(&mut self, last: Failed<'a>, confidence: Share) {
        if self.failed.len() < Self::REMEMBERED {
            self.failed.push(last);
        }
        (self.name, self.place, self.confidence) = (VALUE, last.place + 1, confidence.get());
    }
}

/// What is known so far of a call on its way from target to target.
#[derive(Debug)]
pub(super) struct Trail<'a> {
    doubt: Doubt,
    failed: Vec<Failed<'a>>,
    tried: usize,
}

impl<'a> Trail<'a> {
    pub(super) fn new() -> Self {
        Self { doubt: Doubt::default(), failed: Vec::new(), tried: 0 }
    }

    /// A target failed, and the next is tried.
    pub(super) fn leave(&mut self, failed: Failed<'a>, certainty: Certainty) {
        self.tried += 1;
        self.doubt.note(certainty);
        if self.failed.len() < Provenance::REMEMBERED {
            self.failed.push(failed);
        }
    }

    /// The last target ended like this: what is certain in the end, and where the answer comes from.
    pub(super) fn end<T, E>(
        self,
        (name, place, confidence): (&'a str, usize, f64),
        certainty: Certainty,
        result: &mut Result<T, Error<E>>,
    ) -> (Certainty, Provenance<'a>) {
        let certain = self.doubt.over(certainty);
        if let Err(Error::Rejected(rejection)) = result {
            rejection.certainty = certain;
        }
        let confidence = if result.is_ok() { confidence } else { 0.0 };
        (certain, Provenance { name, place, confidence, failed: self.failed, tried: self.tried + 1 })
    }
}

/// What one target's outcome was, for the record.
pub(super) fn failed<'a, T, E>(
    name: &'a str,
    place: usize,
    verdict: Verdict,
    result: &Result<T, Error<E>>,
) -> Failed<'a> {
    let code = result.as_ref().err().and_then(Error::rejection).map(|rejection| rejection.code);
    Failed { name, place, verdict, code }
}
