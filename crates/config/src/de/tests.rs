//! What fits, what does not, and what is said about it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;
use seawall_core::units::{self, Rate, Share, Size};
use serde::Deserialize;

use super::*;
use crate::{Format, SecretRef, load_str, parse};

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Settings {
    version: u8,
    #[serde(default)]
    upstream: BTreeMap<String, Upstream>,
    #[serde(default)]
    jitter: Option<Jitter>,
    #[serde(default)]
    strategy: Option<Strategy_>,
    #[serde(default)]
    codes: BTreeMap<u16, String>,
    #[serde(default)]
    pair: Option<(i8, f64)>,
    #[serde(default)]
    retry: Option<WordOr<Preset, Retry>>,
    #[serde(default)]
    either: Option<Either>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Upstream {
    url: String,
    #[serde(default, with = "units::option_duration")]
    first_byte: Option<Duration>,
    #[serde(default)]
    limits: Vec<Limit>,
    #[serde(default)]
    auth: Option<Auth>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Auth {
    bearer: SecretRef,
}

#[derive(Deserialize, Debug, PartialEq, Default)]
#[serde(deny_unknown_fields, default)]
struct Limit {
    requests: Option<Rate>,
    concurrent: Option<NonZeroU32>,
    size: Option<Size>,
    share: Option<Share>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Retry {
    attempts: u32,
    #[serde(with = "units::duration")]
    base: Duration,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Jitter {
    None,
    Full,
    Decorrelated,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Preset {
    Aggressive,
    Off,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Strategy_ {
    Off,
    Fixed(Share),
    Window { size: u64 },
    Both(u8, u8),
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(untagged)]
enum Either {
    Number(i64),
    Words(Vec<String>),
}

fn read(text: &str) -> Result<Settings, String> {
    from_node(&parse(&format!("version = 1\n{text}"), "f", Format::Toml).unwrap())
        .map_err(|why| why.to_string())
}

#[test]
fn everything_serde_can_ask_for_is_there() {
    let settings = read(
        "
jitter = 'decorrelated'
strategy = { window = { size = 3 } }
codes = { 429 = 'slow' }
pair = [-3, 2]
retry = 'off'
either = ['a', 'b']
[upstream.a]
url = 'u'
first-byte = '1m30s'
limits = [{ requests = '500/min', concurrent = 3 }, { size = '64KiB', share = '20%' }]
auth = { bearer = 'env:X' }
",
    )
    .unwrap();
    assert_eq!(settings.jitter, Some(Jitter::Decorrelated));
    assert_eq!(settings.strategy, Some(Strategy_::Window { size: 3 }));
    assert_eq!(settings.codes[&429], "slow");
    assert_eq!(settings.pair, Some((-3, 2.0)));
    assert_eq!(settings.retry, Some(WordOr::Word(Preset::Off)));
    assert_eq!(settings.either, Some(Either::Words(vec!["a".into(), "b".into()])));
    let upstream = &settings.upstream["a"];
    assert_eq!(upstream.first_byte, Some(Duration::from_secs(90)));
    assert_eq!(upstream.limits[0].concurrent, NonZeroU32::new(3));
    assert_eq!(upstream.limits[1].share, Some(Share::percent(20)));
    assert_eq!(read("strategy = 'off'").unwrap().strategy, Some(Strategy_::Off));
    assert_eq!(read("strategy = { both = [1, 2] }").unwrap().strategy, Some(Strategy_::Both(1, 2)));
    let table = read("retry = { attempts = 3, base = '1s' }").unwrap().retry;
    assert_eq!(table, Some(WordOr::Table(Retry { attempts: 3, base: Duration::from_secs(1) })));
}

#[test]
fn what_does_not_fit_is_named_with_place_key_and_remedy() {
    for (text, expected) in [
        (
            "[upstream.a]\nurl = 'u'\nlimts = []",
            "f:4:1: upstream.a.limts: unknown key `limts`, write `limits` (known keys: url, first-byte, limits, auth)",
        ),
        (
            "[upstream.a]\nurl = 'u'\nfirst_byte = '1s'",
            "f:4:1: upstream.a.first_byte: unknown key `first_byte`, write `first-byte` (known keys: url, first-byte, limits, auth)",
        ),
        (
            "[upstream.a]\nurl = 'u'\nzzz = 1",
            "f:4:1: upstream.a.zzz: unknown key `zzz`, known keys: url, first-byte, limits, auth",
        ),
        ("[upstream.a]", "f:2:1: upstream.a.url: `url` is missing, write `url = …` in this table"),
        (
            "[upstream.a]\nurl = 'u'\nfirst-byte = 20",
            "f:4:14: upstream.a.first-byte: expected a duration like \"20s\", found integer 20",
        ),
        (
            "[upstream.a]\nurl = 'u'\nfirst-byte = '20'",
            "f:4:14: upstream.a.first-byte: \"20\" has no unit: write \"20s\"",
        ),
        (
            "[upstream.a]\nurl = 'u'\nlimits = [{}, { requests = '5' }]",
            "f:4:28: upstream.a.limits[1].requests: \"5\" has no period: write \"5/min\"",
        ),
        (
            "[upstream.a]\nurl = 'u'\nlimits = [{ concurrent = 0 }]",
            "f:4:26: upstream.a.limits[0].concurrent: expected a whole number from 1 to 4294967295, found integer 0",
        ),
        (
            "[upstream.a]\nurl = 'u'\nlimits = [{ size = 64 }]",
            "f:4:20: upstream.a.limits[0].size: expected a size like \"64KiB\", found integer 64",
        ),
        (
            "[upstream.a]\nurl = 'u'\nlimits = [{ share = 0.2 }]",
            "f:4:21: upstream.a.limits[0].share: expected a share like \"20%\", found number 0.2",
        ),
        ("[upstream.a]\nurl = 5", "f:3:7: upstream.a.url: expected a string, found integer 5"),
        (
            "[upstream.a]\nurl = 'u'\nlimits = 5",
            "f:4:10: upstream.a.limits: expected a list, found integer 5",
        ),
        ("upstream = 5", "f:2:12: upstream: expected a table, found integer 5"),
        ("upstream = { a = 'u' }", "f:2:18: upstream.a: expected a table, found string \"u\""),
        ("upstream = { a = ['u'] }", "f:2:18: upstream.a: expected a table, found list"),
        (
            "upstream = { \"a.b\" = {} }",
            "f:2:22: upstream.\"a.b\".url: `url` is missing, write `url = …` in this table",
        ),
        (
            "jitter = 'ful'",
            "f:2:10: jitter: unknown value \"ful\", write \"full\" (one of: none, full, decorrelated)",
        ),
        (
            "jitter = 'zzzzzzz'",
            "f:2:10: jitter: unknown value \"zzzzzzz\", write one of: none, full, decorrelated",
        ),
        ("jitter = 3", "f:2:10: jitter: expected one of: none, full, decorrelated, found integer 3"),
        (
            "strategy = { windw = { size = 3 } }",
            "f:2:14: strategy.windw: unknown value \"windw\", write \"window\" (one of: off, fixed, window, both)",
        ),
        (
            "strategy = { window = { siz = 3 } }",
            "f:2:25: strategy.window.siz: unknown key `siz`, write `size` (known keys: size)",
        ),
        (
            "strategy = { window = { size = -1 } }",
            "f:2:32: strategy.window.size: expected a whole number from 0 on, found integer -1",
        ),
        ("strategy = { fixed = 'x' }", "f:2:22: strategy.fixed: \"x\" is not a share: write \"20%\""),
        (
            "strategy = {}",
            "f:2:12: strategy: expected a table with one key of: off, fixed, window, both, found table",
        ),
        ("strategy = 'window'", "f:2:12: strategy: expected a table, found a word"),
        (
            "strategy = { off = 1 }",
            "f:2:20: strategy.off: `off` is a word and holds nothing, write \"off\" instead of a table",
        ),
        (
            "codes = { x = 'y' }",
            "f:2:11: codes.x: expected a whole number from 0 to 65535, found string \"x\"",
        ),
        (
            "codes = { 70000 = 'y' }",
            "f:2:11: codes.70000: expected a whole number from 0 to 65535, found integer 70000",
        ),
        ("pair = [1]", "f:2:8: pair: the list has 1 items, write 2"),
        ("pair = [1, 2, 3]", "f:2:8: pair: the list has 3 items, write 2"),
        ("pair = [200, 2]", "f:2:9: pair[0]: expected a whole number from -128 to 127, found integer 200"),
        ("pair = [1.5, 2]", "f:2:9: pair[0]: expected a whole number from -128 to 127, found number 1.5"),
        ("retry = 'of'", "f:2:9: retry: unknown value \"of\", write \"off\" (one of: aggressive, off)"),
        (
            "retry = { atempts = 3 }",
            "f:2:11: retry.atempts: unknown key `atempts`, write `attempts` (known keys: attempts, base)",
        ),
        (
            "retry = { attempts = 3, base = 1 }",
            "f:2:32: retry.base: expected a duration like \"20s\", found integer 1",
        ),
        ("retry = 3", "f:2:9: retry: expected a word or a table, found integer 3"),
        ("either = true", "f:2:10: either: the value has none of the shapes that are known here"),
    ] {
        assert_eq!(read(text).expect_err(text), expected, "{text}");
    }
    let problem = from_node::<Settings>(&parse("version = 256", "f", Format::Toml).unwrap()).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "f:1:11: version: expected a whole number from 0 to 255, found integer 256"
    );
    let problem =
        from_node::<Settings>(&parse("{\"version\": null}", "f", Format::Json).unwrap()).unwrap_err();
    assert_eq!(problem.to_string(), "f:1:13: version: expected a whole number from 0 to 255, found nothing");
}

#[test]
fn null_is_an_option_left_out() {
    let tree = parse("{\"version\": 1, \"jitter\": null, \"pair\": [1, 2]}", "f", Format::Json).unwrap();
    assert_eq!(from_node::<Settings>(&tree).unwrap().jitter, None);
}

#[test]
fn a_part_is_named_under_its_key() {
    let tree = parse("url = 'u'\nlimits = [1]", "f", Format::Toml).unwrap();
    let problem = from_node_at::<Upstream>(&tree, "upstream.a").unwrap_err();
    assert_eq!(problem.key, "upstream.a.limits[0]");
    let problem = from_node_at::<Jitter>(&tree, "upstream.a").unwrap_err();
    assert_eq!(problem.key, "upstream.a");
}

#[test]
fn a_value_from_the_environment_is_named_by_its_variable() {
    let environment = [("SEAWALL__UPSTREAM__A__LIMITS", "[{ concurrent = 0 }]")];
    let tree =
        load_str("version = 1\n[upstream.a]\nurl = 'u'", "f", Format::Toml, None, environment).unwrap();
    assert_eq!(
        from_node::<Settings>(&tree).unwrap_err().to_string(),
        "environment SEAWALL__UPSTREAM__A__LIMITS: upstream.a.limits[0].concurrent: \
         expected a whole number from 1 to 4294967295, found integer 0"
    );
}

#[test]
fn no_secret_is_repeated_whatever_is_wrong_with_it() {
    #[derive(Deserialize, Debug)]
    #[allow(dead_code)]
    struct Keys {
        #[serde(default)]
        password: u8,
        #[serde(default)]
        api_key: Option<Jitter>,
        #[serde(default, with = "units::option_duration")]
        token: Option<Duration>,
        #[serde(default)]
        plain: Option<Jitter>,
        #[serde(default)]
        count: u8,
    }
    let long = format!("canary{}", "x".repeat(100));
    for (text, place) in [
        (
            "password = 'canary'".to_owned(),
            "f:1:12: password: expected a whole number from 0 to 255, found string",
        ),
        (
            "password = 7531".to_owned(),
            "f:1:12: password: expected a whole number from 0 to 255, found integer",
        ),
        (
            "api_key = 'canary'".to_owned(),
            "f:1:11: api_key: unknown value \"[redacted]\", write one of: none",
        ),
        ("token = 'canary'".to_owned(), "f:1:9: token: [redacted] is not a duration"),
        ("token = 'cana\"ry\\canary'".to_owned(), "f:1:9: token: [redacted] is not a duration"),
        (format!("token = '{long}'"), "f:1:9: token: "),
        ("plain = 'sk-canary'".to_owned(), "f:1:9: plain: unknown value \"[redacted]\""),
        (
            "count = 'sk-canary'".to_owned(),
            "f:1:9: count: expected a whole number from 0 to 255, found string",
        ),
    ] {
        let problem = from_node::<Keys>(&parse(&text, "f", Format::Toml).unwrap()).unwrap_err().to_string();
        assert!(problem.starts_with(place), "{problem}");
        assert!(!problem.contains("canary") && !problem.contains("7531"), "{problem}");
    }
    let environment = [("SEAWALL__UPSTREAM__A__AUTH", "canary")];
    let tree =
        load_str("version = 1\n[upstream.a]\nurl = 'u'", "f", Format::Toml, None, environment).unwrap();
    let problem = from_node::<Settings>(&tree).unwrap_err().to_string();
    assert_eq!(
        problem,
        "environment SEAWALL__UPSTREAM__A__AUTH: upstream.a.auth: expected a table, found string"
    );
}

#[test]
fn all_problems_are_found_at_once() {
    let text = "
version = 256
jitter = 'ful'
lisen = 1
[upstream.a]
url = 5
limts = []
limits = [{ requests = '5', x = 1 }, { y = 2 }, 3]
[upstream.b]
";
    let problems = from_node_all::<Settings>(&parse(text, "f", Format::Toml).unwrap()).unwrap_err();
    let keys: Vec<&str> = problems.0.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "version",
            "jitter",
            "lisen",
            "upstream.a.url",
            "upstream.a.limts",
            "upstream.a.limits[0].requests",
            "upstream.a.limits[0].x",
            "upstream.a.limits[1].y",
            "upstream.a.limits[2]",
            "upstream.b.url"
        ],
        "each once, and nothing is called missing that was only taken away"
    );
    assert_eq!(
        from_node_all::<Settings>(&parse("version = 1", "f", Format::Toml).unwrap()).unwrap().version,
        1
    );
}

proptest! {
    #[test]
    fn any_tree_fits_or_is_refused(text in r#"(version|upstream|jitter|strategy|pair|retry|either|codes)(\.(a|url|limits|window|fixed|both|1))? = (1|-5|1\.5|true|'x'|'off'|\[1, 2\]|\{ a = 1 \}|\[\{\}\]|\{ window = 1 \}|\{\})\n"#) {
        let Ok(tree) = parse(&text, "f", Format::Toml) else { return Ok(()) };
        let _ = from_node_all::<Settings>(&tree);
        let _ = from_node::<Settings>(&tree).map_err(|problem| problem.to_string());
    }
}
