//! A lever that somebody pulled: who, why, and until when it holds.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::Instant;
use seawall_core::event::Fact;

/// Who holds something where it is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lever {
    /// Who.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// Since when.
    pub since: Instant,
    /// Until when it holds by itself; none until somebody lets go.
    pub until: Option<Instant>,
}

impl Lever {
    /// Pulled now, for so long.
    pub(crate) fn pull(by: &str, reason: &str, now: Instant, span: Option<Duration>) -> Self {
        Self { by: by.into(), reason: reason.into(), since: now, until: span.map(|span| now + span) }
    }

    /// When it lets go by itself: far away, where somebody has to.
    pub(crate) fn ends(&self) -> Instant {
        self.until.unwrap_or(Instant::FAR_FUTURE)
    }

    /// Tells of it.
    pub(crate) fn fact(&self, action: &'static str) -> Fact {
        Fact::Lever { action, by: self.by.clone(), reason: self.reason.clone() }
    }
}

/// Tells of a lever that holds nothing.
pub(crate) fn fact(action: &'static str, by: &str, reason: &str) -> Fact {
    Fact::Lever { action, by: by.into(), reason: reason.into() }
}
