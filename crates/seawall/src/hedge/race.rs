//! One attempt, and others beside it when it is slow; the first good outcome wins and the rest is dropped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;

/// What became of the first attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// Its outcome was acceptable, and is the one given.
    Won,
    /// Its outcome was not acceptable.
    Failed,
    /// A hedge had an acceptable outcome while it was still under way.
    Outrun,
}

/// How a race ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Raced<T> {
    /// The first acceptable outcome; where nobody had one, the first attempt's own.
    pub(crate) output: T,
    /// What became of the first attempt.
    pub(crate) first: First,
    /// The unacceptable outcomes of other attempts, in the order they were seen.
    pub(crate) others: Vec<T>,
}

/// Runs `first`, and beside it what `admit` gives whenever the next hedge is due.
///
/// `next` is asked for the time until then, given the hedges made; it is asked only when nothing is ready. `admit` is
/// asked when that has passed; a hedge it denies harms nobody, and no further one is asked for. An outcome that is not
/// `acceptable` waits for those under way, and ends the race where there are none. Losers are dropped before the
/// outcome is given; dropping the race drops everybody.
///
/// Nothing is spawned. A first attempt that is ready when first polled costs no timer and no question; the first
/// allocation is a hedge's own.
pub(crate) fn race<F, H, N, A, J>(first: F, next: N, admit: A, acceptable: J) -> Race<F, H, N, A, J>
where
    F: Future,
    H: Future<Output = F::Output>,
    N: FnMut(u32) -> Option<Duration>,
    A: FnMut() -> Option<H>,
    J: FnMut(&F::Output) -> bool,
{
    Race {
        first: Some(first),
        failed: None,
        hedges: Vec::new(),
        others: Vec::new(),
        next,
        admit,
        acceptable,
        made: 0,
        open: true,
        timer: None,
    }
}

pin_project! {
    /// See [`race`].
    pub(crate) struct Race<F: Future, H, N, A, J> {
        #[pin]
        first: Option<F>,
        // The first attempt's outcome, while others are still under way.
        failed: Option<F::Output>,
        hedges: Vec<Pin<Box<H>>>,
        others: Vec<F::Output>,
        next: N,
        admit: A,
        acceptable: J,
        made: u32,
        // May another hedge be asked for?
        open: bool,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<F, H, N, A, J> Future for Race<F, H, N, A, J>
where
    F: Future,
    H: Future<Output = F::Output>,
    N: FnMut(u32) -> Option<Duration>,
    A: FnMut() -> Option<H>,
    J: FnMut(&F::Output) -> bool,
{
    type Output = Raced<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(first) = this.first.as_mut().as_pin_mut()
            && let Poll::Ready(output) = first.poll(cx)
        {
            this.first.set(None);
            let won = (this.acceptable)(&output);
            if won || this.hedges.is_empty() {
                this.hedges.clear();
                let first = if won { First::Won } else { First::Failed };
                return Poll::Ready(Raced { output, first, others: std::mem::take(this.others) });
            }
            *this.failed = Some(output);
        }
        loop {
            let mut place = 0;
            while let Some(hedge) = this.hedges.get_mut(place) {
                let Poll::Ready(output) = hedge.as_mut().poll(cx) else {
                    place += 1;
                    continue;
                };
                drop(this.hedges.remove(place));
                if (this.acceptable)(&output) {
                    let first = if this.first.is_none() { First::Failed } else { First::Outrun };
                    this.first.set(None);
                    this.hedges.clear();
                    let mut others = std::mem::take(this.others);
                    others.extend(this.failed.take());
                    return Poll::Ready(Raced { output, first, others });
                }
                this.others.push(output);
            }
            if this.hedges.is_empty()
                && let Some(output) = this.failed.take()
            {
                let others = std::mem::take(this.others);
                return Poll::Ready(Raced { output, first: First::Failed, others });
            }
            if !*this.open {
                return Poll::Pending;
            }
            if this.timer.is_none() {
                match (this.next)(*this.made) {
                    Some(span) => this.timer.set(Some(tokio::time::sleep(span))),
                    None => {
                        *this.open = false;
                        return Poll::Pending;
                    }
                }
            }
            if let Some(timer) = this.timer.as_mut().as_pin_mut() {
                ready!(timer.poll(cx));
            }
            this.timer.set(None);
            match (this.admit)() {
                Some(hedge) => {
                    *this.made += 1;
                    this.hedges.push(Box::pin(hedge));
                }
                None => {
                    *this.open = false;
                    return Poll::Pending;
                }
            }
        }
    }
}
