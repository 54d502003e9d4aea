//! Reads an answer's body before its head is passed on, as far as it can be remembered.

use std::future::poll_fn;
use std::time::Duration;

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{StatusCode, response};
use seawall::timeout::within;
use seawall_core::Instant;

use super::LARGEST_BODY;
use crate::body::Answered;
use crate::house::House;

/// What came of reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// All of it is here.
    Whole,
    /// It is too large, too slow or a stream: what was read is passed on, and the rest as it comes.
    Passing,
    /// It ended before it was complete.
    Cut,
    /// Nothing came for too long.
    Stalled,
}

/// A stream has no end to wait for, and neither has what becomes another protocol.
fn flows(head: &response::Parts) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let events = kind.len() >= 17 && kind[..17].eq_ignore_ascii_case(b"text/event-stream");
    let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    events
        || head.status == StatusCode::SWITCHING_PROTOCOLS
        || length.is_some_and(|length: u64| length > LARGEST_BODY as u64)
}

/// Reads the body until it is whole, at the latest until `until`. Whatever was read is there to be passed on.
pub(super) async fn read(
    head: &response::Parts,
    body: &mut Answered,
    idle: Duration,
    until: Instant,
    house: &House,
) -> Read {
    if flows(head) {
        return Read::Passing;
    }
    let mut begun = BytesMut::new();
    let read = loop {
        let left = house.now().until(until);
        if left.is_zero() || begun.len() > LARGEST_BODY {
            break Read::Passing;
        }
        let frame = within(poll_fn(|cx| body.poll_frame(cx)), idle.min(left)).await;
        match frame {
            Err(_) if idle <= left => break Read::Stalled,
            Err(_) => break Read::Passing,
            Ok(None) => break Read::Whole,
            Ok(Some(Err(_))) => break Read::Cut,
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => begun.extend_from_slice(&data),
                Err(other) => {
                    body.trailers = other.into_trailers().ok();
                    body.rest = None;
                    break Read::Whole;
                }
            },
        }
    };
    if read == Read::Whole {
        body.rest = None;
    }
    body.begun = begun.freeze();
    read
}
