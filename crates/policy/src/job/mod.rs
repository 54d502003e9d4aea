//! Runs a failed job again, after a cooldown and a bounded number of times, unless its whole type is failing.

mod attempts;
mod gate;
mod tally;
#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::units;
use serde::{Deserialize, Serialize};

use crate::retry::{Jitter, Strategy};
use crate::{Invalid, breaker, retry};

pub use attempts::{Begun, Next, begin, ended};
pub use gate::{Gate, Lever, matters, note};
pub use tally::{Summary, Tally};

/// When a job is run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Attempts in all, the first one included. Default 3, range 1–10.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10)))]
    pub attempts: u32,
    /// How the cooldown grows. Default exponential: it doubles.
    pub strategy: Strategy,
    /// The first cooldown. Default 60 s: what broke a job is seldom well again sooner.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub base: Duration,
    /// The longest cooldown. Default 1 h.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub cap: Duration,
    /// How much chance is mixed in. Default none: a cooldown is a promise.
    pub jitter: Jitter,
    /// Exit codes worth another attempt; a signal is 128 and its number. Default 75, *temporary*.
    pub on: Vec<u8>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attempts: 3,
            strategy: Strategy::Exponential,
            base: Duration::from_secs(60),
            cap: Duration::from_secs(3600),
            jitter: Jitter::None,
            on: vec![75],
        }
    }
}

/// The longest cooldown that is believed.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

impl Options {
    /// Refuses what contradicts itself.
    pub fn check(&self) -> Result<(), Invalid> {
        self.pauses().check()?;
        if self.cap > LONGEST {
            let cap = units::format_duration(self.cap);
            return Err(Invalid::new("cap", format!("{cap} is out of range: write at most \"7d\"")));
        }
        if self.on.contains(&0) {
            return Err(Invalid::new("on", "0 means that it worked: write codes from 1 to 255"));
        }
        Ok(())
    }

    /// Is a command that ended with this code worth another attempt?
    pub fn repeats(&self, code: u8) -> bool {
        self.on.contains(&code)
    }

    /// The same as a schedule of pauses.
    fn pauses(&self) -> retry::Options {
        retry::Options {
            attempts: self.attempts,
            strategy: self.strategy,
            base: self.base,
            cap: self.cap,
            jitter: self.jitter,
            ..retry::Options::default()
        }
    }
}

/// The breaker of a type of jobs: 10 failures in 5 minutes open it, and it stays open until somebody says otherwise. One
/// probe that works closes it: a job is long.
pub fn breaker() -> breaker::Options {
    breaker::Options {
        window: Duration::from_secs(300).into(),
        failures: 10,
        consecutive: 0,
        min_calls: 0,
        recover: breaker::Recover::Manual,
        successes: 1,
        // A probe that was lost gives its place back, and a job takes its time.
        lease: Duration::from_secs(3600),
        ..breaker::Options::default()
    }
}

/// Why an attempt is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Block {
    /// Its cooldown is not over.
    CoolingDown,
    /// All attempts have been made.
    AttemptsSpent,
    /// It failed in a way that another attempt would not change.
    Final,
    /// The breaker of its type is open.
    BreakerOpen,
    /// What is remembered of it cannot be read or written.
    StateUnavailable,
}

impl Block {
    /// Every reason, in the order of declaration.
    pub const ALL: &'static [Block] = &[
        Block::CoolingDown,
        Block::AttemptsSpent,
        Block::Final,
        Block::BreakerOpen,
        Block::StateUnavailable,
    ];

    /// The word people and metrics see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Block::CoolingDown => "cooling-down",
            Block::AttemptsSpent => "attempts-spent",
            Block::Final => "final",
            Block::BreakerOpen => "breaker-open",
            Block::StateUnavailable => "state-unavailable",
        }
    }
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
