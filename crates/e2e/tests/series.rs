//! What the metrics were, over restarts: hours and days in the state directory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::Path;

use futures_util::future::join_all;
use seawall_e2e::{Rig, Running};
use seawall_testkit::client::Request;
use seawall_testkit::{Reply, Upstream};
use serde_json::Value;

fn rig(up: &Upstream, state: &Path) -> Rig {
    let mut rig = Rig::new(&up.url());
    rig.plan.state = Some(state.to_owned());
    rig
}

async fn asked(gateway: &Running, query: &str) -> Value {
    let answer = gateway.admin(&format!("/api/v1/series?{query}")).await;
    answer.json().unwrap_or_else(|| panic!("{query}: {}", answer.text()))
}

/// How much the calls that went well have grown, by all steps of a length.
async fn grown(gateway: &Running, step: &str) -> f64 {
    let told = asked(gateway, &format!("metric=calls_total&step={step}&over=increase")).await;
    let series =
        told["series"].as_array().unwrap().iter().filter(|series| series["labels"]["outcome"] == "ok");
    series
        .flat_map(|series| series["points"].as_array().unwrap())
        .map(|point| point[1].as_f64().unwrap())
        .sum()
}

async fn stop(gateway: Running) {
    tokio::task::spawn_blocking(move || gateway.gateway.stop()).await.unwrap();
}

#[tokio::test]
async fn hours_and_days_outlive_restarts_and_every_call_is_counted_once() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    for calls in [3, 2] {
        let gateway = rig(&up, home.path()).start();
        for _ in 0..calls {
            assert_eq!(gateway.get("/up/x").await.status, 200);
        }
        stop(gateway).await;
    }
    let gateway = rig(&up, home.path()).start();
    assert_eq!((grown(&gateway, "1h").await, grown(&gateway, "1d").await), (5.0, 5.0));
    let told = asked(&gateway, "metric=calls_total&step=1h&span=2h").await;
    assert_eq!((&told["step_seconds"], &told["span_seconds"]), (&3600.into(), &7200.into()));
    let step = &told["series"][0]["steps"][0];
    for key in ["at", "count", "avg", "sum", "min", "max", "last", "increase", "p50", "p95", "p99"] {
        assert!(step[key].is_number(), "{key}: {told}");
    }
    let csv = gateway.admin("/api/v1/series?metric=calls_total&step=1d&format=csv").await;
    assert!(
        csv.text().starts_with("series,time,count,avg,sum,min,max,last,increase,p50,p95,p99\r\n"),
        "{}",
        csv.text()
    );
    assert!(csv.text().lines().count() > 1);
    for (query, said) in [
        ("metric=calls_total&step=2h", "step: there are no such steps"),
        ("metric=calls_total&step=soon", "step: "),
        ("metric=calls_total&step=1h&span=32d", "span: is out of range: write \"31d\" or less"),
        ("metric=calls_total&step=1d&span=401d", "write \"400d\" or less"),
        ("metric=calls_total&step=1h&over=median", "cannot be asked"),
        ("metric=nobody&step=1h", "nobody counts"),
    ] {
        let refused = asked(&gateway, query).await;
        assert!(refused["detail"].as_str().unwrap().contains(said), "{query}: {refused}");
    }
    stop(gateway).await;
}

#[tokio::test]
async fn a_file_that_is_not_whole_is_set_aside_and_a_full_disk_costs_no_call() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let garbage = b"\0\xffnot ours\n\n";
    fs::write(home.path().join("series.state"), garbage).unwrap();
    let gateway = rig(&up, home.path()).start();
    assert_eq!(fs::read(home.path().join("series.broken")).unwrap(), garbage);
    assert_eq!(gateway.get("/up/x").await.status, 200);
    stop(gateway).await;
    let gateway = rig(&up, home.path()).start();
    assert_eq!(grown(&gateway, "1d").await, 1.0);
    // Whoever writes there has no space.
    std::os::unix::fs::symlink("/dev/full", home.path().join("series.state.new")).unwrap();
    assert_eq!(gateway.get("/up/x").await.status, 200);
    stop(gateway).await;
    let gateway = rig(&up, home.path()).start();
    assert_eq!(grown(&gateway, "1d").await, 1.0, "what was written before stands");
    stop(gateway).await;
}

/// The series that there are, without their values.
fn series(metrics: &str) -> Vec<String> {
    let named = |line: &str| line.rsplit_once(' ').map(|(name, _)| name.to_owned());
    metrics.lines().filter(|line| !line.starts_with('#')).filter_map(named).collect()
}

#[tokio::test]
async fn ten_thousand_paths_and_header_values_add_no_series() {
    const EACH: usize = 1250;
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let ask = |place: usize| {
        let value = format!("stranger-{place}-é\"}} 1\nx");
        let value: String = value.chars().filter(char::is_ascii_graphic).collect();
        let request = Request::get(format!("/up/{value}/{place}?q={place}"));
        request.header("user-agent", &value).header("x-user", &value).header("traceparent", &value)
    };
    // Whatever the first calls bring is there before it is counted.
    assert_eq!(gateway.send(ask(0)).await.status, 200);
    let before = series(&gateway.admin("/metrics").await.text());
    let callers = (0..8).map(|caller| {
        let gateway = &gateway;
        async move {
            let mut client = gateway.connect().await;
            for place in 0..EACH {
                let answer = {
                    client.send(&ask(caller * EACH + place)).await.unwrap();
                    client.answer().await.unwrap()
                };
                assert_eq!(answer.status, 200);
            }
        }
    });
    join_all(callers).await;
    let after = gateway.admin("/metrics").await.text();
    assert_eq!(series(&after), before);
    assert!(!after.contains("stranger"), "nothing of what came in is a label");
    let told = asked(&gateway, "metric=series_dropped_total&over=last").await;
    assert_eq!(told["series"].as_array().map(Vec::len), Some(0), "and none was refused: {told}");
}
