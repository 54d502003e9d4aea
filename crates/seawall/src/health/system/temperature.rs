//! How hot the machine is.

use seawall_policy::Invalid;

use super::{Bounds, Finding, Look, Root};

/// The hottest sensor, in degrees Celsius. Absent where the machine shows none, as most virtual ones do.
#[derive(Debug)]
pub struct Temperature {
    bounds: Bounds,
    root: Root,
}

/// Degraded at 85 °C, unhealthy at 95 °C.
impl Default for Temperature {
    fn default() -> Self {
        Self { bounds: Self::USUAL, root: Root::default() }
    }
}

impl Temperature {
    /// The bounds it has unless it is told others, in degrees Celsius.
    pub const USUAL: Bounds = Bounds { degraded: 85.0, unhealthy: 95.0 };

    /// With bounds of your own, in degrees Celsius. Refuses bounds that are not in order.
    pub fn within(bounds: Bounds) -> Result<Self, Invalid> {
        bounds.check()?;
        Ok(Self { bounds, ..Self::default() })
    }

    #[cfg(test)]
    pub(super) fn under(root: Root) -> Self {
        Self { root, ..Self::default() }
    }

    /// Every sensor's name and what it shows.
    fn sensors(&self) -> Vec<(String, f64)> {
        let mut found = Vec::new();
        for zone in self.root.list("sys/class/thermal").iter().filter(|name| name.starts_with("thermal_zone"))
        {
            let folder = format!("sys/class/thermal/{zone}");
            if let Some(thousandths) = self.root.number(&format!("{folder}/temp")) {
                let name = self.root.read(&format!("{folder}/type")).unwrap_or_else(|| zone.clone());
                found.push((name.trim().to_owned(), thousandths / 1000.0));
            }
        }
        for chip in self.root.list("sys/class/hwmon") {
            let folder = format!("sys/class/hwmon/{chip}");
            let name = self.root.read(&format!("{folder}/name")).unwrap_or_else(|| chip.clone());
            let files = self.root.list(&folder);
            for file in files.iter().filter(|file| file.starts_with("temp") && file.ends_with("_input")) {
                if let Some(thousandths) = self.root.number(&format!("{folder}/{file}")) {
                    found.push((name.trim().to_owned(), thousandths / 1000.0));
                }
            }
        }
        // A sensor that is not wired says nonsense.
        found.retain(|(_, degrees)| (-50.0..=200.0).contains(degrees));
        found
    }
}

impl Look for Temperature {
    const KIND: &'static str = "temperature";

    fn look(&self) -> Finding {
        let sensors = self.sensors();
        let Some((name, degrees)) = sensors.iter().max_by(|a, b| a.1.total_cmp(&b.1)) else {
            return Finding::absent("the machine shows no temperature");
        };
        let level = seawall_policy::health::judge(*degrees, self.bounds.degraded, self.bounds.unhealthy);
        Finding::of(level, format_args!("{name} at {degrees:.0} °C"))
            .measured(self.bounds.measure(*degrees, "celsius"))
    }
}
