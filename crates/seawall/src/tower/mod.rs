//! A pipeline around a [`tower_service::Service`]: the same policies, in the same order, deciding nothing of its own.
//!
#![doc = include_str!("../../../../docs/tower.md")]

mod attempt;
mod request;
mod service;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::{Effects, Error};
use seawall_policy::Invalid;
use tower_layer::Layer;

use crate::classify::Plain;
use crate::pipeline::{Builder, Pipeline};
use crate::{breaker, bulkhead, limiter, retry};

pub use request::{AsBuilt, Cloned, Http, Never, Read, Repeat, Terms};
pub use service::{Guarded, ResponseFuture};

/// Puts a pipeline around a service. Clones, and all services made from them, share every policy's state.
///
/// Three things it may be told: how a request is had a second time (`R`), what a request says of its own call (`T`), and
/// what an outcome means (`C`). Each is a closure, or one of the types of this module.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is around a service"]
pub struct PipelineLayer<R = Cloned, T = AsBuilt, C = Plain> {
    rules: Rules<R, T, C>,
}

/// What every service of one layer goes by.
#[derive(Clone)]
struct Rules<R, T, C> {
    pipeline: Pipeline,
    repeat: R,
    read: T,
    classify: C,
}

impl PipelineLayer {
    /// Every policy of this pipeline. A request is cloned before each attempt, so that it can be sent again; a request
    /// that cannot be cloned wants [`PipelineLayer::once`] or [`PipelineLayer::repeat`].
    pub fn new(pipeline: Pipeline) -> Self {
        Self { rules: Rules { pipeline, repeat: Cloned, read: AsBuilt, classify: Plain } }
    }

    /// Retry alone. It wants to be told how safe repeating is: with [`Effects::Guarded`] and no classifier it would
    /// never send anything again.
    pub fn retry(options: retry::Options, effects: Effects) -> Result<Self, Invalid> {
        alone("retry").retry(options).effects(effects).build().map(Self::new)
    }
}

impl PipelineLayer<Never> {
    /// A circuit breaker alone.
    pub fn breaker(options: breaker::Options) -> Result<Self, Invalid> {
        alone("breaker").breaker(options).build().map(Self::sent_once)
    }

    /// A rate limiter alone, for everybody together.
    pub fn limiter(options: limiter::Options) -> Result<Self, Invalid> {
        alone("limiter").limiter(options).build().map(Self::sent_once)
    }

    /// A bulkhead alone.
    pub fn bulkhead(options: bulkhead::Options) -> Result<Self, Invalid> {
        alone("bulkhead").bulkhead(options).build().map(Self::sent_once)
    }

    /// A time limit alone; the future of a call that is late is dropped.
    pub fn timeout(span: Duration) -> Result<Self, Invalid> {
        alone("timeout").deadline(span).build().map(Self::sent_once)
    }

    fn sent_once(pipeline: Pipeline) -> Self {
        PipelineLayer::new(pipeline).once()
    }
}

/// One policy and no deadline: what was asked for, and nothing beside it.
fn alone(policy: &'static str) -> Builder {
    Pipeline::builder(policy).deadline(Duration::MAX)
}

impl<R, T, C> PipelineLayer<R, T, C> {
    /// How a request is had a second time: a closure from `&Req` to `Option<Req>`. It is asked before each attempt, as
    /// the request goes; after a `None` the outcome of that attempt stands.
    pub fn repeat<Req, F: Fn(&Req) -> Option<Req>>(self, repeat: F) -> PipelineLayer<F, T, C> {
        let Rules { pipeline, read, classify, .. } = self.rules;
        PipelineLayer { rules: Rules { pipeline, repeat, read, classify } }
    }

    /// Each request goes once, whatever the pipeline's retry says; nothing is cloned.
    pub fn once(self) -> PipelineLayer<Never, T, C> {
        let Rules { pipeline, read, classify, .. } = self.rules;
        PipelineLayer { rules: Rules { pipeline, repeat: Never, read, classify } }
    }

    /// What a request says of its own call: a closure from `&Req` to [`Terms`], asked once for each call.
    pub fn terms<Req, F: Fn(&Req) -> Terms>(self, read: F) -> PipelineLayer<R, F, C> {
        self.read(read)
    }

    /// The same, and more, by a type of its own: a [`Read`] may also write into each request as it goes.
    pub fn read<U>(self, read: U) -> PipelineLayer<R, U, C> {
        let Rules { pipeline, repeat, classify, .. } = self.rules;
        PipelineLayer { rules: Rules { pipeline, repeat, read, classify } }
    }

    /// What an outcome means: a [`Classify`](crate::classify::Classify), such as a closure from
    /// `&Result<Response, Error>` to a [`Verdict`](crate::Verdict).
    pub fn classify<D>(self, classify: D) -> PipelineLayer<R, T, D> {
        let Rules { pipeline, repeat, read, .. } = self.rules;
        PipelineLayer { rules: Rules { pipeline, repeat, read, classify } }
    }

    /// HTTP by its own words: see [`Http`].
    pub fn http(self) -> PipelineLayer<R, Http, Http> {
        self.read(Http).classify(Http)
    }

    /// The pipeline: its state to read, its levers to pull, its options to update while services run.
    pub fn pipeline(&self) -> &Pipeline {
        &self.rules.pipeline
    }
}

impl<S, R: Clone, T: Clone, C: Clone> Layer<S> for PipelineLayer<R, T, C> {
    type Service = Guarded<S, R, T, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded::new(inner, Arc::new(self.rules.clone()))
    }
}

/// The error as tower's own layers box theirs, so that they can stand around a pipeline that stands around them: a
/// [`Rejection`](crate::Rejection), or the inner service's error. Where the inner error is a type of its own this is
/// not needed: then [`Error`] is an error by itself.
pub fn boxed<E: Into<Box<dyn StdError + Send + Sync>>>(error: Error<E>) -> Box<dyn StdError + Send + Sync> {
    match error {
        Error::Rejected(rejection) => rejection.into(),
        Error::Inner(inner) => inner.into(),
    }
}

impl<R, T, C> fmt::Debug for PipelineLayer<R, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PipelineLayer").field(&self.rules.pipeline).finish()
    }
}
