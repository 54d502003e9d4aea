//! Composes a pipeline, in reading order.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use seawall_core::event::Sink;
use seawall_core::random::Random;
use seawall_core::{Clock, Effects};
use seawall_policy::Invalid;

use super::parts::{Maker, Shared};
use super::{Inner, Options, Pipeline, Shadow};
use crate::breaker::{self, Breaker};
use crate::bulkhead::{self, Bulkhead};
use crate::hedge;
use crate::limiter::{self, Limiter, Pauses};
use crate::retry;
use crate::time::default_clock;

/// Composes a pipeline, in reading order. Parts that are shared with other pipelines (the breaker of one upstream under
/// several routes, say) come in ready-made.
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    name: Arc<str>,
    options: Options,
    clock: Option<Arc<dyn Clock>>,
    sink: Option<Arc<dyn Sink>>,
    seed: Option<u64>,
    shared: Shared,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Builder {
    pub(super) fn new(name: Arc<str>) -> Self {
        let (options, shared) = (Options::default(), Shared::default());
        Self { name, options, clock: None, sink: None, seed: None, shared }
    }

    /// All settings at once.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// For the whole call: queueing, attempts, pauses.
    pub fn deadline(mut self, span: Duration) -> Self {
        self.options.deadline = span;
        self
    }

    /// How safe repeating is.
    pub fn effects(mut self, effects: Effects) -> Self {
        self.options.effects = effects;
        self
    }

    /// Sends again what is safe to send again.
    pub fn retry(mut self, options: retry::Options) -> Self {
        self.options.retry = options;
        self
    }

    /// Stops calling what keeps failing.
    pub fn breaker(mut self, options: breaker::Options) -> Self {
        self.options.breaker = Some(options);
        self
    }

    /// Lets through only so many in so much time.
    pub fn limiter(mut self, options: limiter::Options) -> Self {
        self.options.limiter = Some(options);
        self
    }

    /// Bounds how many calls are in flight.
    pub fn bulkhead(mut self, options: bulkhead::Options) -> Self {
        self.options.bulkhead = Some(options);
        self
    }

    /// Gives up on one attempt.
    pub fn attempt_timeout(mut self, span: Duration) -> Self {
        self.options.attempt = Some(span);
        self
    }

    /// Sends a second copy of what is repeatable when the first is slow.
    pub fn hedge(mut self, options: hedge::Options) -> Self {
        self.options.hedge = Some(options);
        self
    }

    /// Gives each further attempt this many times the time of the one before.
    pub fn escalate(mut self, factor: f64) -> Self {
        self.options.escalate = factor;
        self
    }

    /// Lets policies decide and report, and the call through: `Shadow::LIMITER | Shadow::BREAKER`.
    pub fn shadow(mut self, shadow: Shadow) -> Self {
        self.options.shadow = self.options.shadow | shadow;
        self
    }

    /// Offers events to a sink.
    pub fn sink(mut self, sink: Arc<dyn Sink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Reads time from another clock. Waits stay tokio's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Seeds the jitter, so that a run can be repeated.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Shares a breaker with other pipelines.
    pub fn shared_breaker(mut self, breaker: Breaker) -> Self {
        self.shared.breaker = Some(breaker);
        self
    }

    /// Shares limits with other pipelines; they are asked in this order.
    pub fn shared_limits(mut self, limits: Vec<Limiter>) -> Self {
        self.shared.limits = limits;
        self
    }

    /// Shares a bulkhead with other pipelines.
    pub fn shared_bulkhead(mut self, bulkhead: Bulkhead) -> Self {
        self.shared.bulkhead = Some(bulkhead);
        self
    }

    /// Shares a retry budget with other pipelines.
    pub fn shared_budget(mut self, budget: retry::Budget) -> Self {
        self.shared.budget = Some(budget);
        self
    }

    /// Shares a provider's pauses with other pipelines, and says how long a call waits one out.
    pub fn shared_pauses(mut self, pauses: Pauses, patience: Duration) -> Self {
        self.shared.pauses = Some((pauses, patience));
        self
    }

    /// Checks everything and builds. Refuses options that contradict themselves.
    pub fn build(self) -> Result<Pipeline, Invalid> {
        let Self { name, options, clock, sink, seed, shared } = self;
        let clock = clock.unwrap_or_else(default_clock);
        let maker = Maker { name: &name, clock: &clock, sink: sink.as_ref(), shared: &shared };
        let parts = ArcSwap::from_pointee(maker.parts(options, None)?);
        Ok(Pipeline(Arc::new(Inner {
            nonce: seed.unwrap_or_else(|| fastrand::u64(..)),
            random: seed.map_or_else(Random::from_os, Random::seeded),
            name,
            clock,
            sink,
            shared,
            parts,
        })))
    }
}
