//! What a text becomes, and what is refused.

use proptest::prelude::*;

use super::*;

fn toml(text: &str) -> Result<Node, String> {
    parse(text, "f.toml", Format::Toml).map_err(|problem| problem.to_string())
}

fn json(text: &str) -> Result<Node, String> {
    parse(text, "f.json", Format::Json).map_err(|problem| problem.to_string())
}

fn origin(tree: &Node, path: &[&str]) -> String {
    path.iter().fold(tree, |node, key| node.get(key).unwrap()).origin.to_string()
}

#[test]
fn toml_and_json_spell_the_same_tree() {
    let a =
        toml("version = 1\nname = \"é\\n\"\nf = 1.5\nt = true\nlist = [1, { x = 2 }]\n[up.a]\nurl = 'u'\n")
            .unwrap();
    let b = json(
        r#"{"version": 1, "name": "\u00e9\n", "f": 15e-1, "t": true, "list": [1, {"x": 2}], "up": {"a": {"url": "u"}}}"#,
    )
    .unwrap();
    assert!(a.same(&b), "{a:?}\n{b:?}");
}

#[test]
fn every_key_and_value_knows_its_place() {
    let text = "\u{feff}a = 1\n[up.x]\nurl = 'é' # ä\n  retry.base = '1s'\n[[list]]\nk = { inner = [1,\n 2] }\n[[list]]\n";
    let tree = toml(text).unwrap();
    assert_eq!(origin(&tree, &[]), "f.toml:1:1");
    assert_eq!(origin(&tree, &["a"]), "f.toml:1:5");
    assert_eq!(origin(&tree, &["up", "x"]), "f.toml:2:1");
    assert_eq!(origin(&tree, &["up", "x", "url"]), "f.toml:3:7");
    assert_eq!(origin(&tree, &["up", "x", "retry", "base"]), "f.toml:4:16");
    let up = tree.entry("up").unwrap();
    assert_eq!((up.key.to_string(), up.node.origin.to_string()), ("f.toml:2:2".into(), "f.toml:2:2".into()));
    assert_eq!(up.node.entry("x").unwrap().key.to_string(), "f.toml:2:5");
    let Value::Array(items) = &tree.get("list").unwrap().value else { panic!("a list") };
    assert_eq!(
        items.iter().map(|item| item.origin.to_string()).collect::<Vec<_>>(),
        ["f.toml:5:1", "f.toml:8:1"]
    );
    let Value::Array(numbers) = &items[0].get("k").unwrap().get("inner").unwrap().value else {
        panic!("a list")
    };
    assert_eq!(numbers[1].origin.to_string(), "f.toml:7:2");

    let tree = json("{\n \"é\": {\"b\": [1,\n2]}}").unwrap();
    assert_eq!(tree.get("é").unwrap().entry("b").unwrap().key.to_string(), "f.json:2:8");
    let Value::Array(numbers) = &tree.get("é").unwrap().get("b").unwrap().value else { panic!("a list") };
    assert_eq!(numbers[1].origin.to_string(), "f.json:3:1");
}

#[test]
fn broken_toml_is_named_with_its_place() {
    for (text, place) in [
        ("a = 1\nb = = 2", "f.toml:2:5: invalid TOML: "),
        ("a = 'x", "f.toml:1:7: invalid TOML: "),
        ("a = [1, 2", "f.toml:1:10: invalid TOML: "),
        ("a = 1\na = 2", "f.toml:2:1: invalid TOML: duplicate key"),
        ("[a]\n[a]", "f.toml:2:2: invalid TOML: duplicate key"),
        ("a = nan", "f.toml:1:5: nan and inf are refused, write a finite number"),
        ("a = [inf]", "f.toml:1:6: nan and inf"),
        ("a = 2020-01-01", "f.toml:1:5: a bare date is refused, write it in quotes"),
        ("a = 99999999999999999999", "f.toml:1:5: invalid TOML: "),
    ] {
        let error = toml(text).unwrap_err();
        assert!(error.starts_with(place), "{text}: {error}");
    }
}

#[test]
fn broken_json_is_named_with_its_place() {
    for (text, place) in [
        ("", "f.json:1:1: invalid JSON: the text ends where a value should be"),
        ("{\"a\": 1,}", "f.json:1:9: invalid JSON: a key should be here"),
        ("{\"a\": 1\n\"b\": 2}", "f.json:2:1: invalid JSON: the table does not go on, write `,` or `}`"),
        ("{\"a\" 1}", "f.json:1:6: invalid JSON: the key has no value"),
        ("{'a': 1}", "f.json:1:2: invalid JSON: a key should be here"),
        ("{\"a\": [1 2]}", "f.json:1:10: invalid JSON: the list does not go on"),
        ("{\"a\": [1,]}", "f.json:1:10: invalid JSON: no value starts here"),
        ("{\"a\": 01}", "f.json:1:8: invalid JSON: the table does not go on"),
        ("{\"a\": 1.}", "f.json:1:9: invalid JSON: a digit should be here"),
        ("{\"a\": -}", "f.json:1:8: invalid JSON: a digit should be here"),
        ("{\"a\": 9223372036854775808}", "f.json:1:7: invalid JSON: the number is too large"),
        ("{\"a\": 1e999}", "f.json:1:7: invalid JSON: the number is too large"),
        ("{\"a\": nul}", "f.json:1:7: invalid JSON: no value starts here"),
        ("{\"a\": \"x", "f.json:1:9: invalid JSON: the string does not end"),
        ("{\"a\": \"\n\"}", "f.json:1:8: invalid JSON: a control character"),
        ("{\"a\": \"\\x\"}", "f.json:1:9: invalid JSON: no such escape"),
        ("{\"a\": \"\\u12\"}", "f.json:1:10: invalid JSON: four hexadecimal digits"),
        ("{\"a\": \"\\ud800\"}", "f.json:1:14: invalid JSON: half a character"),
        ("{\"a\": 1, \"a\": 2}", "f.json:1:10: a: the key is given twice, write it once"),
        ("{} {}", "f.json:1:4: invalid JSON: text after the end"),
        ("[]", "f.json:1:1: expected a table, found list"),
    ] {
        let error = json(text).unwrap_err();
        assert!(error.starts_with(place), "{text}: {error}");
    }
}

#[test]
fn nesting_is_bounded_in_every_spelling() {
    let nested = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(toml(&nested(MAX_DEPTH)).is_ok());
    for text in [
        nested(MAX_DEPTH + 1),
        nested(100_000),
        format!("a = {}1{}", "{ a = ".repeat(70), " }".repeat(70)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(70)),
    ] {
        toml(&text).unwrap_err();
    }
    let nested = |depth: usize| format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(json(&nested(MAX_DEPTH)).is_ok());
    assert!(
        json(&nested(MAX_DEPTH + 1))
            .unwrap_err()
            .ends_with("is nested deeper than 64 levels, write fewer levels")
    );
    assert!(json(&format!("{{\"a\": {}", "[".repeat(1_000_000))).is_err());
}

#[cfg(not(feature = "yaml"))]
#[test]
fn yaml_says_that_it_is_not_there_yet() {
    let error = parse("a: 1", "f.yaml", Format::of(Path::new("f.YML"))).unwrap_err();
    assert_eq!(error.to_string(), "f.yaml: yaml is not available yet, write the same tree as TOML or JSON");
}

#[test]
fn files_that_cannot_be_a_configuration_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |path: &Path| read_file(path).unwrap_err().to_string();
    assert!(refusal(folder.path()).contains(": is a directory, name a file in it"));
    assert!(refusal(&folder.path().join("none.toml")).contains(": no such file"));

    let large = folder.path().join("large.toml");
    std::fs::write(&large, vec![b'#'; MAX_FILE as usize + 1]).unwrap();
    assert!(refusal(&large).contains(": is larger than 4 MiB"));
    std::fs::write(&large, vec![b'#'; MAX_FILE as usize]).unwrap();
    assert!(read_file(&large).is_ok());

    let binary = folder.path().join("binary.toml");
    std::fs::write(&binary, b"a = 1\nb = '\xc3\xa9\xff'").unwrap();
    assert!(refusal(&binary).ends_with("binary.toml:2:7: is not UTF-8 text, save the file as UTF-8"));
    #[cfg(unix)]
    assert!(refusal(Path::new("/dev/null")).contains(": is not a plain file"));
}

#[test]
fn a_long_line_costs_no_more_than_many_short_ones() {
    let text = format!("a = [{}]", "1,".repeat(1_000_000));
    assert!(text.len() > 1 << 20);
    let Value::Array(items) = &toml(&text).unwrap().get("a").unwrap().value.clone() else { panic!("a list") };
    assert_eq!(items.last().unwrap().origin.to_string(), "f.toml:1:2000004");
}

fn plain(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Table(table) => table.iter().map(|(key, entry)| (key.clone(), plain(&entry.node))).collect(),
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e300..1e300f64).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            proptest::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read_the_same(value in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        match parse(&text, "f", Format::Json) {
            Ok(tree) => prop_assert_eq!(plain(&tree), value),
            Err(problem) => prop_assert!(!value.is_object(), "{}: {}", problem, text),
        }
    }

    #[test]
    fn nearly_json_is_judged_as_serde_json_does(text in r#"\{"a":[-0-9.eE+tru fals\[\]{},:"\\n]{0,12}\}"#) {
        let ours = parse(&text, "f", Format::Json);
        match serde_json::from_str::<serde_json::Value>(&text) {
            // A whole number has no negative zero here.
            Ok(_) if text.contains("-0") => {}
            Ok(theirs) => if let Ok(ours) = ours { prop_assert_eq!(plain(&ours), theirs) },
            Err(_) => prop_assert!(ours.is_err(), "{}", text),
        }
    }

    #[test]
    fn any_text_is_read_or_refused_but_never_breaks(text in any::<String>()) {
        for format in [Format::Toml, Format::Json, Format::Yaml] {
            let _ = parse(&text, "f", format);
        }
    }

    #[test]
    fn nearly_toml_never_breaks(text in r#"(\[{1,2}[ab."]{1,4}\]{1,2}|[ab.]{1,4} ?= ?(1|'x'|\{ ?a.b = 1 ?\}|\[1,[ \n]*\{\}\]|"""x|\[)|\n|#|[é=\[\]{}"',.]){0,12}"#) {
        let _ = parse(&text, "f", Format::Toml);
    }
}
