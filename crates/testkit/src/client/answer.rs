//! An answer, and the truth about its end.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::framing::{Framing, Headers, Malformed, header, parse_headers, text};
use crate::wire::{Broken, Wire};

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// At the end its length or its last chunk announced.
    Complete,
    /// By FIN, before that end.
    CutShort,
    /// By RST, before that end.
    Reset,
    /// By FIN, and nothing had announced an end: nobody can tell whether it is whole.
    UntilClose,
    /// By bytes that are not a chunk.
    Malformed,
}

/// The first part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    /// The version's last digit.
    pub minor: u8,
    /// The status code.
    pub status: u16,
    /// Headers, in order and in their own case.
    pub headers: Headers,
    /// Statuses of the 1xx heads that came before.
    pub informational: Vec<u16>,
}

/// An answer, whole or not.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The version's last digit.
    pub minor: u8,
    /// Headers, in order and in their own case.
    pub headers: Headers,
    /// Every byte of body that arrived, decoded from chunks.
    pub body: Vec<u8>,
    /// How it ended.
    pub ended: Ended,
    /// Statuses of the 1xx heads that came before.
    pub informational: Vec<u16>,
    /// What followed the last chunk.
    pub trailers: Headers,
    /// From the request's first byte to the end.
    pub took: Duration,
}

impl Answer {
    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        text(&self.body)
    }

    /// The body as JSON, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The `data` of each whole SSE event in the body.
    pub fn events(&self) -> Vec<String> {
        let body = self.text().replace("\r\n", "\n");
        let Some(end) = body.rfind("\n\n") else { return Vec::new() };
        let data_of = |event: &str| {
            let lines: Vec<&str> = (event.lines())
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|data| data.strip_prefix(' ').unwrap_or(data))
                .collect();
            (!lines.is_empty()).then(|| lines.join("\n"))
        };
        body[..end].split("\n\n").filter_map(data_of).collect()
    }
}

pub(super) async fn read(wire: &mut Wire, method: &str, sent: Instant) -> io::Result<Answer> {
    let AnswerHead { minor, status, headers, informational } = read_head(wire).await?;
    let mut framing = framing(method, status, &headers)?;
    let (mut body, mut trailers) = (Vec::new(), Vec::new());
    let ended = loop {
        match wire.piece(&mut framing).await {
            Ok(Ok(piece)) => body.extend_from_slice(&piece),
            Ok(Err(last)) => {
                trailers = last;
                break Ended::Complete;
            }
            Err(broken) => break ending(&broken, &framing),
        }
    };
    Ok(Answer { status, minor, headers, body, ended, informational, trailers, took: sent.elapsed() })
}

/// Reads the final head and what comes before it. A 101 is final.
pub(super) async fn read_head(wire: &mut Wire) -> io::Result<AnswerHead> {
    let mut informational = Vec::new();
    loop {
        let head = wire.head().await.map_err(no_head)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (minor, status, headers) =
            parse(&head).map_err(|malformed| no_head(Broken::Malformed(malformed)))?;
        if status >= 200 || status == 101 {
            return Ok(AnswerHead { minor, status, headers, informational });
        }
        informational.push(status);
    }
}

pub(super) fn framing(method: &str, status: u16, headers: &Headers) -> io::Result<Framing> {
    Framing::of_answer(method, status, headers).map_err(|malformed| no_head(Broken::Malformed(malformed)))
}

pub(super) fn ending(broken: &Broken, framing: &Framing) -> Ended {
    match broken {
        Broken::Eof if *framing == Framing::UntilClose => Ended::UntilClose,
        Broken::Eof => Ended::CutShort,
        Broken::Io(_) => Ended::Reset,
        Broken::Malformed(_) | Broken::TooLarge => Ended::Malformed,
    }
}

/// Whether the buffer begins with a 1xx head that is not a switch of protocols.
pub(super) fn is_interim(buffer: &[u8]) -> bool {
    buffer.starts_with(b"HTTP/1.1 1") && !buffer.starts_with(b"HTTP/1.1 101")
}

fn parse(head: &[u8]) -> Result<(u8, u16, Headers), Malformed> {
    let (line, headers) = parse_headers(head)?;
    let minor = match line.get(..9) {
        Some(b"HTTP/1.1 ") => 1,
        Some(b"HTTP/1.0 ") => 0,
        _ => return Err(Malformed("status line")),
    };
    let code =
        line.get(9..12).filter(|code| code.iter().all(u8::is_ascii_digit)).ok_or(Malformed("status code"))?;
    Ok((minor, text(code).parse().map_err(|_| Malformed("status code"))?, headers))
}

fn no_head(broken: Broken) -> io::Error {
    let invalid =
        |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not an http answer: {why}"));
    match broken {
        Broken::Eof => io::ErrorKind::UnexpectedEof.into(),
        Broken::Io(error) => error,
        Broken::Malformed(Malformed(part)) => invalid(part),
        Broken::TooLarge => invalid("head over 256 KiB"),
    }
}
