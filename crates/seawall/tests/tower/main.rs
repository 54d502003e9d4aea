//! The contract of tower, kept by the service a pipeline makes; and the pipeline's own promises, kept through it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod contract;
mod pipeline;
#[path = "../support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::future::{Future, Ready, pending, poll_fn, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use seawall::breaker::State;
use seawall::limiter::Limiter;
use seawall::pipeline::{Builder, Options};
use seawall::tower::{Guarded, PipelineLayer, Read, Terms, boxed};
use seawall::{
    Certainty, Code, Cx, Effects, Error, Pipeline, Rejection, Verdict, breaker, bulkhead, limiter, retry,
};
use seawall_core::units::Rate;
use seawall_core::verdict::Seen;
use support::{at_every_poll, cut, ms};
use tower::limit::ConcurrencyLimit;
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

fn plain_retry(attempts: u32) -> retry::Options {
    retry::Options { attempts, jitter: retry::Jitter::None, base: ms(100), ..retry::Options::default() }
}

fn places(concurrent: u32, waiting: usize) -> bulkhead::Options {
    let queue = bulkhead::Queue { max: waiting, ..bulkhead::Queue::default() };
    bulkhead::Options { concurrent, queue, ..bulkhead::Options::default() }
}

fn at_once(count: u32, per: Duration) -> limiter::Options {
    let queue = limiter::Queue { wait: Duration::ZERO, ..limiter::Queue::default() };
    limiter::Options { rate: Rate { count: count.try_into().unwrap(), per }, queue, ..Default::default() }
}

fn built(builder: Builder) -> PipelineLayer {
    PipelineLayer::new(builder.build().unwrap())
}

fn refusal<T, E>(outcome: Result<T, Error<E>>) -> Option<Rejection> {
    outcome.err()?.rejection().cloned()
}

/// Ends calls as its script says, and counts them.
#[derive(Clone)]
struct Scripted {
    script: Arc<[Result<u32, Seen>]>,
    calls: Arc<AtomicU32>,
}

fn scripted(script: &[Result<u32, Seen>]) -> Scripted {
    Scripted { script: script.into(), calls: Arc::default() }
}

impl Scripted {
    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl<Req> Service<Req> for Scripted {
    type Response = u32;
    type Error = Seen;
    type Future = Ready<Result<u32, Seen>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Seen>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Req) -> Self::Future {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) as usize;
        ready(self.script[call.min(self.script.len() - 1)])
    }
}

fn by_row(outcome: &Result<u32, Seen>) -> Verdict {
    Verdict::of(outcome.err().unwrap_or(Seen::Success))
}

/// Insists on the contract: whoever calls it must have asked this very clone, and heard yes, since its last call.
struct Strict {
    was_ready: bool,
    open: Arc<AtomicBool>,
    door: Arc<Mutex<Option<Waker>>>,
    calls: Arc<AtomicU32>,
}

impl Strict {
    fn new() -> Self {
        let open = Arc::new(AtomicBool::new(true));
        Self { was_ready: false, open, door: Arc::default(), calls: Arc::default() }
    }

    fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
        if let Some(waker) = self.door.lock().unwrap().take() {
            waker.wake();
        }
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        let Self { open, door, calls, .. } = self;
        Self { was_ready: false, open: open.clone(), door: door.clone(), calls: calls.clone() }
    }
}

impl Service<u32> for Strict {
    type Response = u32;
    type Error = Seen;
    type Future = Ready<Result<u32, Seen>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Seen>> {
        if self.open.load(Ordering::Relaxed) {
            self.was_ready = true;
            return Poll::Ready(Ok(()));
        }
        *self.door.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }

    fn call(&mut self, request: u32) -> Self::Future {
        assert!(std::mem::take(&mut self.was_ready), "called without having been ready");
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        ready(if call < request { Err(Seen::NotSent) } else { Ok(call) })
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn poll<F: Future>(future: Pin<&mut F>, bell: &Arc<Bell>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(bell.clone())))
}
