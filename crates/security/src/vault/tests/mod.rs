//! What a vault keeps, what it refuses, and what it survives.

mod damage;
mod keys;
mod life;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

/// 2026-03-01T09:30:00Z.
fn monday() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_772_357_400)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn until(end: SystemTime) -> Terms {
    Terms { expires: Some(end), ..Terms::default() }
}

/// Nothing given: the key is in the file beside the vault.
fn beside() -> Sources<'static> {
    Sources { key_file: None, environment: &|_| None }
}

/// A directory with a vault in it.
struct Home {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault");
        Vault::init(&path, &beside(), monday()).unwrap();
        Self { _directory: directory, path }
    }

    fn open(&self) -> Vault {
        Vault::open(&self.path, &beside()).unwrap()
    }

    fn fails(&self) -> VaultError {
        Vault::open(&self.path, &beside()).unwrap_err()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        std::fs::write(&self.path, text).unwrap();
    }
}
