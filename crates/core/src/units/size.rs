//! Bytes with their unit: `"64KiB"`, `"10MB"`, `"512B"`.

use std::fmt;
use std::str::FromStr;

use super::{Decimal, letters, shown};

/// A number of bytes, written with a binary (`KiB MiB GiB TiB`) or decimal (`kB MB GB TB`) unit, or `B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(
    /// Bytes.
    pub u64,
);

/// The units, binary before decimal, so that the binary one wins where both are as short.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let wrong = || format!("{} is not a size: write \"64KiB\", \"10MB\" or \"512B\"", shown(text));
        let (number, rest) = Decimal::lead(text).ok_or_else(wrong)?;
        let (name, rest) = letters(rest);
        if name.is_empty() && rest.is_empty() {
            return Err(format!("{} has no unit: write {}", shown(text), shown(&format!("{text}B"))));
        }
        let unit = UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(name));
        let (Some((_, unit)), true) = (unit, rest.is_empty()) else {
            return Err(wrong());
        };
        let bytes = number
            .times(*unit)
            .ok_or_else(|| format!("{} is not a whole number of bytes: write fewer digits", shown(text)))?;
        u64::try_from(bytes)
            .map(Size)
            .map_err(|_| format!("{} is too large: write at most \"16777215TiB\"", shown(text)))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shortest = UNITS
            .iter()
            .filter(|(_, unit)| self.0.is_multiple_of(*unit) && (self.0 > 0 || *unit == 1))
            .map(|(name, unit)| (self.0 / unit, name))
            .min_by_key(|(count, name)| {
                (count.checked_ilog10().unwrap_or(0) as usize + name.len(), name.len())
            });
        match shortest {
            Some((count, name)) => write!(f, "{count}{name}"),
            None => write!(f, "{}B", self.0),
        }
    }
}

super::serde_as_text!(Size, "a size like \"64KiB\"");
