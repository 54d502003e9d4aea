//! Bounds how many calls are in flight at once, so that one slow upstream cannot take everything with it.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::Invalid;
pub use crate::limiter::Queue;

/// How many at once, and who may wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Calls in flight at once. Default 32.
    pub concurrent: u32,
    /// Who may wait for a place, and for how long.
    pub queue: Queue,
}

impl Default for Options {
    fn default() -> Self {
        Self { concurrent: 32, queue: Queue::default() }
    }
}

impl Options {
    /// Refuses a bulkhead that lets nothing through.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(1..=1_000_000).contains(&self.concurrent) {
            let message = format!("{} is out of range: write 1 to 1000000", self.concurrent);
            return Err(Invalid::new("concurrent", message));
        }
        Ok(())
    }
}

/// Who is inside and who is waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Calls in flight.
    pub in_flight: usize,
    /// Calls waiting.
    pub waiting: usize,
}

/// What a bulkhead answers to somebody who arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go in.
    Enter,
    /// Wait behind the others.
    Wait,
    /// No place inside, and none to wait.
    Refuse,
}

/// Decides for a newcomer. Nobody overtakes those who wait.
pub fn arrive(options: &Options, load: Load) -> Decision {
    if load.waiting == 0 && load.in_flight < options.concurrent as usize {
        Decision::Enter
    } else if load.waiting < options.queue.max && !options.queue.wait.is_zero() {
        Decision::Wait
    } else {
        Decision::Refuse
    }
}
