//! Holds a condition to what the metrics say.

use std::collections::BTreeMap;
use std::time::Duration;

use seawall_core::Instant;

use super::{Comparison, Condition, Fold, Labels, Operator, Selector, Test, Value, over};

/// A number, and when it was so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When.
    pub at: Instant,
    /// What.
    pub value: f64,
}

/// What the metrics say. Names are whole: `seawall_calls_total`.
pub trait Samples {
    /// Shows every series of a metric, with its labels and its present value.
    fn present(&self, metric: &str, see: &mut dyn FnMut(&Labels, f64));

    /// Shows every series of a metric that has samples within `span` before `now`, both ends included, the oldest first.
    fn past(&self, metric: &str, span: Duration, now: Instant, see: &mut dyn FnMut(&Labels, &[Point]));
}

/// What a condition says of one set of labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The labels; none for a total.
    pub labels: Labels,
    /// The number that was compared.
    pub value: f64,
    /// Does it hold?
    pub holds: bool,
}

impl Condition {
    /// What it says of every set of labels there is something to say of. Nothing means that there is no data. Labels come
    /// once each.
    pub fn read(&self, samples: &dyn Samples, now: Instant) -> Vec<Reading> {
        self.0.read(samples, now)
    }
}

type Vector = Vec<(Labels, f64)>;

enum Number {
    Plain(f64),
    Each(Vector),
}

impl Test {
    fn read(&self, samples: &dyn Samples, now: Instant) -> Vec<Reading> {
        match self {
            Test::Compare(comparison, left, right) => {
                let holds = |a, b| comparison.holds(a, b);
                let reading = |(labels, value): (Labels, f64), other: f64| {
                    let holds = holds(value, other);
                    Reading { labels, value, holds }
                };
                match (left.read(samples, now), right.read(samples, now)) {
                    // The parser refuses it.
                    (Number::Plain(_), Number::Plain(_)) => Vec::new(),
                    (Number::Each(left), Number::Plain(right)) => {
                        left.into_iter().map(|each| reading(each, right)).collect()
                    }
                    (Number::Plain(left), Number::Each(right)) => right
                        .into_iter()
                        .map(|(labels, value)| Reading { labels, value, holds: holds(left, value) })
                        .collect(),
                    (Number::Each(left), Number::Each(right)) => left
                        .into_iter()
                        .filter_map(|each| partner(&each.0, &right).map(|other| reading(each, other)))
                        .collect(),
                }
            }
            Test::Absent(selector, span) => {
                let mut found = false;
                match span {
                    &Duration::ZERO => samples.present(&selector.metric, &mut |labels, _| {
                        found |= selector.fits(labels);
                    }),
                    span => samples.past(&selector.metric, *span, now, &mut |labels, points| {
                        found |= selector.fits(labels) && !points.is_empty();
                    }),
                }
                let value = f64::from(u8::from(!found));
                vec![Reading { labels: selector.said(), value, holds: !found }]
            }
            Test::And(left, right) => {
                let (left, right) = (left.read(samples, now), right.read(samples, now));
                if right.is_empty() {
                    return Vec::new();
                }
                let mut left = left;
                for reading in &mut left {
                    let agrees = |other: &Reading| other.holds && reading.labels.agrees(&other.labels);
                    reading.holds = reading.holds && right.iter().any(agrees);
                }
                left
            }
            Test::Or(left, right) => {
                let mut all = left.read(samples, now);
                for reading in right.read(samples, now) {
                    match all.iter_mut().find(|other| other.labels == reading.labels) {
                        Some(other) if reading.holds && !other.holds => *other = reading,
                        Some(_) => {}
                        None => all.push(reading),
                    }
                }
                all
            }
        }
    }
}

impl Value {
    fn read(&self, samples: &dyn Samples, now: Instant) -> Number {
        match self {
            Value::Number(number) => Number::Plain(*number),
            Value::Present(selector) => {
                let mut found = Vec::new();
                samples.present(&selector.metric, &mut |labels, value| {
                    if selector.fits(labels) {
                        found.push((labels.clone(), value));
                    }
                });
                Number::Each(found)
            }
            Value::Past(what, selector, span) => {
                let mut found = Vec::new();
                samples.past(&selector.metric, *span, now, &mut |labels, points| {
                    if selector.fits(labels)
                        && let Some(value) = over::over(*what, points, *span, now)
                    {
                        found.push((labels.clone(), value));
                    }
                });
                Number::Each(found)
            }
            Value::Fold(fold, by, inner) => match inner.read(samples, now) {
                Number::Plain(number) => Number::Plain(number),
                Number::Each(each) => {
                    let mut groups: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
                    for (labels, value) in each {
                        groups.entry(labels.only(by)).or_default().push(value);
                    }
                    Number::Each(
                        groups.into_iter().map(|(labels, values)| (labels, fold.of(&values))).collect(),
                    )
                }
            },
            Value::Calculate(operator, left, right) => {
                match (left.read(samples, now), right.read(samples, now)) {
                    (Number::Plain(left), Number::Plain(right)) => Number::Plain(operator.of(left, right)),
                    (Number::Each(mut left), Number::Plain(right)) => {
                        left.iter_mut().for_each(|(_, value)| *value = operator.of(*value, right));
                        Number::Each(left)
                    }
                    (Number::Plain(left), Number::Each(mut right)) => {
                        right.iter_mut().for_each(|(_, value)| *value = operator.of(left, *value));
                        Number::Each(right)
                    }
                    (Number::Each(left), Number::Each(right)) => Number::Each(
                        left.into_iter()
                            .filter_map(|(labels, value)| {
                                partner(&labels, &right).map(|other| (labels, operator.of(value, other)))
                            })
                            .collect(),
                    ),
                }
            }
        }
    }
}

/// The number on the other side that belongs to these labels: the one with the same labels, or else the only one that
/// agrees with them. Where several do, nobody can say which is meant.
fn partner(labels: &Labels, others: &Vector) -> Option<f64> {
    if let Some((_, value)) = others.iter().find(|(own, _)| own == labels) {
        return Some(*value);
    }
    let mut agreeing = others.iter().filter(|(own, _)| own.agrees(labels));
    match (agreeing.next(), agreeing.next()) {
        (Some((_, value)), None) => Some(*value),
        _ => None,
    }
}

impl Selector {
    fn fits(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.fits(labels))
    }

    /// The labels that it names with one value each: those of a series that is not there.
    fn said(&self) -> Labels {
        let single = self.matchers.iter().filter(|matcher| matcher.wanted && matcher.words.len() == 1);
        Labels::new(single.map(|matcher| (matcher.label.as_str(), matcher.words[0].as_str())))
    }
}

impl Comparison {
    #[allow(clippy::float_cmp, reason = "who writes == means ==")]
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Comparison::Greater => left > right,
            Comparison::AtLeast => left >= right,
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
            Comparison::Equal => left == right,
            Comparison::Other => left != right,
        }
    }
}

impl Operator {
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Operator::Plus => left + right,
            Operator::Minus => left - right,
            Operator::Times => left * right,
            Operator::Per => left / right,
        }
    }
}

impl Fold {
    /// Of at least one number.
    fn of(self, values: &[f64]) -> f64 {
        let each = values.iter().copied();
        match self {
            Fold::Sum => each.sum(),
            Fold::Avg => each.sum::<f64>() / values.len() as f64,
            Fold::Min => each.fold(f64::NAN, |a, b| if b < a || a.is_nan() { b } else { a }),
            Fold::Max => each.fold(f64::NAN, |a, b| if b > a || a.is_nan() { b } else { a }),
            Fold::Count => values.len() as f64,
        }
    }
}
