//! A table laid over another merges key by key: `[defaults]` under every upstream, an upstream under its routes.

use seawall::{breaker, compress, retry, timeout};
use seawall_config::{Entry, Node, Origin, Table, Value, overlay};
use serde::Serialize;
use serde_json::Value as Json;

/// What an upstream inherits from `[defaults]`, and what a route inherits from its first target.
const INHERITED: [(&str, bool); 6] = [
    ("deadline", true),
    ("attempt", true),
    ("retry", true),
    ("breaker", false),
    ("compress", true),
    ("share", false),
];

/// Puts what is inherited where it is inherited; every value keeps its origin.
pub(super) fn inherit(mut tree: Node) -> Node {
    let defaults = tree.get("defaults").cloned();
    if let (Some(defaults), Some(upstreams)) = (&defaults, table_mut(&mut tree, "upstream")) {
        for upstream in upstreams.values_mut().filter_map(|entry| entry.node.as_table_mut()) {
            INHERITED.iter().for_each(|(key, _)| lay(defaults, upstream, key));
        }
    }
    let upstreams = tree.get("upstream").cloned();
    if let Some(routes) = table_mut(&mut tree, "route") {
        for route in routes.values_mut() {
            let target = first_target(&route.node).and_then(|name| upstreams.as_ref()?.get(&name));
            let below = target.or(defaults.as_ref());
            if let (Some(below), Some(route)) = (below, route.node.as_table_mut()) {
                INHERITED.iter().filter(|(_, routes)| *routes).for_each(|(key, _)| lay(below, route, key));
            }
        }
    }
    tree
}

/// The tree in effect: what was written, and under it what seawall itself says.
pub(crate) fn with_builtin(tree: Node) -> Node {
    let json = serde_json::json!({
        "version": 1,
        "listen": "127.0.0.1:7070",
        "admin": "127.0.0.1:7071",
        "state": "./seawall-state",
        "defaults": {
            "deadline": "60s",
            "attempt": timeout::Options::default(),
            "retry": retry::Options::default(),
            "breaker": breaker::Options::default(),
            "compress": false,
            "share": [],
        },
    });
    let origin = Origin::Builtin("default");
    inherit(overlay(node(json, &origin), tree))
}

fn table_mut<'t>(tree: &'t mut Node, key: &str) -> Option<&'t mut Table> {
    tree.as_table_mut()?.get_mut(key)?.node.as_table_mut()
}

/// Lays what a table says under a key over what lies below. A word replaces a table, and a table adds to a word.
fn lay(below: &Node, table: &mut Table, key: &str) {
    let Some(below) = below.entry(key) else { return };
    match table.get_mut(key) {
        None => {
            table.insert(key.to_owned(), below.clone());
        }
        Some(entry) if entry.node.as_table().is_some() => {
            let over = std::mem::replace(&mut entry.node, Node::new(Value::Null, below.key.clone()));
            entry.node = overlay(expanded(key, below.node.clone()), over);
        }
        Some(_) => {}
    }
}

/// A word as the table it stands for.
fn expanded(key: &str, word: Node) -> Node {
    let options = match (key, word.as_str()) {
        ("retry", Some(name)) => retry::Options::preset(name).map(json),
        ("breaker", Some("off")) => Some(json(breaker::Options::off())),
        // Whoever writes a table under `false` wants it on.
        ("compress", None) if word.as_table().is_none() => Some(json(compress::Options::default())),
        _ => None,
    };
    match options {
        Some(options) => node(options, &word.origin),
        None => word,
    }
}

fn json(options: impl Serialize) -> Json {
    serde_json::to_value(options).unwrap_or_default()
}

/// Every value of a JSON tree at one origin, what is null left out.
fn node(json: Json, origin: &Origin) -> Node {
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::Array(items.into_iter().map(|item| node(item, origin)).collect()),
        Json::Object(fields) => Value::Table(
            fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, Entry { key: origin.clone(), node: node(value, origin) }))
                .collect(),
        ),
    };
    Node::new(value, origin.clone())
}

fn first_target(route: &Node) -> Option<String> {
    match route.get("to").map(|to| &to.value) {
        Some(Value::Array(names)) if !names.is_empty() => names.first()?.as_str().map(str::to_owned),
        _ => {
            let path = route.get("match")?.get("path")?.as_str()?;
            path.trim_start_matches('/').split('/').next().map(str::to_owned)
        }
    }
}
