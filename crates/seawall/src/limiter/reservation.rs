//! A cost that is known only afterwards: counted as estimated, settled as it was.

use super::{Counted, Limiter};

/// An estimate that has been counted: model tokens, bytes, cents, whatever the limit counts.
///
/// Dropping it keeps the estimate counted: a call that was cut short may have cost it all.
#[derive(Debug)]
#[must_use = "a reservation that is dropped at once stays counted as estimated"]
pub struct Reservation {
    limiter: Limiter,
    counted: Counted,
}

impl Reservation {
    pub(super) fn new(limiter: Limiter, counted: Counted) -> Self {
        Self { limiter, counted }
    }

    /// What was counted.
    pub fn estimate(&self) -> u32 {
        self.counted.n
    }

    /// What it really was. Less than estimated is given back, as much of it as is certain to give nothing away. More
    /// becomes a debt: it is counted even beyond the limit, and nothing passes before it is paid.
    pub fn settle(self, actual: u64) {
        self.limiter.settle(self.counted, actual);
    }
}
