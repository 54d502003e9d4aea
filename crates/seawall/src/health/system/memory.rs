//! How full the memory is, of the machine or of the container, whichever is fuller.

use seawall_policy::Invalid;

use super::cpu::{field, own_group};
use super::{Bounds, Finding, Look, Root};

/// The share of memory that could not be had any more: of the machine, what the kernel does not call available; of a
/// control group with a limit (version 2), what it uses without what it could drop.
#[derive(Debug)]
pub struct Memory {
    bounds: Bounds,
    root: Root,
}

/// Degraded at 85 %, unhealthy at 95 %.
impl Default for Memory {
    fn default() -> Self {
        Self { bounds: Self::USUAL, root: Root::default() }
    }
}

impl Memory {
    /// The bounds it has unless it is told others.
    pub const USUAL: Bounds = Bounds { degraded: 0.85, unhealthy: 0.95 };

    /// With bounds of your own, as shares of 1. Refuses bounds that are not in order.
    pub fn within(bounds: Bounds) -> Result<Self, Invalid> {
        bounds.check()?;
        Ok(Self { bounds, ..Self::default() })
    }

    #[cfg(test)]
    pub(super) fn under(root: Root) -> Self {
        Self { root, ..Self::default() }
    }

    fn machine(&self) -> Option<f64> {
        let text = self.root.read("proc/meminfo")?;
        let (all, left) = (field(&text, "MemTotal:")?, field(&text, "MemAvailable:")?);
        used(all.saturating_sub(left), all)
    }

    fn container(&self) -> Option<f64> {
        let group = own_group(&self.root)?;
        // "max" is no limit, and no number.
        let limit = self.root.number(&format!("{group}/memory.max"))?;
        let used = self.root.number(&format!("{group}/memory.current"))?;
        let stat = self.root.read(&format!("{group}/memory.stat"));
        let droppable = stat.and_then(|stat| field(&stat, "inactive_file")).unwrap_or(0);
        (limit > 0.0).then(|| ((used - droppable as f64) / limit).clamp(0.0, 1.0))
    }
}

impl Look for Memory {
    const KIND: &'static str = "memory";

    fn look(&self) -> Finding {
        match self.machine().into_iter().chain(self.container()).max_by(f64::total_cmp) {
            Some(share) => self.bounds.of_share(share, "memory"),
            None => Finding::absent("/proc/meminfo is not there"),
        }
    }
}

fn used(used: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| used as f64 / all as f64)
}
