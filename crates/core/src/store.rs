//! Memory that outlives a call, a process or a machine, as those who need it see it.
//!
//! A store runs each [`Operation`] as one atomic step of `seawall_policy::effect` (or, on a server of its own, of a
//! second writing of it that is held equal by tests) and answers only when the step is as durable as it promises.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use crate::effect::{Answer, Key, Note, Operation, Record};

/// A question on its way to a store. Dropping it does not take the question back.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A memory of effects.
pub trait Store: Send + Sync + fmt::Debug {
    /// Asks one question. An error means that the answer is not known: the question may have been taken in, and may be
    /// asked again with the same nonce or token.
    fn ask(&self, operation: Operation) -> Asked<'_, Told>;

    /// Lets time pass over at most `limit` records that are due, and says how many there were.
    fn sweep(&self, limit: usize) -> Asked<'_, Swept>;

    /// Records in one state (or all), by label, from after `after` on.
    fn list(&self, wanted: Wanted) -> Asked<'_, Page>;

    /// What an acknowledged step survives.
    fn promise(&self) -> Promise;

    /// Why nothing that could do harm twice is begun under keys it does not know, where it may have forgotten some.
    fn doubted(&self) -> Option<String> {
        None
    }

    /// A person says that whatever it forgot has been looked after. Where nothing was forgotten, nothing changes.
    fn settle(&self) -> Asked<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Writes what it is at this moment to a file that is not there yet, whole or not at all. Refuses where it is no
    /// file itself.
    fn backup(&self, _path: &Path) -> Asked<'_, ()> {
        let why = "it is no file: back up the server it is on".to_owned();
        Box::pin(std::future::ready(Err(StoreError::Unavailable(why))))
    }
}

/// What a question came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The answer.
    pub answer: Answer,
    /// What an operator or an auditor should know.
    pub notes: Vec<Note>,
}

/// What time did to records nobody asked about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// How many changed.
    pub changed: usize,
    /// What an operator or an auditor should know, with the label of each record.
    pub notes: Vec<(Arc<str>, Note)>,
}

/// Which records are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The word of a state; none is all.
    pub state: Option<String>,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// Where a page ended, in the store's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

/// Some records, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The records.
    pub records: Vec<(Key, Record)>,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
    /// How many there are in all, where the store can say so at once.
    pub total: Option<u64>,
}

crate::words! {
    /// What an acknowledged step survives. Each word includes those before it.
    Promise {
        /// Nothing: it is gone with the process.
        Process = "process",
        /// The end of this process, kill -9 included, and of the store's; some seconds may be lost with the machine's
        /// power, or when a replica takes over.
        Restart = "restart",
        /// The loss of power.
        Power = "power",
    }
}

/// Why a store gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// It cannot be reached, or took too long. The question may have been taken in.
    Unavailable(String),
    /// Another process has it, and it is for one alone.
    InUse(String),
    /// It has lost what it had acknowledged: until that is settled, nothing that could happen twice is begun.
    Forgot(String),
    /// It has no room left. Nothing was taken in.
    Full(String),
    /// It failed in a way after which nothing it says can be trusted; open it anew.
    Broken(String),
    /// What is stored cannot be read: it is damaged, or of a newer version.
    Unreadable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unavailable(why) => write!(f, "the store cannot be reached: {why}"),
            StoreError::InUse(why) => f.write_str(why),
            StoreError::Forgot(why) => write!(f, "the store has forgotten what it acknowledged: {why}"),
            StoreError::Full(why) => write!(f, "the store is full: {why}"),
            StoreError::Broken(why) => write!(f, "the store has failed and must be opened anew: {why}"),
            StoreError::Unreadable(why) => write!(f, "the store cannot be read: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}
