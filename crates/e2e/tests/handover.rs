//! A new process on the sockets of the one before: nobody notices, and nothing is done twice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::HashSet;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use seawall_e2e::binary::{Seawall, binary, configured_with, serve};
use seawall_e2e::ms;
use seawall_testkit::client::{self, Answer, Client, Ended, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::sleep;

const ORDERS: &str = "[route.orders]\nmatch = { method = \"POST\", path = \"/up/orders\" }\nto = [\"up\"]\neffects = \"once\"\n";

fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Every order gets a number, and everything takes a while.
async fn upstream() -> Upstream {
    let script = Script::per_path(|request, n| match request.path() {
        "/orders" => Reply::json(201, json!({ "order": n })).executing("order").after(ms(20)),
        "/stream" => Reply::sse(&["a"; 30]).every(ms(50)),
        _ => Reply::ok("ok").after(ms(2)),
    });
    Upstream::start(script).await.unwrap()
}

fn heir(binary: &PathBuf, home: &TempDir) -> Command {
    let mut command = serve(binary, home);
    command.arg("--take-over");
    command
}

/// Calls on a kept connection until it is told to stop, and counts; a call that is not answered well ends it with why.
async fn calls(
    authority: String,
    number: usize,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Result<(), String> {
    let mut kept: Option<Client> = None;
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let mut client = match kept.take() {
            Some(client) => client,
            None => Client::connect(&authority).await.map_err(|error| format!("connect: {error}"))?,
        };
        let request = match n % 3 {
            0 => Request::post("/up/orders")
                .header("idempotency-key", format!("{number}-{n}"))
                .json(&json!({})),
            1 => Request::get("/up/x"),
            _ => Request::post("/up/y").body("yes"),
        };
        let request = request.header("host", &authority);
        let answer = client.call(&request).await.map_err(|error| format!("call {n}: {error}"))?;
        if !matches!(answer.status, 200 | 201) {
            return Err(format!("call {n}: {} {}", answer.status, answer.text()));
        }
        count.fetch_add(1, Ordering::Relaxed);
        if answer.header("connection") != Some("close") {
            kept = Some(client);
        }
    }
    Ok(())
}

async fn order(authority: &str, key: &str) -> Answer {
    let request = Request::post("").header("idempotency-key", key).json(&json!({}));
    client::request(&format!("http://{authority}/up/orders"), request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_after_another_takes_over_under_load_and_no_call_fails() {
    let Some(binary) = binary() else { return };
    let up = upstream().await;
    let listen = free();
    let home = configured_with(&up.url(), &listen, "./state", ORDERS);
    let mut now = Seawall::start(&binary, &home).await;
    let first = order(&listen, "before").await;
    assert_eq!(first.status, 201);

    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for number in 0..24 {
        callers.spawn(calls(listen.clone(), number, stop.clone(), count.clone()));
    }
    let stream = tokio::spawn({
        let url = format!("http://{listen}/up/stream");
        async move { client::stream(&url, Request::get("")).await.unwrap().collect().await.1 }
    });
    for round in 0..4 {
        sleep(ms(300)).await;
        let before = count.load(Ordering::Relaxed);
        let next = Seawall::begin(heir(&binary, &home)).await;
        now.said("takes over").await;
        let status = tokio::time::timeout(Duration::from_secs(20), now.ended()).await.unwrap();
        assert_eq!(status.code(), Some(0), "round {round}: nothing was cut");
        now = next;
        sleep(ms(200)).await;
        assert!(count.load(Ordering::Relaxed) > before, "round {round}");
    }
    assert_eq!(stream.await.unwrap(), Ended::Complete);
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        assert_eq!(ended.unwrap(), Ok(()));
    }
    let again = order(&listen, "before").await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &first.body));
    let ledger = up.ledger().executed("order");
    let distinct: HashSet<_> = ledger.iter().map(|done| done.key.clone().unwrap()).collect();
    assert_eq!(distinct.len(), ledger.len(), "nothing was done twice");
    assert!(count.load(Ordering::Relaxed) > 200, "{}", count.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_successor_that_cannot_serve_changes_nothing() {
    let Some(binary) = binary() else { return };
    let up = upstream().await;
    let listen = free();
    let home = configured_with(&up.url(), &listen, "./state", "");
    let now = Seawall::start(&binary, &home).await;
    let broken = configured_with(&up.url(), &listen, "./state", "[route.x]\nto = [\"nowhere\"]\n");
    let status = heir(&binary, &broken).output().await.unwrap();
    assert_eq!(status.status.code(), Some(2));
    assert_eq!(client::get(&now.url("/up/x")).await.unwrap().text(), "ok");
}

#[tokio::test]
async fn where_nobody_serves_it_simply_begins() {
    let Some(binary) = binary() else { return };
    let up = upstream().await;
    let home = configured_with(&up.url(), &free(), "./state", "");
    let seawall = Seawall::begin(heir(&binary, &home)).await;
    assert_eq!(client::get(&seawall.url("/up/x")).await.unwrap().text(), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_were_passed_in_outlive_the_process_and_whoever_connects_meanwhile_waits() {
    let Some(binary) = binary() else { return };
    let up = upstream().await;
    // As systemd does it: the socket is there first, and stays.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    fcntl_setfd(&socket, FdFlags::empty()).unwrap();
    let listen = socket.local_addr().unwrap().to_string();
    let home = configured_with(&up.url(), &listen, "./state", ORDERS);
    let activated = || {
        let plain = serve(&binary, &home);
        let plain = plain.as_std();
        let mut command = Command::new("bash");
        let exec = format!("exec 3<&{}; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"", socket.as_raw_fd());
        command.arg("-c").arg(exec).arg(plain.get_program()).args(plain.get_args());
        if let Some(directory) = plain.get_current_dir() {
            command.current_dir(directory);
        }
        command.stderr(std::process::Stdio::piped()).kill_on_drop(true);
        command
    };
    let mut now = Seawall::begin(activated()).await;
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for number in 0..8 {
        callers.spawn(calls(listen.clone(), number, stop.clone(), count.clone()));
    }
    for _ in 0..3 {
        sleep(ms(200)).await;
        now.signal("-TERM").await;
        assert_eq!(now.ended().await.code(), Some(0));
        sleep(ms(200)).await;
        now = Seawall::begin(activated()).await;
    }
    sleep(ms(200)).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        assert_eq!(ended.unwrap(), Ok(()));
    }
    assert!(count.load(Ordering::Relaxed) > 50, "{}", count.load(Ordering::Relaxed));
    let elsewhere = configured_with(&up.url(), &free(), "./state", "");
    let text = std::fs::read_to_string(elsewhere.path().join("seawall.toml")).unwrap();
    std::fs::write(home.path().join("seawall.toml"), text).unwrap();
    drop(now);
    let refused = activated().output().await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!((refused.status.code(), said.contains("neither listen")), (Some(2), true), "{said}");
}
