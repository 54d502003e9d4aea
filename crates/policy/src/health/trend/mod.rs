//! Where a measured number is heading: a robust line through its recent past, and when that leaves the bounds.
//!
//! Most alarms that foretell are wrong: a nightly copy fills a disk "in no time", and an hour later it is empty again. So
//! a forecast is made only where the line is plain: it rises (or falls) beyond chance, both halves of the past agree
//! about it, it explains most of what was measured, and the end it foretells is not much further away than the past it
//! was learnt from. Where one of that is missing the answer says which ([`Doubt`]). And [`backtest`] tells how often the
//! same rules would have been right before.

mod backtest;
mod line;
mod series;
#[cfg(test)]
mod tests;

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units::{self, Share};
use serde::{Deserialize, Serialize};

use crate::Invalid;

pub use backtest::{Backtest, backtest};
pub use line::{Line, fit};
pub use series::Series;

/// A number, and when it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When.
    pub at: Instant,
    /// What.
    pub value: f64,
}

seawall_core::words! {
    /// On which side of a limit it is bad to be.
    Side {
        /// At the limit or above, such as a disk that is full.
        Above = "above",
        /// At the limit or below, such as a success rate.
        Below = "below",
    }
}

/// The number at which something fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The number itself is a failure already.
    pub at: f64,
    /// In which direction.
    pub side: Side,
}

impl Limit {
    /// Bad at so much or more.
    pub const fn above(at: f64) -> Self {
        Self { at, side: Side::Above }
    }

    /// Bad at so much or less.
    pub const fn below(at: f64) -> Self {
        Self { at, side: Side::Below }
    }

    /// Is this number a failure?
    pub fn is_passed_by(&self, value: f64) -> bool {
        match self.side {
            Side::Above => value >= self.at,
            Side::Below => value <= self.at,
        }
    }
}

/// What a line must be like to be believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Measurements it must rest on. Default 12.
    pub points: usize,
    /// The time they must span. Default 5 min.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub span: Duration,
    /// How much of what was measured it must explain. Default 50 %.
    pub quality: Share,
    /// The longest look ahead. Default 1 d.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub horizon: Duration,
    /// It is prolonged by at most so many times the span it was learnt from. Default 4: an hour of growth says nothing
    /// about next week.
    pub reach: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            points: 12,
            span: Duration::from_secs(300),
            quality: Share::percent(50),
            horizon: Duration::from_secs(86_400),
            reach: 4,
        }
    }
}

impl Options {
    /// Refuses what would believe a line through two points, or none at all.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(8..=Series::RECENT).contains(&self.points) {
            let message = format!("{} is out of range: write 8 to {}", self.points, Series::RECENT);
            return Err(Invalid::new("points", message));
        }
        if self.horizon.is_zero() {
            return Err(Invalid::new("horizon", "zero looks nowhere: write at least \"1m\""));
        }
        if !(1..=100).contains(&self.reach) {
            return Err(Invalid::new("reach", format!("{} is out of range: write 1 to 100", self.reach)));
        }
        Ok(())
    }
}

/// When a number will pass its limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// What it will pass.
    pub limit: Limit,
    /// How long from the last measurement until it does.
    pub lead: Duration,
    /// How soon it may be, by the steepest line that chance leaves open (95 %).
    pub earliest: Duration,
    /// How late it may be, by the flattest.
    pub latest: Duration,
    /// The line that says so.
    pub line: Line,
}

seawall_core::words! {
    /// Why nothing is foretold.
    Doubt {
        /// There are not enough measurements, or they span too little time.
        TooLittle = "too-little",
        /// It is beyond its limit already: nothing is left to foretell.
        Passed = "passed",
        /// It rises and falls by no more than chance.
        Flat = "flat",
        /// It moves away from its limit.
        Recedes = "recedes",
        /// It jumps about more than it moves.
        Scattered = "scattered",
        /// The older and the newer half do not agree, as after a single step.
        Unsteady = "unsteady",
        /// It will take longer than anybody should say.
        FarOff = "far-off",
    }
}

/// When these measurements, oldest first, will pass the limit; or why that cannot be said. What lies before the last time
/// the limit was passed is another story, and is left out.
pub fn forecast(points: &[Point], limit: Limit, options: &Options) -> Result<Forecast, Doubt> {
    let passed = points.iter().rposition(|point| limit.is_passed_by(point.value));
    let points = &points[passed.map_or(0, |passed| passed + 1)..];
    if passed.is_some() && points.is_empty() {
        return Err(Doubt::Passed);
    }
    let span = points.first().zip(points.last()).map(|(first, last)| last.at.since(first.at));
    if points.len() < options.points || span.is_none_or(|span| span < options.span) {
        return Err(Doubt::TooLittle);
    }
    doubt_cheaply(points, limit, options)?;
    let Some(line) = fit(points) else { return Err(Doubt::TooLittle) };
    // Towards the limit counts as upwards from here.
    let (slope, slowest, fastest) = match limit.side {
        Side::Above => (line.slope, line.low, line.high),
        Side::Below => (-line.slope, -line.high, -line.low),
    };
    if slowest <= 0.0 && fastest >= 0.0 {
        return Err(Doubt::Flat);
    }
    if slope <= 0.0 {
        return Err(Doubt::Recedes);
    }
    if !line.steady {
        return Err(Doubt::Unsteady);
    }
    if line.quality < options.quality.get() {
        return Err(Doubt::Scattered);
    }
    let way = match limit.side {
        Side::Above => limit.at - line.level,
        Side::Below => line.level - limit.at,
    };
    // The line may already be there while the last measurement is not.
    let after = |speed: f64| Duration::try_from_secs_f64((way / speed).max(0.0)).unwrap_or(Duration::MAX);
    let lead = after(slope);
    if lead > options.horizon || lead > line.span.saturating_mul(options.reach) {
        return Err(Doubt::FarOff);
    }
    Ok(Forecast { limit, lead, earliest: after(fastest), latest: after(slowest), line })
}

/// What can be said without a line, which costs much more: that nothing moves, or that all that moved, prolonged as far as
/// may be, does not reach the limit.
fn doubt_cheaply(points: &[Point], limit: Limit, options: &Options) -> Result<(), Doubt> {
    let values = || points.iter().map(|point| point.value);
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    if least >= most {
        return Err(Doubt::Flat);
    }
    let way = match limit.side {
        Side::Above => limit.at - most,
        Side::Below => least - limit.at,
    };
    if (most - least) * f64::from(options.reach) < way { Err(Doubt::FarOff) } else { Ok(()) }
}
