//! Gives up waiting for a future; the timer is armed only if the future is not ready at once.
//!
#![doc = include_str!("../../../../docs/policies/timeout.md")]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
pub use seawall_policy::timeout::Options;

/// The time was up; the future has been dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

/// Runs `future` for at most `span`. Dropping it drops the future.
///
/// A future that is ready when first polled costs no timer and no look at the clock.
pub fn within<F: Future>(future: F, span: Duration) -> Within<F> {
    Within { future, span, timer: None }
}

pin_project! {
    /// See [`within`].
    #[derive(Debug)]
    pub struct Within<F> {
        #[pin]
        future: F,
        span: Duration,
        #[pin]
        timer: Option<tokio::time::Sleep>,
    }
}

impl<F: Future> Future for Within<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        if this.timer.is_none() {
            this.timer.set(Some(tokio::time::sleep(*this.span)));
        }
        match this.timer.as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| Err(Elapsed)),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_ready_future_needs_no_timer_and_a_slow_one_is_dropped() {
        assert_eq!(within(async { 1 }, Duration::ZERO).await, Ok(1));
        let started = tokio::time::Instant::now();
        let slow = within(tokio::time::sleep(Duration::from_secs(9)), Duration::from_secs(2)).await;
        assert_eq!(slow, Err(Elapsed));
        assert_eq!(started.elapsed(), Duration::from_secs(2));
    }
}
