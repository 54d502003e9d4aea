//! The clock that drivers read: tokio's, so that a paused runtime gives virtual time.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use seawall_core::{Clock, Instant};

/// Tokio's monotonic clock. Inside a runtime with paused time it stands still until something sleeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioClock;

impl Clock for TokioClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the origin is real time, so that no paused runtime can move it"
    )]
    fn now(&self) -> Instant {
        static ORIGIN: OnceLock<tokio::time::Instant> = OnceLock::new();
        let now = tokio::time::Instant::now();
        // An hour's head start, so that short look-backs never saturate, nor a runtime that was paused a while ago.
        let origin = ORIGIN.get_or_init(|| {
            let now = std::time::Instant::now();
            tokio::time::Instant::from_std(now.checked_sub(Duration::from_secs(3600)).unwrap_or(now))
        });
        Instant::ORIGIN + now.saturating_duration_since(*origin)
    }
}

/// The clock of every policy that is given no other.
pub fn default_clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock)
}
