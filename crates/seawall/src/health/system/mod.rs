//! Checks of the machine: processor, memory, disks, temperature, network cards, graphics processors.
//!
//! They read what Linux shows under `/proc` and `/sys`, a few files each; on other systems, and where a file is not there,
//! a check is absent. All six together take well under a millisecond of processor time.

mod cpu;
mod disk;
mod gpu;
mod memory;
mod network;
mod temperature;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seawall_policy::Invalid;
use seawall_policy::health::judge;
use seawall_policy::health::trend::Limit;

use super::check::{Check, Finding, Measured, Probe, Probing};

pub use cpu::Cpu;
pub use disk::Disk;
pub use gpu::Gpu;
pub use memory::Memory;
pub use network::Network;
pub use temperature::Temperature;

/// The longest file that is read.
const LONGEST: u64 = 256 * 1024;

/// From where on a number is degraded, and from where on unhealthy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Degraded at so much or more.
    pub degraded: f64,
    /// Unhealthy at so much or more. Infinity is never.
    pub unhealthy: f64,
}

impl Bounds {
    /// Refuses bounds that are no numbers, or not in order.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.degraded > 0.0 && self.unhealthy >= self.degraded {
            return Ok(());
        }
        let message =
            format!("{} and {}: write two numbers, the smaller first", self.degraded, self.unhealthy);
        Err(Invalid::new("bounds", message))
    }

    /// A share of a whole, judged and described.
    fn of_share(&self, share: f64, what: &str) -> Finding {
        let why = format_args!("{what} at {:.0} %", share * 100.0);
        Finding::of(judge(share, self.degraded, self.unhealthy), why).measured(self.measure(share, "share"))
    }

    fn measure(&self, value: f64, unit: &'static str) -> Measured {
        let limit = self.unhealthy.is_finite().then_some(Limit::above(self.unhealthy));
        Measured { value, unit, limit }
    }
}

/// Where the system shows itself: `/`, or a copy of it in a test.
#[derive(Debug, Clone)]
struct Root(Arc<Path>);

impl Default for Root {
    fn default() -> Self {
        Self(Path::new("/").into())
    }
}

impl Root {
    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// A file as text; nothing if it is not there. Files of the kernel have no length, so that what they hold is bounded
    /// here.
    fn read(&self, path: &str) -> Option<String> {
        read(&self.at(path))
    }

    /// The names in a directory, in order; none if it is not there.
    fn list(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.at(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// A file that holds one number.
    fn number(&self, path: &str) -> Option<f64> {
        self.read(path)?.trim().parse().ok().filter(|number: &f64| number.is_finite())
    }
}

fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A look that takes no time to speak of, as a probe.
trait Look: Send + Sync + 'static {
    const KIND: &'static str;

    fn look(&self) -> Finding;
}

impl<L: Look> Probe for L {
    fn kind(&self) -> &'static str {
        L::KIND
    }

    fn probe(self: Arc<Self>) -> Probing {
        Box::pin(async move { self.look() })
    }
}

/// The usual checks of a machine, each with its usual bounds and the name of what it looks at: `cpu`, `memory`, `disk` (of
/// this path), `temperature`, `network`, `gpu`. All are supporting.
pub fn checks(disk: impl Into<PathBuf>) -> [Check; 6] {
    [
        Check::new("cpu", Cpu::default()),
        Check::new("memory", Memory::default()),
        Check::new("disk", Disk::of(disk)),
        Check::new("temperature", Temperature::default()),
        Check::new("network", Network::default()),
        Check::new("gpu", Gpu::default()),
    ]
}
