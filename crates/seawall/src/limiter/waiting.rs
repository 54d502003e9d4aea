//! Waiting for room: in line, with whoever is first watching the clock.

use std::time::Duration;

use seawall_core::{Code, Instant, Rejection};
use seawall_policy::limiter::Decision;
use seawall_policy::queue::Priority;
use std::sync::atomic::Ordering;

use super::common::Common;
use super::keys::Keys;
use super::shared::Shared;
use super::{Counted, Limiter, Meant, Scope};
use crate::lock;
use crate::queue::{Line, Stood, Turn};
use crate::timeout::within;

impl Limiter {
    /// Counts `n` as soon as there is room for them, or says why it is no use waiting.
    pub(super) async fn count_in_time(
        &self,
        key: &str,
        n: u32,
        priority: Priority,
        deadline: Instant,
    ) -> Result<Counted, Rejection> {
        let now = self.0.clock.now();
        let (counted, decision) = match (&self.0.scope, self.count(key, n, now)) {
            (_, Some((meant, decision))) => (Counted::here(meant, n, now), decision),
            (Scope::Fleet(shared), None) => shared.count(key, n, &self.options()).await,
            (_, None) => (Counted::here(Meant::CROWD, n, now), Decision::Never),
        };
        let wait = match decision {
            Decision::Go => return Ok(counted),
            Decision::Wait(wait) => wait,
            Decision::Never => return Err(self.refuse(decision)),
        };
        let queue = lock(&self.0.options).queue.clone();
        let patience = now.until(deadline).min(queue.wait);
        if wait > patience {
            return Err(self.refuse(decision));
        }
        let place = Place { priority, max: queue.max, wait, patience };
        // Boxed: waiting is rare and its state large.
        let counted = match &self.0.scope {
            Scope::Everybody(common) => {
                let take = Asks::Everybody(common, counted);
                Box::pin(self.wait(&common.line, place, take)).await
            }
            Scope::EachKey { keys, .. } => {
                let id = keys.id(key);
                let standing = keys.line(id, counted.meant);
                Box::pin(self.wait(standing.line(), place, Asks::Key(keys, id, n))).await
            }
            Scope::Fleet(shared) => {
                let standing = shared.line(key);
                Box::pin(self.wait(standing.line(), place, Asks::Fleet(shared, key, n))).await
            }
        };
        if counted.is_ok() {
            self.0.waited.fetch_add(1, Ordering::Relaxed);
        }
        counted
    }

    async fn ask(&self, asks: Asks<'_>, now: Instant) -> (Counted, Decision) {
        match asks {
            Asks::Everybody(common, counted) => {
                (Counted { at: now, ..counted }, common.take_in_turn(counted.n, now))
            }
            Asks::Key(keys, id, n) => {
                let (meant, decision) = keys.take_in_turn(id, n, now);
                (Counted::here(meant, n, now), decision)
            }
            Asks::Fleet(shared, key, n) => shared.count_in_turn(key, n, &self.options()).await,
        }
    }

    async fn wait(&self, line: &Line, place: Place, asks: Asks<'_>) -> Result<Counted, Rejection> {
        let full = || {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            Rejection::new(Code::QueueFull).after(place.wait)
        };
        let Some(mut waiter) = line.join(place.priority, place.max) else { return Err(full()) };
        let until = self.0.clock.now() + place.patience;
        let turn = async {
            loop {
                if waiter.turn().await == Turn::PushedOut {
                    return Err(full());
                }
                let (counted, decision) = self.ask(asks, self.0.clock.now()).await;
                let wait = match decision {
                    Decision::Go => {
                        waiter.served();
                        return Ok(counted);
                    }
                    Decision::Wait(wait) if self.0.clock.now() + wait <= until => wait,
                    decision => return Err(self.refuse(decision)),
                };
                match waiter.while_first(tokio::time::sleep(timer(wait))).await {
                    Stood::Done(()) | Stood::Called | Stood::Overtaken => {}
                    Stood::PushedOut => return Err(full()),
                }
            }
        };
        match within(turn, place.patience).await {
            Ok(counted) => counted,
            // Those before it in the line were too many.
            Err(_) => Err(self.refuse(Decision::Wait(place.wait))),
        }
    }
}

/// What whoever is first in a line asks, and of whom.
#[derive(Clone, Copy)]
enum Asks<'a> {
    Everybody(&'a Common, Counted),
    Key(&'a Keys, u64, u32),
    Fleet(&'a Shared, &'a str, u32),
}

/// Who waits, with how many others, and how long.
#[derive(Debug, Clone, Copy)]
struct Place {
    priority: Priority,
    max: usize,
    wait: Duration,
    patience: Duration,
}

/// Tokio's timer counts whole milliseconds and rounds up by itself; never ask it for nothing at all.
fn timer(wait: Duration) -> Duration {
    wait.max(Duration::from_micros(1))
}
