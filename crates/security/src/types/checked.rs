//! Settings that were checked, and cannot be changed since.

use std::fmt;
use std::ops::Deref;

use seawall_policy::Invalid;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Settings that know what is wrong with them.
pub trait Check {
    /// Everything that is wrong, by key.
    fn check(&self) -> Vec<Invalid>;
}

/// Settings that were checked: they can be read and not changed, so they stay right.
///
/// Read by `serde` it is checked too, and everything that is wrong is one error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checked<T>(T);

impl<T: Check> Checked<T> {
    /// Checks. Refuses with everything that is wrong, and clamps nothing.
    pub fn new(settings: T) -> Result<Self, Problems> {
        match settings.check() {
            problems if problems.is_empty() => Ok(Self(settings)),
            problems => Err(Problems(problems)),
        }
    }

    /// The settings, to change and check again.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: Check + Default> Default for Checked<T> {
    fn default() -> Self {
        Self(T::default())
    }
}

impl<T> Deref for Checked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Serialize> Serialize for Checked<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Check + Deserialize<'de>> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(T::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Everything that is wrong with a table of settings; never empty when it is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(
    /// In the order of the keys.
    pub Vec<Invalid>,
);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Invalid { key, message }) in self.0.iter().enumerate() {
            write!(f, "{}{key}: {message}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Checking(pub(super) Vec<Invalid>);

impl Checking {
    /// What must be so, or it is said.
    pub(super) fn must(&mut self, holds: bool, key: &'static str, message: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Invalid::new(key, message()));
        }
    }

    /// A number within its range.
    pub(super) fn within<N: PartialOrd + fmt::Display + Copy>(
        &mut self,
        key: &'static str,
        value: N,
        least: N,
        most: N,
    ) {
        self.must(least <= value && value <= most, key, || {
            format!("{value} is not from {least} to {most}: write a number in between")
        });
    }

    /// A span within its range.
    pub(super) fn lasting(
        &mut self,
        key: &'static str,
        value: std::time::Duration,
        least: std::time::Duration,
        most: std::time::Duration,
    ) {
        let written = seawall_core::units::format_duration;
        self.must(least <= value && value <= most, key, || {
            format!(
                "{} is not from {} to {}: write a span in between",
                written(value),
                written(least),
                written(most)
            )
        });
    }
}
