//! Requests that read as attacks: told in the shadow, refused where a route blocks, and never repeated to anybody.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;
use std::time::Duration;

use seawall::Effects;
use seawall_core::secret::Secret;
use seawall_e2e::{Rig, Running, decision, eventually, ms, problem, refused};
use seawall_gateway::plan::callers::{Caller, Callers, Key};
use seawall_policy::penalty;
use seawall_security::injection::{Exclusion, Mode, Options};
use seawall_signals::alerts::rules;
use seawall_testkit::client::{Client, Request};
use seawall_testkit::{Reply, Upstream};
use serde_json::{Value, json};

const UNION: &str = "1%27%20UNION%20SELECT%20password%20FROM%20users--";

async fn gateway(options: Options) -> (Upstream, Running) {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("looked", "/up/looked/**", None);
    rig.plan.routes[0].inspect = Some(options);
    rig.plan.routes[0].calling.attempt.first_byte = ms(200);
    (up, rig.start())
}

fn blocking() -> Options {
    Options { mode: Mode::Block, ..Options::default() }
}

fn attacks() -> Vec<(Request, &'static str)> {
    let script = "<script>alert(document.cookie)</script>";
    vec![
        (Request::get(format!("/up/looked/x?q={UNION}")), "query:q"),
        (
            Request::get("/up/looked/x").header("referer", "/?q=1' UNION SELECT password FROM users--"),
            "headers:referer",
        ),
        (
            Request::post("/up/looked/x").json(&json!({ "messages": [{ "content": script }] })),
            "json:/messages/0/content",
        ),
        (
            Request::post("/up/looked/x")
                .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
                .body(format!("name=ann&q={UNION}")),
            "form:q",
        ),
        (Request::get("/up/looked/..%2f..%2f..%2fetc%2fpasswd"), "path"),
    ]
}

#[tokio::test]
async fn in_the_shadow_everything_passes_and_is_told() {
    let (up, gateway) = gateway(Options::default()).await;
    let all = attacks();
    let count = all.len();
    for (request, place) in all {
        let answer = gateway.send(request).await;
        assert_eq!(answer.status, 200, "{place}");
        let story = gateway.story(&answer).await.to_string();
        assert!(story.contains("reads as an attack") && story.contains(place), "{place}: {story}");
        assert!(story.contains("(let through)") && !story.contains("alert(document"), "{story}");
    }
    assert_eq!(up.ledger().request_count(), count);
    let sql = "seawall_injections_total{route=\"looked\",category=\"sql\",mode=\"shadow\"}";
    assert_eq!(gateway.metric(sql).await, Some(3.0));
    let plain = gateway.get("/up/looked/x?q=O%27Brien+and+sons").await;
    assert!(!gateway.story(&plain).await.to_string().contains("attack"));
    // A route that was not asked to look does not.
    let other = gateway.get(&format!("/up/other?q={UNION}")).await;
    assert!(other.status == 200 && !gateway.story(&other).await.to_string().contains("attack"));
    eventually("it is written down", async || {
        gateway.admin("/api/v1/audit").await.text().contains("injection.found").then_some(())
    })
    .await;
}

#[tokio::test]
async fn where_a_route_blocks_an_attack_reaches_nobody_and_is_told_without_its_words() {
    let (up, gateway) = gateway(blocking()).await;
    for (request, place) in attacks() {
        let answer = gateway.send(request).await;
        assert_eq!(refused(&answer), (403, "SW0052".into()), "{place}");
        assert_eq!(
            (decision(&answer, "attempts").as_str(), answer.header("x-should-retry")),
            ("0", Some("false"))
        );
        let text = answer.text();
        assert!(text.contains(place) && !text.contains("password") && !text.contains("alert("), "{text}");
    }
    assert_eq!(up.ledger().request_count(), 0);
    // A credential may look like anything.
    let key =
        Request::get("/up/looked/x").header("authorization", "Bearer 1' UNION SELECT password FROM users--");
    assert_eq!(gateway.send(key).await.status, 200);
}

fn limiting(rate: &str, held: Duration) -> Options {
    let limit = penalty::Options { rate: rate.parse().unwrap(), held, ..penalty::Options::default() };
    Options { mode: Mode::Limit, limit, ..Options::default() }
}

#[tokio::test]
async fn who_sent_an_attack_is_limited_for_a_while_and_nobody_else_is() {
    let held = Duration::from_secs(5);
    let (up, gateway) = gateway(limiting("2/h", held)).await;
    for _ in 0..10 {
        assert_eq!(gateway.get("/up/looked/x").await.status, 200, "nobody has done anything");
    }
    let attack = gateway.get(&format!("/up/looked/x?q={UNION}")).await;
    assert_eq!(attack.status, 200, "it passes, and counts");
    let story = gateway.story(&attack).await.to_string();
    assert!(story.contains("its caller is limited from now on"), "{story}");
    assert_eq!(gateway.get("/up/looked/x").await.status, 200);
    let over = gateway.get("/up/looked/x").await;
    assert_eq!(refused(&over), (429, "SW0062".into()));
    let seconds: u64 = over.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds) && over.header("x-should-retry").is_none(), "{seconds}");
    assert_eq!(problem(&over)["certainty"], "not-done");
    assert_eq!(up.ledger().request_count(), 12);
    assert_eq!(gateway.get("/up/other").await.status, 200, "by another route it may");
    // A reload that changes the rate lets nobody off.
    let mut next = Rig::new(&up.url()).route("looked", "/up/looked/**", None);
    next.plan.routes[0].inspect = Some(limiting("1/h", held));
    gateway.gateway.reload(next.plan).unwrap();
    assert_eq!(gateway.get("/up/looked/x").await.status, 429);
    eventually("its time is over", async || (gateway.get("/up/looked/x").await.status == 200).then_some(()))
        .await;
    for _ in 0..10 {
        assert_eq!(gateway.get("/up/looked/x").await.status, 200);
    }
}

#[tokio::test]
async fn one_callers_attack_limits_no_other_caller() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("looked", "/up/looked/**", None);
    rig.plan.routes[0].inspect = Some(limiting("1/h", Duration::from_secs(60)));
    let mut callers = Callers::new().unwrap();
    let (ann, bob) = ("ann-0123456789abcdef", "bob-0123456789abcdef");
    for (name, key) in [("ann", ann), ("bob", bob)] {
        let key = Key { secret: Secret::new(key.to_owned()), until: None };
        callers.add(Caller::new(name), &[key]).unwrap();
    }
    rig.plan.callers = Some(Arc::new(callers));
    let gateway = rig.start();
    let get = async |key: &str, path: &str| {
        gateway.send(Request::get(path).header("seawall-key", key)).await.status
    };
    assert_eq!(get(ann, &format!("/up/looked/x?q={UNION}")).await, 200);
    assert_eq!((get(ann, "/up/looked/x").await, get(bob, "/up/looked/x").await), (429, 200));
}

#[tokio::test]
async fn where_a_route_alerts_an_attack_passes_and_somebody_is_told() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("looked", "/up/looked/**", None);
    rig.plan.routes[0].inspect = Some(Options { mode: Mode::Alert, ..Options::default() });
    rig.plan.alerts.rules = rules([]).unwrap();
    let gateway = rig.start();
    assert_eq!(gateway.get(&format!("/up/looked/x?q={UNION}")).await.status, 200);
    assert_eq!(up.ledger().request_count(), 1);
    let active = eventually("an alert is active", async || {
        let alerts: Value = gateway.admin("/api/v1/alerts").await.json().unwrap();
        let mut all = alerts["alerts"].as_array().unwrap().iter();
        all.find(|alert| alert["id"] == "attack_seen:looked" && alert["state"] == "active").cloned()
    })
    .await;
    assert_eq!(active["severity"], "error", "{active}");
}

#[tokio::test]
async fn an_exclusion_holds_in_its_place_alone() {
    let exclude = vec![Exclusion { rule: "sql/*".into(), place: Some("query:q".into()) }];
    let (_up, gateway) = gateway(Options { exclude, ..blocking() }).await;
    assert_eq!(gateway.get(&format!("/up/looked/x?q={UNION}")).await.status, 200);
    assert_eq!(gateway.get(&format!("/up/looked/x?r={UNION}")).await.status, 403);
}

#[tokio::test]
async fn a_body_is_sent_on_as_it_came_and_neither_its_length_nor_its_slowness_hides_anything() {
    let (up, gateway) = gateway(blocking()).await;
    let long = json!({ "text": "word ".repeat(400_000) });
    let answer = gateway.send(Request::post("/up/looked/x").json(&long)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(up.ledger().requests()[0].body.len(), long.to_string().len());
    let hidden = json!({ "a": "<script>alert(1)</script>", "text": "word ".repeat(400_000) });
    assert_eq!(gateway.send(Request::post("/up/looked/x").json(&hidden)).await.status, 403);
    let pieces = [&b"{\"a\": \"<scr"[..], b"ipt>alert(1)</script>\"}"];
    let chunked = Request::post("/up/looked/x").header("content-type", "application/json").chunked(pieces);
    assert_eq!(gateway.send(chunked).await.status, 403);
    let mut client: Client = gateway.connect().await;
    let head = format!(
        "POST /up/looked/x HTTP/1.1\r\n{}content-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        gateway.host()
    );
    client.send_raw(head).await.unwrap();
    assert_eq!(refused(&client.answer().await.unwrap()), (502, "SW0033".into()));
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn what_must_happen_once_is_looked_at_before_it_is_journalled() {
    let up = Upstream::start(Reply::json(201, json!({ "order": 1 }))).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("orders", "/up/orders", Some(Effects::Once));
    rig.plan.routes[0].inspect = Some(blocking());
    let gateway = rig.start();
    let order = |note: &str| {
        Request::post("/up/orders").header("idempotency-key", "k1").json(&json!({ "note": note }))
    };
    assert_eq!(gateway.send(order("<script>alert(1)</script>")).await.status, 403);
    let answer = gateway.send(order("thank you")).await;
    assert_eq!((answer.status, decision(&answer, "effect").as_str()), (201, "done"));
    let again = gateway.send(order("thank you").timeout(Duration::from_secs(5))).await;
    assert_eq!(decision(&again, "effect"), "replayed");
}
