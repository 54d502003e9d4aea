//! Bounds how many calls are in flight at once, so that one slow upstream cannot take everything with it.

pub mod adaptive;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::Invalid;
pub use crate::limiter::Queue;
pub use adaptive::{Adaptive, Algorithm, Ended};

/// The largest size there is.
const MOST: u32 = 1_000_000;

/// How many at once, and who may wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Calls in flight at once; where the size is adaptive, what it begins with. Default 32.
    pub concurrent: u32,
    /// Finds the size by how calls end. Default none: it is `concurrent`.
    pub adaptive: Option<Adaptive>,
    /// Who may wait for a place, and for how long.
    pub queue: Queue,
}

impl Default for Options {
    fn default() -> Self {
        Self { concurrent: 32, adaptive: None, queue: Queue::default() }
    }
}

impl Options {
    /// Refuses a bulkhead that lets nothing through, and bounds that do not contain where it begins.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(1..=MOST).contains(&self.concurrent) {
            let message = format!("{} is out of range: write 1 to {MOST}", self.concurrent);
            return Err(Invalid::new("concurrent", message));
        }
        self.adaptive.as_ref().map_or(Ok(()), |adaptive| adaptive.check(self.concurrent))
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
