//! The last day of every metric, a point a minute, and the hours and days before.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::steps::{Step, Steps, Stretch};
use crate::metrics::{Gathered, Kind, Value};

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

/// The last day in at most 10 MB, and what came before in at most 5.
#[derive(Debug, Default)]
pub struct Kept {
    /// When each point was, in seconds since 1970, the oldest first.
    moments: VecDeque<u64>,
    /// The values of each series, aligned at their end; what was not there is no number.
    series: BTreeMap<Id, VecDeque<f64>>,
    /// The hours and days.
    steps: Steps,
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

/// A series with its present value.
pub(super) struct Present {
    pub(super) id: Id,
    pub(super) value: f64,
    /// Does it only grow?
    pub(super) counts: bool,
}

/// Every series of what was gathered.
fn flat(gathered: &[Gathered]) -> Vec<Present> {
    let mut all = Vec::new();
    for family in gathered {
        for sample in &family.samples {
            let labels = family.labels.iter().zip(sample.values.iter());
            let labels: Vec<(Arc<str>, Arc<str>)> =
                labels.map(|(name, value)| (Arc::from(&**name), Arc::from(&**value))).collect();
            let mut push = |end: &str, value: f64, counts: bool| {
                let id = Id { name: format!("{}{end}", family.name), labels: labels.clone() };
                all.push(Present { id, value, counts });
            };
            match &sample.value {
                Value::Count(count) => push("", *count as f64, true),
                Value::Number(number) => push("", *number, family.kind == Kind::Counter),
                Value::Durations(snapshot) => {
                    push("_sum", snapshot.sum_nanos() as f64 / 1e9, true);
                    push("_count", snapshot.count() as f64, true);
                }
                Value::Summed(held) => {
                    push("_sum", held.sum_nanos as f64 / 1e9, true);
                    push("_count", held.count as f64, true);
                }
            }
        }
    }
    all
}

impl Kept {
    /// Takes a point of every series, if another minute has begun since the last; `now` is in seconds since 1970. Of a clock
    /// that was set back, the minutes it is yet to see again are forgotten.
    pub fn tick(&mut self, now: u64, gather: impl FnOnce() -> Vec<Gathered>) {
        match self.moments.back() {
            Some(last) if now < *last => self.set_back(now),
            Some(last) if now / STEP == last / STEP => return,
            _ => {}
        }
        push(&mut self.moments, now);
        for values in self.series.values_mut() {
            push(values, f64::NAN);
        }
        let mut present = flat(&gather());
        present.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        self.steps.see(now, &present);
        let new = side_by_side(&mut self.series, &present, |values, one| {
            if let Some(last) = values.back_mut() {
                *last = one.value;
            }
        });
        for one in new {
            if self.series.len() < SERIES {
                self.series.insert(one.id.clone(), VecDeque::from([one.value]));
            } else {
                self.refused = self.refused.saturating_add(1);
            }
        }
        // Nothing of it was there for a day.
        self.series.retain(|_, values| values.iter().any(|value| !value.is_nan()));
    }

    /// Takes a last look, in the middle of a minute, so that what was counted in it is not lost to the hours.
    pub fn end(&mut self, now: u64, gathered: &[Gathered]) {
        let mut present = flat(gathered);
        present.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        self.steps.see(now, &present);
    }

    fn set_back(&mut self, now: u64) {
        let left = self.moments.partition_point(|moment| *moment < now);
        let ahead = self.moments.len() - left;
        self.moments.truncate(left);
        for values in self.series.values_mut() {
            values.truncate(values.len().saturating_sub(ahead));
        }
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
        let present = flat(present).into_iter().filter(|own| own.id.name == metric && !own.value.is_nan());
        for Present { id, value, .. } in present {
            found.entry(id).or_default().push(Point { at: now, value });
        }
        found.into_iter().collect()
    }

    /// Every series of a metric in steps: those of the last `span` seconds before `now`, the oldest first, the one that has begun
    /// included. What was before a restart is there too.
    pub fn steps(&self, metric: &str, step: Step, span: u64, now: u64) -> Vec<(Id, Vec<Stretch>)> {
        self.steps.of(metric, step, now.saturating_sub(span), now)
    }

    /// The hours and days as bytes, for [`Kept::restored`]; the minutes are not among them.
    pub fn save(&self) -> Vec<u8> {
        self.steps.save()
    }

    /// Goes on from what was saved. Says what is wrong with bytes that nobody saved.
    pub fn restored(saved: &[u8]) -> Result<Self, String> {
        Ok(Self { steps: Steps::restored(saved)?, ..Self::default() })
    }

    /// How often a series found no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// Brings each present value to what is known of its series, both in order, and gives back those of which nothing is. A walk
/// along both: a thousand searches a minute would be seen.
pub(super) fn side_by_side<'p, T>(
    known: &mut BTreeMap<Id, T>,
    present: &'p [Present],
    mut meet: impl FnMut(&mut T, &Present),
) -> Vec<&'p Present> {
    let mut known = known.iter_mut().peekable();
    let mut new = Vec::new();
    for one in present {
        let mut found = false;
        while let Some((id, own)) = known.next_if(|(id, _)| **id <= one.id) {
            if *id == one.id {
                meet(own, one);
                found = true;
                break;
            }
        }
        if !found {
            new.push(one);
        }
    }
    new
}

/// Pushes a value where a day of them has room, and no more than that.
fn push<T>(values: &mut VecDeque<T>, value: T) {
    while values.len() >= POINTS {
        values.pop_front();
    }
    if values.len() == values.capacity() {
        // Not twice as much: a day of eight hundred series is most of what all of this may take.
        values.reserve_exact((POINTS - values.len()).min(values.len() / 4 + 16));
    }
    values.push_back(value);
}

#[cfg(test)]
mod tests;
