//! The body of a request, as the upstream gets it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use seawall::compress::{Algorithm, Encoder, is_worth_it};

use super::{Live, Packed, heads};
use crate::body::{BodyError, Inbound};

/// The caller's body as it came, or compressed on the way.
#[derive(Debug)]
pub(crate) enum Upload {
    /// As it came.
    Plain(Inbound),
    /// Compressed. Boxed: it is large, and most are not.
    Packed(Box<Packed<Inbound>>),
}

impl Upload {
    /// Compresses the body of a request where its route says so, it is worth it and nobody compressed it before; says
    /// with what. Its head says so from here on.
    pub(crate) fn begin(
        live: Option<&Live>,
        headers: &mut HeaderMap,
        body: Inbound,
    ) -> (Self, Option<Algorithm>) {
        let packing =
            live.filter(|live| live.options.requests && !body.is_end_stream() && packs(live, headers));
        let Some((live, algorithm)) =
            packing.and_then(|live| Some((live, *live.options.algorithms.first()?)))
        else {
            return (Upload::Plain(body), None);
        };
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(algorithm.as_str()));
        let encoder = Encoder::new(algorithm, live.options.level);
        // Whichever target gets it in the end: it is compressed once, for the first.
        let stages = live.traffic[0].requests.clone();
        (Upload::Packed(Box::new(Packed::new(body, encoder, stages))), Some(algorithm))
    }
}

fn packs(live: &Live, headers: &HeaderMap) -> bool {
    let large = heads::length(headers).is_none_or(|length| length >= live.options.min_size.0);
    large
        && headers.get(CONTENT_TYPE).is_some_and(|kind| is_worth_it(kind.as_bytes()))
        && heads::sent(headers) == heads::Sent::Plain
        && !headers.contains_key(CONTENT_RANGE)
        && !heads::no_transform(headers)
        && !heads::sealed(headers)
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Upload::Plain(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Upload::Packed(body) => Pin::new(body.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Upload::Plain(body) => body.is_end_stream(),
            Upload::Packed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Upload::Plain(body) => body.size_hint(),
            Upload::Packed(body) => body.size_hint(),
        }
    }
}
