//! What lies under `deploy/` says what the program does: metrics that exist, rules that fire, files their readers accept.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use seawall_signals::metrics::{Kind, names};
use serde_json::Value;

/// Published names of parts that may not count yet.
const LATER: [&str; 5] = [
    "seawall_alerts_active",
    "seawall_budget_spent_ratio",
    "seawall_effect_replays_total",
    "seawall_effects_in_doubt",
    "seawall_effects_total",
];

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(deploy(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Every name a query may speak of.
fn known() -> BTreeSet<String> {
    let mut known: BTreeSet<String> = LATER.iter().map(|name| (*name).to_owned()).collect();
    for family in names::ALL {
        match family.kind {
            Kind::Histogram => {
                known.extend(["", "_bucket", "_sum", "_count"].map(|part| format!("{}{part}", family.name)));
            }
            _ => {
                known.insert(family.name.to_owned());
            }
        }
    }
    known
}

/// The names of metrics in a text.
fn spoken_of(text: &str) -> BTreeSet<String> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(|c| !of_name(c)).filter(|word| word.starts_with("seawall_")).map(str::to_owned).collect()
}

/// The queries of the board.
fn queries() -> Vec<String> {
    let board: Value = serde_json::from_str(&read("grafana/seawall.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let told = board["annotations"]["list"].as_array().unwrap().iter().cloned();
    let mut queries: Vec<String> =
        targets.chain(told).map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    for variable in board["templating"]["list"].as_array().unwrap() {
        if let Some(asked) = variable["definition"].as_str() {
            let inside = asked.trim_start_matches("label_values(").trim_end_matches(')');
            queries.push(inside.split(',').next().unwrap().to_owned());
        }
    }
    queries
}

/// Runs a tool, or says that it is not there. One named by the variable must be.
fn run(tool: &str, variable: &str, arguments: &[&str]) -> Option<String> {
    let named = std::env::var(variable).ok();
    match Command::new(named.as_deref().unwrap_or(tool)).args(arguments).output() {
        Ok(output) => {
            let said = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(output.status.success(), "{tool} {arguments:?}: {said}");
            Some(said)
        }
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("SKIPPED: {tool} is not installed; name it in {variable}");
            None
        }
        Err(error) => panic!("{tool} cannot be started: {error}"),
    }
}

#[test]
fn rules_and_board_speak_only_of_metrics_that_there_are() {
    let known = known();
    for file in ["prometheus/seawall.rules.yml", "prometheus/seawall.test.yml", "grafana/seawall.json"] {
        let unknown: Vec<String> = spoken_of(&read(file)).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{file} speaks of {unknown:?}");
    }
}

#[test]
fn the_board_is_whole_and_every_query_of_it_can_be_read() {
    let board: Value = serde_json::from_str(&read("grafana/seawall.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one number");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{panel}");
        assert!(!panel["description"].as_str().unwrap_or_default().is_empty(), "{panel}");
    }
    let queries = queries();
    assert!(queries.len() > 20, "{}", queries.len());
    let rules: String = queries
        .iter()
        .enumerate()
        .map(|(n, query)| {
            let query =
                query.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$upstream", ".*");
            format!("      - record: board:{n}\n        expr: {}\n", serde_json::to_string(&query).unwrap())
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("board.yml");
    fs::write(&file, format!("groups:\n  - name: board\n    rules:\n{rules}")).unwrap();
    run("promtool", "SEAWALL_E2E_PROMTOOL", &["check", "rules", file.to_str().unwrap()]);
}

#[test]
fn promtool_accepts_the_rules_and_each_alert_fires_when_it_should() {
    let rules = deploy("prometheus/seawall.rules.yml");
    run("promtool", "SEAWALL_E2E_PROMTOOL", &["check", "rules", "--lint-fatal", rules.to_str().unwrap()]);
    let config = deploy("prometheus/prometheus.yml");
    run("promtool", "SEAWALL_E2E_PROMTOOL", &["check", "config", config.to_str().unwrap()]);
    let tests = deploy("prometheus/seawall.test.yml");
    run("promtool", "SEAWALL_E2E_PROMTOOL", &["test", "rules", tests.to_str().unwrap()]);
    let told: BTreeSet<String> = read("prometheus/seawall.rules.yml")
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix("- alert: ")?.to_owned()))
        .collect();
    // It compares versions over half an hour, which no test waits for.
    let untested: Vec<&String> = told
        .iter()
        .filter(|alert| !read("prometheus/seawall.test.yml").contains(alert.as_str()))
        .filter(|alert| *alert != "SeawallConfigurationsDiffer")
        .collect();
    assert!(untested.is_empty(), "{untested:?} are never seen firing");
}

#[test]
fn amtool_accepts_the_routes_and_they_know_the_alerts() {
    let config = deploy("alertmanager/alertmanager.yml");
    run("amtool", "SEAWALL_E2E_AMTOOL", &["check-config", config.to_str().unwrap()]);
    let rules = read("prometheus/seawall.rules.yml");
    let named = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.starts_with("Seawall") && word.len() > 7)
            .map(str::to_owned)
            .collect()
    };
    let unknown: Vec<String> =
        named(&read("alertmanager/alertmanager.yml")).difference(&named(&rules)).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?} is no alert");
}

#[test]
fn systemd_accepts_the_unit() {
    let unit = read("seawall.service");
    // The program is not installed where this is tested, so that another stands in its place.
    let unit = unit.replace("/usr/local/bin/seawall", "/bin/true");
    let folder = tempfile::tempdir().unwrap();
    let (file, socket) = (folder.path().join("seawall.service"), folder.path().join("seawall.socket"));
    fs::write(&file, &unit).unwrap();
    fs::write(&socket, read("seawall.socket")).unwrap();
    let said = run(
        "systemd-analyze",
        "SEAWALL_E2E_SYSTEMD_ANALYZE",
        &["verify", "--man=no", file.to_str().unwrap(), socket.to_str().unwrap()],
    );
    let about_it = said.unwrap_or_default().lines().filter(|line| line.contains("seawall")).count();
    assert_eq!(about_it, 0, "it has nothing to say");
    for line in
        ["Type=notify", "NotifyAccess=main", "WatchdogSec=", "StateDirectory=seawall", "NoNewPrivileges=yes"]
    {
        assert!(unit.contains(line), "{line}");
    }
}

#[test]
fn the_image_is_built_from_stages_that_are_named_and_runs_as_nobody() {
    let file = read("Dockerfile");
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    let stages: Vec<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("FROM ")?.split(" AS ").nth(1)).collect();
    for line in lines.iter().filter(|line| line.starts_with("COPY --from=")) {
        assert!(stages.iter().any(|stage| line.contains(&format!("--from={stage} "))), "{line}");
    }
    let last = lines.iter().rfind(|line| line.starts_with("FROM ")).unwrap();
    assert!(last.contains(":nonroot") && !file.contains("USER root"), "{last}");
    let version = fs::read_to_string(deploy("../Cargo.toml")).unwrap();
    let needed =
        version.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(
        file.contains(&format!("FROM rust:{needed}-")),
        "the image builds with another compiler than {needed}"
    );
}
