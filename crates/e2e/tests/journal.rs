//! The journal through the binary: killed in the middle of an order, shared through a Redis, steered by commands.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use seawall_e2e::binary::{Seawall, binary, configured_with, serve};
use seawall_e2e::redis::RedisServer;
use seawall_e2e::{eventually, ms, refused};
use seawall_testkit::client::{self, Answer, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::{Value, json};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(20);

const ORDERS: &str =
    "\n[route.orders]\nmatch = { method = \"POST\", path = \"/up/orders\" }\neffects = \"once\"\n";

fn order(key: &str) -> Request {
    Request::post("").header("idempotency-key", key).json(&json!({ "quantity": 1 }))
}

async fn place(seawall: &Seawall, key: &str) -> Answer {
    client::request(&seawall.url("/up/orders"), order(key)).await.unwrap()
}

async fn command(binary: &PathBuf, seawall: &Seawall, arguments: &[&str]) -> (Option<i32>, String, String) {
    let ran = Command::new(binary)
        .args(arguments)
        .args(["--admin", &seawall.admin])
        .env_clear()
        .stdin(Stdio::null())
        .output();
    let ran = tokio::time::timeout(PATIENCE, ran).await.expect("it ends").unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap())
}

fn executing() -> Script {
    Script::per_path(|_, n| Reply::json(201, json!({ "order": n })).executing("order"))
}

#[tokio::test]
async fn killed_in_the_middle_of_an_order_it_does_not_send_it_again_and_says_so() {
    let Some(binary) = binary() else { return };
    // The first order hangs after it was executed; its gateway is killed meanwhile.
    let script = Script::with_ledger(|_, _, ledger| match ledger.executed("order").len() {
        0 => Reply::json(201, json!({ "order": 0 })).after(Duration::from_secs(60)).executing("order"),
        n => Reply::json(201, json!({ "order": n })).executing("order"),
    });
    let up = Upstream::start(script).await.unwrap();
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", ORDERS);
    let mut seawall = Seawall::start(&binary, &home).await;
    let url = seawall.url("/up/orders");
    let lost = tokio::spawn(async move { client::request(&url, order("k")).await });
    assert!(up.ledger().wait_for_requests(1, PATIENCE).await);
    seawall.signal("-KILL").await;
    seawall.ended().await;
    assert!(lost.await.unwrap().is_err());

    let seawall = Seawall::start(&binary, &home).await;
    let again = place(&seawall, "k").await;
    assert_eq!(refused(&again), (409, "SW0037".into()));
    assert_eq!(place(&seawall, "other").await.status, 201, "everything else goes on");
    assert_eq!(up.ledger().times("order", "k"), 1);

    let (code, out, _) = command(&binary, &seawall, &["effects"]).await;
    assert_eq!(code, Some(0));
    assert!(
        out.contains("in-doubt") && out.contains("seawall:effect:orders:k") && out.contains("crash"),
        "{out}"
    );
    let (_, out, _) = command(&binary, &seawall, &["effects", "list", "--json"]).await;
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((list["promise"].as_str(), list["effects"].as_array().unwrap().len()), (Some("power"), 1));
    let id = list["effects"][0]["id"].as_str().unwrap();
    let (code, out, _) = command(&binary, &seawall, &["effects", "show", id]).await;
    assert!(code == Some(0) && out.contains("its process ended while it ran"), "{out}");

    let (code, _, err) = command(&binary, &seawall, &["effects", "resolve", id, "--as", "applied"]).await;
    assert_eq!(code, Some(2), "who and why are missing: {err}");
    let signed = ["--by", "ann", "--reason", "the exchange has it"];
    let decide = |word: &'static str, outcome: &'static str| {
        let arguments = [&["effects", word, id, "--as", outcome], &signed[..]].concat();
        let (binary, seawall) = (&binary, &seawall);
        async move { command(binary, seawall, &arguments).await }
    };
    let (code, _, err) = decide("resolve", "not-applied").await;
    assert_eq!(code, Some(1), "the call may still be under way: {err}");
    let (code, _, err) = decide("resolve", "applied").await;
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(refused(&place(&seawall, "k").await), (409, "SW0044".into()));
    let (_, out, _) = command(&binary, &seawall, &["effects"]).await;
    assert!(out.contains("nothing is in doubt"), "{out}");
    let (code, _, _) = decide("force", "not-applied").await;
    assert_eq!(code, Some(1), "what is decided is decided");
    assert_eq!(up.ledger().times("order", "k"), 1);
}

#[tokio::test]
async fn what_was_answered_before_a_kill_is_replayed_after_it() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(executing()).await.unwrap();
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", ORDERS);
    let mut first = Vec::new();
    for round in 0..3 {
        let mut seawall = Seawall::start(&binary, &home).await;
        for (place_, before) in first.iter().enumerate() {
            let again: Answer = place(&seawall, &format!("k{place_}")).await;
            assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), before));
        }
        first.push(place(&seawall, &format!("k{round}")).await.body);
        // At once: what a caller has read was on the disk before.
        seawall.signal("-KILL").await;
        seawall.ended().await;
    }
    assert_eq!(up.ledger().executed("order").len(), 3);
}

#[tokio::test]
async fn a_sigterm_waits_for_an_order_whose_caller_has_left() {
    let Some(binary) = binary() else { return };
    let script = Script::always(Reply::json(201, json!({ "order": 1 })).executing("order").after(ms(800)));
    let up = Upstream::start(script).await.unwrap();
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", ORDERS);
    let mut seawall = Seawall::start(&binary, &home).await;
    let url = seawall.url("/up/orders");
    let caller = tokio::spawn(async move { client::request(&url, order("k")).await });
    assert!(up.ledger().wait_for_requests(1, PATIENCE).await);
    caller.abort();
    seawall.signal("-TERM").await;
    seawall.said("nothing was cut short").await;
    assert_eq!(seawall.ended().await.code(), Some(0));
    let seawall = Seawall::start(&binary, &home).await;
    assert_eq!(place(&seawall, "k").await.header("idempotent-replayed"), Some("true"));
    assert_eq!(up.ledger().times("order", "k"), 1);
}

/// A Redis that keeps what it acknowledges.
async fn redis() -> Option<RedisServer> {
    let settings = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"];
    RedisServer::start(&settings).await
}

#[tokio::test]
async fn answers_are_remembered_unreadably_and_without_their_key_not_given_and_not_run_again() {
    let Some(binary) = binary() else { return };
    let script =
        Script::per_path(|_, _| Reply::json(201, json!({ "order": "canary-8f0c" })).executing("order"));
    let up = Upstream::start(script).await.unwrap();
    let home = configured_with(
        &up.url(),
        "127.0.0.1:0",
        "./state",
        &format!("{ORDERS}\n[effects]\nencrypt = \"env:SEAL\"\n"),
    );
    let start = async |key: Option<&str>| {
        let mut command = serve(&binary, &home);
        command.env("SEAL", key.unwrap_or_default());
        if key.is_none() {
            let file = home.path().join("seawall.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, text.replace("encrypt", "# encrypt")).unwrap();
        }
        Seawall::begin(command).await
    };
    let stop = async |mut seawall: Seawall| {
        seawall.signal("-TERM").await;
        assert!(seawall.ended().await.success());
    };
    let mine = "k".repeat(32);
    let seawall = start(Some(&mine)).await;
    let first = place(&seawall, "k").await;
    let again = place(&seawall, "k").await;
    assert_eq!((first.status, again.status, &again.body), (201, 201, &first.body));
    stop(seawall).await;
    for entry in std::fs::read_dir(home.path().join("state")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        assert!(!bytes.windows(6).any(|part| part == b"canary"), "{}", path.display());
    }
    // Another key, the same again, and none.
    let seawall = start(Some(&"x".repeat(32))).await;
    assert_eq!(refused(&place(&seawall, "k").await), (409, "SW0044".into()));
    stop(seawall).await;
    let seawall = start(Some(&mine)).await;
    assert_eq!(place(&seawall, "k").await.body, first.body);
    stop(seawall).await;
    let seawall = start(None).await;
    assert_eq!(refused(&place(&seawall, "k").await), (409, "SW0044".into()));
    assert_eq!(up.ledger().times("order", "k"), 1);
}

#[tokio::test]
async fn gateways_that_share_a_redis_do_an_order_once_between_them() {
    let Some(binary) = binary() else { return };
    let Some(mut server) = redis().await else { return };
    let up = Upstream::start(executing()).await.unwrap();
    let state = server.url();
    let homes = [0, 1].map(|_| configured_with(&up.url(), "127.0.0.1:0", &state, ORDERS));
    let (one, two) = (Seawall::start(&binary, &homes[0]).await, Seawall::start(&binary, &homes[1]).await);
    let first = place(&one, "k").await;
    let again = place(&two, "k").await;
    assert_eq!((first.status, again.status, &again.body), (201, 201, &first.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let racing = (0..30).map(|n| place(if n % 2 == 0 { &one } else { &two }, "race"));
    let answers = futures_util::future::join_all(racing).await;
    assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)));
    assert_eq!(up.ledger().times("order", "race"), 1);

    let beside: Vec<_> =
        std::fs::read_dir(homes[0].path().join("seawall-state")).unwrap().flatten().collect();
    let known = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("redis-test-");
    assert!(beside.iter().any(|file| known(&file.file_name())), "which memory it trusts is noted beside it");

    // The store is gone: nothing that could happen twice is begun, and what needs no store goes on.
    server.kill().await;
    let refused_now = place(&one, "later").await;
    assert_eq!(refused(&refused_now), (503, "SW0041".into()));
    assert_eq!(client::get(&one.url("/up/x")).await.unwrap().status, 201);
    assert_eq!(up.ledger().times("order", "later"), 0);
}

#[tokio::test]
async fn an_answer_whose_journal_is_away_is_open_until_it_is_written_down() {
    let Some(binary) = binary() else { return };
    let Some(mut server) = redis().await else { return };
    let order = Reply::json(201, json!({ "order": "o-1" })).executing("order").after(ms(700));
    let up = Upstream::start(Script::always(order)).await.unwrap();
    let home = configured_with(&up.url(), "127.0.0.1:0", &server.url(), ORDERS);
    let seawall = Seawall::start(&binary, &home).await;
    let (answer, ()) = tokio::join!(place(&seawall, "k"), async {
        eventually("it is out", async || (up.ledger().request_count() > 0).then_some(())).await;
        server.kill().await;
    });
    let decision = answer.header("seawall-decision").unwrap();
    assert!(answer.status == 201 && decision.contains("effect=open"), "{} {decision}", answer.status);
    assert!(server.again().await);
    eventually("it is told", async || {
        let again = place(&seawall, "k").await;
        (again.header("idempotent-replayed") == Some("true")).then(|| assert_eq!(again.body, answer.body))
    })
    .await;
    assert_eq!(up.ledger().times("order", "k"), 1);
}

#[tokio::test]
async fn a_journal_is_copied_while_it_is_used_and_a_copy_laid_back_is_not_trusted_before_somebody_says_so() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(executing()).await.unwrap();
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", ORDERS);
    let mut seawall = Seawall::start(&binary, &home).await;
    let before = place(&seawall, "before").await;
    let signed = ["--by", "ann", "--reason", "nightly"];
    let (code, out, err) = command(&binary, &seawall, &[&["state", "backup"], &signed[..]].concat()).await;
    assert_eq!(code, Some(0), "{err}");
    let copy = PathBuf::from(out.trim());
    assert!(copy.is_file(), "{out}");
    assert_eq!(place(&seawall, "after").await.status, 201);

    let restore = async |copy: &PathBuf| {
        let ran = Command::new(&binary)
            .args(["state", "restore"])
            .arg(copy)
            .current_dir(home.path())
            .env_clear()
            .output();
        let ran = ran.await.unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    let (code, said) = restore(&copy).await;
    assert_eq!(code, Some(1), "a journal that is in use is not replaced: {said}");
    seawall.signal("-TERM").await;
    seawall.ended().await;
    let kept = home.path().join("copy.db");
    std::fs::rename(&copy, &kept).unwrap();
    std::fs::remove_dir_all(home.path().join("state")).unwrap();
    let (code, said) = restore(&kept).await;
    assert_eq!(code, Some(0), "{said}");

    let seawall = Seawall::start(&binary, &home).await;
    let again = place(&seawall, "before").await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &before.body));
    // It was done after the copy was made: nobody knows that any more, and so nobody does it again.
    assert_eq!(refused(&place(&seawall, "after").await), (503, "SW0041".into()));
    let health = client::get(&format!("http://{}/health", seawall.admin)).await.unwrap().json().unwrap();
    assert_eq!(health["status"], "degraded");
    assert!(health["reasons"][0].as_str().unwrap().contains("restored from a copy"), "{health}");
    let (code, _, err) = command(&binary, &seawall, &[&["state", "settle"], &signed[..]].concat()).await;
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(place(&seawall, "new").await.status, 201);
    assert_eq!(up.ledger().times("order", "after"), 1);
}
