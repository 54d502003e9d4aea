//! One meter and the line in front of it.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use seawall_core::{Clock, Code, Instant, Rejection};
use seawall_policy::limiter::{Decision, Meter, Queue, Quota};
use tokio::sync::Semaphore;

use super::refused;
use crate::bulkhead::Waiting;
use crate::lock;
use crate::timeout::within;

/// A meter, and a turnstile that lets one waiter at a time look at it: tokio's semaphore is first come, first served,
/// and forgets a waiter that is dropped.
pub(super) struct Line {
    meter: Mutex<Meter>,
    turn: Semaphore,
    waiting: AtomicUsize,
}

impl Line {
    pub(super) fn new(quota: &Quota) -> Self {
        Self { meter: Mutex::new(Meter::new(quota)), turn: Semaphore::new(1), waiting: AtomicUsize::new(0) }
    }

    /// Takes at once or refuses; nobody overtakes those who wait.
    pub(super) fn try_take(&self, quota: &Quota, n: u32, now: Instant) -> Result<(), Rejection> {
        let mut meter = lock(&self.meter);
        if self.waiting() > 0 {
            return Err(refused(Some(quota.rate.per / quota.rate.count.get())));
        }
        match meter.take(quota, n, now) {
            Decision::Go => Ok(()),
            Decision::Wait(wait) => Err(refused(Some(wait))),
            Decision::Never => Err(refused(None)),
        }
    }

    pub(super) async fn take(
        &self,
        quota: &Quota,
        queue: &Queue,
        n: u32,
        deadline: Instant,
        clock: &dyn Clock,
    ) -> Result<Instant, Rejection> {
        let now = clock.now();
        let refusal = match self.try_take(quota, n, now) {
            Ok(()) => return Ok(now),
            Err(refusal) => refusal,
        };
        let Some(wait) = refusal.retry_after else { return Err(refusal) };
        let patience = now.until(deadline).min(queue.wait);
        if wait > patience {
            return Err(refusal);
        }
        if self.waiting() >= queue.max {
            return Err(Rejection::new(Code::QueueFull).after(wait));
        }
        let _waiting = Waiting::join(&self.waiting);
        let until = now + patience;
        let Ok(Ok(_turn)) = within(self.turn.acquire(), patience).await else { return Err(refusal) };
        loop {
            let now = clock.now();
            let decision = lock(&self.meter).take(quota, n, now);
            match decision {
                Decision::Go => return Ok(now),
                Decision::Wait(wait) if now + wait <= until => tokio::time::sleep(timer(wait)).await,
                Decision::Wait(wait) => return Err(refused(Some(wait))),
                Decision::Never => return Err(refused(None)),
            }
        }
    }

    pub(super) fn give_back(&self, quota: &Quota, n: u32, taken: Instant, now: Instant) {
        lock(&self.meter).give_back(quota, n, taken, now);
    }

    pub(super) fn remaining(&self, quota: &Quota, now: Instant) -> u32 {
        lock(&self.meter).remaining(quota, now)
    }

    pub(super) fn rested(&self, quota: &Quota, now: Instant) -> bool {
        self.waiting() == 0 && lock(&self.meter).rested(quota, now)
    }

    pub(super) fn reset(&self, quota: &Quota) {
        *lock(&self.meter) = Meter::new(quota);
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// Tokio's timer counts whole milliseconds and rounds up by itself; never ask it for nothing at all.
fn timer(wait: Duration) -> Duration {
    wait.max(Duration::from_micros(1))
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}
