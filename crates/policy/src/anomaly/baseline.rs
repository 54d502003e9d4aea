//! What is usual for one number: a mean and a mean deviation that forget, and that no single value can move far.

use std::time::Duration;

/// A value further from the mean than so many deviations is learnt as if it were so far.
const CLIP: f32 = 4.0;

/// An exponentially forgetting mean and mean absolute deviation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Baseline {
    mean: f32,
    spread: f32,
    /// How many values it stands on, the older ones counting less.
    weight: f32,
}

impl Baseline {
    /// One value more. `floor` is the least deviation that is believed.
    pub(super) fn learn(&mut self, value: f32, floor: f32) {
        self.weight += 1.0;
        if self.weight <= 1.5 {
            // The first one, or the first after everything was forgotten.
            *self = Self { mean: value, spread: floor, weight: self.weight };
            return;
        }
        let reach = CLIP * self.spread.max(floor);
        let value = value.clamp(self.mean - reach, self.mean + reach);
        let off = value - self.mean;
        self.mean += off / self.weight;
        self.spread += (off.abs() - self.spread) / self.weight;
    }

    /// What was learnt counts less by this factor.
    pub(super) fn fade(&mut self, factor: f32) {
        self.weight *= factor;
    }

    /// How many values it stands on.
    pub(super) fn weight(&self) -> f32 {
        self.weight
    }

    pub(super) fn mean(&self) -> f32 {
        self.mean
    }

    /// Does the value lie so many deviations above the mean?
    pub(super) fn is_above(&self, value: f32, deviations: f32, floor: f32) -> bool {
        value > self.mean + deviations * self.spread.max(floor)
    }
}

/// The factor by which what was learnt counts less after `elapsed`.
pub(super) fn decay(elapsed: Duration, memory: Duration) -> f32 {
    let halves = elapsed.as_secs_f64() / memory.as_secs_f64().max(1e-9);
    #[allow(clippy::cast_possible_truncation, reason = "from 0 to 1")]
    let factor = (-halves).exp2() as f32;
    factor
}

/// Counts and sizes on a scale on which twice as much is one step, wherever one begins.
pub(super) fn steps(count: u64) -> f32 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "at most 64, and no more precise"
    )]
    let steps = (count as f64 + 1.0).log2() as f32;
    steps
}

/// Back from that scale.
pub(super) fn count(steps: f32) -> f64 {
    (f64::from(steps).exp2() - 1.0).max(0.0)
}
