//! How far a coded body may expand before it is taken for a bomb.

use super::Options;

/// Up to here no ratio is looked at: a few kilobytes of blanks are no bomb.
pub const GRACE: u64 = 64 << 10;

/// How far a coded body may expand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes that may come out.
    pub max_decoded: u64,
    /// How many times what went in may come out, beyond [`GRACE`].
    pub max_ratio: u32,
}

impl From<&Options> for Bounds {
    fn from(options: &Options) -> Self {
        Self { max_decoded: options.max_decoded.0, max_ratio: options.max_ratio }
    }
}

impl Bounds {
    /// Has a body of which `coded` bytes went in and `decoded` came out expanded too far?
    pub fn are_passed(&self, coded: u64, decoded: u64) -> bool {
        let by_ratio = decoded > GRACE && decoded > coded.saturating_mul(u64::from(self.max_ratio));
        decoded > self.max_decoded || by_ratio
    }

    /// How much may still come out.
    pub fn room(&self, decoded: u64) -> u64 {
        self.max_decoded.saturating_sub(decoded)
    }
}
