//! The files of a trail: one is written, by appending, after a look whether it is still what was left there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use seawall_core::Instant;

use super::head::{Head, Look, Taken};
use super::line::{Hash, Record};
use super::verify::{self, Chain, Report};
use super::{OpenError, Options};
use crate::place::{Identity, private, private_directory};

/// A directory of files, the last of which grows.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    options: Options,
    head: Head,
    file: File,
    path: PathBuf,
    identity: Identity,
    /// How long the file is, if nobody else has touched it.
    len: u64,
    /// Entries that were written and may not be on the disk yet.
    pending: u32,
    synced_at: Instant,
    /// What makes this file one that is not to be written any more.
    suspect: Option<String>,
}

/// A trail that was opened: where it ends, and what is to be told about it.
pub(super) struct Found {
    pub(super) disk: Disk,
    pub(super) seq: u64,
    pub(super) hash: Hash,
    /// The latest entries, the oldest first.
    pub(super) recent: Vec<Record>,
    /// What is wrong with what was found.
    pub(super) troubles: Vec<String>,
    /// Bytes of an entry that was not finished, and the file in which they are kept.
    pub(super) torn: Option<(u64, String)>,
}

/// How the last entry was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Written,
    Synced,
}

impl Disk {
    /// Takes a directory, reads its last file, and is ready to go on where that ends. What is wrong is not mended: it
    /// stays as it is, and a new file begins.
    pub(super) fn open(directory: &Path, options: Options, now: Instant) -> Result<Found, OpenError> {
        private_directory(directory).map_err(|error| OpenError::of(directory, &error))?;
        let (head, look) = Head::take(directory).map_err(|taken| match taken {
            Taken::ByAnother => OpenError::InUse(directory.to_owned()),
            Taken::Failed(error) => OpenError::of(directory, &error),
        })?;
        Self::found(directory, options, head, look, now).map_err(|error| OpenError::of(directory, &error))
    }

    fn found(directory: &Path, options: Options, head: Head, look: Look, now: Instant) -> io::Result<Found> {
        let files = verify::files(directory)?;
        let (mut seq, mut hash, mut recent, mut troubles) = (0, Hash::NONE, Vec::new(), Vec::new());
        let mut last = None;
        // An empty file is what a start that was killed at once leaves behind: the end is in the one before.
        for path in files.iter().rev() {
            let mut chain = Chain::default();
            if let Look::At(seq, hash) = look {
                chain.checkpoint = Some((seq, hash));
            }
            let mut report = Report::default();
            let end = verify::walk(path, &mut chain, &mut report, |record, own| {
                (seq, hash) = (record.seq, own);
                recent.push(record);
                if recent.len() >= 2 * options.recent.max(1) {
                    recent.drain(..recent.len() / 2);
                }
            })?;
            if end.torn > 0 {
                report.problems.pop();
            }
            troubles.extend(report.problems.first().map(ToString::to_string));
            last.get_or_insert((path.clone(), end));
            if report.entries > 0 {
                break;
            }
        }
        match look {
            Look::At(at, known) if at > seq => {
                troubles
                    .push(format!("entries {} to {at} were removed while seawall was not running", seq + 1));
                (seq, hash) = (at, known);
            }
            Look::At(..) => {}
            Look::Absent if files.is_empty() => {}
            Look::Absent => {
                troubles.push("the checkpoint was deleted while seawall was not running".to_owned());
            }
            Look::Unreadable => {
                troubles.push("the checkpoint was changed while seawall was not running".to_owned());
            }
        }
        let torn = match &last {
            Some((path, end)) if end.torn > 0 => Some((end.torn, set_aside(directory, path, end.whole)?)),
            _ => None,
        };
        let (file, path, len) = match last {
            Some((path, end)) if troubles.is_empty() => {
                (private(OpenOptions::new().append(true)).open(&path)?, path, end.whole)
            }
            _ => {
                let (file, path) = begin(directory, seq.saturating_add(1))?;
                (file, path, 0)
            }
        };
        let identity = Identity::of(&file.metadata()?);
        let mut disk = Self {
            directory: directory.to_owned(),
            options,
            head,
            file,
            path,
            identity,
            len,
            pending: 0,
            synced_at: now,
            suspect: None,
        };
        // What an earlier process wrote may not be on the disk yet.
        disk.sync(seq, hash, now)?;
        Ok(Found { disk, seq, hash, recent, troubles, torn })
    }

    /// What somebody else did to the files, or what happened to them.
    pub(super) fn damage(&self) -> Option<String> {
        if self.suspect.is_some() {
            return self.suspect.clone();
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let what = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "was deleted".to_owned(),
            Err(error) => format!("cannot be looked at ({error})"),
            Ok(meta) if !self.identity.is(&meta) => "was replaced".to_owned(),
            Ok(meta) if meta.len() < self.len => format!("was cut from {} to {} bytes", self.len, meta.len()),
            Ok(meta) if meta.len() > self.len => {
                format!("has {} bytes that were not written here", meta.len() - self.len)
            }
            Ok(_) => return self.head.damage(),
        };
        Some(format!("{name} {what} while seawall was running"))
    }

    /// Leaves the present file as it is and begins another, whose first entry will be `first`.
    pub(super) fn renew(&mut self, first: u64) -> io::Result<()> {
        private_directory(&self.directory)?;
        if self.head.damage().is_some() {
            let (head, _) = Head::take(&self.directory).map_err(|taken| match taken {
                Taken::ByAnother => io::Error::other("another process has taken its directory"),
                Taken::Failed(error) => error,
            })?;
            self.head = head;
        }
        let (file, path) = begin(&self.directory, first)?;
        self.identity = Identity::of(&file.metadata()?);
        (self.file, self.path, self.len, self.pending, self.suspect) = (file, path, 0, 0, None);
        Ok(())
    }

    /// Begins another file where the present one is long enough. When that fails, the present one grows on.
    pub(super) fn rotate(&mut self, seq: u64, hash: Hash, now: Instant) {
        if self.len < self.options.rotate.max(1) || self.sync(seq, hash, now).is_err() {
            return;
        }
        // The next look finds out if this fails in a way that matters.
        let _ = self.renew(seq.saturating_add(1));
    }

    /// Appends a line: in the file, and on the disk too where that is asked for or due. After an error nothing of it
    /// counts.
    pub(super) fn append(
        &mut self,
        line: &[u8],
        seq: u64,
        hash: Hash,
        durable: bool,
        now: Instant,
    ) -> io::Result<Left> {
        if let Err(error) = self.file.write_all(line) {
            self.take_back(&error);
            return Err(error);
        }
        let before = self.len;
        self.len += line.len() as u64;
        self.pending = self.pending.saturating_add(1);
        let due = self.pending >= self.options.batch || now.since(self.synced_at) >= self.options.interval;
        if !(durable || due) {
            return Ok(Left::Written);
        }
        if let Err(error) = self.sync(seq, hash, now) {
            self.len = before;
            self.take_back(&error);
            return Err(error);
        }
        Ok(Left::Synced)
    }

    /// Cuts off what was written of a line, and never trusts this file again: after a failed write or sync nobody
    /// knows what of it will be there tomorrow.
    fn take_back(&mut self, error: &io::Error) {
        let _ = self.file.set_len(self.len);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.suspect = Some(format!("{name} could not be written ({error})"));
    }

    /// Brings what was written to the disk, and then says so in the checkpoint.
    pub(super) fn sync(&mut self, seq: u64, hash: Hash, now: Instant) -> io::Result<()> {
        self.file.sync_data()?;
        (self.pending, self.synced_at) = (0, now);
        // A checkpoint that is behind is no lie.
        let _ = self.head.write(seq, hash);
        Ok(())
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending > 0 && self.suspect.is_none()
    }
}

/// A new file, and its name on the disk.
fn begin(directory: &Path, first: u64) -> io::Result<(File, PathBuf)> {
    for again in 0..10 {
        let path = directory.join(verify::name(first, again));
        match private(OpenOptions::new().append(true).create_new(true)).open(&path) {
            Ok(file) => {
                sync_directory(directory)?;
                return Ok((file, path));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("{} files that begin with entry {first} are there already", 10)))
}

/// Moves what follows the last whole line to a file of its own, and says its name.
fn set_aside(directory: &Path, path: &Path, whole: u64) -> io::Result<String> {
    let bytes = fs::read(path)?;
    let torn = usize::try_from(whole).ok().and_then(|whole| bytes.get(whole..)).unwrap_or_default();
    for again in 0..1000 {
        let name = format!("torn-{again}.bin");
        match private(OpenOptions::new().write(true).create_new(true)).open(directory.join(&name)) {
            Ok(mut aside) => {
                aside.write_all(torn)?;
                aside.sync_all()?;
                sync_directory(directory)?;
                OpenOptions::new().write(true).open(path)?.set_len(whole)?;
                return Ok(name);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("a thousand torn entries are set aside already: look at them and remove them"))
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
