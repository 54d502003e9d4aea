//! Memory that outlives a call: what is remembered of effects, kept in this process, in a file, or by a server.
//!
//! Every store runs the same transition function (`seawall_policy::effect`) and is held to it by one suite:
//! [`conformance`].

pub mod conformance;
pub mod memory;
pub mod time;

pub use memory::Memory;
