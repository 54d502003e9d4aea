//! Every lever is written down before it is pulled, and one that cannot be is not pulled.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use seawall_e2e::{Rig, Running, code, upstream};
use seawall_testkit::{Reply, Upstream};
use serde_json::Value;

async fn trail(gateway: &Running) -> Value {
    let answer = gateway.admin("/api/v1/audit").await;
    assert_eq!(answer.status, 200);
    answer.json().unwrap()
}

const LEVERS: [(&str, &str, &str); 7] = [
    ("/api/v1/breakers/up/force-open", "lever.force-open", "up"),
    ("/api/v1/breakers/up/force-closed", "lever.force-closed", "up"),
    ("/api/v1/breakers/up/half-open", "lever.half-open", "up"),
    ("/api/v1/breakers/up/reset", "lever.reset", "up"),
    ("/api/v1/limits/up/reset", "lever.reset-limits", "up"),
    ("/api/v1/upstreams/up/reconnect", "lever.reconnect", "up"),
    ("/api/v1/drain", "lever.drain", "gateway"),
];

#[tokio::test]
async fn each_lever_leaves_an_entry_with_who_and_why_and_the_latest_comes_first() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.state = Some(home.path().to_owned());
    let gateway = rig.start();
    for (lever, _, _) in LEVERS {
        assert_eq!(gateway.lever(lever).await.status, 200, "{lever}");
    }
    let seen = trail(&gateway).await;
    assert_eq!((&seen["kept"], &seen["entries"], &seen["lost"]), (&"files".into(), &7.into(), &0.into()));
    let told: Vec<(&str, &str, &str, &str, &str)> = (seen["audit"].as_array().unwrap().iter())
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap_or_else(|| panic!("{key}: {entry}"));
            (text("id"), text("state"), text("kind"), text("subject"), text("by"))
        })
        .collect();
    let expected: Vec<_> = (LEVERS.iter().enumerate().rev())
        .map(|(place, (_, kind, subject))| {
            (["1", "2", "3", "4", "5", "6", "7"][place], "durable", *kind, *subject, "ann")
        })
        .collect();
    assert_eq!(told, expected);
    assert_eq!(seen["audit"][0]["reason"], "a test");
    assert_eq!(seen["audit"][0]["prev"], seen["audit"][1]["hash"]);
    let metrics = gateway.admin("/metrics").await.text();
    assert!(metrics.contains("\nseawall_audit_entries_total 7\n"), "{metrics}");
}

#[tokio::test]
async fn a_lever_that_is_refused_leaves_no_entry() {
    let gateway = Rig::of([upstream("up", "http://127.0.0.1:9")]).start();
    assert_eq!(gateway.lever("/api/v1/breakers/nobody/reset").await.status, 404);
    assert_eq!(gateway.lever("/api/v1/breakers/up/no-such-lever").await.status, 404);
    let seen = trail(&gateway).await;
    assert_eq!(seen["entries"], 0);
    assert_eq!(seen["kept"], "memory", "without a state directory it says so");
    gateway.lever("/api/v1/breakers/up/reset").await;
    assert_eq!(trail(&gateway).await["audit"][0]["state"], "memory");
}

#[tokio::test]
async fn no_entry_no_lever() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.state = Some(home.path().to_owned());
    let gateway = rig.start();
    assert_eq!(gateway.lever("/api/v1/breakers/up/force-open").await.status, 200);
    // Even root cannot write below what is no directory.
    std::fs::remove_dir_all(home.path().join("audit")).unwrap();
    std::fs::write(home.path().join("audit"), "in the way").unwrap();
    for (lever, _, _) in LEVERS {
        let refused = gateway.lever(lever).await;
        assert_eq!((refused.status, code(&refused).as_str()), (503, "SW0043"), "{lever}");
    }
    let breaker = gateway.admin("/api/v1/breakers").await.json().unwrap();
    assert_eq!(breaker["breakers"][0]["state"], "forced-open", "as it was before");
    assert_eq!(gateway.admin("/ready").await.status, 200, "and nothing drains");
    assert!(trail(&gateway).await["failing"].is_string());
    std::fs::remove_file(home.path().join("audit")).unwrap();
    assert_eq!(gateway.lever("/api/v1/breakers/up/reset").await.status, 200);
    assert_eq!(gateway.get("/up/x").await.status, 200);
    let seen = trail(&gateway).await;
    assert_eq!((&seen["troubles"], &seen["audit"][1]["kind"]), (&1.into(), &"audit.trouble".into()));
}
