//! References, and what they lead to.

use super::*;
use crate::{Format, from_node, parse};

#[derive(serde::Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Auth {
    #[allow(dead_code)]
    bearer: SecretRef,
}

fn env(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("sk-canary".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

#[test]
fn references_are_read_and_written() {
    for text in ["vault:openai", "vault:team/a.b-c", "env:OPENAI_KEY", "file:/run/secrets/x y", "file:./key"]
    {
        assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
    }
}

#[test]
fn literals_are_refused_and_never_repeated() {
    for value in [
        "'sk-canary'",
        "'canary'",
        "'vault:sk canary'",
        "'env:sk-canary'",
        "'canary:x'",
        "'file:'",
        "7531",
        "7531.5",
        "['canary']",
        "{ canary = 'canary' }",
    ] {
        let tree = parse(&format!("bearer = {value}"), "f", Format::Toml).unwrap();
        let problem = from_node::<Auth>(&tree).unwrap_err().to_string();
        assert!(!problem.contains("canary") && !problem.contains("7531"), "{problem}");
        assert!(problem.starts_with("f:1:10: bearer: "), "{problem}");
    }
    let tree = parse("bearer = 'sk-canary'", "f", Format::Toml).unwrap();
    assert_eq!(
        from_node::<Auth>(&tree).unwrap_err().to_string(),
        "f:1:10: bearer: a literal key is refused: write vault:NAME, env:NAME or file:PATH"
    );
}

#[test]
fn variables_are_looked_up_where_the_caller_says() {
    let resolve = |text: &str| text.parse::<SecretRef>().unwrap().resolve(&env);
    assert_eq!(resolve("env:KEY").unwrap().secret.expose(), "sk-canary");
    for name in ["env:EMPTY", "env:NONE"] {
        assert!(resolve(name).unwrap_err().to_string().contains("is not set: set it, or write file:PATH"));
    }
    assert_eq!(
        resolve("vault:x").unwrap_err().to_string(),
        "there is no vault here: write env:NAME or file:PATH"
    );
}

#[test]
fn entries_of_the_vault_are_looked_up_where_the_caller_says() {
    let vault = |name: &str| match name {
        "team/a" => {
            Ok(Resolved { secret: Secret::new("sk-canary".to_owned()), warning: Some("soon".to_owned()) })
        }
        other => Err(SecretError { message: format!("no {other}") }),
    };
    let resolve = |text: &str| text.parse::<SecretRef>().unwrap().resolve_with(&env, &vault);
    let found = resolve("vault:team/a").unwrap();
    assert_eq!((found.secret.expose(), found.warning.as_deref()), ("sk-canary", Some("soon")));
    assert_eq!(resolve("vault:b").unwrap_err().to_string(), "no b");
    assert_eq!(resolve("env:KEY").unwrap().secret.expose(), "sk-canary");
}

#[test]
fn a_file_holds_one_secret_and_perhaps_a_newline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let resolve = || SecretRef::File(path.clone()).resolve(&env);
    for (written, read) in
        [("sk-canary\n", "sk-canary"), ("sk-canary\r\n", "sk-canary"), ("a\n\n", "a\n"), (" x ", " x ")]
    {
        std::fs::write(&path, written).unwrap();
        assert_eq!(resolve().unwrap().secret.expose(), read);
    }
    for (written, expected) in [
        (b"\n".to_vec(), "is empty"),
        (vec![], "is empty"),
        (vec![b'x'; 65_537], "is larger than 64 KiB"),
        (b"canary\xff".to_vec(), "cannot be read"),
    ] {
        std::fs::write(&path, written).unwrap();
        let why = resolve().unwrap_err().to_string();
        assert!(why.contains(expected) && !why.contains("canary"), "{why}");
    }
    let folder_itself = SecretRef::File(folder.path().to_owned()).resolve(&env).unwrap_err();
    assert!(folder_itself.to_string().contains("is not a plain file"));
}

#[cfg(unix)]
#[test]
fn a_file_that_everybody_may_read_gives_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "x").unwrap();
    for (mode, warns) in [(0o600, false), (0o640, false), (0o644, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let resolved = SecretRef::File(path.clone()).resolve(&env).unwrap();
        assert_eq!(resolved.warning.is_some(), warns, "{mode:o}");
    }
}

#[test]
fn a_resolved_secret_is_not_printed() {
    let resolved = SecretRef::Env("KEY".into()).resolve(&env).unwrap();
    assert!(!format!("{resolved:?}").contains("canary"));
}
