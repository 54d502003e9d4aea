//! The name of an entry.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::strength;

/// The name of an entry, as in `vault:NAME`: 1 to 128 letters, digits and `_ - . /`, such as `openai` or `team/a.b-c`.
///
/// A text that looks like a key is refused as a name, without being repeated: somebody mixed the two up.
///
/// ```
/// use seawall_security::vault::Name;
/// assert_eq!("team/openai".parse::<Name>()?.as_str(), "team/openai");
/// assert!("sk-proj-0123456789abcdef".parse::<Name>().is_err());
/// # Ok::<(), seawall_security::vault::BadName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        if text.is_empty() || text.len() > 128 || !text.chars().all(fits) {
            return Err(BadName::Spelling);
        }
        match strength::is_marked_as_key(text) {
            true => Err(BadName::LooksLikeKey),
            false => Ok(Self(text.to_owned())),
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Endings of variables that hold keys, and what is left of a name without them: `OPENAI_API_KEY` is `openai`.
const ENDINGS: [(&str, bool); 4] =
    [("_API_KEY", true), ("_TOKEN", true), ("_KEY", false), ("_SECRET", false)];

/// Whether a variable is named as those are that hold a key. Seawall's own are not.
pub fn is_value_variable(variable: &str) -> bool {
    let ends = |(ending, _): &(&str, bool)| variable.len() > ending.len() && variable.ends_with(ending);
    !variable.starts_with("SEAWALL_") && ENDINGS.iter().any(ends)
}

/// The name an entry gets from a variable: lower case, without `_API_KEY` or `_TOKEN` at its end.
///
/// ```
/// use seawall_security::vault::name_of_variable;
/// assert_eq!(name_of_variable("OPENAI_API_KEY"), "openai");
/// assert_eq!(name_of_variable("AWS_SECRET_ACCESS_KEY"), "aws_secret_access_key");
/// ```
pub fn name_of_variable(variable: &str) -> String {
    let cut = ENDINGS.iter().filter(|(_, cut)| *cut).find_map(|(ending, _)| variable.strip_suffix(ending));
    cut.filter(|rest| !rest.is_empty()).unwrap_or(variable).to_ascii_lowercase()
}

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadName {
    /// Characters or length.
    Spelling,
    /// It begins as keys of known providers do.
    LooksLikeKey,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadName::Spelling => {
                "the vault entry has no proper name: write 1 to 128 letters, digits and _ - . /"
            }
            BadName::LooksLikeKey => {
                "the name looks like a key itself: write a name such as openai, and give the value on stdin"
            }
        })
    }
}

impl std::error::Error for BadName {}
