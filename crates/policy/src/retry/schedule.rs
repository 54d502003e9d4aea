//! The arithmetic of a pause: strategy, the errors around it, cap and jitter.

use std::time::Duration;

use seawall_core::units::Share;

use super::{Jitter, Options, Strategy};

/// How much longer than planned an adaptive pause is when everything fails, as a multiple of the plan.
///
/// Four times in all, which is two doublings: with the defaults the first pause becomes 2 s and the second 4 s, still
/// below the cap, so that pauses keep growing and chance keeps its room while the pressure falls to a quarter.
const STRETCH: f64 = 3.0;

/// The pause after attempt `attempt` (from 1), where `previous` was the last pause, `errors` the share of recent
/// outcomes that failed (read only where the options are adaptive) and `dice` is in `0.0..1.0`.
///
/// Always above zero and never above `cap`, jitter included: at the cap the jitter works downwards, so that callers who
/// have waited long still do not come back together. An adaptive pause is `1 + 3 × errors` times the planned one before
/// cap and jitter, so never shorter than it would be for the same dice. Decorrelated after Brooker, "Exponential backoff
/// and jitter" (2015), drawn within the cap instead of clipped to it.
pub fn pause(options: &Options, attempt: u32, previous: Duration, errors: Share, dice: f64) -> Duration {
    let stretch = if options.adaptive { 1.0 + STRETCH * errors.get() } else { 1.0 };
    let cap = options.cap.as_secs_f64();
    let base = options.base.as_secs_f64();
    let step = attempt.max(1);
    let planned = match options.strategy {
        Strategy::Fixed => base,
        Strategy::Linear => base * f64::from(step),
        Strategy::Exponential => base * options.multiplier.powi(i32::try_from(step - 1).unwrap_or(i32::MAX)),
        Strategy::Fibonacci => base * fibonacci(step),
    };
    let grown = (planned * stretch).min(cap);
    // 1 - dice is in (0, 1]: never zero.
    let share = 1.0 - dice.clamp(0.0, 1.0 - f64::EPSILON);
    let drawn = match options.jitter {
        Jitter::None => grown,
        Jitter::Full => grown * share,
        Jitter::Equal => grown / 2.0 + grown / 2.0 * share,
        Jitter::Decorrelated => {
            let lowest = (base * stretch).min(cap);
            let highest = (previous.as_secs_f64() * 3.0).clamp(lowest, cap);
            lowest + (highest - lowest) * share
        }
    };
    // What a duration cannot hold is above every cap.
    Duration::try_from_secs_f64(drawn)
        .unwrap_or(options.cap)
        .clamp(Duration::from_nanos(1), options.cap.max(Duration::from_nanos(1)))
}

fn fibonacci(step: u32) -> f64 {
    let (mut this, mut next) = (1.0, 1.0);
    for _ in 1..step {
        (this, next) = (next, this + next);
    }
    this
}
