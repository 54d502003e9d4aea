//! The hours and days on an upstream's page: what the API says, drawn, with gaps where nothing is known.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::UNIX_EPOCH;

use seawall_core::clock::wall_now;
use seawall_e2e::browser::Browser;
use seawall_e2e::{Rig, Running, eventually};
use seawall_signals::metrics::{Registry, names};
use seawall_signals::series::{self, Kept};
use seawall_testkit::{Reply, Upstream};
use serde_json::Value;

const HOUR: u64 = 3600;

/// What an earlier process left: calls, some of them failed, in hours so long ago; between them it was not there.
fn left(state: &Path, hours: &[(u64, u64, u64)]) {
    let now = wall_now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (mut kept, registry) = (Kept::default(), Registry::new());
    names::BREAKER_OPEN.with(&registry, ["up", "up"]).set(0.0);
    for (ago, well, failed) in hours {
        let begin = (now / HOUR - ago) * HOUR;
        kept.tick(begin + 60, || registry.gather());
        names::CALLS.with(&registry, ["up", "up", "ok"]).add(*well);
        names::CALLS.with(&registry, ["up", "up", "timeout"]).add(*failed);
        kept.tick(begin + 120, || registry.gather());
    }
    series::keep(state, &kept.save()).unwrap();
}

async fn page(gateway: &Running, path: &str) -> String {
    let answer = gateway.admin(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text()
}

/// Calls and failures of each step, as the API says, by how `when` writes the moment.
async fn told(gateway: &Running, step: &str, span: &str, digits: usize) -> BTreeMap<String, (u64, u64)> {
    let query = format!("/api/v1/series?metric=calls_total&step={step}&span={span}&over=increase");
    let all: Value = gateway.admin(&query).await.json().unwrap();
    let mut steps: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for series in all["series"].as_array().unwrap() {
        for point in series["points"].as_array().unwrap() {
            let at = std::time::Duration::from_secs(point[0].as_u64().unwrap());
            let when: String = httpdate::fmt_http_date(UNIX_EPOCH + at);
            let count = point[1].as_f64().unwrap() as u64;
            let entry = steps.entry(iso(&when).chars().take(digits).collect()).or_default();
            entry.0 += count;
            entry.1 += if series["labels"]["outcome"] == "ok" { 0 } else { count };
        }
    }
    steps
}

/// `Sun, 22 Nov 2026 14:00:00 GMT` as `2026-11-22 14:00:00`.
fn iso(date: &str) -> String {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = date.split_whitespace().collect();
    let month = months.iter().position(|month| *month == words[2]).unwrap() + 1;
    format!("{}-{month:02}-{} {}", words[3], words[1], words[4])
}

/// Calls and failures of each line of the page's table that knows them, and how many lines know nothing.
fn drawn(page: &str) -> (BTreeMap<String, (u64, u64)>, usize) {
    let table = page.split_once("id=\"steps\"").unwrap().1.split("<tbody>").nth(1).unwrap();
    let rows = table.split("</tbody>").next().unwrap().split("<tr>").skip(1);
    let (mut known, mut unknown) = (BTreeMap::new(), 0);
    for row in rows {
        let cells: Vec<&str> = row
            .split("</th>")
            .flat_map(|part| part.split("</td>"))
            .map(|cell| cell.rsplit('>').next().unwrap())
            .collect();
        match (cells[1].parse(), cells[2].parse()) {
            (Ok(calls), Ok(failed)) => drop(known.insert(cells[0].to_owned(), (calls, failed))),
            _ => unknown += 1,
        }
    }
    (known, unknown)
}

#[tokio::test]
async fn the_page_shows_the_hours_and_days_the_api_tells_and_leaves_gaps_where_nothing_is_known() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    left(home.path(), &[(75, 900, 0), (20, 30, 10), (19, 400, 0), (3, 7, 7)]);
    let mut rig = Rig::new(&up.url());
    rig.plan.state = Some(home.path().to_owned());
    let gateway = rig.start();
    for (range, step, span, digits, steps) in [("24h", "1h", "23h", 16, 24), ("30d", "1d", "29d", 10, 30)] {
        let path = format!("/upstreams/up?range={range}");
        // A minute that begins meanwhile is looked at again.
        eventually("the page says what the API says", async || {
            let told = told(&gateway, step, span, digits).await;
            let (known, unknown) = drawn(&page(&gateway, &path).await);
            let same = known.iter().all(|(when, counts)| told.get(when).unwrap_or(&(0, 0)) == counts)
                && told.keys().all(|when| known.contains_key(when));
            assert_eq!(known.len() + unknown, steps, "{known:?}");
            same.then_some(())
        })
        .await;
        let text = page(&gateway, &path).await;
        assert!(text.contains("class=\"unknown\""), "{text}");
        assert!(text.contains(&format!("?range={range}\" aria-current=\"true\"")), "{text}");
        assert!(text.contains("nothing is known"), "{text}");
    }
    let day = page(&gateway, "/upstreams/up?range=24h").await;
    assert!(day.contains("last 24 hours: 454 calls, 17 failed, at most 400 in an hour; of "), "{day}");
    let month = page(&gateway, "/upstreams/up?range=30d").await;
    assert!(month.contains("last 30 days: 1354 calls, 17 failed, at most "), "{month}");
    for path in ["/upstreams/up", "/upstreams/up?range=10m"] {
        let text = page(&gateway, path).await;
        assert!(
            text.contains("no calls in the last 10 minutes") && !text.contains("class=\"unknown\""),
            "{text}"
        );
        assert!(text.contains("?range=10m\" aria-current=\"true\""), "{text}");
    }
    let refused = gateway.admin("/upstreams/up?range=1y").await;
    assert!(refused.status == 400 && refused.text().contains("write 10m, 24h or 30d"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_range_is_a_link_that_works_without_scripts_and_stays_when_the_page_is_renewed() {
    let Some(browser) = Browser::start().await else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    left(home.path(), &[(5, 30, 10)]);
    let mut rig = Rig::new(&up.url());
    rig.plan.state = Some(home.path().to_owned());
    let gateway = rig.start();
    let address = format!("http://{}/upstreams/up", gateway.gateway.admin());
    let disabled = |value: bool| serde_json::json!({ "value": value });
    browser.devtools("Emulation.setScriptExecutionDisabled", &disabled(true)).await;
    browser.go(&address).await;
    browser.click(".past a[href$='range=24h']").await;
    assert!(browser.see("#range").await.starts_with("last 24 hours: 40 calls, 10 failed"));
    browser.devtools("Emulation.setScriptExecutionDisabled", &disabled(false)).await;
    browser.resize(390, 844).await;
    browser.go(&format!("{address}?range=30d")).await;
    let wide = browser.run("return document.documentElement.scrollWidth").await;
    assert!(wide.as_u64().is_some_and(|wide| wide <= 390), "{wide}");
    gateway.get("/up/x").await;
    eventually("the page is renewed", async || {
        let fact = browser.text("return document.querySelector('#facts dd').textContent").await;
        (fact == "1").then_some(())
    })
    .await;
    assert!(browser.see("#range").await.starts_with("last 30 days: "));
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:?}");
    browser.quit().await;
}
