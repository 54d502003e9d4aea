//! The name of one call: a UUID v7, so that ids sort by time.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::wall_now;

/// A call's id. Unique, sortable by time, and no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(uuid::Uuid);

impl CallId {
    /// A new id.
    pub fn new() -> Self {
        let millis = wall_now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        let mut random = [0; 10];
        random[..8].copy_from_slice(&fastrand::u64(..).to_le_bytes());
        random[8..].copy_from_slice(&fastrand::u16(..).to_le_bytes());
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(Self)
    }

    /// Milliseconds since the Unix epoch at which the id was made.
    pub fn millis(&self) -> u64 {
        let bytes = self.0.as_bytes();
        bytes[..6].iter().fold(0, |millis, byte| millis << 8 | u64::from(*byte))
    }

    /// Its last half, which is never zero: the id of the call's span.
    pub fn low(&self) -> u64 {
        let bytes = self.0.as_bytes();
        bytes[8..].iter().fold(0, |low, byte| low << 8 | u64::from(*byte))
    }

    /// Writes the 36 characters of the text form, without allocating.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

impl Default for CallId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; 36]))
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_seven_and_read_back() {
        let id = CallId::new();
        let text = id.to_string();
        assert_eq!(text.len(), 36);
        assert_eq!(text.as_bytes()[14], b'7');
        assert_eq!(CallId::parse(&text), Some(id));
        assert_eq!(CallId::parse("nonsense"), None);
        let now = wall_now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        assert!(now.abs_diff(u128::from(id.millis())) < 60_000);
    }
}
