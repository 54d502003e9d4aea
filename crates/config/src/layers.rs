//! One tree from several layers: the file, the profile laid over it, the environment over both.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use crate::node::bare_or_quoted;
use crate::source::{self, MAX_DEPTH};
use crate::{Entry, Format, Node, Origin, Problem, Problems, Table, Value, overlay, parse, read_file};

/// What the name of a variable that sets a key begins with.
const PREFIX: &str = "SEAWALL__";

/// The variable that chooses a profile.
const PROFILE: &str = "SEAWALL_PROFILE";

/// Reads a file and lays its profile and the environment over it. The format is what the file's name says.
///
/// `environment` is usually `std::env::vars_os()`: a variable that is not Unicode is a problem only if it is ours.
pub fn load_file<K: Into<OsString>, V: Into<OsString>>(
    path: &Path,
    profile: Option<&str>,
    environment: impl IntoIterator<Item = (K, V)>,
) -> Result<Node, Problems> {
    let text = read_file(path)?;
    load_str(&text, &path.to_string_lossy(), Format::of(path), profile, environment)
}

/// Reads a text and lays its profile and the environment over it. Reads nothing else: same arguments, same tree.
///
/// The profile is the one given, or else what `SEAWALL_PROFILE` names, or none. Variables `SEAWALL__A__B` set the key
/// `a.b`; see [`apply_environment`].
pub fn load_str<K: Into<OsString>, V: Into<OsString>>(
    text: &str,
    name: &str,
    format: Format,
    profile: Option<&str>,
    environment: impl IntoIterator<Item = (K, V)>,
) -> Result<Node, Problems> {
    let environment: Vec<(OsString, OsString)> =
        environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let tree = parse(text, name, format)?;
    let chosen =
        match profile {
            Some(profile) => Some((profile.to_owned(), Origin::CommandLine)),
            None => environment.iter().find(|(name, value)| name == PROFILE && !value.is_empty()).map(
                |(_, value)| (value.to_string_lossy().into_owned(), Origin::Environment(Arc::from(PROFILE))),
            ),
        };
    let tree = select(tree, chosen.as_ref().map(|(name, by)| (name.as_str(), by)))?;
    apply_environment(tree, environment)
}

/// The names of the profiles a tree has.
pub fn profiles(tree: &Node) -> Vec<String> {
    tree.get("profile")
        .and_then(Node::as_table)
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

/// Takes the table `profile` out of a tree and lays the chosen profile, if one is, over what remains.
///
/// Refuses a profile that does not exist, naming those that do.
pub fn select_profile(tree: Node, profile: Option<&str>) -> Result<Node, Problem> {
    select(tree, profile.map(|name| (name, &Origin::CommandLine)))
}

fn select(mut tree: Node, chosen: Option<(&str, &Origin)>) -> Result<Node, Problem> {
    let profiles = match tree.as_table_mut().and_then(|table| table.shift_remove("profile")) {
        Some(Entry { node: Node { value: Value::Table(table), .. }, .. }) => table,
        Some(entry) => {
            return Err(Problem::error(entry.key, "profile", "expected a table of profiles")
                .advise("write [profile.NAME]; choose one with --profile or SEAWALL_PROFILE"));
        }
        None => Table::new(),
    };
    let mut names: Vec<String> = Vec::new();
    let mut found = None;
    for (name, entry) in profiles {
        if entry.node.as_table().is_none() {
            let key = format!("profile.{}", bare_or_quoted(&name));
            return Err(Problem::error(entry.key, key, "expected a table").advise("write [profile.NAME]"));
        }
        if let Some(inner) = entry.node.entry("profile") {
            let key = format!("profile.{}.profile", bare_or_quoted(&name));
            return Err(Problem::error(inner.key.clone(), key, "a profile inside a profile is refused")
                .advise("write [profile.NAME] at the top"));
        }
        if chosen.is_some_and(|(chosen, _)| chosen == name) {
            found = Some(entry.node);
        }
        names.push(name);
    }
    match (chosen, found) {
        (Some(_), Some(profile)) => {
            let top = tree.origin.clone();
            let mut merged = overlay(tree, profile);
            merged.origin = top;
            Ok(merged)
        }
        (Some((name, by)), None) => {
            let problem = Problem::error(by.clone(), "profile", format!("no profile {name:?}"));
            Err(match names.is_empty() {
                true => problem.advise(format!("write [profile.{}] first", bare_or_quoted(name))),
                false => problem.advise(format!("choose one of: {}", names.join(", "))),
            })
        }
        (None, _) => Ok(tree),
    }
}

/// Sets the keys that variables `SEAWALL__UPSTREAM__OPENAI__URL=…` name; other variables are ignored.
///
/// `__` separates keys. A key is matched to an existing one without regard to case, `_` standing for `-` too;
/// otherwise it is new, in lower case. A number selects an item of an existing list. A value that reads as a TOML
/// boolean, number, list or inline table is one, anything else is a string; where a string was, it stays a string.
/// Variables are applied in the order of their names, so a table is set before the keys inside it.
/// No value is ever part of a problem.
pub fn apply_environment<K: Into<OsString>, V: Into<OsString>>(
    mut tree: Node,
    environment: impl IntoIterator<Item = (K, V)>,
) -> Result<Node, Problems> {
    let mut ours: Vec<(String, OsString)> = environment
        .into_iter()
        .filter_map(|(name, value)| Some((name.into().into_string().ok()?, value.into())))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    ours.sort();
    let mut problems = Vec::new();
    for (name, value) in ours {
        if let Err(problem) = apply(&mut tree, &name, value) {
            problems.push(problem);
        }
    }
    if problems.is_empty() { Ok(tree) } else { Err(Problems(problems)) }
}

fn apply(tree: &mut Node, name: &str, value: OsString) -> Result<(), Problem> {
    let origin = Origin::Environment(Arc::from(name));
    let keys: Vec<&str> = name[PREFIX.len()..].split("__").collect();
    let wrong = |message: &str| Problem::error(origin.clone(), keys.join(".").to_lowercase(), message);
    if keys.iter().any(|key| key.is_empty()) {
        return Err(wrong("the variable names no key").advise("write it like SEAWALL__UPSTREAM__OPENAI__URL"));
    }
    if keys.len() > MAX_DEPTH {
        return Err(wrong("the key is nested too deep").advise("write fewer levels"));
    }
    if keys[0].eq_ignore_ascii_case("profile") {
        return Err(wrong("a profile cannot be set here").advise("choose one with SEAWALL_PROFILE"));
    }
    let value = value.into_string().map_err(|_| wrong("the value is not UTF-8 text"))?;

    let mut node = tree;
    for (depth, key) in keys.iter().enumerate() {
        let kind = node.value.kind();
        node = match &mut node.value {
            Value::Table(table) => {
                let key = existing(table, key).map_err(|two| {
                    wrong(&format!("the name fits both `{}` and `{}`", two[0], two[1]))
                        .advise("set it in the file")
                })?;
                // A new key begins as nothing; the last one is filled below, those before it become tables.
                let nothing = || Entry { key: origin.clone(), node: Node::new(Value::Null, origin.clone()) };
                let inner = &mut table.entry(key).or_insert_with(nothing).node;
                if matches!(inner.value, Value::Null) && depth + 1 < keys.len() {
                    *inner = Node::empty(origin.clone());
                }
                inner
            }
            Value::Array(items) => {
                let count = items.len();
                let item = key.parse().ok().and_then(|index: usize| items.get_mut(index));
                item.ok_or_else(|| {
                    wrong(&format!("the list has items 0 to {} only", count.saturating_sub(1)))
                })?
            }
            _ => {
                return Err(wrong(&format!(
                    "{} is a {kind}, not a table",
                    keys[..depth].join(".").to_lowercase()
                ))
                .advise("set it as a whole"));
            }
        };
    }
    let text = |value| Node::new(Value::String(value), origin.clone());
    *node = match &node.value {
        Value::String(_) => text(value),
        _ => source::toml_value(&value, &origin).unwrap_or_else(|| text(value)),
    };
    Ok(())
}

/// The key of a table that a part of a variable's name means; the part in lower case when there is none yet.
fn existing(table: &Table, part: &str) -> Result<String, [String; 2]> {
    let folded = |text: &str| text.to_lowercase().replace('-', "_");
    let mut fitting = table.keys().filter(|key| folded(key) == folded(part));
    match (fitting.next(), fitting.next()) {
        (None, _) => Ok(part.to_lowercase()),
        (Some(key), None) => Ok(key.clone()),
        (Some(_), Some(_)) if table.contains_key(part) => Ok(part.to_owned()),
        (Some(one), Some(two)) => Err([one.clone(), two.clone()]),
    }
}

#[cfg(test)]
mod tests;
