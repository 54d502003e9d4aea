//! What the metrics said before now: a little for rules, every second, and a day for people, every minute.

mod watch;

pub use watch::Watch;
