//! How often what goes wrong, and the draw that decides it for one request.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::script::rng;

/// What goes wrong, and how often. Rates are shares of all requests, 0.0 to 1.0; the default is a perfect service.
///
/// An outage goes before the rate limit, and that before the draw. Of refusing, failing, losing the reply and cutting,
/// at most one happens to a request, so their rates add up; when they add up to more than 1 the later ones give way.
/// Being slow comes on top. The draw depends on the seed and the number of the request, and changing one rate leaves
/// the other draws as near to what they were as it can.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// The connection is closed before the body is read: not executed.
    pub refuse_rate: f64,
    /// 500, 502, 503 or 504: not executed.
    pub error_rate: f64,
    /// Executed, then the connection is closed without a byte.
    pub lost_reply_rate: f64,
    /// Executed, then the answer breaks off half-way: by FIN, or, for half of the streams, by a clean end that lacks
    /// the terminal event.
    pub cut_rate: f64,
    /// Executed, then the answer waits for `slow_for`.
    pub slow_rate: f64,
    /// How long a slow answer waits.
    pub slow_for: Duration,
    /// At most this many requests in any window of this length; 429 with the exact wait beyond.
    pub rate_limit: Option<(usize, Duration)>,
    /// Everything is 503 for a while.
    pub outage: Option<Outage>,
}

/// A span of time, counted from the start of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Its first moment.
    pub from: Duration,
    /// The first moment after it.
    pub to: Duration,
}

/// What was drawn for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// What goes wrong, if anything.
    pub fault: Option<Fault>,
    /// Whether the answer is slow.
    pub slow: bool,
}

/// What can go wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Closed before the body was read.
    Refuse,
    /// This status.
    Error(u16),
    /// Executed and not answered.
    LostReply,
    /// Executed and half answered.
    Cut {
        /// A stream ends cleanly instead of breaking.
        quiet: bool,
    },
}

impl Outage {
    pub(super) fn covers(self, at: Duration) -> bool {
        self.from <= at && at < self.to
    }
}

impl Faults {
    /// What happens to the nth request under this seed.
    pub fn draw(&self, seed: u64, n: u64) -> Draw {
        let mut random = rng(!seed, n);
        // All are drawn, used or not: what one decides must not move the others.
        let (mut share, slow, detail) = (random.f64(), random.f64(), random.usize(..4));
        let kinds = [
            (self.refuse_rate, Fault::Refuse),
            (self.error_rate, Fault::Error([500, 502, 503, 504][detail])),
            (self.lost_reply_rate, Fault::LostReply),
            (self.cut_rate, Fault::Cut { quiet: detail % 2 == 0 }),
        ];
        let mut fault = None;
        for (rate, kind) in kinds {
            if share < rate {
                fault = Some(kind);
                break;
            }
            share -= rate;
        }
        Draw { fault, slow: slow < self.slow_rate }
    }
}

/// A sliding window that admits so many requests and tells the others how long to wait.
pub(super) struct Window {
    count: usize,
    per: Duration,
    admitted: Mutex<VecDeque<Duration>>,
}

impl Window {
    pub(super) fn new(count: usize, per: Duration) -> Self {
        Self { count, per, admitted: Mutex::default() }
    }

    /// Admits a request that arrived then, or says how long after it there is room.
    pub(super) fn admit(&self, at: Duration) -> Result<(), Duration> {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        while admitted.front().is_some_and(|oldest| at.saturating_sub(*oldest) >= self.per) {
            admitted.pop_front();
        }
        if admitted.len() < self.count {
            admitted.push_back(at);
            return Ok(());
        }
        // Without any room ever, a whole window is as good an answer as any.
        Err(admitted.front().map_or(self.per, |oldest| oldest.saturating_add(self.per).saturating_sub(at)))
    }
}
