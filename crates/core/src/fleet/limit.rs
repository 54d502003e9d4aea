//! A limit that a fleet keeps together.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::Moment;
use crate::units::Rate;

/// Which limit, and what it is.
///
/// Two processes that differ in count or burst share what was used all the same; those that differ in the kind (with a
/// burst, or without), or without a burst in the span, count apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Of {
    /// Its name.
    pub name: Arc<str>,
    /// Which of its keys, where each has a limit of its own; zero is everybody.
    pub key: u64,
    /// So many in so much time.
    pub rate: Rate,
    /// With a burst: a token bucket of that size. Without: a window that slides.
    pub burst: Option<NonZeroU32>,
}

/// What is asked of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Counts `n` if they may pass now. Before that `owed` are counted in any case, beyond the limit if need be: what has
    /// passed while the store could not be asked.
    Take {
        /// How many are to pass.
        n: u32,
        /// How many have passed already.
        owed: u64,
    },
    /// Takes back what was counted and did not go.
    GiveBack {
        /// How many.
        n: u64,
        /// When they were counted, as the answer said.
        taken: Moment,
    },
    /// Forgets what was used.
    Reset,
}

/// What a limit answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// They may pass, and were counted then.
    Go(Moment),
    /// Not now; the earliest moment at which they could is this far away. Nobody else's turn is kept meanwhile.
    Wait(Duration),
    /// More than the limit ever holds at once.
    Never,
    /// It has been done.
    Done,
}
