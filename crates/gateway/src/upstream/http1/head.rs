//! Heads of HTTP/1 messages as bytes: ours as we write it, theirs as we read it. Pure: no socket, no clock.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, request, response};
use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};
use hyper::ext::ReasonPhrase;
use smallvec::SmallVec;

use super::super::error::SendErrorKind;
use super::super::framing;

/// So many header lines are read onto the stack.
const ON_STACK: usize = 100;

/// How much of a head is read.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) struct Limits {
    pub(in crate::upstream) bytes: usize,
    pub(in crate::upstream) lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 8 * 1024, lines: ON_STACK }
    }
}

/// Why a head cannot be read.
#[derive(Debug)]
pub(in crate::upstream) struct BadHead {
    pub(in crate::upstream) kind: SendErrorKind,
    pub(in crate::upstream) why: String,
}

impl BadHead {
    fn garbage(why: impl Into<String>) -> Self {
        Self { kind: SendErrorKind::Garbage, why: why.into() }
    }

    fn large(limits: Limits) -> Self {
        let why = format!("the answer's head is over {} bytes or {} lines", limits.bytes, limits.lines);
        Self { kind: SendErrorKind::HeadTooLarge, why }
    }
}

/// A head, and what HTTP says about its connection.
#[derive(Debug)]
pub(in crate::upstream) struct Head {
    pub(in crate::upstream) parts: response::Parts,
    /// Whether another request may follow on the connection.
    pub(in crate::upstream) goes_on: bool,
}

/// How the body of a request is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Sized {
    /// There is none.
    Nothing,
    /// So many bytes.
    Bytes(u64),
    Chunked,
}

/// Writes the head of a request. What `headers` say about the length is right already, or nothing.
pub(in crate::upstream) fn write(parts: &request::Parts, body: Sized) -> BytesMut {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let lines: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut text = BytesMut::with_capacity(lines + path.len() + parts.method.as_str().len() + 96);
    text.put_slice(parts.method.as_str().as_bytes());
    text.put_u8(b' ');
    text.put_slice(path.as_bytes());
    text.put_slice(b" HTTP/1.1\r\n");
    for (name, value) in &parts.headers {
        line(&mut text, name, value);
    }
    match body {
        Sized::Bytes(length) if !parts.headers.contains_key(CONTENT_LENGTH) => {
            line(&mut text, &CONTENT_LENGTH, &HeaderValue::from(length));
        }
        Sized::Chunked if !parts.headers.contains_key(TRANSFER_ENCODING) => {
            line(&mut text, &TRANSFER_ENCODING, &HeaderValue::from_static("chunked"));
        }
        _ => {}
    }
    text.put_slice(b"\r\n");
    text
}

/// Writes one header line.
pub(in crate::upstream) fn line(text: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
    text.put_slice(name.as_str().as_bytes());
    text.put_slice(b": ");
    text.put_slice(value.as_bytes());
    text.put_slice(b"\r\n");
}

/// Takes the head of an answer from the buffer; nothing while it is not whole. Interim answers are passed over.
pub(in crate::upstream) fn read(buffer: &mut BytesMut, limits: Limits) -> Result<Option<Head>, BadHead> {
    loop {
        match one(buffer, limits)? {
            Some(head)
                if head.parts.status.is_informational()
                    && head.parts.status != StatusCode::SWITCHING_PROTOCOLS => {}
            other => return Ok(other),
        }
    }
}

fn one(buffer: &mut BytesMut, limits: Limits) -> Result<Option<Head>, BadHead> {
    if buffer.is_empty() {
        return Ok(None);
    }
    let read = if limits.lines <= ON_STACK {
        let mut lines = [const { MaybeUninit::uninit() }; ON_STACK];
        parse(buffer, &mut lines[..limits.lines])
    } else {
        parse(buffer, &mut vec![MaybeUninit::uninit(); limits.lines])
    };
    let read = match read {
        Ok(Some(read)) if read.used <= limits.bytes => read,
        Ok(None) if buffer.len() < limits.bytes => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(BadHead::large(limits)),
        Err(error) => return Err(BadHead::garbage(format!("the answer is not HTTP: {error}"))),
    };
    let text = buffer.split_to(read.used).freeze();
    let mut answer = http::Response::new(());
    *answer.status_mut() = StatusCode::from_u16(read.status)
        .map_err(|_| BadHead::garbage(format!("the answer's status is {}", read.status)))?;
    *answer.version_mut() = if read.old { Version::HTTP_10 } else { Version::HTTP_11 };
    let (mut parts, ()) = answer.into_parts();
    parts.headers = read.lines.map(&text)?;
    if let Some(reason) = read.reason
        && let Ok(reason) = ReasonPhrase::try_from(text.slice(reason))
    {
        parts.extensions.insert(reason);
    }
    if read.old && parts.headers.contains_key(TRANSFER_ENCODING) {
        return Err(BadHead::garbage("transfer-encoding in HTTP/1.0"));
    }
    let goes_on = if read.old {
        framing::says(&parts.headers, "keep-alive") && !framing::says(&parts.headers, "close")
    } else {
        !framing::says(&parts.headers, "close")
    };
    Ok(Some(Head { parts, goes_on }))
}

/// Takes the trailers after a chunked body from the buffer; nothing while they are not whole.
pub(in crate::upstream) fn trailers(
    buffer: &mut BytesMut,
    limits: Limits,
) -> Result<Option<HeaderMap>, String> {
    if buffer.starts_with(b"\r\n") {
        buffer.advance(2);
        return Ok(Some(HeaderMap::new()));
    }
    let mut room = vec![EMPTY_HEADER; limits.lines];
    let (used, lines) = match httparse::parse_headers(buffer, &mut room) {
        Ok(Status::Complete((used, headers))) if used <= limits.bytes => (used, Lines::of(buffer, headers)),
        Ok(Status::Partial) if buffer.len() < limits.bytes => return Ok(None),
        Ok(_) => return Err(format!("its trailers are over {} bytes", limits.bytes)),
        Err(error) => return Err(format!("its trailers are not HTTP: {error}")),
    };
    let text = buffer.split_to(used).freeze();
    lines.map(&text).map(Some).map_err(|bad| bad.why)
}

/// A head as it lies in the buffer.
struct Read {
    used: usize,
    status: u16,
    old: bool,
    reason: Option<Range<usize>>,
    lines: Lines,
}

fn parse<'b>(
    buffer: &'b [u8],
    room: &mut [MaybeUninit<Header<'b>>],
) -> Result<Option<Read>, httparse::Error> {
    let mut answer = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut answer, buffer, room)?;
    let Status::Complete(used) = parsed else { return Ok(None) };
    let status = answer.code.unwrap_or_default();
    let canonical = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let reason = answer.reason.filter(|&reason| !reason.is_empty() && Some(reason) != canonical);
    Ok(Some(Read {
        used,
        status,
        old: answer.version == Some(0),
        reason: reason.map(|reason| place(buffer, reason.as_bytes())),
        lines: Lines::of(buffer, answer.headers),
    }))
}

/// Where names and values lie in a buffer.
struct Lines(SmallVec<[(Range<usize>, Range<usize>); 24]>);

impl Lines {
    fn of(buffer: &[u8], headers: &[Header<'_>]) -> Self {
        let line = |header: &Header<'_>| (place(buffer, header.name.as_bytes()), place(buffer, header.value));
        Self(headers.iter().map(line).collect())
    }

    /// The lines of the same bytes. Values share them.
    fn map(&self, text: &Bytes) -> Result<HeaderMap, BadHead> {
        let mut map = HeaderMap::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            let name = HeaderName::from_bytes(&text[name.clone()])
                .map_err(|_| BadHead::garbage("a header has no name that could be one"))?;
            let value = HeaderValue::from_maybe_shared(text.slice(value.clone()))
                .map_err(|_| BadHead::garbage(format!("the value of {name} has control characters")))?;
            map.try_append(name, value).map_err(|_| BadHead::garbage("the answer has too many headers"))?;
        }
        Ok(map)
    }
}

/// Where a part of a buffer lies in it.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}
