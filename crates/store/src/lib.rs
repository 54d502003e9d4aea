//! Memory that outlives a call: what is remembered of effects, kept in this process, in a file, or by a server.
//!
//! Every store runs the same transition function (`seawall_policy::effect`) and is held to it by one suite:
//! [`conformance`].
//!
#![doc = include_str!("../../../docs/stores.md")]

pub mod conformance;
pub mod memory;
pub mod moving;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sealed")]
pub mod sealed;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod time;

pub use memory::Memory;
#[cfg(feature = "redis")]
pub use redis::{Redis, RedisOptions};
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
