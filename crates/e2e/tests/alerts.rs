//! An outage from its cause to its end, as somebody at three in the morning hears of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::{Path, PathBuf};
use std::process::Output;

use seawall::breaker;
use seawall_core::secret::Secret;
use seawall_e2e::binary::{Seawall, binary, configured_with};
use seawall_e2e::{Nowhere, Rig, Running, code, eventually};
use seawall_policy::alert::Options;
use seawall_signals::alerts::channel::{self, Key};
use seawall_signals::alerts::rules;
use seawall_testkit::client::{self, Request};
use seawall_testkit::{Reply, Upstream};
use serde_json::{Value, json};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A gateway with the published rule and channel, only quicker.
fn rig(up: &Upstream, hook: &Upstream, state: &Path) -> Rig {
    let mut rig = Rig::new(&up.url());
    rig.plan.state = Some(state.to_owned());
    rig.up().breaker = breaker::Options { consecutive: 3, ..breaker::Options::default() };
    let rule: Options = serde_json::from_value(json!({
        "when": "breaker_open{upstream='up'} > 0",
        "severity": "critical",
        "send": ["ops"],
        "summary": "up is down: see the runbook",
    }))
    .unwrap();
    rig.plan.alerts.rules = rules([("up_down".to_owned(), rule)]).unwrap();
    let options: channel::Options<String> = serde_json::from_value(json!({
        "webhook": format!("{}/hooks/seawall", hook.url()),
        "secret": SECRET,
        "delivery": { "batch": "0s", "cooldown": "0s" },
    }))
    .unwrap();
    let say: channel::Say = std::sync::Arc::new(|_| {});
    let options = options.resolve(|_, text| Some(Secret::new(text))).unwrap();
    rig.plan.alerts.outlets = vec![options.outlet("ops", &say).unwrap()];
    rig
}

async fn alert(gateway: &Running, id: &str) -> Value {
    let answer = gateway.admin("/api/v1/alerts").await;
    assert_eq!(answer.status, 200);
    let alerts: Value = answer.json().unwrap();
    let found = alerts["alerts"].as_array().unwrap().iter().find(|alert| alert["id"] == id);
    found.cloned().unwrap_or(Value::Null)
}

/// What the receiver was told, each with a signature that holds.
fn told(hook: &Upstream) -> Vec<Value> {
    let key = Key::parse(&Secret::new(SECRET.to_owned())).unwrap();
    let requests = hook.ledger().requests();
    requests
        .iter()
        .map(|request| {
            let header = |name: &str| request.header(name).unwrap_or_default();
            let second: u64 = header("webhook-timestamp").parse().unwrap();
            assert_eq!(header("webhook-signature"), key.sign(header("webhook-id"), second, &request.body));
            serde_json::from_slice(&request.body).unwrap()
        })
        .collect()
}

async fn lever(gateway: &Running, path: &str, body: Value) -> client::Answer {
    client::post_json(&format!("http://{}{path}", gateway.gateway.admin()), body).await.unwrap()
}

#[tokio::test]
async fn an_outage_is_told_silenced_survives_a_restart_and_is_told_to_be_over() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let hook = Upstream::start(Reply::status(204)).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let gateway = rig(&up, &hook, home.path()).start();
    assert_eq!(gateway.get("/up/x").await.status, 200);
    let quiet = alert(&gateway, "up_down").await;
    assert!(["ok", "no-data"].contains(&quiet["state"].as_str().unwrap()), "{quiet}");

    // The cause, and what it does to the breaker.
    up.play(Reply::status(500));
    for _ in 0..6 {
        gateway.get("/up/x").await;
    }
    eventually("the receiver hears of it", async || told(&hook).into_iter().next()).await;
    let first = &told(&hook)[0];
    assert_eq!(first["type"], "alert.active");
    let data = &first["data"];
    assert_eq!((&data["rule"], &data["state"]), (&json!("up_down"), &json!("active")));
    assert_eq!((&data["severity"], &data["value"]), (&json!("critical"), &json!(1.0)));
    assert_eq!(data["summary"], "up is down: see the runbook");
    assert_eq!(data["why"], "breaker_open{upstream='up'} > 0 holds (1)");
    eventually("the board knows that it was told", async || {
        let why = alert(&gateway, "up_down:up").await["why"].to_string();
        why.contains("ops: told (204, ").then_some(())
    })
    .await;
    eventually("the metrics know", async || {
        let active = gateway.metric("seawall_alerts_active{severity=\"critical\"}").await;
        (active == Some(1.0)).then_some(())
    })
    .await;

    // Stopped and started: nobody is told twice, and the silence holds.
    let body = json!({ "for": "1h", "by": "ann", "reason": "it is being mended" });
    assert_eq!(lever(&gateway, "/api/v1/alerts/up_down:up/silence", body).await.status, 200);
    let silenced = alert(&gateway, "up_down:up").await;
    assert_eq!((&silenced["state"], &silenced["silenced"]["by"]), (&json!("silenced"), &json!("ann")));
    let audit: Value = gateway.admin("/api/v1/audit").await.json().unwrap();
    assert_eq!(
        (&audit["audit"][0]["kind"], &audit["audit"][0]["subject"]),
        (&json!("lever.silence"), &json!("up_down:up"))
    );
    let heard = told(&hook).len();
    tokio::task::spawn_blocking(move || gateway.gateway.stop()).await.unwrap();
    let gateway = rig(&up, &hook, home.path()).start();
    // The breaker of the new process is closed: it is over, and silence hides that until it ends.
    up.play(Reply::ok("ok"));
    eventually("it is over", async || {
        (alert(&gateway, "up_down:up").await["state"] == "resolved").then_some(())
    })
    .await;
    let why = alert(&gateway, "up_down:up").await["why"].to_string();
    assert!(
        why.contains("silenced for 1h by ann: it is being mended"),
        "what was before is remembered: {why}"
    );
    assert_eq!(told(&hook).len(), heard);
    let body = json!({ "for": "0s", "by": "ann", "reason": "done" });
    assert_eq!(lever(&gateway, "/api/v1/alerts/up_down/silence", body.clone()).await.status, 200);
    assert_eq!(lever(&gateway, "/api/v1/alerts/up_down:up/silence", body).await.status, 200);
    eventually("the end is told", async || (told(&hook).last()?["type"] == "alert.resolved").then_some(()))
        .await;
    assert_eq!(told(&hook).len(), heard + 1);
}

#[tokio::test]
async fn levers_of_alerts_want_who_why_how_long_and_a_name() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let hook = Upstream::start(Reply::status(204)).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let gateway = rig(&up, &hook, home.path()).start();
    let whole = json!({ "for": "1h", "by": "ann", "reason": "a test" });
    for (path, body, status, said) in [
        ("/api/v1/alerts/nobody/silence", whole.clone(), 404, "SW0030"),
        ("/api/v1/alerts/up_down/silence", json!({ "by": "ann", "reason": "a test" }), 400, "SW0023"),
        ("/api/v1/alerts/up_down/silence", json!({ "for": "1h", "by": "ann" }), 400, "SW0023"),
        (
            "/api/v1/alerts/up_down/silence",
            json!({ "for": "soon", "by": "ann", "reason": "x" }),
            400,
            "SW0023",
        ),
        (
            "/api/v1/alerts/up_down/silence",
            json!({ "for": "900d", "by": "ann", "reason": "x" }),
            400,
            "SW0023",
        ),
        ("/api/v1/channels/nobody/test", whole.clone(), 404, "SW0030"),
    ] {
        let refused = lever(&gateway, path, body).await;
        assert_eq!((refused.status, code(&refused).as_str()), (status, said), "{path}: {}", refused.text());
    }
    assert_eq!(lever(&gateway, "/api/v1/channels/ops/test", whole).await.status, 200);
    let test = eventually("the test arrives", async || told(&hook).into_iter().next()).await;
    assert_eq!(test["type"], "alert.test");
    let answer = client::request(&gateway.url(""), Request::get("/up/x")).await.unwrap();
    assert_eq!(answer.status, 200);
    let names: Value = gateway.admin("/api/v1/alerts").await.json().unwrap();
    let known = names["alerts"].as_array().unwrap();
    assert!(known.iter().any(|alert| alert["name"] == "breaker_open"), "everybody has the built-in ones");
    assert_eq!(names["channels"][0]["name"], "ops");
}

/// The blocks of one language in a page of the documentation, one after the other.
fn blocks(page: &str, language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let opening = format!("```{language}\n");
    let blocks = text.split(opening.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap());
    let blocks: Vec<&str> = blocks.collect();
    assert!(!blocks.is_empty(), "{page} has no {language}");
    blocks.join("\n")
}

async fn run(binary: &PathBuf, home: &Path, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(binary);
    command.args(arguments).current_dir(home).env("OPS_HOOK", SECRET);
    command.env("SLACK_URL", "https://hooks.slack.com/services/T0/B0/x").env("SMTP_PASSWORD", "hunter2");
    command.output().await.unwrap()
}

#[tokio::test]
async fn what_the_pages_write_into_a_configuration_is_good() {
    let Some(binary) = binary() else { return };
    for page in ["alerts.md", "health.md", "logs.md"] {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("seawall.toml"), blocks(page, "toml")).unwrap();
        let checked = run(&binary, home.path(), &["check"]).await;
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{page}: {said}");
        assert!(!said.contains("nobody counts"), "{page}: {said}");
    }
}

#[tokio::test]
async fn a_file_says_who_is_told_and_a_restart_neither_forgets_nor_repeats() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let hook = Upstream::start(Reply::status(204)).await.unwrap();
    let nowhere = Nowhere::new().unwrap();
    let address = nowhere.url().trim_start_matches("http://").to_owned();
    let more = format!(
        "[health.queue]\ntcp = \"{address}\"\nevery = \"1s\"\nfailures = 1\nsuccesses = 1\n\
         [alert.queue_down]\nwhen = \"health_status{{check='queue'}} < 1\"\nseverity = \"critical\"\nsend = [\"ops\"]\n\
         [channel.ops]\nwebhook = \"{}/hook\"\nsecret = \"file:hook\"\ndelivery = {{ batch = \"0s\", cooldown = \"0s\" }}\n",
        hook.url()
    );
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", &more);
    std::fs::write(home.path().join("hook"), SECRET).unwrap();
    let mut seawall = Seawall::start(&binary, &home).await;
    eventually("the receiver hears of it", async || told(&hook).into_iter().next()).await;
    let alerts = async |seawall: &Seawall, arguments: &[&str]| {
        let admin = format!("http://{}", seawall.admin);
        let mut all = vec!["alerts", "--admin", admin.as_str()];
        all.extend(arguments);
        let output = run(&binary, home.path(), &all).await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    eventually("it is known to have been told", async || {
        alerts(&seawall, &["why", "queue_down"]).await.contains("ops: told (204, ").then_some(())
    })
    .await;
    let shown = alerts(&seawall, &[]).await;
    let line =
        shown.lines().find(|line| line.starts_with("queue_down:queue ")).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains("active") && line.contains("critical") && line.contains(" ops "), "{line}");
    assert!(
        shown.lines().any(|line| line.starts_with("health_failing:queue ")),
        "everybody has that one: {shown}"
    );

    seawall.child.kill().await.unwrap();
    let mut seawall = Seawall::start(&binary, &home).await;
    let state = async |seawall: &Seawall| {
        let all: Value = serde_json::from_str(&alerts(seawall, &["--json"]).await).unwrap();
        let all = all["alerts"].as_array().unwrap().clone();
        all.into_iter().find(|alert| alert["id"] == "queue_down:queue").unwrap_or_default()
    };
    assert_eq!(state(&seawall).await["state"], "active", "it is known from before");
    let looked = async || {
        let health = client::get(&format!("http://{}/api/v1/health", seawall.admin)).await.unwrap();
        let all = health.json().unwrap()["health"].as_array().unwrap().clone();
        all.iter().any(|check| check["name"] == "queue" && check["state"] == "unhealthy").then_some(())
    };
    eventually("it is looked at again", looked).await;
    let silenced = ["silence", "health_failing", "--for", "1h", "--by", "ann", "--reason", "known"];
    alerts(&seawall, &silenced).await;
    assert!(alerts(&seawall, &[]).await.contains("silenced by ann until "));
    assert_eq!((told(&hook).len(), state(&seawall).await["state"].clone()), (1, json!("active")));

    // Somebody mends it.
    drop(nowhere);
    let listening = tokio::net::TcpListener::bind(&address).await.unwrap();
    eventually("its end is told", async || (told(&hook).last()?["type"] == "alert.resolved").then_some(()))
        .await;
    assert_eq!(told(&hook).len(), 2);
    drop(listening);
    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
}

#[tokio::test]
async fn the_verification_the_page_shows_holds() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let hook = Upstream::start(Reply::status(204)).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let gateway = rig(&up, &hook, home.path()).start();
    let whole = json!({ "by": "ann", "reason": "a test" });
    assert_eq!(lever(&gateway, "/api/v1/channels/ops/test", whole).await.status, 200);
    eventually("the test arrives", async || told(&hook).into_iter().next()).await;
    let request = hook.ledger().requests()[0].clone();
    let headers: serde_json::Map<String, Value> = ["webhook-id", "webhook-timestamp", "webhook-signature"]
        .map(|name| (name.to_owned(), json!(request.header(name).unwrap())))
        .into_iter()
        .collect();
    let code = blocks("alerts.md", "python")
        + "\nimport json, sys\nsecret, headers, body = json.loads(sys.argv[1])\n\
           assert is_ours(secret, headers, body.encode())\nassert not is_ours(secret, headers, body.encode() + b' ')\n";
    let body = String::from_utf8(request.body.to_vec()).unwrap();
    let given = json!([SECRET, headers, body]).to_string();
    match tokio::process::Command::new("python3").args(["-c", &code, &given]).output().await {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "python3 cannot be started: {error}");
            eprintln!("SKIPPED: python3 cannot be started ({error})");
        }
    }
}
