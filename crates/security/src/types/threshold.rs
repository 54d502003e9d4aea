//! Thresholds, and how they must stand to each other.

/// A threshold with two edges: it is reached at one and left at another, so that a value at the edge does not flutter.
///
/// Where the first edge is the higher one it is reached from below (a load, an error rate), else from above (free space).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hysteresis {
    fire: f64,
    clear: f64,
}

impl Hysteresis {
    /// Refuses edges that are equal or no numbers.
    pub fn new(fire: f64, clear: f64) -> Result<Self, String> {
        match fire.is_finite() && clear.is_finite() && (fire - clear).abs() > 0.0 {
            true => Ok(Self { fire, clear }),
            false => Err(format!("{fire} and {clear} are no two edges: write two numbers that differ")),
        }
    }

    /// Of edges that are known to be in order.
    pub(super) fn ordered(fire: f64, clear: f64) -> Self {
        Self { fire, clear }
    }

    /// Whether it is reached from now on, if it was until now and this is read. What is no number changes nothing.
    pub fn next(self, reached: bool, value: f64) -> bool {
        if value.is_nan() {
            return reached;
        }
        let rising = self.fire > self.clear;
        match (rising, reached) {
            (true, false) => value >= self.fire,
            (true, true) => value > self.clear,
            (false, false) => value <= self.fire,
            (false, true) => value < self.clear,
        }
    }
}

/// Levels, each further than the one before: all rising, or all falling.
///
/// ```
/// use seawall_security::types::Ladder;
/// let ladder = Ladder::new(&[70.0, 85.0, 95.0])?;
/// assert_eq!([60.0, 70.0, 90.0, 99.0].map(|value| ladder.level(value)), [0, 1, 2, 3]);
/// assert_eq!(Ladder::new(&[20.0, 10.0, 5.0])?.level(7.0), 2, "falling: free space");
/// assert!(Ladder::new(&[70.0, 95.0, 85.0]).is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    steps: Vec<f64>,
    rising: bool,
}

impl Ladder {
    /// Refuses none, more than eight, what is no number, and levels that turn back.
    pub fn new(steps: &[f64]) -> Result<Self, String> {
        if steps.is_empty() || steps.len() > 8 || steps.iter().any(|step| !step.is_finite()) {
            return Err("a ladder has 1 to 8 levels that are numbers: write them in order".to_owned());
        }
        let rising = steps.windows(2).all(|pair| pair[0] < pair[1]);
        let falling = steps.windows(2).all(|pair| pair[0] > pair[1]);
        match rising || falling {
            true => Ok(Self { steps: steps.to_vec(), rising }),
            false => {
                Err(format!("{steps:?} turns back or stands still: write levels that only rise or only fall"))
            }
        }
    }

    /// How many levels a value has reached: 0 is none. What is no number has reached none.
    pub fn level(&self, value: f64) -> usize {
        let reached = |step: &&f64| if self.rising { value >= **step } else { value <= **step };
        self.steps.iter().take_while(reached).count()
    }
}
