//! A dry run: which policies only say what they would have done.

use seawall_core::Policy;
use serde::{Deserialize, Serialize};

/// The policies that decide and report, and let the call through: [`Fact::WouldReject`] or [`Fact::WouldRetry`] is
/// offered instead of a refusal or a retry. Spelled as a list: `shadow = ["limiter", "breaker"]`.
///
/// In shadow the limiter and the bulkhead neither make wait nor refuse; they count the calls that pass them by. The
/// breaker opens and closes as it would and refuses nothing. An attempt that takes longer than its patience is told and
/// goes on to the deadline. The deadline itself has no shadow: somebody has promised it.
///
/// [`Fact::WouldReject`]: seawall_core::event::Fact::WouldReject
/// [`Fact::WouldRetry`]: seawall_core::event::Fact::WouldRetry
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<Policy>", into = "Vec<Policy>")]
pub struct Shadow(u16);

/// The policies that can stand in the shadow.
const ABLE: [Policy; 5] =
    [Policy::Retry, Policy::Breaker, Policy::Limiter, Policy::Bulkhead, Policy::Deadline];

impl Shadow {
    /// Nothing is in the shadow.
    pub const NONE: Shadow = Shadow(0);

    /// Every policy that can be: what would seawall do to this traffic?
    pub fn all() -> Self {
        ABLE.iter().fold(Self::NONE, |shadow, policy| shadow.with(*policy))
    }

    /// The same, and this policy too; one that has no shadow changes nothing.
    #[must_use = "the set itself is unchanged"]
    pub fn with(self, policy: Policy) -> Self {
        if ABLE.contains(&policy) { Self(self.0 | bit(policy)) } else { self }
    }

    /// Does this policy only report?
    pub fn holds(self, policy: Policy) -> bool {
        self.0 & bit(policy) != 0
    }

    /// Does every policy act?
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

fn bit(policy: Policy) -> u16 {
    1 << policy as u16
}

impl TryFrom<Vec<Policy>> for Shadow {
    type Error = String;

    fn try_from(policies: Vec<Policy>) -> Result<Self, String> {
        policies.into_iter().try_fold(Self::NONE, |shadow, policy| {
            if ABLE.contains(&policy) {
                return Ok(shadow.with(policy));
            }
            let able: Vec<_> = ABLE.iter().map(|policy| format!("{:?}", policy.as_str())).collect();
            Err(format!("{:?} has no shadow: write any of {}", policy.as_str(), able.join(", ")))
        })
    }
}

impl From<Shadow> for Vec<Policy> {
    fn from(shadow: Shadow) -> Self {
        ABLE.into_iter().filter(|policy| shadow.holds(*policy)).collect()
    }
}
