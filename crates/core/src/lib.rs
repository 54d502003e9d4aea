//! The words everyone shares: time, verdicts, rejections, events, secrets and the provider port.
//!
//! Nothing here does I/O, knows a runtime or decides anything: it is what the policies (`seawall-policy`), the
//! library (`seawall`), the gateway and the stores say to each other.

pub mod audit;
pub mod clock;
pub mod effect;
pub mod event;
pub mod fleet;
pub mod id;
pub mod job;
pub mod provider;
pub mod random;
pub mod rejection;
pub mod secret;
pub mod store;
pub mod units;
pub mod verdict;

pub use clock::{Clock, Instant};
pub use id::CallId;
pub use rejection::{Code, Error, Policy, Rejection};
pub use verdict::{Certainty, Class, Effects, Verdict};
