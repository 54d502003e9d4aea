//! YAML, as far as it spells the same tree: one document, no tags, no aliases.

use std::sync::Arc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use super::{MAX_DEPTH, too_deep};
use crate::node::{Step, dotted};
use crate::origin::Positions;
use crate::{Entry, Node, Origin, Problem, Table, Value};

pub(super) fn parse(name: &Arc<str>, text: &str) -> Result<Node, Problem> {
    let positions = Positions::new(name, text);
    let mut reader =
        Reader { events: Parser::new_from_str(text), positions: &positions, end: positions.at(text.len()) };
    let mut tree = Node::empty(positions.at(0));
    let mut documents = 0;
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(tree),
            (Event::StreamStart | Event::DocumentEnd, _) => {}
            (Event::DocumentStart(..), place) => {
                documents += 1;
                if documents > 1 {
                    return Err(
                        Problem::error(place, "", "a second document is refused").advise("write one only")
                    );
                }
                let first = reader.next()?;
                let read = reader.value(first, 0)?;
                // A file of comments alone is an empty table, as it is in TOML.
                if !matches!(read.value, Value::Null) {
                    tree = read;
                }
            }
            (_, place) => return Err(unexpected(place)),
        }
    }
}

fn unexpected(place: Origin) -> Problem {
    Problem::error(place, "", "invalid YAML: no value starts here").advise("write `key: value`")
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    positions: &'a Positions<'a>,
    end: Origin,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Origin), Problem> {
        match self.events.next_event() {
            Some(Ok((event, Span { start, .. }))) => Ok((event, self.place(&start))),
            Some(Err(why)) => {
                Err(Problem::error(self.place(why.marker()), "", format!("invalid YAML: {}", why.kind())))
            }
            None => Err(Problem::error(self.end.clone(), "", "invalid YAML: the text ends too early")),
        }
    }

    fn place(&self, marker: &Marker) -> Origin {
        marker.byte_offset().map_or_else(|| self.end.clone(), |offset| self.positions.at(offset))
    }

    fn value(&mut self, (event, place): (Event<'a>, Origin), depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(too_deep(place));
        }
        let value = match event {
            Event::Scalar(text, style, _, tag) => {
                untagged(tag.as_deref(), &place)?;
                match style {
                    ScalarStyle::Plain => plain(&text, &place)?,
                    _ => Value::String(text.into_owned()),
                }
            }
            Event::SequenceStart(_, _, tag) => {
                untagged(tag.as_deref(), &place)?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::Array(items),
                        item => items.push(self.value(item, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(_, _, tag) => {
                untagged(tag.as_deref(), &place)?;
                Value::Table(self.table(depth)?)
            }
            Event::Alias(_) => {
                return Err(Problem::error(place, "", "an alias is refused")
                    .advise("write the value again, or quote it"));
            }
            _ => return Err(unexpected(place)),
        };
        Ok(Node::new(value, place))
    }

    fn table(&mut self, depth: usize) -> Result<Table, Problem> {
        let mut table = Table::new();
        loop {
            let (key, place) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(table),
                (Event::Scalar(key, style, _, tag), place) => {
                    untagged(tag.as_deref(), &place)?;
                    if style == ScalarStyle::Plain && key == "<<" {
                        return Err(Problem::error(place, "", "a merge key is refused")
                            .advise("write the keys again"));
                    }
                    (key.into_owned(), place)
                }
                (_, place) => {
                    return Err(Problem::error(place, "", "a key that is not text is refused")
                        .advise("write `key: value`"));
                }
            };
            if table.contains_key(&key) {
                return Err(Problem::error(place, dotted(&[Step::Key(key)]), "the key is given twice")
                    .advise("write it once"));
            }
            let first = self.next()?;
            let node = self.value(first, depth + 1)?;
            table.insert(key, Entry { key: place, node });
        }
    }
}

fn untagged(tag: Option<&Tag>, place: &Origin) -> Result<(), Problem> {
    match tag {
        Some(_) => {
            Err(Problem::error(place.clone(), "", "a tag is refused").advise("quote the value if it is text"))
        }
        None => Ok(()),
    }
}

/// What a text without quotes means by the YAML 1.2 core schema: `yes`, `no`, `on` and `off` are just words.
fn plain(text: &str, place: &Origin) -> Result<Value, Problem> {
    let refuse = |what: &str, advice: &str| Err(Problem::error(place.clone(), "", what).advise(advice));
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return refuse("nan and inf are refused", "write a finite number"),
        _ if matches!(unsigned, ".inf" | ".Inf" | ".INF") => {
            return refuse("nan and inf are refused", "write a finite number");
        }
        _ if digits(unsigned) => text.parse().ok().map(Value::Int),
        _ => match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
            (Some(hex), _) if !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                i64::from_str_radix(hex, 16).ok().map(Value::Int)
            }
            (_, Some(octal))
                if !octal.is_empty() && octal.bytes().all(|byte| matches!(byte, b'0'..=b'7')) =>
            {
                i64::from_str_radix(octal, 8).ok().map(Value::Int)
            }
            _ if is_float(unsigned) => {
                text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float)
            }
            _ => return Ok(Value::String(text.to_owned())),
        },
    };
    match number {
        Some(number) => Ok(number),
        None => refuse("the number is too large", "write a number of at most 64 bits"),
    }
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, without the sign.
fn is_float(text: &str) -> bool {
    let mantissa_only = |text: &str| {
        text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && text.bytes().filter(|byte| *byte == b'.').count() <= 1
    };
    match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            mantissa_only(mantissa)
                && !exponent.is_empty()
                && exponent.bytes().all(|byte| byte.is_ascii_digit())
        }
        None => mantissa_only(text),
    }
}

#[cfg(test)]
mod tests;
