//! TOML, with the place of every key and value.

use std::ops::Range;
use std::sync::Arc;

use toml_edit::{Document, Item, Key, TableLike};

use super::{MAX_DEPTH, too_deep};
use crate::origin::Positions;
use crate::{Entry, Node, Origin, Problem, Table, Value};

pub(super) fn parse(name: &Arc<str>, text: &str) -> Result<Node, Problem> {
    let positions = Positions::new(name, text);
    let document = Document::parse(text).map_err(|why| {
        let place = positions.at(why.span().map_or(text.len(), |span| span.start));
        let what = why.message().split_whitespace().collect::<Vec<_>>().join(" ");
        Problem::error(place, "", format!("invalid TOML: {what}"))
    })?;
    Reader { positions: &positions }.table(document.as_table(), positions.at(0), 0)
}

/// Reads one value, for the environment: `true`, `3`, `1.5`, `[1, 2]`, `{ a = 1 }`; `None` for anything else.
pub(crate) fn value(text: &str, origin: &Origin) -> Option<Node> {
    // A newline would let the text carry further keys; the parser is asked about a value only.
    let value: toml_edit::Value = text.trim().parse().ok()?;
    let scalar_or_list = !matches!(value, toml_edit::Value::String(_) | toml_edit::Value::Datetime(_));
    if !scalar_or_list {
        return None;
    }
    let name: Arc<str> = Arc::from("");
    let positions = Positions::new(&name, "");
    let mut node = Reader { positions: &positions }.value(&value, origin.clone(), 0).ok()?;
    rename(&mut node, origin);
    Some(node)
}

fn rename(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, origin)),
        Value::Table(table) => {
            for entry in table.values_mut() {
                entry.key = origin.clone();
                rename(&mut entry.node, origin);
            }
        }
        _ => {}
    }
}

struct Reader<'a> {
    positions: &'a Positions<'a>,
}

impl Reader<'_> {
    /// The place of a span; a table that was only implied has none, or an empty one, and is where its key is.
    fn place(&self, span: Option<Range<usize>>, fallback: &Origin) -> Origin {
        match span {
            Some(span) if !span.is_empty() => self.positions.at(span.start),
            _ => fallback.clone(),
        }
    }

    fn table(&self, table: &dyn TableLike, origin: Origin, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(too_deep(origin));
        }
        let mut out = Table::with_capacity(table.len());
        for (key, item) in table.iter() {
            let key_place = self.place(table.key(key).and_then(Key::span), &origin);
            let node = self.item(item, &key_place, depth + 1)?;
            out.insert(key.to_owned(), Entry { key: key_place, node });
        }
        Ok(Node::new(Value::Table(out), origin))
    }

    fn item(&self, item: &Item, key: &Origin, depth: usize) -> Result<Node, Problem> {
        let origin = self.place(item.span(), key);
        match item {
            Item::None => Ok(Node::new(Value::Null, origin)),
            Item::Value(value) => self.value(value, origin, depth),
            Item::Table(table) => self.table(table, origin, depth),
            Item::ArrayOfTables(tables) => {
                let items = tables
                    .iter()
                    .map(|table| self.table(table, self.place(table.span(), &origin), depth + 1))
                    .collect::<Result<_, _>>()?;
                Ok(Node::new(Value::Array(items), origin))
            }
        }
    }

    fn value(&self, value: &toml_edit::Value, origin: Origin, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(too_deep(origin));
        }
        let value = match value {
            toml_edit::Value::String(text) => Value::String(text.value().clone()),
            toml_edit::Value::Integer(number) => Value::Int(*number.value()),
            toml_edit::Value::Float(number) if number.value().is_finite() => Value::Float(*number.value()),
            toml_edit::Value::Float(_) => {
                return Err(
                    Problem::error(origin, "", "nan and inf are refused").advise("write a finite number")
                );
            }
            toml_edit::Value::Boolean(truth) => Value::Bool(*truth.value()),
            toml_edit::Value::Datetime(_) => {
                return Err(Problem::error(origin, "", "a bare date is refused").advise("write it in quotes"));
            }
            toml_edit::Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.value(item, self.place(item.span(), &origin), depth + 1))
                    .collect::<Result<_, _>>()?,
            ),
            toml_edit::Value::InlineTable(table) => return self.table(table, origin, depth),
        };
        Ok(Node::new(value, origin))
    }
}
