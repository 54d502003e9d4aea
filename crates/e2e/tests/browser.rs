//! The operator's page in a real Chromium: an outage is seen as it happens, and a breaker moved by hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use seawall_e2e::browser::Browser;
use seawall_e2e::{Rig, Running, eventually, ms, requests, upstream};
use seawall_gateway::plan::Limit;
use seawall_testkit::client::Request;
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::{Value, json};

/// An upstream that can be broken and mended.
async fn fragile() -> (Upstream, Arc<AtomicBool>) {
    let broken = Arc::new(AtomicBool::new(false));
    let seen = broken.clone();
    let script = Script::per_path(move |_, _| match seen.load(Ordering::SeqCst) {
        true => Reply::status(503),
        false => Reply::ok("ok"),
    });
    (Upstream::start(script).await.unwrap(), broken)
}

fn address(gateway: &Running) -> String {
    format!("http://{}", gateway.gateway.admin())
}

/// Looks at the page, which nobody loads again meanwhile, until a script says so.
async fn comes_true(browser: &Browser, script: &str) {
    eventually(script, async || (browser.run(script).await == Value::Bool(true)).then_some(())).await;
}

/// Nothing was complained about, and nobody else was asked for anything.
async fn well_behaved(browser: &Browser, gateway: &Running) {
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:?}");
    let ours = address(gateway);
    // A new tab of the browser's loads pages of its own.
    let own = ["data:", "chrome://", "chrome-untrusted://", "chrome-extension://"];
    let foreign: Vec<String> = browser
        .requests()
        .await
        .into_iter()
        .filter(|url| !url.starts_with(&ours) && !own.iter().any(|own| url.starts_with(own)))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_seen_as_it_happens_and_ended_by_hand() {
    let Some(browser) = Browser::start().await else { return };
    let (exchange, broken) = fragile().await;
    let mut rig = Rig::of(["exchange", "quiet"].map(|name| upstream(name, &exchange.url())));
    rig.plan.upstreams[0].limits = vec![requests(500, ms(60_000)), Limit::Concurrent(32, None)];
    rig.plan.upstreams[0].defaults.retry.attempts = 1;
    let gateway = rig.start();
    for _ in 0..10 {
        gateway.get("/exchange/ticker").await;
    }
    browser.go(&address(&gateway)).await;
    comes_true(
        &browser,
        "return document.querySelector('h1').textContent.startsWith('Healthy: 2 upstreams, 10 calls/min')",
    )
    .await;
    comes_true(&browser, "return document.title.startsWith('Healthy')").await;
    assert_eq!(
        browser.text("return document.querySelector('#up-exchange .badge').textContent").await,
        "breaker closed"
    );
    browser.run("window.marked = true; document.querySelector('#up-exchange').marked = true").await;

    broken.store(true, Ordering::SeqCst);
    for _ in 0..6 {
        gateway.get("/exchange/ticker").await;
    }
    comes_true(&browser, "return /^exchange is failing since .*: breaker open, probe in /.test(document.querySelector('h1').textContent)").await;
    comes_true(&browser, "return document.querySelector('#up-exchange').classList.contains('bad')").await;
    comes_true(&browser, "return document.title.startsWith('exchange is failing')").await;
    comes_true(&browser, "return /exchange/.test(document.getElementById('say').textContent)").await;
    assert_eq!(browser.see("#up-exchange .why").await.split(' ').next(), Some("open"));
    assert_eq!(
        browser.run("return window.marked && document.querySelector('#up-exchange').marked").await,
        true,
        "the page was not loaded again, and the tile is the same element"
    );
    assert!(browser.see("#calls tbody").await.contains("SW0004"), "the refused call is on the page");

    browser.click("#up-exchange .steer").await;
    comes_true(&browser, "return location.pathname == '/upstreams/exchange'").await;
    browser.click("input[value=reset]").await;
    browser.write("input[name=by]", "ann").await;
    browser.write("input[name=reason]", "the exchange says it is back").await;
    broken.store(false, Ordering::SeqCst);
    // What is half written outlasts what is new meanwhile.
    gateway.get("/exchange/ticker").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(
        browser.text("return document.querySelector('input[name=reason]').value").await,
        "the exchange says it is back"
    );
    assert_eq!(
        browser.text("return document.activeElement.name").await,
        "reason",
        "and nobody loses their place"
    );
    browser.click("form button").await;
    comes_true(&browser, "return document.getElementById('note')?.textContent == 'Reset the breaker: exchange, by ann: the exchange says it is back'").await;
    assert_eq!(gateway.item("breakers", "exchange").await["state"], "closed");
    browser.go(&address(&gateway)).await;
    comes_true(
        &browser,
        "return document.querySelector('#up-exchange .badge').textContent == 'breaker closed'",
    )
    .await;
    assert!(browser.see("#levers").await.contains("the exchange says it is back"));
    well_behaved(&browser, &gateway).await;

    // Gone without a word: the page says that it is old.
    gateway.gateway.stop();
    comes_true(&browser, "return !document.getElementById('stale').hidden").await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_scripts_the_page_is_whole_and_a_lever_moves() {
    let Some(browser) = Browser::start().await else { return };
    let (up, _) = fragile().await;
    let gateway = Rig::new(&up.url()).start();
    browser.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": true })).await;
    browser.go(&address(&gateway)).await;
    assert_eq!(browser.see("h1").await, "Healthy: 1 upstream, no calls in the last minute");
    browser.click("#up-up .steer").await;
    browser.click("input[value=force-open]").await;
    browser.write("input[name=by]", "ann").await;
    browser.write("input[name=reason]", "maintenance").await;
    browser.click("form button").await;
    assert_eq!(browser.see("#note").await, "Force open: up, by ann: maintenance");
    assert_eq!(gateway.item("breakers", "up").await["state"], "forced-open");
    browser.go(&address(&gateway)).await;
    assert!(browser.see("h1").await.starts_with("up is held open by ann since "));
    well_behaved(&browser, &gateway).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone_nothing_sticks_out_and_everything_is_reached_by_keys() {
    let Some(browser) = Browser::start().await else { return };
    let (up, broken) = fragile().await;
    broken.store(true, Ordering::SeqCst);
    let gateway = Rig::of(
        ["exchange", "a-name-that-is-longer-than-anybody-would-choose-for-an-upstream"]
            .map(|name| upstream(name, &up.url())),
    )
    .start();
    let long = format!("/exchange/{}", "a-path-without-end/".repeat(12));
    for _ in 0..3 {
        gateway.get(&long).await;
    }
    let call = gateway.list("calls").await[0]["id"].as_str().unwrap().to_owned();
    browser.resize(390, 844).await;
    for path in ["/", "/calls", "/effects", "/drain", "/upstreams/exchange", &format!("/calls/{call}")] {
        browser.go(&format!("{}{path}", address(&gateway))).await;
        let wide = browser.run("return document.documentElement.scrollWidth").await;
        assert!(wide.as_u64().is_some_and(|wide| wide <= 390), "{path} is {wide} wide");
        let small = browser
            .run("return [...document.querySelectorAll('main a, main button, main input')].filter(e => e.tabIndex < 0).length")
            .await;
        assert_eq!(small, 0, "{path}: something cannot be reached by keys");
        let unnamed = browser
            .run(
                "return [...document.querySelectorAll('a, button, input:not([type=hidden]), meter, svg[role=img]')]\
                 .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)",
            )
            .await;
        assert_eq!(unnamed, json!([]), "{path}: something has no name to be read out");
        assert_eq!(browser.run("return document.querySelectorAll('h1').length").await, 1, "{path}");
    }
    well_behaved(&browser, &gateway).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_in_names_and_paths_runs_nothing_even_when_the_page_is_renewed() {
    let Some(browser) = Browser::start().await else { return };
    let (up, broken) = fragile().await;
    broken.store(true, Ordering::SeqCst);
    let hostile = "<img src=x onerror=\"window.hacked=1\">";
    let gateway = Rig::new(&up.url()).start();
    browser.go(&address(&gateway)).await;
    let signed = json!({ "by": hostile, "reason": hostile });
    gateway.admin_send(Request::post("/api/v1/breakers/up/force-closed").json(&signed)).await;
    gateway.get("/up/'onmouseover='window.hacked=2'").await;
    comes_true(&browser, "return document.querySelector('#calls').textContent.includes('onmouseover')").await;
    assert_eq!(browser.run("return window.hacked ?? null").await, Value::Null);
    assert_eq!(browser.run("return document.querySelectorAll('main img').length").await, 0);
    assert!(browser.see("h1").await.contains(hostile), "it is shown as it is");
    well_behaved(&browser, &gateway).await;
    browser.quit().await;
}
