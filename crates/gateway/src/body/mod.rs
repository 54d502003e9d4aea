//! Bodies on their way through: requests that may have to be sent again, answers that must not look finished when cut.

mod answered;
mod inbound;
mod outgoing;
mod passing;
mod replay;
#[cfg(test)]
mod tests;

pub(crate) use answered::Answered;
pub(crate) use inbound::{Inbound, Rest};
pub(crate) use outgoing::Outgoing;
pub(crate) use passing::{Ending, Passing, Watch};
pub(crate) use replay::{Replay, Sending};

/// What ends a body badly, in the words of a log line.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;
