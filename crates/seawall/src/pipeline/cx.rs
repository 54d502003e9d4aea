//! What an operation may know about its call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::Instant;

/// What the operation may know about its call.
#[derive(Debug, Clone)]
pub struct Cx {
    pub(super) attempt: u32,
    pub(super) is_hedge: bool,
    pub(super) is_last: bool,
    pub(super) began: Instant,
    pub(super) remaining: Duration,
    pub(super) deadline: Instant,
    pub(super) key: Option<Arc<str>>,
    pub(super) intent: Option<Arc<str>>,
    pub(super) nonce: (u64, u64),
}

impl Cx {
    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Is it a second copy, sent while the first is still under way?
    pub fn is_hedge(&self) -> bool {
        self.is_hedge
    }

    /// Can no further attempt of this call follow, nor a hedge beside it? What the operation was given may be used up.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// When this attempt began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The time left for this attempt when it began: the attempt's own patience, or what is left of the deadline.
    pub fn remaining(&self) -> Duration {
        self.remaining
    }

    /// The deadline of the whole call.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whose call it is under limits that are per key, as [`Call::key`](super::Call::key) said.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// A key to send downstream, such as the value of `Idempotency-Key`: the same for every attempt and hedge of this
    /// call, and no other call's. It is what [`Call::idempotency_key`](super::Call::idempotency_key) said; else 128
    /// bits drawn when the call began, which a caller that makes the call anew does not get again.
    pub fn downstream_key(&self) -> String {
        self.intent.as_ref().map_or_else(|| Drawn(self.nonce).to_string(), |intent| intent.to_string())
    }
}

/// 128 random bits as people know them from UUIDs.
struct Drawn((u64, u64));

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Version 4, variant 1, as RFC 9562 marks what was drawn at random.
        let (high, low) = ((self.0.0 & !0xf000) | 0x4000, (self.0.1 & !(0b11 << 62)) | (0b10 << 62));
        let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xffff);
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    }
}
