//! What a call asks to be done once: whose it is, under which key, and what exactly.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use seawall::effect::{Fingerprint, Wish};
use seawall_core::clock::wall_now;
use seawall_core::{CallId, Code, Rejection};
use serde_json::value::RawValue;

use super::{LONGEST_KEY, Once};
use crate::headers;
use crate::plan::Part;
use crate::proxy::Errand;
use crate::record::Record;

/// One call's wish.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The caller's key, or one of our own.
    pub(super) key: String,
    /// The caller brought it.
    pub(super) brought: bool,
    /// The caller it belongs to, as its credentials; empty for one without any.
    pub(super) owner: Vec<u8>,
    print: Fingerprint,
    age: Option<Duration>,
}

impl Asked {
    /// Reads it from a call: waits for the whole of its body. Refuses a key that cannot be one, a missing one where the
    /// route requires it, and a body that is too large to be told from another.
    pub(super) async fn read(record: &Record, errand: &Errand, once: &Once) -> Result<Self, Rejection> {
        let house = &record.worker.house;
        let patience = house.routes[record.route].attempt.first_byte;
        let patience = patience.min(house.now().until(errand.deadline));
        let Some(pieces) = errand.body.whole(patience).await else {
            return Err(no_whole_body(errand));
        };
        let body = joined(pieces);
        let query = errand.entry.path.query().unwrap_or("");
        let kind = errand.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let content = Content::of(kind, &body);
        let brought = once
            .keys
            .iter()
            .find_map(|part| match part {
                Part::Header(name) => header_key(&errand.headers, name),
                Part::Query(name) => field(query, name).map(Ok),
                Part::Body(name) => content.text(name).map(Ok),
            })
            .transpose()?;
        if let Some(key) = &brought {
            check(key)?;
        } else if once.plan.require {
            let name = once.plan.key.as_str();
            return Err(Rejection::new(Code::KeyRequired)
                .because(format!("calls of this route name what they want done once: send {name}")));
        }
        let entry = &errand.entry;
        let print = Fingerprint::of(&[
            errand.method.as_str().as_bytes(),
            house.upstreams[entry.addressed].plan.name.as_bytes(),
            entry.path.path().as_bytes(),
            without(query, &once.ignore).as_bytes(),
            &content.without(&once.ignore),
        ]);
        let said = errand.first_seen.as_ref().map(age).transpose()?;
        let age = said.max(brought.as_deref().and_then(age_of_key));
        let (key, brought) = match brought {
            Some(key) => (key, true),
            None => (record.id.to_string(), false),
        };
        Ok(Self { key, brought, owner: owner(record, &errand.headers), print, age })
    }

    /// The same as the guard reads it.
    pub(super) fn wish(&self) -> Wish<'_> {
        Wish { id: &self.key, scope: &self.owner, occurrence: 0, print: self.print, age: self.age }
    }
}

/// Whose key it is: the caller's who is known by name, or its tenant's, and of that one whoever stands behind it.
fn owner(record: &Record, headers: &HeaderMap) -> Vec<u8> {
    let mut owner = Vec::new();
    if let (Some(callers), Some(caller)) = (&record.worker.house.callers, record.caller) {
        let (kind, name) = callers.of(caller).owner();
        owner.extend_from_slice(kind.as_bytes());
        owner.push(b' ');
        owner.extend_from_slice(&(name.len() as u64).to_be_bytes());
        owner.extend_from_slice(name.as_bytes());
    }
    owner.extend(headers::owner(headers));
    owner
}

fn no_whole_body(errand: &Errand) -> Rejection {
    if errand.body.failed() {
        return Rejection::new(Code::Malformed).because("the request's body broke off");
    }
    if errand.body.is_open() {
        return Rejection::new(Code::BodyStalled).because("the request's body did not come in time");
    }
    Rejection::new(Code::TooLarge).because(
        "what must not happen twice is compared before it is sent: its body must fit into what is kept, without trailers",
    )
}

fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        0 => Bytes::new(),
        1 => pieces.remove(0),
        _ => pieces.concat().into(),
    }
}

/// Does a call carry a key in this header?
pub(crate) fn carries_key(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.contains_key(name)
}

/// The key in a header: one, in quotes (RFC 8941) or not.
fn header_key(headers: &HeaderMap, name: &HeaderName) -> Option<Result<String, Rejection>> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        let message = format!("{name} is there twice: one call is one operation");
        return Some(Err(Rejection::new(Code::Malformed).because(message)));
    }
    let text = value.to_str().map(str::trim).unwrap_or("\u{fffd}");
    Some(Ok(text.to_owned()))
}

fn check(key: &str) -> Result<(), Rejection> {
    let because = |message: String| Err(Rejection::new(Code::Malformed).because(message));
    if key.is_empty() {
        return because("the idempotency key is empty: write a UUID".into());
    }
    if key.len() > LONGEST_KEY {
        let length = key.len();
        return because(format!("the idempotency key has {length} characters: write at most {LONGEST_KEY}"));
    }
    if !key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return because("the idempotency key has bytes that are no plain letters: write a UUID".into());
    }
    Ok(())
}

/// How old a key is that says so itself: a UUID of version 7 is made of its time.
pub(super) fn age_of_key(key: &str) -> Option<Duration> {
    let bare = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    if bare.len() != 36 || bare.as_bytes()[14] != b'7' {
        return None;
    }
    Some(since_millis(CallId::parse(bare)?.millis()))
}

fn since_millis(millis: u64) -> Duration {
    let now = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(millis))
}

/// How long ago its caller first wanted it: `seawall-first-seen`, in seconds since 1970 or as RFC 3339.
pub(super) fn age(value: &HeaderValue) -> Result<Duration, Rejection> {
    let text = value.to_str().unwrap_or("").trim();
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let millis = match seconds {
        Some(first) => u64::try_from(first.as_millis()).ok(),
        None => text.parse::<jiff::Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok()),
    };
    millis.map(since_millis).ok_or_else(|| {
        Rejection::new(Code::Malformed)
            .because("seawall-first-seen is no moment: write seconds since 1970, or 2026-11-21T09:30:00Z")
    })
}

/// A body as far as its parts can be told apart.
pub(super) enum Content<'b> {
    /// Members as they are written: a number is compared digit by digit.
    Json(&'b [u8], BTreeMap<String, &'b RawValue>),
    Form(&'b str),
    Bytes(&'b [u8]),
}

impl<'b> Content<'b> {
    pub(super) fn of(kind: &str, body: &'b [u8]) -> Self {
        let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        if kind == "application/json" || kind.ends_with("+json") {
            if let Ok(members) = serde_json::from_slice(body) {
                return Content::Json(body, members);
            }
        } else if kind == "application/x-www-form-urlencoded"
            && let Ok(form) = std::str::from_utf8(body)
        {
            return Content::Form(form);
        }
        Content::Bytes(body)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self {
            Content::Json(_, members) => serde_json::from_str(members.get(name)?.get()).ok(),
            Content::Form(form) => field(form, name),
            Content::Bytes(_) => None,
        }
    }

    /// Its bytes less what is ignored.
    pub(super) fn without(&self, ignore: &[Part]) -> Vec<u8> {
        let ignored = |name: &str| ignore.iter().any(|part| matches!(part, Part::Body(own) if own == name));
        match self {
            Content::Json(_, members) if members.keys().any(|name| ignored(name)) => {
                let left: BTreeMap<_, _> = members.iter().filter(|(name, _)| !ignored(name)).collect();
                serde_json::to_vec(&left).unwrap_or_default()
            }
            Content::Json(bytes, _) | Content::Bytes(bytes) => bytes.to_vec(),
            Content::Form(form) => kept_fields(form, ignored).into_bytes(),
        }
    }
}

/// The fields of a query or a form, less what is ignored, in their order.
fn kept_fields(fields: &str, ignored: impl Fn(&str) -> bool) -> String {
    let kept: Vec<&str> = fields
        .split('&')
        .filter(|field| !ignored(&decoded(field.split_once('=').map_or(*field, |(name, _)| name))))
        .collect();
    kept.join("&")
}

pub(super) fn without(query: &str, ignore: &[Part]) -> String {
    kept_fields(query, |name| ignore.iter().any(|part| matches!(part, Part::Query(own) if own == name)))
}

/// The first field of this name.
pub(super) fn field(fields: &str, wanted: &str) -> Option<String> {
    fields.split('&').find_map(|field| {
        let (name, value) = field.split_once('=')?;
        (decoded(name) == wanted).then(|| decoded(value))
    })
}

/// Percent-decoded, with `+` for a space.
fn decoded(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        let digits = bytes.get(place + 1..place + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, digits.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(value)) => {
                plain.push(value);
                place += 3;
            }
            (b'+', _) => {
                plain.push(b' ');
                place += 1;
            }
            _ => {
                plain.push(*byte);
                place += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}
