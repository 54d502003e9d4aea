//! One attempt: ready, then call; and who remembers whether the request was handed over at all.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use seawall_core::Verdict;
use seawall_core::verdict::Seen;
use tower_service::Service;

use crate::classify::{Classify, Credential};

/// What an outcome does not say about its attempt.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Is there a request for another attempt?
    kept: AtomicBool,
    /// Requests that are with the service now.
    inside: AtomicUsize,
    /// Has one been with the service since the last verdict?
    was_inside: AtomicBool,
}

impl Progress {
    pub(super) fn keeps(&self, kept: bool) {
        self.kept.store(kept, Ordering::Relaxed);
    }

    /// Asked once for each verdict. In doubt it says no.
    fn provably_not_sent(&self) -> bool {
        let was_inside = self.was_inside.swap(false, Ordering::Relaxed);
        !was_inside && self.inside.load(Ordering::Relaxed) == 0
    }
}

/// A request is with the service for as long as this lives.
#[derive(Debug)]
pub(super) struct Inside<'c>(&'c Progress);

impl<'c> Inside<'c> {
    fn enter(progress: &'c Progress) -> Self {
        progress.inside.fetch_add(1, Ordering::Relaxed);
        Self(progress)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
        self.0.was_inside.store(true, Ordering::Relaxed);
    }
}

pin_project! {
    /// An attempt with a service that was ready, or with one whose readiness is still waited for.
    #[project = Stage]
    pub(super) enum Attempt<'c, S, Req, F> {
        Waiting { service: S, request: Option<Req>, progress: &'c Progress },
        Called { #[pin] future: F, inside: Inside<'c> },
    }
}

impl<'c, S: Service<Req>, Req> Attempt<'c, S, Req, S::Future> {
    /// At once, with a service that said it was ready.
    pub(super) fn with_ready(service: &mut S, request: Req, progress: &'c Progress) -> Self {
        let inside = Inside::enter(progress);
        Self::Called { future: service.call(request), inside }
    }

    /// As soon as `service` is ready.
    pub(super) fn when_ready(service: S, request: Req, progress: &'c Progress) -> Self {
        Self::Waiting { service, request: Some(request), progress }
    }
}

impl<S: Service<Req>, Req> Future for Attempt<'_, S, Req, S::Future> {
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let called = match self.as_mut().project() {
                Stage::Called { future, .. } => return future.poll(cx),
                Stage::Waiting { service, request, progress } => {
                    ready!(service.poll_ready(cx))?;
                    let request = request.take().expect("a request is handed over once");
                    Self::with_ready(service, request, progress)
                }
            };
            self.set(called);
        }
    }
}

/// The user's classifier, for outcomes it can know about: of an attempt whose request was never handed to the service,
/// because that was not ready, nobody but us knows that it was not sent.
pub(super) struct Judge<'c, C> {
    pub(super) classify: &'c C,
    pub(super) progress: &'c Progress,
}

impl<T, E, C: Classify<T, E>> Classify<T, E> for Judge<'_, C> {
    fn classify(&self, outcome: &Result<T, E>) -> Verdict {
        if self.progress.provably_not_sent() {
            return Verdict::of(Seen::NotSent);
        }
        self.classify.classify(outcome)
    }

    fn timed_out(&self) -> Verdict {
        if self.progress.provably_not_sent() {
            return Verdict::of(Seen::NotSent);
        }
        self.classify.timed_out()
    }

    fn can_repeat(&self) -> bool {
        self.progress.kept.load(Ordering::Relaxed) && self.classify.can_repeat()
    }

    fn credential(&self, outcome: Result<&T, &E>) -> Credential {
        self.classify.credential(outcome)
    }
}
