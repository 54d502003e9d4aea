//! The tree in effect for programs.

use serde_json::{Map, Value as Json, json};

use super::{REDACTED, hides, join};
use crate::{Node, Value};

/// A tree as JSON: `config` is the tree itself, and `sources` says where each of its values came from, by the key that
/// leads to it (`upstream.openai.url`, `upstream.openai.limits[0].requests`).
///
/// Hides what [`show_hiding`](crate::show_hiding()) hides.
pub fn show_json(tree: &Node, secret: &dyn Fn(&[String]) -> bool) -> Json {
    let mut sources = Map::new();
    let config = value("", "", tree, secret, &mut sources);
    json!({ "config": config, "sources": sources })
}

/// `path` is what decides about secrecy, and knows no places in lists; `place` does.
fn value(
    path: &str,
    place: &str,
    node: &Node,
    secret: &dyn Fn(&[String]) -> bool,
    sources: &mut Map<String, Json>,
) -> Json {
    let mut leaf = |shown: Json| {
        sources.insert(place.to_owned(), Json::String(node.origin.to_string()));
        shown
    };
    match &node.value {
        hidden if hides(path, hidden, secret) => leaf(REDACTED.into()),
        Value::Null => leaf(Json::Null),
        Value::Bool(truth) => leaf((*truth).into()),
        Value::Int(number) => leaf((*number).into()),
        Value::Float(number) => leaf((*number).into()),
        Value::String(text) => leaf(text.as_str().into()),
        Value::Array(items) if items.is_empty() => leaf(json!([])),
        Value::Table(table) if table.is_empty() => leaf(json!({})),
        Value::Array(items) => {
            let each = items.iter().enumerate();
            each.map(|(at, item)| value(path, &format!("{place}[{at}]"), item, secret, sources)).collect()
        }
        Value::Table(table) => {
            let mut shown = Map::new();
            for (key, entry) in table {
                let node = value(&join(path, key), &join(place, key), &entry.node, secret, sources);
                shown.insert(key.clone(), node);
            }
            Json::Object(shown)
        }
    }
}
