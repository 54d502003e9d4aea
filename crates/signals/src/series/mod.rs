//! What the metrics said before now: a little for rules, every second; a day for people, every minute; and for longer spans
//! an hour or a day in a few numbers, which outlive a restart.

mod disk;
mod kept;
mod over;
mod steps;
mod watch;

pub use disk::{FILE, keep, open};
pub use kept::{Id, Kept, POINTS, Point, SERIES, STEP};
pub use over::Over;
pub use steps::{Step, Stretch};
pub use watch::Watch;
