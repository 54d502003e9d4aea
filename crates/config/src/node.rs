//! The tree: values that remember where they were written.

use std::fmt;

use indexmap::IndexMap;

use crate::Origin;

/// A value and its origin.
///
/// `Debug` prints what [`show`](crate::show()) prints, so that a log line never carries a secret-looking value.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// What was written.
    pub value: Value,
    /// Where.
    pub origin: Origin,
}

/// What can be written. Numbers are finite.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Nothing (`null`; TOML has none).
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction; never NaN or infinite.
    Float(f64),
    /// Text.
    String(String),
    /// A list.
    Array(Vec<Node>),
    /// Keys and values, in the order they were written.
    Table(Table),
}

/// Keys and values, in the order they were written.
pub type Table = IndexMap<String, Entry>;

/// A value under a key; the key has a place of its own, often on another line.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// Where the key was written.
    pub key: Origin,
    /// The value.
    pub node: Node,
}

impl Node {
    /// A value and its origin.
    pub fn new(value: Value, origin: Origin) -> Node {
        Node { value, origin }
    }

    /// A table without keys.
    pub fn empty(origin: Origin) -> Node {
        Node::new(Value::Table(Table::new()), origin)
    }

    /// The value under a key, when this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The value under a key together with the key's place.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_table()?.get(key)
    }

    /// The keys and values, when this is a table.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The keys and values, when this is a table.
    pub fn as_table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text, when this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether both say the same, wherever it was written and in whatever order the keys came.
    pub fn same(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            (Value::Table(a), Value::Table(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .all(|(key, entry)| b.get(key).is_some_and(|other| entry.node.same(&other.node)))
            }
            (a, b) => a == b,
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::show(self))
    }
}

impl Value {
    /// The kind of value, as an error names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "boolean",
            Value::Int(_) => "integer",
            Value::Float(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "list",
            Value::Table(_) => "table",
        }
    }
}

/// Lays `over` on `base`: tables merge key by key, anything else replaces what was there.
///
/// A merged table is said to be where `over` was written, so that a key missing from it is looked for there.
#[must_use]
pub fn overlay(base: Node, over: Node) -> Node {
    match (base.value, over.value) {
        (Value::Table(mut base), Value::Table(over_table)) => {
            for (key, entry) in over_table {
                let merged = match base.get_mut(&key) {
                    Some(below) => {
                        let nothing = Node::new(Value::Null, entry.node.origin.clone());
                        let below = std::mem::replace(&mut below.node, nothing);
                        Entry { key: entry.key, node: overlay(below, entry.node) }
                    }
                    None => entry,
                };
                base.insert(key, merged);
            }
            Node::new(Value::Table(base), over.origin)
        }
        (_, value) => Node::new(value, over.origin),
    }
}

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// Writes steps as people do: `upstream.openai.limits[1].per`.
pub(crate) fn dotted<'a>(steps: impl IntoIterator<Item = &'a Step>) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(&bare_or_quoted(key));
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// A key as TOML writes it.
pub(crate) fn bare_or_quoted(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { quoted(key) }
}

/// A text as a TOML (and JSON) string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, parse};

    fn toml(text: &str) -> Node {
        parse(text, "t", Format::Toml).unwrap()
    }

    #[test]
    fn tables_merge_key_by_key_and_anything_else_replaces() {
        let base = toml("a = 1\nlist = [1, 2]\n[retry]\nattempts = 3\nbase = '1s'\n[word]\nx = 1");
        let over = toml("list = [3]\nword = 'off'\nnew = true\n[retry]\nattempts = 5");
        let merged = overlay(base, over);
        assert!(merged.same(&toml(
            "a = 1\nlist = [3]\nnew = true\nword = 'off'\nretry = { attempts = 5, base = '1s' }"
        )));
        assert_eq!(merged.get("retry").unwrap().get("attempts").unwrap().origin.to_string(), "t:5:12");
        assert_eq!(merged.get("retry").unwrap().get("base").unwrap().origin.to_string(), "t:5:8");
    }

    #[test]
    fn sameness_looks_at_values_only() {
        assert!(toml("a = 1\nb = 2").same(&toml("\n\nb = 2\na = 1")));
        assert!(!toml("a = 1").same(&toml("a = 1.0")));
        assert!(!toml("a = 1").same(&toml("a = 1\nb = 2")));
        assert!(!toml("a = [1]").same(&toml("a = [1, 1]")));
    }

    #[test]
    fn debug_output_hides_secrets() {
        assert!(!format!("{:?}", toml("password = 'hunter2'")).contains("hunter2"));
    }

    #[test]
    fn keys_are_quoted_only_where_they_must_be() {
        let steps = [Step::Key("model".into()), Step::Key("gpt-5.mini".into()), Step::Index(0)];
        assert_eq!(dotted(&steps), "model.\"gpt-5.mini\"[0]");
        assert_eq!(bare_or_quoted(""), "\"\"");
    }
}
