//! Remembers so much of the metrics as rules look back on, and answers their questions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use seawall_core::Instant;
use seawall_policy::alert::{Labels, Need, Point, Samples};

use crate::metrics::{Gathered, Kind, Sample, Value};

/// Samples that one series keeps for one span: of longer spans fewer a minute.
const FINEST: u64 = 720;

/// Samples that are kept altogether: sixteen bytes each. Series that come later are seen, and not remembered.
const MOST: usize = 250_000;

/// The metrics some rules need, sampled about every second.
///
/// A span of up to twelve minutes is remembered to the second, of an hour to five seconds, of a day to two minutes. A
/// histogram `x_seconds` is seen as two counters, `x_seconds_sum` and `x_seconds_count`.
#[derive(Debug)]
pub struct Watch {
    metrics: BTreeMap<String, Metric>,
    /// The families they come from.
    families: Arc<BTreeSet<String>>,
    most: usize,
    kept: usize,
    refused: u64,
    began: Option<Instant>,
    last: Option<Instant>,
}

#[derive(Debug, Default)]
struct Metric {
    /// How far back, by how many seconds lie between two samples.
    spans: BTreeMap<u64, Duration>,
    /// By label values: those of one metric all have the same label names.
    series: BTreeMap<Arc<[Box<str>]>, Series>,
}

#[derive(Debug)]
struct Series {
    labels: Labels,
    now: Option<f64>,
    rings: Vec<Ring>,
}

/// Samples, the oldest first. What has expired stands in front until it is worth moving the others.
#[derive(Debug, Default)]
struct Ring {
    points: Vec<Point>,
    expired: usize,
}

impl Watch {
    /// Watches what is needed.
    pub fn new(needs: impl IntoIterator<Item = Need>) -> Self {
        let mut families = BTreeSet::new();
        let mut watch = Self {
            metrics: BTreeMap::new(),
            families: Arc::default(),
            most: MOST,
            kept: 0,
            refused: 0,
            began: None,
            last: None,
        };
        for Need { metric, span } in needs {
            let family = |end| metric.strip_suffix(end).map(str::to_owned);
            families.extend(family("_sum").or_else(|| family("_count")));
            families.insert(metric.clone());
            let spans = &mut watch.metrics.entry(metric).or_default().spans;
            if !span.is_zero() {
                let kept = spans.entry(apart(span)).or_default();
                *kept = span.max(*kept);
            }
        }
        watch.families = Arc::new(families);
        watch
    }

    /// Takes over what another watched of the same metrics, as when rules have changed.
    pub fn inherit(&mut self, other: Self) {
        for (name, before) in other.metrics {
            let Some(metric) = self.metrics.get_mut(&name) else { continue };
            for (values, mut series) in before.series {
                let mut rings: BTreeMap<u64, Ring> = before.spans.keys().copied().zip(series.rings).collect();
                series.rings =
                    metric.spans.keys().map(|apart| rings.remove(apart).unwrap_or_default()).collect();
                metric.series.insert(values, series);
            }
        }
        (self.began, self.last) = (other.began, other.last);
    }

    /// For how long it has been watching.
    pub fn watched(&self, now: Instant) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now.since(began))
    }

    /// How many samples found no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The names of the metrics that [`sample`](Watch::sample) wants to see.
    pub fn families(&self) -> Arc<BTreeSet<String>> {
        Arc::clone(&self.families)
    }

    /// Takes in what was gathered at `now`.
    pub fn sample(&mut self, gathered: &[Gathered], now: Instant) {
        for series in self.metrics.values_mut().flat_map(|metric| metric.series.values_mut()) {
            series.now = None;
        }
        for family in gathered {
            let [sum, count] = ["_sum", "_count"].map(|end| format!("{}{end}", family.name));
            for sample in &family.samples {
                let mut take =
                    |metric: &str, value, counts| self.take(metric, family, sample, (value, counts), now);
                match &sample.value {
                    Value::Count(count) => take(&family.name, *count as f64, true),
                    Value::Number(number) => take(&family.name, *number, family.kind == Kind::Counter),
                    Value::Durations(held) => {
                        take(&sum, held.sum_nanos() as f64 / 1e9, true);
                        take(&count, held.count() as f64, true);
                    }
                    Value::Summed(held) => {
                        take(&sum, held.sum_nanos as f64 / 1e9, true);
                        take(&count, held.count as f64, true);
                    }
                }
            }
        }
        self.forget(now);
        self.began.get_or_insert(now);
        self.last = Some(now);
    }

    fn take(
        &mut self,
        metric: &str,
        family: &Gathered,
        sample: &Sample,
        (value, counts): (f64, bool),
        now: Instant,
    ) {
        let Some(metric) = self.metrics.get_mut(metric) else { return };
        let mut is_new = false;
        let series = metric.series.entry(Arc::clone(&sample.values)).or_insert_with(|| {
            is_new = true;
            let names = family.labels.iter().map(|name| &**name);
            let labels = Labels::new(names.zip(sample.values.iter().map(|value| &**value)));
            Series { labels, now: None, rings: Vec::new() }
        });
        series.now = Some(value);
        series.rings.resize_with(metric.spans.len(), Ring::default);
        // A counter that was not there a moment ago was at zero: what made it is not to be missed.
        let before = self.last.filter(|_| is_new && counts);
        for (ring, apart) in series.rings.iter_mut().zip(metric.spans.keys()) {
            let due = ring
                .points
                .last()
                .is_none_or(|last| now.since(last.at) + SLACK >= Duration::from_secs(*apart));
            if !due {
                continue;
            }
            let zero = before.map(|at| Point { at, value: 0.0 });
            for point in zero.into_iter().chain([Point { at: now, value }]) {
                match self.kept < self.most {
                    true => ring.push(point),
                    false => self.refused += 1,
                }
                self.kept = (self.kept + 1).min(self.most);
            }
        }
    }

    fn forget(&mut self, now: Instant) {
        let mut kept = 0;
        for metric in self.metrics.values_mut() {
            let spans: Vec<Duration> = metric.spans.values().copied().collect();
            metric.series.retain(|_, series| {
                for (ring, span) in series.rings.iter_mut().zip(&spans) {
                    ring.forget(now - *span);
                    kept += ring.points.len();
                }
                series.now.is_some() || series.rings.iter().any(|ring| ring.expired < ring.points.len())
            });
        }
        self.kept = kept;
    }
}

/// A tick may come a little early.
const SLACK: Duration = Duration::from_millis(500);

/// Seconds between two samples of a span.
fn apart(span: Duration) -> u64 {
    span.as_secs().div_ceil(FINEST).max(1)
}

impl Ring {
    fn push(&mut self, point: Point) {
        if self.points.len() == self.points.capacity() {
            // Not twice as much: of what is bounded the bound is meant.
            self.points.reserve_exact(self.points.len() / 8 + 8);
        }
        self.points.push(point);
    }

    fn forget(&mut self, before: Instant) {
        self.expired = self.points.partition_point(|point| point.at < before);
        if self.expired * 2 > self.points.len() {
            self.points.drain(..self.expired);
            self.points.shrink_to(self.points.len() + self.points.len() / 4);
            self.expired = 0;
        }
    }
}

impl Samples for Watch {
    fn present(&self, metric: &str, see: &mut dyn FnMut(&Labels, f64)) {
        let Some(metric) = self.metrics.get(metric) else { return };
        for series in metric.series.values() {
            if let Some(now) = series.now {
                see(&series.labels, now);
            }
        }
    }

    fn past(&self, metric: &str, span: Duration, now: Instant, see: &mut dyn FnMut(&Labels, &[Point])) {
        let Some(metric) = self.metrics.get(metric) else { return };
        let Some(place) = metric.spans.keys().position(|own| *own == apart(span)) else { return };
        for series in metric.series.values() {
            let Some(ring) = series.rings.get(place) else { continue };
            let begin = ring.points.partition_point(|point| point.at < now - span);
            let end = ring.points.partition_point(|point| point.at <= now);
            if begin < end {
                see(&series.labels, &ring.points[begin..end]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
