//! Says whether a stored answer may be given again, and what for: as fresh, as stale, or not at all.

#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::units::{self, Size};
use seawall_core::verdict::Seen;
use seawall_core::{Code, Policy};
use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::fallback::Ended;

/// How long answers are kept, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How long an answer is fresh. Default 60 s: long enough to take a crowd away, short enough that nobody minds.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub ttl: Duration,
    /// How much longer it is given at once while one caller's request brings a fresh one. Default 0: nobody gets an old
    /// answer who did not ask for it.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub stale_while_revalidate: Duration,
    /// How much longer it is given when no fresh one can be had. Default 0.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub stale_if_error: Duration,
    /// Answers kept at once. Default 10 000; beyond it the one used longest ago goes.
    pub max_entries: usize,
    /// Bytes kept at once. Default 64 MiB; beyond it those used longest ago go.
    pub max_bytes: Size,
    /// Bytes of the largest answer that is kept. Default 1 MiB: a few large ones would push out all the others.
    pub max_entry: Size,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(60),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            max_entries: 10_000,
            max_bytes: Size(64 << 20),
            max_entry: Size(1 << 20),
        }
    }
}

impl Options {
    /// Refuses a cache that keeps nothing, and one that contradicts itself.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.ttl.is_zero() {
            return Err(Invalid::new("ttl", "nothing is ever fresh: write at least \"1ms\""));
        }
        if !(1..=10_000_000).contains(&self.max_entries) {
            let message = format!("{} is out of range: write 1 to 10000000", self.max_entries);
            return Err(Invalid::new("max_entries", message));
        }
        if self.max_entry.0 == 0 {
            return Err(Invalid::new("max_entry", "nothing fits in 0B: write at least \"1B\""));
        }
        if self.max_entry > self.max_bytes {
            let message =
                format!("{} never fits in max_bytes: write at most \"{}\"", self.max_entry, self.max_bytes);
            return Err(Invalid::new("max_entry", message));
        }
        Ok(())
    }

    /// How long an answer lives under these options.
    pub const fn life(&self) -> Life {
        Life {
            ttl: self.ttl,
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale_if_error,
        }
    }
}

/// How long one answer may be given, and as what. The two spans of being stale begin together, when it is no longer
/// fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// It is fresh for so long. Zero is never.
    pub ttl: Duration,
    /// Then it is given at once for so long while a fresh one is fetched.
    pub stale_while_revalidate: Duration,
    /// And for so long where a fresh one cannot be had.
    pub stale_if_error: Duration,
}

impl Life {
    /// The age at which it is good for nothing.
    pub fn end(&self) -> Duration {
        self.ttl.saturating_add(self.stale_while_revalidate.max(self.stale_if_error))
    }
}

/// What an answer of some age is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It may be given.
    Fresh,
    /// It is too old to be given just so.
    Stale {
        /// It may still be given while a fresh one is fetched; if not, only where fetching fails.
        revalidate: bool,
    },
    /// Nothing.
    Gone,
}

/// What is an answer of this age good for?
pub fn look(life: &Life, age: Duration) -> Look {
    if age < life.ttl {
        Look::Fresh
    } else if age < life.end() {
        Look::Stale { revalidate: age < life.ttl.saturating_add(life.stale_while_revalidate) }
    } else {
        Look::Gone
    }
}

seawall_core::words! {
    /// Why an answer was given that is not fresh.
    Why {
        /// A fresh one is being fetched meanwhile.
        Revalidating = "revalidating",
        /// The circuit breaker does not let the call through.
        BreakerOpen = "breaker-open",
        /// A limit, a pause, a bulkhead or a budget is exhausted.
        Limited = "limited",
        /// There was no answer in time.
        Timeout = "timeout",
        /// The upstream failed, or could not be reached.
        Error = "error",
    }
}

/// The call ended so: is an old answer better than that? Says why, where it is.
///
/// It is when nobody could be asked or the far side failed. It is not where the far side has answered in earnest: a 403
/// or a 404 is the truth of today, and an old 200 would hide it.
pub fn on_error(life: &Life, age: Duration, ended: &Ended<'_>) -> Option<Why> {
    (age < life.ttl.saturating_add(life.stale_if_error)).then(|| qualifies(ended)).flatten()
}

fn qualifies(ended: &Ended<'_>) -> Option<Why> {
    match ended {
        Ended::Outcome(verdict) => match verdict.seen {
            Seen::NotSent | Seen::ReplyLost | Seen::BodyCut | Seen::ServerError | Seen::UnavailableForNow => {
                Some(Why::Error)
            }
            Seen::TimedOut => Some(Why::Timeout),
            Seen::Success
            | Seen::AlreadyDone
            | Seen::RateLimited
            | Seen::TooEarly
            | Seen::Denied
            | Seen::InDoubt
            | Seen::Invalid
            | Seen::QuotaGone
            | Seen::Banned
            | Seen::Refused
            | Seen::CancelledBefore
            | Seen::CancelledAfter => None,
        },
        Ended::Refused(rejection) => match (rejection.policy, rejection.code) {
            // A quota of nothing is a mistake, not an outage.
            (_, Code::QuotaZero) => None,
            (Policy::Breaker, _) => Some(Why::BreakerOpen),
            (Policy::Limiter | Policy::Bulkhead | Policy::Budget, _) => Some(Why::Limited),
            (Policy::Deadline, _) => Some(Why::Timeout),
            (_, Code::ConnectionFailed | Code::ReplyLost | Code::UpstreamGarbage) => Some(Why::Error),
            _ => None,
        },
    }
}
