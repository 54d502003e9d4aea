//! Bodies that change their coding on the way: what the caller reads and what the upstream sends, brought together.
//!
//! ```text
//! caller ─► Upload (packed?) ─► Replay ─► upstream ─► Answered (unpacked?) ─► Passing ─► Packed? ─► caller
//! ```
//!
//! Nothing here runs where a route does not ask for it: bodies pass as they are.

mod coding;
mod heads;
mod packed;
mod unpacked;
mod upload;

use std::borrow::Cow;

use http::header::HeaderMap;
use seawall::compress::{Algorithm, Bounds, Decoder, Options};
use seawall_signals::metrics::{Counter, Registry, names};

pub(crate) use coding::{Coding, Reads};
pub(crate) use packed::Packed;
pub(crate) use unpacked::Unpacked;
pub(crate) use upload::Upload;

/// So many bytes are worked on at a time; then others on this thread have their turn.
const SHARE: usize = 64 * 1024;

/// How a route compresses, and what is counted of it for each of its targets.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) options: Options,
    pub(crate) traffic: Vec<Traffic>,
}

/// Bytes in both directions.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    pub(crate) requests: Stages,
    pub(crate) responses: Stages,
}

/// Bytes of bodies that changed their coding, before and after.
#[derive(Debug, Clone)]
pub(crate) struct Stages {
    plain: Counter,
    coded: Counter,
}

impl Traffic {
    pub(crate) fn of(registry: &Registry, upstream: &str) -> Self {
        let stages = |direction| Stages {
            plain: names::COMPRESS_BYTES.with(registry, [upstream, direction, "plain"]),
            coded: names::COMPRESS_BYTES.with(registry, [upstream, direction, "coded"]),
        };
        Self { requests: stages("request"), responses: stages("response") }
    }
}

impl Stages {
    fn count(&self, plain: u64, coded: u64) {
        self.plain.add(plain);
        self.coded.add(coded);
    }
}

/// What became of the bodies of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Changed {
    /// The request was compressed for the upstream.
    pub(crate) request: Option<Algorithm>,
    /// The answer was decompressed for the caller.
    pub(crate) unpacked: Option<Algorithm>,
    /// The answer was compressed for the caller.
    pub(crate) packed: Option<Algorithm>,
}

impl Changed {
    /// In the words of a story.
    pub(crate) fn told(self) -> impl Iterator<Item = String> {
        let words = [
            (self.request, "the request was compressed for the upstream"),
            (self.unpacked, "the answer was decompressed for the caller"),
            (self.packed, "the answer was compressed for the caller"),
        ];
        words.into_iter().filter_map(|(algorithm, what)| Some(format!("{what} ({})", algorithm?)))
    }
}

/// The beginning of a body as a provider pack can read it, at most `wanted` bytes: what an error says does not depend on
/// how it travels.
pub(crate) fn peek<'b>(headers: &HeaderMap, begun: &'b [u8], wanted: usize) -> Cow<'b, [u8]> {
    let as_it_is = || Cow::Borrowed(&begun[..begun.len().min(wanted)]);
    let heads::Sent::Coded(algorithm) = heads::sent(headers) else { return as_it_is() };
    let mut decoder = Decoder::new(algorithm, Bounds::from(&Options::default()));
    let (mut body, mut rest) = (Vec::new(), begun);
    while body.len() < wanted {
        let before = body.len();
        match decoder.decode(rest, &mut body) {
            Ok(0) if body.len() == before => break,
            Ok(taken) => rest = &rest[taken..],
            // What could be read of it has to do.
            Err(_) => break,
        }
    }
    body.truncate(wanted);
    Cow::Owned(body)
}
