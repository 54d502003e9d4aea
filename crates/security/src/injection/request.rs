//! The parts of a request that an attack can come in: each is read by itself, and told with its place.

use std::borrow::Cow;

use super::decode;
use super::json;
use super::options::Part;
use super::{Category, Detector, Report};

/// More places than this are read and not told.
const TOLD: usize = 64;
/// What is told of the name of a place.
const NAME: usize = 128;

/// What came in, as far as it was read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'r> {
    /// The path as it came, without the query.
    pub path: &'r [u8],
    /// What stands behind `?`, as it came.
    pub query: &'r [u8],
    /// Names and values, in order.
    pub headers: &'r [(&'r str, &'r [u8])],
    /// The body, where it is of a kind that is read.
    pub body: Body<'r>,
}

/// A body of a kind that is read.
#[derive(Debug, Clone, Copy, Default)]
pub enum Body<'r> {
    /// None, or of another kind.
    #[default]
    None,
    /// JSON: keys and texts are read. What is no JSON is read as one text.
    Json(&'r [u8]),
    /// `application/x-www-form-urlencoded`.
    Form(&'r [u8]),
}

/// A place where something was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The part of the request.
    pub part: Part,
    /// The place as exclusions spell it: `path`, `query:q`, `headers:referer`, `json:/messages/0/content`, `form:name`.
    /// Long names are cut; control characters are escaped.
    pub place: String,
    /// What was found. Offsets count from the beginning of the value, decoded as its part asks for.
    pub report: Report,
}

/// What was found in a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspection {
    /// Places with anything at all, attacks or not, in the order of the request; the first 64 of them.
    pub places: Vec<Found>,
    /// How many places had anything.
    pub count: usize,
    attack: bool,
}

impl Inspection {
    /// Does any place read as an attack?
    pub fn is_attack(&self) -> bool {
        self.attack
    }

    /// The categories that reach the threshold in any place.
    pub fn categories(&self) -> impl Iterator<Item = Category> {
        let has = |category: &Category| {
            self.places.iter().any(|place| place.report.categories().any(|one| one == *category))
        };
        Category::ALL.iter().copied().filter(has)
    }

    fn add(&mut self, part: Part, place: &str, report: Report) {
        if report.findings().is_empty() {
            return;
        }
        self.count += 1;
        let first = report.is_attack() && !self.attack;
        self.attack |= report.is_attack();
        // The first attack is told whatever else was found before it.
        if self.places.len() < TOLD {
            self.places.push(Found { part, place: place.to_owned(), report });
        } else if first && let Some(last) = self.places.last_mut() {
            *last = Found { part, place: place.to_owned(), report };
        }
    }
}

impl Detector {
    /// Reads the parts of a request that the options name.
    ///
    /// Names and values of queries and forms are decoded once, as an application does; each JSON text likewise. Costs time
    /// and memory that grow with the request and with nothing else.
    pub fn inspect(&self, request: &Request<'_>) -> Inspection {
        let mut seen = Inspection::default();
        if self.reads(Part::Path) && !request.path.is_empty() {
            seen.add(Part::Path, "path", self.scan_at(request.path, "path"));
        }
        if self.reads(Part::Query) {
            self.pairs(Part::Query, request.query, &mut seen);
        }
        if self.reads(Part::Headers) {
            for (name, value) in request.headers {
                let place = format!("headers:{}", shown(name.to_ascii_lowercase().as_bytes()));
                seen.add(Part::Headers, &place, self.scan_at(value, &place));
            }
        }
        match request.body {
            Body::Form(body) if self.reads(Part::Form) => self.pairs(Part::Form, body, &mut seen),
            Body::Json(body) if self.reads(Part::Json) => json::texts(body, |pointer, text| {
                let place = format!("json:{}", shown(pointer.as_bytes()));
                seen.add(Part::Json, &place, self.scan_at(text, &place));
            }),
            _ => {}
        }
        seen
    }

    /// `name=value&name=value`, both decoded once.
    fn pairs(&self, part: Part, text: &[u8], seen: &mut Inspection) {
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let equals = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = equals.map_or((pair, None), |at| (&pair[..at], Some(&pair[at + 1..])));
            let name = unescaped(name);
            let place = format!("{part}:{}", shown(&name));
            if let Some(value) = value {
                seen.add(part, &place, self.scan_at(&unescaped(value), &place));
            }
            seen.add(part, &place, self.scan_at(&name, &place));
        }
    }
}

/// A form's value as an application reads it: `+` is a blank, `%41` is `A`.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, text.get(at + 1..at + 3).and_then(decode::hex)) {
            (b'%', Some(decoded)) => {
                plain.push(decoded as u8);
                at += 3;
            }
            (b'+', _) => {
                plain.push(b' ');
                at += 1;
            }
            (byte, _) => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    Cow::Owned(plain)
}

/// A name from outside, safe to show and short enough.
fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(&name[..name.len().min(NAME)]);
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}
