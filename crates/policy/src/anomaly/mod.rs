//! Notices what is unusual for a caller: its rate, the size of what it sends, its failures, where it calls.
//!
//! What is usual is learnt from the caller itself, slot by slot, and forgotten again. Unusual is not wrong: nothing here
//! refuses anything.

mod baseline;
mod caller;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

use seawall_core::units::{self, Size};
use serde::{Deserialize, Serialize};

use crate::Invalid;

pub use watch::Watch;

seawall_core::words! {
    /// What is unusual.
    What {
        /// More calls within a slot than this caller makes.
        Rate = "rate",
        /// A call larger than this caller's are.
        Size = "size",
        /// More of this caller's calls fail than usually.
        Errors = "errors",
        /// A destination this caller has not called.
        Destination = "destination",
    }
}

seawall_core::words! {
    /// Is anybody watched?
    Mode {
        /// Nobody is watched, and nothing is learnt.
        Off = "off",
        /// What is unusual is told. Nothing is refused.
        Watch = "watch",
    }
}

/// One call, when it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Bytes the caller sent.
    pub size: u64,
    /// Did it fail? What counts as a failure is the driver's to say.
    pub failed: bool,
    /// A hash of where it went, if that is watched.
    pub destination: Option<u64>,
}

/// Something unusual, with what would have been usual: calls in a slot, bytes, a share of failures from 0 to 1, or the
/// number of destinations that are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unusual {
    /// What it is.
    pub what: What,
    /// What was seen.
    pub seen: f64,
    /// What this caller usually has.
    pub usual: f64,
}

/// What one call tells: at most one of each.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Notices([Option<Unusual>; What::ALL.len()]);

impl Notices {
    /// What is unusual, in the order of [`What`].
    pub fn iter(&self) -> impl Iterator<Item = &Unusual> {
        self.0.iter().flatten()
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl IntoIterator for Notices {
    type Item = Unusual;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Unusual>, { What::ALL.len() }>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

/// How long is looked, and how far from usual is unusual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Whether callers are watched. Default `"watch"`: it tells and refuses nothing.
    pub mode: Mode,
    /// Calls are counted over so much time. Default 60 s, range 1 s–1 h: shorter ones are noise, longer ones are late.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub slot: Duration,
    /// After so much time what was learnt counts half. Default 1 d, range 20 slots–90 d: a caller's habits follow its day.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub memory: Duration,
    /// Slots with calls in them before anything of a caller is called unusual, and calls before a size is. Default 20,
    /// range 5–1000, at most as many as the memory holds.
    #[cfg_attr(feature = "schema", schemars(range(min = 5, max = 1000)))]
    pub learn: u32,
    /// Unusual is what lies so many usual deviations from the usual. Default 6, range 3–50: a caller of 20 calls a minute
    /// would have to make about 60.
    #[cfg_attr(feature = "schema", schemars(range(min = 3, max = 50)))]
    pub deviations: u32,
    /// Fewer calls in a slot are never unusual. Default 30.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub min_calls: u32,
    /// Smaller calls are never unusual. Default 64 KiB.
    pub min_size: Size,
    /// Callers that are known at once. Default 10 000, range 1–1 000 000, about 250 bytes each. Where all of them have been
    /// seen within two slots, others are counted and not watched.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub callers: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Watch,
            slot: Duration::from_secs(60),
            memory: Duration::from_secs(86_400),
            learn: 20,
            deviations: 6,
            min_calls: 30,
            min_size: Size(64 << 10),
            callers: 10_000,
        }
    }
}

impl Options {
    /// Refuses what would never learn, or call everything unusual.
    pub fn check(&self) -> Result<(), Invalid> {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        if !(second..=hour).contains(&self.slot) {
            return Err(Invalid::new(
                "slot",
                format!("{:?} is out of range: write \"1s\" to \"1h\"", self.slot),
            ));
        }
        let longest = Duration::from_secs(90 * 86_400);
        if self.memory < self.slot * 20 || self.memory > longest {
            let message = format!(
                "{:?} is out of range: write 20 slots ({:?}) to \"90d\"",
                self.memory,
                self.slot * 20
            );
            return Err(Invalid::new("memory", message));
        }
        if !(5..=1000).contains(&self.learn) {
            return Err(Invalid::new("learn", format!("{} is out of range: write 5 to 1000", self.learn)));
        }
        // What is remembered of a caller that calls in every slot; it never weighs more.
        let most = 1.0 / (1.0 - baseline::decay(self.slot, self.memory));
        if f64::from(self.learn) > f64::from(most) * 0.9 {
            let message =
                format!("{} slots are never remembered at once: write less, or a longer memory", self.learn);
            return Err(Invalid::new("learn", message));
        }
        if !(3..=50).contains(&self.deviations) {
            return Err(Invalid::new(
                "deviations",
                format!("{} is out of range: write 3 to 50", self.deviations),
            ));
        }
        if self.min_calls == 0 {
            return Err(Invalid::new("min_calls", "no calls are nothing unusual: write at least 1"));
        }
        if !(1..=1_000_000).contains(&self.callers) {
            return Err(Invalid::new(
                "callers",
                format!("{} is out of range: write 1 to 1000000", self.callers),
            ));
        }
        Ok(())
    }
}
