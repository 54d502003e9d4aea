//! The audit trail that a real `seawall serve` leaves behind, and what scripts can ask of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use seawall_core::audit::{Audit as _, Entry};
use seawall_core::clock::SystemClock;
use seawall_signals::audit::{Options, Trail};
use serde_json::Value;

fn seawall(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    command.args(arguments).current_dir(directory).env_clear();
    command
}

fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = seawall(directory, arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

/// A trail of two entries in the state directory that `seawall` looks for by itself.
fn two_entries(home: &Path) -> PathBuf {
    let directory = home.join("seawall-state/audit");
    let trail = Trail::open(&directory, Options::default(), std::sync::Arc::new(SystemClock), None).unwrap();
    trail.note(Entry::closed("lever.force-open", "openai").by("ann").because("maintenance")).unwrap();
    trail.note(Entry::closed("lever.reset", "openai").by("bob").because("done")).unwrap();
    directory
}

#[test]
fn verify_exits_with_0_when_sound_1_when_broken_and_2_when_there_is_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = run(home.path(), &["audit", "verify"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.starts_with("seawall: ./seawall-state: "), "{err}");

    let directory = two_entries(home.path());
    let (code, out, err) = run(home.path(), &["audit", "verify"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("./seawall-state/audit: sound\n2 entries in 1 files, 1 at 2"), "{out}");
    let (code, out, _) = run(home.path(), &["audit", "verify", directory.to_str().unwrap(), "--json"]);
    let report = json(&out);
    assert_eq!((code, &report["entries"], &report["last"]["seq"]), (Some(0), &2.into(), &2.into()));

    let file = directory.join("audit-000000000001.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("maintenance", "mischief   ")).unwrap();
    let garbage = home.path().join("garbage");
    std::fs::write(&garbage, "no entry\n".repeat(5000)).unwrap();
    let (code, out, _) = run(home.path(), &["audit", "verify", garbage.to_str().unwrap()]);
    assert_eq!((code, out.lines().count()), (Some(1), 22), "what is wrong fits on a screen");
    assert!(out.contains(": broken: 5000 problems\n") && out.contains("\nand 4980 more"), "{out}");
    for arguments in [&["audit", "verify"][..], &["audit", "verify", "--json"], &["audit", "export"]] {
        let (code, _, err) = run(home.path(), arguments);
        assert_eq!(code, Some(1), "{arguments:?}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.contains("audit-000000000001.jsonl:1: it was changed"), "{err}");
    }
    let (code, out, _) = run(home.path(), &["audit", "verify", file.to_str().unwrap(), "--json"]);
    assert_eq!((code, json(&out)["problems"][0]["line"].as_u64()), (Some(1), Some(1)));
}

#[test]
fn export_writes_every_entry_for_people_or_as_one_json_value() {
    let home = tempfile::tempdir().unwrap();
    two_entries(home.path());
    let (code, out, err) = run(home.path(), &["audit", "export"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with("Z  1  lever.force-open  openai  by ann: maintenance"), "{out}");
    let (code, out, _) = run(home.path(), &["audit", "export", "--json"]);
    let audit = &json(&out)["audit"];
    assert_eq!((code, audit.as_array().unwrap().len()), (Some(0), 2));
    assert_eq!(audit[1]["prev"], audit[0]["hash"]);
}

/// A `seawall serve` with its admin port.
struct Served(Child, String);

impl Served {
    fn start(home: &Path) -> Self {
        let config =
            "listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n[upstream.up]\nurl = 'http://127.0.0.1:9'\n";
        std::fs::write(home.join("seawall.toml"), config).unwrap();
        let mut child = seawall(home, &["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let admin = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| {
                let (_, rest) = line.split_once("admin at ")?;
                Some(rest.split_whitespace().next()?.trim_end_matches('/').to_owned())
            })
            .expect("it says where its admin port is");
        std::thread::spawn(move || lines.count());
        Self(child, admin)
    }

    fn lever(&self, home: &Path, lever: &str) -> Option<i32> {
        let arguments = ["breakers", lever, "up", "--by", "ann", "--reason", "a test", "--admin", &self.1];
        run(home, &arguments).0
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of Python in the documentation.
fn published_python() -> String {
    let page = include_str!("../../../docs/audit.md");
    let (_, rest) = page.split_once("```python\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn a_killed_serve_leaves_a_trail_that_is_sound_by_its_own_word_and_by_python() {
    let home = tempfile::tempdir().unwrap();
    for (lever, entries) in [("force-open", 1), ("reset", 2)] {
        let served = Served::start(home.path());
        assert_eq!(served.lever(home.path(), lever), Some(0));
        // Beside the running one, and after it was killed.
        assert_eq!(run(home.path(), &["audit", "verify"]).0, Some(0));
        drop(served);
        let (code, out, err) = run(home.path(), &["audit", "verify", "--json"]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert_eq!(json(&out)["entries"], entries);
    }
    let directory = home.path().join("seawall-state/audit");
    let python = Command::new("python3").arg("-c").arg(published_python()).arg(&directory).output();
    match python {
        Ok(said) => {
            let text = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
            assert!(text.starts_with("2 ") && text.ends_with(" True\n"), "{text}");
        }
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: python3 cannot be started ({error}): install it");
        }
        Err(error) => panic!("python3 cannot be started: {error}"),
    }
}

/// What `audit scan` says of these lines.
fn scan(arguments: &[&str], lines: &[u8]) -> (Option<i32>, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = seawall(home.path(), &[&["audit", "scan"], arguments].concat());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // One that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(lines);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn scan_says_of_every_line_whether_it_is_an_attack() {
    let lines = b"alice\n' OR '1'='1\n<script>alert(1)</script>\n..%2f..%2fetc%2fpasswd\n; cat /etc/passwd\n";
    let (code, out) = scan(&["--stdin", "--json"], lines);
    assert_eq!(code, Some(0));
    let all = json(&out);
    let attack = |line: usize| (all[line]["attack"].as_bool().unwrap(), all[line]["categories"].clone());
    assert_eq!(all.as_array().unwrap().len(), 5);
    assert_eq!(attack(0), (false, serde_json::json!([])));
    for (line, category) in [(1, "sql"), (2, "xss"), (3, "traversal"), (4, "command")] {
        assert!(attack(line).0 && attack(line).1.as_array().unwrap().contains(&category.into()), "{out}");
        assert!(!all[line]["rules"].as_array().unwrap().is_empty());
    }
    let (code, out) = scan(&["--stdin"], lines);
    assert_eq!((code, out.lines().last()), (Some(0), Some("4 of 5 lines look like attacks")));
    assert_eq!(scan(&["--stdin", "--fail"], lines).0, Some(1));
    assert_eq!(scan(&["--stdin", "--fail"], b"alice\n").0, Some(0));
    assert_eq!(scan(&["--stdin", "--threshold", "0"], lines).0, Some(2));
    assert_eq!(scan(&["--json"], lines).0, Some(2));
}
