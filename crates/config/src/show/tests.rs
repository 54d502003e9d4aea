//! What an operator sees.

use proptest::prelude::*;

use super::*;
use crate::{Format, load_str, parse};

#[test]
fn every_value_is_shown_with_its_source() {
    let file = "
listen = 'a'
list = [{ n = 1 }, { n = 2, auth = { bearer = 'vault:x' } }]
tags = ['a', 'b']
[up.openai]
url = 'https://x'
[up.openai.retry]
attempts = 3
[empty]
";
    let tree =
        load_str(file, "f.toml", Format::Toml, None, [("SEAWALL__UP__OPENAI__RETRY__BASE", "1s")]).unwrap();
    assert_eq!(
        show(&tree),
        r#"listen = "a"  # f.toml:2:10
list = [
  { n = 1 },  # f.toml:3:9
  { n = 2, auth = { bearer = "vault:x" } },  # f.toml:3:20
]  # f.toml:3:8
tags = ["a", "b"]  # f.toml:4:8

[up.openai]  # f.toml:5:1
url = "https://x"  # f.toml:6:7

[up.openai.retry]  # f.toml:7:1
attempts = 3  # f.toml:8:12
base = "1s"  # environment SEAWALL__UP__OPENAI__RETRY__BASE

[empty]  # f.toml:9:1
"#
    );
}

#[test]
fn secret_looking_literals_are_redacted_wherever_they_hide() {
    let file = "
a = 'sk-canary'
b = ['x', 'Bearer canary']
state = 'redis://:canary@host/0'
password = 'canary'
pin = 7531
[auth]
bearer = 'canary'
header = { name = 'canary', value = 'canary' }
[[list]]
api_key = 'canary'
inner.token = ['canary']
";
    let shown = show(&parse(file, "f", Format::Toml).unwrap());
    assert!(!shown.contains("canary") && !shown.contains("7531"), "{shown}");
    assert_eq!(shown.matches("[redacted]").count(), 10, "{shown}");
}

#[test]
fn what_only_sounds_secret_is_shown() {
    let file = "
key = 'Idempotency-Key'
tokens = '1000/min'
admin_token = 'vault:admin'
[upstream.auth]
url = 'https://auth.example'
timeout = '5s'
attempts = 3
";
    let shown = show(&parse(file, "f", Format::Toml).unwrap());
    assert!(!shown.contains("redacted"), "{shown}");
}

#[test]
fn null_is_a_comment_and_odd_file_names_stay_in_theirs() {
    let tree = parse("{\"a\": null, \"b\": 1}", "x\ny = 2", Format::Json).unwrap();
    let shown = show(&tree);
    assert!(shown.starts_with("# a is null"), "{shown}");
    assert!(
        parse(&shown, "f", Format::Toml).unwrap().same(&parse("b = 1", "f", Format::Toml).unwrap()),
        "{shown}"
    );
}

fn node(value: Value) -> Node {
    Node::new(value, crate::Origin::Builtin("default"))
}

fn table(entries: Vec<(String, Node)>) -> Node {
    let entry = |node| crate::Entry { key: crate::Origin::CommandLine, node };
    node(Value::Table(entries.into_iter().map(|(key, node)| (key, entry(node))).collect()))
}

fn any_table() -> impl Strategy<Value = Node> {
    let key = || "(a|b|\\PC|[\n\"\\.]){0,3}";
    let leaf = prop_oneof![
        any::<bool>().prop_map(|truth| node(Value::Bool(truth))),
        any::<i64>().prop_map(|number| node(Value::Int(number))),
        (-1e300..1e300f64).prop_map(|number| node(Value::Float(number))),
        any::<String>().prop_map(|text| node(Value::String(text))),
    ];
    let inner = leaf.prop_recursive(4, 30, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(|items| node(Value::Array(items))),
            proptest::collection::vec((key(), inner), 0..5).prop_map(table),
        ]
    });
    proptest::collection::vec((key(), inner), 0..5).prop_map(table)
}

proptest! {
    #[test]
    fn what_is_shown_reads_back_as_the_same_tree(tree in any_table()) {
        let shown = show(&tree);
        prop_assume!(!shown.contains(REDACTED));
        match parse(&shown, "f", Format::Toml) {
            Ok(read) => prop_assert!(read.same(&tree), "{}", shown),
            Err(problem) => prop_assert!(false, "{}\n{}", problem, shown),
        }
    }
}

#[test]
fn what_is_told_to_be_secret_is_hidden_whatever_it_looks_like() {
    let text = "callers = { ann = 'canary', 'b.c' = 'canary', d = 'env:D', e = 7531 }\nname = 'shown'\n";
    let tree = parse(text, "f", Format::Toml).unwrap();
    let told = |key: &[String]| matches!(key, [first, second] if first == "callers" && second != "ann.x");
    let shown = show_hiding(&tree, &told);
    assert!(!shown.contains("canary") && !shown.contains("7531"), "{shown}");
    assert!(shown.contains("d = \"env:D\"") && shown.contains("name = \"shown\""), "{shown}");
    let dotted = |key: &[String]| key == ["callers", "b.c"];
    assert!(show_hiding(&tree, &dotted).contains("\"b.c\" = \"[redacted]\""));
}

#[test]
fn what_would_be_refused_as_a_reference_is_hidden_too() {
    let tree = parse(
        "auth = { basic = 'vault:canary canary', bearer = 'env:canary-1', value = 'vault:x' }",
        "f",
        Format::Toml,
    );
    let shown = show(&tree.unwrap());
    assert!(!shown.contains("canary") && shown.contains("vault:x"), "{shown}");
}

#[test]
fn programs_are_shown_the_tree_and_where_each_value_came_from() {
    let file = "
listen = 'a'
none = []
list = [{ n = 1 }, { n = 2.5, auth = { bearer = 'vault:x' }, token = 'canary' }]
[up.'open.ai']
on = true
pin = 7531
";
    let tree = load_str(file, "f.toml", Format::Toml, None, [("SEAWALL__UP__A__B", "1s")]).unwrap();
    let told = |names: &[String]| names.last().is_some_and(|name| name == "pin");
    assert_eq!(
        show_json(&tree, &told),
        serde_json::json!({
            "config": {
                "listen": "a",
                "none": [],
                "list": [
                    { "n": 1 },
                    { "n": 2.5, "auth": { "bearer": "vault:x" }, "token": "[redacted]" },
                ],
                "up": { "open.ai": { "on": true, "pin": "[redacted]" }, "a": { "b": "1s" } },
            },
            "sources": {
                "listen": "f.toml:2:10",
                "none": "f.toml:3:8",
                "list[0].n": "f.toml:4:15",
                "list[1].n": "f.toml:4:26",
                "list[1].auth.bearer": "f.toml:4:49",
                "list[1].token": "f.toml:4:70",
                "up.\"open.ai\".on": "f.toml:6:6",
                "up.\"open.ai\".pin": "f.toml:7:7",
                "up.a.b": "environment SEAWALL__UP__A__B",
            },
        })
    );
}

proptest! {
    /// Law: for programs nothing is shown that is hidden from people, and nothing hidden that they are shown.
    #[test]
    fn programs_are_shown_what_people_are(text in "[a-zA-Z0-9:_ ./-]{1,30}", key in "[a-z_]{1,12}") {
        let table = [(key.as_str(), text.as_str())].into_iter().collect::<std::collections::BTreeMap<_, _>>();
        let file = serde_json::json!({ "outer": table }).to_string();
        let tree = parse(&file, "f", Format::Json).unwrap();
        let people = show(&tree).contains("[redacted]");
        prop_assert_eq!(show_json(&tree, &|_| false)["config"]["outer"][&key] == "[redacted]", people);
    }
}
