//! What was measured, in bounded memory: the last while as it was, the last day in quarters of an hour.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Doubt, Forecast, Limit, Options, Point, forecast};

/// How long the measurements are that become one.
const QUARTER: Duration = Duration::from_secs(900);

/// Numbers over time, oldest first. At most 4 KB.
#[derive(Debug, Clone, Default)]
pub struct Series {
    recent: VecDeque<Point>,
    quarters: VecDeque<Point>,
    /// The measurements of the quarter that has not ended.
    open: Option<Quarter>,
}

#[derive(Debug, Clone, Copy)]
struct Quarter {
    from: Point,
    sum: f64,
    count: u32,
}

impl Series {
    /// Measurements kept as they were.
    pub const RECENT: usize = 120;
    /// Quarters of an hour kept, each as the mean of its measurements: thirty hours.
    pub const QUARTERS: usize = 120;

    /// Takes note of a measurement. What is no number is not heard, nor what is older than the last.
    pub fn push(&mut self, point: Point) {
        let older = self.recent.back().is_some_and(|last| point.at < last.at);
        if older || !point.value.is_finite() {
            return;
        }
        keep(&mut self.recent, point, Self::RECENT);
        let open = self.open.get_or_insert(Quarter { from: point, sum: 0.0, count: 0 });
        if point.at.since(open.from.at) >= QUARTER {
            let mean =
                Point { at: open.from.at + QUARTER / 2, value: open.sum / f64::from(open.count.max(1)) };
            *open = Quarter { from: point, sum: 0.0, count: 0 };
            if mean.value.is_finite() {
                keep(&mut self.quarters, mean, Self::QUARTERS);
            }
        }
        open.sum += point.value;
        open.count = open.count.saturating_add(1);
    }

    /// The last measurements as they were, oldest first.
    pub fn recent(&self) -> impl Iterator<Item = Point> + '_ {
        self.recent.iter().copied()
    }

    /// The mean of each quarter of an hour in which something was measured, oldest first. The present one is not there
    /// yet.
    pub fn quarters(&self) -> impl Iterator<Item = Point> + '_ {
        self.quarters.iter().copied()
    }

    /// When the limit will be passed: what the recent past says, or else what the last day says. Of two doubts, that about
    /// the recent past.
    pub fn forecast(&self, limit: Limit, options: &Options) -> Result<Forecast, Doubt> {
        let recent: Vec<Point> = self.recent().collect();
        let doubt = match forecast(&recent, limit, options) {
            Ok(forecast) => return Ok(forecast),
            Err(Doubt::Passed) => return Err(Doubt::Passed),
            Err(doubt) => doubt,
        };
        // What lies in between has been seen, and was not it.
        let quarters: Vec<Point> = self.quarters().collect();
        let (Ok(far), Some(now), Some(then)) =
            (forecast(&quarters, limit, options), recent.last(), quarters.last())
        else {
            return Err(doubt);
        };
        let gone = now.at.since(then.at);
        let sooner = |span: Duration| span.saturating_sub(gone);
        Ok(Forecast {
            lead: sooner(far.lead),
            earliest: sooner(far.earliest),
            latest: sooner(far.latest),
            ..far
        })
    }
}

fn keep(points: &mut VecDeque<Point>, point: Point, most: usize) {
    if points.len() >= most {
        points.pop_front();
    }
    points.push_back(point);
}
