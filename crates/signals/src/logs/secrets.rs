//! The secret values of a process: whoever learns one says so here, and no line shows it any more.
//!
//! A name says what should be hidden, a value what must be: a key that stands in an error's text, in a URL or in a field
//! called `note` is found as well.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use aho_corasick::{AhoCorasick, MatchKind};
use seawall_core::secret::Secret;

use super::{line, lock};

/// What stands in the place of what was hidden.
pub(super) const HIDDEN: &str = "[secret]";
/// A value shorter than this is part of too many words.
const SHORTEST: usize = 6;
/// More values than a process has.
const MOST: usize = 10_000;

/// Values that no line may show. Clones share them; they are in memory for as long as one is.
///
/// Hiding costs one pass over a text, however many values there are.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Inner>);

#[derive(Default)]
struct Inner {
    values: Mutex<Vec<String>>,
    finder: Mutex<Option<Arc<AhoCorasick>>>,
}

impl Secrets {
    /// Learns a value, and the ways in which it may be spelt in a line: as it is, escaped as in JSON or in a debug print,
    /// and percent-encoded as in a URL. `false` if it is shorter than six bytes, which are part of too many words, or if ten
    /// thousand are known.
    pub fn learn(&self, secret: &Secret) -> bool {
        let value = secret.expose().trim();
        let mut values = lock(&self.0.values);
        if value.len() < SHORTEST || values.len() >= MOST {
            return false;
        }
        let before = values.len();
        let json = |text: &str| {
            let mut escaped = String::new();
            line::escape(text, &mut escaped);
            escaped
        };
        let debug = format!("{value:?}");
        let debug = debug.get(1..debug.len().saturating_sub(1)).unwrap_or(value);
        for spelling in [value.to_owned(), json(value), debug.to_owned(), json(debug), percent(value)] {
            if !values.contains(&spelling) {
                values.push(spelling);
            }
        }
        if values.len() > before {
            let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&*values);
            // So many short values always fit.
            *lock(&self.0.finder) = finder.ok().map(Arc::new);
        }
        true
    }

    /// The text without any of the values.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let finder = lock(&self.0.finder).clone();
        match finder {
            Some(finder) => replace(text, &finder),
            None => Cow::Borrowed(text),
        }
    }
}

fn replace<'t>(text: &'t str, finder: &AhoCorasick) -> Cow<'t, str> {
    let mut shown = String::new();
    let mut at = 0;
    for found in finder.find_iter(text) {
        shown.push_str(&text[at..found.start()]);
        shown.push_str(HIDDEN);
        at = found.end();
    }
    if at == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[at..]);
    Cow::Owned(shown)
}

/// As in a URL: everything but what never needs it.
fn percent(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}
