//! HTTP/1 connections nobody uses just now, freshest first.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::http1::Conn;

/// How many of the oldest are looked at when one comes back. Two, so that a pool that shrinks catches up.
const REAPED_PER_RETURN: usize = 2;

pub(super) struct Idle {
    waiting: VecDeque<Waiting>,
    /// Whether somebody sweeps.
    sweeping: bool,
}

struct Waiting {
    conn: Conn,
    since: Instant,
}

impl Idle {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), sweeping: false }
    }

    /// The freshest one that is fit for a request; what it finds unfit or too old on the way is closed.
    pub(super) fn take(&mut self, idle_for: Duration, now: Instant) -> Option<Conn> {
        while let Some(Waiting { conn, since }) = self.waiting.pop_back() {
            if now.duration_since(since) >= idle_for {
                // Everything before it waits longer still.
                self.waiting.clear();
                return None;
            }
            if conn.is_ready() {
                return Some(conn);
            }
        }
        None
    }

    /// Keeps one for later; over `max` the oldest makes room.
    pub(super) fn put(&mut self, conn: Conn, max: usize, idle_for: Duration, now: Instant) {
        for _ in 0..REAPED_PER_RETURN {
            match self.waiting.front() {
                Some(oldest) if oldest.conn.is_over() || now.duration_since(oldest.since) >= idle_for => {
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

    pub(super) fn wants_a_sweeper(&self) -> bool {
        !self.sweeping && !self.waiting.is_empty()
    }

    pub(super) fn swept(&mut self) {
        self.sweeping = true;
    }

    /// Closes what is over or too old. Whether there is anything left to look at again.
    pub(super) fn sweep(&mut self, idle_for: Duration, now: Instant) -> bool {
        self.waiting
            .retain(|waiting| !waiting.conn.is_over() && now.duration_since(waiting.since) < idle_for);
        self.sweeping = !self.waiting.is_empty();
        self.sweeping
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.iter().filter(|waiting| !waiting.conn.is_over()).count()
    }
}
