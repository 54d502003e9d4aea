//! Tries the next alternative when one fails, where trying again is safe, and says which one served.
//!
#![doc = include_str!("../../../../docs/policies/fallback.md")]

mod first;
mod served;
#[cfg(test)]
mod tests;
mod walk;

use std::future::Future;
use std::sync::Arc;

use seawall_core::event::Sink;
pub use seawall_core::units::Share;
use seawall_core::{Effects, Instant};
use seawall_policy::Invalid;
pub use seawall_policy::fallback::{On, Options};

use crate::classify::Classify;
use crate::pipeline::{Call, Cx, Pipeline};

pub use first::{First, Given, first};
pub use served::{Failed, Provenance, Served};
pub(crate) use walk::Walk;

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
pub struct Chain {
    targets: Arc<[Target]>,
    options: Arc<Options>,
}

impl Chain {
    /// A chain in this order. Refuses an empty one, and a confidence that is not between 0 and 1.
    pub fn new(targets: impl Into<Arc<[Target]>>) -> Result<Self, Invalid> {
        Self::with(targets, Options::default())
    }

    /// The same with options: whose answers are good enough, and what moves a call on.
    pub fn with(targets: impl Into<Arc<[Target]>>, options: Options) -> Result<Self, Invalid> {
        let targets = confident(targets.into(), &options)?;
        Ok(Self { targets, options: Arc::new(options) })
    }

    /// The targets in order, with the confidence the options gave them.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The options it runs by.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Runs the operation at the first target that is sure enough, and at the next where
    /// [`next`](seawall_policy::fallback::next) allows it. `each` gives every target's call its settings; the deadline
    /// is shared by all.
    pub async fn run<'t: 'a, 'a, T, E, C, F, Fut>(
        &'t self,
        effects: Effects,
        deadline: Instant,
        sink: Option<&'a dyn Sink>,
        classify: impl Fn(usize) -> C,
        each: impl Fn(usize, Call<'a>) -> Call<'a>,
        operation: F,
    ) -> Served<'t, T, E>
    where
        C: Classify<T, E>,
        F: FnMut(usize, Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let targets = &*self.targets;
        let asks = |place: &usize| self.options.asks(targets[*place].confidence);
        let mut order = (0..targets.len()).filter(asks);
        // Options that ask nobody are refused when the chain is made.
        let first = order.next().unwrap_or_default();
        let walk = Walk { targets, on: self.options.on, effects, deadline, sink, tell: sink };
        walk.run(first, order, classify, each, operation, |_, _| {}).await
    }
}

/// The same targets with the confidence the options give them.
pub(crate) fn confident(targets: Arc<[Target]>, options: &Options) -> Result<Arc<[Target]>, Invalid> {
    let own: Vec<f64> = targets.iter().map(|target| target.confidence).collect();
    let confidences = options.confidences(&own)?;
    if confidences == own {
        return Ok(targets);
    }
    let same =
        |(target, confidence): (&Target, f64)| Target { confidence, pipeline: target.pipeline.clone() };
    Ok(targets.iter().zip(confidences).map(same).collect())
}
