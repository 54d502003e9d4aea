//! Reads a trail back, entry by entry, and names whatever is not as it was written.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::head;
use super::line::{self, Hash, LONGEST, Record};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Entries that were read and are whole.
    pub entries: u64,
    /// Files that were read.
    pub files: u64,
    /// The first entry.
    pub first: Option<Mark>,
    /// The last entry. Its hash stands for all before it: noted down elsewhere, it shows later whether somebody has
    /// written the whole trail anew.
    pub last: Option<Mark>,
    /// What is wrong, in the order of the lines; the first thousand.
    pub problems: Vec<Problem>,
    /// Problems beyond those.
    pub more: u64,
}

/// Where an entry stands in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub ts: String,
    /// Its hash.
    pub hash: String,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// In which file.
    pub file: String,
    /// In which line, from 1.
    pub line: u64,
    /// What.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// A broken trail must not fill the memory with what is wrong with it.
const TOLD: usize = 1000;

impl Report {
    /// Is everything as it was written?
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn problem(&mut self, file: &Path, line: u64, what: impl Into<String>) {
        if self.problems.len() < TOLD {
            self.problems.push(Problem { file: file.display().to_string(), line, what: what.into() });
        } else {
            self.more += 1;
        }
    }
}

/// Holds a trail to its chain: one file, or a directory with every file of it and the checkpoint.
///
/// A directory must begin with entry 1 and reach the entry of its checkpoint. A file alone may begin anywhere, and
/// nobody can tell whether its last lines are missing. An error means that something could not be read at all.
pub fn verify(path: &Path) -> io::Result<Report> {
    read(path, |_| ())
}

/// The same, giving every whole entry to `each`.
pub fn read(path: &Path, mut each: impl FnMut(Record)) -> io::Result<Report> {
    let mut report = Report::default();
    let mut chain = Chain::default();
    if fs::metadata(path)?.is_dir() {
        // Before the entries: whoever writes meanwhile writes the entry first.
        let head = head::look(&path.join(head::NAME))?;
        let files = files(path)?;
        if files.is_empty() && !matches!(head, head::Look::At(..)) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no audit trail"));
        }
        chain = Chain { next: Some(1), ..Chain::default() };
        if let head::Look::At(seq, hash) = head {
            chain.checkpoint = Some((seq, hash));
        }
        for file in &files {
            walk(file, &mut chain, &mut report, |record, _| each(record))?;
        }
        let reached = chain.reached();
        let (file, lines) = (path.join(head::NAME), 1);
        match head {
            head::Look::At(seq, _) if seq > reached => {
                report.problem(&file, lines, format!("{} at the end", missing(reached + 1, seq)));
            }
            head::Look::At(..) => {}
            head::Look::Absent => report.problem(&file, lines, "the checkpoint is missing"),
            head::Look::Unreadable => {
                report.problem(&file, lines, "the checkpoint was changed: it cannot be read");
            }
        }
    } else {
        walk(path, &mut chain, &mut report, |record, _| each(record))?;
    }
    Ok(report)
}

/// The files of a directory, in the order of their entries.
pub(super) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(place) = name.to_str().and_then(place) {
            files.push((place, directory.join(name)));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// The file whose first entry has this number; `again` where one of that name is there and is not ours any more.
pub(super) fn name(first: u64, again: u32) -> String {
    match again {
        0 => format!("audit-{first:012}.jsonl"),
        again => format!("audit-{first:012}_{again}.jsonl"),
    }
}

fn place(name: &str) -> Option<(u64, u32)> {
    let stem = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?;
    let (first, again) = stem.split_once('_').unwrap_or((stem, "0"));
    Some((first.parse().ok()?, again.parse().ok()?))
}

/// Where a reader is in the chain.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The number that is due; none before the first entry of a file alone.
    pub(super) next: Option<u64>,
    /// The hash of the entry before, where that is known.
    pub(super) prev: Option<Hash>,
    /// Lines since then that could not be read, each of which may have been an entry.
    unread: u64,
    /// What must be true of one entry.
    pub(super) checkpoint: Option<(u64, Hash)>,
}

impl Chain {
    /// Takes one more entry, and says what is wrong with its place.
    fn follow(&mut self, record: &Record, prev: Hash, hash: Hash) -> Option<String> {
        let seq = record.seq;
        let due = self.next.unwrap_or(seq);
        let latest = due.saturating_add(self.unread);
        if seq < due {
            return Some(format!("entry {seq} is here again or out of its place: {due} was due"));
        }
        let known = if seq == 1 { Some(Hash::NONE) } else { self.prev.filter(|_| seq == due) };
        let wrong = if seq > latest {
            Some(missing(due, seq - 1))
        } else if known.is_some_and(|known| known != prev) {
            Some(format!(
                "entry {seq} does not follow the one before it: that one was written anew, or this one put in"
            ))
        } else if self.checkpoint.is_some_and(|(at, known)| at == seq && known != hash) {
            Some(format!("entry {seq} is not the one the checkpoint knows: it was written anew"))
        } else {
            None
        };
        *self = Self {
            next: Some(seq.saturating_add(1)),
            prev: Some(hash),
            unread: 0,
            checkpoint: self.checkpoint,
        };
        wrong
    }

    /// The last entry that is there, counting lines that may have been one.
    fn reached(&self) -> u64 {
        self.next.unwrap_or(1).saturating_sub(1).saturating_add(self.unread)
    }

    fn unreadable(&mut self) {
        self.unread = self.unread.saturating_add(1);
    }
}

fn missing(from: u64, to: u64) -> String {
    if from == to {
        format!("entry {from} is missing")
    } else {
        format!("entries {from} to {to} are missing")
    }
}

/// Where the whole lines of a file end, and how many bytes follow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct End {
    pub(super) whole: u64,
    pub(super) torn: u64,
}

/// Reads one file.
pub(super) fn walk(
    path: &Path,
    chain: &mut Chain,
    report: &mut Report,
    mut each: impl FnMut(Record, Hash),
) -> io::Result<End> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut line, mut number, mut end) = (Vec::new(), 0, End::default());
    report.files += 1;
    loop {
        line.clear();
        let mut read = reader.by_ref().take(LONGEST as u64).read_until(b'\n', &mut line)? as u64;
        if read == 0 {
            return Ok(end);
        }
        number += 1;
        let whole = line.last() == Some(&b'\n');
        if !whole && read == LONGEST as u64 {
            read += skip_line(&mut reader)?;
        } else if !whole {
            end.torn = read;
            report.problem(path, number, format!("it is torn: {read} bytes without an end of line"));
            return Ok(end);
        }
        end.whole += read;
        match line::read(line.strip_suffix(b"\n").unwrap_or(&line)) {
            Ok((record, prev, hash)) => {
                if let Some(what) = chain.follow(&record, prev, hash) {
                    report.problem(path, number, what);
                }
                report.entries += 1;
                let mark = Mark { seq: record.seq, ts: record.ts.clone(), hash: record.hash.clone() };
                report.first.get_or_insert_with(|| mark.clone());
                report.last = Some(mark);
                each(record, hash);
            }
            Err(what) => {
                report.problem(path, number, what);
                chain.unreadable();
            }
        }
    }
}

/// Reads on to the end of a line that is longer than any of ours.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let (used, over) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(place) => (place + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        skipped += used as u64;
        if over {
            return Ok(skipped);
        }
    }
}
