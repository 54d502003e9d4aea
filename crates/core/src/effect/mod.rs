//! The words of doing something once: what identifies an effect, what is remembered of it, and what may be asked of the
//! memory. What follows from what is decided in `seawall_policy::effect`; where it is remembered, by a store.

mod key;
mod operation;
mod record;

pub use key::{Fingerprint, Key, Nonce};
pub use operation::{Answer, Begin, Finding, Note, Operation, Outcome, Resolution};
pub use record::{Done, Doubt, How, Keep, Nature, Reason, Record, Stamp, State, Token, Truth};
