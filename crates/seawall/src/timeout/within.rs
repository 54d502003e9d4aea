//! A future and a timer, whichever is first; the timer only if it comes to that.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

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
