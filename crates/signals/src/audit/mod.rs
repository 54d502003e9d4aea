//! Writes down who did what and why, each entry chained to the one before, and finds what was changed since.
//!
#![doc = include_str!("../../../../docs/audit.md")]

mod disk;
mod head;
mod line;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use seawall_core::audit::{Audit, AuditError, Class, Entry};
use seawall_core::clock::wall_now;
use seawall_core::event::{Event, Fact, Sink};
use seawall_core::{Clock, Instant};

use crate::metrics::{Observer, Registry, names};
use disk::{Disk, Left};
use line::{Hash, LONGEST};

pub use line::Record;
pub use verify::{Mark, Problem, Report, read, verify};

/// How a trail is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A file of this many bytes is followed by another. Default 16 MiB: read back in a tenth of a second.
    pub rotate: u64,
    /// Entries whose loss is only counted are brought to the disk after so many. Default 64.
    pub batch: u32,
    /// And after so much time, when the next comes or [`Trail::flush`] is called. Default 1 s.
    pub interval: Duration,
    /// The latest entries that are remembered for whoever asks. Default 1000.
    pub recent: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { rotate: 16 << 20, batch: 64, interval: Duration::from_secs(1), recent: 1000 }
    }
}

/// Why a trail could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// Another process writes it.
    InUse(PathBuf),
    /// Its directory or a file in it cannot be used, and why.
    Unusable(PathBuf, String),
}

impl OpenError {
    fn of(directory: &Path, error: &io::Error) -> Self {
        Self::Unusable(directory.to_owned(), error.to_string())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(
                f,
                "another process writes the audit trail in {}: stop it, or give this one a directory of its own",
                path.display()
            ),
            Self::Unusable(path, why) => {
                write!(f, "the audit trail in {} cannot be used: {why}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// How an entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// On the disk.
    Durable,
    /// In the file: it survives this process, and not yet the loss of power.
    Written,
    /// In this process's memory alone.
    Memory,
}

impl Kept {
    /// The word people see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Written => "written",
            Self::Memory => "memory",
        }
    }
}

/// How a trail stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Is it kept in files, or only in memory?
    pub in_files: bool,
    /// Entries in all.
    pub entries: u64,
    /// Entries that could not be written and were not worth a refusal, since this process began.
    pub lost: u64,
    /// Times somebody or something had touched the files, since this process began.
    pub troubles: u64,
    /// Why entries cannot be written at present.
    pub failing: Option<String>,
}

/// A chained trail of entries. Share it in an [`Arc`].
///
/// An entry costs one short lock, two looks at the file system and one write; an entry that must not be lost waits for
/// the disk besides, under that lock. Dropping the trail brings what is left to the disk.
pub struct Trail {
    options: Options,
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn Sink>>,
    lost: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    seq: u64,
    hash: Hash,
    /// The last entry known to be on the disk.
    synced: u64,
    recent: VecDeque<Record>,
    disk: Option<Disk>,
    troubles: u64,
    failing: Option<String>,
}

impl Trail {
    /// Opens the trail in a directory, or begins one there, offering its troubles to a sink.
    ///
    /// Reads the last file. An entry that was being written when the process was killed is set aside and told; files
    /// that were changed, cut or removed since are left as they are, told, and followed by a new one.
    pub fn open(
        directory: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, OpenError> {
        let now = clock.now();
        let found = Disk::open(directory, options.clone(), now)?;
        let mut recent = VecDeque::from(found.recent);
        recent.drain(..recent.len().saturating_sub(options.recent));
        let inner = Inner {
            seq: found.seq,
            hash: found.hash,
            synced: found.seq,
            recent,
            disk: Some(found.disk),
            troubles: 0,
            failing: None,
        };
        let trail = Self { options, clock, sink, lost: AtomicU64::new(0), inner: Mutex::new(inner) };
        let mut told = Vec::new();
        if let Some((bytes, file)) = found.torn {
            let entry = Entry::closed("audit.torn", "audit")
                .because("the entry that was being written when the process ended was set aside")
                .with("bytes", bytes)
                .with("file", file);
            told.push(entry.reason.to_string());
            trail.write(&mut trail.lock(), &entry, now).map_err(|error| OpenError::of(directory, &error))?;
        }
        for what in found.troubles {
            let entry = Entry::closed("audit.trouble", "audit").because(what.as_str());
            let mut inner = trail.lock();
            trail.write(&mut inner, &entry, now).map_err(|error| OpenError::of(directory, &error))?;
            inner.troubles += 1;
            told.push(what);
        }
        told.into_iter().for_each(|what| trail.tell(what, now));
        Ok(trail)
    }

    /// A trail that ends with this process: chained like any other, and kept only as far as [`Options::recent`] goes.
    pub fn in_memory(options: Options, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            seq: 0,
            hash: Hash::NONE,
            synced: 0,
            recent: VecDeque::new(),
            disk: None,
            troubles: 0,
            failing: None,
        };
        Self { options, clock, sink: None, lost: AtomicU64::new(0), inner: Mutex::new(inner) }
    }

    /// The latest entries that are remembered, the latest first, at most `limit`.
    pub fn latest(&self, limit: usize) -> Vec<(Record, Kept)> {
        let inner = self.lock();
        let kept = |record: &Record| match &inner.disk {
            None => Kept::Memory,
            Some(_) if record.seq <= inner.synced => Kept::Durable,
            Some(_) => Kept::Written,
        };
        inner.recent.iter().rev().take(limit).map(|record| (record.clone(), kept(record))).collect()
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let inner = self.lock();
        Standing {
            in_files: inner.disk.is_some(),
            entries: inner.seq,
            lost: self.lost.load(Ordering::Relaxed),
            troubles: inner.troubles,
            failing: inner.failing.clone(),
        }
    }

    /// Brings to the disk what was written and is not there yet. Does nothing where there is nothing.
    pub fn flush(&self) -> Result<(), AuditError> {
        let now = self.clock.now();
        let mut inner = self.lock();
        let (seq, hash) = (inner.seq, inner.hash);
        match inner.disk.as_mut().filter(|disk| disk.is_pending()) {
            Some(disk) => disk.sync(seq, hash, now).map_err(AuditError::new)?,
            None => return Ok(()),
        }
        inner.synced = seq;
        Ok(())
    }

    /// Exports how it stands.
    pub fn observe(self: &Arc<Self>, registry: &Registry) -> [Observer; 3] {
        let (entries, lost, troubles) = (self.clone(), self.clone(), self.clone());
        [
            names::AUDIT_ENTRIES
                .observe(registry, move |out| out.add(&[], entries.standing().entries as f64)),
            names::AUDIT_LOST.observe(registry, move |out| out.add(&[], lost.standing().lost as f64)),
            names::AUDIT_TROUBLES
                .observe(registry, move |out| out.add(&[], troubles.standing().troubles as f64)),
        ]
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether the files are as they were left, and writes an entry behind the last.
    fn append(&self, entry: &Entry, now: Instant, told: &mut Vec<String>) -> io::Result<()> {
        let mut inner = self.lock();
        let (seq, hash) = (inner.seq, inner.hash);
        let damage = inner.disk.as_ref().and_then(Disk::damage);
        let written = match (damage, inner.disk.as_mut()) {
            (Some(what), Some(disk)) => disk.renew(seq.saturating_add(1)).and_then(|()| {
                let trouble = Entry::closed("audit.trouble", "audit").because(what.as_str());
                self.write(&mut inner, &trouble, now)?;
                inner.troubles += 1;
                told.push(what);
                self.write(&mut inner, entry, now)
            }),
            (_, disk) => {
                if let Some(disk) = disk {
                    disk.rotate(seq, hash, now);
                }
                self.write(&mut inner, entry, now)
            }
        };
        // An entry that is too long says nothing about the next.
        if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput) {
            return written;
        }
        let failing = written.as_ref().err().map(ToString::to_string);
        if inner.failing.is_none()
            && let Some(why) = &failing
        {
            told.push(format!("entries cannot be written: {why}"));
        }
        inner.failing = failing;
        written
    }

    fn write(&self, inner: &mut Inner, entry: &Entry, now: Instant) -> io::Result<()> {
        let seq = inner.seq.saturating_add(1);
        let (line, hash) = line::write(seq, wall_now(), entry, inner.hash).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("the entry is longer than {LONGEST} bytes"))
        })?;
        let left = match &mut inner.disk {
            None => Left::Written,
            Some(disk) => disk.append(&line, seq, hash, entry.class == Class::Closed, now)?,
        };
        (inner.seq, inner.hash) = (seq, hash);
        if left == Left::Synced {
            inner.synced = seq;
        }
        // What was just written can be read; were it not so, only the memory of it would be missing.
        if let Ok((record, ..)) = line::read(line.strip_suffix(b"\n").unwrap_or(&line)) {
            if inner.recent.len() >= self.options.recent {
                inner.recent.pop_front();
            }
            inner.recent.push_back(record);
        }
        Ok(())
    }

    fn tell(&self, what: String, at: Instant) {
        if let Some(sink) = &self.sink {
            sink.offer(Event { at, name: "audit".into(), fact: Fact::AuditTrouble { what: what.into() } });
        }
    }
}

impl Audit for Trail {
    fn note(&self, entry: Entry) -> Result<(), AuditError> {
        let now = self.clock.now();
        let mut told = Vec::new();
        let written = self.append(&entry, now, &mut told);
        told.into_iter().for_each(|what| self.tell(what, now));
        match (written, entry.class) {
            (Err(error), Class::Closed) => Err(AuditError::new(error)),
            (Err(_), Class::Open) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            (Ok(()), _) => Ok(()),
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.flush();
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = self.standing();
        f.debug_struct("Trail")
            .field("entries", &standing.entries)
            .field("in_files", &standing.in_files)
            .finish()
    }
}
