//! The admin port: what it shows is true, what it moves moves, and strangers get neither.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::Write;
use std::process::{Command, Stdio};

use futures_util::future::join_all;
use seawall::breaker;
use seawall_core::units::Rate;
use seawall_e2e::{Rig, Running, code, decision, eventually, ms, requests, upstream};
use seawall_gateway::plan::Limit;
use seawall_testkit::client::{self, Answer, Client, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::{Value, json};

async fn read(gateway: &Running, path: &str) -> (u16, Value) {
    let answer = gateway.admin(path).await;
    (answer.status, answer.json().unwrap_or_else(|| panic!("{path} is not JSON: {}", answer.text())))
}

/// The sum of a family's series that bear these labels.
fn sum(metrics: &str, family: &str, labels: &[&str]) -> f64 {
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix(family)?.strip_prefix('{')?.rsplit_once("} "))
        .filter(|(own, _)| labels.iter().all(|label| own.contains(label)))
        .map(|(_, value)| value.parse::<f64>().unwrap())
        .sum()
}

#[tokio::test]
async fn health_follows_the_breakers_and_live_and_ready_do_not() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::of(["one", "two"].map(|name| upstream(name, &up.url()))).start();
    for (lever, word, status) in [
        (None, "healthy", 200),
        (Some("/api/v1/breakers/one/force-open"), "degraded", 200),
        (Some("/api/v1/breakers/two/force-open"), "unhealthy", 503),
        (Some("/api/v1/breakers/two/reset"), "degraded", 200),
        (Some("/api/v1/breakers/one/reset"), "healthy", 200),
    ] {
        if let Some(lever) = lever {
            assert_eq!(gateway.lever(lever).await.status, 200);
        }
        for path in ["/health", "/health/detailed"] {
            let (seen, body) = read(&gateway, path).await;
            assert_eq!((seen, &body["status"]), (status, &json!(word)), "{path} after {lever:?}");
        }
        assert_eq!(gateway.admin("/health/live").await.status, 200);
        assert_eq!(read(&gateway, "/ready").await.0, 200);
    }
    let (_, detailed) = read(&gateway, "/health/detailed").await;
    assert_eq!(detailed["upstreams"].as_array().map(Vec::len), Some(2), "{detailed}");
}

#[tokio::test]
async fn health_says_why_it_is_not_well() {
    let up = Upstream::start(Reply::status(429).header("retry-after", "60")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    gateway.get("/up/x").await;
    let (status, health) = read(&gateway, "/health").await;
    assert_eq!((status, &health["status"]), (200, &json!("degraded")));
    let reasons = health["reasons"].to_string();
    assert!(reasons.contains("up asked to be left alone"), "{reasons}");
}

#[tokio::test]
async fn every_list_is_an_object_under_its_own_name_whose_items_have_a_name_and_a_state() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::of(["up", "limited"].map(|name| upstream(name, &up.url())));
    rig.plan.upstreams[1].limits = vec![requests(100, ms(1000)), Limit::Concurrent(3, None)];
    let gateway = rig.start();
    gateway.get("/up/x").await;
    gateway.get("/limited/x").await;
    for list in ["upstreams", "breakers", "limits", "retries", "calls"] {
        let items = gateway.list(list).await;
        assert!(items.len() >= 2, "{list}: {items:?}");
        for item in items {
            let named = if list == "calls" { &item["id"] } else { &item["name"] };
            assert!(named.as_str().is_some_and(|name| !name.is_empty()), "{list}: {item}");
            assert!(item["state"].as_str().is_some_and(|state| !state.is_empty()), "{list}: {item}");
        }
    }
    let (status, board) = read(&gateway, "/api/v1/status").await;
    assert_eq!((status, &board["status"]), (200, &json!("healthy")));
    assert_eq!((&board["generation"], &board["draining"]), (&json!(1), &json!(false)));
    let limits: Vec<String> = (gateway.list("limits").await.iter())
        .filter(|limit| limit["name"] == "limited")
        .map(|limit| limit["rate"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(limits, ["100/s", "3 at once"]);
}

#[tokio::test]
async fn the_last_day_of_a_metric_can_be_asked_for_and_every_metric_in_four_formats() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    for _ in 0..3 {
        gateway.get("/up/x").await;
    }
    let asked = async |query: &str| read(&gateway, &format!("/api/v1/series{query}")).await;
    eventually("three calls are counted", async || {
        let (_, told) = asked("?metric=calls_total&span=1h&over=last").await;
        (told["series"][0]["value"] == 3.0).then_some(())
    })
    .await;
    let (status, told) = asked("?metric=seawall_calls_total&span=5m").await;
    let series = &told["series"][0];
    assert_eq!(
        (status, &series["name"], &series["state"]),
        (200, &json!("seawall_calls_total"), &json!("ok"))
    );
    assert_eq!(series["labels"], json!({ "upstream": "up", "route": "", "outcome": "ok" }));
    let points = series["points"].as_array().unwrap();
    assert_eq!(points.last().unwrap()[1], 3.0, "the present is the last of them: {told}");
    let (_, told) = asked("?metric=call_duration_seconds_count&over=max").await;
    assert_eq!(told["series"][0]["value"], 3.0, "{told}");
    let csv = gateway.admin("/api/v1/series?metric=calls_total&over=max&format=csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(csv.text().contains("\r\n\"seawall_calls_total{upstream=\"\"up\"\",route="), "{}", csv.text());
    for (query, said) in [
        ("", "metric is missing"),
        ("?metric=nobody", "nobody counts"),
        ("?metric=calls_total&span=2d", "span: is out of range"),
        ("?metric=calls_total&span=soon", "span: "),
        ("?metric=calls_total&over=median", "over: \"median\" cannot be asked"),
        ("?metric=calls_total&format=xml", "format: \"xml\" is none"),
    ] {
        let (status, refused) = asked(query).await;
        assert!(status == 400 && refused["detail"].as_str().unwrap().contains(said), "{query}: {refused}");
    }
    for (accept, kind, begins) in [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", "# HELP "),
        (
            "application/openmetrics-text",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# HELP ",
        ),
        ("application/json", "application/json", "{\"metrics\":["),
        ("text/csv", "text/csv; charset=utf-8", "metric,kind,labels,field,value\r\n"),
    ] {
        let answer = gateway.admin_send(Request::get("/metrics").header("accept", accept)).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
        assert!(answer.text().starts_with(begins), "{accept}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_story_of_a_retried_call_reads_right() {
    let script = Script::sequence([Reply::status(503), Reply::close()]).then(Reply::ok("at last"));
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).route("reads", "/up/**", None).start();
    let answer = gateway.get("/up/some/path?secret=1").await;
    let story = gateway.ended_story(&answer).await;
    let id = answer.header("seawall-call").unwrap();
    for (key, expected) in [
        ("id", json!(id)),
        ("state", json!("done")),
        ("upstream", json!("up")),
        ("route", json!("reads")),
        ("method", json!("GET")),
        ("path", json!("/up/some/path")),
        ("effects", json!("repeatable")),
        ("status", json!(200)),
        ("class", json!("ok")),
        ("certainty", json!("done")),
        ("decision", json!(answer.header("seawall-decision").unwrap())),
    ] {
        assert_eq!(story[key], expected, "{key}");
    }
    let attempts = story["attempts"].as_array().unwrap();
    let told: Vec<_> = attempts
        .iter()
        .map(|one| {
            (one["number"].as_u64(), one["status"].as_u64(), one["class"].as_str(), one["certainty"].as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some(1), Some(503), Some("overloaded"), Some("unknown")),
            (Some(2), None, Some("transport"), Some("unknown")),
            (Some(3), Some(200), Some("ok"), Some("done")),
        ]
    );
    assert!(attempts[0]["then"].as_str().unwrap().starts_with("again in "), "{story}");
    assert!(attempts[1]["then"].as_str().unwrap().contains("again in "), "{story}");
    let began: Vec<f64> = attempts.iter().map(|one| one["at_ms"].as_f64().unwrap()).collect();
    assert!(began.is_sorted(), "{began:?}");
    assert!(story["duration_ms"].as_f64().unwrap() >= began[2]);
    assert!(story["moments"].to_string().contains("its body ended, 7 bytes"), "{story}");
    let listed = gateway.list("calls").await;
    assert_eq!(listed[0]["id"], id, "the latest first");
}

#[tokio::test]
async fn the_story_of_an_order_that_was_not_sent_again_says_why() {
    let up = Upstream::start(Reply::status(500)).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let answer = gateway.post("/up/orders", &json!({})).await;
    let story = gateway.ended_story(&answer).await;
    assert_eq!((&story["state"], &story["certainty"]), (&json!("unknown"), &json!("unknown")));
    let then = story["attempts"][0]["then"].as_str().unwrap();
    assert!(then.contains("not sent again: guarded, and the outcome is unknown"), "{then}");
}

#[tokio::test]
async fn a_call_nobody_knows_is_404_and_so_is_a_page_nobody_has() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    for path in [
        "/api/v1/calls/0190e0c0-0000-7000-8000-000000000000",
        "/api/v1/calls/not-an-id",
        "/api/v1/nothing",
        "/nothing",
    ] {
        let answer = gateway.admin(path).await;
        assert_eq!((answer.status, code(&answer).as_str()), (404, "SW0030"), "{path}");
    }
}

/// A gateway that has seen a success, retries, a lost reply, a refusal and a wait.
async fn seasoned() -> (Upstream, Running) {
    let script = Script::per_path(|request, _| match request.path() {
        "/broken" => Reply::status(500),
        "/lost" => Reply::close(),
        _ => Reply::ok("ok"),
    });
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::of(["up", "limited", "slowed"].map(|name| upstream(name, &up.url())));
    rig.plan.upstreams[1].limits = vec![requests(1, ms(60_000)), Limit::Concurrent(2, None)];
    rig.plan.upstreams[1].queue.wait = ms(0);
    rig.plan.upstreams[2].limits = vec![requests(1, ms(50))];
    // One retry in all: the second is denied.
    rig.plan.upstreams[0].defaults.retry.floor = Rate { count: 1.try_into().unwrap(), per: ms(10_000) };
    rig.plan.upstreams[0].breaker.consecutive = 2;
    let gateway = rig.start();
    for path in
        ["/up/x", "/limited/x", "/limited/x", "/slowed/x", "/slowed/x", "/up/broken", "/up/lost", "/nobody/x"]
    {
        gateway.get(path).await;
    }
    (up, gateway)
}

#[tokio::test]
async fn every_published_family_of_metrics_is_there() {
    let (_up, gateway) = seasoned().await;
    let metrics = gateway.admin("/metrics").await.text();
    for (family, kind, labels) in [
        ("seawall_calls_total", "counter", "upstream=,route=,outcome="),
        ("seawall_call_duration_seconds", "histogram", "upstream="),
        ("seawall_attempts_total", "counter", "upstream=,result="),
        ("seawall_retries_total", "counter", "upstream=,reason="),
        ("seawall_retry_budget_exhausted_total", "counter", "upstream="),
        ("seawall_breaker_state", "gauge", "breaker=,upstream=,state="),
        ("seawall_breaker_open", "gauge", "breaker=,upstream="),
        ("seawall_breaker_transitions_total", "counter", "breaker=,upstream=,to="),
        ("seawall_limiter_wait_seconds", "histogram", "upstream="),
        ("seawall_rejections_total", "counter", "upstream=,policy=,code="),
        ("seawall_bulkhead_in_flight", "gauge", "upstream="),
        ("seawall_config_generation", "gauge", ""),
        ("seawall_events_dropped_total", "counter", ""),
        ("seawall_build_info", "gauge", "version="),
    ] {
        assert!(metrics.contains(&format!("# TYPE {family} {kind}\n")), "{family}\n{metrics}");
        let first = match kind {
            "histogram" => format!("{family}_count"),
            _ => family.to_owned(),
        };
        let series = metrics
            .lines()
            .find(|line| line.strip_prefix(&first).is_some_and(|rest| rest.starts_with(['{', ' '])));
        let series = series.unwrap_or_else(|| panic!("{family} has no series\n{metrics}"));
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            assert!(series.contains(label), "{series} has no label {label}");
        }
    }
    assert_eq!(sum(&metrics, "seawall_retry_budget_exhausted_total", &["upstream=\"up\""]), 1.0);
    assert_eq!(
        sum(
            &metrics,
            "seawall_rejections_total",
            &["upstream=\"limited\"", "policy=\"limiter\"", "code=\"SW0001\""]
        ),
        1.0
    );
    assert_eq!(
        sum(
            &metrics,
            "seawall_rejections_total",
            &["upstream=\"\"", "policy=\"gateway\"", "code=\"SW0016\""]
        ),
        1.0
    );
    assert_eq!(sum(&metrics, "seawall_limiter_wait_seconds_count", &["upstream=\"slowed\""]), 1.0);
    assert!(!metrics.contains("nobody"), "label values never come from traffic");
    for name in ["up", "limited", "slowed"] {
        let breaker = format!("breaker=\"{name}\"");
        assert_eq!(sum(&metrics, "seawall_breaker_state", &[&breaker]), 1.0, "exactly one state is 1");
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_that_was_asked_for() {
    let (_up, gateway) = seasoned().await;
    let classic = gateway.admin("/metrics").await;
    assert!(classic.header("content-type").unwrap().starts_with("text/plain"), "{:?}", classic.headers);
    let asked = Request::get("/metrics").header("accept", "application/openmetrics-text; version=1.0.0");
    let open = gateway.admin_send(asked).await;
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(open.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn promtool_has_nothing_to_say_about_the_metrics() {
    let named = std::env::var_os("SEAWALL_E2E_PROMTOOL");
    let promtool = named.clone().unwrap_or_else(|| "promtool".into());
    let (_up, gateway) = seasoned().await;
    let metrics = gateway.admin("/metrics").await.text();
    let check = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut check = match check {
        Ok(check) => check,
        Err(error) if named.is_none() && std::env::var_os("CI").is_none() => {
            eprintln!(
                "SKIPPED: promtool cannot be started ({error}): install it, or name it in SEAWALL_E2E_PROMTOOL"
            );
            return;
        }
        Err(error) => panic!("promtool cannot be started: {error}"),
    };
    check.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let said = check.wait_with_output().unwrap();
    let text = [said.stdout, said.stderr].concat();
    assert!(said.status.success() && text.is_empty(), "{}", String::from_utf8_lossy(&text));
}

#[tokio::test]
async fn the_board_the_metrics_the_callers_and_the_upstream_count_the_same() {
    // Of each caller's requests the first fails, so that there are retries to count.
    let script = Script::with_ledger(|request, _, ledger| {
        let came = ledger.requests().iter().filter(|other| other.target == request.target).count();
        match request.path() {
            path if path.starts_with("/missing") => Reply::status(404),
            path if path.starts_with("/again") && came == 1 => Reply::status(503),
            _ => Reply::ok("ok"),
        }
    });
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::of(["up", "other"].map(|name| upstream(name, &up.url())));
    for upstream in &mut rig.plan.upstreams {
        upstream.breaker = breaker::Options::off();
        upstream.defaults.retry.floor = Rate { count: 1000.try_into().unwrap(), per: ms(10_000) };
    }
    let gateway = rig.start();
    let paths: Vec<String> = (0..40)
        .flat_map(|n| [format!("/up/again/{n}"), format!("/up/missing/{n}"), format!("/other/fine/{n}")])
        .collect();
    let answers = join_all(paths.iter().map(|path| gateway.get(path))).await;
    let ok = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((ok, answers.len()), (80, 120));
    eventually("every call is over", async || {
        let (_, status) = read(&gateway, "/api/v1/status").await;
        (status["calls"]["total"] == 120 && status["calls"]["in_flight"] == 0).then_some(())
    })
    .await;
    let metrics = gateway.admin("/metrics").await.text();
    for (name, total, again) in [("up", 80, 40), ("other", 40, 0)] {
        let label = format!("upstream=\"{name}\"");
        assert_eq!(sum(&metrics, "seawall_calls_total", &[&label]), f64::from(total));
        assert_eq!(sum(&metrics, "seawall_call_duration_seconds_count", &[&label]), f64::from(total));
        assert_eq!(sum(&metrics, "seawall_retries_total", &[&label]), f64::from(again));
        let board = gateway.item("upstreams", name).await;
        assert_eq!((&board["total"], &board["last_minute"]), (&json!(total), &json!(total)));
        assert_eq!(gateway.item("retries", name).await["retried"], again);
    }
    assert_eq!(sum(&metrics, "seawall_calls_total", &["outcome=\"ok\""]), 80.0);
    assert_eq!(sum(&metrics, "seawall_calls_total", &["outcome=\"invalid\""]), 40.0);
    assert_eq!(sum(&metrics, "seawall_attempts_total", &[]), up.ledger().request_count() as f64);
    let (_, status) = read(&gateway, "/api/v1/status").await;
    assert_eq!(status["calls"]["last_minute"], 120);
    let well = status["calls"]["success_rate"].as_f64().unwrap();
    assert!((well - 80.0 / 120.0).abs() < 1e-9, "{well}");
}

fn careful(answer: &Answer) {
    for (name, value) in [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY")] {
        assert_eq!(answer.header(name), Some(value));
    }
    // A page's own forms say where they come from, and nobody else is told.
    let page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let referrer = if page { "same-origin" } else { "no-referrer" };
    assert_eq!(answer.header("referrer-policy"), Some(referrer));
    assert!(answer.header("content-security-policy").is_some());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn strangers_are_refused_and_every_answer_is_careful_with_browsers() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    for path in ["/", "/api", "/health", "/ready", "/metrics", "/api/v1/status", "/api/v1/calls", "/nothing"]
    {
        careful(&gateway.admin(path).await);
        let rebound = gateway.admin_send(Request::get(path).header("host", "evil.example")).await;
        assert_eq!((rebound.status, code(&rebound).as_str()), (403, "SW0017"), "{path}");
        careful(&rebound);
        let foreign = gateway.admin_send(Request::get(path).header("origin", "https://evil.example")).await;
        assert_eq!((foreign.status, code(&foreign).as_str()), (403, "SW0018"), "{path}");
        careful(&foreign);
    }
    let signed = json!({ "by": "eve", "reason": "because" });
    let lever = Request::post("/api/v1/breakers/up/force-open").json(&signed);
    for (name, value) in [("origin", "https://evil.example"), ("host", "evil.example"), ("origin", "null")] {
        assert_eq!(gateway.admin_send(lever.clone().header(name, value)).await.status, 403, "{name}");
    }
    assert_eq!(gateway.item("breakers", "up").await["state"], "closed");
    let own = format!("http://{}", gateway.gateway.admin());
    assert_eq!(gateway.admin_send(lever.header("origin", own)).await.status, 200);
}

#[tokio::test]
async fn resetting_a_limit_forgets_what_was_used_and_lifts_the_pauses() {
    let script = Script::sequence([Reply::ok("ok"), Reply::status(429).header("retry-after", "60")]);
    let up = Upstream::start(script.then(Reply::ok("ok"))).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().limits = vec![requests(1, ms(60_000))];
    rig.up().queue.wait = ms(0);
    let gateway = rig.start();
    let reset = "/api/v1/limits/up/reset";
    assert_eq!(gateway.admin_send(Request::post(reset).json(&json!({}))).await.status, 400);
    assert_eq!(gateway.get("/up/x").await.status, 200);
    assert_eq!(code(&gateway.get("/up/x").await), "SW0001");
    assert_eq!(gateway.lever(reset).await.status, 200);
    assert_eq!(gateway.get("/up/x").await.status, 429, "the upstream's own");
    assert_eq!(code(&gateway.get("/up/x").await), "SW0003");
    assert_eq!(gateway.item("limits", "up").await["state"], "paused");
    assert_eq!(gateway.lever(reset).await.status, 200);
    assert_eq!(gateway.item("limits", "up").await["state"], "ok");
    assert_eq!(gateway.get("/up/x").await.status, 200);
    assert_eq!(up.ledger().request_count(), 3);
}

#[tokio::test]
async fn reconnecting_lets_go_of_the_connections_that_are_kept() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.workers = 1;
    let gateway = rig.start();
    let mut caller = Client::connect(gateway.gateway.listen()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(caller.call(&Request::get("/up/x")).await.unwrap().status, 200);
    }
    assert_eq!(up.ledger().connections(), 1, "one connection serves them all");
    let pulled = gateway.lever("/api/v1/upstreams/up/reconnect").await;
    assert_eq!(pulled.status, 200, "{}", pulled.text());
    for _ in 0..3 {
        assert_eq!(caller.call(&Request::get("/up/x")).await.unwrap().status, 200);
    }
    assert_eq!(up.ledger().connections(), 2);
}

#[tokio::test]
async fn draining_takes_no_new_calls_and_lets_those_under_way_end() {
    let long = 16 << 20;
    let script = Script::per_path(move |request, _| match request.path() {
        "/long" => Reply::ok(vec![b'x'; long]),
        _ => Reply::ok("ok"),
    });
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let under_way = client::stream(&gateway.url("/up/long"), Request::get("")).await.unwrap();
    assert_eq!(read(&gateway, "/ready").await, (200, json!({ "status": "ready" })));
    assert_eq!(gateway.admin_send(Request::post("/api/v1/drain").json(&json!({}))).await.status, 400);
    assert_eq!(read(&gateway, "/ready").await.0, 200, "unsigned, it moved nothing");
    assert_eq!(gateway.lever("/api/v1/drain").await.status, 200);
    assert_eq!(read(&gateway, "/ready").await, (503, json!({ "status": "draining" })));
    assert_eq!(read(&gateway, "/api/v1/status").await.1["draining"], true);
    assert_eq!(gateway.admin("/health/live").await.status, 200);
    let refused = gateway.get("/up/x").await;
    assert_eq!((refused.status, code(&refused).as_str()), (503, "SW0014"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(decision(&refused, "attempts"), "0");
    let (pieces, _) = under_way.collect().await;
    assert_eq!(pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>(), long);
    assert_eq!(up.ledger().request_count(), 1);
}
