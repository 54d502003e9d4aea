//! Where a message's body ends, decided in pure steps over a buffer; shared by both ends of the wire.

use bytes::{Buf, Bytes, BytesMut};

/// Headers, in order and in their own case.
pub(crate) type Headers = Vec<(String, String)>;

/// The longest chunk-size line we read, extensions included.
const SIZE_LINE: usize = 4 * 1024;
/// The most trailer bytes we read.
const TRAILERS: usize = 64 * 1024;

/// The bytes are not HTTP/1.1; says which part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// How a body is delimited, and how far we are in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// This many bytes remain.
    Length(u64),
    /// Chunked, at this place.
    Chunked(Place),
    /// Until the sender closes.
    UntilClose,
}

/// The place inside a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Size,
    Data(u64),
    AfterData,
    Trailers,
    Ended,
}

/// One step of decoding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Some bytes of body; ask again.
    Data(Bytes),
    /// Nothing to say before more bytes arrive.
    More,
    /// The body ended, properly, with these trailers.
    End(Headers),
}

impl Framing {
    pub(crate) fn empty() -> Self {
        Self::Length(0)
    }

    /// How a request with these headers is framed.
    pub(crate) fn of_request(headers: &Headers) -> Result<Self, Malformed> {
        if is_chunked(headers) {
            return Ok(Self::Chunked(Place::Size));
        }
        Ok(Self::Length(content_length(headers)?.unwrap_or(0)))
    }

    /// How an answer with these headers, to a request of this method, is framed.
    pub(crate) fn of_answer(method: &str, status: u16, headers: &Headers) -> Result<Self, Malformed> {
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Ok(Self::empty());
        }
        if is_chunked(headers) {
            return Ok(Self::Chunked(Place::Size));
        }
        Ok(content_length(headers)?.map_or(Self::UntilClose, Self::Length))
    }

    /// Takes what it can from the buffer.
    pub(crate) fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, Malformed> {
        match self {
            Self::Length(0) => Ok(Step::End(Vec::new())),
            Self::Length(left) => Ok(take(left, buffer).map_or(Step::More, Step::Data)),
            Self::UntilClose if buffer.is_empty() => Ok(Step::More),
            Self::UntilClose => Ok(Step::Data(buffer.split().freeze())),
            Self::Chunked(place) => place.step(buffer),
        }
    }
}

impl Place {
    fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, Malformed> {
        loop {
            match self {
                Self::Size => {
                    let Some(line) = take_line(buffer, SIZE_LINE)? else { return Ok(Step::More) };
                    *self = match chunk_size(&line)? {
                        0 => Self::Trailers,
                        size => Self::Data(size),
                    };
                }
                Self::Data(0) => *self = Self::AfterData,
                Self::Data(left) => return Ok(take(left, buffer).map_or(Step::More, Step::Data)),
                Self::AfterData => {
                    let seen = buffer.len().min(2);
                    if buffer[..seen] != b"\r\n"[..seen] {
                        return Err(Malformed("end of chunk"));
                    }
                    if seen < 2 {
                        return Ok(Step::More);
                    }
                    buffer.advance(2);
                    *self = Self::Size;
                }
                Self::Trailers => {
                    let end =
                        if buffer.starts_with(b"\r\n") { Some(0) } else { find(buffer, b"\r\n\r\n", 0) };
                    let Some(end) = end else {
                        return if buffer.len() > TRAILERS {
                            Err(Malformed("trailers"))
                        } else {
                            Ok(Step::More)
                        };
                    };
                    let section = buffer.split_to(end + if end == 0 { 2 } else { 4 });
                    *self = Self::Ended;
                    return Ok(Step::End(parse_lines(&section[..end])?));
                }
                Self::Ended => return Ok(Step::End(Vec::new())),
            }
        }
    }
}

/// The first header of that name.
pub(crate) fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Whether the last transfer coding is `chunked`.
pub(crate) fn is_chunked(headers: &Headers) -> bool {
    let mut codings = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
    codings
        .next_back()
        .and_then(|(_, value)| value.rsplit(',').next())
        .is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked"))
}

fn content_length(headers: &Headers) -> Result<Option<u64>, Malformed> {
    let mut agreed = None;
    for (_, value) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let length = value.parse().ok().filter(|_| digits).ok_or(Malformed("content-length"))?;
        if agreed.is_some_and(|earlier: u64| earlier != length) {
            return Err(Malformed("content-length"));
        }
        agreed = Some(length);
    }
    Ok(agreed)
}

/// Splits a head into its first line and its headers.
pub(crate) fn parse_headers(head: &[u8]) -> Result<(&[u8], Headers), Malformed> {
    match find(head, b"\r\n", 0) {
        Some(end) => Ok((&head[..end], parse_lines(&head[end + 2..])?)),
        None => Ok((head, Vec::new())),
    }
}

fn parse_lines(mut lines: &[u8]) -> Result<Headers, Malformed> {
    let mut headers = Vec::new();
    while !lines.is_empty() {
        let end = find(lines, b"\r\n", 0).unwrap_or(lines.len());
        let line = &lines[..end];
        lines = lines.get(end + 2..).unwrap_or_default();
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed("header line"))?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return Err(Malformed("header name"));
        }
        headers.push((text(name), text(value)));
    }
    Ok(headers)
}

fn chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    let hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let size =
        str::from_utf8(digits).ok().filter(|_| hex).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    size.ok_or(Malformed("chunk size"))
}

fn take(left: &mut u64, buffer: &mut BytesMut) -> Option<Bytes> {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    if count == 0 {
        return None;
    }
    *left -= count as u64;
    Some(buffer.split_to(count).freeze())
}

fn take_line(buffer: &mut BytesMut, limit: usize) -> Result<Option<BytesMut>, Malformed> {
    match find(&buffer[..buffer.len().min(limit)], b"\r\n", 0) {
        Some(end) => {
            let line = buffer.split_to(end);
            buffer.advance(2);
            Ok(Some(line))
        }
        None if buffer.len() >= limit => Err(Malformed("chunk size line")),
        None => Ok(None),
    }
}

/// Where `needle` begins in `haystack`, looking from `from` on.
pub(crate) fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let tail = haystack.get(from..)?;
    tail.windows(needle.len()).position(|window| window == needle).map(|at| at + from)
}

/// Bytes as text: UTF-8 where they are that, otherwise each byte as the character of its number, so nothing is lost.
pub(crate) fn text(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests;
