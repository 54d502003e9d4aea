//! The way out: what is written comes out compressed, now or when it is flushed.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::{Algorithm, Error};

/// Room made for output at a time.
const ROOM: usize = 4 << 10;
/// The window of deflate: what may be referred back to.
const WINDOW_BITS: u8 = 15;

/// Compresses a body that comes in pieces. Costs about 370 KiB of memory while it lives, and some 7 ms a megabyte.
#[derive(Debug)]
pub struct Encoder {
    inner: Compress,
    /// Bytes went in that a reader does not have yet.
    holds_back: bool,
}

impl Encoder {
    /// `level` as in [`Options::level`](super::Options::level); beyond 1 to 9 the nearest.
    pub fn new(algorithm: Algorithm, level: u32) -> Self {
        let level = Compression::new(level.clamp(1, 9));
        let inner = match algorithm {
            Algorithm::Gzip => Compress::new_gzip(level, WINDOW_BITS),
            Algorithm::Deflate => Compress::new(level, true),
        };
        Self { inner, holds_back: false }
    }

    /// Takes all of `body`; appends to `out` what has become ready, which may be nothing.
    ///
    /// # Errors
    /// [`Error::Broken`] after [`Encoder::finish`].
    pub fn encode(&mut self, mut body: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.holds_back |= !body.is_empty();
        while !body.is_empty() {
            let (taken, _) = self.step(body, out, FlushCompress::None)?;
            body = &body[taken..];
        }
        Ok(())
    }

    /// Appends everything that was held back, so that a reader has all that was written. Costs a few bytes, and some of
    /// the compression; nothing where nothing is held back.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        while self.holds_back {
            self.step(&[], out, FlushCompress::Sync)?;
            // Room was left: there was no more to say.
            self.holds_back = out.len() == out.capacity();
        }
        Ok(())
    }

    /// Appends the end of the body. Nothing can be written after it.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.holds_back = false;
        while self.step(&[], out, FlushCompress::Finish)?.1 != Status::StreamEnd {}
        Ok(())
    }

    /// Is there anything that [`Encoder::flush`] would bring out?
    pub fn holds_back(&self) -> bool {
        self.holds_back
    }

    /// Bytes taken and bytes given so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.inner.total_in(), self.inner.total_out())
    }

    fn step(
        &mut self,
        body: &[u8],
        out: &mut Vec<u8>,
        flush: FlushCompress,
    ) -> Result<(usize, Status), Error> {
        let (read, written) = (self.inner.total_in(), out.len());
        out.reserve(ROOM);
        let status = self
            .inner
            .compress_vec(body, out, flush)
            .map_err(|error| Error::Broken(error.to_string().into()))?;
        let taken = usize::try_from(self.inner.total_in() - read).unwrap_or(usize::MAX);
        // There was room, so something must have moved, or nothing ever will.
        let stuck = taken == 0 && out.len() == written && status != Status::StreamEnd;
        if stuck && !matches!(flush, FlushCompress::Sync) {
            return Err(Error::Broken("nothing can follow its end".into()));
        }
        Ok((taken, status))
    }
}
