//! Temporary files that nobody else finds, reads or leaves behind.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

/// A file without a name, for as long as it is open: nobody can open it by path, and it is gone with the process, however
/// that ends.
///
/// It is made in the system's directory for such (`TMPDIR`); where the file system cannot make a file without a name, its
/// name is taken away at once.
pub fn scratch() -> io::Result<File> {
    tempfile::tempfile()
}

/// A file with a name, for another program that wants a path: in a directory of its own (0700), mode 0600, with a name
/// from the operating system's generator, and taken away when this is dropped.
///
/// A process that is killed leaves it behind: for what must not stay, use [`scratch`].
///
/// ```
/// use seawall_security::files::Temporary;
/// let file = Temporary::holding(b"for a program that wants a path", ".conf")?;
/// assert_eq!(std::fs::read(file.path())?.len(), 31);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Temporary {
    // In this order: the file goes before its directory.
    file: NamedTempFile,
    _directory: TempDir,
}

impl Temporary {
    /// An empty one, whose name ends in `suffix`.
    pub fn new(suffix: &str) -> io::Result<Self> {
        // A directory that only we may enter: even where /tmp is everybody's, nobody can put a link in its place.
        let owner = Permissions::from_mode(0o700);
        let directory = tempfile::Builder::new().prefix("seawall-").permissions(owner).tempdir()?;
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix("").rand_bytes(16).suffix(suffix).tempfile_in(directory.path())?;
        Ok(Self { file, _directory: directory })
    }

    /// One with this in it.
    pub fn holding(bytes: &[u8], suffix: &str) -> io::Result<Self> {
        let mut temporary = Self::new(suffix)?;
        temporary.file.write_all(bytes)?;
        temporary.file.flush()?;
        Ok(temporary)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }
}
