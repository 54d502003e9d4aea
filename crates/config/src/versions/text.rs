//! Texts on the disk: written in one step, told apart by their digest.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

/// What our unfinished files are called: one that a kill left behind is known by it.
const UNFINISHED: (&str, &str) = (".seawall-", ".tmp");

/// SHA-256 in hexadecimal digits.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A moment to the second, as RFC 3339 writes it.
pub(super) fn stamp(now: SystemTime) -> String {
    let now = jiff::Timestamp::try_from(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    // Whole seconds: nobody changes a configuration twice in one.
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// Writes a file, mode 0600, where there is none, in one step.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = directory_of(path);
    sweep(directory);
    let mut file = temporary(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|why| why.error)?;
    File::open(directory)?.sync_all()
}

/// Puts a text in place of the one a file has, in one step: whoever looks sees the old one or the new one, and after a
/// loss of power so does the disk. Its owner and its permission bits stay, and a link stays a link.
///
/// Fails where there is no such file, and where its directory cannot be written, as that of a ConfigMap cannot.
pub fn write_text(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let before = fs::metadata(&path)?;
    let directory = directory_of(&path);
    let mut file = temporary(directory)?;
    file.write_all(text.as_bytes())?;
    // Only the owner's own processes may give files away; where that is refused it is ours, as it would be after an
    // editor saved it.
    let _ = std::os::unix::fs::fchown(file.as_file(), Some(before.uid()), Some(before.gid()));
    file.as_file().set_permissions(Permissions::from_mode(before.permissions().mode() & 0o777))?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|why| why.error)?;
    File::open(directory)?.sync_all()
}

fn temporary(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(UNFINISHED.0).suffix(UNFINISHED.1).tempfile_in(directory)
}

/// Removes what a kill left unfinished. Only under the lock of the directory: then nobody is writing.
fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1)) {
            // It is of no use and does no harm: the next one tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
