//! The arithmetic of a pause: strategy, cap and jitter.

use std::time::Duration;

use super::{Jitter, Options, Strategy};

/// The pause after attempt `attempt` (from 1), where `previous` was the last pause and `dice` is in `0.0..1.0`.
///
/// Always above zero and never above `cap`, jitter included: at the cap the jitter works downwards, so that callers who
/// have waited long still do not come back together. Decorrelated after Brooker, "Exponential backoff and jitter"
/// (2015), drawn within the cap instead of clipped to it.
pub fn pause(options: &Options, attempt: u32, previous: Duration, dice: f64) -> Duration {
    let base = options.base.as_secs_f64();
    let cap = options.cap.as_secs_f64();
    let step = attempt.max(1);
    let grown = match options.strategy {
        Strategy::Fixed => base,
        Strategy::Linear => base * f64::from(step),
        Strategy::Exponential => base * options.multiplier.powi(i32::try_from(step - 1).unwrap_or(i32::MAX)),
        Strategy::Fibonacci => base * fibonacci(step),
    }
    .min(cap);
    // 1 - dice is in (0, 1]: never zero.
    let share = 1.0 - dice.clamp(0.0, 1.0 - f64::EPSILON);
    let drawn = match options.jitter {
        Jitter::None => grown,
        Jitter::Full => grown * share,
        Jitter::Equal => grown / 2.0 + grown / 2.0 * share,
        Jitter::Decorrelated => {
            let highest = (previous.as_secs_f64() * 3.0).clamp(base, cap);
            base + (highest - base) * share
        }
    };
    Duration::from_secs_f64(drawn.min(cap))
        .clamp(Duration::from_nanos(1), options.cap.max(Duration::from_nanos(1)))
}

fn fibonacci(step: u32) -> f64 {
    let (mut this, mut next) = (1.0, 1.0);
    for _ in 1..step {
        (this, next) = (next, this + next);
    }
    this
}
