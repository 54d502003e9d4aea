//! Every call has an id, and every id has a story: the last few thousand are kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Method};
use seawall::Effects;
use seawall_core::{CallId, Certainty, Class, Rejection, Verdict};
use smallvec::SmallVec;

use crate::body::Ending;
use crate::compress::Changed;
use crate::headers::Trace;
use crate::peer::Peer;

/// Ordinary calls remembered by each worker.
const ORDINARY: usize = 512;
/// Calls that waited, failed, were retried or refused: a flood of ordinary ones does not push them out.
const NOTABLE: usize = 1024;
/// Moments remembered of one call.
pub(crate) const MOMENTS: usize = 64;

/// What the routes and upstreams of a configuration are called, in its order. Stories outlive configurations.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) routes: Vec<Arc<str>>,
    pub(crate) upstreams: Vec<Arc<str>>,
    pub(crate) callers: Vec<Arc<str>>,
}

/// One call, as far as its answer's head; how its body ended is added when it has.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) id: CallId,
    /// The trace it belongs to, if to any.
    pub(crate) trace: Trace,
    pub(crate) names: Arc<Names>,
    /// None where the request was refused before it had one.
    pub(crate) route: Option<usize>,
    /// The upstream asked last.
    pub(crate) upstream: Option<usize>,
    /// Who called, where callers are told apart.
    pub(crate) caller: Option<usize>,
    /// From where; none for what was asked by ourselves.
    pub(crate) peer: Option<Peer>,
    /// Bytes of its body, as far as they were known.
    pub(crate) size: u64,
    pub(crate) method: Method,
    pub(crate) path: Box<str>,
    pub(crate) effects: Effects,
    /// To the head.
    pub(crate) duration: Duration,
    pub(crate) waited: Duration,
    pub(crate) status: Option<u16>,
    pub(crate) class: Class,
    pub(crate) certainty: Certainty,
    pub(crate) decision: Option<HeaderValue>,
    pub(crate) refusal: Option<Rejection>,
    /// The age of the answer, where it was kept and fresh: nothing notable, so no moment.
    pub(crate) from_cache: Option<Duration>,
    pub(crate) attempts: SmallVec<[Attempt; 1]>,
    pub(crate) moments: Vec<Moment>,
    pub(crate) changed: Changed,
    pub(crate) end: OnceLock<End>,
}

/// How the body ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) ending: Ending,
    pub(crate) bytes: u64,
    pub(crate) after: Duration,
}

/// One attempt, with times counted from the call's arrival.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) upstream: usize,
    pub(crate) at: Duration,
    pub(crate) duration: Duration,
    pub(crate) status: Option<u16>,
    pub(crate) verdict: Verdict,
    pub(crate) failure: Option<String>,
    pub(crate) then: String,
}

/// Something else that happened.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) at: Duration,
    pub(crate) what: String,
}

impl Story {
    /// The caller's name.
    pub(crate) fn caller(&self) -> Option<&str> {
        self.caller.and_then(|place| self.names.callers.get(place)).map(|name| &**name)
    }

    /// It waited, failed, was sent again or refused.
    pub(crate) fn notable(&self) -> bool {
        self.class != Class::Ok || self.attempts.len() > 1 || !self.moments.is_empty()
    }
}

/// The stories of one worker. Nobody else writes here; the admin port reads.
#[derive(Debug, Default)]
pub(crate) struct Ring(Mutex<Rings>);

#[derive(Debug, Default)]
struct Rings {
    ordinary: VecDeque<Arc<Story>>,
    notable: VecDeque<Arc<Story>>,
}

impl Ring {
    pub(crate) fn keep(&self, story: Arc<Story>) {
        let mut rings = self.lock();
        let (ring, room) =
            if story.notable() { (&mut rings.notable, NOTABLE) } else { (&mut rings.ordinary, ORDINARY) };
        let forgotten = if ring.len() >= room { ring.pop_front() } else { None };
        ring.push_back(story);
        drop(rings);
        // Freed outside the lock.
        drop(forgotten);
    }

    pub(crate) fn find(&self, id: CallId) -> Option<Arc<Story>> {
        let rings = self.lock();
        rings.notable.iter().chain(&rings.ordinary).rev().find(|story| story.id == id).cloned()
    }

    /// The latest `count`, in no order.
    pub(crate) fn latest(&self, count: usize) -> Vec<Arc<Story>> {
        let rings = self.lock();
        let mut latest: Vec<_> = rings.notable.iter().rev().take(count).cloned().collect();
        latest.extend(rings.ordinary.iter().rev().take(count).cloned());
        latest
    }

    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
