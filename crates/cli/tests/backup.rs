//! A configuration, what was before it and its vault: copied in one file, and laid back from it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use seawall_config::versions::{Cause, Deed, Versions};

/// Exit code, stdout and stderr.
fn seawall(home: &Path, words: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    command.args(words).current_dir(home).env_clear();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ran = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
}

const TEXT: &str = "version = 1\nstate = \"./state\"\n[upstream.up]\nurl = \"https://up.example\"\nauth = { bearer = \"vault:up\" }\n";

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("seawall.toml"), TEXT).unwrap();
    home
}

fn versions(home: &Path) -> Versions {
    Versions::at(home.join("state/versions"), 50)
}

#[test]
fn a_backup_is_unreadable_without_the_key_and_gives_all_of_it_back_with_it() {
    let home = home();
    let here = home.path();
    let (code, _, said) = seawall(here, &["config", "backup", "--out", "copy"], "");
    assert!(code == 1 && said.contains("there must be one"), "{said}");
    assert_eq!(seawall(here, &["vault", "init"], "").0, 0);
    assert_eq!(seawall(here, &["vault", "set", "up"], "sk-0123456789-a-value-nobody-guesses").0, 0);
    let deed =
        Deed { cause: Cause::Lever, by: "ann", reason: "a-reason-to-find", generation: 1, again: None };
    versions(here).keep("version = 1 # the first", "seawall.toml", &deed, SystemTime::UNIX_EPOCH).unwrap();
    versions(here).keep(TEXT, "seawall.toml", &deed, SystemTime::UNIX_EPOCH).unwrap();
    let (code, _, said) = seawall(here, &["config", "backup", "--out", "copy"], "");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 versions") && said.contains("state/vault.key"), "{said}");
    let copy = fs::read_to_string(here.join("copy")).unwrap();
    for never in ["up.example", "a-reason-to-find", "the first", "nobody-guesses"] {
        assert!(!copy.contains(never), "{never}");
    }
    assert_eq!(fs::metadata(here.join("copy")).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, _, said) = seawall(here, &["config", "backup", "--out", "copy"], "");
    assert!(code == 1 && said.contains("is there already"), "{said}");
    assert_eq!(fs::read_to_string(here.join("copy")).unwrap(), copy);

    // Where something is already, nothing is touched.
    let (code, _, said) = seawall(here, &["config", "restore", "copy"], "");
    assert!(
        code == 1 && said.contains("seawall.toml and ./state/vault and ./state/versions is there already"),
        "{said}"
    );
    assert_eq!(seawall(here, &["config", "restore", "copy", "--verify"], "").0, 0);

    let other = tempfile::tempdir().unwrap();
    let there = other.path();
    fs::copy(here.join("copy"), there.join("copy")).unwrap();
    let (code, _, said) = seawall(there, &["config", "restore", "copy"], "");
    assert!(code == 1 && said.contains("is not here: name its file with --key-file"), "{said}");
    assert!(!there.join("seawall.toml").exists() && !there.join("state").exists());
    fs::copy(here.join("state/vault.key"), there.join("key")).unwrap();
    let (code, _, said) = seawall(there, &["config", "restore", "copy", "--key-file", "key"], "");
    assert_eq!(code, 0, "{said}");
    assert_eq!(fs::read_to_string(there.join("seawall.toml")).unwrap(), TEXT);
    for number in [1, 2] {
        assert_eq!(versions(there).read(number), versions(here).read(number));
    }
    let (code, out, said) = seawall(there, &["vault", "list", "--key-file", "key"], "");
    assert!(code == 0 && out.contains("up"), "{out}{said}");
}

#[test]
fn a_copy_that_was_cut_or_changed_or_is_another_keys_is_refused_whole() {
    let home = home();
    let here = home.path();
    assert_eq!(seawall(here, &["vault", "init"], "").0, 0);
    assert_eq!(seawall(here, &["config", "backup", "--out", "copy"], "").0, 0);
    let copy = fs::read_to_string(here.join("copy")).unwrap();
    let token = copy.find("\"rest\"").unwrap() + 60;
    let mut swapped = copy.clone().into_bytes();
    swapped[token] = if swapped[token] == b'A' { b'B' } else { b'A' };
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("half", copy.as_bytes()[..copy.len() / 2].to_vec()),
        ("changed", swapped),
        ("newer", copy.replace("\"seawall_backup\": 1", "\"seawall_backup\": 2").into_bytes()),
        ("other", b"{}".to_vec()),
    ] {
        fs::write(here.join(name), bytes).unwrap();
        let (code, _, said) = seawall(here, &["config", "restore", name, "--verify"], "");
        assert!(code == 1 || code == 2, "{name}: {said}");
        assert!(!said.contains("is whole"), "{name}: {said}");
    }
    let stranger = tempfile::tempdir().unwrap();
    assert_eq!(seawall(stranger.path(), &["vault", "init"], "").0, 0);
    fs::copy(here.join("copy"), stranger.path().join("copy")).unwrap();
    let (code, _, said) =
        seawall(stranger.path(), &["config", "restore", "copy", "--key-file", "seawall-state/vault.key"], "");
    assert!(code == 1 && said.contains("does not open the vault"), "{said}");
    assert!(!stranger.path().join("seawall.toml").exists());
}
