//! One number, wherever it is asked for: on the board, in the API, in `/metrics` and at the upstream itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use futures_util::future::join_all;
use seawall_e2e::{Rig, Running, eventually, upstream};
use seawall_testkit::{Reply, Upstream};
use serde_json::Value;

/// More than the channel of events holds, which nobody listens to here.
const BAD: u64 = 6000;
const GOOD: u64 = 500;

/// The sum of a metric over its series whose labels begin so.
fn sum(text: &str, series: &str) -> u64 {
    let of = text.lines().filter(|line| line.starts_with(series));
    of.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
}

async fn metrics(gateway: &Running) -> String {
    gateway.admin("/metrics").await.text()
}

fn total(numbers: &Value) -> u64 {
    numbers.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).sum()
}

#[tokio::test]
async fn under_overload_with_events_dropped_every_number_is_the_same_everywhere() {
    let [bad, good] = [Upstream::start(Reply::status(500)), Upstream::start(Reply::ok("ok"))];
    let (bad, good) = (bad.await.unwrap(), good.await.unwrap());
    let mut rig = Rig::of([upstream("bad", &bad.url()), upstream("good", &good.url())]);
    // What a breaker refuses is no event.
    rig.plan.upstreams[0].breaker.mode = seawall::breaker::Mode::MetricsOnly;
    let gateway = rig.start();
    let calls = |path: &'static str, all: u64| {
        let gateway = &gateway;
        join_all((0..16).map(move |worker| async move {
            for _ in (worker..all).step_by(16) {
                gateway.get(path).await;
            }
        }))
    };
    tokio::join!(calls("/bad/x", BAD), calls("/good/x", GOOD));
    eventually("the last call is counted", async || {
        let text = metrics(&gateway).await;
        (sum(&text, "seawall_calls_total{") == BAD + GOOD).then_some(())
    })
    .await;

    let text = metrics(&gateway).await;
    assert!(sum(&text, "seawall_events_dropped_total") > 0, "nobody listened");
    let board = gateway.admin("/api/v1/board").await.json().unwrap();
    let status = gateway.admin("/api/v1/status").await.json().unwrap();
    assert_eq!(status["calls"]["total"], BAD + GOOD);
    assert_eq!(board["status"]["calls"]["total"], BAD + GOOD);
    let page = gateway.admin("/").await.text();
    assert!(page.contains(&format!("0 in flight, {} in all", BAD + GOOD)), "{page}");
    for (name, asked, up) in [("bad", BAD, &bad), ("good", GOOD, &good)] {
        let of = |metric: &str| sum(&text, &format!("{metric}{{upstream=\"{name}\""));
        assert_eq!(of("seawall_calls_total"), asked, "{name}");
        assert_eq!(of("seawall_call_duration_seconds_count"), asked, "{name}");
        assert_eq!(of("seawall_attempts_total"), up.ledger().requests().len() as u64, "{name}");
        // Drawn over ten minutes, which this has not taken; a step is drawn when it is over.
        let [calls, retries, failures] = eventually("the steps are over", async || {
            let board = gateway.admin("/api/v1/board").await.json()?;
            let history = board["history"].as_array()?.iter().find(|history| history["name"] == name)?;
            let drawn = ["calls", "retries", "failures"].map(|key| total(&history[key]));
            (drawn[0] >= asked).then_some(drawn)
        })
        .await;
        assert_eq!((calls, failures), (asked, if name == "bad" { asked } else { 0 }), "{name}");
        assert_eq!(asked + retries, of("seawall_attempts_total"), "{name}");
    }
    // The other formats are of the same registry.
    let told = async |format: &str| {
        let request = seawall_testkit::client::Request::get("/metrics").header("accept", format);
        gateway.admin_send(request).await.text()
    };
    let (csv, json) = (told("text/csv").await, told("application/json").await);
    let json: Value = serde_json::from_str(&json).unwrap();
    for (metric, kind, field) in [
        ("seawall_calls_total", "counter", "value"),
        ("seawall_attempts_total", "counter", "value"),
        ("seawall_call_duration_seconds", "histogram", "count"),
    ] {
        for name in ["bad", "good"] {
            let shown = if field == "count" { format!("{metric}_count") } else { metric.to_owned() };
            let shown = sum(&text, &format!("{shown}{{upstream=\"{name}\""));
            assert!(shown > 0, "{metric} {name}");
            let row = format!("{metric},{kind},\"{{upstream=\"\"{name}\"\"");
            let rows = csv.lines().filter_map(|line| line.strip_prefix(&row)?.rsplit_once(','));
            let values = rows.filter(|(labels, _)| labels.ends_with(&format!("\",{field}")));
            let of_csv: u64 = values.map(|(_, value)| value.parse::<u64>().unwrap()).sum();
            assert_eq!(of_csv, shown, "{metric} {name}: {csv}");
            let metrics = json["metrics"].as_array().unwrap();
            let found = metrics.iter().find(|one| one["name"] == metric && one["kind"] == kind).unwrap();
            let series = found["series"].as_array().unwrap();
            let of_it = series.iter().filter(|series| series["labels"]["upstream"] == name);
            let of_json: f64 = of_it.map(|series| series[field].as_f64().unwrap()).sum();
            assert_eq!(of_json, shown as f64, "{metric} {name}: {found}");
        }
    }
}
