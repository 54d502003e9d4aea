//! Files, profiles and variables, and tables laid over tables.

use std::time::Duration;

use seawall::compress;
use seawall::retry::Options;
use seawall_config::{Format, load_str, show};
use seawall_core::units::Size;

use super::{good, read_with};
use crate::settings::{schema, with_builtin};

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn a_table_laid_over_another_merges_key_by_key() {
    let loaded = good(
        "[defaults]\ndeadline = '50s'\nretry = { attempts = 4, base = '100ms' }\nbreaker = { consecutive = 9 }\n\
         [upstream.a]\nurl = 'https://a'\nretry = { attempts = 6 }\nbreaker = { open = '3s' }\n\
         [upstream.b]\nurl = 'https://b'\nbreaker = 'off'\n\
         [route.r]\nmatch.path = '/a/x'\nretry = { cap = '9s' }\nattempt = { idle = '7s' }\n\
         [route.s]\nmatch.path = '/x'\nto = ['b', 'a']\ndeadline = '40s'",
    );
    let settings = &loaded.settings;
    let (a, b) = (&settings.upstream["a"], &settings.upstream["b"]);
    assert_eq!((a.retry.attempts, a.retry.base, a.deadline), (6, MS(100), MS(50_000)));
    assert_eq!((a.breaker.consecutive, a.breaker.open), (9, MS(3_000)));
    assert_eq!((b.retry.attempts, b.breaker.consecutive), (4, 0), "a word replaces the table");
    let (r, s) = (&settings.route["r"], &settings.route["s"]);
    assert_eq!(
        (r.retry.attempts, r.retry.base, r.retry.cap),
        (6, MS(100), MS(9_000)),
        "a route inherits its upstream's"
    );
    assert_eq!((r.attempt.idle, r.attempt.connect, r.deadline), (MS(7_000), MS(10_000), MS(50_000)));
    assert_eq!((s.retry.attempts, s.deadline), (4, MS(40_000)), "the first target's");
}

#[test]
fn a_preset_under_a_table_is_spelled_out_first() {
    let loaded = good(
        "defaults.retry = 'aggressive'\n[upstream.a]\nurl = 'https://a'\nretry = { attempts = 3 }\n\
         [upstream.b]\nurl = 'https://b'\nretry = 'quick'\n[upstream.c]\nurl = 'https://c'",
    );
    let retry = |name: &str| loaded.settings.upstream[name].retry.clone();
    assert_eq!(retry("a"), Options { attempts: 3, ..Options::aggressive() });
    assert_eq!(retry("b"), Options::quick());
    assert_eq!(retry("c"), Options::aggressive());
}

#[test]
fn compression_is_off_until_it_is_switched_on_and_a_route_may_say_otherwise() {
    let loaded = good(
        "[upstream.a]\nurl = 'https://a'\n\
         [upstream.b]\nurl = 'https://b'\ncompress = true\n\
         [upstream.c]\nurl = 'https://c'\ncompress = { requests = true, min_size = '2KiB', algorithms = ['deflate'] }\n\
         [route.on]\nmatch.path = '/a/x'\ncompress = { responses = false, requests = true }\n\
         [route.off]\nmatch.path = '/b/x'\ncompress = false\n\
         [route.same]\nmatch.path = '/c/x'\n\
         [route.other]\nmatch.path = '/c/y'\ncompress.max_decoded = '1MiB'\n\
         [route.again]\nmatch.path = '/b/y'\ncompress.level = 9",
    );
    let upstream = |name: &str| loaded.settings.upstream[name].compress.clone();
    let route = |name: &str| loaded.settings.route[name].compress.clone();
    assert!(upstream("a").is_off());
    assert_eq!(upstream("b"), compress::Options::default());
    let c = upstream("c");
    assert!(c.requests && c.responses && c.min_size.0 == 2048);
    assert_eq!(c.algorithms, [compress::Algorithm::Deflate]);
    assert!(route("on").requests && !route("on").responses);
    assert!(route("off").is_off());
    assert_eq!(route("same"), c);
    assert_eq!(route("other"), compress::Options { max_decoded: Size(1 << 20), ..c });
    assert_eq!(route("again"), compress::Options { level: 9, ..compress::Options::default() });
}

#[test]
fn the_environment_lies_over_the_profile_and_the_profile_over_the_file() {
    let text = "[defaults]\ndeadline = '50s'\n[upstream.my-api]\nurl = 'https://file'\n\
                [profile.prod]\ndefaults.deadline = '40s'\nupstream.my-api.url = 'https://prod'";
    let of = |profile, variables: &[(&str, &str)]| {
        let (loaded, _) = read_with(text, profile, variables).unwrap();
        let api = &loaded.settings.upstream["my-api"];
        (api.url.0.to_string(), api.deadline)
    };
    assert_eq!(of(None, &[]), ("https://file/".to_owned(), MS(50_000)));
    assert_eq!(of(Some("prod"), &[]), ("https://prod/".to_owned(), MS(40_000)));
    assert_eq!(of(None, &[("SEAWALL_PROFILE", "prod")]).1, MS(40_000));
    let over =
        [("SEAWALL__UPSTREAM__MY_API__URL", "https://environment"), ("SEAWALL__DEFAULTS__DEADLINE", "45s")];
    assert_eq!(of(Some("prod"), &over), ("https://environment/".to_owned(), MS(45_000)));
}

#[test]
fn a_wrong_variable_is_named_and_not_a_line_of_the_file() {
    let text = "[upstream.a]\nurl = 'https://a'";
    let wrong = |name, value| {
        read_with(text, None, &[(name, value)])
            .unwrap_err()
            .0
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        wrong("SEAWALL__DEFAULTS__RETRY__ATTEMPTS", "99"),
        [
            "environment SEAWALL__DEFAULTS__RETRY__ATTEMPTS: defaults.retry.attempts: 99 is out of range, write 1 to 10"
        ]
    );
    assert_eq!(
        wrong("SEAWALL__UPSTREAM__A__AUTH__BEARER", "hunter2"),
        [
            "environment SEAWALL__UPSTREAM__A__AUTH__BEARER: upstream.a.auth.bearer: a literal key is refused: write vault:NAME, \
          env:NAME or file:PATH"
        ]
    );
    assert_eq!(
        read_with(text, Some("prdo"), &[]).unwrap_err().0[0].to_string(),
        "command line: profile: no profile \"prdo\", write [profile.prdo] first"
    );
}

#[test]
fn what_is_shown_says_where_it_came_from_and_hides_what_looks_secret() {
    let text =
        "listen = '127.0.0.1:1'\n[upstream.a]\nurl = 'https://a'\nauth.bearer = 'env:KEY'\ndeadline = '5s'";
    let variables = [("SEAWALL__CHANNEL__OPS__WEBHOOK", "https://u:hunter2@hook")];
    let shown = show(&with_builtin(load_str(text, "f", Format::Toml, None, variables).unwrap()));
    for line in [
        "listen = \"127.0.0.1:1\"  # f:1:10",
        "admin = \"127.0.0.1:7071\"  # default",
        "deadline = \"5s\"  # f:5:12",
        "deadline = \"1m\"  # default",
        "bearer = \"env:KEY\"  # f:4:15",
        "webhook = \"[redacted]\"  # environment SEAWALL__CHANNEL__OPS__WEBHOOK",
    ] {
        let line = line.replace("\"1m\"", "\"60s\"");
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(!shown.contains("hunter2"));
    assert_eq!(shown.matches("attempts = 3  # default").count(), 2, "the upstream inherits it: {shown}");
}

#[test]
fn the_defaults_shown_are_those_that_hold() {
    let empty = load_str("", "f", Format::Toml, None, [("", ""); 0]).unwrap();
    let shown = crate::settings::load(with_builtin(empty.clone())).unwrap().0.settings;
    let held = crate::settings::load(empty).unwrap().0.settings;
    assert_eq!(format!("{shown:?}"), format!("{held:?}"));
}

#[test]
fn the_schema_knows_every_section_and_its_words() {
    let schema = schema();
    let properties = schema["properties"].as_object().unwrap();
    for key in [
        "version",
        "listen",
        "admin",
        "hosts",
        "callers",
        "admin_token",
        "admin_tokens",
        "state",
        "defaults",
        "upstream",
        "route",
        "alert",
        "channel",
        "job",
        "carbon",
        "profile",
    ] {
        assert!(properties.contains_key(key), "{key}");
    }
    assert_eq!(schema["additionalProperties"], false);
    let text = schema.to_string();
    for word in [
        "\"aggressive\"",
        "\"off\"",
        "\"fibonacci\"",
        "\"stale_if_error\"",
        "\"seawall-first-seen\"",
        "\"first_byte\"",
    ] {
        assert!(text.contains(word), "{word}");
    }
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), schema);
}
