//! Where nobody can hear: a disk that is full, a log that is moved away, a channel that is down. Calls go on, what is lost is
//! counted, and what comes back is used again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use seawall_e2e::binary::{Seawall, binary, configured_with, serve};
use seawall_e2e::{eventually, ms};
use seawall_testkit::client;
use seawall_testkit::{Reply, Upstream};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// The whole lines of a file; the last may be on its way.
fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect()
}

/// A call that must go well, and soon, whatever else happens. Its id.
async fn call(seawall: &Seawall) -> String {
    let answer = timeout(Duration::from_secs(5), client::get(&seawall.url("/up/x"))).await;
    let answer = answer.expect("a call waits for nobody").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("seawall-call").unwrap().to_owned()
}

async fn metric(seawall: &Seawall, name: &str) -> u64 {
    let text = client::get(&format!("http://{}/metrics", seawall.admin)).await.unwrap().text();
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    found.unwrap_or_else(|| panic!("no {name}: {text}")) as u64
}

const LOST: &str = "seawall_log_lines_lost_total{reason=\"failed\"}";
const LOGS: &str = "[logs]\ndirectory = \"./logs\"\n";

async fn stop(mut seawall: Seawall) {
    seawall.signal("-TERM").await;
    assert!(seawall.ended().await.success());
}

/// Whether this machine lets us have a small disk of our own, seen by one process and gone with it.
async fn may_mount(folder: &Path) -> bool {
    let mount = format!("mount -t tmpfs -o size=64k none {}", folder.display());
    let tried = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", &mount])
        .stderr(Stdio::null())
        .status()
        .await;
    let may = tried.is_ok_and(|status| status.success());
    if !may {
        assert!(
            std::env::var_os("CI").is_none(),
            "no file system can be mounted here: allow user namespaces, or be root"
        );
        eprintln!("SKIPPED: no file system can be mounted here: allow user namespaces, or be root");
    }
    may
}

#[tokio::test]
async fn a_full_disk_costs_lines_of_the_log_which_are_counted_and_no_call() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", LOGS);
    let disk = home.path().join("logs");
    fs::create_dir(&disk).unwrap();
    if !may_mount(&disk).await {
        return;
    }
    let mut command = Command::new("unshare");
    let mount = format!(
        "mount -t tmpfs -o size=64k,mode=0700 none {} && exec {} serve -c seawall.toml",
        disk.display(),
        binary.display()
    );
    command.args(["--mount", "--map-root-user", "sh", "-c", &mount]).current_dir(home.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let seawall = Seawall::begin(command).await;
    // As the process itself sees it.
    let seen = PathBuf::from(format!("/proc/{}/root{}", seawall.child.id().unwrap(), disk.display()));
    let file = seen.join("performance.jsonl");
    let first = call(&seawall).await;
    let written = async |id: &str| {
        eventually("the call is written down", async || {
            lines(&file).iter().any(|line| line["call"] == id).then_some(())
        })
        .await;
    };
    written(&first).await;
    assert_eq!(metric(&seawall, LOST).await, 0);

    let rest = seen.join("somebody-elses");
    let mut other = File::create(&rest).unwrap();
    while other.write_all(&[b'x'; 1024]).is_ok() {}
    eventually("lines are lost", async || {
        call(&seawall).await;
        (metric(&seawall, LOST).await > 0).then_some(())
    })
    .await;
    for _ in 0..20 {
        call(&seawall).await;
    }
    // Everything in the files is whole, the last line too.
    for entry in fs::read_dir(&seen).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "jsonl") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'), "{}: {text}", path.display());
            lines(&path);
        }
    }

    // Somebody makes room: it goes on by itself, and says how many lines are missing.
    drop(other);
    fs::remove_file(rest).unwrap();
    let after = call(&seawall).await;
    written(&after).await;
    let told = eventually("what is missing is told", async || {
        let told: u64 = lines(&seen.join("app.jsonl")).iter().filter_map(|line| line["lost"].as_u64()).sum();
        (told == metric(&seawall, LOST).await).then_some(told)
    })
    .await;
    assert!(told > 0);
    stop(seawall).await;
}

#[tokio::test]
async fn a_log_that_somebody_moves_away_goes_on_in_a_new_file_and_no_line_is_lost() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", LOGS);
    let seawall = Seawall::begin(serve(&binary, &home)).await;
    let (file, moved) = (home.path().join("logs/performance.jsonl"), home.path().join("archive.jsonl"));
    let mut calls = vec![call(&seawall).await];
    eventually("it is written down", async || (lines(&file).len() == 1).then_some(())).await;
    fs::rename(&file, &moved).unwrap();
    // Nobody tells it: it finds out.
    let until = Instant::now() + Duration::from_secs(10);
    while lines(&file).is_empty() {
        assert!(Instant::now() < until, "there is no new file");
        calls.push(call(&seawall).await);
        sleep(ms(50)).await;
    }
    calls.push(call(&seawall).await);
    let newest = calls.last().unwrap();
    eventually("the new file is written", async || {
        lines(&file).iter().any(|line| line["call"] == newest.as_str()).then_some(())
    })
    .await;
    let all: Vec<Value> = lines(&moved).into_iter().chain(lines(&file)).collect();
    let found: Vec<&str> = all.iter().filter_map(|line| line["call"].as_str()).collect();
    assert_eq!(found, calls, "each call once, in one file or the other");
    assert_eq!(metric(&seawall, LOST).await, 0);
    stop(seawall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_down_keeps_notices_until_they_expire_with_a_note_and_holds_up_nobody() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    // One that takes connections and never answers, one that refuses them, and one that works.
    let (stalls, hears) =
        (Upstream::start(Reply::stall()).await.unwrap(), Upstream::start(Reply::status(204)).await.unwrap());
    let nowhere = seawall_e2e::Nowhere::new().unwrap();
    let channel = |name: &str, url: &str| {
        // A minute is the least a notice is kept.
        let delivery = "delivery = { batch = \"0s\", cooldown = \"0s\", expire = \"1m\" }";
        format!("[channel.{name}]\nwebhook = \"{url}/hook\"\n{delivery}\n")
    };
    let more = format!(
        "[alert.held]\nwhen = \"breaker_open > 0\"\nsend = [\"gone\", \"hears\", \"stalls\"]\n{}{}{}",
        channel("gone", &nowhere.url()),
        channel("hears", &hears.url()),
        channel("stalls", &stalls.url())
    );
    let more = format!("[upstream.other]\nurl = \"{}\"\n{more}", up.url());
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", &more);
    let seawall = Seawall::start(&binary, &home).await;
    let admin = format!("http://{}", seawall.admin);
    let lever = serde_json::json!({ "by": "ann", "reason": "a test" });
    let pulled =
        client::post_json(&format!("{admin}/api/v1/breakers/other/force-open"), lever).await.unwrap();
    assert_eq!(pulled.status, 200);
    let alerts = async || client::get(&format!("{admin}/api/v1/alerts")).await.unwrap().json().unwrap();
    let channels = async || {
        let all: Value = alerts().await;
        ["gone", "hears", "stalls"].map(|name| {
            let listed = all["channels"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
            ["waiting", "delivered", "dropped"].map(|key| listed[key].as_u64().unwrap())
        })
    };
    eventually("the one that works is told, the others wait", async || {
        let [gone, hears, stalls] = channels().await;
        (gone == [1, 0, 0] && hears == [0, 1, 0] && stalls == [1, 0, 0]).then_some(())
    })
    .await;
    assert_eq!(hears.ledger().requests().len(), 1);
    let waits = "seawall_alert_notices_waiting{channel=\"gone\"}";
    assert_eq!(metric(&seawall, waits).await, 1);
    // Until the minute is over calls go on, and so does whoever looks.
    let until = Instant::now() + Duration::from_secs(75);
    let dropped = "seawall_alert_notices_total{channel=\"gone\",result=\"dropped\"}";
    while metric(&seawall, dropped).await == 0 {
        assert!(Instant::now() < until, "it never expired: {}", alerts().await);
        call(&seawall).await;
        sleep(ms(200)).await;
    }
    let why = eventually("it is said what became of it", async || {
        let all: Value = alerts().await;
        let held =
            all["alerts"].as_array().unwrap().iter().find(|one| one["id"] == "held:other").unwrap().clone();
        let why = held["why"].to_string();
        why.contains("gone: dropped undelivered").then_some(why).filter(|_| held["state"] == "active")
    })
    .await;
    assert!(why.contains("it could not be delivered for 1m: "), "{why}");
    // What is still true is said again, and arrives where somebody is there again.
    let address = nowhere.url().trim_start_matches("http://").parse().unwrap();
    drop(nowhere);
    let back = Upstream::start_on(address, Reply::status(204)).await.unwrap();
    let until = Instant::now() + Duration::from_secs(15);
    while back.ledger().requests().is_empty() {
        assert!(Instant::now() < until, "it is not told again: {}", alerts().await);
        call(&seawall).await;
        sleep(ms(100)).await;
    }
    assert_eq!(hears.ledger().requests().len(), 1, "nobody hears of it twice");
    stop(seawall).await;
}
