//! What a running seawall writes down: every call under its id and its trace, nothing secret, and on after a reload.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use seawall_e2e::binary::{Seawall, binary, configured_with, serve};
use seawall_e2e::eventually;
use seawall_testkit::client::{self, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::Value;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// The lines of one stream.
fn lines(home: &Path, stream: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(home.join("logs").join(format!("{stream}.jsonl"))).unwrap_or_default();
    // The last may be on its way.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect()
}

async fn line(home: &Path, stream: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    eventually(what, async || lines(home, stream).into_iter().find(|line| fits(line))).await
}

async fn upstream() -> Upstream {
    let script = Script::per_path(|request, _| match request.path() {
        "/bad" => Reply::status(500),
        _ => Reply::ok("ok"),
    });
    Upstream::start(script).await.unwrap()
}

#[tokio::test]
async fn a_call_is_found_by_its_id_and_its_trace_in_every_stream_that_speaks_of_it() {
    let Some(binary) = binary() else { return };
    let up = upstream().await;
    let more = "auth = { bearer = \"file:key\" }\n[logs]\ndirectory = \"./logs\"\nlevel = \"debug\"\nredact = [\"who\"]\n";
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", more);
    std::fs::write(home.path().join("key"), "correct-horse-battery").unwrap();
    let mut seawall = Seawall::start(&binary, &home).await;
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let bad = Request::new("POST", "/up/bad?api_key=hunter2").header("traceparent", parent).body("who=me");
    let answer = client::request(&seawall.url(""), bad).await.unwrap();
    assert_eq!(answer.status, 500);
    let id = answer.header("seawall-call").unwrap().to_owned();
    let of = |line: &Value| line["call"] == id.as_str();
    let ended = line(home.path(), "performance", "the call is written down", of).await;
    for (key, value) in [
        ("msg", "a call ended"),
        ("trace_id", TRACE),
        ("upstream", "up"),
        ("method", "POST"),
        ("path", "/up/bad"),
        ("class", "overloaded"),
    ] {
        assert_eq!(ended[key], value, "{ended}");
    }
    assert!(ended["head_ms"].as_f64().is_some_and(|took| took > 0.0) && ended["status"] == 500, "{ended}");
    let attempt =
        line(home.path(), "app", "the attempt is", |line| of(line) && line["level"] == "debug").await;
    assert_eq!(
        (&attempt["msg"], &attempt["attempt"], &attempt["trace_id"]),
        (&Value::from("an attempt ended"), &Value::from(1), &Value::from(TRACE))
    );
    let grouped = line(home.path(), "errors", "the error is grouped", of).await;
    assert_eq!((&grouped["cause"], &grouped["count"]), (&Value::from("overloaded at up"), &Value::from(1)));

    // Without a trace of the caller's own, the call's id is the trace.
    let answer = client::get(&seawall.url("/up/x")).await.unwrap();
    let id = answer.header("seawall-call").unwrap().to_owned();
    let ended = line(home.path(), "performance", "so is this one", |line| line["call"] == id.as_str()).await;
    assert_eq!(ended["trace_id"], id.replace('-', ""));

    // A lever is a line of the audit's stream.
    let admin = format!("http://{}", seawall.admin);
    let pull = ["breakers", "force-open", "up", "--by", "ann", "--reason", "maintenance", "--admin", &admin];
    let pulled = tokio::process::Command::new(&binary).args(pull).output().await.unwrap();
    assert!(pulled.status.success(), "{pulled:?}");
    let lever = line(home.path(), "audit", "the lever is", |line| line["action"] == "force-open").await;
    assert_eq!((&lever["by"], &lever["reason"]), (&Value::from("ann"), &Value::from("maintenance")));

    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
    for entry in std::fs::read_dir(home.path().join("logs")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("correct-horse"), "{}", path.display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_reload_keeps_writing_opens_moved_files_anew_and_takes_other_options() {
    let Some(binary) = binary() else { return };
    let up = upstream().await;
    let logs = "[logs]\ndirectory = \"./logs\"\n";
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", logs);
    let mut seawall = Seawall::start(&binary, &home).await;
    let call = async |seawall: &Seawall| {
        let answer = client::get(&seawall.url("/up/x")).await.unwrap();
        answer.header("seawall-call").unwrap().to_owned()
    };
    let written = async |id: String| {
        line(home.path(), "performance", "it is written down", |line| line["call"] == id.as_str()).await
    };
    let first = call(&seawall).await;
    let run = written(first.clone()).await["run"].clone();
    let file = home.path().join("logs/performance.jsonl");
    std::fs::rename(&file, home.path().join("moved.jsonl")).unwrap();
    seawall.signal("-HUP").await;
    seawall.said("generation 2 is in force").await;
    let second = call(&seawall).await;
    assert_eq!(written(second).await["run"], run, "the same log goes on");
    assert!(lines(home.path(), "performance").iter().all(|line| line["call"] != first.as_str()));

    // Only errors from now on, and no file of the others grows.
    let path = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}streams = [\"errors\"]\n")).unwrap();
    seawall.said("generation 3 is in force").await;
    let before = lines(home.path(), "performance").len();
    call(&seawall).await;
    client::post_json(&seawall.url("/up/bad"), serde_json::json!({})).await.unwrap();
    line(home.path(), "errors", "errors are written", |line| line["cause"] == "overloaded at up").await;
    assert_eq!(lines(home.path(), "performance").len(), before);

    // A directory that cannot be is refused, and what was in force stays so.
    let broken = text.replace("./logs", "./seawall.toml/logs");
    std::fs::write(&path, broken).unwrap();
    seawall.said("no log can be written in ./seawall.toml/logs").await;
    seawall.said("the configuration before stays in force").await;
    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
}

#[tokio::test]
async fn without_a_directory_events_are_lines_of_json_on_stderr() {
    let Some(binary) = binary() else { return };
    let up = upstream().await;
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", "[logs]\n");
    let mut seawall = Seawall::begin(serve(&binary, &home)).await;
    client::get(&seawall.url("/up/x")).await.unwrap();
    let rest = seawall.said("\"msg\":\"a call ended\"").await;
    assert!(rest.contains("\"upstream\":\"up\"") && rest.ends_with('}'), "{rest}");
    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
}
