mod book;
mod desk;
mod language;
mod machine;
mod options;
mod promtool;
mod quiet;

use std::collections::BTreeMap;
use std::time::Duration;

use seawall_core::Instant;

use super::*;

const START: Instant = Instant::from_nanos(1_800_000_000_000_000_000);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(second: u64) -> Instant {
    START + secs(second)
}

fn rule(when: &str) -> Rule {
    Options { when: Some(when.to_owned()), ..Options::default() }.rule("r").unwrap().unwrap()
}

/// Metrics that a test writes down.
#[derive(Default)]
struct Written {
    series: BTreeMap<(String, Labels), Vec<Point>>,
    now: Option<Instant>,
}

impl Written {
    /// A series with a value for each second from the start; where there is none it was gone.
    fn with(mut self, metric: &str, labels: &[(&str, &str)], values: &[Option<f64>]) -> Self {
        let labels = Labels::new(labels.iter().copied());
        let points = values.iter().enumerate();
        let points = points.filter_map(|(n, value)| Some(Point { at: at(n as u64), value: (*value)? }));
        self.series.insert((format!("seawall_{metric}"), labels), points.collect());
        self
    }

    /// A series with one value, always.
    fn always(self, metric: &str, labels: &[(&str, &str)], value: f64) -> Self {
        self.with(metric, labels, &[Some(value); 400])
    }

    fn of<'s>(&'s self, metric: &'s str) -> impl Iterator<Item = (&'s Labels, &'s Vec<Point>)> {
        self.series
            .iter()
            .filter(move |((own, _), _)| own == metric)
            .map(|((_, labels), points)| (labels, points))
    }
}

impl Samples for Written {
    fn present(&self, metric: &str, see: &mut dyn FnMut(&Labels, f64)) {
        for (labels, points) in self.of(metric) {
            let now = points.iter().find(|point| self.now.is_none_or(|now| point.at == now));
            if let Some(point) = now {
                see(labels, point.value);
            }
        }
    }

    fn past(&self, metric: &str, span: Duration, now: Instant, see: &mut dyn FnMut(&Labels, &[Point])) {
        for (labels, points) in self.of(metric) {
            let begin = points.partition_point(|point| point.at < now - span);
            let end = points.partition_point(|point| point.at <= now);
            if begin < end {
                see(labels, &points[begin..end]);
            }
        }
    }
}
