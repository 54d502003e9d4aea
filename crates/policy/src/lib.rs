//! Every decision, pure: state machines and their options, with no clock, lock, await or I/O inside.
//!
//! A step takes the state, the moment and what was seen, and gives the new state and a decision. The async library,
//! the gateway, simulations and tests drive the same steps.

pub mod alert;
pub mod anomaly;
pub mod breaker;
pub mod budget;
pub mod bulkhead;
pub mod cache;
pub mod compress;
pub mod degrade;
pub mod effect;
pub mod failover;
pub mod fallback;
pub mod fleet;
pub mod health;
pub mod hedge;
pub mod job;
pub mod keyring;
pub mod latency;
pub mod lifecycle;
pub mod limiter;
pub mod penalty;
pub mod probation;
pub mod queue;
pub mod retry;
mod slots;
mod spelling;
pub mod timeout;

use std::borrow::Cow;
use std::fmt;

/// Options that contradict themselves or would let nothing through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The option, as it is spelled in the configuration.
    pub key: &'static str,
    /// What is wrong and what to write, lower case, no full stop.
    pub message: Cow<'static, str>,
}

impl Invalid {
    /// A complaint about one option.
    pub fn new(key: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { key, message: message.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

impl std::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_names_its_key_and_says_what_to_write() {
        assert_eq!(
            Invalid::new("open", "too long: write \"1d\"").to_string(),
            "open: too long: write \"1d\""
        );
    }
}
