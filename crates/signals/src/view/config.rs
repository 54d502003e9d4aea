//! Configurations that were in force, as the admin port lists them.

use serde::{Deserialize, Serialize};

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Version {
    /// Its number, as a text.
    pub name: String,
    /// `in-force`, or `kept`.
    pub state: String,
    /// Its number.
    pub number: u64,
    /// When it came into force, in UTC.
    pub at: String,
    /// Which configuration it was of the process that ran it.
    pub generation: u64,
    /// `start`, `file`, `signal`, `lever`, `rollback`, `watch`, or `aside` for one that never was.
    pub cause: String,
    /// Who, where a person did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The number it says again what it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<u64>,
    /// The name of its file.
    pub file: String,
    /// SHA-256 of its text.
    pub sha256: String,
}

impl Version {
    /// How it came into force, in words: `rolled back to 3 by ann: the limit was too low`.
    pub fn story(&self) -> String {
        let what = match (self.cause.as_str(), self.again) {
            ("start", _) => "the program started".to_owned(),
            ("file", _) => "the file changed".to_owned(),
            ("signal", _) => "SIGHUP".to_owned(),
            ("lever", _) => "read again".to_owned(),
            ("rollback", Some(to)) => format!("rolled back to {to}"),
            ("watch", Some(to)) => format!("back to {to} by itself"),
            ("aside", _) => "written over, never in force".to_owned(),
            (other, _) => other.to_owned(),
        };
        match (self.by.as_str(), self.reason.as_str()) {
            ("", "") => what,
            ("", why) => format!("{what}: {why}"),
            (who, why) => format!("{what} by {who}: {why}"),
        }
    }
}

/// The configuration in force, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Configured {
    /// Its number in this process.
    pub generation: u64,
    /// The version it is kept as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// How many others somebody can go back to.
    pub earlier: u64,
    /// What somebody must know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}
