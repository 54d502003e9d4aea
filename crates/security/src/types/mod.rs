//! Types whose values are right by construction: text and numbers are read once, and nobody asks again.
//!
//! A single value ([`Id`], [`region::Region`], [`Intensity`], [`ApiKey`], [`Host`]) is read with `parse` or `new`; what
//! cannot be one is refused with what to write. A table of settings ([`Training`], [`Monitoring`], [`Security`],
//! [`Network`]) is read as it is written and then [`Checked`], which names everything that is wrong with it at once.
//!
//! ```
//! use seawall_security::types::{Checked, Training};
//!
//! let bad = Training { batch: 0, patience: Some(90), epochs: 20, ..Training::default() };
//! let problems = Checked::new(bad).unwrap_err();
//! let keys: Vec<_> = problems.0.iter().map(|problem| problem.key).collect();
//! assert_eq!(keys, ["batch", "patience"]);
//! ```

mod carbon;
mod checked;
mod host;
mod id;
mod key;
mod network;
pub mod region;
mod settings;
mod threshold;

pub use carbon::{CarbonBounds, Grams, Intensity};
pub use checked::{Check, Checked, Problems};
pub use host::{Host, Port};
pub use id::Id;
pub use key::ApiKey;
pub use network::{Cidr, Network};
pub use settings::{Monitoring, Security, Training};
pub use threshold::{Hysteresis, Ladder};

/// Reads a type from a string through its `FromStr`, and writes it through its `Display`.
macro_rules! text {
    ($type:ty, $expecting:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
use text;

/// Reads a type from a number through its constructor, and writes it as one.
macro_rules! number {
    ($type:ty) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_f64(self.get())
            }
        }
    };
}
use number;

/// A wrong value as an error shows it: quoted, escaped, cut when long.
fn shown(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("\"{}…\"", text[..end].escape_debug()),
        None => format!("\"{}\"", text.escape_debug()),
    }
}

/// The word somebody probably meant.
fn nearest<'w>(wrong: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // Compared with hundreds: what is longer than any of them is no slip of the pen.
    if wrong.len() > 32 {
        return None;
    }
    let near =
        words.map(|word| (strsim::damerau_levenshtein(&wrong.to_lowercase(), &word.to_lowercase()), word));
    let (distance, word) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= (word.len() / 4).max(1)).then_some(word)
}

#[cfg(test)]
mod tests;
