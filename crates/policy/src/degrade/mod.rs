//! Gives up what matters least while something is wrong: named levels switch features off and lower limits.

mod machine;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use seawall_core::units::{self, Share};
use serde::{Deserialize, Serialize};

use crate::Invalid;

pub use machine::{Machine, Moved, Why};

seawall_core::words! {
    /// What is measured, as a share of the whole.
    Signal {
        /// The share of health checks that fail.
        Failing = "failing",
        /// The share of calls that fail.
        Errors = "errors",
        /// The share of the capacity that is in use.
        Load = "load",
    }
}

/// One level: what it switches off, and what leads to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// What people call it.
    pub name: String,
    /// Features that are off here and at every worse level. Default none.
    #[serde(default)]
    pub off: BTreeSet<String>,
    /// What is left of every limit that is scaled. Default 100 %.
    #[serde(default = "all")]
    pub share: Share,
    /// Entered when this share of the health checks fails. Default never.
    #[serde(default)]
    pub failing: Option<Share>,
    /// Entered when this share of the calls fails. Default never.
    #[serde(default)]
    pub errors: Option<Share>,
    /// Entered when this share of the capacity is in use. Default never.
    #[serde(default)]
    pub load: Option<Share>,
}

/// The levels, from the best to the worst, and how patiently they are changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The levels, from the best to the worst. The first is the normal one: everything is on. Default normal, reduced
    /// (errors 20 %, failing 34 % or load 85 %; half of every limit) and minimal (50 %, 67 %, 97 %; a tenth).
    pub levels: Vec<Level>,
    /// How long a signal must stand at a level's threshold. Default 10 s: one bad moment is no outage.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub enter_after: Duration,
    /// How long every signal must be calm before the next better level. Default 60 s: what has just come back is not
    /// given everything at once.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub leave_after: Duration,
    /// A signal is calm below this share of a threshold. Default 80 %: one that hovers at a threshold moves nothing.
    pub calm: Share,
    /// A signal that nobody has reported for so long says nothing any more. Default 60 s: a reporter that died must not
    /// hold a level for ever.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub fresh: Duration,
}

fn all() -> Share {
    Share::percent(100)
}

impl Level {
    /// A level that is entered by hand only, switches nothing off and leaves every limit as it is.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            off: BTreeSet::new(),
            share: all(),
            failing: None,
            errors: None,
            load: None,
        }
    }

    /// The same level, with this feature switched off.
    pub fn without(mut self, feature: impl Into<String>) -> Self {
        self.off.insert(feature.into());
        self
    }

    /// Where this signal leads to the level.
    pub fn threshold(&self, signal: Signal) -> Option<Share> {
        match signal {
            Signal::Failing => self.failing,
            Signal::Errors => self.errors,
            Signal::Load => self.load,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let level = |name: &str, share, errors, failing, load| Level {
            share: Share::percent(share),
            errors: Some(Share::percent(errors)),
            failing: Some(Share::percent(failing)),
            load: Some(Share::percent(load)),
            ..Level::new(name)
        };
        Self {
            levels: vec![
                Level::new("normal"),
                level("reduced", 50, 20, 34, 85),
                level("minimal", 10, 50, 67, 97),
            ],
            enter_after: Duration::from_secs(10),
            leave_after: Duration::from_secs(60),
            calm: Share::percent(80),
            fresh: Duration::from_secs(60),
        }
    }
}

/// More levels than anybody tells apart.
const MOST_LEVELS: usize = 16;

impl Options {
    /// Refuses levels that are not in order, and spans nobody can wait for.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(2..=MOST_LEVELS).contains(&self.levels.len()) {
            let message =
                format!("{} levels: write 2 to {MOST_LEVELS}, the normal one first", self.levels.len());
            return Err(Invalid::new("levels", message));
        }
        let normal = &self.levels[0];
        let thresholds = |level: &Level| Signal::ALL.iter().any(|signal| level.threshold(*signal).is_some());
        if !normal.off.is_empty() || normal.share != all() || thresholds(normal) {
            let message = format!("{:?} is the normal one: leave everything but its name out", normal.name);
            return Err(Invalid::new("levels", message));
        }
        for (place, level) in self.levels.iter().enumerate() {
            if level.name.is_empty() || self.levels[..place].iter().any(|other| other.name == level.name) {
                let message = format!("{:?} is no name of its own: write another", level.name);
                return Err(Invalid::new("name", message));
            }
            if place > 0 && level.share > self.levels[place - 1].share {
                let message = format!(
                    "{:?} leaves more than the level before it: write at most {}",
                    level.name,
                    self.levels[place - 1].share
                );
                return Err(Invalid::new("share", message));
            }
            self.check_thresholds(place)?;
        }
        let day = Duration::from_secs(86_400);
        for (key, span) in [("enter_after", self.enter_after), ("leave_after", self.leave_after)] {
            if span > day {
                return Err(Invalid::new(key, "longer than anybody waits: write \"0s\" to \"1d\""));
            }
        }
        if self.fresh.is_zero() || self.fresh <= self.enter_after {
            let least = units::format_duration(self.enter_after.saturating_add(Duration::from_secs(1)));
            let message = format!("a signal must outlast enter_after: write at least {least:?}");
            return Err(Invalid::new("fresh", message));
        }
        if self.calm.get() <= 0.0 {
            return Err(Invalid::new("calm", "no signal is below nothing: write \"1%\" to \"100%\""));
        }
        Ok(())
    }

    fn check_thresholds(&self, place: usize) -> Result<(), Invalid> {
        let level = &self.levels[place];
        for signal in Signal::ALL {
            let Some(threshold) = level.threshold(*signal) else { continue };
            if threshold.get() <= 0.0 {
                let message = format!("0% is always reached at {:?}: write \"1%\" to \"100%\"", level.name);
                return Err(Invalid::new(signal.as_str(), message));
            }
            let mut milder = self.levels[..place].iter().filter_map(|other| other.threshold(*signal));
            if let Some(before) = milder.next_back().filter(|before| *before >= threshold) {
                let message = format!("{:?} needs more than the {before} of a level before it", level.name);
                return Err(Invalid::new(signal.as_str(), message));
            }
        }
        Ok(())
    }

    /// Is the feature off at this level?
    pub fn is_off(&self, feature: &str, level: usize) -> bool {
        self.levels.iter().take(level.saturating_add(1)).any(|level| level.off.contains(feature))
    }
}
