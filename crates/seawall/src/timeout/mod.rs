//! Gives up waiting for a future; the timer is armed only if the future is not ready at once.
//!
#![doc = include_str!("../../../../docs/policies/timeout.md")]

#[cfg(test)]
mod tests;
mod within;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::verdict::Seen;
use seawall_core::{Clock, Code, Effects, Error, Rejection, Verdict};
use seawall_policy::Invalid;
use seawall_policy::timeout::History;
pub use seawall_policy::timeout::{Advice, Options, attempt_patience};

pub use within::{Elapsed, Within, within};

use crate::lock;
use crate::time::default_clock;

/// A time limit for single calls that remembers what they took. Clones share the memory, less than 3 KB.
///
/// A run reads the clock twice and takes one short lock.
#[derive(Clone)]
pub struct Timeout(Arc<Inner>);

struct Inner {
    limit: Duration,
    advice: Advice,
    clock: Arc<dyn Clock>,
    history: Mutex<History>,
}

impl Timeout {
    /// A limit of so long. Refuses zero.
    pub fn new(limit: Duration) -> Result<Self, Invalid> {
        Self::with(limit, Advice::default(), default_clock())
    }

    /// A limit whose recommendations follow `advice`, on a clock of your own. Waiting stays tokio's.
    pub fn with(limit: Duration, advice: Advice, clock: Arc<dyn Clock>) -> Result<Self, Invalid> {
        advice.check()?;
        if limit.is_zero() {
            return Err(Invalid::new("limit", "zero gives nothing a chance: write at least \"1ms\""));
        }
        Ok(Self(Arc::new(Inner { limit, advice, clock, history: Mutex::default() })))
    }

    /// The limit.
    pub fn limit(&self) -> Duration {
        self.0.limit
    }

    /// The limit that what was seen recommends; nothing before 20 calls are known. It is advice: nothing follows it by
    /// itself.
    pub fn recommended(&self) -> Option<Duration> {
        let now = self.0.clock.now();
        lock(&self.0.history).recommended(&self.0.advice, now)
    }

    /// Waits for the future, and when the time is up drops it and refuses with [`Code::AttemptTimeout`], certainty
    /// unknown. Dropping the run drops the future and remembers nothing.
    pub async fn run<T, E>(&self, operation: impl Future<Output = Result<T, E>>) -> Result<T, Error<E>> {
        let Inner { limit, clock, history, .. } = &*self.0;
        let began = clock.now();
        let outcome = within(operation, *limit).await;
        let now = clock.now();
        let took = now.since(began);
        match outcome {
            Ok(Ok(value)) => {
                lock(history).worked(took, now);
                Ok(value)
            }
            Ok(Err(error)) => Err(Error::Inner(error)),
            Err(Elapsed) => {
                lock(history).gave_up(*limit, took, now);
                let certainty = Verdict::of(Seen::TimedOut).certainty(Effects::Guarded);
                Err(Rejection::new(Code::AttemptTimeout).certainty(certainty).into())
            }
        }
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("limit", &self.0.limit).finish_non_exhaustive()
    }
}
