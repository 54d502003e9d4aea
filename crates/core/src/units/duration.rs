//! Durations as text: `"500ms"`, `"20s"`, `"1m30s"`, `"72h"`.

use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

use super::{Decimal, letters, shown};

/// The longest duration that is believed: ten years. Anything longer is a slip of the unit.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// The units, longest first, in nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads a duration: numbers with units `d h m s ms us ns`, longest first, each at most once.
///
/// The last number may have a fraction (`"1.5s"`, `"1m0.25s"`) as long as the whole stays exact to the nanosecond.
/// Refuses bare numbers, signs, spaces, and anything longer than ten years.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{} is not a duration: write \"20s\", \"500ms\" or \"1m30s\"", shown(text));
    let mut rest = text;
    let mut nanos: u128 = 0;
    let mut next_unit = 0;
    while !rest.is_empty() || next_unit == 0 {
        let (number, tail) = Decimal::lead(rest).ok_or_else(wrong)?;
        let (name, tail) = letters(tail);
        if name.is_empty() && tail.is_empty() {
            return Err(format!("{} has no unit: write {}", shown(text), shown(&format!("{text}s"))));
        }
        let name = if matches!(name, "µs" | "μs") { "us" } else { name };
        let Some(at) = UNITS.iter().position(|(unit, _)| *unit == name) else {
            return Err(match meant(name) {
                Some(unit) => format!("{} has the unit {}: write \"{unit}\"", shown(text), shown(name)),
                None => wrong(),
            });
        };
        if at < next_unit {
            return Err(format!(
                "{} has its units out of order: write \"1h30m\", longest first",
                shown(text)
            ));
        }
        if !number.is_whole() && !tail.is_empty() {
            return Err(format!("{} has a fraction before its end: write \"1h30m\"", shown(text)));
        }
        let part = number
            .times(UNITS[at].1)
            .ok_or_else(|| format!("{} is finer than a nanosecond: write fewer digits", shown(text)))?;
        nanos += part;
        next_unit = at + 1;
        rest = tail;
    }
    if nanos > LONGEST.as_nanos() {
        return Err(format!("{} is longer than ten years: write \"3650d\" or less", shown(text)));
    }
    let seconds = u64::try_from(nanos / 1_000_000_000).map_err(|_| wrong())?;
    let below = u32::try_from(nanos % 1_000_000_000).map_err(|_| wrong())?;
    Ok(Duration::new(seconds, below))
}

/// Writes a duration so that [`parse_duration`] reads back exactly the same: `"500ms"`, `"1.5s"`, `"1m30s"`, `"3d"`.
///
/// Days, hours and minutes come first, each only if there is one; what is left is one number of seconds, or, when
/// all of it is under a second, of the largest unit that is at least one. Zero is `"0s"`.
pub fn format_duration(duration: Duration) -> String {
    let mut nanos = duration.as_nanos();
    let mut text = String::new();
    for (name, unit) in &UNITS[..3] {
        let count = nanos / u128::from(*unit);
        nanos %= u128::from(*unit);
        if count > 0 {
            text.push_str(&format!("{count}{name}"));
        }
    }
    if nanos == 0 && !text.is_empty() {
        return text;
    }
    let fits = |&&(_, unit): &&(&str, u64)| nanos >= u128::from(unit);
    let (name, unit) =
        if text.is_empty() { UNITS[3..].iter().find(fits).unwrap_or(&UNITS[3]) } else { &UNITS[3] };
    let unit = u128::from(*unit);
    text.push_str(&(nanos / unit).to_string());
    if !nanos.is_multiple_of(unit) {
        let width = unit.ilog10() as usize;
        let fraction = format!("{:0width$}", nanos % unit);
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push_str(name);
    text
}

/// Writes a [`Duration`] as text; for `#[serde(with = "units::duration")]`.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_duration(*duration))
}

/// Reads a [`Duration`] from text; for `#[serde(with = "units::duration")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(Text)
}

pub(super) struct Text;

impl Visitor<'_> for Text {
    type Value = Duration;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a duration like \"20s\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).map_err(E::custom)
    }
}

/// The unit somebody probably meant by a longer name.
fn meant(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "day" | "days" => "d",
        "hr" | "hrs" | "hour" | "hours" => "h",
        "min" | "mins" | "minute" | "minutes" => "m",
        "sec" | "secs" | "second" | "seconds" => "s",
        "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => "ms",
        "usec" | "usecs" | "micros" | "microsecond" | "microseconds" => "us",
        "nanos" | "nanosecond" | "nanoseconds" => "ns",
        _ => return None,
    })
}
