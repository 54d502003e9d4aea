//! A rate for each operation, measured for each tenant apart.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use seawall_core::units::Rate;
use serde::{Deserialize, Serialize};

use super::{Options, Queue, Quota};
use crate::Invalid;

/// The rates of operations. The default has four: `search` 30, `embed` 60, `transform` 10 and `health` 10 a minute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Tiers {
    /// What each tenant may do of each operation.
    pub operations: BTreeMap<String, Tier>,
    /// What each tenant may do of any other operation, each counted apart. Default none: an operation without a tier is
    /// a mistake, and is told so.
    pub otherwise: Option<Tier>,
    /// How many tenants are remembered for each operation. Default 10 000.
    pub max_keys: usize,
}

/// What one tenant may do of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// So many in so much time.
    pub rate: Rate,
    /// Size of the token bucket. Default none: a sliding window, which no span of time ever exceeds.
    #[serde(default)]
    pub burst: Option<NonZeroU32>,
    /// How many all tenants together may do in the same time. Default none: as many as they are. With it, no tenant has
    /// more than [`FAIR`] times what is left for the others.
    #[serde(default)]
    pub total: Option<NonZeroU32>,
}

/// A tenant has at most so many times what it leaves of a total: alone it gets four fifths, and whoever has had something
/// never gets the last.
pub const FAIR: u64 = 4;

/// May a tenant that has used `used` of a total have `n` more, while `left` are left for everybody?
pub fn is_fair(used: u32, n: u32, left: u32) -> bool {
    left.checked_sub(n).is_some_and(|left| u64::from(used) + u64::from(n) <= FAIR * u64::from(left) + 1)
}

impl Default for Tiers {
    fn default() -> Self {
        let operations = [("search", 30), ("embed", 60), ("transform", 10), ("health", 10)];
        let tier = |count: u32| Tier {
            rate: Rate { count: NonZeroU32::MIN.saturating_add(count - 1), per: Duration::from_secs(60) },
            burst: None,
            total: None,
        };
        Self {
            operations: operations.map(|(name, count)| (name.to_owned(), tier(count))).into(),
            otherwise: None,
            max_keys: Options::default().max_keys,
        }
    }
}

impl Tiers {
    /// Refuses what would let nothing through, or remember nothing.
    pub fn check(&self) -> Result<(), Invalid> {
        for tier in self.operations.values().chain(&self.otherwise) {
            self.each(tier).check()?;
            if let Some(total) = self.total(tier) {
                total.check()?;
            }
        }
        Ok(())
    }

    /// The options of the limit that each tenant has under a tier.
    pub fn each(&self, tier: &Tier) -> Options {
        Options {
            rate: tier.rate,
            burst: tier.burst,
            queue: Queue { max: 0, wait: Duration::ZERO },
            max_keys: self.max_keys,
            adaptive: None,
        }
    }

    /// The options of the limit that all tenants share under a tier, where there is one.
    pub fn total(&self, tier: &Tier) -> Option<Options> {
        let rate = Rate { count: tier.total?, per: tier.rate.per };
        Some(Options { rate, burst: None, ..self.each(tier) })
    }
}

impl Tier {
    /// The quota of each tenant.
    pub fn quota(&self) -> Quota {
        Quota { rate: self.rate, burst: self.burst }
    }
}
