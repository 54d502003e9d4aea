//! The operator's page tells what is unhealthy and what is alerting, since when and why, and silences it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use seawall_e2e::browser::Browser;
use seawall_e2e::{Rig, Running, eventually};
use seawall_gateway::plan::health::{Check, Get, Look};
use seawall_policy::alert::Options;
use seawall_signals::alerts::rules;
use seawall_testkit::client::{self, Answer, Request};
use seawall_testkit::{Reply, Upstream};
use serde_json::{Value, json};

/// A vector store that is ill, and somebody who would like to hear of it later.
async fn ill() -> (Upstream, Running) {
    let up = Upstream::start(Reply::status(503)).await.unwrap();
    let mut rig = Rig::new(&up.url());
    let get = Get { url: format!("{}/readyz", up.url()), auth: None, ca: None, proxy: None };
    let look = Some(Look::Http { get, contains: None, accept: Vec::new() });
    let every = Some(Duration::from_secs(1));
    rig.plan.health =
        vec![Check { look, every, failures: 1, critical: true, ..Check::calls("vectors".into()) }];
    let slow: Options =
        serde_json::from_value(json!({ "when": "health_status < 1", "for": "1h", "severity": "critical" }))
            .unwrap();
    rig.plan.alerts.rules = rules([("vectors_slow".to_owned(), slow)]).unwrap();
    let gateway = rig.start();
    eventually("the alert is active", async || {
        let all = gateway.list("alerts").await;
        all.iter()
            .any(|alert| alert["id"] == "health_failing:vectors" && alert["state"] == "active")
            .then_some(())
    })
    .await;
    (up, gateway)
}

async fn page(gateway: &Running, path: &str) -> String {
    let answer = gateway.admin(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text()
}

async fn send(gateway: &Running, path: &str, fields: &[(&str, &str)]) -> Answer {
    let coded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", coded(value))).collect();
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", format!("http://{}", gateway.gateway.admin()))
        .body(body.join("&"));
    client::request(&format!("http://{}", gateway.gateway.admin()), request).await.unwrap()
}

const PAGE: &str = "/alerts/health_failing%3Avectors";

#[tokio::test]
async fn without_javascript_a_person_sees_what_is_ill_what_alerts_and_why_and_silences_it() {
    let (_up, gateway) = ill().await;
    let first = page(&gateway, "/").await;
    for said in [
        "vectors is unhealthy since ",
        "answered 503",
        "<small>critical</small>",
        "health_failing:vectors",
        "active: health_status",
        "fires in ",
        "/alerts/health_failing%3Avectors#silence",
    ] {
        assert!(first.contains(said), "{said}\n{first}");
    }
    let text = page(&gateway, PAGE).await;
    assert!(text.contains("sent to nobody") || text.contains("<bdi>nobody</bdi>"), "{text}");
    let (_, token) = text.split_once("name=\"token\" value=\"").unwrap();
    let token = token.split('"').next().unwrap().to_owned();
    for (choice, by, reason, missing) in [
        ("", "ann", "known", "SW0023 choose how long"),
        ("soon", "ann", "known", "SW0023 "),
        ("1h", "", "known", "SW0023 say who you are"),
        ("400d", "ann", "known", "SW0023 for: 400d is out of range"),
    ] {
        let fields = [("token", token.as_str()), ("choice", choice), ("by", by), ("reason", reason)];
        let refused = send(&gateway, PAGE, &fields).await;
        assert!(refused.status == 400 && refused.text().contains(missing), "{missing}: {}", refused.text());
    }
    let fields = [("token", "made-up"), ("choice", "1h"), ("by", "ann"), ("reason", "known")];
    assert_eq!(send(&gateway, PAGE, &fields).await.status, 403);
    let fields = [("token", token.as_str()), ("choice", "1h"), ("by", "ann"), ("reason", "<b>known</b>")];
    let done = send(&gateway, PAGE, &fields).await;
    assert_eq!(done.status, 303, "{}", done.text());
    let back = page(&gateway, done.header("location").unwrap()).await;
    assert!(
        back.contains("Silenced for an hour: health_failing:vectors, by ann: &#60;b&#62;known"),
        "{back}"
    );
    let first = page(&gateway, "/").await;
    assert!(first.contains("silenced by ann until ") && !first.contains("<b>known"), "{first}");
    let written = gateway.list("audit").await;
    assert_eq!((&written[0]["kind"], &written[0]["by"]), (&json!("lever.silence"), &json!("ann")));
    let all = page(&gateway, "/alerts").await;
    assert!(
        all.contains("Nobody is told: no channel is configured") && all.contains("breaker_open"),
        "{all}"
    );
    assert_eq!(gateway.admin("/alerts/nobody").await.status, 404);
    let board: Value = gateway.admin("/api/v1/board").await.json().unwrap();
    assert_eq!(board["health"][1]["name"], "vectors");
    assert!(board["alerts"].as_array().unwrap().iter().all(|alert| alert["state"] != "ok"), "{board}");
}

#[tokio::test]
async fn lists_of_parts_that_are_not_in_use_are_empty() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    for name in ["jobs", "budgets"] {
        assert_eq!(gateway.list(name).await, [] as [Value; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_browser_it_is_seen_as_it_happens_and_silenced_by_hand() {
    let Some(browser) = Browser::start().await else { return };
    let (up, gateway) = ill().await;
    let address = format!("http://{}", gateway.gateway.admin());
    let true_in = async |script: &str| {
        eventually(script, async || (browser.run(script).await == Value::Bool(true)).then_some(())).await;
    };
    browser.go(&address).await;
    true_in("return document.querySelector('#check-vectors .badge').textContent === 'unhealthy'").await;
    browser.click("#alert-health_failing\\%3Avectors a[aria-label^=Silence]").await;
    // The page renews itself around the form, which stays the one that is being filled in.
    browser.run("window.before = document.querySelector('.about').textContent").await;
    true_in("return document.querySelector('.about').textContent !== window.before").await;
    assert_eq!(browser.text("return document.querySelectorAll('form').length").await, "1");
    browser.click("input[value='1h']").await;
    browser.write("input[name=by]", "ann").await;
    browser.write("input[name=reason]", "it is being mended").await;
    browser.click("form button").await;
    assert_eq!(
        browser.see("#note").await,
        "Silenced for an hour: health_failing:vectors, by ann: it is being mended"
    );
    browser.go(&format!("{address}/alerts")).await;
    let cut = "return [...document.querySelectorAll('.name bdi')].filter(e => e.getClientRects().length > 1).length";
    assert_eq!(browser.run(cut).await, 0, "no name is cut in two on a desk");
    browser.go(&address).await;
    true_in("return document.querySelector('#alerts').textContent.includes('silenced by ann')").await;
    up.play(Reply::ok("ok"));
    true_in("return document.querySelector('#check-vectors .badge').textContent === 'healthy'").await;
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:?}");
    browser.quit().await;
}
