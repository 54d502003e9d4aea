//! The tree in effect, as TOML with the source of every value beside it.

mod json;
#[cfg(test)]
mod tests;

use seawall_core::units::{Rate, Share, Size, parse_duration};

pub use json::show_json;

use crate::node::{bare_or_quoted, quoted};
use crate::secrecy::{REDACTED, is_reference, key_looks_secret, text_looks_secret};
use crate::{Node, Table, Value, check_url};

/// Writes a tree as TOML, each value followed by `# where it came from`.
///
/// Values that look secret, by the words of their keys or by how they begin, are shown as `[redacted]`; references
/// (`vault:NAME`) are not secret and stay. A `null` is a comment, since TOML has none. Without either, reading
/// the text again gives the same tree.
pub fn show(tree: &Node) -> String {
    show_hiding(tree, &|_| false)
}

/// The same, and hides as well whatever stands under the keys that are told to be secret and is no reference: whoever
/// knows the keys need not guess. A key comes as the names that lead to it.
pub fn show_hiding(tree: &Node, secret: &dyn Fn(&[String]) -> bool) -> String {
    let mut show = Show { out: String::new(), secret };
    match &tree.value {
        Value::Table(table) => show.section("", table),
        _ => {
            show.value("", tree);
            show.out.push('\n');
        }
    }
    show.out
}

/// One value as it is shown at its place.
pub(crate) fn shown(path: &str, node: &Node, secret: &dyn Fn(&[String]) -> bool) -> String {
    let mut show = Show { out: String::new(), secret };
    show.value(path, node);
    show.out
}

struct Show<'s> {
    out: String,
    secret: &'s dyn Fn(&[String]) -> bool,
}

impl Show<'_> {
    /// The plain keys of a table, then its sections; only a table that has neither a plain key nor a section of its own
    /// needs its header all the same.
    fn section(&mut self, path: &str, table: &Table) {
        for (key, entry) in table {
            if entry.node.as_table().is_some() {
                continue;
            }
            let inner = join(path, key);
            let name = bare_or_quoted(key);
            if matches!(entry.node.value, Value::Null) {
                self.out
                    .push_str(&format!("# {name} is null  # {}\n", one_line(&entry.node.origin.to_string())));
                continue;
            }
            self.out.push_str(&format!("{name} = "));
            self.value(&inner, &entry.node);
            self.out.push_str(&format!("  # {}\n", one_line(&entry.node.origin.to_string())));
        }
        for (key, entry) in table {
            let Value::Table(inner) = &entry.node.value else { continue };
            let path = join(path, key);
            let plain = inner.is_empty() || inner.values().any(|entry| entry.node.as_table().is_none());
            if plain {
                self.out.push_str(&format!("\n[{path}]  # {}\n", one_line(&entry.node.origin.to_string())));
            }
            self.section(&path, inner);
        }
    }

    fn value(&mut self, path: &str, node: &Node) {
        match &node.value {
            value if hides(path, value, self.secret) => self.out.push_str(&quoted(REDACTED)),
            Value::Null => self.out.push_str("\"\""),
            Value::Bool(truth) => self.out.push_str(if *truth { "true" } else { "false" }),
            Value::Int(number) => self.out.push_str(&number.to_string()),
            Value::Float(number) => self.out.push_str(&format!("{number:?}")),
            Value::String(text) => self.out.push_str(&quoted(text)),
            Value::Array(items) => self.list(path, items),
            Value::Table(table) => {
                self.out.push('{');
                let mut between = " ";
                for (key, entry) in table.iter().filter(|(_, entry)| !matches!(entry.node.value, Value::Null))
                {
                    self.out.push_str(&format!("{between}{} = ", bare_or_quoted(key)));
                    self.value(&join(path, key), &entry.node);
                    between = ", ";
                }
                self.out.push_str(" }");
            }
        }
    }

    /// Plain items stay on one line; tables get one each, with their own source.
    fn list(&mut self, path: &str, items: &[Node]) {
        let tables = items.iter().any(|item| item.as_table().is_some());
        self.out.push('[');
        for (index, item) in items.iter().enumerate() {
            if tables {
                self.out.push_str("\n  ");
            } else if index > 0 {
                self.out.push_str(", ");
            }
            self.value(path, item);
            if tables {
                self.out.push_str(&format!(",  # {}", one_line(&item.origin.to_string())));
            }
        }
        self.out.push_str(if tables { "\n]" } else { "]" });
    }
}

/// Is this a secret, by its key or by itself? What a table or a list holds is asked one by one.
fn hides(path: &str, value: &Value, secret: &dyn Fn(&[String]) -> bool) -> bool {
    match value {
        Value::Int(_) | Value::Float(_) => last_looks_secret(path) || secret(&names(path)),
        Value::String(text) => looks_secret(path, text) || (secret(&names(path)) && !is_reference(text)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Table(_) => false,
    }
}

/// The names a path was joined of.
fn names(path: &str) -> Vec<String> {
    let (mut names, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for c in path.chars() {
        match c {
            '"' if !escaped => quoted = !quoted,
            '\\' if quoted && !escaped => {
                escaped = true;
                continue;
            }
            '.' if !quoted => names.push(String::new()),
            c => names.last_mut().into_iter().for_each(|name| name.push(c)),
        }
        escaped = false;
    }
    names
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { bare_or_quoted(key) } else { format!("{path}.{}", bare_or_quoted(key)) }
}

/// A file's name may hold a newline; a comment may not.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

fn last_looks_secret(path: &str) -> bool {
    key_looks_secret(path.rsplit('.').next().unwrap_or(path))
}

/// Whether a string is hidden. Under a secret-looking table (`auth`, or an upstream that happens to be called `token`)
/// values of a known harmless shape still show.
fn looks_secret(path: &str, text: &str) -> bool {
    if is_reference(text) {
        return false;
    }
    if text_looks_secret(text) {
        return true;
    }
    if last_looks_secret(path) {
        return !names_a_header(text);
    }
    key_looks_secret(path) && !harmless(text)
}

fn harmless(text: &str) -> bool {
    parse_duration(text).is_ok()
        || text.parse::<Rate>().is_ok()
        || text.parse::<Size>().is_ok()
        || text.parse::<Share>().is_ok()
        || check_url(text).is_ok()
}

/// Whether a text is the name of a header that carries a key, such as `Idempotency-Key`.
fn names_a_header(text: &str) -> bool {
    text.len() <= 40
        && text.chars().all(|c| c.is_ascii_alphabetic() || c == '-')
        && text
            .rsplit_once('-')
            .is_some_and(|(_, last)| ["key", "id"].contains(&last.to_lowercase().as_str()))
}
