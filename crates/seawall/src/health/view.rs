//! How things stand, for people.

use std::sync::Arc;
use std::time::Duration;

use seawall_policy::health::trend::{Doubt, Forecast};
use seawall_policy::health::{By, Level, State, Weight, What};

use super::check::Measured;

/// Everything, as last found.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The whole in one word.
    pub status: Level,
    /// Every check, in the order of their names.
    pub checks: Vec<Standing>,
}

/// One check, as last found.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Its name.
    pub name: Arc<str>,
    /// What kind of look it takes, in one word.
    pub kind: &'static str,
    /// What the whole becomes when it is unhealthy.
    pub weight: Weight,
    /// Where it stands.
    pub state: State,
    /// For how long.
    pub for_: Duration,
    /// Findings in a row that were not healthy.
    pub failures: u32,
    /// The share of the last 16 findings that were not healthy; nothing before the first.
    pub failing: Option<f64>,
    /// Findings in all.
    pub runs: u64,
    /// The last finding.
    pub last: Option<Last>,
    /// Half of its recent looks were faster.
    pub typical: Option<Duration>,
    /// What its trends say will fail, the soonest first. Nothing is foretold of what has failed already.
    pub foretold: Vec<Foretold>,
    /// What else has a limit, and why nothing is foretold of it.
    pub doubted: Vec<Doubted>,
}

/// A finding that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Last {
    /// How well it was; nothing where there was nothing to look at.
    pub level: Option<Level>,
    /// Why it was not healthy, or what else was worth saying.
    pub why: Option<Arc<str>>,
    /// What was measured.
    pub measured: Option<Measured>,
    /// How long the look took; nothing where calls had looked already.
    pub took: Option<Duration>,
    /// How long ago it ended.
    pub ago: Duration,
    /// Who found it.
    pub by: By,
}

/// Why a trend foretells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubted {
    /// What is followed.
    pub what: What,
    /// What its line lacks.
    pub doubt: Doubt,
}

/// A failure that a trend foretells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Foretold {
    /// What is heading for its limit.
    pub what: What,
    /// When it will be there, counted from the last finding, and how sure that is.
    pub forecast: Forecast,
}
