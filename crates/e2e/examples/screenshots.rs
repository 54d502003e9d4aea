//! Draws `docs/screenshots`: a few minutes of traffic, an outage, and a real Chromium that looks at the board meanwhile.
//!
//! `cargo run -p seawall-e2e --example screenshots` takes about five minutes: a sparkline of ten minutes needs some. A number
//! after it is another count of seconds. The binary has to be built: what asks for a token is that.

#![allow(clippy::unwrap_used, reason = "whoever draws sees where it stops")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use seawall::Effects;
use seawall::health::system::{Disk, Memory};
use seawall_core::clock::wall_now;
use seawall_e2e::binary::{Seawall, binary, configured_with};
use seawall_e2e::browser::Browser;
use seawall_e2e::{Rig, ms, requests, upstream};
use seawall_gateway::plan::Limit;
use seawall_gateway::plan::health::{Check, Get, Look};
use seawall_policy::alert::Options;
use seawall_signals::alerts::{channel, rules};
use seawall_signals::metrics::{Registry, names};
use seawall_signals::series::{self, Kept};
use seawall_testkit::client::{self, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::json;
use tokio::time::{Instant, sleep};

const QUIET: u64 = 240;
const OUTAGE: Duration = Duration::from_secs(24);

/// A provider that answers after a while that varies, is odd now and then, and can be down.
async fn provider(slow: u64, odd: u64, down: Arc<AtomicBool>) -> Upstream {
    let script = Script::per_path(move |request, n| {
        let wait = ms(slow + n * 7919 % (slow + 1) + if n.is_multiple_of(23) { 4 * slow } else { 0 });
        match (down.load(Ordering::SeqCst), request.path()) {
            (true, "/v3/order") => Reply::execute_then_drop("order"),
            (true, _) => Reply::status(503).after(wait),
            (false, _) if odd > 0 && n % odd == odd - 1 => Reply::status(503).after(wait),
            _ => Reply::json(200, json!({ "n": n })).after(wait),
        }
    });
    Upstream::start(script).await.unwrap()
}

#[tokio::main]
async fn main() {
    let (down, fine) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let exchange = provider(6, 0, down.clone()).await;
    let openai = provider(90, 37, fine.clone()).await;
    let carbon = provider(20, 0, fine).await;
    let ups = [("exchange", &exchange), ("openai", &openai), ("carbon", &carbon)];
    let mut rig = Rig::of(ups.map(|(name, up)| upstream(name, &up.url())));
    rig = rig.route("orders", "/exchange/v3/order", Some(Effects::Once));
    rig.plan.routes[0].to = vec![0];
    rig.plan.upstreams[0].limits = vec![requests(1200, ms(60_000))];
    rig.plan.upstreams[1].limits = vec![requests(500, ms(60_000)), Limit::Concurrent(32, None)];
    for upstream in &mut rig.plan.upstreams {
        upstream.defaults.retry = seawall::retry::Options::default();
    }
    let probed = |name: &str, look: Look| {
        let every = Some(Duration::from_secs(2));
        Check { look: Some(look), every, failures: 2, ..Check::calls(name.into()) }
    };
    let page = Get { url: format!("{}/healthz", exchange.url()), auth: None, ca: None, proxy: None };
    rig.plan.health = vec![
        probed("clearing", Look::Http { get: page, contains: None, accept: Vec::new() }),
        probed("disk", Look::Disk("/".into(), Disk::USUAL)),
        probed("memory", Look::Memory(Memory::USUAL)),
    ];
    let told: Options = serde_json::from_value(json!({
        "when": "breaker_open{upstream='exchange'} > 0", "for": "1m", "severity": "critical",
        "summary": "orders are refused: see the runbook, page 3", "send": ["desk"],
    }))
    .unwrap();
    rig.plan.alerts.rules = rules([("exchange_down".to_owned(), told)]).unwrap();
    let desk: channel::Options<String> =
        serde_json::from_value(json!({ "console": true, "all": "error" })).unwrap();
    let say: channel::Say = Arc::new(|_| {});
    let desk = desk.resolve(|_, _| None).unwrap().outlet("desk", &say).unwrap();
    rig.plan.alerts.outlets = vec![desk];
    let home = tempfile::tempdir().unwrap();
    yesterday(home.path());
    rig.plan.state = Some(home.path().to_owned());
    let gateway = rig.start();
    let number = Arc::new(AtomicU64::new(0));
    for (path, every, swing) in [
        ("/exchange/v3/ticker", 130, 2.0),
        ("/openai/v1/models", 260, 0.7),
        ("/carbon/intensity/de", 1700, 0.3),
    ] {
        let url = gateway.url("");
        tokio::spawn(async move {
            let began = Instant::now();
            loop {
                let request = Request::get(path);
                let url = url.clone();
                tokio::spawn(async move { client::request(&url, request).await });
                // Traffic comes and goes.
                let wave = 1.0 + swing * 0.3 * (began.elapsed().as_secs_f64() / 23.0).sin();
                sleep(Duration::from_secs_f64(f64::from(every) / 1000.0 / wave)).await;
            }
        });
    }
    let order = async || {
        let key = format!("2026-rebalance-{}", number.fetch_add(1, Ordering::SeqCst));
        let body = json!({ "symbol": "BTCEUR", "side": "BUY", "quantity": "0.01" });
        gateway.send(Request::post("/exchange/v3/order").header("idempotency-key", key).json(&body)).await
    };
    let board = format!("http://{}", gateway.gateway.admin());
    let browser = Browser::start().await.expect("chromium and chromium-driver");
    guarded(&browser, &exchange).await;
    let quiet = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(QUIET);
    sleep(Duration::from_secs(quiet)).await;
    order().await;

    browser.resize(1280, 860).await;
    browser.go(&board).await;
    sleep(ms(1500)).await;
    draw(&browser, "healthy").await;
    scheme(&browser, "dark").await;
    browser.resize(1280, 860).await;
    sleep(ms(500)).await;
    draw(&browser, "dark").await;
    scheme(&browser, "light").await;

    down.store(true, Ordering::SeqCst);
    order().await;
    let story = order().await;
    sleep(OUTAGE).await;
    browser.resize(1280, 1400).await;
    browser.go(&board).await;
    sleep(ms(1500)).await;
    draw(&browser, "outage").await;
    browser.resize(390, 844).await;
    browser.go(&board).await;
    sleep(ms(1500)).await;
    draw(&browser, "phone").await;

    let calls = gateway.list("calls").await;
    let told = calls.iter().find(|call| {
        call["upstream"] == "openai" && call["attempts"].as_array().is_some_and(|all| all.len() > 1)
    });
    let id = told.map_or_else(|| story.header("seawall-call").unwrap(), |call| call["id"].as_str().unwrap());
    browser.resize(1280, 760).await;
    browser.go(&format!("{board}/calls/{id}")).await;
    sleep(ms(500)).await;
    draw(&browser, "story").await;
    browser.resize(1280, 900).await;
    browser.go(&format!("{board}/upstreams/exchange?range=24h")).await;
    sleep(ms(1500)).await;
    draw(&browser, "steer").await;
    browser.go(&format!("{board}/alerts/breaker_open%3Aexchange")).await;
    sleep(ms(1500)).await;
    draw(&browser, "alert").await;
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:?}");
    browser.quit().await;
}

/// What an earlier process counted in the hours before, a stop and an outage among them.
fn yesterday(state: &Path) {
    let now = wall_now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (mut kept, registry) = (Kept::default(), Registry::new());
    names::BREAKER_OPEN.with(&registry, ["exchange", "exchange"]).set(0.0);
    let calls = |outcome| names::CALLS.with(&registry, ["exchange", "exchange", outcome]);
    for ago in (1..24).rev().filter(|ago| !(12..15).contains(ago)) {
        let hour = (now / 3600 - ago) * 3600;
        kept.tick(hour + 60, || registry.gather());
        let many = 9000.0 + 6500.0 * (ago as f64 / 4.5).sin();
        calls("ok").add(many as u64);
        calls("timeout").add(if ago == 7 { 4200 } else { ago * 9 });
        kept.tick(hour + 120, || registry.gather());
    }
    series::keep(state, &kept.save()).unwrap();
}

/// The pages of whoever has a token.
async fn guarded(browser: &Browser, exchange: &Upstream) {
    let binary = binary().expect("the binary is built");
    let token = "ann-7Qm2xVb9Lw4TzR1nKc8Y";
    let tables = "[admin_tokens.ann]\ntoken = \"file:ann\"\nrole = \"operator\"\n";
    let home = configured_with(&exchange.url(), "127.0.0.1:0", "./state", tables);
    std::fs::write(home.path().join("ann"), token).unwrap();
    let mut seawall = Seawall::start(&binary, &home).await;
    let address = format!("http://{}", seawall.admin);
    browser.resize(1280, 620).await;
    browser.go(&format!("{address}/config")).await;
    draw(browser, "login").await;
    browser.write("input[name=token]", token).await;
    browser.click("form button").await;
    let file = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let reload = async |more: &str, reason: &str| {
        std::fs::write(&file, format!("{text}{more}")).unwrap();
        let lever = Request::post("/api/v1/config/reload").header("authorization", format!("Bearer {token}"));
        let body = json!({ "reason": reason });
        assert_eq!(client::request(&address, lever.json(&body)).await.unwrap().status, 200);
        sleep(ms(1500)).await;
    };
    let carbon = format!("[upstream.carbon]\nurl = \"{}\"\n", exchange.url());
    reload(&carbon, "the carbon feed, as agreed on Monday").await;
    reload(&format!("{carbon}retry = {{ attempts = 2 }}\n"), "two attempts are enough for it").await;
    browser.resize(1280, 760).await;
    browser.go(&format!("{address}/config")).await;
    draw(browser, "config").await;
    browser.go("about:blank").await;
    browser.complaints().await;
    seawall.signal("-TERM").await;
    seawall.ended().await;
}

async fn scheme(browser: &Browser, scheme: &str) {
    let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
    browser.devtools("Emulation.setEmulatedMedia", &features).await;
}

async fn draw(browser: &Browser, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), browser.picture().await).unwrap();
}
