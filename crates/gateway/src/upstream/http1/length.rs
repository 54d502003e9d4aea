//! Where the body of an HTTP/1 answer ends: bytes in, pieces of the body out. Pure: no socket, no clock.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

use super::head;

/// A line that says how long a chunk is, with whatever extensions; what is longer is an attack, or garbage.
const MAX_SIZE_LINE: usize = 4 * 1024;
/// Digits of a length that fits into 64 bits.
const MAX_DIGITS: usize = 16;

/// What the body still has to bring.
#[derive(Debug)]
pub(in crate::upstream) struct Decoder {
    left: Left,
    limits: head::Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// So many bytes.
    Bytes(u64),
    /// The line with the size of the next chunk.
    Size,
    /// So many bytes of this chunk.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// Trailers, and the empty line after them.
    Trailers,
    /// Whatever comes until the connection ends.
    UntilClose,
}

/// The next of a body.
#[derive(Debug)]
pub(in crate::upstream) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    /// It is whole.
    End,
    /// More bytes are needed.
    More,
}

impl Decoder {
    pub(in crate::upstream) fn bytes(length: u64) -> Self {
        Self::new(if length == 0 { Left::Nothing } else { Left::Bytes(length) }, head::Limits::default())
    }

    pub(in crate::upstream) fn chunked(limits: head::Limits) -> Self {
        Self::new(Left::Size, limits)
    }

    pub(in crate::upstream) fn until_close() -> Self {
        Self::new(Left::UntilClose, head::Limits::default())
    }

    fn new(left: Left, limits: head::Limits) -> Self {
        Self { left, limits }
    }

    /// Takes the next piece from the buffer. What follows the end is left in it.
    pub(in crate::upstream) fn next(&mut self, buffer: &mut BytesMut) -> Result<Piece, String> {
        loop {
            match self.left {
                Left::Nothing => return Ok(Piece::End),
                _ if buffer.is_empty() => return Ok(Piece::More),
                Left::UntilClose => return Ok(Piece::Data(buffer.split().freeze())),
                Left::Bytes(left) => {
                    let (data, left) = take(buffer, left);
                    self.left = if left == 0 { Left::Nothing } else { Left::Bytes(left) };
                    return Ok(Piece::Data(data));
                }
                Left::Chunk(left) => {
                    let (data, left) = take(buffer, left);
                    self.left = if left == 0 { Left::ChunkEnd } else { Left::Chunk(left) };
                    self.look_ahead(buffer);
                    return Ok(Piece::Data(data));
                }
                Left::ChunkEnd => match line_end(buffer)? {
                    false => return Ok(Piece::More),
                    true => {
                        buffer.advance(2);
                        self.left = Left::Size;
                    }
                },
                Left::Size => match size_line(buffer)? {
                    None => return Ok(Piece::More),
                    Some((used, size)) => {
                        buffer.advance(used);
                        self.left = if size == 0 { Left::Trailers } else { Left::Chunk(size) };
                    }
                },
                Left::Trailers => {
                    return Ok(match head::trailers(buffer, self.limits)? {
                        None => Piece::More,
                        Some(trailers) => {
                            self.left = Left::Nothing;
                            if trailers.is_empty() { Piece::End } else { Piece::Trailers(trailers) }
                        }
                    });
                }
            }
        }
    }

    /// After the last byte of a chunk: an end that has come with it is seen at once, and whoever reads need not ask again.
    /// What is wrong there is said when it is asked for.
    fn look_ahead(&mut self, buffer: &mut BytesMut) {
        if self.left == Left::ChunkEnd && buffer.starts_with(b"\r\n0\r\n\r\n") {
            buffer.advance(b"\r\n0\r\n\r\n".len());
            self.left = Left::Nothing;
        }
    }

    /// The connection has ended: whether the body may end there.
    pub(in crate::upstream) fn hung_up(&mut self) -> bool {
        if self.left == Left::UntilClose {
            self.left = Left::Nothing;
        }
        self.is_end()
    }

    pub(in crate::upstream) fn is_end(&self) -> bool {
        self.left == Left::Nothing
    }

    /// How many bytes there are still, where that was said.
    pub(in crate::upstream) fn exact(&self) -> Option<u64> {
        match self.left {
            Left::Nothing => Some(0),
            Left::Bytes(left) => Some(left),
            _ => None,
        }
    }
}

/// As much of `left` as there is, and what is left then.
fn take(buffer: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    (buffer.split_to(length).freeze(), left - length as u64)
}

/// Whether the buffer begins with the end of a line; anything else there is an error.
fn line_end(buffer: &[u8]) -> Result<bool, String> {
    match buffer {
        [b'\r', b'\n', ..] => Ok(true),
        [] | [b'\r'] => Ok(false),
        _ => Err("a chunk is longer than it said".into()),
    }
}

/// The size a line says, and how long the line is; nothing while it has no end. Digits, white space, extensions after a
/// semicolon, CR LF: no bare LF, no sign, no other character anywhere.
fn size_line(buffer: &[u8]) -> Result<Option<(usize, u64)>, String> {
    let digits = buffer.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = &buffer[digits..];
    if digits > MAX_DIGITS {
        return wrong("is too large");
    }
    if digits == 0 && !rest.is_empty() {
        return wrong("is no hexadecimal number");
    }
    if let Some(what) = plain(rest.split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or_default()) {
        return wrong(what);
    }
    let Some(end) = rest.iter().position(|&byte| byte == b'\r' || byte == b'\n') else {
        return if buffer.len() > MAX_SIZE_LINE { wrong("is on a line without end") } else { Ok(None) };
    };
    if end > MAX_SIZE_LINE {
        return wrong("is on a line without end");
    }
    match rest[end..] {
        [b'\r', b'\n', ..] => {}
        [b'\r'] => return Ok(None),
        _ => return wrong("is on a line that CR LF does not end"),
    }
    let size =
        buffer[..digits].iter().fold(0_u64, |size, &digit| (size << 4) | u64::from(hexadecimal(digit)));
    Ok(Some((digits + end + 2, size)))
}

fn wrong<T>(what: &str) -> Result<T, String> {
    Err(format!("the size of a chunk {what}"))
}

/// What is wrong between the digits and the end of their line, if anything.
fn plain(rest: &[u8]) -> Option<&'static str> {
    let blank = rest.iter().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count();
    match rest[blank..] {
        [] => None,
        [b';', ref extension @ ..] => {
            let odd = extension.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t');
            odd.then_some("has control characters after it")
        }
        _ => Some("is no hexadecimal number"),
    }
}

fn hexadecimal(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}
