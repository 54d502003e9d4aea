//! A path inside a directory, as a type: nothing in it leads up, out or elsewhere.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use super::PathError;
use super::Trouble;

/// The longest path, and the longest name in it.
const LONGEST: usize = 1024;
const LONGEST_NAME: usize = 255;

/// A path inside some directory: names with `/` between, and nothing else.
///
/// Refused are absolute paths, `..` and `.`, empty names, backslashes, control characters and those that turn the
/// direction of a text, which make one name look like another. Nothing is decoded and nothing is repaired: `%2e%2e` is a
/// strange name and leads nowhere.
///
/// ```
/// use seawall_security::paths::Relative;
/// assert!("models/run-7.bin".parse::<Relative>().is_ok());
/// for wrong in ["/etc/passwd", "../x", "a/../../x", "a/./b", "", "a//b", "..\\x", "a\0b"] {
///     assert!(wrong.parse::<Relative>().is_err());
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relative(String);

impl Relative {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its last name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// What follows the last dot of its name, in lower case; none where the dot is the first character.
    pub fn extension(&self) -> Option<String> {
        let (stem, extension) = self.name().rsplit_once('.')?;
        (!stem.is_empty() && !extension.is_empty()).then(|| extension.to_ascii_lowercase())
    }

    /// The directories that lead to it, one name each.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        let last = self.name().len();
        self.0[..self.0.len() - last].split_terminator('/')
    }

    /// The same as a path.
    pub fn to_path(&self) -> PathBuf {
        PathBuf::from(&self.0)
    }
}

impl FromStr for Relative {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let refuse = |what: &str| {
            let shown: String = text.chars().take(60).collect();
            PathError::new(Trouble::Name, format!("{shown:?} {what}"))
        };
        if text.is_empty() || text.len() > LONGEST {
            return Err(refuse("is no path: write one of 1 to 1024 bytes"));
        }
        let odd = |c: char| {
            c.is_control()
                || matches!(c, '\\' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        if text.contains(odd) {
            return Err(refuse("has characters no name should have: write letters, digits, - and _"));
        }
        if text.starts_with('/') {
            return Err(refuse("begins at the root: write a path inside the directory"));
        }
        for name in text.split('/') {
            match name {
                "" => return Err(refuse("has an empty name: write one / between names and none at the end")),
                "." | ".." => return Err(refuse("leads elsewhere: write names, without . and ..")),
                name if name.len() > LONGEST_NAME => {
                    return Err(refuse("has a name longer than 255 bytes: write a shorter one"));
                }
                _ => {}
            }
        }
        // What the system takes for something else than a name, such as C: where that means a drive.
        match Path::new(text).components().all(|part| matches!(part, Component::Normal(_))) {
            true => Ok(Self(text.to_owned())),
            false => Err(refuse("leads elsewhere: write names with / between")),
        }
    }
}

impl fmt::Display for Relative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
