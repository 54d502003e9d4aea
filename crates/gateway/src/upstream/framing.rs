//! Where a message ends: requests that lie about their length are not sent, answers that can be read two ways are not
//! believed.
//!
//! Refused are: obsolete line folding and white space before a colon (by httparse), a transfer-encoding in HTTP/1.0,
//! chunks not ended by CR LF (both in `http1`), and here two different content-lengths, a content-length beside a
//! transfer-encoding, codings other than `chunked`, and 101 that nobody asked for. Equal content-lengths said twice
//! become one; on 204 they go. A bare LF at the end of a header line is read as its end, as RFC 9112 allows.

use http::header::{
    CONNECTION, CONTENT_LENGTH, Entry, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use http::uri::{Authority, PathAndQuery, Uri};
use http::{Request, StatusCode, Version, response};
use http_body::Body;

use super::origin::Origin;

/// What the request said that decides how its answer is framed.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) head: bool,
    pub(super) upgrade: bool,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// After so many bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
    /// It does not: the connection speaks another protocol now.
    Upgrade,
}

/// Makes the request's own framing agree with its body, or says why it cannot.
pub(super) fn check<B: Body>(request: &mut Request<B>) -> Result<(), String> {
    let known = if request.body().is_end_stream() { Some(0) } else { request.body().size_hint().exact() };
    let declared = one_length(request.headers_mut())?;
    match (declared, known) {
        (Some(declared), Some(known)) if declared != known => {
            Err(format!("content-length is {declared} but the body has {known} bytes"))
        }
        _ => Ok(()),
    }
}

/// Origin form and HTTP/1.1, whatever the request was before. The transfer-encoding is whoever writes it to say.
pub(super) fn for_http1<B>(request: &mut Request<B>) {
    *request.version_mut() = Version::HTTP_11;
    if request.uri().authority().is_some() {
        let parts = std::mem::take(request.uri_mut()).into_parts();
        if let (Some(authority), Entry::Vacant(host)) = (parts.authority, request.headers_mut().entry(HOST))
            && let Ok(value) = HeaderValue::from_str(authority.as_str())
        {
            host.insert(value);
        }
        *request.uri_mut() = Uri::from(parts.path_and_query.unwrap_or(PathAndQuery::from_static("/")));
    }
    request.headers_mut().remove(TRANSFER_ENCODING);
}

/// Absolute form and HTTP/2; the Host header becomes the authority.
pub(super) fn for_http2<B>(request: &mut Request<B>, origin: &Origin) {
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.remove(TRANSFER_ENCODING);
    let authority = match headers.remove(HOST) {
        Some(host) if host != *origin.host_header() => Authority::try_from(host.as_bytes()).ok(),
        _ => None,
    };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(origin.scheme());
    parts.authority = Some(authority.unwrap_or_else(|| origin.authority().clone()));
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    // Scheme, authority and path are all there, which is all it asks for.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// The words of a header that lists them.
pub(super) fn words<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Whether `Connection` says this word.
pub(super) fn says(headers: &HeaderMap, word: &str) -> bool {
    words(headers, &CONNECTION).any(|said| said.eq_ignore_ascii_case(word))
}

/// How an HTTP/1 answer ends, or why its end cannot be trusted.
pub(super) fn judge(answer: &mut response::Parts, asked: Asked) -> Result<Ending, String> {
    let headers = &mut answer.headers;
    match answer.status {
        StatusCode::SWITCHING_PROTOCOLS if asked.upgrade => return Ok(Ending::Upgrade),
        StatusCode::SWITCHING_PROTOCOLS => return Err("101 to a request that asked for no upgrade".into()),
        StatusCode::NO_CONTENT => {
            headers.remove(CONTENT_LENGTH);
            headers.remove(TRANSFER_ENCODING);
            return Ok(Ending::Length(0));
        }
        _ => {}
    }
    let length = one_length(headers)?;
    let bodiless = asked.head || answer.status == StatusCode::NOT_MODIFIED;
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) if bodiless => Ok(Ending::Length(0)),
        (None, _) => Ok(length.map_or(Ending::UntilClose, Ending::Length)),
        (Some(_), _) if length.is_some() => Err("both content-length and transfer-encoding".into()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(if bodiless { Ending::Length(0) } else { Ending::Chunked })
        }
        (Some(coding), _) => Err(format!("transfer-encoding {}", String::from_utf8_lossy(coding.as_bytes()))),
    }
}

/// The content-length, said once: repeated ones that agree become one, any other is an error.
fn one_length(headers: &mut HeaderMap) -> Result<Option<u64>, String> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if let (Some(length), None) = (digits(first.as_bytes()), values.next()) {
        return Ok(Some(length));
    }
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for part in value.as_bytes().split(|&byte| byte == b',') {
            match (digits(part.trim_ascii()), length) {
                (Some(seen), None) => length = Some(seen),
                (Some(seen), Some(before)) if seen == before => {}
                _ => return Err(format!("content-length {}", String::from_utf8_lossy(value.as_bytes()))),
            }
        }
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(length)
}

/// Digits only: `u64::from_str` would take a sign.
pub(super) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, &byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
