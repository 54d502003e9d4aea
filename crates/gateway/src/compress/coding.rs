//! What one call's caller reads, and what follows from it for the answer.

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE};
use http::{Method, Version, response};
use seawall::compress::{Accept, Algorithm, Decoder, Encoder, Options, is_worth_it};

use super::{Live, Stages, Unpacked, heads};

/// What the caller of one call reads.
#[derive(Debug)]
pub(crate) struct Reads {
    accept: Accept,
    /// We asked the upstream for a compressed answer, which the caller did not.
    asked: bool,
}

/// How the answer of one call may change its coding.
#[derive(Debug)]
pub(crate) struct Coding<'r> {
    live: &'r Live,
    reads: &'r Reads,
}

impl Reads {
    /// Looks at what the caller reads; none where its answer passes as it is. A caller that reads plain bodies only
    /// does not hear that the upstream is asked for compressed ones.
    pub(crate) fn begin(
        live: Option<&Live>,
        method: &Method,
        version: Version,
        headers: &mut HeaderMap,
    ) -> Option<Self> {
        let live = live.filter(|live| live.options.responses)?;
        // An answer without a length ends, for HTTP/1.0, where the connection does, cut or not.
        let able = version >= Version::HTTP_11 && !matches!(*method, Method::HEAD | Method::CONNECT);
        if !able || headers.contains_key(RANGE) || heads::no_transform(headers) {
            return None;
        }
        let accept = Accept::read(headers.get_all(ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes));
        let reads_some =
            Algorithm::ALL.iter().any(|algorithm| accept.reads(*algorithm)) || accept.reads_others();
        let asked = !reads_some && accept.reads_plain() && !wants_events(headers);
        if asked && let Ok(value) = HeaderValue::from_str(&names(&live.options)) {
            headers.insert(ACCEPT_ENCODING, value);
        }
        Some(Self { accept, asked })
    }

    /// We asked the upstream for a compressed answer, which the caller did not.
    pub(crate) fn asked(&self) -> bool {
        self.asked
    }
}

impl<'r> Coding<'r> {
    /// Of a call on a route that compresses so.
    pub(crate) fn of(live: Option<&'r Live>, reads: Option<&'r Reads>) -> Option<Self> {
        Some(Self { live: live?, reads: reads? })
    }

    pub(crate) fn options(&self) -> &Options {
        &self.live.options
    }

    /// The coding to take off an answer, because its caller does not read it.
    pub(crate) fn to_unpack(&self, head: &response::Parts) -> Option<Algorithm> {
        let heads::Sent::Coded(algorithm) = heads::sent(&head.headers) else { return None };
        let foreign = !self.reads.accept.reads(algorithm) && self.reads.accept.reads_plain();
        // What we asked for ourselves has to be undone, whatever is said about it.
        let free = self.reads.asked || !(heads::no_transform(&head.headers) || heads::sealed(&head.headers));
        (foreign && free && heads::changeable(head)).then_some(algorithm)
    }

    /// What takes it off, and a head that says so. `place` is the target that answered.
    pub(crate) fn unpack(&self, algorithm: Algorithm, place: usize, headers: &mut HeaderMap) -> Unpacked {
        heads::unpacked(headers);
        Unpacked::new(Decoder::new(algorithm, self.options().into()), self.stages(place))
    }

    /// The coding to put on an answer of `size` bytes, if that is known, because its caller reads it and it is worth it;
    /// its head says so from here on.
    pub(crate) fn pack(&self, head: &mut response::Parts, size: Option<u64>) -> Option<Algorithm> {
        let worth = head.headers.get(CONTENT_TYPE).is_some_and(|kind| is_worth_it(kind.as_bytes()));
        if !worth
            || size == Some(0)
            || heads::sent(&head.headers) != heads::Sent::Plain
            || !heads::changeable(head)
            || heads::no_transform(&head.headers)
            || heads::sealed(&head.headers)
        {
            return None;
        }
        // Another caller would be answered in another coding.
        heads::varies(&mut head.headers);
        let small = size.is_some_and(|size| size < self.options().min_size.0);
        if small && self.reads.accept.reads_plain() {
            return None;
        }
        let algorithm = self.reads.accept.choose(&self.options().algorithms)?;
        heads::packed(&mut head.headers, algorithm);
        Some(algorithm)
    }

    /// What puts it on.
    pub(crate) fn encoder(&self, algorithm: Algorithm) -> Encoder {
        Encoder::new(algorithm, self.options().level)
    }

    /// What is counted of the target at `place`.
    pub(crate) fn stages(&self, place: usize) -> Stages {
        self.live.traffic[place].responses.clone()
    }
}

/// Events are to be read as they come, and their ends to be seen: nothing is asked for that would hide them.
fn wants_events(headers: &HeaderMap) -> bool {
    let events = b"text/event-stream";
    headers
        .get_all(ACCEPT)
        .iter()
        .any(|value| value.as_bytes().windows(events.len()).any(|window| window.eq_ignore_ascii_case(events)))
}

fn names(options: &Options) -> String {
    options.algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ")
}
