//! What a fleet shares, decided: each question as a step over what a store keeps.
//!
//! A store keeps bytes under a name for a while and knows nothing of what stands in them: it reads them, runs a step,
//! and keeps what the step gives, as one thing that nobody comes between. What time it is, is the store's to say.

pub mod breaker;
pub mod lease;
pub mod limit;
mod options;
pub mod presence;
#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::fleet::Moment;

pub use options::Options;

/// What is to be kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How long at least. After that they mean the same as nothing.
    pub keep: Duration,
}

/// What was kept cannot be read: it is damaged, or of a newer version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// What is to be kept from now on (nothing, where it is to be forgotten), and the answer.
pub type Stepped<T> = Result<(Option<Kept>, T), Unreadable>;

/// No span is longer, in microseconds: 126 years. With the present it is still a whole number of Lua.
const LONGEST: u64 = 4_000_000_000_000_000;

/// A span in whole microseconds, cut to what every store can add up.
pub fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX).min(LONGEST)
}

fn instant(moment: Moment) -> Instant {
    Instant::from_nanos(moment.0.saturating_mul(1000))
}
