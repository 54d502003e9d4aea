//! A name that one process holds at a time, for a while.
//!
//! Each holding has an epoch, higher than any before it. A holder that was paused for longer than its lease believes that
//! it still holds the name: what it does must carry the epoch, and whoever does things for holders refuses an epoch below
//! one it has seen. Nothing else keeps two holders apart.

use std::time::Duration;

use super::Member;

/// What is asked about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Takes the name, or keeps it if it is this holder's already.
    Acquire {
        /// Who.
        holder: Member,
        /// For how long.
        span: Duration,
    },
    /// Keeps the name for so long from now.
    Renew {
        /// Who.
        holder: Member,
        /// By which right.
        epoch: u64,
        /// For how long.
        span: Duration,
    },
    /// Lets go of the name.
    Release {
        /// Who.
        holder: Member,
        /// By which right.
        epoch: u64,
    },
}

/// What the store answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It is the asker's from when it was asked, by this right.
    Held(u64),
    /// Somebody else has it, for at most this much longer unless it is renewed.
    Busy(Duration),
    /// It was the asker's and is no longer.
    Lost,
    /// It is nobody's.
    Free,
}
