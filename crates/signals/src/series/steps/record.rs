//! One step of one series in 48 bytes, and several of them together.

use super::Stretch;

/// Where between the smallest and the largest the curve is known.
const SHARES: [f64; 5] = [0.25, 0.5, 0.75, 0.95, 0.99];
/// Samples taken of each stretch of a curve when several become one.
const FINE: usize = 4;

/// What a series was in one step, or in each of several that were all alike. Kept to seven digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Record {
    /// The number of the step since 1970.
    pub(super) at: u32,
    /// How many steps were like this one.
    pub(super) run: u16,
    /// Points in each of them.
    pub(super) count: u16,
    pub(super) mean: f32,
    pub(super) min: f32,
    pub(super) max: f32,
    pub(super) last: f32,
    pub(super) grown: f32,
    /// At [`SHARES`].
    pub(super) curve: [f32; 5],
}

/// As near as a smaller number comes.
fn near(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}

impl Record {
    /// Of the points of one step, which are numbers and at least one.
    pub(super) fn of(at: u32, points: &[f32], (last, grown): (f64, f64)) -> Self {
        let mut sorted = points.to_vec();
        sorted.sort_by(f32::total_cmp);
        // The nearest rank.
        let rank = |share: f64| {
            let place = (share * sorted.len() as f64).ceil().max(1.0) as usize;
            sorted.get(place - 1).copied().unwrap_or_default()
        };
        let sum: f64 = points.iter().map(|point| f64::from(*point)).sum();
        Self {
            at,
            run: 1,
            count: u16::try_from(points.len()).unwrap_or(u16::MAX),
            mean: near(sum / points.len().max(1) as f64),
            min: rank(0.0),
            max: rank(1.0),
            last: near(last),
            grown: near(grown),
            curve: SHARES.map(rank),
        }
    }

    /// The first step after it.
    pub(super) fn end(&self) -> u32 {
        self.at.saturating_add(u32::from(self.run))
    }

    /// Is it the next step, and nothing has changed?
    pub(super) fn continues(&self, before: &Self) -> bool {
        let like = Record { at: before.at, run: before.run, ..*self };
        self.run == 1 && before.run < u16::MAX && self.at == before.end() && like == *before
    }

    /// Each of its steps by itself.
    pub(super) fn singles(self) -> impl Iterator<Item = Record> {
        (self.at..self.end()).map(move |at| Record { at, run: 1, ..self })
    }

    /// Is there nothing in it that nobody could have written?
    pub(super) fn is_sound(&self) -> bool {
        let all = [self.mean, self.min, self.max, self.last, self.grown];
        let ordered = std::iter::once(self.min).chain(self.curve).chain([self.max]);
        self.run > 0
            && self.count > 0
            && all.iter().chain(&self.curve).all(|value| value.is_finite())
            && ordered.is_sorted()
    }

    /// Steps of the same time together, as one of step `at`.
    pub(super) fn together(at: u32, records: &[Record]) -> Self {
        let all = Stretch::of(records, 1);
        Self {
            at,
            run: 1,
            count: u16::try_from(all.count).unwrap_or(u16::MAX),
            mean: near(all.sum / all.count.max(1) as f64),
            min: near(all.min),
            max: near(all.max),
            last: near(all.last),
            grown: near(all.increase),
            curve: all.curve.map(near),
        }
    }

    /// Its curve as values, each with how many points are near it.
    fn samples(&self, into: &mut Vec<(f64, f64)>) {
        let points = f64::from(self.count) * f64::from(self.run);
        if self.min == self.max {
            into.push((f64::from(self.min), points));
            return;
        }
        let knots = std::iter::once((0.0, self.min)).chain(SHARES.into_iter().zip(self.curve));
        let knots: Vec<(f64, f32)> = knots.chain([(1.0, self.max)]).collect();
        for pair in knots.windows(2) {
            let ((from, low), (to, high)) = (pair[0], pair[1]);
            let (low, high) = (f64::from(low), f64::from(high));
            for part in 0..FINE {
                let share = (part as f64 + 0.5) / FINE as f64;
                into.push((low + (high - low) * share, points * (to - from) / FINE as f64));
            }
        }
    }
}

impl Stretch {
    /// Steps of `seconds` each, the oldest first, as one stretch.
    pub(super) fn of(records: &[Record], seconds: u64) -> Self {
        let (mut count, mut sum, mut increase) = (0_u64, 0.0, 0.0);
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut samples = Vec::new();
        for record in records {
            let points = u64::from(record.count) * u64::from(record.run);
            count += points;
            sum += f64::from(record.mean) * points as f64;
            increase += f64::from(record.grown) * f64::from(record.run);
            min = min.min(f64::from(record.min));
            max = max.max(f64::from(record.max));
            record.samples(&mut samples);
        }
        samples.sort_by(|a, b| a.0.total_cmp(&b.0));
        let curve = match records {
            [one] => one.curve.map(f64::from),
            _ => SHARES.map(|share| {
                let mut left = share * count as f64;
                let found = samples.iter().find(|(_, weight)| {
                    left -= weight;
                    left <= 0.0
                });
                found.map_or(max, |(value, _)| *value)
            }),
        };
        let at = records.first().map_or(0, |first| u64::from(first.at) * seconds);
        let until = records.last().map_or(0, |last| u64::from(last.end()) * seconds);
        let last = records.last().map_or(0.0, |last| f64::from(last.last));
        Stretch { at, span: until - at, count, sum, min, max, last, increase, curve }
    }

    /// The smallest value that so large a share of the points, from 0 to 1, did not exceed; between known ones, in a line.
    pub(super) fn at_share(&self, share: f64) -> f64 {
        let knots = std::iter::once((0.0, self.min)).chain(SHARES.into_iter().zip(self.curve));
        let mut before = (0.0, self.min);
        for (at, value) in knots.chain([(1.0, self.max)]) {
            if share <= at {
                let part = if at > before.0 { (share - before.0) / (at - before.0) } else { 1.0 };
                return before.1 + (value - before.1) * part;
            }
            before = (at, value);
        }
        self.max
    }
}
