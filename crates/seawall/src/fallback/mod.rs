//! Tries the next alternative when one fails, where trying again is safe, and says which one served.
//!
#![doc = include_str!("../../../../docs/policies/fallback.md")]

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;

use seawall_core::event::{Event, Fact, Sink};
use seawall_core::{Certainty, Effects, Error, Instant};
use seawall_policy::Invalid;
use seawall_policy::fallback::{Ended, next};

use crate::classify::Classify;
use crate::pipeline::{Answer, Call, Cx, Pipeline};

/// One alternative.
#[derive(Debug, Clone)]
pub struct Target {
    /// The pipeline its calls pass; its name is the target's.
    pub pipeline: Pipeline,
    /// How good its answers are, from 0 to 1, for whoever reads them.
    pub confidence: f64,
}

/// Ordered alternatives under one deadline. Clones share every pipeline.
#[derive(Debug, Clone)]
pub struct Chain(Arc<[Target]>);

/// An answer, and who gave it.
#[derive(Debug)]
pub struct Served<T, E> {
    /// How it ended at the last target tried.
    pub answer: Answer<T, E>,
    /// Which target that was, counted from 0.
    pub place: usize,
    /// Attempts over all targets.
    pub attempts: u32,
}

impl Chain {
    /// A chain in this order. Refuses an empty one, and a confidence that is not between 0 and 1.
    pub fn new(targets: impl Into<Arc<[Target]>>) -> Result<Self, Invalid> {
        let targets = targets.into();
        if targets.is_empty() {
            return Err(Invalid::new("to", "a chain needs at least one target"));
        }
        if targets.iter().any(|target| !(0.0..=1.0).contains(&target.confidence)) {
            return Err(Invalid::new("confidence", "a confidence lies between 0 and 1"));
        }
        Ok(Self(targets))
    }

    /// The targets in order.
    pub fn targets(&self) -> &[Target] {
        &self.0
    }

    /// Runs the operation at the first target, and at the next where [`next`] allows it. `each` gives every target's
    /// call its settings; the deadline is shared by all.
    pub async fn run<'a, T, E, C, F, Fut>(
        &'a self,
        effects: Effects,
        deadline: Instant,
        sink: Option<&'a dyn Sink>,
        classify: impl Fn(usize) -> C,
        each: impl Fn(usize, Call<'a>) -> Call<'a>,
        mut operation: F,
    ) -> Served<T, E>
    where
        C: Classify<T, E>,
        F: FnMut(usize, Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let (mut place, mut attempts, mut doubt) = (0, 0, false);
        loop {
            let pipeline = &self.0[place].pipeline;
            let mut call = pipeline.call().effects(effects).deadline(deadline);
            if let Some(sink) = sink {
                call = call.sink(sink);
            }
            let classify = classify(place);
            let mut answer = each(place, call).answer(&classify, |cx| operation(place, cx)).await;
            attempts += answer.attempts;
            let left = self.0.len() - place - 1;
            let ended = match &answer.result {
                Err(Error::Rejected(rejection)) => Ended::Refused(rejection),
                _ => Ended::Outcome(answer.verdict),
            };
            if left == 0 || !classify.can_repeat() || !next(&ended, effects, left, pipeline.now() < deadline)
            {
                if let (true, Err(Error::Rejected(rejection))) = (doubt, &mut answer.result)
                    && rejection.certainty == Certainty::NotDone
                {
                    // What an earlier target may have done, a later one's refusal does not undo.
                    rejection.certainty = Certainty::Unknown;
                }
                return Served { answer, place, attempts };
            }
            doubt |= answer.verdict.certainty(effects) == Certainty::Unknown;
            answer.held.settle();
            let to = &self.0[place + 1].pipeline;
            if let Some(sink) = sink {
                let fact = Fact::FellBack { from: pipeline.name().clone(), to: to.name().clone() };
                sink.offer(Event { at: pipeline.now(), name: pipeline.name().clone(), fact });
            }
            place += 1;
        }
    }
}
