//! Whose answer it is, and to what: everything that makes a difference, in thirty-two bytes that give nothing away.

use std::sync::atomic::Ordering;

use aws_lc_rs::hmac::{self, Context};
use aws_lc_rs::rand::SystemRandom;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use seawall::Invalid;
use smallvec::SmallVec;

use super::Answers;
use crate::entry::Entry;
use crate::house::House;

/// Headers of a request that make no difference to its answer, unless a `Vary` says so: who asks with what, and which of
/// many calls it is. Every other header is part of the question.
const INDIFFERENT: [&str; 17] = [
    "baggage",
    "cache-control",
    "content-length",
    "date",
    "dnt",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "pragma",
    "request-id",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
    "x-correlation-id",
    "x-request-id",
];

/// The same, for whole families: what SDKs say of themselves, proxies of the way, and browsers of their page.
const INDIFFERENT_FAMILIES: [&str; 4] = ["sec-", "seawall-", "x-forwarded-", "x-stainless-"];

/// May a header of this name make a difference to the answer?
pub(super) fn matters(name: &str) -> bool {
    let begins =
        |family: &&str| name.get(..family.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(family));
    !INDIFFERENT.iter().any(|other| other.eq_ignore_ascii_case(name))
        && !INDIFFERENT_FAMILIES.iter().any(begins)
}

/// A keyed digest: it can be compared, and neither a credential nor a body can be read from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

#[cfg(test)]
impl Key {
    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// What makes digests of this process unlike those of any other.
pub(super) struct Secret(hmac::Key);

impl Secret {
    pub(super) fn new() -> Result<Self, Invalid> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map(Self)
            .map_err(|_| Invalid::new("cache", "the system gives no random numbers to make keys with"))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) route: usize,
    /// Who asks, where callers are told apart.
    pub(super) caller: Option<&'a str>,
    pub(super) entry: &'a Entry,
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    /// Whether the answer may change its coding for the caller, and if we asked for one in the caller's place.
    pub(super) reads: Option<bool>,
    pub(super) body: &'a [Bytes],
}

impl Answers {
    /// The key of a question: route, caller, upstream, method, path and query, every header that may make a difference
    /// (credentials among them, and those that a limit tells callers apart by), the body, and how often the path was
    /// written to.
    pub(super) fn key(&self, question: &Question<'_>, house: &House) -> Key {
        let Question { route, caller, entry, method, headers, reads, body } = question;
        let mut digest = Digest(Context::with_key(&self.secret.0));
        // By their names: places change when a configuration does. An upstream that moves is another one.
        let addressed = &house.upstreams[entry.addressed].plan;
        digest.field(house.routes[*route].name.as_bytes());
        digest.number(usize::from(caller.is_some()));
        digest.field(caller.unwrap_or("").as_bytes());
        digest.field(addressed.name.as_bytes());
        digest.field(addressed.url.to_string().as_bytes());
        digest.number(usize::from(entry.bare));
        digest.number(reads.map_or(0, |asked| 1 + usize::from(asked)));
        digest
            .number(self.mark(entry, &addressed.name, &house.ground.hasher).load(Ordering::Acquire) as usize);
        digest.field(method.as_str().as_bytes());
        digest.field(entry.path.as_str().as_bytes());
        // In the order of their names: a client may write them in any.
        let mut names: SmallVec<[&HeaderName; 16]> =
            headers.keys().filter(|name| matters(name.as_str())).collect();
        names.extend(tells_apart(*route, house).filter(|name| !matters(name.as_str())));
        names.sort_unstable_by_key(|name| name.as_str());
        digest.number(names.len());
        for name in names {
            digest.field(name.as_str().as_bytes());
            digest.header(headers, name.as_str());
        }
        digest.number(body.iter().map(Bytes::len).sum());
        body.iter().for_each(|frame| digest.0.update(frame));
        let mut key = [0; 32];
        key.copy_from_slice(digest.0.sign().as_ref());
        Key(key)
    }
}

/// Headers by which limits of a route's upstreams tell callers apart.
pub(super) fn tells_apart(route: usize, house: &House) -> impl Iterator<Item = &HeaderName> + Clone {
    house.routes[route].to.iter().flat_map(|upstream| &house.upstreams[*upstream].keyed_by)
}

/// Every part with its length before it, so that no two questions read alike.
struct Digest(Context);

impl Digest {
    fn number(&mut self, number: usize) {
        self.0.update(&(number as u64).to_le_bytes());
    }

    fn field(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.update(bytes);
    }

    fn header(&mut self, headers: &HeaderMap, name: &str) {
        let values = headers.get_all(name);
        self.number(values.iter().count());
        values.iter().for_each(|value| self.field(value.as_bytes()));
    }
}
