//! The board in numbers.

use seawall_policy::alert::Severity;

use super::board::Board;
use super::lane::{Lane, Tally};
use crate::metrics::{Counter, Gauge, Registry, names};

#[derive(Debug)]
pub(super) struct Meters {
    active: Vec<(Severity, Gauge)>,
    lanes: Vec<LaneMeters>,
}

#[derive(Debug)]
struct LaneMeters {
    waiting: Gauge,
    delivered: Counter,
    failed: Counter,
    dropped: Counter,
    before: Tally,
}

impl Meters {
    /// Everything is there from the start, at zero.
    pub(super) fn new(board: &Board, registry: &Registry) -> Self {
        let gauge =
            |severity: &Severity| (*severity, names::ALERTS_ACTIVE.with(registry, [severity.as_str()]));
        let lane = |lane: &Lane| {
            let counter = |result| names::ALERT_NOTICES.with(registry, [&*lane.name, result]);
            LaneMeters {
                waiting: names::ALERT_NOTICES_WAITING.with(registry, [&*lane.name]),
                delivered: counter("delivered"),
                failed: counter("failed"),
                dropped: counter("dropped"),
                before: lane.tally.clone(),
            }
        };
        Self {
            active: Severity::ALL.iter().map(gauge).collect(),
            lanes: board.lanes.iter().map(lane).collect(),
        }
    }

    pub(super) fn show(&mut self, board: &Board) {
        let counts = board.active();
        for (severity, gauge) in &self.active {
            gauge.set(counts[*severity as usize] as f64);
        }
        for (meters, lane) in self.lanes.iter_mut().zip(&board.lanes) {
            let (now, before) = (&lane.tally, &meters.before);
            meters.waiting.set(lane.queue.len() as f64);
            meters.delivered.add(now.delivered.saturating_sub(before.delivered));
            meters.failed.add(now.failed.saturating_sub(before.failed));
            meters.dropped.add(now.dropped.saturating_sub(before.dropped));
            meters.before = now.clone();
        }
    }
}

impl Board {
    /// How many alerts are active and not silenced, by severity.
    fn active(&self) -> [usize; Severity::ALL.len()] {
        let mut counts = [0; Severity::ALL.len()];
        for ruled in &self.rules {
            for (labels, alert) in ruled.book.alerts() {
                let key = || super::key::Key { rule: ruled.name.clone(), labels: labels.clone() };
                if alert.machine.phase().is_active() && self.silence_of(&key()).is_none() {
                    counts[ruled.rule.severity as usize] += 1;
                }
            }
        }
        counts
    }
}
