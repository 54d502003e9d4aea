//! Keeps every configuration that was in force: what it said, when, who wanted it and why.
//!
//! A directory of its own holds one file for each version, mode 0600, written in one step. Nothing in it depends on who
//! serves: whoever runs a gateway adds to it, and commands beside it read it, or add to it under the same lock. What is
//! kept is the text as it was written, whose secrets are references.

mod text;

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::source::MAX_FILE;
pub use text::write_text;
use text::{digest, stamp, write_new};

/// How many versions are kept unless somebody says otherwise.
pub const KEEP: u32 = 50;

/// What ends the name of a version's file.
const ENDING: &str = ".json";
/// How many digits its number has there, so that names sort as numbers do.
const DIGITS: usize = 8;
/// The largest file of a version: a text in which every byte had to be escaped, and what is known about it.
const MOST: u64 = MAX_FILE * 6 + (64 << 10);
/// The longest name or reason that is kept.
const LONGEST: usize = 4096;

seawall_core::words! {
    /// What put a configuration into force.
    Cause {
        /// The program started with it.
        Start = "start",
        /// Its file changed.
        File = "file",
        /// A SIGHUP.
        Signal = "signal",
        /// Somebody asked for it to be read again.
        Lever = "lever",
        /// Somebody went back to an earlier one.
        Rollback = "rollback",
        /// What it changed got worse, and the one before came back by itself.
        Watch = "watch",
        /// It was in the file and never in force: kept because a roll-back wrote over it.
        Aside = "aside",
    }
}

/// What is known about a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its number, from 1 on; none is used twice.
    pub number: u64,
    /// When it came into force, in UTC.
    pub at: String,
    /// Which configuration it was of the process that ran it; 0 where none did.
    pub generation: u64,
    /// What put it into force: one of [`Cause`]'s words.
    pub cause: String,
    /// Who, where a person did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The number it says again what it said, where it is a step back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<u64>,
    /// The name of the file it was in: its ending says how the text is spelled.
    pub file: String,
    /// SHA-256 of its text, in hexadecimal digits.
    pub sha256: String,
}

impl Version {
    /// Is this the text that was kept?
    pub fn is_of(&self, text: &str) -> bool {
        digest(text) == self.sha256
    }
}

/// A moment as versions write it, to the second.
pub fn moment(now: SystemTime) -> String {
    stamp(now)
}

/// A version with what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What is known about it.
    pub version: Version,
    /// As it was written.
    pub text: String,
}

/// As it is in a file.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(flatten)]
    version: Version,
    text: String,
}

/// What is about to be kept.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'d> {
    /// What put it into force.
    pub cause: Cause,
    /// Who.
    pub by: &'d str,
    /// Why.
    pub reason: &'d str,
    /// Which configuration it is of the process that runs it; 0 where none does.
    pub generation: u64,
    /// The number it goes back to.
    pub again: Option<u64>,
}

/// What a directory holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The versions that can be read, the latest first.
    pub versions: Vec<Version>,
    /// The names of files that are no version any more, and why.
    pub damaged: Vec<(String, String)>,
}

/// Why a version cannot be read or kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionError {
    /// There is none of that number.
    None {
        /// The number.
        number: u64,
        /// The oldest and the latest that are there.
        there: Option<(u64, u64)>,
    },
    /// A file is not what was written.
    Damaged(String),
    /// The disk said no.
    Io(String),
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VersionError::None { number, there: Some((oldest, latest)) } => {
                write!(
                    f,
                    "there is no version {number}: there are {oldest} to {latest}, see `seawall config versions`"
                )
            }
            VersionError::None { number, there: None } => {
                write!(
                    f,
                    "there is no version {number}: none was kept yet, the first is when `seawall serve` starts"
                )
            }
            VersionError::Damaged(why) | VersionError::Io(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for VersionError {}

/// A directory of versions. Nothing is made before the first is kept.
///
/// ```
/// use seawall_config::versions::{Cause, Deed, Versions};
/// use std::time::SystemTime;
///
/// # let home = tempfile::tempdir()?;
/// let versions = Versions::at(home.path().join("versions"), 50);
/// let deed = Deed { cause: Cause::Start, by: "", reason: "", generation: 1, again: None };
/// let first = versions.keep("version = 1", "seawall.toml", &deed, SystemTime::UNIX_EPOCH)?.unwrap();
/// assert_eq!((first.number, first.at.as_str()), (1, "1970-01-01T00:00:00Z"));
/// assert_eq!(versions.keep("version = 1", "seawall.toml", &deed, SystemTime::UNIX_EPOCH)?, None, "nothing new");
/// assert_eq!(versions.read(1)?.text, "version = 1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Versions {
    directory: PathBuf,
    keep: u32,
}

impl Versions {
    /// Those in a directory, of which the latest so many are kept: at least one.
    pub fn at(directory: PathBuf, keep: u32) -> Self {
        Self { directory, keep: keep.max(1) }
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps a text, and lets go of the oldest beyond the bound; `None` where the latest says the same already.
    ///
    /// A version that is damaged is never let go of, and never written over.
    pub fn keep(
        &self,
        text: &str,
        file: &str,
        deed: &Deed<'_>,
        now: SystemTime,
    ) -> Result<Option<Version>, VersionError> {
        let io = |why: io::Error| {
            VersionError::Io(format!("{} cannot be written: {why}", self.directory.display()))
        };
        DirBuilder::new().mode(0o700).recursive(true).create(&self.directory).map_err(io)?;
        let _lock = self.lock().map_err(io)?;
        let numbers = self.numbers().map_err(io)?;
        let sha256 = digest(text);
        let latest = numbers.iter().rev().find_map(|number| self.read(*number).ok());
        if latest.is_some_and(|latest| latest.version.sha256 == sha256 && latest.version.file == file) {
            return Ok(None);
        }
        let version = Version {
            number: numbers.last().map_or(1, |last| last.saturating_add(1)),
            at: stamp(now),
            generation: deed.generation,
            cause: deed.cause.as_str().to_owned(),
            by: cut(deed.by),
            reason: cut(deed.reason),
            again: deed.again,
            file: cut(file),
            sha256,
        };
        let written = Written { version: version.clone(), text: text.to_owned() };
        let bytes = serde_json::to_vec_pretty(&written).map_err(|why| io(why.into()))?;
        write_new(&self.path(version.number), &bytes).map_err(io)?;
        let many = (numbers.len() + 1).saturating_sub(usize::try_from(self.keep).unwrap_or(usize::MAX));
        for old in numbers.iter().take(many).filter(|old| self.read(**old).is_ok()) {
            fs::remove_file(self.path(*old)).map_err(io)?;
        }
        Ok(Some(version))
    }

    /// Puts a version from elsewhere back under its number.
    ///
    /// Refuses a text that is not the one that was kept, and a number that is there.
    pub fn lay_back(&self, version: &Version, text: &str) -> Result<(), VersionError> {
        let path = self.path(version.number);
        let io = |why: io::Error| VersionError::Io(format!("{} cannot be written: {why}", path.display()));
        if !version.is_of(text) {
            return Err(VersionError::Damaged(format!("version {} is not as it was kept", version.number)));
        }
        DirBuilder::new().mode(0o700).recursive(true).create(&self.directory).map_err(io)?;
        let _lock = self.lock().map_err(io)?;
        let written = Written { version: version.clone(), text: text.to_owned() };
        write_new(&path, &serde_json::to_vec_pretty(&written).map_err(|why| io(why.into()))?).map_err(io)
    }

    /// One version.
    ///
    /// Refuses a number there is not, and a file that is not as it was written.
    pub fn read(&self, number: u64) -> Result<Kept, VersionError> {
        let path = self.path(number);
        let damaged = |why: &str| VersionError::Damaged(format!("{} {why}", path.display()));
        let bytes = match read_bounded(&path) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                let numbers = self.numbers().unwrap_or_default();
                let there = numbers.first().copied().zip(numbers.last().copied());
                return Err(VersionError::None { number, there });
            }
            Err(why) => return Err(VersionError::Io(format!("{} cannot be read: {why}", path.display()))),
        };
        let Written { version, text } =
            serde_json::from_slice(&bytes).map_err(|_| damaged("is no version, or was cut"))?;
        if version.number != number {
            return Err(damaged("is another version's"));
        }
        if digest(&text) != version.sha256 {
            return Err(damaged("was changed since it was kept"));
        }
        Ok(Kept { version, text })
    }

    /// The latest that can be read.
    pub fn latest(&self) -> Option<Kept> {
        self.numbers().ok()?.iter().rev().find_map(|number| self.read(*number).ok())
    }

    /// All of them. A directory that is not there has none.
    pub fn list(&self) -> Result<Listing, VersionError> {
        let numbers = self
            .numbers()
            .map_err(|why| VersionError::Io(format!("{} cannot be read: {why}", self.directory.display())))?;
        let mut listing = Listing::default();
        for number in numbers.into_iter().rev() {
            match self.read(number) {
                Ok(kept) => listing.versions.push(kept.version),
                // It was let go of between two looks.
                Err(VersionError::None { .. }) => {}
                Err(why) => listing.damaged.push((name(number), why.to_string())),
            }
        }
        Ok(listing)
    }

    /// The numbers that are there, in order.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(why) => return Err(why),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let known = entry?.file_name();
            let digits = known.to_str().and_then(|known| known.strip_suffix(ENDING)).unwrap_or_default();
            let digital = digits.len() >= DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
            numbers.extend(
                digits
                    .parse::<u64>()
                    .ok()
                    .filter(|number| digital && name(*number) == format!("{digits}{ENDING}")),
            );
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(name(number))
    }

    /// Nobody else adds a version while this is held.
    fn lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.directory.join("lock"))?;
        file.lock()?;
        Ok(file)
    }
}

fn name(number: u64) -> String {
    format!("{number:0DIGITS$}{ENDING}")
}

/// What is kept of a name or a reason.
fn cut(text: &str) -> String {
    text.char_indices().take_while(|(place, _)| *place < LONGEST).map(|(_, c)| c).collect()
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST {
        true => Err(io::Error::other("it is larger than any version")),
        false => Ok(bytes),
    }
}
