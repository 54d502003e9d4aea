//! What must be known later: who did what, and why, handed to whoever writes it where it cannot be changed unseen.
//!
//! The port is small and synchronous, so that a store, a lever and a job can write before they act. The one that keeps
//! a chained file is `seawall_signals::audit::Trail`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

crate::words! {
    /// What becomes of a deed that cannot be written down.
    Class {
        /// It is refused: what nobody could account for does not happen.
        Closed = "closed",
        /// It happens all the same, and the loss is counted.
        Open = "open",
    }
}

/// A particular of an entry. No fractions: they have too many spellings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Arc<str>),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Number(number) => serializer.serialize_u64(*number),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Value::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Value::Number(number.into())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Flag(flag)
    }
}

/// Something that is to be written down. Never a secret: entries are for reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What becomes of it when it cannot be written.
    pub class: Class,
    /// What kind of deed, such as `lever.force-open` or `job.retry`: a word of the program, never of its users.
    pub kind: Cow<'static, str>,
    /// What it was done to.
    pub subject: Arc<str>,
    /// Who did it; `seawall` for what nobody asked for.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// The particulars.
    pub data: BTreeMap<Cow<'static, str>, Value>,
}

impl Entry {
    /// An entry without which the deed is refused.
    pub fn closed(kind: impl Into<Cow<'static, str>>, subject: impl Into<Arc<str>>) -> Self {
        Self::new(Class::Closed, kind.into(), subject.into())
    }

    /// An entry whose loss is counted.
    pub fn open(kind: impl Into<Cow<'static, str>>, subject: impl Into<Arc<str>>) -> Self {
        Self::new(Class::Open, kind.into(), subject.into())
    }

    fn new(class: Class, kind: Cow<'static, str>, subject: Arc<str>) -> Self {
        Self { class, kind, subject, by: "seawall".into(), reason: "".into(), data: BTreeMap::new() }
    }

    /// The same entry, saying who.
    pub fn by(mut self, by: impl Into<Arc<str>>) -> Self {
        self.by = by.into();
        self
    }

    /// The same entry, saying why.
    pub fn because(mut self, reason: impl Into<Arc<str>>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The same entry with one more particular.
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.data.insert(key.into(), value.into());
        self
    }
}

/// Takes entries.
///
/// It is asked before the deed, on the thread that does it, and may block for as long as a disk takes.
pub trait Audit: Send + Sync + fmt::Debug {
    /// Writes an entry. An error means: do not do it. An entry of [`Class::Open`] never gives one; its loss is
    /// counted.
    fn note(&self, entry: Entry) -> Result<(), AuditError>;
}

impl<A: Audit + ?Sized> Audit for Arc<A> {
    fn note(&self, entry: Entry) -> Result<(), AuditError> {
        (**self).note(entry)
    }
}

/// Why an entry could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditError {
    /// In words: lower case, no full stop.
    pub why: String,
}

impl AuditError {
    /// Because of this.
    pub fn new(why: impl fmt::Display) -> Self {
        Self { why: why.to_string() }
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the audit trail cannot be written: {}", self.why)
    }
}

impl std::error::Error for AuditError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_who_why_and_the_particulars_once_each() {
        let entry = Entry::closed("lever.reset", "openai").by("ann").because("it is well again");
        let entry = entry.with("calls", 7u32).with("calls", 8u32).with("held", true);
        assert_eq!((entry.class, &*entry.by, &*entry.reason), (Class::Closed, "ann", "it is well again"));
        assert_eq!(serde_json::to_string(&entry.data).unwrap(), r#"{"calls":8,"held":true}"#);
        assert_eq!(&*Entry::open("job.retry", "train").by, "seawall");
    }
}
