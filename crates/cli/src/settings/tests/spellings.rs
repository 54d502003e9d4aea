//! One configuration in three spellings, and what an editor that knows the schema says about it.

use seawall_config::{Format, load_str};
use serde_json::{Value, json};

use super::good;
use crate::settings::{load, schema};

const SAMPLE: &str = include_str!("sample.toml");
const TEMPLATE: &str = include_str!("../../commands/init.toml");

fn plain(node: &seawall_config::Node) -> Value {
    use seawall_config::Value as Written;
    match &node.value {
        Written::Null => Value::Null,
        Written::Bool(value) => json!(value),
        Written::Int(value) => json!(value),
        Written::Float(value) => json!(value),
        Written::String(value) => json!(value),
        Written::Array(items) => items.iter().map(plain).collect(),
        Written::Table(table) => {
            Value::Object(table.iter().map(|(key, entry)| (key.clone(), plain(&entry.node))).collect())
        }
    }
}

fn toml(text: &str) -> Value {
    plain(&seawall_config::parse(text, "f", Format::Toml).unwrap())
}

/// As people write YAML: block style, strings without quotes where that means the same.
fn yaml(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(table) if !table.is_empty() => {
            let line = |(key, value): (&String, &Value)| match value {
                Value::Object(inner) if !inner.is_empty() => {
                    format!("{indent}{key}:\n{}", yaml(value, depth + 1))
                }
                value => format!("{indent}{key}: {value}\n"),
            };
            table.iter().map(line).collect()
        }
        value => format!("{indent}{value}\n"),
    }
}

#[test]
fn toml_yaml_and_json_are_one_configuration_under_every_profile_and_variable() {
    let text = format!("{SAMPLE}\n[profile.prod.defaults]\ndeadline = \"40s\"\n");
    let tree = toml(&text);
    let texts = [
        ("seawall.toml", Format::Toml, text),
        ("seawall.json", Format::Json, tree.to_string()),
        ("seawall.yaml", Format::Yaml, yaml(&tree, 0)),
    ];
    for profile in [None, Some("prod")] {
        let settings = texts.each_ref().map(|(name, format, text)| {
            let variables = [("SEAWALL__DEFAULTS__RETRY__ATTEMPTS", "4")];
            let tree = load_str(text, name, *format, profile, variables);
            let tree = tree.unwrap_or_else(|problems| panic!("{name}: {problems:?}\n{text}"));
            let (loaded, findings) = load(tree).unwrap_or_else(|findings| panic!("{name}: {findings:?}"));
            (format!("{:?}", loaded.settings), findings.0.len())
        });
        assert_eq!(settings[0], settings[1]);
        assert_eq!(settings[0], settings[2]);
        assert!(settings[0].0.contains("attempts: 4"));
        assert_eq!(settings[0].0.contains("deadline: 40s"), profile.is_some());
    }
}

/// What a schema has against a value; a small part of JSON Schema 2020-12, which is all that ours uses.
fn against(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Some(rules) = schema.as_object() else {
        return if schema == &json!(false) { vec![format!("{at}: nothing fits")] } else { found };
    };
    let all = |branch: &Value| against(root, branch, value, at);
    for (rule, said) in rules {
        let fits = match rule.as_str() {
            "$ref" => {
                let place = said.as_str().and_then(|place| place.strip_prefix('#')).unwrap();
                found.extend(all(root.pointer(place).unwrap()));
                true
            }
            "type" => {
                let is = |kind: &Value| match kind.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "null" => value.is_null(),
                    other => panic!("the schema has the type {other}"),
                };
                said.as_array().map_or_else(|| is(said), |kinds| kinds.iter().any(is))
            }
            "enum" => said.as_array().unwrap().contains(value),
            "const" => said == value,
            "anyOf" => said.as_array().unwrap().iter().any(|branch| all(branch).is_empty()),
            "oneOf" => said.as_array().unwrap().iter().filter(|branch| all(branch).is_empty()).count() == 1,
            "minimum" => value.as_f64().is_none_or(|value| value >= said.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|value| value <= said.as_f64().unwrap()),
            "pattern" => value
                .as_str()
                .is_none_or(|text| regex::Regex::new(said.as_str().unwrap()).unwrap().is_match(text)),
            "required" => value.as_object().is_none_or(|table| {
                said.as_array().unwrap().iter().all(|key| table.contains_key(key.as_str().unwrap()))
            }),
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(against(root, said, item, &format!("{at}[{n}]")));
                }
                true
            }
            "properties" => {
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = said.get(key) {
                        found.extend(against(root, rule, inner, &format!("{at}.{key}")));
                    }
                }
                true
            }
            "additionalProperties" => {
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if rules.get("properties").is_none_or(|known| known.get(key).is_none()) {
                        found.extend(against(root, said, inner, &format!("{at}.{key}")));
                    }
                }
                true
            }
            "$schema" | "$defs" | "title" | "description" | "default" | "format" => true,
            other => panic!("the schema says {other}, which this test does not know"),
        };
        if !fits {
            found.push(format!("{at}: {rule} {said} against {value}"));
        }
    }
    found
}

#[test]
fn the_schema_takes_what_is_published_and_refuses_what_is_refused() {
    let schema = schema();
    let said = |text: &str| against(&schema, &schema, &toml(text), "");
    // What the template leaves to its reader, once without its marks.
    let whole: String = TEMPLATE
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| rest.starts_with('[') || rest.contains(" = "))
                .unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    for text in [SAMPLE, TEMPLATE] {
        good(text);
        assert_eq!(said(text), [""; 0]);
    }
    if let Ok(tree) = seawall_config::parse(&whole, "f", Format::Toml) {
        assert_eq!(against(&schema, &schema, &plain(&tree), ""), [""; 0]);
    }
    for bad in [
        "lisen = 'x'",
        "version = '1'",
        "defaults.deadline = 60",
        "defaults.deadline = '1s1m'",
        "defaults.deadline = '1m 30s'",
        "upstream.a.url = 5",
        "[upstream.a]\nurl = 'https://a'\nlimits = [{ requests = '500' }]",
        "[upstream.a]\nurl = 'https://a'\nauth = { bearer = 'a literal key' }",
        "[upstream.a]\nurl = 'https://a'\nretry = 'now'",
        "[upstream.a]\nprovider = 'http'",
        "[route.r]\neffects = 'twice'\nmatch.path = '/a'",
        "reload.keep = 0",
        "reload.watch = '1'",
    ] {
        assert_ne!(said(bad), [""; 0], "{bad}");
    }
}
