//! Who is connected: so that a drain reaches everybody, and nobody keeps a connection by doing nothing with it.
//!
//! Callers are looked after by one sweep a worker, not by a timer a request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use seawall_core::Instant;

/// How long a caller may take over the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How long a connection may wait for its next request. Longer than clients keep theirs, so that they hang up first.
const IDLE_WITHIN: Duration = Duration::from_secs(300);
/// How long a caller may leave what we write unread.
const WRITE_WITHIN: Duration = Duration::from_secs(60);
/// How long a connection that was asked to end may take over it.
const TO_LEAVE: Duration = Duration::from_secs(10);

const OPEN: u8 = 0;
const DRAINING: u8 = 1;
const OVER: u8 = 2;

/// One connection, as its worker sees it.
#[derive(Debug)]
pub(crate) struct Presence {
    told: AtomicU8,
    waker: AtomicWaker,
    /// What the caller has been doing since when: see [`Doing`].
    since: AtomicU64,
    doing: AtomicU8,
    /// It began to do something since the last sweep.
    moved: AtomicBool,
    /// Calls whose answers have not been passed on whole.
    calls: AtomicUsize,
    /// Bodies that are read away behind their answers: the connection ends by itself soon, and would end too early otherwise.
    lingering: AtomicUsize,
    /// Its last answer was cut, and only a reset can say so.
    broken: AtomicBool,
}

/// What a caller's connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Doing {
    /// Its next request.
    Idling = 0,
    /// The rest of a head.
    Asking = 1,
    /// The caller to read what we wrote.
    Unread = 2,
}

impl Presence {
    fn new(now: Instant) -> Self {
        Self {
            told: AtomicU8::new(OPEN),
            waker: AtomicWaker::new(),
            since: AtomicU64::new(now.as_nanos()),
            doing: AtomicU8::new(Doing::Idling as u8),
            moved: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            lingering: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Takes note of what the connection is doing. When that began is found out by the next sweep, which is exact
    /// enough for patience counted in half minutes.
    pub(crate) fn is(&self, doing: Doing) {
        self.doing.store(doing as u8, Ordering::Relaxed);
        self.moved.store(true, Ordering::Relaxed);
    }

    /// Bytes came. After an answer, and between calls, they are the beginning of a head.
    pub(crate) fn heard(&self) {
        if self.doing.load(Ordering::Relaxed) == Doing::Idling as u8
            && self.calls.load(Ordering::Relaxed) == 0
        {
            self.is(Doing::Asking);
        }
    }

    /// Must it end with a reset?
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// A call began; it lasts as long as what this returns.
    pub(crate) fn serve(self: &Arc<Self>) -> Busy {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// What is left of a request's body is read away; it lasts as long as what this returns.
    pub(crate) fn linger(self: &Arc<Self>) -> Lingering {
        self.lingering.fetch_add(1, Ordering::AcqRel);
        Lingering(self.serve())
    }

    /// Has it nothing to hear? Whoever lingers is asked to end when that is over.
    fn is_quiet(&self, heard: u8) -> bool {
        let told = self.told.load(Ordering::Acquire);
        told == heard || told == DRAINING && self.lingering.load(Ordering::Acquire) > 0
    }

    /// Ready when the connection has been told something new: `true` to end when it can, `false` to end at once.
    pub(crate) fn poll_told(&self, heard: &mut u8, waker: &Waker) -> Poll<bool> {
        if self.is_quiet(*heard) {
            self.waker.register(waker);
            // It may have been told while the waker was put down.
            if self.is_quiet(*heard) {
                return Poll::Pending;
            }
        }
        *heard = self.told.load(Ordering::Acquire);
        Poll::Ready(*heard == DRAINING)
    }

    /// Cheap: has it been told anything it has not heard?
    pub(crate) fn has_news(&self, heard: u8) -> bool {
        self.told.load(Ordering::Relaxed) != heard
    }

    fn tell(&self, what: u8) {
        if self.told.fetch_max(what, Ordering::AcqRel) < what {
            self.waker.wake();
        }
    }

    fn sweep(&self, now: Instant) {
        if self.moved.swap(false, Ordering::Relaxed) {
            self.since.store(now.as_nanos(), Ordering::Relaxed);
            return;
        }
        let doing = self.doing.load(Ordering::Relaxed);
        let idle = now.since(Instant::from_nanos(self.since.load(Ordering::Relaxed)));
        if doing == Doing::Unread as u8 {
            if idle >= WRITE_WITHIN {
                self.tell(OVER);
            }
            return;
        }
        let patience = if doing == Doing::Asking as u8 { HEAD_WITHIN } else { IDLE_WITHIN };
        if self.calls.load(Ordering::Relaxed) > 0 || idle < patience {
            return;
        }
        self.tell(if idle < patience + TO_LEAVE { DRAINING } else { OVER });
    }
}

/// One call of a connection.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Presence>);

impl Busy {
    /// Its answer was cut in a way only a reset can tell.
    pub(crate) fn break_off(&self) {
        self.0.broken.store(true, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
        self.0.is(Doing::Idling);
    }
}

/// What is left of a body, while it is read away: no head is being waited for meanwhile.
#[derive(Debug)]
pub(crate) struct Lingering(Busy);

impl Drop for Lingering {
    fn drop(&mut self) {
        let Busy(presence) = &self.0;
        presence.lingering.fetch_sub(1, Ordering::AcqRel);
        if presence.told.load(Ordering::Acquire) != OPEN {
            presence.waker.wake();
        }
    }
}

/// Everybody connected to one worker.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    present: Mutex<HashMap<u64, Arc<Presence>>>,
    next: AtomicU64,
    parting: AtomicBool,
}

/// A connection's entry; leaves when it is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) callers: Arc<Callers>,
    number: u64,
    pub(crate) presence: Arc<Presence>,
}

impl Callers {
    /// How often [`Callers::sweep`] should be called.
    pub(crate) const SWEEP: Duration = Duration::from_secs(2);

    /// A connection came.
    pub(crate) fn enter(self: &Arc<Self>, now: Instant) -> Entered {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let presence = Arc::new(Presence::new(now));
        self.lock().insert(number, presence.clone());
        Entered { callers: self.clone(), number, presence }
    }

    /// Whether everybody is to be told with their next answer that it is the last on their connection.
    pub(crate) fn part(&self, parting: bool) {
        self.parting.store(parting, Ordering::Relaxed);
    }

    /// Is everybody told so?
    pub(crate) fn are_parting(&self) -> bool {
        self.parting.load(Ordering::Relaxed)
    }

    /// Asks everybody to end when they can.
    pub(crate) fn drain(&self) {
        self.lock().values().for_each(|presence| presence.tell(DRAINING));
    }

    /// Ends everybody.
    pub(crate) fn cut(&self) {
        self.lock().values().for_each(|presence| presence.tell(OVER));
    }

    /// Ends those who have been doing nothing for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.lock().values().for_each(|presence| presence.sweep(now));
    }

    /// Is nobody left?
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Presence>>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.callers.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Instant {
        Instant::from_nanos(0) + Duration::from_secs(n)
    }

    fn told(entered: &Entered) -> Option<bool> {
        match entered.presence.poll_told(&mut 0, Waker::noop()) {
            Poll::Ready(politely) => Some(politely),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_head_that_does_not_come_ends_the_connection_and_one_being_served_is_left_alone() {
        let callers = Arc::new(Callers::default());
        let (slow, served, idle) = (callers.enter(secs(0)), callers.enter(secs(0)), callers.enter(secs(0)));
        slow.presence.heard();
        let call = served.presence.serve();
        served.presence.heard();
        callers.sweep(secs(2));
        callers.sweep(secs(31));
        assert_eq!((told(&slow), told(&served), told(&idle)), (None, None, None));
        callers.sweep(secs(33));
        assert_eq!((told(&slow), told(&served), told(&idle)), (Some(true), None, None));
        callers.sweep(secs(43));
        assert_eq!((told(&slow), told(&served), told(&idle)), (Some(false), None, None));
        callers.sweep(secs(301));
        assert_eq!((told(&served), told(&idle)), (None, Some(true)));
        drop(call);
        callers.sweep(secs(302));
        callers.sweep(secs(602));
        assert_eq!(told(&served), Some(true));
    }

    #[test]
    fn a_caller_that_does_not_read_is_cut() {
        let callers = Arc::new(Callers::default());
        let caller = callers.enter(secs(0));
        let _call = caller.presence.serve();
        caller.presence.is(Doing::Unread);
        callers.sweep(secs(2));
        callers.sweep(secs(61));
        assert_eq!(told(&caller), None);
        callers.sweep(secs(62));
        assert_eq!(told(&caller), Some(false));
    }

    #[test]
    fn a_drain_reaches_everybody_and_a_cut_follows_it() {
        let callers = Arc::new(Callers::default());
        let caller = callers.enter(secs(0));
        let mut heard = 0;
        assert!(caller.presence.poll_told(&mut heard, Waker::noop()).is_pending());
        callers.drain();
        assert!(caller.presence.has_news(heard));
        assert_eq!(caller.presence.poll_told(&mut heard, Waker::noop()), Poll::Ready(true));
        assert!(caller.presence.poll_told(&mut heard, Waker::noop()).is_pending());
        callers.cut();
        assert_eq!(caller.presence.poll_told(&mut heard, Waker::noop()), Poll::Ready(false));
        assert!(!callers.is_empty());
        drop(caller);
        assert!(callers.is_empty());
    }

    #[test]
    fn whoever_lingers_is_asked_to_end_when_that_is_over_and_waits_for_no_head() {
        let callers = Arc::new(Callers::default());
        let entered = callers.enter(secs(0));
        let lingers = entered.presence.linger();
        entered.presence.heard();
        callers.sweep(secs(2));
        callers.sweep(secs(40));
        assert_eq!(told(&entered), None, "what came was no head");
        callers.drain();
        assert_eq!(told(&entered), None);
        drop(lingers);
        assert_eq!(told(&entered), Some(true));
        let _again = entered.presence.linger();
        callers.cut();
        assert_eq!(told(&entered), Some(false), "at the end nobody lingers");
    }
}
