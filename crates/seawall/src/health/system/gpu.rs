//! How the graphics processors are, where there are any.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use seawall_policy::Invalid;
use seawall_policy::health::judge;
use tokio::process::Command;

use super::{Bounds, Root};
use crate::health::check::{Finding, Probe, Probing};

/// The fullest memory of the graphics processors, and their temperature. Those of AMD are read from `/sys`, those of NVIDIA
/// are asked by `nvidia-smi`; a driver that hangs is unhealthy when the deadline passes. Absent where there are none.
#[derive(Debug)]
pub struct Gpu {
    memory: Bounds,
    heat: Bounds,
    root: Root,
    command: PathBuf,
}

/// Memory is degraded at 95 % and never unhealthy: programs that train take all of it at the start. Temperature is degraded
/// at 85 °C, unhealthy at 95 °C.
impl Default for Gpu {
    fn default() -> Self {
        Self {
            memory: Bounds { degraded: 0.95, unhealthy: f64::INFINITY },
            heat: Self::USUAL,
            root: Root::default(),
            command: "nvidia-smi".into(),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Card {
    name: String,
    memory: Option<f64>,
    heat: Option<f64>,
}

impl Gpu {
    /// The bounds of its temperature unless it is told others, in degrees Celsius.
    pub const USUAL: Bounds = Bounds { degraded: 85.0, unhealthy: 95.0 };

    /// With bounds of your own: memory as a share of 1, heat in degrees Celsius. Refuses bounds that are not in order.
    pub fn within(memory: Bounds, heat: Bounds) -> Result<Self, Invalid> {
        memory.check()?;
        heat.check()?;
        Ok(Self { memory, heat, ..Self::default() })
    }

    /// With bounds of your own for the temperature alone, in degrees Celsius. Refuses bounds that are not in order.
    pub fn hot(heat: Bounds) -> Result<Self, Invalid> {
        heat.check()?;
        Ok(Self { heat, ..Self::default() })
    }

    #[cfg(test)]
    pub(super) fn under(root: Root, command: PathBuf) -> Self {
        Self { root, command, ..Self::default() }
    }

    fn amd(&self) -> Vec<Card> {
        let cards = self.root.list("sys/class/drm");
        // `card0` is a card, `card0-HDMI-A-1` one of its sockets.
        let number = |name: &&String| name.strip_prefix("card").is_some_and(|n| n.parse::<u32>().is_ok());
        cards
            .iter()
            .filter(number)
            .filter_map(|name| {
                let folder = format!("sys/class/drm/{name}/device");
                let of = |file: &str| self.root.number(&format!("{folder}/{file}"));
                let memory = of("mem_info_vram_used")
                    .zip(of("mem_info_vram_total"))
                    .and_then(|(used, all)| (all > 0.0).then_some(used / all));
                let chips = self.root.list(&format!("{folder}/hwmon"));
                let heat = chips.iter().find_map(|chip| of(&format!("hwmon/{chip}/temp1_input")));
                let heat = heat.map(|thousandths| thousandths / 1000.0);
                (memory.is_some() || of("gpu_busy_percent").is_some()).then(|| Card {
                    name: name.clone(),
                    memory,
                    heat,
                })
            })
            .collect()
    }

    /// The cards of NVIDIA; nothing where the system knows of none.
    async fn nvidia(&self) -> Option<Result<Vec<Card>, String>> {
        if self.root.list("proc/driver/nvidia/gpus").is_empty() {
            return None;
        }
        let asked = Command::new(&self.command)
            .args([
                "--query-gpu=index,memory.used,memory.total,temperature.gpu",
                "--format=csv,noheader,nounits",
            ])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await;
        Some(match asked {
            Ok(output) if output.status.success() => Ok(parse(&String::from_utf8_lossy(&output.stdout))),
            Ok(output) => Err(format!("nvidia-smi ended with {}", output.status)),
            Err(error) => Err(format!("there is a card of NVIDIA, and nvidia-smi cannot be run: {error}")),
        })
    }

    fn judge(&self, cards: &[Card]) -> Finding {
        let mut worst = Finding::healthy();
        for Card { name, memory, heat } in cards {
            let said = |finding: Finding, worst: &mut Finding| {
                if finding.level > worst.level {
                    *worst = Finding { measured: worst.measured, ..finding };
                }
            };
            if let Some(share) = memory {
                said(self.memory.of_share(*share, &format!("memory of {name}")), &mut worst);
            }
            if let Some(degrees) = heat {
                let level = judge(*degrees, self.heat.degraded, self.heat.unhealthy);
                said(Finding::of(level, format_args!("{name} at {degrees:.0} °C")), &mut worst);
            }
        }
        let hottest = cards.iter().filter_map(|card| card.heat).max_by(f64::total_cmp);
        match hottest {
            Some(degrees) => worst.measured(self.heat.measure(degrees, "celsius")),
            None => worst,
        }
    }
}

/// Lines of number, megabytes used, megabytes in all, degrees. What a card does not tell is in brackets.
fn parse(text: &str) -> Vec<Card> {
    let card = |line: &str| {
        let mut fields = line.split(',').map(str::trim);
        let name = format!("gpu {}", fields.next()?.parse::<u32>().ok()?);
        let mut number = || fields.next()?.parse::<f64>().ok().filter(|number| number.is_finite());
        let (used, all, heat) = (number(), number(), number());
        let memory = used.zip(all).and_then(|(used, all)| (all > 0.0).then_some(used / all));
        Some(Card { name, memory, heat })
    };
    text.lines().filter_map(card).collect()
}

impl Probe for Gpu {
    fn kind(&self) -> &'static str {
        "gpu"
    }

    fn probe(self: Arc<Self>) -> Probing {
        Box::pin(async move {
            let mut cards = self.amd();
            match self.nvidia().await {
                Some(Err(why)) => return Finding::unhealthy(why),
                Some(Ok(found)) if found.is_empty() => {
                    return Finding::unhealthy("nvidia-smi knows of no card");
                }
                Some(Ok(found)) => cards.extend(found),
                None if cards.is_empty() => {
                    return Finding::absent("the machine shows no graphics processor");
                }
                None => {}
            }
            self.judge(&cards)
        })
    }
}
