//! What heads say about the coding of their body, and how they change with it.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap,
    HeaderName, HeaderValue, VARY,
};
use http::{StatusCode, response};
use seawall::compress::Algorithm;

/// How a body was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Plain,
    Coded(Algorithm),
    /// In a coding that is none of ours, or in several.
    Otherwise,
}

pub(super) fn sent(headers: &HeaderMap) -> Sent {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    match (values.next().map(|value| value.as_bytes().trim_ascii()), values.next()) {
        (None, _) => Sent::Plain,
        (Some(value), None) if value.is_empty() || value.eq_ignore_ascii_case(b"identity") => Sent::Plain,
        (Some(value), None) => Algorithm::named(value).map_or(Sent::Otherwise, Sent::Coded),
        (Some(_), Some(_)) => Sent::Otherwise,
    }
}

/// Said of a body that nobody on the way may change.
pub(super) fn no_transform(headers: &HeaderMap) -> bool {
    headers
        .get_all(CACHE_CONTROL)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// Digests of what is sent: true of these very bytes, and of no others.
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];
/// Signatures, which may cover a digest.
const SIGNATURES: [&str; 3] = ["signature", "signature-input", "x-amz-content-sha256"];

/// Does somebody check that the body arrives byte for byte?
pub(super) fn sealed(headers: &HeaderMap) -> bool {
    DIGESTS.iter().chain(&SIGNATURES).any(|name| headers.contains_key(*name))
}

/// Can the body of an answer change its coding at all? Not a part of one, and not where there is none.
pub(super) fn changeable(head: &response::Parts) -> bool {
    let bodiless = head.status.is_informational()
        || matches!(
            head.status,
            StatusCode::NO_CONTENT
                | StatusCode::RESET_CONTENT
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
        );
    !bodiless && !head.headers.contains_key(CONTENT_RANGE)
}

/// The length a message says its body has.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The head of an answer whose body is compressed here.
pub(super) fn packed(headers: &mut HeaderMap, algorithm: Algorithm) {
    other_bytes(headers);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(algorithm.as_str()));
}

/// The head of an answer whose body is decompressed here.
pub(super) fn unpacked(headers: &mut HeaderMap) {
    other_bytes(headers);
    headers.remove(CONTENT_ENCODING);
    for name in DIGESTS {
        headers.remove(HeaderName::from_static(name));
    }
    varies(headers);
}

/// Whoever keeps this answer must not give it to readers of another kind.
pub(super) fn varies(headers: &mut HeaderMap) {
    let said = headers
        .get_all(VARY)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|word| word == b"*" || word.eq_ignore_ascii_case(b"accept-encoding"));
    if !said {
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// The same content in other bytes: what was said of the bytes is true no more.
fn other_bytes(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
    let strong = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    if let Some(weak) = strong.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok())
    {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn one_coding_is_read_and_several_are_left_alone() {
        for (value, how) in [
            ("gzip", Sent::Coded(Algorithm::Gzip)),
            (" X-GZIP ", Sent::Coded(Algorithm::Gzip)),
            ("Deflate", Sent::Coded(Algorithm::Deflate)),
            ("identity", Sent::Plain),
            ("", Sent::Plain),
            ("br", Sent::Otherwise),
            ("gzip, gzip", Sent::Otherwise),
            ("identity, gzip", Sent::Otherwise),
        ] {
            assert_eq!(sent(&headers(&[("content-encoding", value)])), how, "{value}");
        }
        assert_eq!(sent(&HeaderMap::new()), Sent::Plain);
        let mut twice = headers(&[("content-encoding", "gzip")]);
        twice.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(sent(&twice), Sent::Otherwise);
    }

    #[test]
    fn what_was_true_of_the_bytes_is_taken_back() {
        let mut h = headers(&[
            ("content-length", "5"),
            ("accept-ranges", "bytes"),
            ("etag", "\"a\""),
            ("content-encoding", "gzip"),
            ("content-digest", "sha-256=:x:"),
            ("vary", "origin"),
        ]);
        unpacked(&mut h);
        assert_eq!(h["etag"], "W/\"a\"");
        assert_eq!(h.get_all("vary").iter().collect::<Vec<_>>(), ["origin", "accept-encoding"]);
        assert_eq!(h.len(), 3, "{h:?}");
        packed(&mut h, Algorithm::Deflate);
        varies(&mut h);
        assert_eq!(
            (&h["etag"], &h["content-encoding"]),
            (&"W/\"a\"".parse().unwrap(), &"deflate".parse().unwrap())
        );
        assert_eq!(h.get_all("vary").iter().count(), 2);
        for said in ["*", "Accept-Encoding", "origin, ACCEPT-ENCODING"] {
            let mut h = headers(&[("vary", said)]);
            varies(&mut h);
            assert_eq!(h["vary"], said);
            assert_eq!(h.len(), 1);
        }
    }

    #[test]
    fn no_transform_is_heard_among_other_words() {
        assert!(no_transform(&headers(&[("cache-control", "max-age=5, No-Transform")])));
        assert!(!no_transform(&headers(&[("cache-control", "no-store, private=\"no-transformer\"")])));
        assert!(sealed(&headers(&[("content-md5", "x")])) && !sealed(&headers(&[("etag", "x")])));
    }
}
