//! Polls a future so and so often, then drops it: every place where a caller may go away, one after the other.

use std::future::Future;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Builder;

/// When a call is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Right after a poll, while it waits.
    Waiting,
    /// After it was woken and before it looks: what it waited for may be its own already.
    Woken,
}

/// Polls `future` at most `polls` times, then drops it; its output if that was enough.
pub(crate) async fn cut<F: Future>(future: F, polls: usize, cut: Cut) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut made = 0;
    poll_fn(move |cx| {
        if made == polls {
            return Poll::Ready(None);
        }
        made += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if made == polls && cut == Cut::Waiting => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Tells a story again and again, each time in a world of its own and with the call dropped one poll later, until it
/// is dropped no more; both ways. The story says whether its call came to its end. Gives back how often it did not.
pub(crate) fn at_every_poll(story: impl AsyncFn(usize, Cut) -> bool) -> usize {
    let mut dropped = 0;
    for cut in [Cut::Waiting, Cut::Woken] {
        for polls in 0.. {
            assert!(polls < 1000, "the call never ends");
            if in_paused_time(story(polls, cut)) {
                break;
            }
            dropped += 1;
        }
    }
    dropped
}

/// Runs a story in virtual time.
pub(crate) fn in_paused_time<T>(story: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(story)
}

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
