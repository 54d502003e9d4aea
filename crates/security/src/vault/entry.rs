//! An entry's versions, and which of them are valid when: decided from what is written, and from `now`.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::when;

/// How many versions of an entry are remembered; the values of those that are not valid any more are gone before that.
const REMEMBERED: usize = 8;

/// The versions of one name, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) versions: Vec<Version>,
}

/// One value a name had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    /// From 1, never used again.
    pub(super) version: u32,
    /// The value, for whoever has the key; gone once it is revoked or replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
    /// When it was put in.
    #[serde(with = "when")]
    pub(super) created: Timestamp,
    /// When it stops being valid of itself.
    #[serde(default, with = "when::option", skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<Timestamp>,
    /// When a newer one has taken its place for good.
    #[serde(default, with = "when::option", skip_serializing_if = "Option::is_none")]
    pub(super) retires: Option<Timestamp>,
    /// When somebody took it back.
    #[serde(default, with = "when::option", skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<Timestamp>,
    /// Somebody knows that it is weak.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) accept_weak: bool,
}

/// How a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The one that is used.
    Current,
    /// Still accepted, while a newer one takes over.
    Overlap,
    /// A newer one took its place.
    Replaced,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

impl State {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Current => "current",
            State::Overlap => "overlap",
            State::Replaced => "replaced",
            State::Expired => "expired",
            State::Revoked => "revoked",
        }
    }

    /// Whether its value may be used.
    pub const fn is_valid(self) -> bool {
        matches!(self, State::Current | State::Overlap)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Version {
    pub(super) fn new(version: u32, created: Timestamp, expires: Option<Timestamp>) -> Self {
        Self { version, token: None, created, expires, retires: None, revoked: None, accept_weak: false }
    }

    /// What has become of it by itself; whether it is the current one is known to its entry.
    fn stands(&self, now: Timestamp) -> State {
        let past = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment <= now);
        if self.revoked.is_some() {
            State::Revoked
        } else if past(self.retires) {
            State::Replaced
        } else if past(self.expires) {
            State::Expired
        } else if self.token.is_none() {
            State::Replaced
        } else {
            State::Current
        }
    }

    /// When its value stops being valid, whatever for.
    pub(super) fn ends(&self) -> Option<Timestamp> {
        [self.expires, self.retires].into_iter().flatten().min()
    }

    /// Whether its end is near: a fifth of its life is left, but not less than a day and not more than thirty.
    pub(super) fn ends_soon(&self, now: Timestamp) -> bool {
        const DAY: Duration = Duration::from_secs(86_400);
        let Some(expires) = self.expires else { return false };
        let span =
            |from: Timestamp, to| Duration::try_from(from.duration_until(to)).unwrap_or(Duration::ZERO);
        let ahead = (span(self.created, expires) / 5).clamp(DAY, DAY * 30);
        expires > now && span(now, expires) <= ahead
    }
}

impl Entry {
    /// Every version with how it stands, oldest first: at most one is current, and it is the newest that is valid.
    pub(super) fn states(&self, now: Timestamp) -> Vec<(&Version, State)> {
        let mut found = false;
        let mut states: Vec<_> = self
            .versions
            .iter()
            .rev()
            .map(|version| match version.stands(now) {
                State::Current if found => (version, State::Overlap),
                State::Current => {
                    found = true;
                    (version, State::Current)
                }
                other => (version, other),
            })
            .collect();
        states.reverse();
        states
    }

    /// The version that is used now.
    pub(super) fn current(&self, now: Timestamp) -> Option<&Version> {
        self.states(now).into_iter().find_map(|(version, state)| (state == State::Current).then_some(version))
    }

    /// Those that are valid, the current one first.
    pub(super) fn valid(&self, now: Timestamp) -> Vec<&Version> {
        let valid = self.states(now).into_iter().rev().filter(|(_, state)| state.is_valid());
        valid.map(|(version, _)| version).collect()
    }

    pub(super) fn next(&self) -> u32 {
        self.versions.iter().map(|version| version.version).max().unwrap_or(0).saturating_add(1)
    }

    /// Puts a version in. Those that were valid stay so until `until`, and without it no longer; those that were already
    /// on their way out go now, so that never more than two are valid.
    pub(super) fn replace(&mut self, version: Version, until: Option<Timestamp>, now: Timestamp) {
        let current = self.current(now).map(|version| version.version);
        for old in &mut self.versions {
            let end = if Some(old.version) == current { until.unwrap_or(now) } else { now };
            old.retires = Some(old.retires.map_or(end, |retires| retires.min(end)));
        }
        self.versions.push(version);
        self.tidy(now);
    }

    /// Values that will never be valid again go; so do versions nobody needs to see any more.
    pub(super) fn tidy(&mut self, now: Timestamp) {
        for version in &mut self.versions {
            if matches!(version.stands(now), State::Replaced | State::Revoked) {
                version.token = None;
            }
        }
        let more = self.versions.len().saturating_sub(REMEMBERED);
        self.versions.drain(..more);
    }
}
