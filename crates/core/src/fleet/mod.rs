//! What the processes of a fleet share: limits, breakers, leases, and who is there; and the port to where it is kept.
//!
//! A store runs each question as one atomic step of `seawall_policy::fleet` (or, on a server of its own, of a second
//! writing of it that is held equal by tests), at its own time: clocks of two machines are never compared, so that every
//! answer says *in how long* and never *when*.
//!
//! ```text
//!  process ─┐   limit     take n of a quota: one trip for each call that passes
//!  process ─┼─► breaker   report counts, hear how it stands, pull a lever: one trip for many calls
//!  process ─┘   lease     hold a name, fenced by epochs
//!               presence  a heartbeat; the fleet's size is how many are heard of
//! ```
//!
//! Nothing here is durable in the sense of the journal: what is lost with a store is a count of the last minutes, and
//! whoever drives these questions falls back to a share of its own until the store answers again.

pub mod breaker;
pub mod lease;
pub mod limit;
pub mod presence;

use std::fmt;
use std::sync::Arc;

use crate::store::Asked;

/// A memory that a fleet shares. A question is handed over when its method is called: dropping what is returned does not
/// take it back.
pub trait Fleet: Send + Sync + fmt::Debug {
    /// Asks a limit.
    fn limit(&self, of: &limit::Of, ask: limit::Ask) -> Asked<'_, limit::Said>;

    /// Asks a breaker.
    fn breaker(&self, name: &Arc<str>, rules: &breaker::Rules, ask: breaker::Ask)
    -> Asked<'_, breaker::Said>;

    /// Asks about a lease.
    fn lease(&self, name: &Arc<str>, ask: lease::Ask) -> Asked<'_, lease::Said>;

    /// Says who is there in a group, or that somebody has gone, and hears how many are.
    fn presence(&self, group: &Arc<str>, ask: presence::Ask) -> Asked<'_, u32>;
}

/// A moment by a store's own clock, in microseconds since 1970. Of use to that store only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub u64);

/// Drawn at random by each process, or each holder of something: nobody else has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member(pub u128);

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
