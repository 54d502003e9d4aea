//! A file that is moved aside when it is long or old, and of which only so many are kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::place::{Identity, private};

/// When a file is moved aside, and how many of those are kept for how long.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) rotate: u64,
    pub(super) every: Duration,
    pub(super) files: u32,
    pub(super) keep: Duration,
}

/// A file that is written by appending whole batches of lines.
#[derive(Debug)]
pub(super) struct Rotating {
    path: PathBuf,
    rules: Rules,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    identity: Identity,
    len: u64,
    began: SystemTime,
}

impl Rotating {
    /// It is made when the first line comes. A file that is there is gone on with.
    pub(super) fn new(path: PathBuf, rules: Rules) -> Self {
        Self { path, rules, open: None }
    }

    /// Appends whole lines. After an error nothing of them is there, unless the file could not be cut back either; then its
    /// last line is half, and the next begins on a new one.
    pub(super) fn append(&mut self, lines: &[u8], now: SystemTime) -> io::Result<()> {
        if self.is_due(lines.len(), now) {
            self.rotate();
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::at(&self.path, now)?),
        };
        match open.file.write_all(lines) {
            Ok(()) => {
                open.len += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                let _ = open.file.set_len(open.len);
                self.open = None;
                Err(error)
            }
        }
    }

    /// Looks whether the file is still the one that was opened; if not, the next line opens it anew.
    pub(super) fn look(&mut self) {
        let same = self.open.as_ref().is_some_and(|open| {
            fs::symlink_metadata(&self.path)
                .is_ok_and(|meta| open.identity.is(&meta) && meta.len() >= open.len)
        });
        if !same {
            self.open = None;
        }
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }

    fn is_due(&self, more: usize, now: SystemTime) -> bool {
        let Some(open) = &self.open else { return false };
        let long = open.len > 0 && open.len.saturating_add(more as u64) > self.rules.rotate;
        // A clock that was put back makes a file young again, and no more than that.
        let age = now.duration_since(open.began).unwrap_or_default();
        let old = !self.rules.every.is_zero() && open.len > 0 && age >= self.rules.every;
        long || old
    }

    /// `app.jsonl` becomes `app.jsonl.1`, that `app.jsonl.2`, and the last goes. Where a file cannot be moved, the present
    /// one grows on, and it is tried again with the next line.
    fn rotate(&mut self) {
        let last = self.rules.files - 1;
        if last == 0 {
            if fs::remove_file(&self.path).is_ok() {
                self.open = None;
            }
            return;
        }
        for number in (1..last).rev() {
            let _ = fs::rename(self.aside(number), self.aside(number + 1));
        }
        if fs::rename(&self.path, self.aside(1)).is_ok() {
            self.open = None;
        }
    }

    fn aside(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Deletes what was moved aside and is older than is kept, and what is more than is kept.
    pub(super) fn prune(&self, now: SystemTime) {
        let (Some(folder), Some(name)) =
            (self.path.parent(), self.path.file_name().and_then(|name| name.to_str()))
        else {
            return;
        };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let found = entry.file_name();
            let number = found
                .to_str()
                .and_then(|found| found.strip_prefix(name)?.strip_prefix('.')?.parse::<u32>().ok());
            let Some(number) = number else { continue };
            let age = entry
                .metadata()
                .and_then(|meta| meta.modified())
                .map(|at| now.duration_since(at).unwrap_or_default());
            let old = !self.rules.keep.is_zero() && age.is_ok_and(|age| age > self.rules.keep);
            if old || number >= self.rules.files {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Open {
    fn at(path: &Path, now: SystemTime) -> io::Result<Self> {
        let mut file = private(OpenOptions::new().append(true).create(true)).open(path)?;
        let meta = file.metadata()?;
        let mut len = meta.len();
        if len > 0 && !ends_a_line(path, len) {
            file.write_all(b"\n")?;
            len += 1;
        }
        // What a file that was there began with is not known; that it was made then is close enough.
        let began = if len == 0 { now } else { meta.created().unwrap_or(now) };
        Ok(Self { file, identity: Identity::of(&meta), len, began })
    }
}

/// A process that was killed may have left half a line.
fn ends_a_line(path: &Path, len: u64) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    let last = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(len - 1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        io::Result::Ok(byte[0])
    };
    // Who may not read it may still write it.
    last().map_or(true, |byte| byte == b'\n')
}
