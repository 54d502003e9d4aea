//! Is it well? What is looked at, what calls have seen, and what a load balancer is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use seawall::health::system::Disk;
use seawall_core::event::Fact;
use seawall_e2e::binary::{Seawall, binary, configured_with};
use seawall_e2e::{Nowhere, Rig, Running, eventually, ms};
use seawall_gateway::plan::health::{Check, Get, Look};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

/// A check that looks every second and is believed at once.
fn quick(name: &str, look: Option<Look>) -> Check {
    Check { look, every: Some(SECOND), failures: 1, successes: 1, ..Check::calls(name.into()) }
}

fn get(url: String) -> Option<Look> {
    let get = Get { url, auth: None, ca: None, proxy: None };
    Some(Look::Http { get, contains: None, accept: Vec::new() })
}

/// An upstream that is well at `/healthz` for as long as somebody says so, and works everywhere else.
async fn moody() -> (Upstream, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(true));
    let mood = well.clone();
    let script = Script::per_path(move |request, _| match request.path() {
        "/healthz" if !mood.load(Ordering::Relaxed) => Reply::status(503),
        "/bad" => Reply::status(500),
        _ => Reply::ok("ok"),
    });
    (Upstream::start(script).await.unwrap(), well)
}

async fn check(gateway: &Running, name: &str) -> Value {
    gateway.item("health", name).await
}

async fn becomes(gateway: &Running, name: &str, state: &str) -> Value {
    let seen = async || Some(check(gateway, name).await).filter(|check| check["state"] == state);
    eventually(&format!("{name} is {state}"), seen).await
}

#[tokio::test]
async fn what_nothing_works_without_makes_the_whole_unhealthy_and_well_again() {
    let (up, well) = moody().await;
    let mut rig = Rig::new(&up.url());
    let vectors = quick("vectors", get(format!("{}/healthz", up.url())));
    rig.plan.health =
        vec![Check { critical: true, ..vectors.clone() }, Check { name: "spare".into(), ..vectors }];
    let mut gateway = rig.start();
    let events = gateway.gateway.take_events().unwrap();
    let told = becomes(&gateway, "vectors", "healthy").await;
    assert_eq!(
        (&told["kind"], &told["critical"], &told["by"]),
        (&json!("http"), &json!(true), &json!("probe"))
    );
    assert_eq!(gateway.admin("/health").await.status, 200);
    assert_eq!(gateway.metric("seawall_health_status{check=\"vectors\"}").await, Some(1.0));

    well.store(false, Ordering::Relaxed);
    let told = becomes(&gateway, "vectors", "unhealthy").await;
    assert_eq!(told["why"], "answered 503");
    let health = gateway.admin("/health").await;
    let body: Value = health.json().unwrap();
    assert_eq!((health.status, &body["status"]), (503, &json!("unhealthy")), "{body}");
    assert!(body["reasons"].to_string().contains("vectors is unhealthy since "), "{body}");
    assert_eq!(gateway.metric("seawall_health_status{check=\"vectors\"}").await, Some(0.0));
    assert_eq!(gateway.admin("/ready").await.status, 200, "it can serve all the same");
    assert_eq!(gateway.admin("/health/live").await.status, 200);

    well.store(true, Ordering::Relaxed);
    becomes(&gateway, "vectors", "healthy").await;
    becomes(&gateway, "spare", "healthy").await;
    assert_eq!(gateway.admin("/health").await.status, 200);
    let moves: Vec<(String, &str)> = events
        .try_iter()
        .filter_map(|event| match event.fact {
            Fact::HealthMoved { to, .. } if &*event.name == "vectors" => Some((event.name.to_string(), to)),
            _ => None,
        })
        .collect();
    assert_eq!(moves, [("vectors".to_owned(), "unhealthy"), ("vectors".to_owned(), "healthy")]);
}

#[tokio::test]
async fn what_is_merely_missing_degrades_and_says_so_in_detail() {
    let (up, _) = moody().await;
    let nowhere = Nowhere::new().unwrap();
    let address: Arc<str> = nowhere.url().trim_start_matches("http://").into();
    let mut rig = Rig::new(&up.url());
    rig.plan.health = vec![
        quick("cache", Some(Look::Tcp(vec![address]))),
        quick("disk", Some(Look::Disk("/".into(), Disk::USUAL))),
    ];
    let gateway = rig.start();
    becomes(&gateway, "cache", "unhealthy").await;
    eventually("the disk was looked at", async || {
        (gateway.item("health", "disk").await["looks"].as_u64() > Some(0)).then_some(())
    })
    .await;
    let detailed = gateway.admin("/health/detailed").await;
    let body: Value = detailed.json().unwrap();
    assert_eq!((detailed.status, &body["status"]), (200, &json!("degraded")), "{body}");
    let of = |name: &str| {
        body["health"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert!(of("cache")["why"].as_str().unwrap().starts_with("cannot connect to 127.0.0.1:"), "{body}");
    let disk = of("disk");
    assert!(disk["value"].as_f64().is_some_and(|used| (0.0..=1.0).contains(&used)), "{disk}");
    assert_eq!(
        (&disk["unit"], &disk["doubted"]["measured"]),
        (&json!("share"), &json!("too-little")),
        "{disk}"
    );
    assert!(disk["took_ms"].as_f64().is_some() && disk["seconds_ago"].as_f64().is_some(), "{disk}");
    assert_eq!(of("up")["state"], "unknown", "nobody has called it");
    let whole: Value = gateway.admin("/api/v1/health").await.json().unwrap();
    assert_eq!(whole["status"], "degraded");
}

#[tokio::test]
async fn while_calls_flow_they_are_the_finding_and_no_probe_is_sent() {
    let (up, _) = moody().await;
    let mut rig = Rig::new(&up.url());
    rig.plan.health = vec![quick("up", get(format!("{}/healthz", up.url())))];
    let gateway = rig.start();
    // The first look is at once, before anybody can have called.
    becomes(&gateway, "up", "healthy").await;
    let probes = || up.ledger().requests().iter().filter(|request| request.path() == "/healthz").count();
    assert_eq!(probes(), 1);
    let until = tokio::time::Instant::now() + ms(2500);
    while tokio::time::Instant::now() < until {
        assert_eq!(gateway.get("/up/x").await.status, 200);
        tokio::time::sleep(ms(20)).await;
    }
    assert_eq!(probes(), 1, "calls have asked already");
    let told = check(&gateway, "up").await;
    assert_eq!((&told["state"], &told["by"]), (&json!("healthy"), &json!("calls")));
    eventually("with nobody calling it is probed again", async || (probes() > 1).then_some(())).await;
    assert_eq!(
        gateway.metric("seawall_calls_total{upstream=\"up\",route=\"\",outcome=\"overloaded\"}").await,
        None
    );
}

#[tokio::test]
async fn an_upstream_is_known_by_its_calls_alone_and_by_its_breaker_at_once() {
    let (up, _) = moody().await;
    let mut rig = Rig::new(&up.url());
    rig.up().breaker.consecutive = 0;
    rig.up().defaults.retry.attempts = 1;
    rig.plan.health = vec![quick("up", None)];
    let gateway = rig.start();
    assert_eq!(check(&gateway, "up").await["kind"], "calls");
    assert_eq!(gateway.metric("seawall_health_status{check=\"up\"}").await, None, "unknown is no number");
    for path in ["/up/x", "/up/bad", "/up/bad", "/up/bad"] {
        gateway.get(path).await;
    }
    let told = becomes(&gateway, "up", "unhealthy").await;
    assert!(told["why"].as_str().unwrap().ends_with(" calls failed"), "{told}");
    assert_eq!(gateway.admin("/health").await.status, 200, "one upstream is not everything");
    assert!(up.ledger().requests().iter().all(|request| request.path() != "/healthz"));

    assert_eq!(gateway.lever("/api/v1/breakers/up/force-open").await.status, 200);
    let told = check(&gateway, "up").await;
    assert_eq!((&told["state"], &told["why"]), (&json!("unhealthy"), &json!("its breaker is held open")));
    assert_eq!(gateway.admin("/health").await.status, 503, "nobody is left to call");
    assert_eq!(gateway.lever("/api/v1/breakers/up/reset").await.status, 200);
    gateway.get("/up/x").await;
    becomes(&gateway, "up", "healthy").await;
    assert_eq!(gateway.metric("seawall_health_status{check=\"up\"}").await, Some(1.0));
}

#[tokio::test]
async fn checks_go_on_by_name_through_a_reload_and_a_bad_one_changes_nothing() {
    let (up, well) = moody().await;
    well.store(false, Ordering::Relaxed);
    let plan = |names: &[&str], every: Duration| {
        let mut rig = Rig::new(&up.url());
        rig.plan.health = names
            .iter()
            .map(|name| Check { every: Some(every), ..quick(name, get(format!("{}/healthz", up.url()))) })
            .collect();
        rig
    };
    let gateway = plan(&["kept", "gone"], Duration::from_secs(3600)).start();
    becomes(&gateway, "kept", "unhealthy").await;
    becomes(&gateway, "gone", "unhealthy").await;
    let asked = up.ledger().request_count();
    gateway.gateway.reload(plan(&["kept", "new"], Duration::from_secs(3600)).plan).unwrap();
    let kept = check(&gateway, "kept").await;
    assert_eq!((&kept["state"], &kept["looks"]), (&json!("unhealthy"), &json!(1)));
    becomes(&gateway, "new", "unhealthy").await;
    assert_eq!(up.ledger().request_count(), asked + 1, "what has not changed is not asked anew");
    assert!(gateway.list("health").await.iter().all(|check| check["name"] != "gone"));
    assert_eq!(gateway.metric("seawall_health_status{check=\"gone\"}").await, None);

    // Another pace is another check, that knows what was known.
    gateway.gateway.reload(plan(&["kept", "new"], SECOND).plan).unwrap();
    assert_eq!(check(&gateway, "kept").await["state"], "unhealthy");
    let again = async || (check(&gateway, "kept").await["looks"].as_u64() > Some(2)).then_some(());
    eventually("it looks at its new pace", again).await;

    let refused = gateway.gateway.reload(plan(&["kept"], ms(1)).plan).unwrap_err();
    assert!(refused.message.contains("1ms is out of range"), "{refused}");
    assert!(gateway.list("health").await.iter().any(|check| check["name"] == "new"));
}

#[tokio::test]
async fn a_file_says_what_is_looked_at_and_the_command_line_shows_it() {
    let Some(binary) = binary() else { return };
    let (up, well) = moody().await;
    let health = |critical: bool| {
        format!(
            "[health.vectors]\nhttp = \"{}/healthz\"\nevery = \"1s\"\nfailures = 1\nsuccesses = 1\ncritical = {critical}\n\
             [health.disk]\ndisk = \"/\"\nwarn = \"98%\"\nfail = \"99%\"\n",
            up.url()
        )
    };
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", &health(true));
    let mut seawall = Seawall::start(&binary, &home).await;
    let ask = async |arguments: &[&str]| {
        let admin = format!("http://{}", seawall.admin);
        let output = tokio::process::Command::new(&binary)
            .args(["health", "--admin", &admin])
            .args(arguments)
            .current_dir(home.path())
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let state = async |name: &str| {
        let all: Value = serde_json::from_str(&ask(&["--json"]).await).unwrap();
        all["health"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()["state"].clone()
    };
    eventually("it is looked at", async || (state("vectors").await == "healthy").then_some(())).await;
    well.store(false, Ordering::Relaxed);
    eventually("it fails", async || (state("vectors").await == "unhealthy").then_some(())).await;
    let shown = ask(&[]).await;
    let line = shown.lines().find(|line| line.starts_with("vectors!")).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains("unhealthy") && line.ends_with("answered 503"), "{line}");
    assert!(shown.lines().any(|line| line.starts_with("up ") && line.contains("unknown")), "{shown}");
    let text = std::fs::read_to_string(home.path().join("seawall.toml")).unwrap();
    let text = text.replace(&health(true), &health(false));
    std::fs::write(home.path().join("seawall.toml"), text).unwrap();
    seawall.signal("-HUP").await;
    seawall.said("generation 2 is in force").await;
    let health = seawall_testkit::client::get(&format!("http://{}/health", seawall.admin)).await.unwrap();
    assert_eq!(health.status, 200, "it is no longer what nothing works without: {}", health.text());
    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
}
