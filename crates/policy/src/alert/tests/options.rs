use super::*;

fn options(json: &str) -> Options {
    serde_json::from_str(json).unwrap()
}

#[test]
fn the_published_rule_reads_and_the_defaults_are_the_published_ones() {
    let written = options(
        r#"{"when": "breaker_open{upstream='exchange'} > 0", "for": "30s", "severity": "critical", "send": ["ops"]}"#,
    );
    let rule = written.rule("exchange_down").unwrap().unwrap();
    assert_eq!((rule.held, rule.keep_for, rule.severity), (secs(30), secs(0), Severity::Critical));
    assert_eq!((rule.no_data, rule.group.as_str()), (NoData::Keep, "exchange_down"));
    assert_eq!(rule.summary, "breaker_open{upstream='exchange'} > 0");
    let delivery = Delivery::default();
    assert_eq!((delivery.batch, delivery.cooldown), (secs(2), secs(60)));
    assert_eq!((delivery.repeat, delivery.expire), (None, secs(86_400)));
    delivery.check().unwrap();
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    for (key, json) in [
        ("when", r#"{"when": "breaker_open"}"#),
        ("when", "{}"),
        ("until", r#"{"when": "x > 0", "until": "x <"}"#),
        ("until", r#"{"until": "x > 0"}"#),
        ("for", r#"{"when": "x > 0", "for": "2d"}"#),
        ("keep_for", r#"{"when": "x > 0", "keep_for": "3650d"}"#),
        ("group", r#"{"when": "x > 0", "group": ""}"#),
    ] {
        assert_eq!(options(json).rule("r").unwrap_err().key, key, "{json}");
    }
    let long = Options { summary: Some("x".repeat(2000)), ..Options::default() };
    assert_eq!(long.check().unwrap_err().key, "summary");
    let ok = Delivery::default;
    for (key, delivery) in [
        ("batch", Delivery { batch: secs(7200), ..ok() }),
        ("cooldown", Delivery { cooldown: secs(100_000), ..ok() }),
        ("repeat", Delivery { repeat: Some(secs(59)), ..ok() }),
        ("expire", Delivery { expire: Duration::ZERO, ..ok() }),
    ] {
        assert_eq!(delivery.check().unwrap_err().key, key);
    }
}

#[test]
fn a_built_in_rule_is_changed_key_by_key_and_a_new_condition_is_a_new_rule() {
    let base = || Options {
        until: Some("x < 1".into()),
        summary: Some("x is high".into()),
        severity: Some(Severity::Error),
        ..options(r#"{"when": "x > 2", "for": "10s"}"#)
    };
    let louder = options(r#"{"severity": "critical", "send": ["ops"]}"#).over(base());
    assert_eq!((louder.when.as_deref(), louder.severity), (Some("x > 2"), Some(Severity::Critical)));
    assert_eq!((louder.until.as_deref(), louder.held), (Some("x < 1"), Some(secs(10))));
    let other = options(r#"{"when": "y > 2"}"#).over(base());
    assert_eq!((other.until, other.summary), (None, None), "they belonged to the other condition");
    assert_eq!(options(r#"{"off": true}"#).over(base()).rule("r").unwrap(), None);
}
