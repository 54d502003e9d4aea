//! What is said on a channel.

use std::collections::BTreeMap;

use seawall_policy::alert::{Severity, What};
use serde::{Deserialize, Serialize};

seawall_core::words! {
    /// What is said about an alert.
    Kind {
        /// It is active.
        Active = "active",
        /// It is active still.
        Reminder = "reminder",
        /// It is over.
        Resolved = "resolved",
        /// Nothing: somebody tries out the channel.
        Test = "test",
    }
}

impl From<What> for Kind {
    fn from(what: What) -> Self {
        match what {
            What::Active => Kind::Active,
            What::Reminder => Kind::Reminder,
            What::Resolved => Kind::Resolved,
        }
    }
}

/// Something that is said once: about one alert, or about several of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Its name, the same however often delivery is tried.
    pub id: String,
    /// The group its alerts share.
    pub group: String,
    /// When it was written, in milliseconds since 1970.
    pub at: u64,
    /// What it is about, at least one.
    pub items: Vec<Item>,
}

/// One alert in a notice, as it was when the notice was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What is said.
    pub kind: Kind,
    /// The alert's name.
    pub id: String,
    /// Its rule.
    pub rule: String,
    /// What sets it apart from others of its rule.
    pub labels: BTreeMap<String, String>,
    /// How bad it is.
    pub severity: Severity,
    /// Since when it is active, in milliseconds since 1970; of one that is over, from when it was.
    pub since: u64,
    /// The number that was compared.
    pub value: Option<f64>,
    /// What it means.
    pub summary: String,
    /// Why this is said.
    pub why: String,
}

impl Notice {
    /// The worst of its alerts.
    pub fn severity(&self) -> Severity {
        self.items.iter().map(|item| item.severity).max().unwrap_or(Severity::Info)
    }

    /// One line that says it all, as for the subject of a mail.
    pub fn headline(&self) -> String {
        match self.items.as_slice() {
            [item] => item.headline(),
            items => {
                let count = |kinds: &[Kind]| items.iter().filter(|item| kinds.contains(&item.kind)).count();
                let parts = [
                    (count(&[Kind::Active, Kind::Reminder]), "active"),
                    (count(&[Kind::Resolved]), "resolved"),
                    (count(&[Kind::Test]), "tests"),
                ];
                let parts = parts.iter().filter(|(count, _)| *count > 0);
                let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
                let group = if self.group.is_empty() { String::new() } else { format!("{}: ", self.group) };
                format!("[{}] {group}{}", self.severity(), parts.join(", "))
            }
        }
    }
}

impl Item {
    /// One line: how bad, which, and whether it is over.
    pub fn headline(&self) -> String {
        let Self { severity, id, .. } = self;
        match self.kind {
            Kind::Active => format!("[{severity}] {id} is active"),
            Kind::Reminder => format!("[{severity}] {id} is still active"),
            Kind::Resolved => format!("[resolved] {id} is over"),
            Kind::Test => format!("[test] {id} works"),
        }
    }
}
