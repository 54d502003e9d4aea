//! What is unusual for a caller: told once, to everybody who listens, and remembered over a reload. Nobody is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use seawall_core::event::Fact;
use seawall_e2e::binary::{Seawall, binary, configured_with};
use seawall_e2e::{Rig, eventually, ms};
use seawall_policy::anomaly::{Mode, Options};
use seawall_testkit::client::{self, Answer, Request};
use seawall_testkit::{Reply, Upstream};
use serde_json::Value;
use tokio::time::{Instant, interval};

const KEY: &str = "ann-0123456789abcdef";

/// Calls evenly for so long.
async fn steadily(seconds: u64, every: Duration, call: impl AsyncFn() -> Answer) {
    let (until, mut pace) = (Instant::now() + Duration::from_secs(seconds), interval(every));
    while Instant::now() < until {
        pace.tick().await;
        assert_eq!(call().await.status, 200);
    }
}

async fn told(admin: &str, kind: &str) -> f64 {
    let text = client::get(&format!("http://{admin}/metrics")).await.unwrap().text();
    let name = format!("seawall_caller_anomalies_total{{kind=\"{kind}\"}}");
    text.lines()
        .find_map(|line| line.strip_prefix(&name)?.trim().parse().ok())
        .expect("it is there from the start")
}

async fn alert(admin: &str, id: &str) -> Option<Value> {
    let alerts: Value = client::get(&format!("http://{admin}/api/v1/alerts")).await.unwrap().json().unwrap();
    alerts["alerts"].as_array().unwrap().iter().find(|alert| alert["id"] == id).cloned()
}

#[tokio::test]
async fn twenty_times_the_usual_and_a_new_destination_are_told_and_a_reload_forgets_nothing() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let rest = format!(
        "[upstream.other]\nurl = \"{}\"\n[callers]\nann = \"file:ann\"\n[logs]\ndirectory = \"./logs\"\n",
        up.url()
    );
    let more = format!("{rest}[anomaly]\nslot = \"1s\"\nmemory = \"10m\"\nlearn = 5\n");
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", &more);
    std::fs::write(home.path().join("ann"), KEY).unwrap();
    let mut seawall = Seawall::start(&binary, &home).await;
    let (data, admin) = (seawall.url(""), seawall.admin.clone());
    let call = async |path: &str| {
        client::request(&data, Request::get(path).header("seawall-key", KEY)).await.unwrap()
    };
    steadily(8, ms(180), async || call("/up/x").await).await;
    assert_eq!((told(&admin, "rate").await, told(&admin, "destination").await), (0.0, 0.0));

    let file = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("learn = 5", "learn = 5\ndeviations = 7")).unwrap();
    seawall.signal("-HUP").await;
    seawall.said("generation 2 is in force").await;
    let began = Instant::now();
    for _ in 0..120 {
        assert_eq!(call("/up/x").await.status, 200, "nobody is refused");
    }
    let slots = 2.0 + began.elapsed().as_secs_f64().floor();
    let times = told(&admin, "rate").await;
    assert!((1.0..=slots).contains(&times), "told {times} times in {slots} slots");
    let said = seawall.said("seawall: ann: unusual rate: ").await;
    assert!(said.contains("calls within 1s so far, usually about"), "{said}");
    let line = eventually("it is in the log", async || {
        let text = std::fs::read_to_string(home.path().join("logs/app.jsonl")).unwrap_or_default();
        text.lines().find(|line| line.contains("a caller is unusual")).map(str::to_owned)
    })
    .await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((line["name"].as_str(), line["what"].as_str()), (Some("ann"), Some("rate")), "{line}");
    let active = eventually("an alert is active", async || {
        alert(&admin, "caller_unusual:rate").await.filter(|alert| alert["state"] == "active")
    })
    .await;
    assert_eq!(active["severity"], "warning", "{active}");

    assert_eq!(call("/other/x").await.status, 200);
    let said = seawall.said("unusual destination: ").await;
    assert!(said.contains("it calls other, which is new, beside 1 "), "{said}");
    assert_eq!(call("/other/x").await.status, 200);
    assert_eq!(told(&admin, "destination").await, 1.0);
}

#[tokio::test]
async fn a_caller_without_a_name_is_its_address_and_nobody_is_watched_who_should_not_be() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let rig = |mode: Mode| {
        let mut rig = Rig::new(&up.url());
        let (slot, memory) = (Duration::from_secs(1), Duration::from_secs(600));
        rig.plan.anomaly = Options { mode, slot, memory, learn: 5, ..Options::default() };
        rig
    };
    let mut gateway = rig(Mode::Watch).start();
    let events = gateway.gateway.take_events().unwrap();
    let wrong = async || {
        for _ in 0..30 {
            assert_eq!(gateway.get("/nothing/x").await.status, 404);
        }
    };
    steadily(8, ms(70), async || gateway.get("/up/x").await).await;
    wrong().await;
    let unusual: Vec<(String, &str, String)> = events
        .try_iter()
        .filter_map(|event| match event.fact {
            Fact::Unusual { what, why } => Some((event.name.to_string(), what, why.to_string())),
            _ => None,
        })
        .collect();
    let errors =
        unusual.iter().find(|(_, what, _)| *what == "errors").unwrap_or_else(|| panic!("{unusual:?}"));
    assert!(errors.0 == "127.0.0.1" && errors.2.ends_with("are wrong, usually 0 %"), "{errors:?}");

    gateway.gateway.reload(rig(Mode::Off).plan).unwrap();
    wrong().await;
    assert!(!events.try_iter().any(|event| matches!(event.fact, Fact::Unusual { .. })));
    let mut bad = rig(Mode::Watch);
    bad.plan.anomaly.learn = 1;
    let refused = gateway.gateway.reload(bad.plan).unwrap_err().to_string();
    assert!(refused.contains("learn: 1 is out of range"), "{refused}");
}
