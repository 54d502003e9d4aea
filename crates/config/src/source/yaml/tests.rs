//! YAML that spells a tree, and YAML that is too clever.

use proptest::prelude::*;

use crate::{Format, Node, Value, parse};

fn yaml(text: &str) -> Result<Node, String> {
    parse(text, "f.yaml", Format::Yaml).map_err(|problem| problem.to_string())
}

#[test]
fn yaml_spells_the_same_tree_as_toml() {
    let ours = yaml(
        "\u{feff}# the é gateway
version: 1
retry: off
f: 1.5e1
t: true
s: '5'
nothing: ~
when: 2020-01-01
text: |
  two
  lines
upstream:
  openai: { url: \"https://x\", limits: [ { requests: 500/min }, { concurrent: 0x20 } ] }
",
    )
    .unwrap();
    let mut ours_without_null = ours.clone();
    let nothing = ours_without_null.as_table_mut().unwrap().shift_remove("nothing").unwrap();
    assert!(matches!(nothing.node.value, Value::Null));
    let theirs = "version = 1\nretry = 'off'\nf = 15.0\nt = true\ns = '5'\nwhen = '2020-01-01'\ntext = \"two\\nlines\\n\"\n
        [upstream.openai]\nurl = 'https://x'\nlimits = [{ requests = '500/min' }, { concurrent = 32 }]";
    assert!(ours_without_null.same(&parse(theirs, "f", Format::Toml).unwrap()), "{ours:?}");

    let openai = ours.get("upstream").unwrap().entry("openai").unwrap();
    assert_eq!(openai.key.to_string(), "f.yaml:13:3");
    assert_eq!(openai.node.get("url").unwrap().origin.to_string(), "f.yaml:13:18");
    assert_eq!(ours.get("version").unwrap().origin.to_string(), "f.yaml:2:10");
    assert!(yaml("# nothing but a comment").unwrap().as_table().unwrap().is_empty());
    assert!(yaml("").unwrap().as_table().unwrap().is_empty());
}

#[test]
fn what_other_spellings_cannot_say_is_refused() {
    for (text, expected) in [
        ("a: &x 1\nb: *x", "f.yaml:2:4: an alias is refused, write the value again, or quote it"),
        ("a: *hunter2", "f.yaml:1:4: invalid YAML: "),
        ("a: !hunter2 x", "f.yaml:1:13: a tag is refused, quote the value if it is text"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: a second document is refused, write one only"),
        ("a: 1\na: 2", "f.yaml:2:1: a: the key is given twice, write it once"),
        ("<<: { a: 1 }", "f.yaml:1:1: a merge key is refused"),
        ("? [a]\n: 1", "f.yaml:1:3: a key that is not text is refused"),
        ("a: .inf", "f.yaml:1:4: nan and inf are refused"),
        ("a: 99999999999999999999", "f.yaml:1:4: the number is too large"),
        ("a: 1e999", "f.yaml:1:4: the number is too large"),
        ("- 1", "f.yaml:1:1: expected a table, found list"),
        ("a: [1", "f.yaml:1:"),
        ("a: b: c", "f.yaml:1:5: invalid YAML: "),
    ] {
        let error = yaml(text).expect_err(text);
        assert!(error.starts_with(expected), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    for depth in [65, 100_000] {
        yaml(&format!("a: {}{}", "[".repeat(depth), "]".repeat(depth))).unwrap_err();
    }
    assert!(yaml(&format!("a: {}{}", "[".repeat(64), "]".repeat(64))).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_but_never_breaks(text in any::<String>()) {
        let _ = yaml(&text);
    }

    #[test]
    fn nearly_yaml_never_breaks(text in r#"([ \t]{0,3}(- |\? |: |[ab&*!%|>-]{1,3}:? ?|\{|\}|\[|\]|, |"|'|é|#|---|1\.5|<<: |\r?\n)){0,14}"#) {
        let _ = yaml(&text);
    }
}
