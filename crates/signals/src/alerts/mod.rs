//! Tells somebody that something is wrong, once, and that it is over.
//!
//! ```text
//!            every second                                    when there is something to say
//! Registry ─► Watch ─► Board: books of alerts ─► desks ─► queues ─► Channel: webhook, Slack, mail, console, file, your own
//!                        │                                  ▲
//!                        └──► alerts.state, replaced whole ─┘  nothing leaves before it is written down
//! ```
//!
//! What is decided is decided by the pure steps of [`seawall_policy::alert`]; here they are fed and their answers carried
//! out. [`Engine`] does it on a thread of its own. A channel that hangs, a disk that is full or slow and a receiver that is
//! down for hours never hold up a look at the metrics.
//!
//! What is not delivered waits, in order, up to [`Delivery::expire`](seawall_policy::alert::Delivery); then it is dropped,
//! and the alert's own trace says so. A kill between a receiver's answer and its being written down sends the same notice
//! again under the same id: at least once, with an id to tell by.

mod board;
mod builtin;
mod calendar;
pub mod channel;
mod engine;
mod hush;
mod key;
mod lane;
mod meters;
mod notice;
mod saved;
mod show;
mod silence;
mod trace;

pub use builtin::{BUILT_IN, rules};
pub use calendar::timestamp;
pub use channel::{Channel, Failure, Grouping, Outlet};
pub use engine::{Engine, FILE, Setup};
pub use notice::{Item, Kind, Notice};
pub use silence::Unsilenced;

#[cfg(test)]
mod tests;
