//! What is made of the samples of one series over a span of time. The arithmetic is Prometheus's own.

use std::time::Duration;

use seawall_core::Instant;

use super::{Over, Point};

/// The number, if the samples allow one. They lie within `span` before `now`, the oldest first.
pub(super) fn over(what: Over, points: &[Point], span: Duration, now: Instant) -> Option<f64> {
    let values = points.iter().map(|point| point.value);
    let count = points.len() as f64;
    match what {
        Over::Increase => increase(points, span, now),
        Over::Rate => Some(increase(points, span, now)? / span.as_secs_f64()),
        _ if points.is_empty() => None,
        Over::Sum => Some(values.sum()),
        Over::Avg => Some(values.sum::<f64>() / count),
        Over::Count => Some(count),
        // A number that is none loses against every other.
        Over::Min => values.reduce(|a, b| if b < a || a.is_nan() { b } else { a }),
        Over::Max => values.reduce(|a, b| if b > a || a.is_nan() { b } else { a }),
    }
}

/// How much a counter grew: what the samples show, extended to the ends of the span where they reach near them. A fall
/// is a counter that began anew.
fn increase(points: &[Point], span: Duration, now: Instant) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    let sampled = last.at.since(first.at).as_secs_f64();
    if points.len() < 2 || sampled <= 0.0 {
        return None;
    }
    let fallen: f64 =
        points.windows(2).filter(|pair| pair[1].value < pair[0].value).map(|pair| pair[0].value).sum();
    let grown = last.value - first.value + fallen;
    let between = sampled / (points.len() - 1) as f64;
    let mut before = (first.at.since(now - span)).as_secs_f64();
    let after = now.since(last.at).as_secs_f64();
    if grown > 0.0 && first.value >= 0.0 {
        // No counter was ever below zero: it cannot have grown for longer than that takes.
        before = before.min(sampled * (first.value / grown));
    }
    let reach = |gap: f64| if gap < between * 1.1 { gap } else { between / 2.0 };
    Some(grown * ((sampled + reach(before) + reach(after)) / sampled))
}
