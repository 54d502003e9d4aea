//! Writing inside a directory: a file appears whole or not at all.

use std::io::{self, Write};

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _};

use super::{Base, PathError, Relative, Rules, Trouble, too_large};
use crate::random;

/// A file that is being written, under a name nobody can guess. Nobody sees it under its own name before
/// [`finish`](Writing::finish); dropped before that, it is gone.
#[derive(Debug)]
pub struct Writing<'b> {
    base: &'b Base,
    parent: Dir,
    file: File,
    temporary: String,
    path: Relative,
    rules: Rules,
    written: u64,
    fresh: bool,
    done: bool,
}

impl Base {
    /// Begins a file, mode 0600. One that is there stays until the new one is whole, and is then replaced in one step; a
    /// link is replaced and not followed.
    pub fn begin(&self, path: &Relative, rules: &Rules) -> Result<Writing<'_>, PathError> {
        self.begun(path, rules, false)
    }

    /// The same where there is nothing of that name; whether there is, is asked at the end, in the same step.
    pub fn begin_new(&self, path: &Relative, rules: &Rules) -> Result<Writing<'_>, PathError> {
        self.begun(path, rules, true)
    }

    /// Writes a file in one step.
    pub fn write(&self, path: &Relative, rules: &Rules, bytes: &[u8]) -> Result<(), PathError> {
        self.all(self.begin(path, rules)?, bytes)
    }

    /// The same where there is nothing of that name.
    pub fn write_new(&self, path: &Relative, rules: &Rules, bytes: &[u8]) -> Result<(), PathError> {
        self.all(self.begin_new(path, rules)?, bytes)
    }

    fn all(&self, mut writing: Writing<'_>, bytes: &[u8]) -> Result<(), PathError> {
        match writing.write_all(bytes) {
            Ok(()) => writing.finish(),
            Err(_) if bytes.len() as u64 > writing.rules.most => {
                Err(too_large(&writing.path, &writing.rules))
            }
            Err(why) => Err(self.failed("written", &writing.path, &why)),
        }
    }

    fn begun(&self, path: &Relative, rules: &Rules, fresh: bool) -> Result<Writing<'_>, PathError> {
        rules.check(path)?;
        let parent = self.folder(path, rules.links)?;
        let random = random::bytes::<12>().map_err(|why| PathError::new(Trouble::Failed, why.to_string()))?;
        let temporary = format!(".seawall-{}.tmp", random::hex(&random));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = parent.open_with(&temporary, &options).map_err(|why| self.why(&parent, path, "", &why))?;
        let (path, rules) = (path.clone(), rules.clone());
        Ok(Writing { base: self, parent, file, temporary, path, rules, written: 0, fresh, done: false })
    }
}

impl Writing<'_> {
    /// Brings the file to the disk and gives it its name; when this returns, both outlive a loss of power.
    pub fn finish(mut self) -> Result<(), PathError> {
        let failed = |why: &io::Error| self.base.failed("written", &self.path, why);
        self.file.sync_all().map_err(|why| failed(&why))?;
        let name = self.path.name();
        if self.fresh {
            // A second name instead of a new one: it is refused where there is something already. The first name goes
            // when this is dropped.
            self.parent
                .hard_link(&self.temporary, &self.parent, name)
                .map_err(|why| self.base.why(&self.parent, &self.path, "", &why))?;
        } else {
            // A directory of that name is not replaced.
            self.parent.rename(&self.temporary, &self.parent, name).map_err(|why| failed(&why))?;
            self.done = true;
        }
        synced(&self.parent).map_err(|why| failed(&why))
    }
}

/// Brings a directory's names to the disk. The descriptor we walk with can be walked with and nothing else.
fn synced(directory: &Dir) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::openat(directory, ".", flags, Mode::empty())?;
    Ok(rustix::fs::fsync(open)?)
}

impl Write for Writing<'_> {
    /// Refuses what would make the file larger than its rules allow.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.rules.most.saturating_sub(self.written);
        if left == 0 && !bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file would be larger than allowed"));
        }
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let written = self.file.write(&bytes[..take])?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.done {
            // Nothing is left to be told.
            let _ = self.parent.remove_file(&self.temporary);
        }
    }
}
