//! A waiting line of tasks: one of them is first, is told so, and leaves served, overtaken or gone.
//!
//! The order is `seawall_policy::queue`'s; here are the wakers. Nothing is spawned, and what is to be waited for (a place,
//! a moment) belongs to the owner of the line: whoever is first looks whether it is there, and stays where it is not.
//!
//! ```text
//! join ─► turn().await ─► it is there?  ── yes ─► served()          the next is called
//!              ▲               │ no
//!              │               ▼
//!              └── Called ── while_first(timer or nothing).await    ended by the timer, by `wake_first`, or by
//!                  Overtaken                                        somebody more important
//! ```

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use seawall_policy::queue::Priority;
use seawall_policy::queue::{Joined, Ticket, Turns};

use crate::atomic::{Lock, Parts, Std, Word};

/// A waiting line. Every change of it takes one short lock; wakers are woken and dropped outside it.
pub(crate) struct Line<P: Parts = Std> {
    turns: P::Lock<Turns<Spot>>,
    /// The length, for those who only look. Written under the lock.
    waiting: P::Word,
}

/// What a waiter leaves at its place.
#[derive(Debug, Default)]
struct Spot {
    waker: Option<Waker>,
    /// It became first, or was called as the first, and has not looked since.
    called: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self::empty()
    }
}

impl<P: Parts> Line<P> {
    /// A line in which nobody stands.
    pub(crate) fn empty() -> Self {
        Self { turns: P::Lock::new(Turns::default()), waiting: P::Word::new(0) }
    }

    /// How many wait. One atomic read, in one order with everybody's: who first frees what is waited for and then finds
    /// the line empty, and who first joins and then looks whether it is free, cannot both have come too early.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.waiting.load(Ordering::SeqCst) as usize
    }

    /// Stands in the line, unless `max` stand there already. In a full line a high arrival pushes out the youngest low
    /// one, which learns it.
    pub(crate) fn join(&self, priority: Priority, max: usize) -> Option<Waiter<'_, P>> {
        let Joined { ticket, pushed_out } =
            self.change(|turns| turns.join(priority, max, Spot::default()))?;
        if let Some(Spot { waker: Some(waker), .. }) = pushed_out {
            waker.wake();
        }
        Some(Waiter { line: self, ticket, stands: true })
    }

    /// What the first waits for may be there: it is to look again. Nothing happens in an empty line.
    pub(crate) fn wake_first(&self) {
        if self.len() == 0 {
            return;
        }
        let waker = self.turns.with(call_first);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// One step of the line; if somebody else is first after it, that one is called.
    fn change<R>(&self, step: impl FnOnce(&mut Turns<Spot>) -> R) -> R {
        let (result, waker) = self.turns.with(|turns| {
            let before = turns.first();
            let result = step(turns);
            self.waiting.store(turns.len() as u64, Ordering::SeqCst);
            let waker = if turns.first() == before { None } else { call_first(turns) };
            (result, waker)
        });
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }
}

fn call_first(turns: &mut Turns<Spot>) -> Option<Waker> {
    let first = turns.first()?;
    let spot = turns.get_mut(first)?;
    spot.called = true;
    spot.waker.take()
}

impl<P: Parts> fmt::Debug for Line<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("waiting", &self.len()).finish()
    }
}

/// How waiting for one's turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It stands first.
    First,
    /// Somebody more important has its place in a full line.
    PushedOut,
}

/// How standing first ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stood<T> {
    /// The future is done, and it still stands first.
    Done(T),
    /// It still stands first, and is to look again; the future has been dropped.
    Called,
    /// Somebody else is first now: it must wait for its turn again.
    Overtaken,
    /// Somebody more important has its place in a full line.
    PushedOut,
}

/// One who waits. Dropping it leaves the line; if it was first, the next is called.
#[derive(Debug)]
#[must_use = "a waiter that is dropped has left the line"]
pub(crate) struct Waiter<'a, P: Parts = Std> {
    line: &'a Line<P>,
    ticket: Ticket,
    stands: bool,
}

impl<P: Parts> Waiter<'_, P> {
    /// Waits until it stands first, or is pushed out. Dropping this keeps the place.
    pub(crate) async fn turn(&mut self) -> Turn {
        poll_fn(|cx| match self.look(cx) {
            Seen::First { .. } => Poll::Ready(Turn::First),
            Seen::Behind => Poll::Pending,
            Seen::PushedOut => Poll::Ready(Turn::PushedOut),
        })
        .await
    }

    /// Runs `future` for as long as it stands first and is not called to look again. Dropping this keeps the place.
    pub(crate) async fn while_first<F: Future>(&mut self, future: F) -> Stood<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match self.look(cx) {
            Seen::First { called: true } => Poll::Ready(Stood::Called),
            Seen::First { called: false } => future.as_mut().poll(cx).map(Stood::Done),
            Seen::Behind => Poll::Ready(Stood::Overtaken),
            Seen::PushedOut => Poll::Ready(Stood::PushedOut),
        })
        .await
    }

    /// It got what it waited for: its turn is over, and counted.
    pub(crate) fn served(mut self) {
        self.stands = false;
        // Bound, so that its waker is dropped outside the lock.
        let _spot = self.line.change(|turns| turns.serve(self.ticket));
    }

    /// Where it stands, leaving word whom to wake when that changes.
    fn look(&mut self, cx: &Context<'_>) -> Seen {
        let (seen, _old) = self.line.turns.with(|turns| {
            let first = turns.first() == Some(self.ticket);
            let Some(spot) = turns.get_mut(self.ticket) else { return (Seen::PushedOut, None) };
            let called = first && std::mem::take(&mut spot.called);
            // A waker may own a task, and that task a waiter of this very line: the old one is dropped outside the lock.
            let old = match &spot.waker {
                Some(waker) if waker.will_wake(cx.waker()) => None,
                _ => spot.waker.replace(cx.waker().clone()),
            };
            (if first { Seen::First { called } } else { Seen::Behind }, old)
        });
        if matches!(seen, Seen::PushedOut) {
            self.stands = false;
        }
        seen
    }
}

/// What one who waits sees when it looks.
enum Seen {
    First { called: bool },
    Behind,
    PushedOut,
}

impl<P: Parts> Drop for Waiter<'_, P> {
    fn drop(&mut self) {
        if self.stands {
            let _spot = self.line.change(|turns| turns.leave(self.ticket));
        }
    }
}
