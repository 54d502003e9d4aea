//! Quantities as people write them: `"20s"`, `"500/min"`, `"64KiB"`, `"20%"`.
//!
//! Each is a string with its unit, read exactly (no floating point touches a duration or a size) and written back in
//! the shortest exact form, so that reading what was written gives the same value. A bare number is refused: nobody
//! remembers whether `30` meant seconds or milliseconds.
//!
//! ```
//! use seawall_core::units::{Rate, format_duration, parse_duration};
//!
//! assert_eq!(format_duration(parse_duration("90s").unwrap()), "1m30s");
//! assert_eq!("300/1m".parse::<Rate>().unwrap().to_string(), "300/min");
//! assert_eq!(parse_duration("20").unwrap_err(), "\"20\" has no unit: write \"20s\"");
//! ```
//!
//! A field of an options type says `#[serde(with = "units::duration")]`, or, for an `Option<Duration>`,
//! `#[serde(default, with = "units::option_duration")]`; with the feature `schema` also
//! `#[schemars(schema_with = "units::duration_schema")]` or `"units::option_duration_schema"`.

pub mod duration;
pub mod option_duration;
mod rate;
#[cfg(feature = "schema")]
mod schema;
mod share;
mod size;

pub use duration::{format_duration, parse_duration};
pub use rate::Rate;
#[cfg(feature = "schema")]
pub use schema::{duration_schema, option_duration_schema};
pub use share::Share;
pub use size::Size;

/// Reads and writes a type through its own text, refusing anything that is not a string.
macro_rules! serde_as_text {
    ($type:ty, $expecting:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

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
    };
}
use serde_as_text;

/// The longest piece of a wrong value that an error repeats.
const SHOWN: usize = 40;

/// A wrong value as an error shows it: quoted, escaped, cut when long.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("\"{}…\"", text[..end].escape_debug()),
        None => format!("\"{}\"", text.escape_debug()),
    }
}

/// A decimal number at the head of a text, kept exact: `digits / 10^scale`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Decimal {
    digits: u64,
    scale: u32,
}

impl Decimal {
    /// Splits `"1.5s"` into 1.5 and `"s"`; `None` when no digit leads, a point has no digits on both sides, or the
    /// number has more digits than a `u64` holds.
    fn lead(text: &str) -> Option<(Decimal, &str)> {
        let (whole, rest) = digits(text);
        if whole.is_empty() {
            return None;
        }
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => digits(rest),
            None => ("", rest),
        };
        if rest.len() + whole.len() < text.len() && fraction.is_empty() {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        if whole.len() + fraction.len() > 20 {
            return None;
        }
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some((Decimal { digits, scale: u32::try_from(fraction.len()).ok()? }, rest))
    }

    /// This many of a unit, when that is a whole number.
    fn times(self, unit: u64) -> Option<u128> {
        let product = u128::from(self.digits) * u128::from(unit);
        let divisor = 10u128.pow(self.scale);
        product.is_multiple_of(divisor).then(|| product / divisor)
    }

    fn is_whole(self) -> bool {
        self.scale == 0
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The letters at the head of a text, and what follows them.
fn letters(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests;
