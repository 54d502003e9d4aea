//! The service a layer makes: readiness goes through, a call goes through the pipeline.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use seawall_core::Error;
use tower_service::Service;

use super::attempt::{Attempt, Judge, Progress};
use super::{AsBuilt, Cloned, Read, Repeat, Rules};
use crate::classify::{Classify, Plain};
use crate::pipeline::Pipeline;

/// A service inside a pipeline. Clones share every policy's state.
///
/// It is ready when the inner service is, and holds nothing of the pipeline's before it is called. A call costs what
/// the pipeline costs, one box for its future, one clone of the inner service and, where requests are kept, one clone
/// of the request for each attempt.
pub struct Guarded<S, R = Cloned, T = AsBuilt, C = Plain> {
    inner: S,
    rules: Arc<Rules<R, T, C>>,
}

impl<S, R, T, C> Guarded<S, R, T, C> {
    pub(super) fn new(inner: S, rules: Arc<Rules<R, T, C>>) -> Self {
        Self { inner, rules }
    }

    /// The pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.rules.pipeline
    }

    /// The inner service.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The inner service, without the pipeline.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, R, T, C> Clone for Guarded<S, R, T, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), rules: self.rules.clone() }
    }
}

impl<S, R, T, C> fmt::Debug for Guarded<S, R, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guarded").field(self.pipeline()).finish()
    }
}

impl<S, Req, R, T, C> Service<Req> for Guarded<S, R, T, C>
where
    S: Service<Req> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
    Req: Send + 'static,
    R: Repeat<Req> + Send + Sync + 'static,
    T: Read<Req> + Send + Sync + 'static,
    C: Classify<S::Response, S::Error> + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        // The one that said it was ready is the one that is called; its clone has said nothing yet.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        ResponseFuture(Box::pin(run(ready, self.rules.clone(), request)))
    }
}

async fn run<S, Req, R, T, C>(
    mut service: S,
    rules: Arc<Rules<R, T, C>>,
    request: Req,
) -> Result<S::Response, Error<S::Error>>
where
    S: Service<Req> + Clone,
    R: Repeat<Req>,
    T: Read<Req>,
    C: Classify<S::Response, S::Error>,
{
    let Rules { pipeline, repeat, read, classify } = &*rules;
    let terms = read.terms(&request);
    let mut call = pipeline.call().fewer_attempts(terms.fewer_attempts).credential(terms.credential);
    if let Some(effects) = terms.effects {
        call = call.effects(effects);
    }
    if let Some(span) = terms.deadline {
        let now = pipeline.now();
        call = call.began(now).deadline(now + span);
    }
    call = call.priority(terms.priority);
    if let Some(key) = terms.key {
        call = call.key(key);
    }
    if let Some(keys) = &terms.keys {
        call = call.keys(&**keys);
    }
    if let Some(key) = terms.idempotency_key {
        call = call.idempotency_key(key);
    }
    let progress = &Progress::default();
    let (mut kept, mut is_ready) = (Some(request), true);
    call.classified(&Judge { classify, progress }, |cx| {
        let mut request = kept.take().expect("there is another attempt only where the request was kept");
        kept = if cx.is_last() { None } else { repeat.repeat(&request) };
        progress.keeps(kept.is_some());
        read.stamp(&mut request, &cx);
        match std::mem::replace(&mut is_ready, false) {
            true => Attempt::with_ready(&mut service, request, progress),
            false => Attempt::when_ready(service.clone(), request, progress),
        }
    })
    .await
}

/// The answer of a [`Guarded`] service, boxed once. It does nothing before it is polled; dropped, it drops the inner
/// future, leaves every queue and gives every permit back.
#[must_use = "a call does nothing until its future is polled"]
pub struct ResponseFuture<T, E>(Answer<T, E>);

type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, Error<E>>> + Send>>;

impl<T, E> Future for ResponseFuture<T, E> {
    type Output = Result<T, Error<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T, E> fmt::Debug for ResponseFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
