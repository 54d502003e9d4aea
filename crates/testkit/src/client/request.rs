//! A request to send, exactly as written.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use crate::framing::{Headers, header};
use crate::reply::extend_with_headers;

/// A request. `host` is added unless given, and so is `content-length` when there is a body that is not chunked.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target.
    pub target: String,
    /// Headers, in the order they go out.
    pub headers: Headers,
    /// The body; several pieces make several chunks when `transfer-encoding: chunked` is set.
    pub body: Vec<Bytes>,
    /// The longest the whole exchange may take when sent by URL. Default 30 s: longer than any fault worth testing.
    pub timeout: Duration,
}

impl Request {
    /// Any method.
    pub fn new(method: impl Into<String>, target: impl Into<String>) -> Self {
        let (method, target) = (method.into(), target.into());
        Self { method, target, headers: Vec::new(), body: Vec::new(), timeout: Duration::from_secs(30) }
    }

    /// GET.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// HEAD.
    pub fn head(target: impl Into<String>) -> Self {
        Self::new("HEAD", target)
    }

    /// POST.
    pub fn post(target: impl Into<String>) -> Self {
        Self::new("POST", target)
    }

    /// One more header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A body with its length.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: vec![body.into()], ..self }
    }

    /// A JSON body, and the header that says so.
    pub fn json(self, value: &Value) -> Self {
        self.header("content-type", "application/json").body(value.to_string())
    }

    /// A chunked body, one chunk a piece; empty pieces are left out.
    pub fn chunked<B: Into<Bytes>>(self, pieces: impl IntoIterator<Item = B>) -> Self {
        let body = pieces.into_iter().map(Into::into).filter(|piece| !piece.is_empty()).collect();
        Self { body, ..self.header("transfer-encoding", "chunked") }
    }

    /// Holds the body back until the upstream asks for it.
    pub fn expect_continue(self) -> Self {
        self.header("expect", "100-continue")
    }

    /// The longest the whole exchange may take when sent by URL.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Puts the target below a URL's path.
    pub(crate) fn below(mut self, path: &str) -> Self {
        self.target.insert_str(0, path);
        if !self.target.starts_with('/') {
            self.target.insert(0, '/');
        }
        self
    }

    pub(crate) fn expects_continue(&self) -> bool {
        !self.body.is_empty()
            && header(&self.headers, "expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }

    /// Head and body as they go out.
    pub(crate) fn render(&self, authority: &str) -> (Bytes, Bytes) {
        let has = |name| header(&self.headers, name).is_some();
        let chunked = crate::framing::is_chunked(&self.headers);
        let mut head = BytesMut::new();
        head.extend_from_slice(format!("{} {} HTTP/1.1\r\n", self.method, self.target).as_bytes());
        if !has("host") {
            head.extend_from_slice(format!("host: {authority}\r\n").as_bytes());
        }
        extend_with_headers(&mut head, &self.headers);
        if !self.body.is_empty() && !chunked && !has("content-length") {
            let length: usize = self.body.iter().map(Bytes::len).sum();
            head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        let body = match (&self.body[..], chunked) {
            ([whole], false) => whole.clone(),
            (pieces, false) => pieces.concat().into(),
            (pieces, true) => {
                let mut wire = BytesMut::new();
                for piece in pieces {
                    wire.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                    wire.extend_from_slice(piece);
                    wire.extend_from_slice(b"\r\n");
                }
                wire.extend_from_slice(b"0\r\n\r\n");
                wire.freeze()
            }
        };
        (head.freeze(), body)
    }
}
