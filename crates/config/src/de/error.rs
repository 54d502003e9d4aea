//! What serde objects to, kept in parts until place and key are known.

use std::fmt;

use serde::de::{Expected, Unexpected};

use crate::node::{Step, dotted};
use crate::secrecy::{REDACTED, key_looks_secret, text_looks_secret};
use crate::{Node, Origin, Problem, Value};

/// The longest wrong text that is repeated.
const SHOWN: usize = 40;

/// An objection on its way up: each table it passes adds a step, the first node it passes gives it its place.
///
/// Boxed, since every step of a successful walk would otherwise make room for it.
#[derive(Debug)]
pub(crate) struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    what: What,
    origin: Option<Origin>,
    /// Innermost first.
    steps: Vec<Step>,
    /// The text objected to, so that a message can be searched for it when it turns out to be secret.
    text: Option<String>,
}

#[derive(Debug)]
enum What {
    /// A message as it came.
    Custom(String),
    /// Another kind or range of value was expected; the second is what was found, the third its text.
    Mismatch(String, String, Option<String>),
    UnknownKey(&'static [&'static str]),
    UnknownWord(String, &'static [&'static str]),
    Missing(&'static str),
}

impl Error {
    fn new(what: What) -> Error {
        Error(Box::new(Parts { what, origin: None, steps: Vec::new(), text: None }))
    }

    pub(super) fn mismatch(expected: &str, found: &Node) -> Error {
        Error::expected(expected.to_owned(), found)
    }

    pub(super) fn expected(expected: String, found: &Node) -> Error {
        let text = match &found.value {
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Int(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            _ => None,
        };
        Error::new(What::Mismatch(expected, found.value.kind().to_owned(), text))
    }

    /// Gives the error the place of a node, unless an inner one gave it a closer place.
    pub(super) fn at(mut self, node: &Node) -> Error {
        if self.0.origin.is_some() {
            return self;
        }
        if let Value::String(text) = &node.value {
            self.0.text = Some(text.clone());
        }
        let key = match (&self.0.what, self.0.steps.last()) {
            (What::UnknownKey(_), Some(Step::Key(key))) => node.entry(key).map(|entry| entry.key.clone()),
            _ => None,
        };
        self.0.origin = Some(key.unwrap_or_else(|| node.origin.clone()));
        self
    }

    /// Gives the error the place of a key, unless an inner one gave it a closer place.
    pub(super) fn of_key(mut self, key: &str, origin: &Origin) -> Error {
        if self.0.origin.is_none() {
            self.0.origin = Some(origin.clone());
        }
        if self.0.steps.is_empty() {
            self.0.steps.push(Step::Key(key.to_owned()));
        }
        self
    }

    /// Adds the step it came up through.
    pub(super) fn within(mut self, step: Step) -> Error {
        self.0.steps.push(step);
        self
    }

    /// The problem, and the way to it from the root.
    pub(super) fn into_problem(self, root: &Node, prefix: &str) -> (Problem, Vec<Step>) {
        let Parts { what, origin, mut steps, text } = *self.0;
        steps.reverse();
        let mut key = dotted(&steps);
        if !prefix.is_empty() {
            let joint = if key.is_empty() || key.starts_with('[') { "" } else { "." };
            key = format!("{prefix}{joint}{key}");
        }
        let origin = origin.unwrap_or_else(|| root.origin.clone());
        let secret = key_looks_secret(&key)
            || matches!(&origin, Origin::Environment(name) if key_looks_secret(name))
            || text.as_deref().is_some_and(text_looks_secret);
        let (message, advice) = what.say(&steps, secret);
        let message = match &text {
            Some(text) if secret => without(message, text),
            _ => message,
        };
        (Problem { advice, ..Problem::error(origin, key, message) }, steps)
    }
}

impl What {
    fn say(self, steps: &[Step], secret: bool) -> (String, Option<String>) {
        match self {
            What::Custom(message) => (message, None),
            What::Mismatch(expected, found, text) => {
                let text = text.filter(|text| !secret && !text_looks_secret(text));
                let text = text.map(|text| format!(" {text}")).unwrap_or_default();
                (format!("expected {expected}, found {found}{text}"), None)
            }
            What::UnknownKey(known) => {
                let key = match steps.last() {
                    Some(Step::Key(key)) => cut(key),
                    _ => String::new(),
                };
                let all = if known.is_empty() {
                    "no keys are known here".to_owned()
                } else {
                    format!("known keys: {}", known.join(", "))
                };
                let advice = match nearest(&key, known) {
                    Some(near) => format!("write `{near}` ({all})"),
                    None => all,
                };
                (format!("unknown key `{key}`"), Some(advice))
            }
            What::UnknownWord(word, known) => {
                let all = format!("one of: {}", known.join(", "));
                let advice = match nearest(&word, known) {
                    Some(near) if !secret => format!("write \"{near}\" ({all})"),
                    _ => format!("write {all}"),
                };
                let word = if secret || text_looks_secret(&word) { REDACTED.to_owned() } else { cut(&word) };
                (format!("unknown value {word:?}"), Some(advice))
            }
            What::Missing(key) => {
                (format!("`{key}` is missing"), Some(format!("write `{key} = …` in this table")))
            }
        }
    }
}

/// The known name a mistyped one probably meant: at most one edit in three characters away.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let lower = name.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase().replace('-', "_")), *known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, known)| {
            *distance <= (known.len().max(lower.len()) / 3).max(1) && *distance < known.len()
        })
        .map(|(_, known)| known)
}

/// A message without a secret text: as such, and as it looks in quotes.
fn without(mut message: String, text: &str) -> String {
    let escaped = format!("{text:?}");
    for pattern in [escaped.as_str(), &format!("`{text}`"), &format!("\"{text}\"")] {
        message = message.replace(pattern, REDACTED);
    }
    let escaped = escaped.trim_matches('"');
    let start: String = escaped.chars().take(SHOWN).collect();
    for bare in [text, escaped, start.as_str()] {
        // A text of a letter or two says nothing, and is part of other words.
        if bare.chars().count() > 2 {
            message = message.replace(bare, REDACTED);
        }
    }
    message
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What serde says was found, in words for people: the kind, and the text where it is worth repeating.
fn found(unexpected: &Unexpected<'_>) -> (String, Option<String>) {
    let (kind, text) = match unexpected {
        Unexpected::Bool(truth) => ("boolean", truth.to_string()),
        Unexpected::Signed(number) => ("integer", number.to_string()),
        Unexpected::Unsigned(number) => ("integer", number.to_string()),
        Unexpected::Float(number) => ("number", number.to_string()),
        Unexpected::Str(text) => ("string", format!("{:?}", cut(text))),
        Unexpected::Char(c) => ("string", format!("{:?}", c.to_string())),
        Unexpected::Unit | Unexpected::Option => return ("nothing".to_owned(), None),
        Unexpected::Seq => return ("a list".to_owned(), None),
        Unexpected::Map | Unexpected::StructVariant => return ("a table".to_owned(), None),
        Unexpected::UnitVariant => return ("a word".to_owned(), None),
        other => return (other.to_string(), None),
    };
    (kind.to_owned(), Some(text))
}

/// What serde says it expected, in words for people.
fn wanted(expected: &dyn Expected) -> String {
    let range = |low: i128, high: i128| format!("a whole number from {low} to {high}");
    let text = expected.to_string();
    match text.as_str() {
        "u8" => range(0, u8::MAX.into()),
        "u16" => range(0, u16::MAX.into()),
        "u32" => range(0, u32::MAX.into()),
        "u64" | "usize" => "a whole number from 0 on".to_owned(),
        "i8" => range(i8::MIN.into(), i8::MAX.into()),
        "i16" => range(i16::MIN.into(), i16::MAX.into()),
        "i32" => range(i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" => "a whole number".to_owned(),
        "a nonzero u8" => range(1, u8::MAX.into()),
        "a nonzero u16" => range(1, u16::MAX.into()),
        "a nonzero u32" => range(1, u32::MAX.into()),
        "a nonzero u64" | "a nonzero usize" => "a whole number from 1 on".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "path string" => "a path".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "newtype variant" | "tuple variant" | "struct variant" => "a table".to_owned(),
        _ if text.starts_with("struct ") => "a table".to_owned(),
        _ if text.starts_with("tuple ") || text.starts_with("a tuple ") => "a list".to_owned(),
        _ => text,
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Error {
        let message = message.to_string();
        if message.starts_with("data did not match any variant of untagged enum") {
            return Error::new(What::Custom(
                "the value has none of the shapes that are known here".to_owned(),
            ));
        }
        Error::new(What::Custom(message))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Error {
        let (kind, text) = found(&unexpected);
        Error::new(What::Mismatch(wanted(expected), kind, text))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Error {
        Error::invalid_type(unexpected, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Error {
        let expected = expected.to_string().replace("a tuple of size ", "");
        Error::new(What::Custom(format!("the list has {length} items, write {expected}")))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Error {
        Error::new(What::UnknownWord(variant.to_owned(), expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Error {
        let mut error = Error::new(What::UnknownKey(expected));
        error.0.steps.push(Step::Key(field.to_owned()));
        error
    }

    fn missing_field(field: &'static str) -> Error {
        let mut error = Error::new(What::Missing(field));
        error.0.steps.push(Step::Key(field.to_owned()));
        error
    }

    fn duplicate_field(field: &'static str) -> Error {
        Error::new(What::Custom(format!("`{field}` is given twice, write it once")))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value does not fit")
    }
}

impl std::error::Error for Error {}
