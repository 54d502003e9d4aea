//! All policies in one order: what a call passes on its way out, drawn as it happens.
//!
//! ```text
//! deadline → retry [ breaker peek → pause and limits (wait) → bulkhead (wait) → breaker admit → hedge → attempt timeout → call ]
//! ```
//!
//! So every attempt spends the upstream's tokens, no permit is held through a backoff, and an open breaker costs
//! nothing. A chain of several targets stands above it: [`crate::fallback::Chain`].

mod advice;
mod build;
mod call;
mod cx;
mod enter;
mod held;
mod options;
mod parts;
mod race;
mod shadow;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use seawall_core::event::{Event, Fact, Sink};
use seawall_core::random::Random;
use seawall_core::{Clock, Error, Instant};
use seawall_policy::Invalid;

use crate::breaker::Breaker;
use crate::bulkhead::Bulkhead;
use crate::hedge::Hedge;
use crate::limiter::{Limiter, Pauses};
use crate::retry;

pub use advice::Advice;
pub use build::Builder;
pub use call::{Answer, Call, Keys};
pub use cx::Cx;
pub use held::Held;
pub use options::Options;
pub use shadow::Shadow;

use parts::{Maker, Parts, Shared};

/// Composed policies around an operation. Clones share every policy's state.
#[derive(Clone)]
pub struct Pipeline(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    random: Random,
    /// Tells this pipeline's calls from those of any other.
    nonce: u64,
    sink: Option<Arc<dyn Sink>>,
    shared: Shared,
    parts: ArcSwap<Parts>,
}

impl Pipeline {
    /// Begins a pipeline. Nothing is on but a deadline of 60 s.
    pub fn builder(name: impl Into<Arc<str>>) -> Builder {
        Builder::new(name.into())
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// Runs an operation through every policy, with the pipeline's own settings.
    ///
    /// An `Err` of the operation is taken as *unknown*: it counts as a failure, and it is repeated only if the pipeline
    /// was built with [`Effects::Repeatable`](crate::Effects::Repeatable). Say more with [`Pipeline::call`]. Dropping the future drops the
    /// operation, leaves every queue and gives every permit back.
    pub async fn run<T, E, F, Fut>(&self, operation: F) -> Result<T, Error<E>>
    where
        F: FnMut(Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.call().run(operation).await
    }

    /// Begins one call with settings of its own.
    pub fn call(&self) -> Call<'_> {
        Call::new(self)
    }

    /// Replaces the options, all or none; breaker, limiter, budget and bulkhead keep what they have counted. Parts that
    /// are shared with other pipelines stay as they are: they are updated where they were made.
    pub fn update(&self, options: Options) -> Result<(), Invalid> {
        let Inner { name, clock, sink, shared, .. } = &*self.0;
        let parts =
            Maker { name, clock, sink: sink.as_ref(), shared }.parts(options, Some(&self.0.parts.load()))?;
        self.0.parts.store(Arc::new(parts));
        Ok(())
    }

    /// The breaker, where there is one.
    pub fn breaker(&self) -> Option<Breaker> {
        self.0.parts.load().breaker.clone()
    }

    /// The bulkhead, where there is one.
    pub fn bulkhead(&self) -> Option<Bulkhead> {
        self.0.parts.load().bulkhead.clone()
    }

    /// The limits, in the order they are asked.
    pub fn limits(&self) -> Vec<Limiter> {
        self.0.parts.load().limits.clone()
    }

    /// The pauses a provider asked for.
    pub fn pauses(&self) -> Pauses {
        self.0.parts.load().pauses.clone()
    }

    /// The retry budget.
    pub fn budget(&self) -> retry::Budget {
        self.0.parts.load().budget.clone()
    }

    /// The hedge, where there is one.
    pub fn hedge(&self) -> Option<Hedge> {
        self.0.parts.load().hedge.clone()
    }

    /// The present moment on its clock.
    pub fn now(&self) -> Instant {
        self.0.clock.now()
    }

    /// The deadline a call gets that names none.
    pub fn deadline(&self) -> Duration {
        self.0.parts.load().deadline
    }

    /// The order in which a call passes the policies, in words; what stands in the shadow is in brackets.
    pub fn describe(&self) -> String {
        let parts = self.0.parts.load();
        let mut order = vec![format!("deadline {}", text(parts.deadline))];
        let mut add = |policy: Shadow, what: String| {
            order.push(if parts.shadow.holds(policy) { format!("({what})") } else { what });
        };
        if parts.retry.attempts > 1 {
            let retry = &parts.retry;
            let what = format!("retry ×{} ({}..{})", retry.attempts, text(retry.base), text(retry.cap));
            add(Shadow::RETRY, what);
        }
        if parts.breaker.is_some() {
            add(Shadow::BREAKER, "breaker".into());
        }
        for limit in &parts.limits {
            let options = limit.options();
            let per = limit.per().map(|per| format!(" per {per}")).unwrap_or_default();
            add(Shadow::LIMITER, format!("limit {}{per} (wait {})", options.rate, text(options.queue.wait)));
        }
        if let Some(bulkhead) = &parts.bulkhead {
            add(Shadow::BULKHEAD, format!("bulkhead {}", bulkhead.size()));
        }
        if let Some(hedge) = &parts.hedge {
            add(Shadow::HEDGE, format!("hedge {}", hedge.options().delay));
        }
        if let Some(attempt) = parts.attempt {
            add(Shadow::TIMEOUT, format!("attempt {}", text(attempt)));
        }
        order.push("call".into());
        order.join(" → ")
    }

    fn tell(&self, own: Option<&dyn Sink>, fact: Fact) {
        let sink = own.or(self.0.sink.as_deref());
        if let Some(sink) = sink {
            sink.offer(Event { at: self.0.clock.now(), name: self.0.name.clone(), fact });
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("name", &self.0.name).field("order", &self.describe()).finish()
    }
}

fn text(span: Duration) -> String {
    seawall_core::units::format_duration(span)
}
