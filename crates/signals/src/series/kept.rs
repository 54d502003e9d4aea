//! The last day of every metric, a point a minute, and what can be asked of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::metrics::{Gathered, Value};

/// Points kept of each series: a day of minutes.
pub const POINTS: usize = 24 * 60;
/// Series kept at once; each takes 12 KB.
pub const SERIES: usize = 800;
/// Seconds from one point to the next.
pub const STEP: u64 = 60;

/// A series: its metric, and its labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// The metric; of a histogram its `_sum` or its `_count`.
    pub name: String,
    /// Names and values.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
}

/// The last day, in at most 10 MB.
#[derive(Debug, Default)]
pub struct Kept {
    /// When each point was, in seconds since 1970, the oldest first.
    moments: VecDeque<u64>,
    /// The values of each series, aligned at their end; what was not there is no number.
    series: BTreeMap<Id, VecDeque<f64>>,
    refused: u64,
}

/// One point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When, in seconds since 1970.
    pub at: u64,
    /// What.
    pub value: f64,
}

/// What can be made of the points of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Over {
    /// Their mean.
    Avg,
    /// Their sum.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// How many.
    Count,
    /// The latest.
    Last,
    /// By how much a counter grew; one that began anew counts from there.
    Increase,
    /// By how much a counter grew in a second.
    Rate,
    /// So large a share of them, from 0 to 1, was no larger.
    Percentile(f64),
}

impl Over {
    /// Reads `avg`, `sum`, `min`, `max`, `count`, `last`, `increase`, `rate`, or a percentile such as `p95` or `p99.9`.
    pub fn parse(word: &str) -> Result<Self, String> {
        Ok(match word {
            "avg" => Self::Avg,
            "sum" => Self::Sum,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            "last" => Self::Last,
            "increase" => Self::Increase,
            "rate" => Self::Rate,
            other => {
                let plain = |number: &&str| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                let share =
                    other.strip_prefix('p').filter(plain).and_then(|number| number.parse::<f64>().ok());
                match share.filter(|share| (0.0..=100.0).contains(share)) {
                    Some(share) => Self::Percentile(share / 100.0),
                    None => {
                        let shown: String = other.chars().take(40).collect();
                        return Err(format!(
                            "{shown:?} cannot be asked: write avg, sum, min, max, count, last, increase, rate or p95"
                        ));
                    }
                }
            }
        })
    }

    /// The number; none where there are too few points for one.
    pub fn of(self, points: &[Point]) -> Option<f64> {
        let values = || points.iter().map(|point| point.value);
        let (first, last) = (points.first()?, points.last()?);
        Some(match self {
            Self::Avg => values().sum::<f64>() / points.len() as f64,
            Self::Sum => values().sum(),
            Self::Min => values().fold(f64::INFINITY, f64::min),
            Self::Max => values().fold(f64::NEG_INFINITY, f64::max),
            Self::Count => points.len() as f64,
            Self::Last => last.value,
            Self::Increase => grown(points)?,
            Self::Rate => {
                let span = last.at.saturating_sub(first.at);
                (span > 0).then(|| grown(points)).flatten()? / span as f64
            }
            Self::Percentile(share) => {
                let mut sorted: Vec<f64> = values().collect();
                sorted.sort_by(f64::total_cmp);
                // The nearest rank.
                let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
                *sorted.get(rank.min(sorted.len()) - 1)?
            }
        })
    }
}

/// By how much a counter grew; a fall is a counter that began anew.
fn grown(points: &[Point]) -> Option<f64> {
    let step = |pair: &[Point]| {
        if pair[1].value >= pair[0].value { pair[1].value - pair[0].value } else { pair[1].value }
    };
    (points.len() > 1).then(|| points.windows(2).map(step).sum())
}

/// Every series of what was gathered, with its present value.
fn flat(gathered: &[Gathered]) -> Vec<(Id, f64)> {
    let mut all = Vec::new();
    for family in gathered {
        for sample in &family.samples {
            let labels = family.labels.iter().zip(sample.values.iter());
            let labels: Vec<(Arc<str>, Arc<str>)> =
                labels.map(|(name, value)| (Arc::from(&**name), Arc::from(&**value))).collect();
            let id = |end: &str| Id { name: format!("{}{end}", family.name), labels: labels.clone() };
            match &sample.value {
                Value::Count(count) => all.push((id(""), *count as f64)),
                Value::Number(number) => all.push((id(""), *number)),
                Value::Durations(snapshot) => {
                    all.push((id("_sum"), snapshot.sum_nanos() as f64 / 1e9));
                    all.push((id("_count"), snapshot.count() as f64));
                }
            }
        }
    }
    all
}

impl Kept {
    /// Takes a point of every series, if a minute has passed since the last; `now` is in seconds since 1970. A clock that
    /// was set back begins a new day.
    pub fn tick(&mut self, now: u64, gather: impl FnOnce() -> Vec<Gathered>) {
        match self.moments.back() {
            Some(last) if now < *last => *self = Self::default(),
            Some(last) if now - last < STEP => return,
            _ => {}
        }
        self.moments.push_back(now);
        if self.moments.len() > POINTS {
            self.moments.pop_front();
        }
        for values in self.series.values_mut() {
            values.push_back(f64::NAN);
            if values.len() > POINTS {
                values.pop_front();
            }
        }
        for (id, value) in flat(&gather()) {
            if let Some(values) = self.series.get_mut(&id) {
                if let Some(last) = values.back_mut() {
                    *last = value;
                }
            } else if self.series.len() < SERIES {
                self.series.insert(id, VecDeque::from([value]));
            } else {
                self.refused = self.refused.saturating_add(1);
            }
        }
        // Nothing of it was there for a day.
        self.series.retain(|_, values| values.iter().any(|value| !value.is_nan()));
    }

    /// Every series of a metric, each with its points of the last `span` seconds before `now`, the oldest first, and its present
    /// value as the last of them.
    pub fn series(&self, metric: &str, span: u64, now: u64, present: &[Gathered]) -> Vec<(Id, Vec<Point>)> {
        let from = now.saturating_sub(span);
        let mut found: BTreeMap<Id, Vec<Point>> = BTreeMap::new();
        for (id, values) in self.series.iter().filter(|(id, _)| id.name == metric) {
            let moments = self.moments.iter().skip(self.moments.len().saturating_sub(values.len()));
            let point = |(at, value): (&u64, &f64)| Point { at: *at, value: *value };
            let points = moments.zip(values).map(point);
            let points: Vec<Point> =
                points.filter(|point| point.at >= from && point.at < now && !point.value.is_nan()).collect();
            if !points.is_empty() {
                found.insert(id.clone(), points);
            }
        }
        for (id, value) in
            flat(present).into_iter().filter(|(id, value)| id.name == metric && !value.is_nan())
        {
            found.entry(id).or_default().push(Point { at: now, value });
        }
        found.into_iter().collect()
    }

    /// How often a series found no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests;
