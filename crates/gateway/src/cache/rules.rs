//! What may be asked of the cache, and what may be kept: HTTP's rules, read carefully where they leave a choice.
//!
//! Written out here, since a library for RFC 9111 answers another question: it knows one shared cache or one browser's,
//! with the upstream's word as the only one. Here keys hold the credential, a route's `ttl` is the upper bound, and stale
//! answers are joined to the breaker.

use std::time::{Duration, SystemTime};

use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, EXPIRES, HeaderMap, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, PRAGMA, RANGE, SET_COOKIE,
    TRANSFER_ENCODING, VARY,
};
use http::{HeaderName, StatusCode, Version, response};
use seawall::cache::Life;

use super::key::matters;

/// What a caller says about answers that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// One will do, if it is not older than this.
    Any(Option<Duration>),
    /// A new one, please.
    Anew,
    /// Leave me out of it: asked for a part, on a condition, or not to be kept.
    None,
}

/// Reads a caller's wish.
pub(super) fn wish(headers: &HeaderMap) -> Wish {
    let conditions = [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
    if conditions.iter().any(|name| headers.contains_key(name)) {
        return Wish::None;
    }
    let said = Directives::read(headers);
    if said.no_store {
        Wish::None
    } else if said.no_cache || said.max_age == Some(Duration::ZERO) || old_word_for_anew(headers) {
        Wish::Anew
    } else {
        Wish::Any(said.max_age)
    }
}

/// `Pragma: no-cache`, where nothing newer is said.
fn old_word_for_anew(headers: &HeaderMap) -> bool {
    !headers.contains_key(CACHE_CONTROL) && headers.get(PRAGMA).is_some_and(|value| value == "no-cache")
}

/// Is the end of this answer's body known by something else than a connection that closes? Asked before the headers that
/// are about one connection are gone.
pub(crate) fn is_delimited(head: &response::Parts) -> bool {
    head.version > Version::HTTP_11
        || head.headers.contains_key(CONTENT_LENGTH)
        || head.headers.contains_key(TRANSFER_ENCODING)
}

/// How long an answer lives, and how old it is already; nothing if it must not be kept. `known` are headers that are part of
/// the key.
pub(super) fn life<'k>(
    head: &response::Parts,
    route: &Life,
    known: &(impl Iterator<Item = &'k HeaderName> + Clone),
    now: SystemTime,
) -> Option<(Life, Duration)> {
    let response::Parts { status, headers, .. } = head;
    let said = Directives::read(headers);
    let kept = *status == StatusCode::OK
        && !said.no_store
        && !said.no_cache
        && !headers.contains_key(SET_COOKIE)
        && !headers.contains_key(CONTENT_RANGE)
        && !is_event_stream(headers)
        && varies_within(headers, known);
    if !kept {
        return None;
    }
    let age = headers.get(AGE).and_then(|value| seconds(value.to_str().ok()?)).unwrap_or_default();
    let mut life = *route;
    if let Some(upstreams) = said.max_age.or_else(|| until_it_expires(headers, now)) {
        life.ttl = life.ttl.min(upstreams.saturating_sub(age));
    }
    if said.must_revalidate {
        (life.stale_while_revalidate, life.stale_if_error) = (Duration::ZERO, Duration::ZERO);
    }
    if life.ttl.is_zero() {
        // Its own word is that it has to be asked for each time: then it is good against an error and for nothing else.
        life.stale_while_revalidate = Duration::ZERO;
    }
    (!life.end().is_zero()).then_some((life, age))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes().get(..17).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
    })
}

/// Does the answer depend on nothing that is not in the key?
fn varies_within<'k>(headers: &HeaderMap, known: &(impl Iterator<Item = &'k HeaderName> + Clone)) -> bool {
    headers.get_all(VARY).iter().all(|value| {
        value.to_str().is_ok_and(|names| {
            names.split(',').map(str::trim).filter(|name| !name.is_empty()).all(|name| {
                let is = |own: &&str| own.eq_ignore_ascii_case(name);
                name != "*" && matters(name) || known.clone().any(|own| is(&own.as_str()))
            })
        })
    })
}

fn until_it_expires(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date =
        |name| headers.get(name).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
    if !headers.contains_key(EXPIRES) {
        return None;
    }
    // What cannot be read, such as `0` or `-1`, has expired.
    let left = date(EXPIRES).and_then(|expires| expires.duration_since(date(DATE).unwrap_or(now)).ok());
    Some(left.unwrap_or_default())
}

/// A number of seconds. One that is too large to be read is very long.
fn seconds(text: &str) -> Option<Duration> {
    let digits = text.trim().trim_matches('"');
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
}

/// What `Cache-Control` says, as far as it matters here.
#[derive(Debug, Default)]
struct Directives {
    no_store: bool,
    no_cache: bool,
    must_revalidate: bool,
    /// The shortest that is said.
    max_age: Option<Duration>,
}

impl Directives {
    fn read(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        for value in headers.get_all(CACHE_CONTROL) {
            let Ok(text) = value.to_str() else {
                // What cannot be read may be a prohibition.
                said.no_store = true;
                continue;
            };
            for directive in text.split(',') {
                let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
                match name.trim().to_ascii_lowercase().as_str() {
                    "no-store" => said.no_store = true,
                    "no-cache" => said.no_cache = true,
                    "must-revalidate" | "proxy-revalidate" => said.must_revalidate = true,
                    "max-age" | "s-maxage" => {
                        let span = seconds(value).unwrap_or_default();
                        said.max_age = Some(said.max_age.map_or(span, |other| other.min(span)));
                    }
                    _ => {}
                }
            }
        }
        said
    }
}
