//! A limit for each operation and tenant, from one table of rates.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use seawall_core::{Clock, Code, Rejection};
use seawall_policy::Invalid;
use seawall_policy::limiter::tiers::{Tier, Tiers, is_fair};

use super::{Limiter, Stats, Taken};
use crate::time::default_clock;

/// Rates by operation, measured for each tenant apart: none can use up another's. Clones share it.
///
/// Where a tier has a total, a tenant gets no more of it than leaves something for the others.
#[derive(Debug, Clone)]
pub struct Tiered(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    operations: BTreeMap<String, Limits>,
    otherwise: Option<Limits>,
}

#[derive(Debug)]
struct Limits {
    each: Limiter,
    total: Option<Limiter>,
}

impl Tiered {
    /// Every tier at rest, on tokio's clock.
    pub fn new(tiers: &Tiers) -> Result<Self, Invalid> {
        Self::with(tiers, &default_clock())
    }

    /// The same on a clock of your own.
    pub fn with(tiers: &Tiers, clock: &Arc<dyn Clock>) -> Result<Self, Invalid> {
        tiers.check()?;
        let limits = |tier: &Tier| {
            let each = Limiter::with(tiers.each(tier), Some("tenant".into()), clock.clone())?;
            let total =
                tiers.total(tier).map(|total| Limiter::with(total, None, clock.clone())).transpose()?;
            Ok::<_, Invalid>(Limits { each, total })
        };
        let operations = tiers.operations.iter().map(|(name, tier)| Ok((name.clone(), limits(tier)?)));
        let operations = operations.collect::<Result<_, Invalid>>()?;
        let otherwise = tiers.otherwise.as_ref().map(limits).transpose()?;
        Ok(Self(Arc::new(Inner { operations, otherwise })))
    }

    /// Counts one operation of a tenant, or refuses with [`Code::RateLimited`] and when to come back. An operation
    /// without a tier is refused with [`Code::NoSuchThing`], unless there is one for all others.
    pub fn try_acquire(&self, operation: &str, tenant: &str) -> Result<TieredTaken<'_>, Rejection> {
        self.try_acquire_many(operation, tenant, 1)
    }

    /// The same for `n` at once.
    pub fn try_acquire_many(
        &self,
        operation: &str,
        tenant: &str,
        n: u32,
    ) -> Result<TieredTaken<'_>, Rejection> {
        if let Some(limits) = self.0.operations.get(operation) {
            return limits.take(tenant, n);
        }
        let Some(limits) = &self.0.otherwise else { return Err(self.unknown(operation)) };
        // Any word may be an operation here: each has a meter of its own among the tenants' and no map grows.
        limits.take(&format!("{}\u{0}{operation}\u{0}{tenant}", operation.len()), n)
    }

    /// What the limit of an operation has done.
    pub fn stats(&self, operation: &str) -> Option<Stats> {
        Some(self.limits(operation)?.each.stats())
    }

    /// How many of an operation a tenant could do at once now, were it alone.
    pub fn remaining(&self, operation: &str, tenant: &str) -> Option<u32> {
        Some(self.0.operations.get(operation)?.each.remaining(tenant))
    }

    fn limits(&self, operation: &str) -> Option<&Limits> {
        self.0.operations.get(operation).or(self.0.otherwise.as_ref())
    }

    fn unknown(&self, operation: &str) -> Rejection {
        let known: Vec<&str> = self.0.operations.keys().map(String::as_str).collect();
        let shown: String = operation.chars().take(40).collect();
        Rejection::new(Code::NoSuchThing).because(format!(
            "the operation {shown:?} has no tier: write one of {}, or give a tier for all others",
            known.join(", ")
        ))
    }
}

impl Limits {
    fn take(&self, tenant: &str, n: u32) -> Result<TieredTaken<'_>, Rejection> {
        let own = self.each.try_acquire_for(tenant, n)?;
        let Some(limiter) = &self.total else { return Ok(TieredTaken { own, total: None }) };
        let options = self.each.options();
        let most = options.quota().most();
        let used = most.saturating_sub(self.each.remaining(tenant)).saturating_sub(n);
        let total = if is_fair(used, n, limiter.remaining("")) {
            limiter.try_acquire_for("", n)
        } else {
            // When others' use has gone, which is not known; at the rate, the next of its own comes then.
            let interval = options.rate.per / options.rate.count.get();
            let why = "the tenant has its share of what all may do together";
            Err(Rejection::new(Code::RateLimited).because(why).after(interval))
        };
        match total {
            Ok(total) => Ok(TieredTaken { own, total: Some(total) }),
            Err(refusal) => {
                own.give_back();
                self.each.0.refused.fetch_add(1, Ordering::Relaxed);
                Err(refusal)
            }
        }
    }
}

/// Proof that an operation was counted. Dropping it keeps it counted.
#[derive(Debug)]
pub struct TieredTaken<'a> {
    own: Taken<'a>,
    total: Option<Taken<'a>>,
}

impl TieredTaken<'_> {
    /// The operation did not take place: somebody else's may.
    pub fn give_back(self) {
        self.own.give_back();
        if let Some(total) = self.total {
            total.give_back();
        }
    }
}
