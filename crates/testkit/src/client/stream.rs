//! An answer as it comes, piece by piece, with the time of each.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::answer::{self, AnswerHead, Ended};
use crate::framing::Framing;
use crate::wire::Wire;

/// An answer being read. Dropping it leaves in mid-answer.
pub struct Stream {
    wire: Wire,
    /// The answer's head.
    pub head: AnswerHead,
    framing: Framing,
    sent: Instant,
    ended: Option<Ended>,
}

/// Some bytes of body, never spanning two chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// When it was read, counted from the request's first byte.
    pub at: Duration,
    /// The bytes.
    pub bytes: Bytes,
}

impl Stream {
    pub(super) async fn begin(mut wire: Wire, method: &str, sent: Instant) -> io::Result<Self> {
        let head = answer::read_head(&mut wire).await?;
        let framing = answer::framing(method, head.status, &head.headers)?;
        Ok(Self { wire, head, framing, sent, ended: None })
    }

    /// The next piece; `None` once the answer has ended.
    pub async fn next(&mut self) -> Option<Piece> {
        if self.ended.is_some() {
            return None;
        }
        match self.wire.piece(&mut self.framing).await {
            Ok(Ok(bytes)) => return Some(Piece { at: self.sent.elapsed(), bytes }),
            Ok(Err(_trailers)) => self.ended = Some(Ended::Complete),
            Err(broken) => self.ended = Some(answer::ending(&broken, &self.framing)),
        }
        None
    }

    /// How it ended, once it has.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Everything that is still to come, and how it ended.
    pub async fn collect(mut self) -> (Vec<Piece>, Ended) {
        let mut pieces = Vec::new();
        while let Some(piece) = self.next().await {
            pieces.push(piece);
        }
        // `next` gives nothing only after it has noted the end.
        (pieces, self.ended.unwrap_or(Ended::CutShort))
    }
}
