//! The Redis store against real servers, each private to its test.

mod conformance;
mod server;
