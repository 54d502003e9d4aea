//! Calls that come in by socket: a gateway any program can point its base URL at.
//!
//! ```text
//! listen ─► entry (Host, Origin, upstream, route) ─► chain of targets ─► pipeline ─► attempt ─► upstream pool
//!                                                                                        │
//!            admin ◄── view ◄── house (state, stories, meters) ◄── record ◄── answer ◄───┘
//! ```
//!
//! It is a face: what is sent again, refused, waited for or passed on is decided by the pure steps of
//! `seawall-policy`, driven by `seawall::Pipeline`.

mod admin;
mod answer;
mod attempt;
mod body;
mod cache;
mod compress;
mod decision;
mod door;
mod entry;
pub mod handover;
mod headers;
mod house;
mod inspect;
mod listen;
mod logged;
mod meters;
mod once;
mod owned;
mod peer;
pub mod plan;
mod presence;
mod proxy;
mod recall;
mod record;
mod refusal;
pub mod route;
mod scene;
mod socket;
mod spans;
mod sse;
mod standing;
mod start;
mod story;
mod unusual;
mod upgrade;
pub mod upstream;
mod watch;

pub use owned::Sockets;
pub use scene::{Asked, InForce, Past, Wish};
pub use start::{AUDIT, GATEWAYS, Gateway, StartError, Stopped, start, start_on};
