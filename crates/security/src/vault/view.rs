//! What may be shown of a vault: names, versions and dates, and what somebody should see to.

use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;

use super::entry::Entry;
use super::strength::{Grade, strength};
use super::{Name, State, Use, Vault, VaultError, when};
use crate::disk;

/// An entry, without its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedEntry {
    /// Its name.
    pub name: Name,
    /// How its newest version stands.
    pub state: State,
    /// Its versions, the newest first.
    pub versions: Vec<ListedVersion>,
    /// How often it was fetched, and when last; `None` if never.
    pub uses: Option<Use>,
}

/// A version, without its value. Moments are RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedVersion {
    /// From 1.
    pub version: u32,
    /// How it stands.
    pub state: State,
    /// When it was put in.
    pub created: String,
    /// When it stops being valid, whatever for.
    pub ends: Option<String>,
    /// When it was revoked.
    pub revoked: Option<String>,
}

/// What kind of thing somebody should see to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Worry {
    /// It expires before long: a fifth of its life is left, at most thirty days and at least one.
    ExpiresSoon,
    /// It has expired.
    Expired,
    /// It was revoked, and nothing took its place.
    Revoked,
    /// It can be guessed.
    Weak,
    /// It cannot be read.
    Unreadable,
    /// Others may read a file that is nobody else's affair.
    Exposed,
}

/// Something somebody should see to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Concern {
    /// The entry it is about; `None` when it is about the vault.
    pub name: Option<Name>,
    /// What kind.
    pub worry: Worry,
    /// Whether it is wrong already, or will be.
    pub wrong: bool,
    /// In words, with what to do.
    pub message: String,
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Vault {
    /// Every entry, by name.
    pub fn list(&self, now: SystemTime) -> Vec<ListedEntry> {
        let (at, uses) = (when::from_wall(now), self.uses());
        let listed = |(name, entry): (&Name, &Entry)| {
            let versions = entry.states(at).into_iter().rev().map(|(version, state)| ListedVersion {
                version: version.version,
                state,
                created: version.created.to_string(),
                ends: version.ends().map(|moment| moment.to_string()),
                revoked: version.revoked.map(|moment| moment.to_string()),
            });
            let versions: Vec<_> = versions.collect();
            let state = versions.first().map_or(State::Replaced, |version| version.state);
            ListedEntry { name: name.clone(), state, versions, uses: uses.get(name).copied() }
        };
        self.body.entries.iter().map(listed).collect()
    }

    /// Reads every value and says what is wrong with it, or will be.
    pub fn check(&self, now: SystemTime) -> Vec<Concern> {
        let at = when::from_wall(now);
        let mut concerns: Vec<Concern> = self.exposed().into_iter().collect();
        for (name, entry) in &self.body.entries {
            concerns.extend(self.concern(name, entry, at));
        }
        concerns
    }

    /// What is wrong with one entry, or will be.
    pub fn concerns(&self, name: &Name, now: SystemTime) -> Vec<Concern> {
        let entry = self.body.entries.get(name);
        entry.map(|entry| self.concern(name, entry, when::from_wall(now))).unwrap_or_default()
    }

    fn concern(&self, name: &Name, entry: &Entry, now: Timestamp) -> Vec<Concern> {
        let said =
            |worry, wrong, message: String| Concern { name: Some(name.clone()), worry, wrong, message };
        let renew = format!("give it a new value with `seawall vault set {name}`");
        let Some(current) = entry.current(now) else {
            let concern = match entry.states(now).last() {
                Some((version, State::Expired)) => {
                    let when = version.expires.unwrap_or(version.created);
                    said(Worry::Expired, true, format!("expired on {when}: {renew}"))
                }
                _ => said(
                    Worry::Revoked,
                    true,
                    format!(
                        "was revoked: {renew}, or take it out with `seawall vault revoke {name} --forget`"
                    ),
                ),
            };
            return vec![concern];
        };
        let mut concerns = Vec::new();
        if current.ends_soon(now) {
            let when = current.expires.unwrap_or(now);
            let renew = format!("put the next one in with `seawall vault rotate {name}`");
            concerns.push(said(Worry::ExpiresSoon, false, format!("expires on {when}: {renew}")));
        }
        for version in entry.valid(now) {
            match self.value(name, version) {
                Err(why) => concerns.push(said(Worry::Unreadable, true, why.to_string())),
                Ok(value) if version.version == current.version && !current.accept_weak => {
                    let judged = strength(value.expose());
                    if let (Grade::Weak, Some(why)) = (judged.grade, judged.why) {
                        let message = format!(
                            "is weak ({why}): take a longer one, or accept it with `seawall vault set {name} --accept-weak`"
                        );
                        concerns.push(said(Worry::Weak, true, message));
                    }
                }
                Ok(_) => {}
            }
        }
        concerns
    }

    /// The file is ciphertext, but names and dates are not, and a copy is where guessing begins.
    fn exposed(&self) -> Option<Concern> {
        let mode = disk::mode(&self.path)?;
        (mode & 0o077 != 0).then(|| Concern {
            name: None,
            worry: Worry::Exposed,
            wrong: true,
            message: format!(
                "the vault {} can be read by others (mode {:04o}): run chmod 600 on it",
                self.path.display(),
                mode & 0o7777
            ),
        })
    }

    /// How strong the current value of a name is.
    pub fn strength(&self, name: &Name, now: SystemTime) -> Result<super::Strength, VaultError> {
        Ok(strength(self.get(name, now)?.expose()))
    }
}
