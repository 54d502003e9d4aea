//! What operators see: numbers to scrape, and the present state to look at.
//!
//! [`metrics`] counts and exports, [`rate`] remembers the last minute, [`view`] is the shape in which the status
//! page, the admin API and the command line speak of breakers, limits, upstreams and calls. Nothing here decides
//! anything, keeps a clock or does I/O: whoever owns the state fills these in.

pub mod metrics;
pub mod rate;
pub mod view;

mod slot;
