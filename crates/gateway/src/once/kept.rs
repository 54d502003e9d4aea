//! An answer as it is remembered: JSON, so that an operator can read it in the journal.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{StatusCode, response};
use serde::{Deserialize, Serialize};

/// What is replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    status: u16,
    /// Each byte of a value is one letter, whatever it was.
    headers: Vec<(String, String)>,
    #[serde(flatten)]
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Body {
    #[serde(rename = "text")]
    Text(String),
    #[serde(rename = "hex")]
    Hex(String),
    /// It was too large, or a stream, and was passed on without being kept.
    #[serde(rename = "truncated")]
    Truncated(bool),
}

impl Kept {
    /// An answer whose whole body was read.
    pub(crate) fn whole(head: &response::Parts, body: &[u8]) -> Self {
        let body = match std::str::from_utf8(body) {
            Ok(text) => Body::Text(text.to_owned()),
            Err(_) => Body::Hex(body.iter().map(|byte| format!("{byte:02x}")).collect()),
        };
        Self { status: head.status.as_u16(), headers: told(&head.headers), body }
    }

    /// One whose body passes without being kept.
    pub(crate) fn head(head: &response::Parts) -> Self {
        Self { status: head.status.as_u16(), headers: told(&head.headers), body: Body::Truncated(true) }
    }

    /// Reads what was remembered; none for what this version cannot read.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// As it is remembered.
    pub(crate) fn written(&self) -> Vec<u8> {
        // Strings and numbers alone: nothing in it can fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK)
    }

    /// Its headers; without those that are about a body it does not have.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let bytes: Option<Vec<u8>> =
                value.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
            let value = bytes.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
            if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value) {
                headers.append(name, value);
            }
        }
        headers.remove(TRANSFER_ENCODING);
        if self.is_truncated() {
            headers.remove(CONTENT_LENGTH);
            // Nothing is nothing in any coding, but not every client knows.
            headers.remove(CONTENT_ENCODING);
        }
        headers
    }

    /// Its body; none where it was not kept.
    pub(crate) fn body(&self) -> Option<Bytes> {
        match &self.body {
            Body::Text(text) => Some(Bytes::copy_from_slice(text.as_bytes())),
            Body::Hex(digits) => digits
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                .collect::<Option<Vec<u8>>>()
                .map(Bytes::from),
            Body::Truncated(_) => None,
        }
    }

    pub(crate) fn is_truncated(&self) -> bool {
        matches!(self.body, Body::Truncated(_))
    }

    /// In a few words, for people.
    pub(crate) fn told(&self) -> String {
        match self.body() {
            Some(body) => format!("{}, {} bytes", self.status, body.len()),
            None => format!("{}, body not kept", self.status),
        }
    }
}

fn told(headers: &HeaderMap) -> Vec<(String, String)> {
    let letters = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), letters(value))).collect()
}
