//! HTTP/1 connections nobody uses just now, freshest first.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::http1::{Condition, Conn};

/// How many of the oldest are looked at when one comes back. Two, so that a pool that shrinks catches up; it is why no
/// sweep is needed: whoever uses the pool clears it, and a pool nobody uses is cleared by its servers hanging up.
const REAPED_PER_RETURN: usize = 2;

pub(super) struct Idle<B> {
    waiting: VecDeque<Waiting<B>>,
}

struct Waiting<B> {
    conn: Conn<B>,
    since: Instant,
}

impl<B> Idle<B> {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new() }
    }

    /// The freshest one that is fit for a request; what it finds dead or too old on the way is closed.
    pub(super) fn take(&mut self, idle_for: Duration, now: Instant) -> Option<Conn<B>> {
        let mut at = self.waiting.len();
        while at > 0 {
            at -= 1;
            if now.duration_since(self.waiting[at].since) >= idle_for {
                // Everything before it waits longer still.
                self.waiting.drain(..=at);
                return None;
            }
            match self.waiting[at].conn.condition() {
                Condition::Ready => return self.waiting.remove(at).map(|waiting| waiting.conn),
                Condition::Settling => {}
                Condition::Dead => drop(self.waiting.remove(at)),
            }
        }
        None
    }

    /// Keeps one for later; over `max` the oldest makes room.
    pub(super) fn put(&mut self, conn: Conn<B>, max: usize, idle_for: Duration, now: Instant) {
        for _ in 0..REAPED_PER_RETURN {
            match self.waiting.front() {
                Some(oldest) if oldest.conn.is_closed() || now.duration_since(oldest.since) >= idle_for => {
                    self.waiting.pop_front();
                }
                _ => break,
            }
        }
        while !self.waiting.is_empty() && self.waiting.len() >= max {
            self.waiting.pop_front();
        }
        if max > 0 {
            self.waiting.push_back(Waiting { conn, since: now });
        }
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.iter().filter(|waiting| !waiting.conn.is_closed()).count()
    }
}
