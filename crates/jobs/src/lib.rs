//! Work that takes minutes, and is worth running again when it failed for a passing reason.
//!
//! [`retry`] decides when a job may be attempted again and drives that; [`Memory`] is what it remembers by unless
//! workers in several processes are to share that.

mod memory;
pub mod retry;

pub use memory::Memory;
