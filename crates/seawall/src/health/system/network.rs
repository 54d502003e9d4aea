//! Are the network cards connected, and do packets get through them?

use std::collections::BTreeMap;
use std::sync::Mutex;

use seawall_policy::Invalid;

use super::{Bounds, Finding, Look, Root};
use crate::lock;

/// The share of packets since the last look that a card could not send or take in, the worst card's; unhealthy if none is
/// up. The loopback does not count. Whether anybody is reached is for `net::Tcp` to say (feature
/// `probe`).
#[derive(Debug)]
pub struct Network {
    bounds: Bounds,
    root: Root,
    before: Mutex<BTreeMap<String, Counts>>,
}

#[derive(Debug, Clone, Copy)]
struct Counts {
    packets: u64,
    lost: u64,
}

/// Fewer packets than this show nothing.
const ENOUGH: u64 = 100;

/// Degraded at 1 %, unhealthy at 20 %.
impl Default for Network {
    fn default() -> Self {
        Self { bounds: Self::USUAL, root: Root::default(), before: Mutex::default() }
    }
}

impl Network {
    /// The bounds it has unless it is told others.
    pub const USUAL: Bounds = Bounds { degraded: 0.01, unhealthy: 0.20 };

    /// With bounds of your own, as shares of 1. Refuses bounds that are not in order.
    pub fn within(bounds: Bounds) -> Result<Self, Invalid> {
        bounds.check()?;
        Ok(Self { bounds, ..Self::default() })
    }

    #[cfg(test)]
    pub(super) fn under(root: Root) -> Self {
        Self { root, ..Self::default() }
    }

    /// Nothing if the card is down; an unknown state is that of cards which do not tell.
    fn counts(&self, card: &str) -> Option<Counts> {
        let folder = format!("sys/class/net/{card}");
        let state = self.root.read(&format!("{folder}/operstate"))?;
        if !matches!(state.trim(), "up" | "unknown") {
            return None;
        }
        let sum = |names: [&str; 2]| {
            names.iter().fold(0u64, |sum, name| {
                let count = self.root.read(&format!("{folder}/statistics/{name}"));
                sum.saturating_add(count.and_then(|count| count.trim().parse().ok()).unwrap_or(0))
            })
        };
        // Not what was dropped on the way in: that is also how a card throws away what is nobody's business.
        let lost = sum(["rx_errors", "tx_errors"]).saturating_add(sum(["tx_dropped", "rx_fifo_errors"]));
        Some(Counts { packets: sum(["rx_packets", "tx_packets"]), lost })
    }
}

impl Look for Network {
    const KIND: &'static str = "network";

    fn look(&self) -> Finding {
        let cards = self.root.list("sys/class/net");
        let cards: Vec<&String> = cards.iter().filter(|card| *card != "lo").collect();
        if cards.is_empty() {
            return Finding::absent("the machine shows no network card");
        }
        let now: BTreeMap<String, Counts> =
            cards.iter().filter_map(|card| Some(((*card).clone(), self.counts(card)?))).collect();
        if now.is_empty() {
            return Finding::unhealthy("no network card is up");
        }
        let before = std::mem::replace(&mut *lock(&self.before), now.clone());
        let worst = now.iter().filter_map(|(card, now)| {
            let before = before.get(card)?;
            let (packets, lost) =
                (now.packets.checked_sub(before.packets)?, now.lost.checked_sub(before.lost)?);
            (packets >= ENOUGH).then(|| (card, (lost as f64 / packets.saturating_add(lost) as f64)))
        });
        match worst.max_by(|a, b| a.1.total_cmp(&b.1)) {
            Some((card, share)) => self.bounds.of_share(share, &format!("packets lost by {card}")),
            None => Finding::healthy(),
        }
    }
}
