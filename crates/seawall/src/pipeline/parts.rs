//! The policies of a pipeline at one moment: made from its options, with what was counted before and what is shared.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::event::Sink;
use seawall_core::{Clock, Effects};
use seawall_policy::Invalid;

use super::{Options, Shadow};
use crate::breaker::Breaker;
use crate::bulkhead::Bulkhead;
use crate::hedge::Hedge;
use crate::limiter::{Limiter, Pauses};
use crate::retry;

/// The policies at one moment; an update swaps them all at once and carries their state over.
pub(super) struct Parts {
    pub(super) deadline: Duration,
    pub(super) attempt: Option<Duration>,
    pub(super) escalate: f64,
    pub(super) effects: Effects,
    pub(super) retry: retry::Options,
    pub(super) budget: retry::Budget,
    pub(super) breaker: Option<Breaker>,
    pub(super) pauses: Pauses,
    /// How long a call waits a pause out.
    pub(super) patience: Duration,
    /// Those that are shared come first.
    pub(super) limits: Vec<Limiter>,
    pub(super) bulkhead: Option<Bulkhead>,
    pub(super) hedge: Option<Hedge>,
    pub(super) shadow: Shadow,
}

/// What a pipeline shares with others, for as long as it lives.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) budget: Option<retry::Budget>,
    pub(super) breaker: Option<Breaker>,
    pub(super) pauses: Option<(Pauses, Duration)>,
    pub(super) limits: Vec<Limiter>,
    pub(super) bulkhead: Option<Bulkhead>,
}

/// Makes the parts of one pipeline.
pub(super) struct Maker<'m> {
    pub(super) name: &'m Arc<str>,
    pub(super) clock: &'m Arc<dyn Clock>,
    pub(super) sink: Option<&'m Arc<dyn Sink>>,
    pub(super) shared: &'m Shared,
}

impl Maker<'_> {
    /// The parts of these options. What is shared stands in the place of a pipeline's own; what was there before keeps
    /// its counts. Everything is checked before the first live policy is touched: all of an update, or none.
    pub(super) fn parts(&self, options: Options, before: Option<&Parts>) -> Result<Parts, Invalid> {
        options.check()?;
        let Maker { name, clock, sink, shared } = *self;
        let budget = shared.budget.clone().unwrap_or_else(|| {
            let budget =
                before.map_or_else(|| retry::Budget::new(&options.retry), |before| before.budget.clone());
            budget.update(&options.retry);
            budget
        });
        let breaker = match (&shared.breaker, options.breaker) {
            (Some(shared), _) => Some(shared.clone()),
            (None, None) => None,
            (None, Some(options)) => Some(match before.and_then(|before| before.breaker.clone()) {
                Some(breaker) => breaker.update(options).map(|()| breaker)?,
                None => Breaker::with(name.clone(), options, clock.clone(), sink.cloned())?,
            }),
        };
        let mut limits = shared.limits.clone();
        if let Some(options) = options.limiter {
            limits.push(match before.and_then(|before| before.limits.get(shared.limits.len()).cloned()) {
                Some(limiter) => limiter.update(options).map(|()| limiter)?,
                None => {
                    let told = sink.map(|sink| (name.clone(), sink.clone()));
                    Limiter::telling(options, None, clock.clone(), told)?
                }
            });
        }
        let bulkhead = match (&shared.bulkhead, options.bulkhead) {
            (Some(shared), _) => Some(shared.clone()),
            (None, None) => None,
            (None, Some(options)) => Some(match before.and_then(|before| before.bulkhead.clone()) {
                Some(bulkhead) => bulkhead.update(options).map(|()| bulkhead)?,
                None => Bulkhead::with(name.clone(), options, clock.clone(), sink.cloned())?,
            }),
        };
        let hedge = match options.hedge {
            None => None,
            Some(options) => Some(match before.and_then(|before| before.hedge.clone()) {
                Some(hedge) => hedge.update(options).map(|()| hedge)?,
                // On the same clock as the calls it looks at: moments of two clocks cannot be compared.
                None => Hedge::with(name.clone(), options, budget.clone(), clock.clone(), sink.cloned())?,
            }),
        };
        let own_pauses = || before.map_or_else(|| Pauses::new(clock.clone()), |before| before.pauses.clone());
        let (pauses, patience) = shared.pauses.clone().unwrap_or_else(|| (own_pauses(), options.deadline));
        Ok(Parts {
            deadline: options.deadline,
            attempt: options.attempt,
            escalate: options.escalate,
            effects: options.effects,
            retry: options.retry,
            budget,
            breaker,
            pauses,
            patience,
            limits,
            bulkhead,
            hedge,
            shadow: options.shadow,
        })
    }
}
