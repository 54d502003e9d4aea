//! The alerts of one rule: one for each set of labels its condition says something of.

use std::collections::BTreeMap;
use std::time::Duration;

use seawall_core::Instant;

use super::{Labels, Machine, Moved, NoData, Phase, Reading, Rule, Samples, Seen};

/// How many alerts a rule may have at once. What goes beyond is counted and not watched.
pub const CROWD: usize = 1000;

/// How long an alert that is over is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(3600);

/// One alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alert {
    /// What it is doing.
    pub machine: Machine,
    /// The number that was last compared.
    pub value: Option<f64>,
    /// It was active before a restart, and not everything its rule looks back on has been seen again.
    pub carried: bool,
}

/// The alerts of one rule, as a value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Book {
    alerts: BTreeMap<Labels, Alert>,
    nearest: Option<f64>,
    blind: bool,
    refused: usize,
}

impl Book {
    /// The alerts as they were left: what each was doing, its last number, and when it was last looked at.
    pub fn restored(
        alerts: impl IntoIterator<Item = (Labels, Phase, Option<f64>, Instant)>,
        now: Instant,
    ) -> Self {
        let alert = |(labels, phase, value, seen)| {
            (labels, Alert { machine: Machine::restored(phase, seen, now), value, carried: true })
        };
        Self { alerts: alerts.into_iter().take(CROWD).map(alert).collect(), ..Self::default() }
    }

    /// Those that are doing something, or did so lately.
    pub fn alerts(&self) -> &BTreeMap<Labels, Alert> {
        &self.alerts
    }

    /// Was there nothing to judge by, the last time?
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// The number that was nearest to making the condition hold, the last time.
    pub fn nearest(&self) -> Option<f64> {
        self.nearest
    }

    /// How many alerts were too many, the last time.
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// Looks at the metrics, and says which alerts moved. `watched` is for how long the metrics have been watched: what was
    /// active before a restart is not called well by half of what the rule looks back on.
    pub fn step(
        &mut self,
        rule: &Rule,
        samples: &dyn Samples,
        watched: Duration,
        now: Instant,
    ) -> Vec<(Labels, Moved)> {
        let readings = rule.when.read(samples, now);
        let over = rule.until.as_ref().map(|until| until.read(samples, now));
        self.nearest = nearest(&readings, rule.when.is_upward());
        self.blind = readings.is_empty();
        self.refused = 0;
        let mut moved = Vec::new();
        let mut crowd = self.alerts.len();
        let mut heard: BTreeMap<&Labels, (Seen, f64)> = BTreeMap::new();
        for reading in &readings {
            let seen = match (reading.holds, &over) {
                (true, _) => Seen::Holds,
                (false, None) => Seen::Clear,
                (false, Some(over)) => {
                    let well = |other: &Reading| other.holds && other.labels.agrees(&reading.labels);
                    if over.iter().any(well) { Seen::Clear } else { Seen::Between }
                }
            };
            heard.insert(&reading.labels, (seen, reading.value));
            if seen == Seen::Holds && !self.alerts.contains_key(&reading.labels) {
                match crowd < CROWD {
                    true => self.begin(reading.labels.clone(), now),
                    false => self.refused += 1,
                }
                crowd = self.alerts.len();
            }
        }
        let nothing = Labels::default();
        if self.blind && rule.no_data == NoData::Fire && self.alerts.values().all(is_idle) {
            self.begin(nothing, now);
        }
        let warm = watched >= rule.span();
        for (labels, alert) in &mut self.alerts {
            alert.carried &= !warm;
            let seen = match heard.get(labels) {
                Some((seen, value)) => {
                    alert.value = Some(*value);
                    *seen
                }
                // Its own series is gone while there are others: that is no want of data any more.
                None if !self.blind && rule.no_data == NoData::Fire => Seen::Clear,
                None => Seen::Blind,
            };
            // What was over stays so: that everything is blind is one alert, and not one for each that ever was.
            if seen == Seen::Blind && rule.no_data == NoData::Fire && is_idle(alert) && !labels.is_empty() {
                continue;
            }
            let seen = if alert.carried && seen == Seen::Clear { Seen::Between } else { seen };
            if let Some(change) = alert.machine.step(rule, seen, now) {
                moved.push((labels.clone(), change));
            }
        }
        self.alerts.retain(|_, alert| match alert.machine.phase() {
            Phase::Quiet => false,
            Phase::Resolved { at, .. } => now.since(at) < REMEMBERED,
            Phase::Pending { .. } | Phase::Active { .. } | Phase::Recovering { .. } => true,
        });
        moved
    }

    fn begin(&mut self, labels: Labels, now: Instant) {
        self.alerts.entry(labels).or_insert(Alert {
            machine: Machine::new(now),
            value: None,
            carried: false,
        });
    }
}

fn is_idle(alert: &Alert) -> bool {
    matches!(alert.machine.phase(), Phase::Quiet | Phase::Resolved { .. })
}

fn nearest(readings: &[Reading], upward: bool) -> Option<f64> {
    let values = readings.iter().map(|reading| reading.value).filter(|value| !value.is_nan());
    match upward {
        true => values.max_by(f64::total_cmp),
        false => values.min_by(f64::total_cmp),
    }
}
