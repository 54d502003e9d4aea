//! Quantities of carbon, within what is possible.

use serde::{Deserialize, Serialize};

use super::{Hysteresis, number};

/// Grams of CO₂ equivalent per kilowatt-hour: more than 0, at most 1500.
///
/// Averages of real grids lie between about 20 and 1310. Zero is refused because a missing value shows up as one.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Intensity(f64);

impl Intensity {
    /// The most.
    pub const MOST: f64 = 1500.0;

    /// Refuses zero, what is negative or not a number, and more than 1500.
    pub fn new(grams: f64) -> Result<Self, String> {
        match grams > 0.0 && grams <= Self::MOST {
            true => Ok(Self(grams)),
            false => Err(format!("{grams} g/kWh is no carbon intensity: write more than 0 and at most 1500")),
        }
    }

    /// WattTime's unit: pounds per megawatt-hour, of 0.45359237 kg each.
    pub fn from_pounds_per_mwh(pounds: f64) -> Result<Self, String> {
        Self::new(pounds * 0.453_592_37)
    }

    /// Grams per kilowatt-hour.
    pub fn get(self) -> f64 {
        self.0
    }
}

number!(Intensity);

/// A mass of carbon, such as a budget: 0 to a million tonnes, in grams.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Grams(f64);

impl Grams {
    /// The most: a million tonnes.
    pub const MOST: f64 = 1e12;

    /// Refuses what is negative or not a number, and more than a million tonnes.
    pub fn new(grams: f64) -> Result<Self, String> {
        match (0.0..=Self::MOST).contains(&grams) {
            true => Ok(Self(grams)),
            false => Err(format!("{grams} g is no mass of carbon: write 0 to 1e12")),
        }
    }

    /// Grams.
    pub fn get(self) -> f64 {
        self.0
    }
}

number!(Grams);

/// When work is paused for its carbon, and when it goes on: resuming lies below pausing.
///
/// ```
/// use seawall_security::types::CarbonBounds;
/// let bounds = CarbonBounds::new(400.0, 300.0)?;
/// assert!(!bounds.paused(false, 399.0) && bounds.paused(false, 400.0));
/// assert!(bounds.paused(true, 301.0) && !bounds.paused(true, 300.0));
/// assert!(CarbonBounds::new(300.0, 400.0).is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CarbonBounds {
    pause_above: Intensity,
    resume_below: Intensity,
}

impl CarbonBounds {
    /// Refuses bounds that are no intensities, and a `resume_below` that is not below `pause_above`.
    pub fn new(pause_above: f64, resume_below: f64) -> Result<Self, String> {
        let (pause_above, resume_below) = (Intensity::new(pause_above)?, Intensity::new(resume_below)?);
        match resume_below < pause_above {
            true => Ok(Self { pause_above, resume_below }),
            false => Err(format!(
                "resume_below {} is not below pause_above {}: write it lower, or work would stop and go with every reading",
                resume_below.0, pause_above.0
            )),
        }
    }

    /// Whether work is paused from now on, if it was `paused` until now and this is read.
    pub fn paused(self, paused: bool, grams: f64) -> bool {
        self.relation().next(paused, grams)
    }

    /// The same as a threshold.
    pub fn relation(self) -> Hysteresis {
        Hysteresis::ordered(self.pause_above.0, self.resume_below.0)
    }
}

impl<'de> Deserialize<'de> for CarbonBounds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            pause_above: f64,
            resume_below: f64,
        }
        let Written { pause_above, resume_below } = Written::deserialize(deserializer)?;
        Self::new(pause_above, resume_below).map_err(serde::de::Error::custom)
    }
}
