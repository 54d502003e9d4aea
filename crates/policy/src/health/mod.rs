//! Says of everything a program depends on whether it is well, since when, and how long it will last.
//!
//! A check is looked at every so often. One finding moves nothing: a check stands where its last few findings agree that
//! it stands ([`Machine`]). What real calls have seen is worth a finding too ([`calls`]), and numbers that are measured
//! again and again may tell when they will be out of bounds ([`trend`]).

pub mod calls;
mod machine;
#[cfg(test)]
mod tests;
pub mod trend;

use std::time::Duration;

use seawall_core::units;
use seawall_core::{Instant, verdict::Lesson};
use serde::{Deserialize, Serialize};

use crate::Invalid;

pub use machine::{Machine, Moved};

seawall_core::words! {
    /// How well something is, as one look at it found it.
    Level {
        /// As it should be.
        Healthy = "healthy",
        /// It works, and not as it should.
        Degraded = "degraded",
        /// It does not work.
        Unhealthy = "unhealthy",
    }
}

seawall_core::words! {
    /// Where a check stands.
    State {
        /// Its findings agree that all is well.
        Healthy = "healthy",
        /// Its findings agree that it works, and not as it should.
        Degraded = "degraded",
        /// Its findings agree that it does not work.
        Unhealthy = "unhealthy",
        /// It has not been looked at, or not often enough to say.
        Unknown = "unknown",
        /// What it looks at is not there, such as a graphics processor.
        Absent = "absent",
    }
}

seawall_core::words! {
    /// What the whole becomes when a check is unhealthy.
    Weight {
        /// The whole is unhealthy too: nothing can be done without it.
        Critical = "critical",
        /// The whole is degraded: something is missing, and the rest serves.
        Supporting = "supporting",
    }
}

seawall_core::words! {
    /// Who made a finding.
    By {
        /// The check's own probe.
        Probe = "probe",
        /// Real calls.
        Calls = "calls",
    }
}

seawall_core::words! {
    /// What about a check is followed over time.
    What {
        /// How long a look takes, in seconds; the limit is the deadline.
        Duration = "duration",
        /// The share of findings, or of calls, that failed; the limit is a half.
        Failing = "failing",
        /// What the probe measures; the limit is what it says.
        Measured = "measured",
    }
}

seawall_core::words! {
    /// A store of vectors that is known by name.
    VectorStore {
        /// Qdrant.
        Qdrant = "qdrant",
        /// Weaviate.
        Weaviate = "weaviate",
        /// Chroma.
        Chroma = "chroma",
        /// Milvus; its port of management, 9091.
        Milvus = "milvus",
        /// Elasticsearch or OpenSearch.
        Elastic = "elastic",
    }
}

impl From<Level> for State {
    fn from(level: Level) -> Self {
        match level {
            Level::Healthy => State::Healthy,
            Level::Degraded => State::Degraded,
            Level::Unhealthy => State::Unhealthy,
        }
    }
}

impl Level {
    /// What a failover group learns of a target that was found like this.
    pub const fn lesson(self) -> Lesson {
        match self {
            Level::Healthy => Lesson::Success,
            Level::Degraded => Lesson::Answered,
            Level::Unhealthy => Lesson::Failure,
        }
    }
}

/// How often checks are run, and how patiently they are believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The shortest pause between two runs of a check. Default 30 s.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub interval: Duration,
    /// The pause is longer by up to so much, drawn anew each time. Default 30 s, so that checks run every 30 to 60 s: a
    /// hundred programs that were started together do not ask together.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub spread: Duration,
    /// The longest a run may take, unless the check says otherwise; then it is dropped and counts as unhealthy.
    /// Default 5 s.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub deadline: Duration,
    /// Findings in a row that must agree before a check stands worse. Default 3: one may be bad luck.
    pub down_after: u32,
    /// Findings in a row that must agree before it stands better again. Default 2: one may be good luck.
    pub up_after: u32,
    /// What real calls must have seen to be worth a finding.
    pub calls: calls::Options,
    /// What a trend must be like to be believed.
    pub trend: trend::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            spread: Duration::from_secs(30),
            deadline: Duration::from_secs(5),
            down_after: 3,
            up_after: 2,
            calls: calls::Options::default(),
            trend: trend::Options::default(),
        }
    }
}

impl Options {
    /// Refuses checks that would never rest, never run, or never move.
    pub fn check(&self) -> Result<(), Invalid> {
        check_interval(self.interval)?;
        let day = Duration::from_secs(86_400);
        if self.spread > day {
            return Err(Invalid::new("spread", "longer than anybody waits: write \"0s\" to \"1d\""));
        }
        check_deadline(self.deadline)?;
        check_patience("down_after", self.down_after)?;
        check_patience("up_after", self.up_after)?;
        self.calls.check()?;
        self.trend.check()
    }

    /// When a check that ended now runs again. `dice` is from 0 to 1.
    pub fn next(&self, now: Instant, dice: f64) -> Instant {
        now + self.interval + self.spread.mul_f64(dice.clamp(0.0, 1.0))
    }
}

/// Refuses a pause in which nothing rests, or for which nobody waits.
pub fn check_interval(interval: Duration) -> Result<(), Invalid> {
    if (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&interval) {
        return Ok(());
    }
    let written = units::format_duration(interval);
    Err(Invalid::new("interval", format!("{written} is out of range: write \"1s\" to \"1d\"")))
}

/// Refuses a patience in which nothing can answer, or for which nobody waits.
pub fn check_deadline(deadline: Duration) -> Result<(), Invalid> {
    if (Duration::from_millis(1)..=Duration::from_secs(600)).contains(&deadline) {
        return Ok(());
    }
    let written = units::format_duration(deadline);
    Err(Invalid::new("deadline", format!("{written} is out of range: write \"1ms\" to \"10m\"")))
}

/// Refuses a number of findings that proves nothing, or for which nobody waits.
pub fn check_patience(key: &'static str, findings: u32) -> Result<(), Invalid> {
    match findings {
        1..=1000 => Ok(()),
        _ => Err(Invalid::new(key, format!("{findings} is out of range: write 1 to 1000"))),
    }
}

/// The whole: no better than its worst critical check, and degraded at the worst by the others. What is unknown or
/// absent counts for nothing.
pub fn overall(checks: impl IntoIterator<Item = (State, Weight)>) -> Level {
    let counts = |(state, weight)| match (state, weight) {
        (State::Unhealthy, Weight::Critical) => Level::Unhealthy,
        (State::Unhealthy | State::Degraded, _) => Level::Degraded,
        (State::Healthy | State::Unknown | State::Absent, _) => Level::Healthy,
    };
    checks.into_iter().map(counts).max().unwrap_or(Level::Healthy)
}

/// Where a measured number stands between two bounds, of which `degraded` comes first on the way to `unhealthy`. A
/// number that is none is unhealthy: whoever measured it is broken.
pub fn judge(value: f64, degraded: f64, unhealthy: f64) -> Level {
    let side = if degraded <= unhealthy { trend::Side::Above } else { trend::Side::Below };
    let beyond = |at| trend::Limit { at, side }.is_passed_by(value);
    match (value.is_nan() || beyond(unhealthy), beyond(degraded)) {
        (true, _) => Level::Unhealthy,
        (_, true) => Level::Degraded,
        _ => Level::Healthy,
    }
}
