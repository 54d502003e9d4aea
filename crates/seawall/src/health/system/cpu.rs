//! How busy the processor is, and, in a container with a quota, how much of that is used.

use std::sync::Mutex;

use seawall_core::{Clock, Instant};
use seawall_policy::Invalid;

use super::{Bounds, Finding, Look, Root};
use crate::lock;
use crate::time::DefaultClock;

/// The share of the processor that was busy since the last look, of the machine or of the quota of its control group
/// (version 2), whichever is more. The first look has nothing to compare with and measures nothing.
#[derive(Debug)]
pub struct Cpu {
    bounds: Bounds,
    root: Root,
    before: Mutex<Option<Sample>>,
}

/// Degraded at 90 %, never unhealthy: a batch machine that is busy does what it should.
impl Default for Cpu {
    fn default() -> Self {
        Self { bounds: Self::USUAL, root: Root::default(), before: Mutex::default() }
    }
}

impl Cpu {
    /// The bounds it has unless it is told others.
    pub const USUAL: Bounds = Bounds { degraded: 0.90, unhealthy: f64::INFINITY };

    /// With bounds of your own, as shares of 1. Refuses bounds that are not in order.
    pub fn within(bounds: Bounds) -> Result<Self, Invalid> {
        bounds.check()?;
        Ok(Self { bounds, ..Self::default() })
    }

    #[cfg(test)]
    pub(super) fn under(root: Root) -> Self {
        Self { root, ..Self::default() }
    }

    /// What is to be seen now.
    fn sample(&self, at: Instant) -> Option<Sample> {
        let (busy, all) = ticks(&self.root.read("proc/stat")?)?;
        let quota = own_group(&self.root).and_then(|group| {
            let used = field(&self.root.read(&format!("{group}/cpu.stat"))?, "usage_usec")?;
            let quota = self.root.read(&format!("{group}/cpu.max"))?;
            let (quota, period) = quota.trim().split_once(' ')?;
            let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
            (quota > 0.0 && period > 0.0).then_some(Quota { used, processors: quota / period })
        });
        Some(Sample { at, busy, all, quota })
    }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    busy: u64,
    all: u64,
    quota: Option<Quota>,
}

#[derive(Debug, Clone, Copy)]
struct Quota {
    /// Microseconds used.
    used: u64,
    /// How many processors it is worth.
    processors: f64,
}

impl Look for Cpu {
    const KIND: &'static str = "cpu";

    fn look(&self) -> Finding {
        self.look_at(DefaultClock.now())
    }
}

impl Cpu {
    pub(super) fn look_at(&self, now: Instant) -> Finding {
        let Some(sample) = self.sample(now) else { return Finding::absent("/proc/stat is not there") };
        let Some(before) = lock(&self.before).replace(sample) else { return Finding::healthy() };
        match share(&before, &sample) {
            Some(share) => self.bounds.of_share(share, "processor"),
            None => Finding::healthy(),
        }
    }
}

/// What was used between two samples: of the machine, or of the quota if that is more.
fn share(before: &Sample, now: &Sample) -> Option<f64> {
    let (busy, all) = (now.busy.checked_sub(before.busy)?, now.all.checked_sub(before.all)?);
    let machine = (all > 0).then(|| (busy as f64 / all as f64).min(1.0));
    let quota = before.quota.zip(now.quota).and_then(|(then, quota)| {
        let spent = quota.used.checked_sub(then.used)? as f64 / 1e6;
        let had = now.at.since(before.at).as_secs_f64() * quota.processors;
        (had > 0.0).then_some((spent / had).min(1.0))
    });
    machine.into_iter().chain(quota).max_by(f64::total_cmp)
}

/// Ticks that were busy, and all of them, from the line of all processors together.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // user nice system idle iowait irq softirq steal; what guests use is in user already.
    let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let all = ticks.iter().fold(0u64, |sum, ticks| sum.saturating_add(*ticks));
    let idle = ticks.get(3)?.saturating_add(ticks.get(4).copied().unwrap_or(0));
    Some((all.saturating_sub(idle), all))
}

/// The directory of this process's own control group, version 2.
pub(super) fn own_group(root: &Root) -> Option<String> {
    let groups = root.read("proc/self/cgroup")?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // A name from outside the container leads nowhere: then the root is our own.
    let own = format!("sys/fs/cgroup/{own}");
    let own = own.trim_end_matches('/').to_owned();
    let leads_out = own.split('/').any(|part| part == "..");
    Some(if leads_out || !root.at(&own).is_dir() { "sys/fs/cgroup".to_owned() } else { own })
}

/// A field of a file of lines like `name value` or `name: value kB`, without its unit.
pub(super) fn field(text: &str, name: &str) -> Option<u64> {
    let value = |line: &str| {
        line.strip_prefix(name)?.strip_prefix([' ', '\t'])?.split_whitespace().next()?.parse().ok()
    };
    text.lines().find_map(value)
}
