//! One small file, replaced whole: written beside it, brought to the disk, and only then given its name.
//!
//! Its first line is the SHA-256 of the rest. The one before is kept beside it, for the day on which it does not fit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::place::{private, private_directory};

/// The largest file that is read: many times what is ever written.
const LARGEST: u64 = 64 << 20;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is none.
    Nothing,
    /// The latest.
    Whole(Vec<u8>),
    /// The one before, for the latest is not whole.
    Before(Vec<u8>, String),
    /// Neither is whole.
    Broken(String),
}

pub(crate) fn read(path: &Path) -> Found {
    match (one(path), one(&beside(path, "before"))) {
        (Ok(Some(bytes)), _) => Found::Whole(bytes),
        (Ok(None), Ok(None)) => Found::Nothing,
        // A kill between two renames leaves only the one before.
        (Ok(None), Ok(Some(bytes))) => Found::Whole(bytes),
        (Err(why), Ok(Some(bytes))) => Found::Before(bytes, why),
        (Err(why), _) | (_, Err(why)) => Found::Broken(why),
    }
}

fn one(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let named = |why: &dyn std::fmt::Display| format!("{} {why}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(named(&format_args!("cannot be read: {error}"))),
    };
    let mut bytes = Vec::new();
    let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| named(&format_args!("cannot be read: {error}")))?;
    let whole = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (sum, rest) = (bytes.get(..end)?, bytes.get(end + 1..)?);
        (sum == digest(rest).as_bytes()).then(|| rest.to_vec())
    };
    match whole(&bytes) {
        Some(rest) => Ok(Some(rest)),
        None => Err(named(&"is not as it was written")),
    }
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    private_directory(directory)?;
    let new = beside(path, "new");
    let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&new)?;
    file.write_all(digest(bytes).as_bytes())?;
    file.write_all(b"\n")?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    match fs::rename(path, beside(path, "before")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(&new, path)?;
    // Where a directory cannot be opened its entries are as safe as they will be.
    File::open(directory).map_or(Ok(()), |directory| directory.sync_all())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    name.into()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_read_and_of_a_broken_one_the_one_before() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state/alerts.state");
        assert_eq!(read(&path), Found::Nothing);
        write(&path, b"one").unwrap();
        assert_eq!(read(&path), Found::Whole(b"one".to_vec()));
        write(&path, b"two").unwrap();
        assert_eq!(read(&path), Found::Whole(b"two".to_vec()));
        let good = fs::read(&path).unwrap();
        for cut in 0..good.len() {
            fs::write(&path, &good[..cut]).unwrap();
            let found = read(&path);
            assert!(matches!(&found, Found::Before(bytes, _) if bytes == b"one"), "{cut}: {found:?}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&path), Found::Whole(b"one".to_vec()), "killed between two renames");
        fs::write(beside(&path, "before"), "garbage").unwrap();
        assert!(matches!(read(&path), Found::Broken(why) if why.contains("is not as it was written")));
    }

    #[cfg(unix)]
    #[test]
    fn it_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("alerts.state");
        write(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
