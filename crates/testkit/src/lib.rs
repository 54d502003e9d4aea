//! An HTTP/1.1 upstream that misbehaves on command, to the byte, and remembers everything that reached it.
//!
//! ```
//! use seawall_testkit::{Reply, Script, Upstream, client};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let script = Script::sequence([Reply::status(429).header("retry-after", "1"), Reply::execute_then_drop("order")])
//!     .then(Reply::ok("fine"));
//! let upstream = Upstream::start(script).await?;
//!
//! assert_eq!(client::get(&upstream.url()).await?.status, 429);
//! assert!(client::get(&upstream.url()).await.is_err());
//! assert_eq!(client::get(&upstream.url()).await?.body, b"fine");
//! assert_eq!(upstream.ledger().executed("order").len(), 1);
//! upstream.stop().await;
//! # Ok(()) }
//! ```
//!
//! A [`Script`] picks a [`Reply`] for each request; a reply is a short program of [`Action`]s played on the socket;
//! the [`Ledger`] counts what arrived and what was executed and never merges two of anything. [`client`] is the
//! other end: a raw client that says exactly how an answer ended. [`providers`] are whole services built from these.
//! Everything runs on plain TCP: a real HTTP library would refuse to misbehave.

pub mod client;
mod connection;
mod framing;
mod ledger;
pub mod providers;
mod proxy;
mod reply;
mod request;
mod script;
mod upstream;
mod wire;

pub use ledger::{Execution, Ledger, max_in_window};
pub use proxy::Proxy;
pub use reply::{Action, Head, Reply, Version};
pub use request::{Request, digest};
pub use script::{Accept, Script};
pub use upstream::{Upstream, closed_port};
