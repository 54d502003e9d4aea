//! Which headers pass, which stop here, and which are ours.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use seawall_core::CallId;

/// On every answer: the call's id.
pub(crate) const CALL: HeaderName = HeaderName::from_static("seawall-call");
/// On every answer: what was decided up to its head.
pub(crate) const DECISION: HeaderName = HeaderName::from_static("seawall-decision");
/// On an answer that is no longer fresh: how old it is, and why it was given.
pub(crate) const STALE: HeaderName = HeaderName::from_static("seawall-stale");
/// Obeyed by the SDKs that Stainless generates (openai, anthropic and others).
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Obeyed by Stripe's SDKs.
const STRIPE_SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");
/// Sent by the same SDKs: how often the client itself has tried already.
pub(crate) const CLIENT_RETRIES: HeaderName = HeaderName::from_static("x-stainless-retry-count");
/// What a caller may say about its call, where its route allows it.
pub(crate) const EFFECTS: HeaderName = HeaderName::from_static("seawall-effects");
/// See [`EFFECTS`].
pub(crate) const DEADLINE: HeaderName = HeaderName::from_static("seawall-deadline");
/// See [`EFFECTS`].
pub(crate) const PRIORITY: HeaderName = HeaderName::from_static("seawall-priority");
/// A caller's key that is meant for us and for nobody behind us.
pub(crate) const KEY: HeaderName = HeaderName::from_static("seawall-key");
/// Where a caller's key may stand too, as it does for some providers.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// See [`EFFECTS`].
pub(crate) const FIRST_SEEN: HeaderName = HeaderName::from_static("seawall-first-seen");
/// On an answer that was given before: it is not a new one.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// On a replay whose body was too large to be kept.
pub(crate) const REPLAY: HeaderName = HeaderName::from_static("seawall-replay");
/// How the cookies of browsers that logged in at the admin port begin; its port follows.
pub(crate) const SESSION: &str = "seawall_session_";
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Tells the caller's SDK, in both words SDKs obey, not to send it again.
pub(crate) fn do_not_retry(headers: &mut HeaderMap) {
    headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    headers.insert(STRIPE_SHOULD_RETRY, HeaderValue::from_static("false"));
}

/// Tells the caller's SDK, in both words SDKs obey, to ask again.
pub(crate) fn do_retry(headers: &mut HeaderMap) {
    headers.insert(SHOULD_RETRY, HeaderValue::from_static("true"));
    headers.insert(STRIPE_SHOULD_RETRY, HeaderValue::from_static("true"));
}

/// A caller's words to us, which never reach an upstream.
fn to_us(name: &str) -> bool {
    matches!(
        name,
        "seawall-effects"
            | "seawall-deadline"
            | "seawall-tenant"
            | "seawall-priority"
            | "seawall-first-seen"
            | "seawall-key"
    )
}

/// Headers that are about one connection, not about the message (RFC 9110 §7.6.1), and those we answer ourselves.
fn hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "expect"
            | "http2-settings"
    )
}

/// A caller's proof of who pays, in all the places providers look for it.
pub(crate) const CREDENTIALS: [&str; 7] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-mbx-apikey",
    "cookie",
    "proxy-authorization",
];

fn credential_name(name: &str) -> bool {
    CREDENTIALS.contains(&name)
}

/// One look at every header: most messages have little to remove, and then this costs a few comparisons.
fn remove(headers: &mut HeaderMap, doomed: impl Fn(&str) -> bool) {
    while let Some(name) = headers.keys().find(|name| doomed(name.as_str())).cloned() {
        headers.remove(name);
    }
}

/// Removes what is about one connection. `upgrade` keeps the two headers an upgrade needs.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap, upgrade: bool) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        // What every client says, and what goes anyway.
        .filter(|word| !word.eq_ignore_ascii_case("keep-alive") && !word.eq_ignore_ascii_case("close"))
        .filter_map(|name| name.parse().ok())
        // Naming these would let a caller remove what others rely on.
        .filter(|name| name != header::HOST && name != header::CONTENT_LENGTH)
        .collect();
    for name in named {
        if !(upgrade && name == header::UPGRADE) {
            headers.remove(name);
        }
    }
    remove(headers, |name| hop_by_hop(name) && !(upgrade && matches!(name, "upgrade" | "connection")));
    if upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Removes a caller's words to us.
pub(crate) fn strip_ours(headers: &mut HeaderMap) {
    remove(headers, to_us);
    strip_sessions(headers);
}

/// Removes the cookies of our own sessions: browsers send them to every port of a host, and an upstream that got one could
/// pull levers with it.
fn strip_sessions(headers: &mut HeaderMap) {
    let ours = |pair: &[u8]| {
        let name = pair.trim_ascii();
        name.strip_prefix(b"__Host-").unwrap_or(name).starts_with(SESSION.as_bytes())
    };
    let has_ours = |line: &HeaderValue| line.as_bytes().split(|byte| *byte == b';').any(ours);
    if !headers.get_all(header::COOKIE).iter().any(has_ours) {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
    headers.remove(header::COOKIE);
    for line in lines {
        let left: Vec<&[u8]> =
            line.as_bytes().split(|byte| *byte == b';').filter(|pair| !ours(pair)).collect();
        let left = left.join(&b';');
        // What is left of a value is a value.
        if let (false, Ok(left)) = (left.is_empty(), HeaderValue::from_bytes(left.trim_ascii())) {
            headers.append(header::COOKIE, left);
        }
    }
}

/// Removes a caller's credentials: they go to nobody but the upstream that was addressed.
pub(crate) fn strip_credentials(headers: &mut HeaderMap) {
    remove(headers, credential_name);
}

/// Removes a caller's credentials where ours take their place; cookies are the caller's business.
pub(crate) fn strip_keys(headers: &mut HeaderMap) {
    remove(headers, |name| credential_name(name) && name != "cookie");
}

/// A number that stands for the caller's credential: the same for the same one, and good for nothing else. Zero for a
/// caller without one.
pub(crate) fn credential(headers: &HeaderMap, hasher: &impl std::hash::BuildHasher) -> u64 {
    headers
        .iter()
        .filter(|(name, _)| credential_name(name.as_str()))
        .map(|(name, value)| hasher.hash_one((name.as_str(), value.as_bytes())))
        // In whatever order they come.
        .fold(0, u64::wrapping_add)
}

/// Whose call it is, to the last byte: the credentials it came with, in an order of ours. Cookies count only where there
/// is nothing else, because they change from one try to the next.
pub(crate) fn owner(headers: &HeaderMap) -> Vec<u8> {
    let of = |name: &str| {
        let mut told = Vec::new();
        for value in headers.get_all(name) {
            told.extend_from_slice(&(name.len() as u64).to_be_bytes());
            told.extend_from_slice(name.as_bytes());
            told.extend_from_slice(&(value.len() as u64).to_be_bytes());
            told.extend_from_slice(value.as_bytes());
        }
        told
    };
    let ours = |name: &&&str| !matches!(**name, "cookie" | "proxy-authorization");
    let owner: Vec<u8> = CREDENTIALS.iter().filter(ours).flat_map(|name| of(name)).collect();
    if owner.is_empty() { of("cookie") } else { owner }
}

/// The trace a call belongs to; all zero where it belongs to none. The call's own span has the last half of its id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) id: u128,
    /// The caller's span; zero where the trace begins here.
    pub(crate) parent: u64,
    /// Whoever began it wants it to be kept.
    pub(crate) sampled: bool,
}

/// Continues the caller's trace with a span of ours, or begins one whose id is the call's.
pub(crate) fn trace(headers: &mut HeaderMap, call: CallId) -> Trace {
    let mut id = [0; 36];
    call.encode(&mut id);
    let mut digits = id.iter().filter(|digit| **digit != b'-');
    let mut next = *b"00-00000000000000000000000000000000-0000000000000000-01";
    for place in (3..35).rev() {
        next[place] = digits.next_back().copied().unwrap_or(b'0');
    }
    next.copy_within(19..35, 36);
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0);
    let mut parent = 0;
    if let Some(old) = headers.get(TRACEPARENT).map(HeaderValue::as_bytes).filter(|old| well_formed(old)) {
        next[3..35].copy_from_slice(&old[3..35]);
        next[53..].copy_from_slice(&old[53..]);
        parent = old[36..52].iter().fold(0, |id, byte| id << 4 | u64::from(digit(byte)));
    }
    if let Ok(value) = HeaderValue::from_bytes(&next) {
        headers.insert(TRACEPARENT, value);
    }
    let id = next[3..35].iter().fold(0, |id, byte| id << 4 | u128::from(digit(byte)));
    Trace { id, parent, sampled: digit(&next[54]) & 1 == 1 }
}

fn well_formed(bytes: &[u8]) -> bool {
    bytes.len() == 55
        && bytes.starts_with(b"00-")
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            2 | 35 | 52 => *byte == b'-',
            _ => byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase(),
        })
}

/// Does the message ask to become something else than HTTP?
pub(crate) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
        && headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|word| word.trim().eq_ignore_ascii_case("upgrade"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_is_about_one_connection_stops_here() {
        let mut h = headers(&[
            ("connection", "keep-alive, X-Secret, host"),
            ("keep-alive", "timeout=5"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("host", "a"),
            ("x-kept", "1"),
        ]);
        strip_hop_by_hop(&mut h, false);
        let left: Vec<_> = h.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["host", "x-kept"]);
    }

    #[test]
    fn an_upgrade_keeps_what_it_needs() {
        let mut h = headers(&[("connection", "Upgrade"), ("upgrade", "websocket"), ("te", "x")]);
        assert!(asks_for_upgrade(&h));
        strip_hop_by_hop(&mut h, true);
        assert_eq!(h["connection"], "upgrade");
        assert_eq!(h["upgrade"], "websocket");
        assert!(!h.contains_key("te"));
    }

    #[test]
    fn a_trace_is_continued_or_begun() {
        let call = CallId::new();
        let mut h = headers(&[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")]);
        let id = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
        let parent = 0xb7ad_6b71_6920_3331;
        assert_eq!(trace(&mut h, call), Trace { id, parent, sampled: false });
        let continued = h["traceparent"].to_str().unwrap().to_owned();
        assert!(continued.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && continued.ends_with("-00"));
        assert!(!continued.contains("b7ad6b7169203331"));
        for nonsense in ["", "00-é", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"] {
            let mut h = HeaderMap::new();
            h.insert("traceparent", HeaderValue::from_bytes(nonsense.as_bytes()).unwrap());
            let Trace { id, parent, sampled } = trace(&mut h, call);
            assert!(parent == 0 && sampled);
            assert_eq!(format!("{id:032x}"), call.to_string().replace('-', ""));
            let begun = h["traceparent"].to_str().unwrap();
            assert!(
                well_formed(begun.as_bytes()) && begun.contains(&call.to_string().replace('-', "")),
                "{begun}"
            );
        }
    }
}
