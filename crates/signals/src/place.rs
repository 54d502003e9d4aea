//! Which file a file is, and for whose eyes: what the operating system knows beyond a path.

use std::fs::{DirBuilder, Metadata, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};

/// The same file, and not another of that name. Where the system does not say, any file of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self(meta.dev(), meta.ino())
    }

    #[cfg(not(unix))]
    pub(crate) fn of(_: &Metadata) -> Self {
        Self(0, 0)
    }

    pub(crate) fn is(self, meta: &Metadata) -> bool {
        meta.is_file() && self == Self::of(meta)
    }
}

/// A file that is made is for its owner alone: 0600.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    options.mode(0o600);
    options
}

/// A directory for its owner alone: 0700.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.recursive(true).create(path)
}
