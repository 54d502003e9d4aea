//! What particular providers do their own way: a table each, behind the provider port.
//!
//! The gateway knows only [`Provider`](seawall_core::provider::Provider); it asks here once, by the word in the
//! configuration, and plain HTTP (`seawall_core::provider::Http`) is everything that has no table.

pub mod ai;

pub use ai::{NAMES, provider};
