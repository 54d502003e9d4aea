//! What the metrics said before now: a little for rules, every second, and a day for people, every minute.

mod kept;
mod watch;

pub use kept::{Id, Kept, Over, POINTS, Point, SERIES, STEP};
pub use watch::Watch;
