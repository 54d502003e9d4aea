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
    let first = stage.text();
    stage.write(&stage.with(THREE));
    generation(&seawall, 2).await;
    let signed = |to: Value| json!({ "by": "ann", "reason": "three is down", "to": to });
    for (body, status, code, words) in [
        (json!({ "to": 1 }), 400, "SW0023", "by"),
        (json!({ "by": "ann", "reason": "x" }), 400, "SW0015", "to"),
        (signed(json!("first")), 400, "SW0015", "to"),
        (signed(json!(7)), 404, "SW0030", "there is no version 7: there are 1 to 2"),
        (signed(json!(2)), 422, "SW0026", "version 2 says what is in force already"),
        (json!({ "by": "ann", "reason": "x", "to": 1, "sha256": "00" }), 422, "SW0026", "another instance"),
    ] {
        let refused = post(&seawall, "rollback", body.clone()).await;
        let problem = refused.json().unwrap();
        assert_eq!((refused.status, problem["code"].as_str().unwrap()), (status, code), "{body} {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    assert_eq!(config(&seawall).await["generation"], 2);
    let url = format!("http://{}", seawall.admin);
    let (code, _, said) =
        stage.run(&["config", "rollback", "1", "--by", "ann", "--reason", "three is down", "--admin", &url]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("upstream.three: removed") && said.contains("generation 3 is in force"), "{said}");
    assert_eq!(stage.text(), first, "the file says so too");
    let all = config(&seawall).await;
    assert_eq!(told(&all)[0], "3|rollback|ann|three is down|in-force");
    assert_eq!(
        (&all["generation"], &all["versions"][0]["again"], &all["warning"]),
        (&json!(3), &json!(1), &Value::Null)
    );
    assert_eq!(client::get(&seawall.url("/three/x")).await.unwrap().status, 404);
    assert_eq!(client::get(&seawall.url("/up/x")).await.unwrap().status, 200);
    let audit = client::get(&format!("{url}/api/v1/audit")).await.unwrap().json().unwrap();
    let entries = audit["audit"].as_array().unwrap();
    let found = |kind: &str| entries.iter().find(|entry| entry["kind"] == kind).unwrap();
    assert_eq!(found("lever.rollback")["by"], "ann");
    let in_force = found("config.in-force");
    assert_eq!(
        (in_force["by"].as_str(), &in_force["data"]["version"]),
        (Some("ann"), &json!(3)),
        "{in_force}"
    );
    assert!(in_force["data"]["told"].as_str().unwrap().contains("upstream.three: removed"), "{in_force}");

    // What we wrote is no change to take up, now or after a restart.
    seawall.signal("-TERM").await;
    seawall.ended().await;
    let seawall = stage.start().await;
    assert_eq!(told(&config(&seawall).await)[0], "3|rollback|ann|three is down|in-force");
    assert_eq!(client::get(&seawall.url("/three/x")).await.unwrap().status, 404);
}

#[tokio::test]
async fn what_nobody_had_kept_is_put_aside_before_it_is_written_over() {
    let Some(stage) = Stage::new().await else { return };
    let mut seawall = stage.start().await;
    stage.write(&stage.with(THREE));
    generation(&seawall, 2).await;
    let broken = stage.with("limit = 1 # sk-never-in-a-version\n");
    stage.write(&broken);
    seawall.said("nothing has changed").await;
    let back = post(&seawall, "rollback", json!({ "by": "ann", "reason": "x", "to": 1 })).await;
    assert_eq!(back.status, 200, "{}", back.text());
    assert_eq!(stage.text(), stage.with(""));
    let aside = stage.home.path().join("seawall.toml.replaced");
    assert_eq!(fs::read_to_string(aside).unwrap(), broken, "beside the file, as it was");
    for entry in fs::read_dir(stage.home.path().join("state/versions")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("never-in-a-version"), "what was never sound is in no version");
    }
    assert_eq!(config(&seawall).await["versions"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn where_the_file_cannot_be_written_it_is_in_force_all_the_same_and_that_is_said() {
    let Some(stage) = Stage::new().await else { return };
    let mut seawall = stage.start().await;
    stage.write(&stage.with(THREE));
    generation(&seawall, 2).await;
    fs::remove_file(stage.file()).unwrap();
    let back = post(&seawall, "rollback", json!({ "by": "ann", "reason": "x", "to": 1 })).await;
    let told_back = back.json().unwrap();
    assert_eq!((back.status, &told_back["generation"]), (200, &json!(3)), "{told_back}");
    for warning in [&told_back["warning"], &config(&seawall).await["warning"]] {
        let said = warning.as_str().unwrap();
        assert!(said.starts_with("in force in memory only: seawall.toml cannot be written"), "{said}");
    }
    seawall.said("warning: in force in memory only").await;
    let page = client::get(&format!("http://{}/", seawall.admin)).await.unwrap().text();
    assert!(page.contains("in force in memory only"), "{page}");
    assert_eq!(client::get(&seawall.url("/three/x")).await.unwrap().status, 404);
    // As soon as there is a file again it counts.
    stage.write(&stage.with(THREE));
    generation(&seawall, 4).await;
    assert_eq!(config(&seawall).await["warning"], Value::Null);
}

#[tokio::test]
async fn where_nobody_serves_the_file_goes_back_by_itself() {
    let Some(stage) = Stage::new().await else { return };
    let (code, _, said) = stage.run(&["config", "diff"]);
    assert!(code == 1 && said.contains("no version was kept yet"), "{said}");
    let mut seawall = stage.start().await;
    stage.write(&stage.with(THREE));
    generation(&seawall, 2).await;
    seawall.signal("-TERM").await;
    seawall.ended().await;

    stage.write(&stage.with(TWO));
    let (code, out, said) = stage.run(&["config", "diff"]);
    assert_eq!((code, out.as_str()), (0, "upstream.two: added\nupstream.three: removed\n"), "{said}");
    stage.write(&stage.with("[upstream.renamed]\nurl = \"http://127.0.0.1:9\"\n"));
    let (_, out, _) = stage.run(&["config", "diff"]);
    let renamed =
        "upstream.renamed: added, and says what upstream.three said: under a new name it is a new thing";
    assert!(out.contains(renamed), "{out}");
    let (_, out, _) = stage.run(&["config", "diff", "1", "2", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["changes"], json!(["upstream.three: added"]));

    let (code, _, _) = stage.run(&["config", "rollback", "1"]);
    assert_eq!(code, 2, "who and why are needed");
    let (code, _, said) = stage.run(&["config", "rollback", "1", "--by", "ann", "--reason", "quiet night"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("no seawall runs here"), "{said}");
    assert_eq!(stage.text(), stage.with(""));
    let (_, out, _) = stage.run(&["config", "versions"]);
    assert!(
        out.contains("rolled back to 1 by ann: quiet night") && out.contains("written over, never in force"),
        "{out}"
    );
    let seawall = stage.start().await;
    assert_eq!(told(&config(&seawall).await)[0], "4|rollback|ann|quiet night|in-force");
}

#[tokio::test]
async fn the_first_screen_says_who_put_it_into_force_and_leads_to_a_form_that_goes_back() {
    let Some(stage) = Stage::new().await else { return };
    let seawall = stage.start().await;
    let page =
        async |path: &str| client::get(&format!("http://{}{path}", seawall.admin)).await.unwrap().text();
    assert!(!page("/").await.contains("href=\"/config\">Roll back"), "there is nothing to go back to");
    stage.write(&stage.with(THREE));
    generation(&seawall, 2).await;
    let first = page("/").await;
    assert!(first.contains("Version 2 is in force since ") && first.contains("the file changed"), "{first}");
    assert!(first.contains("<a class=\"steer\" href=\"/config\">Roll back…</a>"), "{first}");
    let form = page("/config").await;
    assert!(form.contains("<h1>Version 2 is in force</h1>"), "{form}");
    assert!(form.contains("Answers call it <code>generation=2</code>"), "{form}");
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
    assert!(
        after.contains("Rolled back to version 1: version 3, generation 3, by ann: three is down"),
        "{after}"
    );
    let in_force = "Version 3 <strong class=\"badge good\">in force</strong>";
    assert!(after.contains(in_force) && after.contains("rolled back to 1 by ann"), "{after}");
    assert_eq!(stage.text(), stage.with(""));
}

#[tokio::test]
async fn a_configuration_that_makes_something_worse_goes_back_by_itself_and_once() {
    let Some(stage) = Stage::new().await else { return };
    let broken = Upstream::start(Reply::status(500)).await.unwrap();
    let more = "retry = \"off\"\nbreaker = \"off\"\n[reload]\nwatch = \"10s\"\n";
    let good = stage.with(more);
    let bad = good.replace(&stage.up.url(), &broken.url());
    stage.write(&good);
    let mut seawall = stage.start().await;
    let calls = async |count: usize| {
        for _ in 0..count {
            client::get(&seawall.url("/up/x")).await.unwrap();
        }
    };
    calls(60).await;
    stage.write(&bad);
    generation(&seawall, 2).await;
    calls(40).await;
    generation(&seawall, 3).await;
    assert_eq!(stage.text(), good, "in the file too");
    assert_eq!(client::get(&seawall.url("/up/x")).await.unwrap().status, 200);
    let all = config(&seawall).await;
    let story = told(&all)[0].clone();
    assert!(story.starts_with("3|watch|seawall|up got worse: 0 of 60 calls failed before, "), "{story}");
    assert_eq!(all["versions"][0]["again"], 1);
    let admin = async |path: &str| client::get(&format!("http://{}{path}", seawall.admin)).await.unwrap();
    assert!(admin("/metrics").await.text().contains("seawall_config_rollbacks_total{by=\"itself\"} 1"));
    let audit = admin("/api/v1/audit").await.json().unwrap();
    let entry =
        audit["audit"].as_array().unwrap().iter().find(|entry| entry["kind"] == "config.in-force").unwrap();
    assert_eq!(entry["by"], "seawall", "{entry}");
    eventually("somebody is told", async || {
        let alerts = admin("/api/v1/alerts").await.json()?;
        let alert =
            alerts["alerts"].as_array()?.iter().find(|one| one["name"] == "configuration_rolled_back")?;
        (alert["state"] == "active").then_some(())
    })
    .await;

    // Whoever wants it all the same has it.
    stage.write(&bad);
    seawall.said("it is not watched again").await;
    let calls = async |count: usize| {
        for _ in 0..count {
            client::get(&seawall.url("/up/x")).await.unwrap();
        }
    };
    calls(40).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!((config(&seawall).await["generation"].clone(), stage.text()), (json!(4), bad));
}
