//! Nothing that is secret is written, and nothing that harms its reader.

use proptest::prelude::{ProptestConfig, prop_assert, proptest};

use super::*;

#[test]
fn secret_values_are_found_wherever_they_stand() {
    let (logs, secrets, paper) = on_paper(Options::default());
    let canary = "cänary \"with\\ quotes\" 4711";
    assert!(secrets.learn(&Secret::new(canary.to_owned())));
    assert!(!secrets.learn(&Secret::new("short".to_owned())));
    #[derive(Debug)]
    #[allow(dead_code, reason = "it is printed")]
    struct Settings(String);
    traced(&logs, || {
        let span = tracing::info_span!("call", call = canary, note = canary);
        let _inside = span.enter();
        tracing::info!(note = canary, shown = %canary, debug = ?canary, nested = ?Settings(canary.into()), "message {canary}");
        let error = io::Error::other(format!("refused {canary}"));
        tracing::error!(error = &error as &dyn std::error::Error, cause = canary, "{canary}");
        tracing::info!(url = "http://h/?key=c%C3%A4nary%20%22with%5C%20quotes%22%204711", "encoded");
    });
    let text = paper.text();
    assert!(!text.contains("4711"), "{text}");
    assert_eq!(lines(&text)[0]["msg"], "message [secret]");
    assert!(!logs.errors()[0].example.contains("4711"));
}

#[test]
fn fields_with_telling_names_and_texts_that_look_like_keys_are_hidden() {
    let (logs, _, paper) = on_paper(Options { redact: vec!["iban".into()], ..Options::default() });
    traced(&logs, || {
        let span = tracing::info_span!("call", api_key = "canary-1", password = 47_114_711);
        let _inside = span.enter();
        tracing::info!(
            authorization = "canary-2",
            "X-Api-Key" = "canary-3",
            iban_of = "canary-4",
            tokens = 99,
            "hello"
        );
        tracing::info!("curl -H 'Authorization: Bearer canary-5-canary-5' sk-canary0123456789abcdef");
    });
    let text = paper.text();
    assert!(!text.contains("canary") && !text.contains("47114711"), "{text}");
    let written = lines(&text);
    assert_eq!((&written[0]["authorization"], &written[0]["tokens"]), (&"[secret]".into(), &99.into()));
}

#[test]
fn personal_data_is_hidden_where_that_is_asked_for() {
    for personal in [false, true] {
        let (logs, _, paper) = on_paper(Options { personal, ..Options::default() });
        logs.line(Stream::App, Level::Info, "mail to ann@example.org")
            .text("card", "4111 1111 1111 1111")
            .write();
        assert!(logs.flush(PATIENCE));
        let text = paper.text();
        assert_eq!(text.contains("ann@example.org") || text.contains("4111 1111"), !personal, "{text}");
        lines(&text);
    }
}

#[test]
fn nothing_that_is_logged_commands_a_terminal_or_breaks_a_line() {
    let (logs, _, paper) = on_paper(Options::default());
    let evil = "a\u{1b}[31m\nb\r\u{9b}2J\u{7f}\u{202e}\u{2028}\"\\\0";
    logs.line(Stream::App, Level::Info, evil).text(evil, evil).text("ts", "x").text("call", "y").write();
    assert!(logs.flush(PATIENCE));
    let text = paper.text();
    assert!(
        text.trim_end().chars().all(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{202e}')),
        "{text:?}"
    );
    let line = &lines(&text)[0];
    assert_eq!((&line["msg"], &line[evil], &line["field_ts"]), (&evil.into(), &evil.into(), &"x".into()));
    assert_eq!((&line["call"], &line["field_call"]), (&Value::Null, &"y".into()));
}

proptest! {
    // Each case has a thread of its own to wait for.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Law: whatever a secret is made of, and wherever in a line it stands, no line shows it, and every line is one object
    /// of JSON.
    #[test]
    fn no_line_shows_a_secret(
        secret in "\\PC{6,24}",
        before in "\\PC{0,12}",
        after in "\\PC{0,12}",
        name in "[a-z_]{1,12}",
    ) {
        let (logs, secrets, paper) = on_paper(Options::default());
        // A value of spaces alone is no secret, nor is one that the line itself is made of.
        let value = secret.trim();
        if !secrets.learn(&Secret::new(secret.clone())) || "{\"ts\":\"level info stream app target seawall run msg call null".contains(value) {
            return Ok(());
        }
        let text = format!("{before}{value}{after}");
        logs.line(Stream::App, Level::Error, &text).text(&name, &text).shown("shown", &text).shown("debug", format_args!("{text:?}")).write();
        prop_assert!(logs.flush(PATIENCE));
        for line in paper.text().lines() {
            let read: Value = serde_json::from_str(line).unwrap();
            for key in ["msg", "shown", "debug", &name] {
                let shown = read[key].as_str().unwrap_or_default();
                prop_assert!(!shown.contains(value), "{value:?} in {line}");
            }
        }
    }
}
