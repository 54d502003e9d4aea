use seawall_core::secret::Secret;
use seawall_policy::Invalid;

use super::*;
use crate::alerts::channel::options::Options;

fn options(json: &str) -> Options<String> {
    serde_json::from_str(json).unwrap()
}

fn outlet(json: &str) -> Result<Outlet, Invalid> {
    let say: Say = Arc::new(|_| {});
    options(json).resolve(|_, text| Some(Secret::new(text))).unwrap().outlet("ops", &say)
}

#[test]
fn the_published_channel_is_good_and_others_have_their_own_ways() {
    let published =
        r#"{"webhook": "https://hooks.example/seawall", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#;
    let ops = outlet(published).unwrap();
    assert_eq!((ops.channel.kind(), ops.grouping, ops.all), ("webhook", Grouping::Alert, None));
    for (json, kind) in [
        (r#"{"slack": "https://hooks.slack.com/services/T0/B0/x"}"#, "slack"),
        (r#"{"email": "ops@example.com", "smtp": "smtp.example.com"}"#, "email"),
        (r#"{"console": true, "all": "error", "delivery": {"cooldown": "5m"}}"#, "console"),
        (r#"{"log": "alerts.jsonl", "grouping": "channel"}"#, "log"),
    ] {
        let outlet = outlet(json).unwrap();
        assert_eq!(outlet.channel.kind(), kind);
        assert_eq!(outlet.grouping, if kind == "log" { Grouping::Channel } else { Grouping::Group });
    }
}

#[test]
fn what_is_wrong_is_refused_by_name_and_secrets_are_not_repeated() {
    for (key, json) in [
        ("webhook", "{}"),
        ("console", r#"{"webhook": "https://x", "console": true}"#),
        ("secret", r#"{"console": true, "secret": "x"}"#),
        ("secret", r#"{"webhook": "https://x", "secret": "canary"}"#),
        ("smtp", r#"{"email": "ops@example.com"}"#),
        ("smtp", r#"{"email": "ops@example.com", "smtp": "smtp://x"}"#),
        ("email", r#"{"email": "nobody", "smtp": "x"}"#),
        ("from", r#"{"email": "ops@example.com", "from": "?", "smtp": "x"}"#),
        ("tls", r#"{"email": "ops@example.com", "smtp": "smtp.example.com", "tls": "none"}"#),
        ("user", r#"{"email": "ops@example.com", "smtp": "x", "user": "ann"}"#),
        ("slack", r#"{"slack": "canary"}"#),
        ("ca", r#"{"webhook": "https://x", "ca": "/no/such/file"}"#),
        ("cooldown", r#"{"console": true, "delivery": {"cooldown": "2d"}}"#),
        ("batch", r#"{"console": true, "delivery": {"batch": "2d"}}"#),
    ] {
        let invalid = outlet(json).unwrap_err();
        assert_eq!(invalid.key, key, "{json}: {invalid}");
        assert!(!invalid.to_string().contains("canary"), "{invalid}");
    }
    assert!(serde_json::from_str::<Options<String>>(r#"{"console": true, "colour": 1}"#).is_err());
    assert!(options(r#"{"webhook": "https://x", "secret": "s"}"#).resolve(|_, _| None::<Secret>).is_none());
}

#[test]
fn an_address_is_shown_without_what_may_be_its_secret() {
    let shown = |text: &str| text.parse::<Address>().map(|address| address.to_string());
    assert_eq!(
        shown("https://hooks.example:8443/services/canary?x=canary").unwrap(),
        "https://hooks.example:8443/…"
    );
    for wrong in ["", "hooks.example", "ftp://x/canary", "https://u:canary@x/", "https://", "/canary"] {
        assert!(!shown(wrong).unwrap_err().contains("canary"), "{wrong}");
    }
    let open = |text: &str| text.parse::<Address>().unwrap().is_open();
    assert!(open("http://hooks.example/") && !open("https://hooks.example/"));
    assert!(!open("http://localhost:1/") && !open("http://[::1]:1/") && !open("http://127.0.0.1/"));
}
