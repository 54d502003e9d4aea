//! How often the same rules would have been right before.

use std::time::Duration;

use seawall_core::Instant;

use super::{Limit, Options, Point, forecast};

/// What forecasts were worth in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backtest {
    /// Times the limit was passed.
    pub failures: u32,
    /// Of those, the ones that had been foretold.
    pub foretold: u32,
    /// Times something was foretold.
    pub alarms: u32,
    /// Of those, the ones after which nothing happened in twice the time they gave.
    pub false_alarms: u32,
    /// How long before a failure the alarm came: half of those that were foretold had more.
    pub lead: Option<Duration>,
}

impl Backtest {
    /// The share of failures that were foretold; nothing where there was none.
    pub fn hits(&self) -> Option<f64> {
        share(self.foretold, self.failures)
    }

    /// The share of alarms that were false; nothing where there was none. One that is not decided yet is not false.
    pub fn false_share(&self) -> Option<f64> {
        share(self.false_alarms, self.alarms)
    }
}

fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

struct Alarm {
    raised: Instant,
    due: Instant,
}

/// Goes through measurements, oldest first, and foretells at each what the next ones bring, knowing only the `window`
/// measurements before it.
///
/// Costs a [`fit`](super::fit) for each measurement.
pub fn backtest(history: &[Point], window: usize, limit: Limit, options: &Options) -> Backtest {
    let mut result = Backtest::default();
    let mut leads = Vec::new();
    let mut alarm: Option<Alarm> = None;
    let mut failing = false;
    for (n, point) in history.iter().enumerate() {
        let passed = limit.is_passed_by(point.value);
        if passed && !failing {
            result.failures += 1;
            if let Some(alarm) = alarm.take() {
                result.foretold += 1;
                leads.push(point.at.since(alarm.raised));
            }
        }
        failing = passed;
        if passed {
            continue;
        }
        if alarm.take_if(|alarm| point.at > alarm.due).is_some() {
            result.false_alarms += 1;
        }
        if alarm.is_none()
            && let Ok(found) = forecast(&history[(n + 1).saturating_sub(window)..=n], limit, options)
        {
            result.alarms += 1;
            alarm = Some(Alarm { raised: point.at, due: point.at + found.lead.saturating_mul(2) });
        }
    }
    leads.sort_unstable();
    result.lead = leads.get(leads.len() / 2).copied();
    result
}
