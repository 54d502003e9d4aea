//! What can be made of the points of a series.

use super::kept::Point;

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
    (points.len() > 1).then(|| points.windows(2).map(|pair| step(pair[0].value, pair[1].value)).sum())
}

/// From one value of a counter to the next.
pub(super) fn step(before: f64, after: f64) -> f64 {
    if after >= before { after - before } else { after }
}
