//! When somebody is told that something is wrong, and when not.
//!
//! ```text
//! metrics ─► Condition ─► Seen ─► Machine ─► is it active? ─► Desk ─► notices
//!            holds?               for, keep_for,              grouped, gathered, cooled down,
//!            no data?             hysteresis                  never a resolve for what was never told
//! ```
//!
//! A [`Machine`] decides about one alert, that is about one rule and one set of labels; a [`Book`] keeps those of one
//! rule. A [`Desk`] decides for one channel what is said there. All are values and know nothing of metrics, channels or files; moments come in. What they
//! remember can be taken out and put back, so that a restart neither forgets nor repeats.

mod book;
mod desk;
mod language;
mod machine;
mod options;
mod quiet;
#[cfg(test)]
mod tests;

pub use book::{Alert, Book, CROWD, REMEMBERED};
pub use desk::{Desk, Group, Held, Notice, Present, Told, What};
pub use language::{Condition, LONGEST, Labels, Need, ParseError, Point, Reading, SPAN, Samples};
pub use machine::{BLIND, Machine, Moved, Phase, Seen};
pub use options::{Delivery, NoData, Options, Rule, Severity};
pub use quiet::{Quiet, circle};
