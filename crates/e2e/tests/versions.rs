//! What was in force before: kept with who and why, compared, and gone back to, by whoever serves and where nobody does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use seawall_e2e::binary::{Seawall, binary, configured};
use seawall_e2e::eventually;
use seawall_testkit::client::{self, Answer, Request};
use seawall_testkit::{Reply, Upstream};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A seawall that runs, and the directory it runs in.
struct Stage {
    binary: PathBuf,
    home: TempDir,
    up: Upstream,
}

impl Stage {
    async fn new() -> Option<Self> {
        let binary = binary()?;
        let up = Upstream::start(Reply::ok("ok")).await.unwrap();
        let home = configured(&up.url(), "127.0.0.1:0");
        Some(Self { binary, home, up })
    }

    async fn start(&self) -> Seawall {
        Seawall::start(&self.binary, &self.home).await
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("seawall.toml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// The text with something more in it.
    fn with(&self, more: &str) -> String {
        format!(
            "version = 1\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nstate = \"./state\"\n\n[upstream.up]\nurl = \"{}\"\n{more}",
            self.up.url()
        )
    }

    fn write(&self, text: &str) {
        let beside = self.home.path().join("seawall.toml.new");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.file()).unwrap();
    }

    /// What a command says: its exit code, stdout and stderr.
    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = std::process::Command::new(&self.binary);
        let ran = command.args(words).current_dir(self.home.path()).env_clear().output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
    }
}

async fn config(seawall: &Seawall) -> Value {
    client::get(&format!("http://{}/api/v1/config", seawall.admin)).await.unwrap().json().unwrap()
}

/// Waits until it is in force, and kept.
async fn generation(seawall: &Seawall, wanted: u64) {
    eventually("it is in force", async || {
        let config = config(seawall).await;
        let known = config["versions"].as_array()?.iter().find(|one| one["state"] == "in-force")?;
        (config["generation"] == wanted && known["generation"] == wanted).then_some(())
    })
    .await;
}

async fn post(seawall: &Seawall, lever: &str, body: Value) -> Answer {
    client::post_json(&format!("http://{}/api/v1/config/{lever}", seawall.admin), body).await.unwrap()
}

/// Number, cause, by, reason and state of each.
fn told(config: &Value) -> Vec<String> {
    let versions = config["versions"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    versions
        .map(|one| {
            let words = ["name", "cause", "by", "reason", "state"].map(|key| text(&one[key]));
            words.join("|")
        })
        .collect()
}

const TWO: &str = "[upstream.two]\nurl = \"http://127.0.0.1:9\"\nauth = { bearer = \"env:SECRET_OF_TWO\" }\n";
const THREE: &str = "[upstream.three]\nurl = \"http://127.0.0.1:9\"\n";

#[tokio::test]
async fn whatever_was_in_force_is_kept_with_when_who_and_why_and_a_start_that_changes_nothing_adds_nothing() {
    let Some(stage) = Stage::new().await else { return };
    let mut seawall = stage.start().await;
    assert_eq!(told(&config(&seawall).await), ["1|start|||in-force"]);
    stage.write(&stage.with(THREE));
    generation(&seawall, 2).await;
    stage.write(&stage.with("retry = { attempts = 2 }\n"));
    let read = post(&seawall, "reload", json!({ "by": "ann", "reason": "two are enough" })).await;
    assert_eq!(read.json().unwrap()["version"], 3, "{}", read.text());
    seawall.signal("-HUP").await;
    seawall.said("is in force (SIGHUP)").await;
    let all = config(&seawall).await;
    let third = told(&all)[0].clone();
    // The file watch may have been faster than the lever.
    assert!(
        ["3|lever|ann|two are enough|in-force", "3|file|||in-force"].contains(&third.as_str()),
        "{third}"
    );
    assert_eq!(
        told(&all)[1..],
        ["2|file|||kept", "1|start|||kept"],
        "a signal that changed nothing kept nothing"
    );
    assert_eq!(all["versions"][0]["sha256"].as_str().unwrap().len(), 64);
    let directory = stage.home.path().join("state/versions");
    for entry in fs::read_dir(&directory).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
    }
    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
    let seawall = stage.start().await;
    assert_eq!(told(&config(&seawall).await)[0], third, "what the file says is what was kept last");

    let (code, out, _) = stage.run(&["config", "versions", "--json"]);
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, listed["versions"].as_array().unwrap().len()), (0, 3));
    let (_, out, _) = stage.run(&["config", "versions"]);
    assert!(out.lines().count() == 4 && out.contains("the program started"), "{out}");
    assert_eq!(stage.run(&["config", "versions", "2"]).1, stage.with(THREE));
    let (code, _, said) = stage.run(&["config", "versions", "9"]);
    assert!(code == 1 && said.contains("there is no version 9: there are 1 to 3"), "{said}");
}

#[tokio::test]
async fn a_rollback_is_in_force_in_the_file_in_the_trail_and_after_a_restart() {
    let Some(stage) = Stage::new().await else { return };
    let mut seawall = stage.start().await;
    stage.write(&stage.with(THREE));
    generation(&seawall, 2).await;
    let back = ["config", "rollback", "1", "--by", "ann", "--reason", "three is down", "--admin"];
    let (code, _, said) = stage.run(&[&back[..], &[&seawall.admin]].concat());
    assert!(code == 0 && said.contains("configuration 3 is in force"), "{said}");
    assert!(said.contains("upstream.three: removed"), "{said}");
    assert_eq!(stage.text(), stage.with(""), "in the file too");
    let rolled = "3|rollback|ann|three is down|in-force";
    assert_eq!(told(&config(&seawall).await)[0], rolled);
    let audit = client::get(&format!("http://{}/api/v1/audit", seawall.admin)).await.unwrap().text();
    assert!(audit.contains("lever.rollback") && audit.contains("config.in-force"), "{audit}");
    let unsound = post(&seawall, "rollback", json!({ "by": "ann", "reason": "x", "to": 9 })).await;
    assert_eq!(unsound.status, 404, "{}", unsound.text());
    assert_eq!(post(&seawall, "rollback", json!(["ann", "x", 1])).await.status, 400);
    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
    let seawall = stage.start().await;
    assert_eq!(told(&config(&seawall).await)[0], rolled, "a restart does not undo it");
}

#[tokio::test]
async fn what_nobody_had_kept_is_put_aside_before_it_is_written_over() {
    let Some(stage) = Stage::new().await else { return };
    let seawall = stage.start().await;
    stage.write(&stage.with(THREE));
    generation(&seawall, 2).await;
    stage.write("this is = no configuration [\n");
    let back = post(&seawall, "rollback", json!({ "by": "ann", "reason": "quick", "to": 1 })).await;
    assert_eq!(back.status, 200, "{}", back.text());
    let replaced = fs::read_to_string(stage.home.path().join("seawall.toml.replaced")).unwrap();
    assert_eq!((replaced.as_str(), stage.text()), ("this is = no configuration [\n", stage.with("")));
}

#[tokio::test]
async fn where_the_file_cannot_be_written_it_is_in_force_all_the_same_and_that_is_said() {
    let Some(stage) = Stage::new().await else { return };
    let folder = stage.home.path().join("conf");
    fs::create_dir(&folder).unwrap();
    fs::rename(stage.file(), folder.join("seawall.toml")).unwrap();
    let mut moved = tokio::process::Command::new(&stage.binary);
    moved.args(["serve", "-c", "conf/seawall.toml"]).current_dir(stage.home.path()).env_clear();
    moved.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    moved.stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let seawall = Seawall::begin(moved).await;
    let beside = folder.join("new");
    fs::write(&beside, stage.with(THREE)).unwrap();
    fs::rename(beside, folder.join("seawall.toml")).unwrap();
    generation(&seawall, 2).await;
    // Its place is gone: not even root can write there.
    fs::remove_dir_all(&folder).unwrap();
    let back = post(&seawall, "rollback", json!({ "by": "ann", "reason": "three is down", "to": 1 })).await;
    let told_back = back.json().unwrap();
    assert_eq!((back.status, told_back["generation"].clone()), (200, json!(3)), "{}", back.text());
    assert!(!told_back["warning"].as_str().unwrap().is_empty());
    assert!(!config(&seawall).await["warning"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn where_nobody_serves_the_file_goes_back_by_itself() {
    let Some(stage) = Stage::new().await else { return };
    let mut seawall = stage.start().await;
    stage.write(&stage.with(THREE));
    generation(&seawall, 2).await;
    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
    let (code, _, said) = stage.run(&["config", "rollback", "1", "--by", "ann", "--reason", "over"]);
    assert!(code == 0 && said.contains("no seawall runs here"), "{said}");
    assert_eq!(stage.text(), stage.with(""));
    stage.write(&stage.with(TWO));
    let (code, out, said) = stage.run(&["config", "diff"]);
    assert!(code == 0 && out.contains("upstream.two: added"), "{out}{said}");
    assert!(!out.contains("SECRET_OF_TWO"), "{out}");
    let (code, _, said) = stage.run(&["config", "rollback", "1", "--by", " ", "--reason", "over"]);
    assert!(code == 2 && said.contains("--by and --reason"), "{said}");
}

#[tokio::test]
async fn the_first_screen_says_who_put_it_into_force_and_leads_to_a_form_that_goes_back() {
    let Some(stage) = Stage::new().await else { return };
    let seawall = stage.start().await;
    stage.write(&stage.with(THREE));
    generation(&seawall, 2).await;
    let page =
        async |path: &str| client::get(&format!("http://{}{path}", seawall.admin)).await.unwrap().text();
    let first = page("/").await;
    assert!(first.contains("Configuration 2") && first.contains("the file changed"), "{first}");
    assert!(first.contains("<a class=\"steer\" href=\"/config\">Roll back…</a>"), "{first}");
    let form = page("/config").await;
    let (_, rest) = form.split_once("name=\"token\" value=\"").unwrap();
    let token = rest.split('"').next().unwrap().to_owned();
    let send = async |fields: String| {
        let request = Request::post("")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", format!("http://{}", seawall.admin))
            .body(fields);
        client::request(&format!("http://{}/config", seawall.admin), request).await.unwrap()
    };
    assert_eq!(send("choice=1&by=ann&reason=x".into()).await.status, 403, "a form of somebody else's");
    let unsigned = send(format!("token={token}&choice=1&by=ann&reason=")).await;
    assert_eq!(unsigned.status, 400);
    assert!(unsigned.text().contains("SW0023"), "{}", unsigned.text());
    assert_eq!(config(&seawall).await["generation"], 2);
    let done = send(format!("token={token}&choice=1&by=ann&reason=three%20is%20down")).await;
    assert_eq!(done.status, 303, "{}", done.text());
    let after = page(done.header("location").unwrap()).await;
    assert!(after.contains("Rolled back to 1: configuration 3, by ann: three is down"), "{after}");
    assert!(after.contains("Version 3, in force") && after.contains("rolled back to 1 by ann"), "{after}");
    assert_eq!(stage.text(), stage.with(""));
}
