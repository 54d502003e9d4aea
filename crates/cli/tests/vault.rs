//! `seawall vault` as scripts see it, and `vault:NAME` in a configuration.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const STRONG: &str = "sk-canary7Qm2xVb9Lw4TzR1nKc8YpD3fGh6JsE5a";

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {} {}", self.out, self.err))
    }
}

/// A directory to run in, with an environment of its own.
struct Home(tempfile::TempDir, Vec<(&'static str, String)>);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), Vec::new())
    }

    /// With a vault, its key in the file beside it.
    fn with_vault() -> Self {
        let home = Self::new();
        assert_eq!(home.run(&["vault", "init"]).code, Some(0));
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        command.args(arguments).current_dir(self.path()).env_clear().envs(self.1.iter().cloned());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.feed(arguments, "")
    }

    fn feed(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Ran {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Whoever refuses its arguments does not read.
        let _ = child.stdin.take().unwrap().write_all(input.as_ref());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn set(&self, name: &str, value: &str) {
        let ran = self.feed(&["vault", "set", name], value);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path().join(file), text).unwrap();
    }

    fn mode(&self, file: &str) -> u32 {
        std::fs::metadata(self.path().join(file)).unwrap().permissions().mode() & 0o7777
    }
}

#[test]
fn a_value_goes_in_on_stdin_and_comes_out_only_as_a_token() {
    let home = Home::with_vault();
    assert_eq!((home.mode("seawall-state/vault"), home.mode("seawall-state/vault.key")), (0o600, 0o600));
    assert_eq!(home.mode("seawall-state"), 0o700);
    let ran = home.feed(&["vault", "set", "openai"], format!("{STRONG}\n"));
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
    assert_eq!(ran.err, "seawall: vault:openai is set, version 1\n");
    let ran = home.feed(&["vault", "set", "openai", "--json"], STRONG);
    assert_eq!(
        ran.json(),
        serde_json::json!({ "name": "openai", "version": 1, "changed": false, "strength": "strong" }),
        "a line break at the end is not part of it"
    );
    let token = home.run(&["vault", "export", "openai"]);
    assert_eq!((token.code, token.err.as_str()), (Some(0), ""));
    assert!(token.out.starts_with("gAAAAA") && token.out.lines().count() == 1, "{}", token.out);
    let json = home.run(&["vault", "export", "openai", "--json"]).json();
    assert!(json["token"].as_str().unwrap().starts_with("gAAAAA") && json["name"] == "openai");

    let listed = home.run(&["vault", "list", "--json"]).json();
    let entry = &listed["entries"][0];
    assert_eq!(
        (&entry["name"], &entry["state"], &entry["uses"]),
        (&"openai".into(), &"current".into(), &Value::Null)
    );
    let listed = home.run(&["vault", "list"]).out;
    assert!(listed.lines().nth(1).unwrap().starts_with("openai  1        current  20"), "{listed}");

    // And a token back in, which is what another program would make.
    let ran = home.feed(&["vault", "set", "copy", "--token"], token.out);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let ran = home.feed(&["vault", "set", "bad", "--token"], "gAAAA-garbage");
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert_eq!(home.run(&["vault", "check"]).code, Some(0));
    let everything: String = walk(home.path());
    assert!(!everything.contains("canary"));
}

/// All files below a directory, as text.
fn walk(path: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.push_str(&walk(&path)),
            false => all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap())),
        }
    }
    all
}

#[test]
fn whatever_is_wrong_has_its_exit_code_and_says_what_to_do() {
    let home = Home::new();
    let said = |arguments: &[&str], input: &[u8], code: i32, part: &str| {
        let ran = home.feed(arguments, input);
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(part), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.contains("canary"), "{}", ran.err);
    };
    said(
        &["vault", "set", "a"],
        b"canary",
        2,
        "there is no vault at ./seawall-state/vault: make one with `seawall vault init`",
    );
    assert_eq!(home.run(&["vault", "init"]).code, Some(0));
    said(&["vault", "init"], b"", 2, "already");
    said(&["vault", "set", "a"], b"", 2, "the value is empty: give it on stdin");
    said(&["vault", "set", "a"], b"\n", 2, "the value is empty");
    said(&["vault", "set", "a"], b"canary\xff", 2, "no UTF-8 text");
    said(&["vault", "set", "a"], &vec![b'c'; 65_537], 2, "longer than 64 KiB");
    said(&["vault", "set", "two words"], b"canary", 2, "no proper name");
    said(&["vault", "set", "sk-canary0123456789"], b"x", 2, "give the value on stdin");
    said(&["vault", "set", "a", "--expires", "yesterday"], b"canary", 2, "write a span like 90d");
    said(&["vault", "set", "a", "--expires", "2020-01-01"], b"canary", 2, "has passed: name a later end");
    said(&["vault", "export", "a"], b"", 2, "has no a: put it in with `seawall vault set a`");
    said(&["vault", "rotate", "a"], b"canary", 2, "has no a");
    said(&["vault", "revoke", "a"], b"", 2, "has no a");
    home.set("a", STRONG);
    said(&["vault", "revoke", "a", "--version", "7"], b"", 2, "has no version 7");
    home.write("seawall-state/vault", "garbage");
    said(&["vault", "list"], b"", 1, "is damaged (line 1, column 1 is not a vault's)");
    said(&["vault", "set", "a"], b"canary", 1, "nothing was written");
    assert_eq!(std::fs::read_to_string(home.path().join("seawall-state/vault")).unwrap(), "garbage");
    said(&["vault", "list", "--vault", "."], b"", 1, "cannot be read: it is not a plain file");
    home.write("seawall.toml", "listen = ");
    said(&["vault", "list"], b"", 2, "name the vault with --vault, or see `seawall check`");
}

#[test]
fn values_are_rotated_revoked_expired_and_checked() {
    let home = Home::with_vault();
    home.set("hook", STRONG);
    let ran = home.feed(&["vault", "rotate", "hook", "--overlap", "2h"], "canary-2-7Qm2xVb9Lw4TzR1nKc8Yp");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("accepted for 2h more") && ran.err.contains("version 2"), "{}", ran.err);
    let entry = home.run(&["vault", "list", "--json"]).json()["entries"][0].clone();
    let states: Vec<_> =
        entry["versions"].as_array().unwrap().iter().map(|version| version["state"].clone()).collect();
    assert_eq!(states, ["current", "overlap"]);

    assert_eq!(home.run(&["vault", "expire", "hook", "--at", "3d"]).code, Some(0));
    let ran = home.run(&["vault", "check"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (Some(0), ""),
        "three days are not yet the last fifth of three days"
    );
    assert_eq!(home.run(&["vault", "expire", "hook", "--at", "1h"]).code, Some(0));
    let ran = home.run(&["vault", "check"]);
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.err.starts_with("warning: hook: expires on 20")
            && ran.err.contains("`seawall vault rotate hook`"),
        "{}",
        ran.err
    );
    assert_eq!(home.run(&["vault", "expire", "hook", "--never"]).code, Some(0));

    let ran = home.feed(&["vault", "set", "pin"], "1234");
    assert!(ran.err.starts_with("warning: vault:pin is weak: it is short\n"), "{}", ran.err);
    let ran = home.run(&["vault", "check", "--json"]);
    let verdict = ran.json();
    assert_eq!(
        (ran.code, &verdict["ok"], &verdict["concerns"][0]["worry"]),
        (Some(1), &false.into(), &"weak".into())
    );
    assert_eq!(verdict["entries"][0]["strength"], "strong");
    let ran = home.run(&["vault", "check"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(1), "./seawall-state/vault: 2 entries, 1 thing is wrong\n")
    );
    assert_eq!(home.feed(&["vault", "set", "pin", "--accept-weak"], "1234").code, Some(0));
    assert_eq!(home.run(&["vault", "check"]).out, "./seawall-state/vault: 2 entries, good\n");

    assert_eq!(home.run(&["vault", "revoke", "hook"]).code, Some(0));
    let ran = home.run(&["vault", "export", "hook"]);
    assert!(ran.code == Some(2) && ran.err.contains("was revoked"), "{}", ran.err);
    assert_eq!(home.run(&["vault", "check"]).code, Some(1));
    assert_eq!(home.run(&["vault", "revoke", "hook", "--forget"]).code, Some(0));
    assert_eq!(home.run(&["vault", "check"]).code, Some(0));
}

#[test]
fn the_key_of_the_vault_is_changed_wherever_it_comes_from() {
    // In the file: a new key, and the old file opens nothing any more.
    let home = Home::with_vault();
    home.set("a", STRONG);
    let key = std::fs::read(home.path().join("seawall-state/vault.key")).unwrap();
    assert_eq!(home.run(&["vault", "rotate"]).code, Some(0));
    assert_ne!(std::fs::read(home.path().join("seawall-state/vault.key")).unwrap(), key);
    assert_eq!(home.run(&["vault", "export", "a"]).code, Some(0));
    home.write("old.key", &String::from_utf8(key).unwrap());
    std::fs::set_permissions(home.path().join("old.key"), PermissionsExt::from_mode(0o600)).unwrap();
    let ran = home.run(&["vault", "list", "--key-file", "old.key"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("the key in old.key does not open the vault"), "{}", ran.err);

    // To a file of another name, and from there to a passphrase.
    let ran = home.run(&["vault", "rotate", "--new-key-file", "new.key", "--json"]);
    assert_eq!((ran.code, &ran.json()["key"]), (Some(0), &"the key in new.key".into()));
    assert_eq!(
        home.run(&["vault", "rotate", "--new-key-file", "new.key"]).code,
        Some(2),
        "the old key is beside"
    );
    let mut phrase = home;
    phrase.1.push(("SEAWALL_VAULT_NEW_PASSPHRASE", "brown horses seldom drink green tea".to_owned()));
    let ran = phrase.run(&["vault", "rotate", "--key-file", "new.key"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    phrase.1 = vec![("SEAWALL_VAULT_PASSPHRASE", "brown horses seldom drink green tea".to_owned())];
    assert_eq!(phrase.run(&["vault", "export", "a"]).code, Some(0));
    phrase.1 = vec![("SEAWALL_VAULT_PASSPHRASE", "brown horses never drink green tea".to_owned())];
    assert_eq!(phrase.run(&["vault", "export", "a"]).code, Some(2));
}

#[test]
fn variables_are_imported_all_or_none() {
    let mut home = Home::with_vault();
    home.1 = [
        ("OPENAI_API_KEY", STRONG),
        ("MAPS_TOKEN", "canary-maps-9Lw4TzR1nKc8YpD3f"),
        ("HOME", "/nowhere"),
        ("SEAWALL_X_KEY", "x"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    let ran = home.run(&["vault", "import-env"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.out, "MAPS_TOKEN  vault:maps  put in\nOPENAI_API_KEY  vault:openai  put in\n");
    let again = home.run(&["vault", "import-env", "OPENAI_API_KEY", "MAPS_TOKEN=team/maps", "--json"]).json();
    assert_eq!(
        (&again["imported"][0]["changed"], &again["imported"][1]["name"]),
        (&false.into(), &"team/maps".into())
    );
    for (arguments, part) in [
        (&["vault", "import-env", "OPENAI_API_KEY", "NONE"][..], "NONE is not set: set it"),
        (
            &["vault", "import-env", "OPENAI_API_KEY=maps"],
            "vault:maps has another value already: replace it with --replace",
        ),
        (&["vault", "import-env", "OPENAI_API_KEY=x", "MAPS_TOKEN=x"], "would both be vault:x"),
        (&["vault", "import-env", "OPENAI_API_KEY=a b"], "makes no name"),
    ] {
        let ran = home.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
        assert!(ran.err.contains(part) && !ran.err.contains("canary"), "{}", ran.err);
    }
    let listed = home.run(&["vault", "list", "--json"]).json();
    let names: Vec<_> =
        listed["entries"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["maps", "openai", "team/maps"]);
    assert_eq!(home.run(&["vault", "import-env", "OPENAI_API_KEY=maps", "--replace"]).code, Some(0));
}

#[test]
fn a_configuration_finds_its_vault_and_says_where_a_name_is_missing() {
    let home = Home::new();
    home.write(
        "seawall.toml",
        "state = './s'\n[vault]\nfile = 'keys/v'\n[upstream.a]\nurl = 'https://a'\nauth = { bearer = 'vault:openai' }\n",
    );
    let missing = |place: &str| format!("seawall.toml:6:19: upstream.a.auth.bearer: SW0029 {place}");
    let ran = home.run(&["check"]);
    assert_eq!(ran.code, Some(0), "it may be there where it is served");
    let said = missing("there is no vault at keys/v, make one with `seawall vault init`");
    assert!(ran.err.starts_with(&format!("warning: {said}\n")), "{}", ran.err);
    let ran = home.run(&["serve"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with(&said), "{}", ran.err);

    assert_eq!(home.run(&["vault", "init"]).code, Some(0));
    home.set("opnai", STRONG);
    let ran = home.run(&["serve"]);
    assert_eq!(ran.code, Some(2));
    let said = missing("the vault ");
    assert!(ran.err.starts_with(&said), "{}", ran.err);
    assert!(
        ran.err.contains("keys/v has no openai, put it in with `seawall vault set openai` (it has opnai)"),
        "{}",
        ran.err
    );

    home.set("openai", STRONG);
    let ran = home.run(&["check"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), "seawall.toml: good\n"));
    assert!(!home.path().join("s").exists() && home.path().join("keys/v.key").exists());
    assert_eq!(home.run(&["vault", "expire", "openai", "--at", "1h"]).code, Some(0));
    let ran = home.run(&["check", "--json"]).json();
    let warning = ran["warnings"][0]["message"].as_str().unwrap().to_owned();
    assert!(warning.starts_with("vault:openai expires on 20"), "{warning}");
}

#[test]
fn a_kill_at_any_moment_leaves_a_vault_that_opens() {
    let home = Home::with_vault();
    for turn in 0..30u64 {
        let mut command = home.command(&["vault", "set", "a"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        write!(stdin, "canary {turn} 7Qm2xVb9Lw4TzR1nKc8YpD3f").unwrap();
        drop(stdin);
        // From before the first step to after the last.
        let until = std::process::Command::new("sleep").arg(format!("0.{:03}", turn)).status();
        assert!(until.unwrap().success());
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = home.run(&["vault", "list"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    home.set("a", STRONG);
    assert_eq!(home.run(&["vault", "check"]).code, Some(0));
}
