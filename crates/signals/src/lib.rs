//! What operators see: numbers to scrape, the present state to look at, and what was done by whom.
//!
//! [`metrics`] counts and exports, [`rate`] remembers the last minute and [`history`] the last ten, [`view`] is the shape in which the status
//! page, the admin API and the command line speak of breakers, limits, upstreams and calls, and [`audit`] writes down
//! who did what, where it cannot be changed unseen; [`logs`] writes down what happens, for people and their tools.
//! [`otlp`] sends traces and metrics to a collector; [`series`] remembers what the metrics said, and [`alerts`] tells
//! somebody when that is bad. Nothing here decides anything, and nothing but [`audit`], [`logs`], [`alerts`], [`otlp`]
//! and the file of [`series`] keeps a clock or does I/O: whoever owns the state fills these in.

pub mod alerts;
pub mod audit;
pub mod history;
pub mod logs;
pub mod metrics;
pub mod otlp;
pub mod rate;
pub mod series;
pub mod view;

mod place;
mod slot;
mod whole;
