//! Seedable randomness, asked only where a decision needs it (jitter), so that a run can be repeated.

use std::sync::{Mutex, PoisonError};

/// A shared source of dice. Not for secrets.
#[derive(Debug)]
pub struct Random(Mutex<fastrand::Rng>);

impl Random {
    /// Seeded by the operating system.
    pub fn from_os() -> Self {
        Self(Mutex::new(fastrand::Rng::new()))
    }

    /// The same seed gives the same sequence.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::from_os()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_sequence() {
        let (a, b) = (Random::seeded(7), Random::seeded(7));
        for _ in 0..100 {
            let drawn = a.unit();
            assert_eq!(drawn, b.unit());
            assert!((0.0..1.0).contains(&drawn));
        }
    }
}
