//! Files inside a directory, and nowhere else: whoever names them, and whatever happens to the directory meanwhile.
//!
//! A [`Base`] is an open directory. A [`Relative`] path leads from it to a file, and the operating system is asked to stay
//! inside (`openat2` with RESOLVE_BENEATH where there is one, one step at a time elsewhere; the crate is cap-std). No path
//! is joined to another as text, and nothing is looked at first and opened later: a file is opened, and then the open file
//! is looked at. So a link or a file that is put in its place in between changes nothing.
//!
//! ```
//! use seawall_security::paths::{Base, Rules};
//!
//! # let home = tempfile::tempdir()?;
//! let base = Base::open(home.path())?;
//! let rules = Rules::new().extensions(["json"]).most(1 << 20);
//! base.write(&"report.json".parse()?, &rules, b"{}")?;
//! assert_eq!(base.read(&"report.json".parse()?, &rules)?, b"{}");
//! assert!(base.read(&"report.exe".parse()?, &rules).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod relative;
mod write;

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{
    Dir, DirBuilder, DirBuilderExt as _, File, MetadataExt as _, OpenOptions, OpenOptionsExt as _,
};

pub use relative::Relative;
pub use write::Writing;

/// What kind of file is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    extensions: Option<BTreeSet<String>>,
    most: u64,
    links: bool,
    other_names: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

impl Rules {
    /// Any extension, at most 16 MiB, no links, and no file that has other names elsewhere.
    pub fn new() -> Self {
        Self { extensions: None, most: 16 << 20, links: false, other_names: false }
    }

    /// Only files whose name ends in one of these, whatever its case: `json`, without the dot.
    #[must_use]
    pub fn extensions<'e>(mut self, extensions: impl IntoIterator<Item = &'e str>) -> Self {
        self.extensions = Some(extensions.into_iter().map(str::to_ascii_lowercase).collect());
        self
    }

    /// The largest file, in bytes.
    #[must_use]
    pub fn most(mut self, bytes: u64) -> Self {
        self.most = bytes;
        self
    }

    /// Follows symbolic links, as far as they stay inside the directory. What is asked for by one extension may then be a
    /// file of another.
    #[must_use]
    pub fn follow_links_inside(mut self) -> Self {
        self.links = true;
        self
    }

    /// Takes files that have other names too (hard links), which somebody may have made of a file from elsewhere.
    ///
    /// Refusing them, as is the default, finds what lies there. It does not stop somebody who takes the other name away
    /// between our opening the file and our looking at it: against that the system has `fs.protected_hardlinks`.
    #[must_use]
    pub fn allow_other_names(mut self) -> Self {
        self.other_names = true;
        self
    }

    fn check(&self, path: &Relative) -> Result<(), PathError> {
        let Some(allowed) = &self.extensions else { return Ok(()) };
        match path.extension().is_some_and(|extension| allowed.contains(&extension)) {
            true => Ok(()),
            false => {
                let all = allowed.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                Err(PathError::new(
                    Trouble::Extension,
                    format!("{path} has none of the extensions that are taken: {all}"),
                ))
            }
        }
    }
}

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The text is no path inside a directory.
    Name,
    /// Its extension is not among those that are taken.
    Extension,
    /// There is nothing there.
    Missing,
    /// There is something there already.
    Exists,
    /// It is a link, or lies behind one, and links are not followed; or it leads outside.
    Link,
    /// It is a directory, a pipe, a device or a socket.
    Special,
    /// It has other names elsewhere.
    OtherNames,
    /// It is larger than allowed.
    TooLarge,
    /// The system said no.
    Failed,
}

/// Why a file was not had: in words, lower case, no full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathError {
    /// What kind of trouble.
    pub trouble: Trouble,
    message: String,
}

impl PathError {
    pub(crate) fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self { trouble, message: message.into() }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PathError {}

/// A directory that was opened: it stays the same one, even if its name goes to another.
#[derive(Debug)]
pub struct Base {
    dir: Dir,
    shown: PathBuf,
}

impl Base {
    /// Opens a directory that is there. This is the one place where a path of the whole system is taken: it is the
    /// operator's, not a caller's.
    pub fn open(path: &Path) -> Result<Self, PathError> {
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(|why| {
            let trouble =
                if why.kind() == io::ErrorKind::NotFound { Trouble::Missing } else { Trouble::Failed };
            PathError::new(trouble, format!("the directory {} cannot be opened: {why}", path.display()))
        })?;
        Ok(Self { dir, shown: path.to_path_buf() })
    }

    /// The same, made for its owner alone (0700) where it is missing, with those above it.
    pub fn create(path: &Path) -> Result<Self, PathError> {
        crate::disk::private_directory(path).map_err(|why| {
            PathError::new(Trouble::Failed, format!("the directory {} cannot be made: {why}", path.display()))
        })?;
        Self::open(path)
    }

    /// A directory inside this one.
    pub fn beneath(&self, path: &Relative) -> Result<Self, PathError> {
        let parent = self.folder(path, false)?;
        let dir = parent
            .open_dir_nofollow(path.name())
            .map_err(|why| self.why(&parent, path, path.name(), &why))?;
        Ok(Self { dir, shown: self.shown.join(path.as_str()) })
    }

    /// Makes a directory inside this one, for its owner alone. One that is there is refused.
    pub fn make(&self, path: &Relative) -> Result<Self, PathError> {
        let parent = self.folder(path, false)?;
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        parent
            .create_dir_with(path.name(), &builder)
            .map_err(|why| self.why(&parent, path, path.name(), &why))?;
        self.beneath(path)
    }

    /// Opens a file to read. A pipe is not waited for; what is opened is what was looked at.
    ///
    /// Refuses what the rules refuse; links and files with other names unless the rules allow them; whatever is no plain
    /// file.
    pub fn file(&self, path: &Relative, rules: &Rules) -> Result<File, PathError> {
        rules.check(path)?;
        let parent = self.folder(path, rules.links)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        self.opened(&parent, path, &mut options, rules)
    }

    /// Reads a file, up to the size the rules allow, whatever it says its size is.
    pub fn read(&self, path: &Relative, rules: &Rules) -> Result<Vec<u8>, PathError> {
        let file = self.file(path, rules)?;
        let mut bytes = Vec::new();
        let read = file.take(rules.most.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|why| self.failed("read", path, &why))?;
        match bytes.len() as u64 > rules.most {
            true => Err(too_large(path, rules)),
            false => Ok(bytes),
        }
    }

    /// Takes a name away. What it named is gone if that was its only name; a link is taken away, not followed.
    pub fn remove(&self, path: &Relative) -> Result<(), PathError> {
        let parent = self.folder(path, false)?;
        parent.remove_file(path.name()).map_err(|why| self.why(&parent, path, path.name(), &why))
    }

    /// Opens a file to write over it, as it is.
    pub(crate) fn writable(&self, path: &Relative, rules: &Rules) -> Result<File, PathError> {
        rules.check(path)?;
        let parent = self.folder(path, rules.links)?;
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        self.opened(&parent, path, &mut options, rules)
    }

    /// Takes the name of an open file away, if the name still leads to it.
    pub(crate) fn remove_this(&self, path: &Relative, file: &File) -> Result<(), PathError> {
        let parent = self.folder(path, false)?;
        let ours = file.metadata().map_err(|why| self.failed("looked at", path, &why))?;
        let found = parent.symlink_metadata(path.name());
        let found = found.map_err(|why| self.why(&parent, path, path.name(), &why))?;
        match (ours.dev(), ours.ino()) == (found.dev(), found.ino()) {
            true => self.remove(path),
            false => Err(PathError::new(
                Trouble::Missing,
                format!("{path} was overwritten, and something else has its name now: look at it"),
            )),
        }
    }

    /// The directory a file is in. Every step is one name; a link is followed only if it may be, and only inside.
    fn folder(&self, path: &Relative, links: bool) -> Result<Dir, PathError> {
        let mut dir = self.dir.try_clone().map_err(|why| self.failed("opened", path, &why))?;
        if links {
            // In one go from the base: a link in the middle may lead up, as long as it stays inside.
            let parent = path.to_path();
            let parent = parent.parent().filter(|parent| !parent.as_os_str().is_empty());
            return match parent {
                Some(parent) => self.dir.open_dir(parent).map_err(|why| self.why(&self.dir, path, "", &why)),
                None => Ok(dir),
            };
        }
        for name in path.folders() {
            dir = match dir.open_dir_nofollow(name) {
                Ok(inner) => inner,
                Err(why) => return Err(self.why(&dir, path, name, &why)),
            };
        }
        Ok(dir)
    }

    fn opened(
        &self,
        parent: &Dir,
        path: &Relative,
        options: &mut OpenOptions,
        rules: &Rules,
    ) -> Result<File, PathError> {
        let file = match rules.links {
            // From the base again, for the same reason.
            true => self.dir.open_with(path.to_path(), options),
            false => parent.open_with(path.name(), options.follow(FollowSymlinks::No)),
        };
        let file = file.map_err(|why| self.why(parent, path, path.name(), &why))?;
        let metadata = file.metadata().map_err(|why| self.failed("looked at", path, &why))?;
        if !metadata.is_file() {
            return Err(PathError::new(Trouble::Special, format!("{path} is not a plain file: name a file")));
        }
        if metadata.nlink() > 1 && !rules.other_names {
            return Err(PathError::new(
                Trouble::OtherNames,
                format!("{path} has other names too, perhaps of a file from elsewhere: copy it"),
            ));
        }
        match metadata.len() > rules.most {
            true => Err(too_large(path, rules)),
            false => Ok(file),
        }
    }

    /// What an error of the system means here.
    fn why(&self, parent: &Dir, path: &Relative, name: &str, why: &io::Error) -> PathError {
        let is_link =
            || !name.is_empty() && parent.symlink_metadata(name).is_ok_and(|found| found.is_symlink());
        // cap-std says so in words when a path would have led out; it has no code of its own.
        let escapes = why.kind() == io::ErrorKind::PermissionDenied && why.raw_os_error().is_none();
        match why.kind() {
            io::ErrorKind::NotFound => {
                PathError::new(Trouble::Missing, format!("there is no {path} in {}", self.shown.display()))
            }
            io::ErrorKind::AlreadyExists => PathError::new(
                Trouble::Exists,
                format!("{path} is in {} already: name another", self.shown.display()),
            ),
            _ if escapes => {
                PathError::new(Trouble::Link, format!("{path} leads out of {}", self.shown.display()))
            }
            _ if is_link() || why.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                PathError::new(
                    Trouble::Link,
                    format!("{path} is a link, or lies behind one: name the file itself"),
                )
            }
            io::ErrorKind::NotADirectory => {
                PathError::new(Trouble::Missing, format!("{path} leads through a file: name a directory"))
            }
            io::ErrorKind::IsADirectory => {
                PathError::new(Trouble::Special, format!("{path} is not a plain file: name a file"))
            }
            // Opening a socket, or a device that is not there.
            _ if why.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                PathError::new(Trouble::Special, format!("{path} is not a plain file: name a file"))
            }
            _ => self.failed("opened", path, why),
        }
    }

    fn failed(&self, what: &str, path: &Relative, why: &io::Error) -> PathError {
        PathError::new(Trouble::Failed, format!("{path} in {} cannot be {what}: {why}", self.shown.display()))
    }
}

fn too_large(path: &Relative, rules: &Rules) -> PathError {
    PathError::new(Trouble::TooLarge, format!("{path} is larger than {} bytes", rules.most))
}

#[cfg(test)]
mod tests;
