//! The single things an upstream can do on a socket.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

/// One step of a [`Reply`](super::Reply). Played in order; the program stops when the client is found gone
/// (a client that only closed its sending half counts as gone), so an effect that must happen whatever the client does
/// stands before the wait. Body actions (`Body`, `Chunk`,
/// `OpenChunk`, `EndChunks`, `Trailers`) write nothing in answer to HEAD; `Raw` and `DripBytes` always write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Waits, watching whether the client leaves.
    Delay(Duration),
    /// Reads the request's body, sending `100 Continue` first if it is expected. Done before the first action unless
    /// the reply answers [`before_body`](super::Reply::before_body).
    ReadBody,
    /// Sends `100 Continue`, asked for or not.
    Continue100,
    /// Writes a status line and headers, exactly these.
    Head(Head),
    /// Writes bytes of a body that is delimited by length or by close.
    Body(Bytes),
    /// Writes one chunk of a chunked body.
    Chunk(Bytes),
    /// Writes a chunk whose size line says `declared` but which holds only these bytes, and no end of line.
    OpenChunk {
        /// What the size line says.
        declared: usize,
        /// What is there.
        bytes: Bytes,
    },
    /// Writes the last chunk.
    EndChunks,
    /// Writes the last chunk with trailers.
    Trailers(Vec<(String, String)>),
    /// Writes any bytes at all.
    Raw(Bytes),
    /// Writes any bytes, `piece` at a time, pausing `every` between two pieces.
    DripBytes {
        /// What to write.
        bytes: Bytes,
        /// The pause between pieces.
        every: Duration,
        /// Bytes at a time; 0 counts as 1.
        piece: usize,
    },
    /// Enters a side effect under this label into the ledger.
    Execute(String),
    /// Answers 101 with the request's own `Upgrade` token, then echoes every byte until the client leaves.
    UpgradeEcho,
    /// Ends the connection with FIN, reading and dropping what the client still sends so that no RST follows.
    Close,
    /// Ends the connection with RST (SO_LINGER 0).
    Reset,
    /// Holds the connection and never writes again, until the client leaves or the upstream stops.
    Stall,
}

/// A status line and its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The version of the status line.
    pub version: Version,
    /// The status code; any number.
    pub status: u16,
    /// Headers in order; nothing is added to them.
    pub headers: Vec<(String, String)>,
}

/// The version in a status line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `HTTP/1.0`
    Http10,
    /// `HTTP/1.1`
    Http11,
}

impl Head {
    /// An HTTP/1.1 head without headers.
    pub fn new(status: u16) -> Self {
        Self { version: Version::Http11, status, headers: Vec::new() }
    }

    /// The same with one more header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The bytes on the wire, with the blank line.
    pub fn render(&self) -> Bytes {
        let version = match self.version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        };
        let mut wire = BytesMut::new();
        wire.extend_from_slice(format!("{version} {} {}\r\n", self.status, reason(self.status)).as_bytes());
        extend_with_headers(&mut wire, &self.headers);
        wire.extend_from_slice(b"\r\n");
        wire.freeze()
    }
}

pub(crate) fn extend_with_headers(wire: &mut BytesMut, headers: &[(String, String)]) {
    for (name, value) in headers {
        wire.extend_from_slice(name.as_bytes());
        wire.extend_from_slice(b": ");
        wire.extend_from_slice(value.as_bytes());
        wire.extend_from_slice(b"\r\n");
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        425 => "Too Early",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
