//! The checkpoint beside a trail: the last entry that was on the disk, so that a missing end is seen.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::line::Hash;
use crate::place::{Identity, private};

pub(super) const NAME: &str = "head.json";

/// One write of a size that no disk tears, always the same.
const SIZE: usize = 128;

/// What a checkpoint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Absent,
    Unreadable,
    At(u64, Hash),
}

/// Reads a checkpoint.
pub(super) fn look(path: &Path) -> io::Result<Look> {
    let mut text = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Absent),
        Err(error) => return Err(error),
        Ok(file) => file.take(4 * SIZE as u64).read_to_end(&mut text)?,
    };
    Ok(parse(&text))
}

fn parse(text: &[u8]) -> Look {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line<'a> {
        seq: u64,
        hash: &'a str,
    }
    let line = serde_json::from_slice::<Line<'_>>(text).ok().filter(|_| text.len() == SIZE);
    let at = line.and_then(|line| Some((line.seq, Hash::parse(line.hash.as_bytes())?)));
    at.map_or(Look::Unreadable, |(seq, hash)| Look::At(seq, hash))
}

/// The checkpoint of a trail that is written here. Holding it open is also the lock of the trail.
#[derive(Debug)]
pub(super) struct Head {
    file: File,
    path: PathBuf,
    identity: Identity,
}

/// Why a checkpoint could not be taken.
#[derive(Debug)]
pub(super) enum Taken {
    ByAnother,
    Failed(io::Error),
}

impl From<io::Error> for Taken {
    fn from(error: io::Error) -> Self {
        Taken::Failed(error)
    }
}

impl Head {
    /// Opens and locks the checkpoint of a directory, and says what it said. One that is not there is made and says
    /// that there was nothing.
    pub(super) fn take(directory: &Path) -> Result<(Self, Look), Taken> {
        let path = directory.join(NAME);
        let was_there = fs::symlink_metadata(&path).is_ok();
        let file =
            private(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Taken::ByAnother),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let identity = Identity::of(&file.metadata()?);
        let mut head = Self { file, path, identity };
        let said = if was_there { look(&head.path)? } else { Look::Absent };
        if said == Look::Absent {
            head.write(0, Hash::NONE)?;
        }
        Ok((head, said))
    }

    /// Says how far the trail goes.
    pub(super) fn write(&mut self, seq: u64, hash: Hash) -> io::Result<()> {
        let line = format!("{{\"seq\":{seq},\"hash\":\"{hash}\"}}");
        let line = format!("{line:<width$}\n", width = SIZE - 1);
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(line.as_bytes())
    }

    /// What somebody else did to it.
    pub(super) fn damage(&self) -> Option<String> {
        let what = match fs::symlink_metadata(&self.path) {
            Ok(meta) if !self.identity.is(&meta) => "was replaced",
            Ok(meta) if meta.len() != SIZE as u64 => "was cut or grew",
            Ok(_) => return None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => "was deleted",
            Err(_) => "cannot be looked at",
        };
        Some(format!("the checkpoint {NAME} {what} while seawall was running"))
    }
}
