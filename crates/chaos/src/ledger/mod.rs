//! The far side: a process that writes down whatever reaches it, never makes one of two by itself, and is never killed.
//!
//! It can hold a request and write it down when its sender is long dead, and it can lose a reply. Asked with a key, it
//! writes down that the second is the same as the first: that is the promise keyed effects rely on.

mod client;
pub mod http;
mod serve;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use client::{Client, Lost};
pub use serve::serve;

use crate::words::{At, What};

/// What the ledger is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// Do it.
    Do {
        /// Which.
        what: What,
        /// What a second copy is recognised by.
        key: String,
        /// The number of the grant it is done by.
        epoch: u64,
        /// The wish whose run it is.
        run: u64,
        /// The digest of what is to be done.
        print: String,
        /// Make one of two.
        keyed: bool,
        /// How long it is held, in milliseconds.
        hold: u64,
        /// Lose the reply: the connection ends instead.
        silent: bool,
        /// Refuse it for good.
        refuse: bool,
    },
    /// Is it there? With a fence, whatever comes by an older grant than that is refused from now on.
    Find {
        /// The key it was sent with.
        key: String,
        /// Grants below this are refused.
        fence: Option<u64>,
    },
    /// Is it there, by its name?
    Look {
        /// Which.
        what: What,
    },
    /// How many requests are held.
    Held,
}

/// What the ledger answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is written down; of two that were made one, the first's.
    Entered {
        /// Its number.
        number: u64,
        /// What was done.
        print: String,
    },
    /// Refused for good.
    Refused,
    /// Its grant is older than the fence.
    Fenced,
    /// What there is under the key.
    Found(Option<(u64, String)>),
    /// So many.
    Held(usize),
}

/// A question under its number, or an answer under the question's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbered<T> {
    /// The number.
    pub id: u64,
    /// What is said.
    pub said: T,
}

crate::listed! {
    /// What became of a request that arrived.
    Verdict {
        /// It was done.
        Done = "done",
        /// It was the same as one before.
        Again = "again",
        /// It was refused for good.
        Refused = "refused",
        /// Its grant was older than a fence.
        Fenced = "fenced",
    }
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u64,
    /// What became of it.
    pub verdict: Verdict,
    /// Which effect.
    pub what: What,
    /// By which grant.
    pub epoch: u64,
    /// The wish whose run it was.
    pub run: u64,
    /// What was done.
    pub print: String,
    /// When it arrived.
    pub at: At,
}

/// The file: lines are only ever appended.
#[derive(Debug)]
pub struct Book {
    file: File,
    entries: u64,
}

impl Book {
    /// Opens a book for writing; a new one has no lines.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let entries = read(path)?.len() as u64;
        Ok(Self { file, entries })
    }

    /// Writes a line down before anybody is told of it.
    fn enter(&mut self, entry: impl FnOnce(u64) -> Entry) -> io::Result<u64> {
        let number = self.entries + 1;
        let line = crate::words::line(&entry(number));
        self.file.write_all(line.as_bytes())?;
        self.entries = number;
        Ok(number)
    }
}

/// All lines of a book.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let lines = BufReader::new(File::open(path)?).lines();
    lines.map(|line| serde_json::from_str(&line?).map_err(io::Error::other)).collect()
}
