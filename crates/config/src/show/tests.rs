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
