//! A dry run: which policies only say what they would have done.

use std::fmt;
use std::ops::BitOr;

use serde::{Deserialize, Serialize};

/// The policies that decide and report, and let the call through: [`Fact::WouldReject`], [`Fact::WouldRetry`] or
/// [`Fact::WouldHedge`] is offered instead of a refusal, a retry or a hedge. Spelled as a list:
/// `shadow = ["limiter", "breaker"]`.
///
/// In the shadow the limiter and the bulkhead neither make wait nor refuse; a call they would have refused is not
/// counted. The breaker opens and closes as it would and refuses nothing. An attempt that takes longer than its patience
/// is told when it has ended. The deadline of the whole call has no shadow: somebody has promised it.
///
/// [`Fact::WouldReject`]: seawall_core::event::Fact::WouldReject
/// [`Fact::WouldRetry`]: seawall_core::event::Fact::WouldRetry
/// [`Fact::WouldHedge`]: seawall_core::event::Fact::WouldHedge
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<&'static str>")]
pub struct Shadow(u8);

const WORDS: [(&str, Shadow); 6] = [
    ("retry", Shadow::RETRY),
    ("breaker", Shadow::BREAKER),
    ("limiter", Shadow::LIMITER),
    ("bulkhead", Shadow::BULKHEAD),
    ("timeout", Shadow::TIMEOUT),
    ("hedge", Shadow::HEDGE),
];

impl Shadow {
    /// Every policy acts.
    pub const NONE: Shadow = Shadow(0);
    /// Retries are told, and not made.
    pub const RETRY: Shadow = Shadow(1);
    /// The breaker refuses nothing.
    pub const BREAKER: Shadow = Shadow(2);
    /// Limits and a provider's pauses hold nobody up.
    pub const LIMITER: Shadow = Shadow(4);
    /// The bulkhead lets everybody in.
    pub const BULKHEAD: Shadow = Shadow(8);
    /// An attempt may take as long as the deadline.
    pub const TIMEOUT: Shadow = Shadow(16);
    /// Hedges are told, and not made.
    pub const HEDGE: Shadow = Shadow(32);
    /// What would all of this do to my traffic?
    pub const ALL: Shadow = Shadow(63);

    /// Do all policies of `other` only report?
    pub const fn holds(self, other: Shadow) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Shadow {
    type Output = Shadow;
    fn bitor(self, other: Shadow) -> Shadow {
        Shadow(self.0 | other.0)
    }
}

impl TryFrom<Vec<String>> for Shadow {
    type Error = String;

    fn try_from(policies: Vec<String>) -> Result<Self, String> {
        policies.iter().try_fold(Self::NONE, |shadow, policy| {
            if let Some((_, found)) = WORDS.iter().find(|(word, _)| word == policy) {
                return Ok(shadow | *found);
            }
            let able: Vec<_> = WORDS.iter().map(|(word, _)| format!("{word:?}")).collect();
            Err(format!("{policy:?} has no shadow: write any of {}", able.join(", ")))
        })
    }
}

impl From<Shadow> for Vec<&'static str> {
    fn from(shadow: Shadow) -> Self {
        WORDS.iter().filter(|(_, policy)| shadow.holds(*policy)).map(|(word, _)| *word).collect()
    }
}

impl fmt::Debug for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(Vec::from(*self)).finish()
    }
}
