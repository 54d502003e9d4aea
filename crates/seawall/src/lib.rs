//! An operation goes in; its outcome, or a refusal that says why, comes out; and nothing happens twice on a guess.
//!
//! ```
//! use std::time::Duration;
//! use seawall::{Pipeline, breaker, retry};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pipeline = Pipeline::builder("payments")
//!     .deadline(Duration::from_secs(2))
//!     .retry(retry::Options::quick())
//!     .breaker(breaker::Options::default())
//!     .build()?;
//! let answer = pipeline.run(|cx| async move {
//!     assert!(cx.remaining() <= Duration::from_secs(2));
//!     Ok::<_, std::io::Error>(42)
//! }).await?;
//! assert_eq!(answer, 42);
//! # Ok(()) }
//! ```
//!
//! Every policy stands alone ([`breaker::Breaker`], [`limiter::Limiter`], [`bulkhead::Bulkhead`], …) and composes in a
//! [`Pipeline`], in one order. Waits and timers are tokio's, so `tokio::time::pause` gives virtual time.

mod atomic;
pub mod breaker;
pub mod bulkhead;
pub mod cache;
pub mod classify;
pub mod compress;
pub mod degrade;
pub mod effect;
pub mod failover;
pub mod fallback;
pub mod fleet;
pub mod health;
pub mod hedge;
pub mod lever;
pub mod lifecycle;
pub mod limiter;
pub mod pipeline;
mod queue;
pub mod retry;
pub mod time;
pub mod timeout;
#[cfg(feature = "tower")]
pub mod tower;

pub use pipeline::{Cx, Pipeline};
pub use seawall_core::verdict::Seen;
pub use seawall_core::{Certainty, Class, Code, Effects, Error, Policy, Rejection, Verdict};
pub use seawall_policy::Invalid;
pub use seawall_policy::queue::Priority;

/// The guide for people who come from elsewhere: its blocks are tests.
#[cfg(all(doctest, feature = "tower"))]
#[doc = include_str!("../../../docs/coming-from.md")]
mod coming_from {}

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock around a pure step cannot be left half-way: a panic inside would be our own bug, and the value stays whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
