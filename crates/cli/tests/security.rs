//! `seawall audit security` as an operator and a script see it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn run(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    command.args(arguments).current_dir(home).env_clear().envs(variables.iter().copied());
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn report(home: &Path, more: &[&str]) -> Value {
    let (code, out, err) = run(home, &[&["audit", "security", "--json"], more].concat(), &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    serde_json::from_str(&out).unwrap()
}

fn check<'r>(report: &'r Value, id: &str) -> &'r Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["id"] == id).unwrap()
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn a_first_configuration_is_judged_and_each_lost_point_has_its_fix() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    assert_eq!(run(home, &["init"], &[]).0, Some(0));
    let report = report(home, &[]);
    let sum = |key: &str| -> u64 {
        let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["absent"].is_null());
        checks.map(|check| check[key].as_u64().unwrap()).sum()
    };
    assert_eq!((report["points"].as_u64(), report["max"].as_u64()), (Some(sum("points")), Some(sum("max"))));
    assert_eq!(report["score"].as_u64(), Some(sum("points") * 100 / sum("max")), "nothing critical is wrong");
    for id in ["network.callers", "network.operators", "network.upstreams", "configuration.valid"] {
        assert_eq!(check(&report, id)["points"], check(&report, id)["max"], "{id}");
    }
    assert_eq!(check(&report, "files.vault")["absent"], "there is no vault");
    for lost in
        report["checks"].as_array().unwrap().iter().flat_map(|check| check["losses"].as_array().unwrap())
    {
        assert!(
            !lost["what"].as_str().unwrap().is_empty() && !lost["fix"].as_str().unwrap().is_empty(),
            "{lost}"
        );
    }
    let (code, out, _) = run(home, &["audit", "security"], &[("DEPLOY_TOKEN", "canary")]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains(" of 100: ")
            && out.contains("-4 environment.variables: every child process sees DEPLOY_TOKEN\n"),
        "{out}"
    );
    assert!(!out.contains("canary"));
}

/// Every check of a page: its id, what it is for, and what it is worth or why it does not apply.
fn rows(page: &str) -> Vec<(String, String, String)> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        let worth = cells[2].rsplit_once(" of ").map_or(cells[2], |(_, max)| max);
        (cells[0].trim_matches('`').to_owned(), cells[1].to_owned(), worth.to_owned())
    })
    .collect()
}

#[test]
fn the_page_of_the_first_configuration_has_every_check_there_is_with_what_it_is_worth() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    assert_eq!(run(home, &["init"], &[]).0, Some(0));
    let report = report(home, &[]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let made = report["checks"].as_array().unwrap().iter().map(|check| {
        let worth = check["absent"].as_str().map_or(check["max"].to_string(), |why| format!("– ({why})"));
        (text(&check["id"]), text(&check["title"]), worth)
    });
    let made: Vec<_> = made.collect();
    let page = include_str!("../../../docs/audit-default.md");
    let said = rows(page);
    for row in &made {
        // What the system does not say in one place it may say in another.
        let unknown = |worth: &str| row.0.starts_with("environment.") && worth.starts_with('–');
        let page_knows = said.iter().all(|(id, _, worth)| *id != row.0 || !unknown(worth));
        assert!(
            unknown(&row.2) || !page_knows || said.contains(row),
            "docs/audit-default.md lacks {row:?}: make it anew as it says"
        );
    }
    for (id, ..) in &said {
        assert!(
            made.iter().any(|(own, ..)| own == id),
            "docs/audit-default.md has {id}, and no check is called that"
        );
    }
    let critical = report["checks"].as_array().unwrap().iter().filter(|check| check["critical"] == true);
    for check in critical.filter(|check| check["absent"].is_null()) {
        assert_eq!(check["points"], check["max"], "the first configuration has no critical fault: {check}");
    }
}

#[test]
fn a_critical_fault_holds_the_score_down_and_putting_it_right_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    std::fs::write(home.join("key"), "7Qm2xVb9Lw4TzR1nKc8YpD3fGh6JsE5a").unwrap();
    mode(&home.join("key"), 0o644);
    let text = "[upstream.a]\nurl = 'http://a.example'\nauth = { bearer = 'file:key' }\n";
    std::fs::write(home.join("seawall.toml"), text).unwrap();
    mode(&home.join("seawall.toml"), 0o666);
    let before = report(home, &["--keep"]);
    assert!(before["score"].as_u64().unwrap() <= 49, "{before}");
    let what = |id: &str| check(&before, id)["losses"][0]["what"].as_str().unwrap().to_owned();
    assert!(
        what("files.configuration").contains("can be written by others, who then are operators (mode 0666)")
    );
    assert!(what("files.secrets").contains("key can be read or written by others (mode 0644)"));
    assert_eq!(what("network.upstreams"), "the credential of a can be read on the way");
    assert_eq!(
        what("configuration.secrets"),
        "the secret of upstream.a.auth.bearer is in a file in the clear"
    );
    let (code, _, err) = run(home, &["audit", "security", "--min", "80"], &[]);
    assert_eq!(code, Some(1));
    assert!(err.ends_with("and 80 was asked for\n"), "{err}");

    // As the fixes say.
    mode(&home.join("seawall.toml"), 0o600);
    assert_eq!(run(home, &["vault", "init"], &[]).0, Some(0));
    let value = std::fs::File::open(home.join("key")).unwrap();
    let mut set = Command::new(env!("CARGO_BIN_EXE_seawall"));
    assert!(
        set.args(["vault", "set", "a"])
            .current_dir(home)
            .env_clear()
            .stdin(value)
            .status()
            .unwrap()
            .success()
    );
    std::fs::remove_file(home.join("key")).unwrap();
    std::fs::write(home.join("seawall.toml"), text.replace("http:", "https:").replace("file:key", "vault:a"))
        .unwrap();
    let after = report(home, &["--keep", "--html", "report.html"]);
    assert!(after["score"].as_u64() > Some(49) && after["before"] == before["score"], "{after}");
    let better: Vec<&str> =
        after["better"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    for id in ["configuration.secrets", "files.configuration", "files.secrets", "network.upstreams"] {
        assert!(better.contains(&id), "{better:?}");
    }
    assert_eq!(check(&after, "files.key")["losses"][0]["points"], 4, "the key lies beside the vault");
    assert_eq!(after["history"].as_array().unwrap().len(), 2);
    let page = std::fs::read_to_string(home.join("report.html")).unwrap();
    assert!(page.contains(&format!("<b>{}</b> of 100", after["score"])) && page.contains("<svg"), "{page}");
    let kept = home.join("seawall-state/security.jsonl").metadata().unwrap();
    assert_eq!(kept.permissions().mode() & 0o7777, 0o600);
}

#[test]
fn nothing_at_all_and_a_broken_configuration_are_judged_too() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let nothing = report(home, &[]);
    assert_eq!(check(&nothing, "network.callers")["absent"], "there is no configuration");
    std::fs::write(home.join("seawall.toml"), "listen = '0.0.0.0:7070'\n").unwrap();
    let broken = report(home, &[]);
    assert!(broken["score"].as_u64().unwrap() <= 49);
    let lost = &check(&broken, "configuration.valid")["losses"][0];
    assert!(lost["what"].as_str().unwrap().contains("seawall.toml:1:10: listen: SW0028"), "{lost}");
}
