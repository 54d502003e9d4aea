//! Small files for their owner alone: read within bounds, replaced in one step, on the disk when it is said so.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Reads a plain file of at most `most` bytes, and its permission bits. A pipe or a device is refused, and not waited for.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<(Zeroizing<Vec<u8>>, u32)> {
    let mut options = OpenOptions::new();
    // A pipe without a writer would keep us waiting.
    options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    // Room for all of it: a buffer that grows leaves pieces behind.
    let room = usize::try_from(metadata.len().min(most)).unwrap_or(0).saturating_add(2);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::other(format!("it is larger than {most} bytes"))),
        false => Ok((bytes, metadata.permissions().mode())),
    }
}

/// Writes a file, mode 0600, in place of the one that is there, in one step: whoever looks sees the old one or the new
/// one, and after a loss of power so does the disk. With `fresh` it refuses where there is one already.
pub(crate) fn replace(path: &Path, bytes: &[u8], fresh: bool) -> io::Result<()> {
    let directory = directory_of(path);
    let mut file = tempfile::Builder::new().prefix(".seawall-").suffix(".tmp").tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match fresh {
        true => file.persist_noclobber(path),
        false => file.persist(path),
    }
    .map_err(|why| why.error)?;
    File::open(directory)?.sync_all()
}

/// A directory for its owner alone, with those above it where they are missing.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// Waits until nobody else holds the lock of that name, and holds it until it is dropped. The file stays.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.lock()?;
    Ok(file)
}

/// The path a name really leads to: a file that is replaced must not replace the link to it.
pub(crate) fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The path with something put at its end.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The permission bits of a file, where there is one.
pub(crate) fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|metadata| metadata.permissions().mode())
}
