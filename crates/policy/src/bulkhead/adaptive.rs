//! Finds out how many calls at once an upstream works on well, from how its calls end.

mod machine;
#[cfg(test)]
mod tests;

use seawall_core::Verdict;
use seawall_core::verdict::Class;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::spelling::table_or_word;
pub use machine::{Machine, Passed};

seawall_core::words! {
    /// By what a bulkhead finds its size.
    Algorithm {
        /// By round trips: where they grow longer than on a quiet upstream, calls queue there, and fewer are sent.
        Gradient = "gradient",
        /// By failures: one more at a time, a tenth fewer when the upstream is overloaded.
        Aimd = "aimd",
    }
}

/// How a bulkhead finds its size. A word, `"gradient"` or `"aimd"`, stands for its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct Adaptive {
    /// By what. Default gradient.
    pub algorithm: Algorithm,
    /// The smallest size. Default 1: one call at a time still learns.
    pub min: u32,
    /// The largest size. Default `concurrent`, which is also where it begins.
    pub max: Option<u32>,
    /// Round trips this much longer than on a quiet upstream are nobody's queue yet. Default 1.5, of 1 to 10. Only for
    /// `gradient`.
    pub tolerance: f64,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::by(Algorithm::Gradient)
    }
}

impl Adaptive {
    /// An algorithm with its defaults.
    pub const fn by(algorithm: Algorithm) -> Self {
        Self { algorithm, min: 1, max: None, tolerance: 1.5 }
    }

    /// The smallest and the largest size.
    pub fn bounds(&self, concurrent: u32) -> (u32, u32) {
        (self.min, self.max.unwrap_or(concurrent))
    }

    /// Refuses bounds that do not contain `concurrent`, and a tolerance that would see queues everywhere or nowhere.
    pub fn check(&self, concurrent: u32) -> Result<(), Invalid> {
        let (min, max) = self.bounds(concurrent);
        if min == 0 || min > concurrent {
            let message = format!("{min} is out of range: write 1 to {concurrent}, which is where it begins");
            return Err(Invalid::new("adaptive.min", message));
        }
        if max < concurrent || max > super::MOST {
            let message = format!(
                "{max} is out of range: write {concurrent}, which is where it begins, to {}",
                super::MOST
            );
            return Err(Invalid::new("adaptive.max", message));
        }
        if !(1.0..=10.0).contains(&self.tolerance) {
            let message = format!("{} is out of range: write 1.0 to 10.0", self.tolerance);
            return Err(Invalid::new("adaptive.tolerance", message));
        }
        Ok(())
    }
}

// A table, or the name of an algorithm.
table_or_word!(Adaptive, "a table, or \"gradient\" or \"aimd\"", visit_str: |name: &str, E| {
    Algorithm::deserialize(StrDeserializer::<E>::new(name)).map(Adaptive::by)
});

/// What the end of a call says about how much its upstream can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It worked: its round trip counts.
    Worked,
    /// The upstream could not, or not in time.
    Overloaded,
    /// Nothing: it was refused, dropped, or wrong.
    Nothing,
}

impl From<Verdict> for Ended {
    fn from(verdict: Verdict) -> Self {
        match verdict.class() {
            Class::Ok => Ended::Worked,
            Class::Overloaded | Class::Timeout => Ended::Overloaded,
            // A 429 is about a pace, which a pause and the limiter obey; the others are quick whatever the load.
            _ => Ended::Nothing,
        }
    }
}
