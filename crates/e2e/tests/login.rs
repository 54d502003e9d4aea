//! A person with a token, at a browser: they come in, go back to an earlier configuration, and leave.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::PathBuf;

use seawall_e2e::binary::{Seawall, binary, configured_with};
use seawall_e2e::browser::Browser;
use seawall_e2e::eventually;
use seawall_testkit::client::{self, Request};
use seawall_testkit::{Reply, Upstream};
use serde_json::{Value, json};
use tempfile::TempDir;

const ANN: &str = "ann-7Qm2xVb9Lw4TzR1nKc8Y";
const TOKENS: &str = "[admin_tokens.ann]\ntoken = \"file:ann\"\nrole = \"operator\"\n";

/// A seawall that asks for a token, in its second configuration.
async fn guarded(binary: &PathBuf, up: &Upstream) -> (TempDir, Seawall) {
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", TOKENS);
    std::fs::write(home.path().join("ann"), ANN).unwrap();
    let seawall = Seawall::start(binary, &home).await;
    let file = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}[upstream.second]\nurl = \"{}\"\n", up.url())).unwrap();
    eventually("the second configuration is in force", async || {
        let config = config(&seawall).await;
        let known = config["versions"].as_array()?.len() == 2;
        (config["generation"] == 2 && known).then_some(())
    })
    .await;
    (home, seawall)
}

async fn config(seawall: &Seawall) -> Value {
    let asked = Request::get("/api/v1/config").header("authorization", format!("Bearer {ANN}"));
    let answer = client::request(&format!("http://{}", seawall.admin), asked).await.unwrap();
    answer.json().unwrap()
}

async fn at(browser: &Browser, path: &str) {
    let script = format!("return location.pathname === {path:?}");
    eventually(&format!("the browser is at {path}"), async || {
        (browser.run(&script).await == Value::Bool(true)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_logs_in_rolls_a_configuration_back_and_logs_out() {
    let Some(binary) = binary() else { return };
    let Some(browser) = Browser::start().await else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let (_home, mut seawall) = guarded(&binary, &up).await;
    let address = format!("http://{}", seawall.admin);

    // Whoever has no session is asked for a token, and led back to where they wanted to go.
    browser.go(&format!("{address}/config")).await;
    at(&browser, "/login").await;
    assert_eq!(browser.text("return document.activeElement.name").await, "token");
    assert!(browser.complaints().await.is_empty());
    browser.write("input[name=token]", "nobody-0123456789abc").await;
    browser.click("form button").await;
    assert!(browser.see(".error").await.starts_with("SW0055"), "{}", browser.see(".error").await);
    assert_eq!(browser.text("return document.querySelector('input[name=token]').value").await, "");
    // The answer to a wrong token is a 401, which browsers tell.
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|line| line.contains("401")), "{complaints:?}");
    browser.write("input[name=token]", ANN).await;
    browser.click("form button").await;
    at(&browser, "/config").await;
    assert_eq!(browser.see("h1").await, "Version 2 is in force");
    assert!(browser.see("#owner").await.starts_with("ann"), "{}", browser.see("#owner").await);
    assert_eq!(browser.text("return document.cookie").await, "", "no script reads the session");
    assert_eq!(
        browser.run("return document.documentElement.outerHTML").await.as_str().unwrap().find(ANN),
        None
    );

    // Back to the first; the one in force is no choice.
    assert_eq!(browser.run("return document.querySelector('input[value=\"2\"]').disabled").await, true);
    assert_eq!(browser.run("return document.querySelector('input[name=by]')").await, Value::Null);
    browser.click("input[value='1']").await;
    browser.write("input[name=reason]", "the second was a mistake").await;
    browser.click("#form button").await;
    let note = browser.see("#note").await;
    assert!(
        note.starts_with("Rolled back to version 1: version 3, generation 3")
            && note.contains("by ann: the second was a mistake"),
        "{note}"
    );
    assert_eq!(browser.see("h1").await, "Version 3 is in force");
    let now = config(&seawall).await;
    assert_eq!(now["generation"], 3);
    let latest = now["versions"][0].clone();
    assert_eq!((&latest["by"], &latest["state"]), (&json!("ann"), &json!("in-force")), "{latest}");
    browser.go(&address).await;
    assert_eq!(browser.run("return document.querySelectorAll('#upstreams article').length").await, 1);

    // It is over, and what was seen is not shown again.
    browser.click("#owner button").await;
    at(&browser, "/login").await;
    browser.go(&format!("{address}/calls")).await;
    at(&browser, "/login").await;
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:?}");
    browser.quit().await;
    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone_and_without_scripts_a_person_comes_in_and_nothing_sticks_out() {
    let Some(binary) = binary() else { return };
    let Some(browser) = Browser::start().await else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let (_home, mut seawall) = guarded(&binary, &up).await;
    let address = format!("http://{}", seawall.admin);
    let fits = async |what: &str| {
        let wide = browser.run("return document.documentElement.scrollWidth").await;
        assert!(wide.as_u64().is_some_and(|wide| wide <= 390), "{what} is {wide} wide");
        let unnamed = browser
            .run(
                "return [...document.querySelectorAll('a, button, input:not([type=hidden])')]\
                 .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)",
            )
            .await;
        assert_eq!(unnamed, json!([]), "{what}: something has no name to be read out");
        assert_eq!(browser.run("return document.querySelectorAll('h1, main').length").await, 2, "{what}");
    };
    browser.resize(390, 844).await;
    browser.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": true })).await;
    browser.go(&format!("{address}/login?to=%2Fconfig")).await;
    fits("/login").await;
    browser.write("input[name=token]", ANN).await;
    browser.click("form button").await;
    at(&browser, "/config").await;
    assert_eq!(browser.see("h1").await, "Version 2 is in force");
    fits("/config").await;
    browser.click("#owner button").await;
    at(&browser, "/login").await;
    assert_eq!(browser.see("h1").await, "Log in");
    browser.quit().await;
    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
}
