//! Sends again what is safe to send again: options, presets, and the budget that callers share.
//!
#![doc = include_str!("../../../../docs/policies/retry.md")]

mod budget;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use seawall_core::{Effects, Error};
use seawall_policy::Invalid;
pub use seawall_policy::retry::{Jitter, Options, Stop, Strategy, pause};

use crate::classify::Classify;
use crate::pipeline::{Cx, Pipeline};

pub use budget::Budget;

/// Retries by themselves: a [`Pipeline`] in which nothing else is on. Clones share its budget.
///
/// All attempts and pauses together have a deadline: a server may ask for a pause of any length. A 429 pauses everybody
/// who shares the object, so give each upstream its own.
#[derive(Debug, Clone)]
pub struct Retry(Pipeline);

impl Retry {
    /// Retries within a minute, with a budget of their own. Refuses options that contradict themselves.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        Pipeline::builder("retry").retry(options).build().map(Self)
    }

    /// Retries within `deadline`, drawing from a budget that others draw from too.
    pub fn with(options: Options, deadline: Duration, budget: Budget) -> Result<Self, Invalid> {
        Pipeline::builder("retry").retry(options).deadline(deadline).shared_budget(budget).build().map(Self)
    }

    /// Its budget, to share it.
    pub fn budget(&self) -> Budget {
        self.0.budget()
    }

    /// Runs the operation, as often as it takes and `effects` allows. An `Err` is taken as *unknown*, so only what is
    /// [`Effects::Repeatable`] is repeated; [`Retry::classified`] can say more.
    ///
    /// The last outcome is given back; the one rejection is SW0008, when the deadline passed. Dropping the future drops
    /// the operation.
    pub async fn run<T, E, F, Fut>(&self, effects: Effects, operation: F) -> Result<T, Error<E>>
    where
        F: FnMut(Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.0.call().effects(effects).run(operation).await
    }

    /// Runs the operation; outcomes mean what `classify` says.
    pub async fn classified<T, E, C, F, Fut>(
        &self,
        effects: Effects,
        classify: &C,
        operation: F,
    ) -> Result<T, Error<E>>
    where
        C: Classify<T, E>,
        F: FnMut(Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.0.call().effects(effects).classified(classify, operation).await
    }
}
