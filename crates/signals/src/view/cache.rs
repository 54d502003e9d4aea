//! What a cache had to do with a call, as it is seen from outside.

use serde::{Deserialize, Serialize};

/// What came of asking the cache, in the words of decisions and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheResult {
    /// A fresh answer was there.
    Hit,
    /// Nothing usable was there.
    Miss,
    /// Another call was fetching it, and this one waited for that.
    Joined,
    /// An old answer was given.
    Stale,
    /// The call was left out of it.
    Bypass,
}

impl CacheResult {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Hit, Self::Miss, Self::Joined, Self::Stale, Self::Bypass];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Joined => "joined",
            Self::Stale => "stale",
            Self::Bypass => "bypass",
        }
    }
}
