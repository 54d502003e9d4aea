//! How often each value was fetched, and when last: statistics, in a file of their own.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Name, Vault, VaultError, lock, when};
use crate::disk;

const MOST: u64 = 4 << 20;

/// How a name was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// How often it was fetched to be used.
    pub count: u64,
    #[serde(with = "when")]
    last: Timestamp,
}

impl Use {
    /// When it was fetched last.
    pub fn last(&self) -> SystemTime {
        when::to_wall(self.last)
    }

    /// The same in words: RFC 3339.
    pub fn last_text(&self) -> String {
        self.last.to_string()
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Uses {
    seawall_vault_uses: u32,
    names: BTreeMap<Name, Use>,
}

impl Vault {
    /// Notes that these names were fetched to be used, one write for all of them. Names the vault does not have are left
    /// out. The vault itself is not written.
    pub fn note_uses<'n>(
        &self,
        names: impl IntoIterator<Item = &'n Name>,
        now: SystemTime,
    ) -> Result<(), VaultError> {
        let path = disk::beside(&self.path, ".uses");
        let _lock = lock(&self.path)?;
        let mut uses = self.uses();
        uses.retain(|name, _| self.body.entries.contains_key(name));
        let last = when::from_wall(now);
        for name in names.into_iter().filter(|name| self.body.entries.contains_key(*name)) {
            let noted = uses.entry(name.clone()).or_insert(Use { count: 0, last });
            *noted = Use { count: noted.count.saturating_add(1), last: noted.last.max(last) };
        }
        let text = serde_json::to_vec(&Uses { seawall_vault_uses: 1, names: uses }).unwrap_or_default();
        disk::replace(&path, &text, false).map_err(|why| VaultError::io("written", &path, &why))
    }

    /// How each name was used. A file that cannot be read counts as none: it is not worth stopping for.
    pub(super) fn uses(&self) -> BTreeMap<Name, Use> {
        let read = disk::read(&disk::beside(&self.path, ".uses"), MOST);
        let uses: Option<Uses> = read.ok().and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok());
        uses.unwrap_or_default().names
    }
}
