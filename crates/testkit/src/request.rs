//! One request as it reached the upstream: nothing normalised, nothing merged.

use std::hash::Hasher;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::framing::{Malformed, header, parse_headers, text};

/// A request as the upstream saw it. Cloning shares the body.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method, as sent.
    pub method: String,
    /// The request target, byte for byte: `/path?query`, or a whole URL when a client took us for a proxy.
    pub target: String,
    /// The version's last digit: 1 for `HTTP/1.1`, 0 for `HTTP/1.0`.
    pub minor: u8,
    /// Headers in the order and case they came in, repeated ones repeated.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from chunks. Empty before it was read, and under [`Script::discard_bodies`](crate::Script::discard_bodies).
    pub body: Bytes,
    /// Bytes of body received so far, kept or not.
    pub body_len: u64,
    /// [`digest`] of the body received so far, kept or not.
    pub body_digest: u64,
    /// Whether the body came to its end. True at once for a request without one.
    pub body_complete: bool,
    /// Which request this is, counted from 1 over all connections, in order of arrival.
    pub number: u64,
    /// Which connection it came on, counted from 1.
    pub connection: u64,
    /// When its head was complete, counted from the start of the upstream.
    pub at: Duration,
}

impl Request {
    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Every header of that name, in order.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The target up to its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What follows the first `?`, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The body as JSON, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// What the caller calls this intent: the `Idempotency-Key` header, else `client_id` or `id` in a JSON body.
    pub fn key(&self) -> Option<String> {
        if let Some(key) = self.header("idempotency-key") {
            return Some(key.to_owned());
        }
        let body = self.json()?;
        ["client_id", "id"].iter().find_map(|field| match body.get(*field)? {
            Value::String(key) => Some(key.clone()),
            Value::Number(key) => Some(key.to_string()),
            _ => None,
        })
    }

    /// Reads a head without its final blank line.
    pub(crate) fn parse(head: &[u8], connection: u64) -> Result<Self, Malformed> {
        let (line, headers) = parse_headers(head)?;
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(Malformed("request line"));
        };
        let minor = match version {
            b"HTTP/1.1" => 1,
            b"HTTP/1.0" => 0,
            _ => return Err(Malformed("version")),
        };
        if method.is_empty() || !method.iter().all(u8::is_ascii_graphic) || target.is_empty() {
            return Err(Malformed("request line"));
        }
        Ok(Self {
            method: text(method),
            target: text(target),
            minor,
            headers,
            body: Bytes::new(),
            body_len: 0,
            body_digest: digest(b""),
            body_complete: false,
            number: 0,
            connection,
            at: Duration::ZERO,
        })
    }

    /// Whether the caller means to send more on this connection.
    pub(crate) fn wants_keep_alive(&self) -> bool {
        let says = |word: &str| {
            self.headers_named("connection")
                .flat_map(|value| value.split(','))
                .any(|token| token.trim().eq_ignore_ascii_case(word))
        };
        if self.minor == 0 { says("keep-alive") } else { !says("close") }
    }

    pub(crate) fn expects_continue(&self) -> bool {
        self.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }
}

/// A 64-bit digest of a body, to compare bodies that were not kept. Stable within one build; not cryptographic.
pub fn digest(bytes: &[u8]) -> u64 {
    let mut digester = Digester::default();
    digester.add(bytes);
    digester.finish()
}

/// The same digest, fed piece by piece.
#[derive(Clone, Default)]
pub(crate) struct Digester(std::hash::DefaultHasher);

impl Digester {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.finish()
    }
}
