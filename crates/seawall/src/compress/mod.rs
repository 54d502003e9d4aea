//! Makes bodies smaller on the wire and whole again, piece by piece, and never larger than somebody allowed.
//!
#![doc = include_str!("../../../../docs/policies/compress.md")]

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use seawall_core::{Certainty, Code, Rejection};
pub use seawall_policy::compress::{Accept, Algorithm, Bounds, GRACE, Options, is_worth_it};

pub use decode::Decoder;
pub use encode::Encoder;

/// The most that one step of a [`Decoder`] gives: small enough that nobody else waits for it.
pub const PIECE: usize = 32 << 10;

/// Why a coded body cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// It expands further than allowed.
    Swollen {
        /// Bytes read of it.
        coded: u64,
        /// Bytes it had become by then, of which the last step's were not given out.
        decoded: u64,
    },
    /// It is not what it says it is, or was damaged on the way.
    Broken(Cow<'static, str>),
    /// It ended before its end.
    Truncated,
}

impl Error {
    /// The stable code for it.
    pub const fn code(&self) -> Code {
        match self {
            Error::Swollen { .. } => Code::Swollen,
            Error::Broken(_) => Code::UpstreamGarbage,
            Error::Truncated => Code::StreamCut,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Swollen { coded, decoded } => {
                write!(f, "{coded} compressed bytes had become {decoded}, which is further than allowed")
            }
            Error::Broken(why) => write!(f, "the compressed body cannot be read: {why}"),
            Error::Truncated => f.write_str("the compressed body ended before its end"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        Rejection::new(error.code()).because(error.to_string()).certainty(Certainty::Partial)
    }
}

/// Encodes a whole body. `level` as in [`Options::level`].
///
/// # Errors
/// [`Error::Broken`] if the compressor fails, which it has no reason to.
pub fn encode(algorithm: Algorithm, level: u32, body: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut encoder, mut coded) = (Encoder::new(algorithm, level), Vec::new());
    encoder.encode(body, &mut coded)?;
    encoder.finish(&mut coded)?;
    Ok(coded)
}

/// Decodes a whole body. Costs at most what `bounds` allow, whatever the body says.
///
/// # Errors
/// See [`Error`].
pub fn decode(algorithm: Algorithm, bounds: Bounds, coded: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut decoder, mut body, mut read) = (Decoder::new(algorithm, bounds), Vec::new(), 0);
    loop {
        let before = body.len();
        let taken = decoder.decode(&coded[read..], &mut body)?;
        read += taken;
        if taken == 0 && body.len() == before {
            decoder.finish()?;
            return Ok(body);
        }
    }
}
