//! Identifiers: names of models, runs, jobs, tenants.

use std::fmt;
use std::str::FromStr;

use super::{shown, text};

/// An identifier: 1 to 64 of `a-z`, `0-9`, `_`, `-` and `.`, beginning and ending with a letter or digit.
///
/// It is safe as a file's name, a label's value and a segment of a path: no `..`, no separator, nothing to escape.
///
/// ```
/// use seawall_security::types::Id;
/// assert_eq!("run-7.b".parse::<Id>()?.as_str(), "run-7.b");
/// for wrong in ["", "../etc", "Run", "a..b", "-a", "a b"] {
///     assert!(wrong.parse::<Id>().is_err());
/// }
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = |c: char| sound(c) || matches!(c, '_' | '-' | '.');
        let good = !text.is_empty()
            && text.len() <= 64
            && text.chars().all(fits)
            && text.starts_with(sound)
            && text.ends_with(sound)
            && !text.contains("..");
        match good {
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "{} is no identifier: write 1 to 64 of a-z, 0-9, _, - and ., such as run-7",
                shown(text)
            )),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text!(Id, "an identifier such as \"run-7\"");
