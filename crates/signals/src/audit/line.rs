//! One line of the trail: how it is written, what its hash covers, and how it is read back.

use std::fmt;
use std::time::SystemTime;

use seawall_core::audit::Entry;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A SHA-256, as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash([u8; 32]);

impl Hash {
    /// What the first entry of all follows.
    pub(super) const NONE: Hash = Hash([0; 32]);

    fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An entry as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number: the first is 1, and none is left out.
    pub seq: u64,
    /// When it was written: RFC 3339, in UTC, to the millisecond.
    pub ts: String,
    /// What kind of deed it is about.
    pub kind: String,
    /// What it was done to.
    pub subject: String,
    /// Who did it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The particulars.
    pub data: Map<String, Value>,
    /// The hash of the entry before; 64 zeros for the first.
    pub prev: String,
    /// The hash of this one.
    pub hash: String,
}

/// What the hash covers: everything else, in this order.
#[derive(Serialize)]
struct Body<'a> {
    seq: u64,
    ts: &'a str,
    kind: &'a str,
    subject: &'a str,
    by: &'a str,
    reason: &'a str,
    data: &'a std::collections::BTreeMap<std::borrow::Cow<'static, str>, seawall_core::audit::Value>,
    prev: &'a str,
}

/// What stands between the body and the hash. In JSON no text can contain it: its quotation marks would be escaped.
const SEAM: &[u8] = b",\"hash\":\"";

/// Seam, hash, and the end of the object.
const TAIL: usize = SEAM.len() + 64 + 2;

/// The longest line, its end included.
pub(super) const LONGEST: usize = 16 * 1024;

/// The line of an entry, its end included, and its hash. None when it is longer than [`LONGEST`].
pub(super) fn write(seq: u64, at: SystemTime, entry: &Entry, prev: Hash) -> Option<(Vec<u8>, Hash)> {
    let prev = prev.to_string();
    let body = Body {
        seq,
        ts: &timestamp(at),
        kind: &entry.kind,
        subject: &entry.subject,
        by: &entry.by,
        reason: &entry.reason,
        data: &entry.data,
        prev: &prev,
    };
    let mut line = serde_json::to_vec(&body).ok()?;
    let hash = Hash::of(&line);
    line.pop();
    line.extend_from_slice(SEAM);
    line.extend_from_slice(hash.to_string().as_bytes());
    line.extend_from_slice(b"\"}\n");
    (line.len() <= LONGEST).then_some((line, hash))
}

/// Reads a line, given without its end, and holds it to its own hash.
pub(super) fn read(line: &[u8]) -> Result<(Record, Hash, Hash), &'static str> {
    let split = line.len().checked_sub(TAIL).ok_or("it is no entry")?;
    let (body, tail) = line.split_at(split);
    let stated = tail.strip_prefix(SEAM).and_then(|tail| tail.strip_suffix(b"\"}")).and_then(Hash::parse);
    let stated = stated.ok_or("it is no entry: it does not end in a hash")?;
    if Hash::of(&[body, b"}"].concat()) != stated {
        return Err("it was changed: its hash is not that of its bytes");
    }
    let record: Record =
        serde_json::from_slice(line).map_err(|_| "it is no entry, though its hash is right")?;
    let prev = Hash::parse(record.prev.as_bytes()).ok_or("it is no entry: its prev is no hash")?;
    Ok((record, prev, stated))
}

/// RFC 3339, in UTC, to the millisecond.
fn timestamp(at: SystemTime) -> String {
    match jiff::Timestamp::try_from(at) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        // Further from now than the calendar goes.
        Err(_) => String::new(),
    }
}
