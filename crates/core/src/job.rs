//! What is remembered of jobs between their attempts, and the port to where it is kept.
//!
//! A store keeps cells of text and changes one at a time, by comparing; it knows nothing of what stands in them. What
//! follows from them is decided in `seawall_policy::job`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::effect::Stamp;
use crate::store::Asked;

/// What a cell is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// One job: its type, and what identifies it within that type.
    Job(Arc<str>, Arc<str>),
    /// A type of jobs.
    Type(Arc<str>),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Job(kind, id) => write!(f, "{kind}/{id}"),
            Key::Type(kind) => f.write_str(kind),
        }
    }
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Another one with each change, and never one that this cell has had before.
    pub version: u64,
    /// Some hundred bytes; at most a quarter of a megabyte.
    pub text: String,
}

/// A memory of jobs. Workers that share one share attempts and breakers, in whatever process they are.
pub trait JobState: Send + Sync + fmt::Debug {
    /// Reads a cell.
    fn read<'a>(&'a self, key: &'a Key) -> Asked<'a, Option<Cell>>;

    /// Writes a cell, if it still has the version that was read (none: if it is not there), and says whether it did. It
    /// may be forgotten once `keep` has passed without another write.
    fn swap<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<u64>,
        text: String,
        keep: Duration,
    ) -> Asked<'a, bool>;
}

/// One job between its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Attempts that were begun.
    pub attempts: u32,
    /// No attempt before this, in milliseconds since 1970.
    #[serde(with = "stamp")]
    pub next: Stamp,
    /// The pause that leads there, in milliseconds.
    pub pause_ms: u64,
    /// Nothing more is to be attempted, unless somebody says otherwise.
    pub over: bool,
    /// What was attempted, the earliest first.
    pub history: Vec<Tried>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// When it began.
    #[serde(with = "stamp")]
    pub began: Stamp,
    /// How it ended, in words; nothing while it runs, or when it was never heard of again.
    pub ended: Option<String>,
}

/// What the breaker of a type of jobs has to know, since it was last closed and at rest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notes {
    /// In the order in which they were taken.
    pub notes: Vec<Note>,
    /// Who pulled the last lever, and why.
    pub lever: Option<Lever>,
}

/// Something that a breaker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    #[serde(with = "stamp")]
    pub at: Stamp,
    /// What.
    pub what: What,
}

/// What a breaker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// An attempt was let through as a probe, with this number.
    Probe(u64),
    /// An attempt worked that began then, as that probe if it was one.
    Worked(u64, Option<u64>),
    /// An attempt failed that began then, as that probe if it was one.
    Failed(u64, Option<u64>),
    /// That probe gave its place back and found out nothing.
    Gone(u64),
    /// Held open by somebody.
    ForceOpen,
    /// Held closed by somebody.
    ForceClosed,
    /// Somebody asked for a probe.
    HalfOpen,
    /// Somebody closed it.
    Reset,
}

/// Who moved a breaker, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lever {
    /// What was done.
    pub action: String,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    #[serde(with = "stamp")]
    pub at: Stamp,
}

/// A [`Stamp`] as its number.
mod stamp {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Stamp;

    pub(super) fn serialize<S: Serializer>(stamp: &Stamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(stamp.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stamp, D::Error> {
        u64::deserialize(deserializer).map(Stamp)
    }
}
