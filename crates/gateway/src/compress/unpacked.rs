//! A body that is decompressed as it passes: piece by piece, within its bounds, and whole only with its own end.

use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use seawall::compress::{Decoder, Error, GRACE, PIECE};

use super::{SHARE, Stages};

/// Decompresses what it is fed.
#[derive(Debug)]
pub(crate) struct Unpacked {
    decoder: Decoder,
    /// Came, and is not decompressed yet.
    input: Bytes,
    /// Decompressed before anybody asked.
    ready: Bytes,
    /// Bytes worked on since others had their turn.
    worked: usize,
    stages: Stages,
}

impl Unpacked {
    pub(crate) fn new(decoder: Decoder, stages: Stages) -> Self {
        Self { decoder, input: Bytes::new(), ready: Bytes::new(), worked: 0, stages }
    }

    /// More of the body; all that was there before must have been taken.
    pub(crate) fn feed(&mut self, coded: Bytes) {
        self.input = coded;
    }

    /// Decompresses the first of what was fed, far enough to know a bomb. True if that was all that was fed.
    pub(crate) fn look_ahead(&mut self) -> Result<bool, Error> {
        let (mut ready, mut all) = (Vec::new(), false);
        while !all && ready.len() as u64 <= GRACE {
            all = !self.step(&mut ready)?;
        }
        self.ready = ready.into();
        Ok(all)
    }

    /// What was decompressed ahead.
    pub(crate) fn take_ready(&mut self) -> Bytes {
        std::mem::take(&mut self.ready)
    }

    /// The next piece; none when it must be fed first.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        if !self.ready.is_empty() {
            return Poll::Ready(Ok(Some(self.take_ready())));
        }
        loop {
            if self.worked >= SHARE {
                self.worked = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut piece = Vec::new();
            let moved = self.step(&mut piece)?;
            if !piece.is_empty() || !moved {
                return Poll::Ready(Ok((!piece.is_empty()).then(|| piece.into())));
            }
        }
    }

    /// Was that the whole body?
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.decoder.finish()
    }

    /// False when nothing moves any more.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let before = out.len();
        let taken = self.decoder.decode(&self.input[..self.input.len().min(PIECE)], out)?;
        self.input.advance(taken);
        let moved = taken + out.len() - before;
        self.worked += moved;
        Ok(moved > 0)
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        let (coded, plain) = self.decoder.counts();
        self.stages.count(plain, coded);
    }
}
