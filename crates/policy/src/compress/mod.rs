//! Which coding a body travels in, what is worth coding at all, and how far a coded body may expand.

mod accept;
mod bounds;
#[cfg(test)]
mod tests;
mod worth;

use seawall_core::units::Size;
use serde::{Deserialize, Serialize};

use crate::Invalid;
use crate::spelling::table_or_word;

pub use accept::Accept;
pub use bounds::{Bounds, GRACE};
pub use worth::is_worth_it;

seawall_core::words! {
    /// A content coding that is read and written here.
    Algorithm {
        /// RFC 1952, with a checksum and a length at its end. Read by everybody.
        Gzip = "gzip",
        /// RFC 1950: the same compression in the wrapping of zlib. Read bare, too, as some servers send it.
        Deflate = "deflate",
    }
}

/// What is compressed, what is decompressed, and up to where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct Options {
    /// Bodies of requests are compressed on their way to the upstream. Default false: not every server reads them.
    pub requests: bool,
    /// Answers are compressed for callers that read that, and decompressed for those that do not. Default true.
    pub responses: bool,
    /// The codings, best first. Default gzip, deflate.
    pub algorithms: Vec<Algorithm>,
    /// Bodies known to be smaller are left alone. Default 1 KiB: below it a packet is saved by nobody.
    pub min_size: Size,
    /// How hard it tries. Default 4, range 1–9: from 5 on each percent costs more time than a network gives back.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 9)))]
    pub level: u32,
    /// A body may decompress to so many times its size, once it has given 64 KiB. Default 100, range 2–100000: honest
    /// text stays below 30, a bomb of deflate reaches 1032.
    #[cfg_attr(feature = "schema", schemars(range(min = 2, max = 100_000)))]
    pub max_ratio: u32,
    /// A body may decompress to so much. Default 64 MiB, at least 1 KiB.
    pub max_decoded: Size,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            requests: false,
            responses: true,
            algorithms: Algorithm::ALL.to_vec(),
            min_size: Size(1 << 10),
            level: 4,
            max_ratio: 100,
            max_decoded: Size(64 << 20),
        }
    }
}

impl Options {
    /// Every body passes as it is.
    pub fn off() -> Self {
        Self { requests: false, responses: false, ..Self::default() }
    }

    /// Does every body pass as it is?
    pub fn is_off(&self) -> bool {
        !self.requests && !self.responses
    }

    /// Refuses what would do nothing, or refuse everything.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.algorithms.is_empty() {
            return Err(Invalid::new("algorithms", "names none: write [\"gzip\"], or compress = false"));
        }
        let twice = |(place, algorithm)| self.algorithms[..place].contains(algorithm);
        if let Some(place) = self.algorithms.iter().enumerate().position(twice) {
            let message = format!("{} is named twice: write it once", self.algorithms[place]);
            return Err(Invalid::new("algorithms", message));
        }
        if !(1..=9).contains(&self.level) {
            return Err(Invalid::new("level", format!("{} is out of range: write 1 to 9", self.level)));
        }
        if !(2..=100_000).contains(&self.max_ratio) {
            let message = format!("{} is out of range: write 2 to 100000", self.max_ratio);
            return Err(Invalid::new("max_ratio", message));
        }
        if self.max_decoded < Size(1 << 10) {
            let message = format!("{} refuses every answer: write at least \"1KiB\"", self.max_decoded);
            return Err(Invalid::new("max_decoded", message));
        }
        Ok(())
    }
}

// A table of options, or `true` for the usual ones and `false` for none.
table_or_word!(Options, "true, false, or a table like { requests = true }", visit_bool: |on: bool, E| {
    Ok::<_, E>(if on { Options::default() } else { Options::off() })
});
