//! Any bytes as a configuration, with a profile and an environment: read or refused, in one line each, and what is read
//! can be shown and read again.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use seawall_config::{Format, Node, Problem, Value, from_node_all, load_str, parse, show};
use seawall_core::units::{Rate, Share, Size, duration};
use serde::Deserialize;

// A format, then pieces parted by NUL: the document, a profile, variables as NAME=VALUE after the prefix.
fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    let format = [Format::Toml, Format::Json, Format::Yaml][usize::from(kind % 3)];
    let mut pieces = rest.split(|byte| *byte == 0);
    let text = String::from_utf8_lossy(pieces.next().unwrap_or_default()).into_owned();
    let profile = pieces.next().map(|piece| String::from_utf8_lossy(piece).into_owned());
    let environment: Vec<(OsString, OsString)> = pieces.take(8).map(variable).collect();
    let profile = profile.as_deref().filter(|name| !name.is_empty());

    match load_str(&text, "f", format, profile, environment) {
        Err(problems) => problems.0.iter().for_each(one_line),
        Ok(tree) => {
            shown_and_read_again(&tree);
            if let Err(problems) = from_node_all::<Settings>(&tree) {
                problems.0.iter().for_each(one_line);
            }
        }
    }
});

fn variable(piece: &[u8]) -> (OsString, OsString) {
    let cut = piece.iter().position(|byte| *byte == b'=').unwrap_or(piece.len());
    let name = [b"SEAWALL__", &piece[..cut]].concat();
    (OsString::from_vec(name), OsString::from_vec(piece.get(cut + 1..).unwrap_or_default().to_vec()))
}

/// Problems go to a terminal and into logs: no line of a file may write lines or escapes of its own there.
fn one_line(problem: &Problem) {
    let text = problem.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
}

fn shown_and_read_again(tree: &Node) {
    let text = show(tree);
    // Neither what is hidden nor what TOML cannot say comes back.
    if text.contains("[redacted]") || has_null(tree) {
        return;
    }
    match parse(&text, "shown", Format::Toml) {
        Ok(again) => assert!(again.same(tree), "shown as\n{text}\nread as\n{}", show(&again)),
        Err(problem) => panic!("{problem}, in\n{text}"),
    }
}

fn has_null(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Table(table) => table.values().any(|entry| has_null(&entry.node)),
        _ => false,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "reading it is the test")]
struct Settings {
    listen: Option<String>,
    #[serde(default, with = "duration")]
    deadline: Duration,
    rate: Option<Rate>,
    size: Option<Size>,
    share: Option<Share>,
    count: Option<u32>,
    on: Option<bool>,
    list: Option<Vec<i64>>,
    kind: Option<Kind>,
    inner: Option<Box<Settings>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "reading it is the test")]
enum Kind {
    One,
    Two { size: Size },
}
