//! The audit trail as the admin port lists it.

use serde::{Deserialize, Serialize};

use crate::audit::{Record, Trail};

/// `/api/v1/audit`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Audit {
    /// Where it is kept: `files`, or `memory` where there is no state directory, and then it ends with this process.
    pub kept: String,
    /// Entries in all.
    pub entries: u64,
    /// Entries that could not be written and were not worth a refusal.
    pub lost: u64,
    /// Times its files were found cut, changed, replaced or deleted.
    pub troubles: u64,
    /// Why entries cannot be written at present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
    /// The latest first.
    pub audit: Vec<Audited>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Audited {
    /// Its number, as a text.
    pub id: String,
    /// `durable` (on the disk), `written` (in the file) or `memory`.
    pub state: String,
    /// The entry as it was written.
    #[serde(flatten)]
    pub record: Record,
}

impl Audit {
    /// How a trail stands, with its latest entries, at most `limit`.
    pub fn of(trail: &Trail, limit: usize) -> Self {
        let standing = trail.standing();
        let audited = |(record, kept): (Record, crate::audit::Kept)| Audited {
            id: record.seq.to_string(),
            state: kept.as_str().to_owned(),
            record,
        };
        Self {
            kept: if standing.in_files { "files" } else { "memory" }.to_owned(),
            entries: standing.entries,
            lost: standing.lost,
            troubles: standing.troubles,
            failing: standing.failing,
            audit: trail.latest(limit).into_iter().map(audited).collect(),
        }
    }
}
