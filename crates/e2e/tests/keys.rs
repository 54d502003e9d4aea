//! Several keys of one upstream: each is used as often as it weighs, and one that was refused is left alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::mpsc::Receiver;

use http::{HeaderValue, header};
use seawall::Effects;
use seawall_core::event::{Event, Fact};
use seawall_e2e::{Rig, Running, code, decision, ms, problem};
use seawall_gateway::plan::{Credential, Key, Keys};
use seawall_policy::keyring;
use seawall_testkit::client::Request;
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::json;

/// Values no output may show.
const VALUES: [(&str, &str); 3] =
    [("team", "canary-team-55812"), ("spare", "canary-spare-90417"), ("third", "canary-third-33120")];

fn keys(weights: &[u32]) -> Keys {
    let key = |(weight, (name, value)): (&u32, &(&str, &str))| {
        let mut value = HeaderValue::from_str(&format!("Bearer {value}")).unwrap();
        value.set_sensitive(true);
        let credential = Credential { header: header::AUTHORIZATION, value };
        Key { name: (*name).into(), weight: (*weight).try_into().unwrap(), credential }
    };
    Keys { keys: weights.iter().zip(&VALUES).map(key).collect(), rest: keyring::Options::default() }
}

fn rig(up: &Upstream, weights: &[u32]) -> Rig {
    let mut rig = Rig::new(&up.url());
    rig.up().keys = Some(keys(weights));
    rig
}

/// The names of the keys the upstream saw, in their order.
fn seen(up: &Upstream) -> Vec<&'static str> {
    let name = |value: &str| VALUES.iter().find(|(_, own)| value == format!("Bearer {own}")).unwrap().0;
    up.ledger().requests().iter().map(|request| name(request.header("authorization").unwrap())).collect()
}

fn times(up: &Upstream, key: &str) -> usize {
    seen(up).iter().filter(|name| **name == key).count()
}

/// Answers by the key that comes.
fn by_key(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Script {
    Script::per_path(move |request, _| {
        let value = request.header("authorization").unwrap_or("");
        let name = VALUES.iter().find(|(_, own)| value.ends_with(own)).map_or("", |(name, _)| name);
        answer(name)
    })
}

fn moves(events: &Receiver<Event>) -> Vec<(String, Option<&'static str>)> {
    let moved = |event: Event| match event.fact {
        Fact::KeyMoved { key, why, .. } => Some((key.to_string(), why)),
        _ => None,
    };
    events.try_iter().filter_map(moved).collect()
}

async fn calls(gateway: &Running, key: &str, result: &str) -> Option<f64> {
    let name =
        format!("seawall_upstream_key_calls_total{{upstream=\"up\",key=\"{key}\",result=\"{result}\"}}");
    gateway.metric(&name).await
}

#[tokio::test]
async fn each_key_is_used_as_often_as_it_weighs_and_callers_own_never() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = rig(&up, &[3, 1]).start();
    for _ in 0..8 {
        let request = Request::get("/up/x").header("authorization", "Bearer theirs").header("x-api-key", "k");
        assert_eq!(gateway.send(request).await.status, 200);
    }
    assert_eq!((times(&up, "team"), times(&up, "spare")), (6, 2));
    assert!(up.ledger().requests().iter().all(|request| request.header("x-api-key").is_none()));
    assert_eq!(
        (calls(&gateway, "team", "ok").await, calls(&gateway, "spare", "ok").await),
        (Some(6.0), Some(2.0))
    );
}

#[tokio::test]
async fn a_key_that_is_refused_rests_and_the_call_goes_with_another_one() {
    let up = Upstream::start(by_key(|key| if key == "spare" { Reply::status(401) } else { Reply::ok("ok") }));
    let up = up.await.unwrap();
    let mut gateway = rig(&up, &[1, 1]).start();
    let events = gateway.gateway.take_events().unwrap();
    for _ in 0..6 {
        // Not done is proven: even what may not be repeated goes with the other.
        let answer = gateway.post("/up/x", &json!({})).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!((times(&up, "spare"), times(&up, "team")), (1, 6));
    assert_eq!(moves(&events), [("spare".to_owned(), Some("denied"))]);
    assert_eq!(calls(&gateway, "spare", "auth").await, Some(1.0));
    let resting = "seawall_upstream_key_resting{upstream=\"up\",key=\"spare\"}";
    assert_eq!(gateway.metric(resting).await, Some(1.0));
    let view = gateway.admin("/api/v1/upstreams").await.json().unwrap();
    let shown = &view["upstreams"][0]["keys"];
    assert_eq!((&shown[0]["state"], &shown[1]["state"]), (&json!("ok"), &json!("resting")), "{view}");
    assert_eq!((&shown[1]["name"], &shown[1]["why"]), (&json!("spare"), &json!("denied")));
    assert!(shown[1]["rests_ms"].as_u64().unwrap() > 500_000);
    let status = gateway.admin("/api/v1/status").await.json().unwrap();
    let said = status["reasons"][0].as_str().unwrap();
    assert!(said.starts_with("the key spare of up was refused, and rests for another "), "{status}");
    let page = gateway.admin("/").await.text();
    assert!(page.contains("spare") && page.contains("resting"), "{page}");
}

#[tokio::test]
async fn nothing_shows_a_value() {
    let up = Upstream::start(by_key(|_| Reply::status(403))).await.unwrap();
    let mut gateway = rig(&up, &[1, 1]).start();
    let events = gateway.gateway.take_events().unwrap();
    let answer = gateway.get("/up/x").await;
    assert_eq!(answer.status, 403);
    let mut all = format!("{:?} {}", answer.headers, answer.text());
    for path in ["/metrics", "/", "/api/v1/upstreams", "/api/v1/status", "/api/v1/board", "/api/v1/calls"] {
        all.push_str(&gateway.admin(path).await.text());
    }
    all.push_str(&gateway.story(&answer).await.to_string());
    all.push_str(&format!("{:?} {:?}", events.try_iter().collect::<Vec<_>>(), gateway.gateway));
    all.push_str(&format!("{:?}", keys(&[1, 1])));
    assert!(all.contains("team") && all.contains("spare"));
    assert!(!all.contains("canary"), "{all}");
}

#[tokio::test]
async fn a_key_that_is_too_fast_rests_and_nobody_waits_while_another_one_is_awake() {
    let up = Upstream::start(by_key(|key| match key {
        "team" => Reply::status(429).header("retry-after", "30"),
        _ => Reply::ok("ok"),
    }));
    let up = up.await.unwrap();
    let gateway = rig(&up, &[1, 1]).start();
    for _ in 0..4 {
        let answer = gateway.get("/up/x").await;
        assert_eq!((answer.status, decision(&answer, "waited").as_str()), (200, "0ms"));
    }
    assert_eq!((times(&up, "team"), times(&up, "spare")), (1, 4));
    // The upstream is not paused for a key: nobody waits for it.
    let status = gateway.admin("/api/v1/status").await.json().unwrap();
    assert!(status["status"] == "healthy" && status["reasons"].is_null(), "{status}");
    assert_eq!(gateway.item("upstreams", "up").await["state"], "ok");
    let limits = gateway.list("limits").await;
    assert!(limits.iter().all(|limit| limit["state"] == "ok" && limit["paused_ms"].is_null()), "{limits:?}");
}

#[tokio::test]
async fn where_all_are_too_fast_callers_are_told_when_the_first_comes_back() {
    let up = Upstream::start(by_key(|key| {
        Reply::status(429).header("retry-after", if key == "team" { "30" } else { "7" })
    }));
    let up = up.await.unwrap();
    let mut rig = rig(&up, &[1, 1]);
    rig.up().queue.wait = ms(0);
    rig.up().defaults.retry.attempts = 2;
    let gateway = rig.start();
    let first = gateway.get("/up/x").await;
    assert_eq!((first.status, seen(&up)), (429, vec!["team", "spare"]));
    let refused = gateway.get("/up/x").await;
    assert_eq!(code(&refused), "SW0003");
    let wait = problem(&refused)["retry_after_ms"].as_u64().unwrap();
    assert!((6000..=7000).contains(&wait), "{wait}");
    assert_eq!(up.ledger().request_count(), 2);
}

#[tokio::test]
async fn what_must_not_happen_twice_keeps_the_first_key() {
    let up = Upstream::start(by_key(|key| if key == "team" { Reply::status(429) } else { Reply::ok("ok") }));
    let up = up.await.unwrap();
    let gateway = rig(&up, &[1, 50]).route("orders", "/up/orders", Some(Effects::Once)).start();
    let order = || Request::post("/up/orders").header("idempotency-key", "k1").json(&json!({ "n": 1 }));
    // Each tries as often as it may, and always with the key the provider knows its own by.
    for _ in 0..2 {
        assert_eq!(gateway.send(order()).await.status, 429);
    }
    assert!(seen(&up).len() >= 2 && seen(&up).iter().all(|key| *key == "team"), "{:?}", seen(&up));
    // So does whatever bears a key of its own, though it may be repeated.
    let put = Request::new("PUT", "/up/x").header("idempotency-key", "k2").json(&json!({}));
    let before = seen(&up).len();
    assert_eq!(gateway.send(put).await.status, 429);
    assert!(seen(&up)[before..].iter().all(|key| *key == "team"));
    assert_eq!(gateway.get("/up/x").await.status, 200, "everybody else goes with the other");
    assert_eq!(times(&up, "spare"), 1);
}

#[tokio::test]
async fn the_least_bad_is_used_where_all_were_refused() {
    let up = Upstream::start(by_key(|key| match key {
        "team" => Reply::status(401),
        _ => Reply::status(403),
    }));
    let up = up.await.unwrap();
    let gateway = rig(&up, &[1, 1]).start();
    let statuses = [gateway.get("/up/x").await.status, gateway.get("/up/x").await.status];
    assert!(statuses.iter().all(|status| [401, 403].contains(status)), "{statuses:?}");
    assert_eq!(up.ledger().request_count(), 3, "two the first time, one the next");
}

#[tokio::test]
async fn a_reload_keeps_rests_by_name_and_a_new_value_is_tried_at_once() {
    let up = Upstream::start(by_key(|key| if key == "spare" { Reply::status(401) } else { Reply::ok("ok") }));
    let up = up.await.unwrap();
    let gateway = rig(&up, &[1, 1]).start();
    for _ in 0..2 {
        gateway.get("/up/x").await;
    }
    assert_eq!(times(&up, "spare"), 1);
    let mut next = rig(&up, &[5, 1]);
    next.up().keys.as_mut().unwrap().keys.reverse();
    gateway.gateway.reload(next.plan).unwrap();
    for _ in 0..6 {
        assert_eq!(gateway.get("/up/x").await.status, 200);
    }
    assert_eq!(times(&up, "spare"), 1, "it rests under another weight and in another place");
    let mut next = rig(&up, &[1, 1]);
    let renewed = keys(&[1, 1, 1]).keys.pop().unwrap();
    next.up().keys.as_mut().unwrap().keys[1].credential = renewed.credential;
    gateway.gateway.reload(next.plan).unwrap();
    for _ in 0..2 {
        assert_eq!(gateway.get("/up/x").await.status, 200);
    }
    assert_eq!(times(&up, "third"), 1);
}

#[tokio::test]
async fn what_may_have_changed_something_is_sent_again_with_the_same_key_alone() {
    // Every other answer is lost after the request was read.
    let lost = |n: u64| if n % 2 == 1 { Reply::execute_then_drop("done") } else { Reply::ok("ok") };
    let up = Upstream::start(Script::per_path(move |_, n| lost(n))).await.unwrap();
    let gateway = rig(&up, &[1, 1]).start();
    for _ in 0..4 {
        assert_eq!(gateway.send(Request::new("PUT", "/up/x").json(&json!({}))).await.status, 200);
    }
    let pairs: Vec<_> = seen(&up).chunks(2).map(|pair| pair.to_vec()).collect();
    assert_eq!(pairs.len(), 4);
    assert!(pairs.iter().all(|pair| pair[0] == pair[1]), "another account would do it twice: {pairs:?}");
    assert!(pairs.iter().any(|pair| pair[0] == "team") && pairs.iter().any(|pair| pair[0] == "spare"));
    // What only reads may be asked of anybody.
    assert_eq!(gateway.get("/up/x").await.status, 200);
    let seen = seen(&up);
    assert_ne!(seen[8], seen[9], "{seen:?}");
}

#[tokio::test]
async fn a_key_that_is_refused_after_a_doubt_is_not_exchanged() {
    let fast = || Reply::status(429).header("retry-after", "30");
    let up =
        Upstream::start(Script::sequence([Reply::execute_then_drop("done"), fast(), fast()])).await.unwrap();
    let mut rig = rig(&up, &[1, 1]);
    rig.up().defaults.retry.attempts = 3;
    rig.up().defaults.deadline = ms(5000);
    let gateway = rig.start();
    let answer = gateway.send(Request::new("PUT", "/up/x").json(&json!({}))).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    let seen = seen(&up);
    // Its own key wants to be left alone for longer than the call may take.
    assert!(seen.len() == 2 && seen[0] == seen[1], "{seen:?}");
    // It rests, and nobody else waits for it.
    up.play(Reply::ok("ok"));
    let other = gateway.get("/up/x").await;
    assert_eq!((other.status, decision(&other, "waited").as_str()), (200, "0ms"));
}

#[tokio::test]
async fn what_is_forbidden_to_one_call_takes_a_key_from_nobody() {
    let up = Upstream::start(Script::per_path(|request, _| match &*request.target {
        "/forbidden" => Reply::status(403),
        _ => Reply::ok("ok"),
    }));
    let up = up.await.unwrap();
    let mut rig = rig(&up, &[1, 1, 1]);
    rig.up().defaults.retry.attempts = 9;
    let gateway = rig.start();
    for _ in 0..3 {
        assert_eq!(gateway.post("/up/forbidden", &json!({})).await.status, 403);
    }
    assert_eq!(up.ledger().request_count(), 9, "each key once for each call");
    assert!(VALUES.iter().all(|(name, _)| times(&up, name) == 3), "{:?}", seen(&up));
    let view = gateway.item("upstreams", "up").await;
    assert!(view["keys"].as_array().unwrap().iter().all(|key| key["state"] == "ok"), "{view}");
    assert_eq!(gateway.get("/up/x").await.status, 200);
}

#[tokio::test]
async fn a_call_that_no_key_may_make_slows_nobody_down() {
    let up = Upstream::start(Script::per_path(|request, _| {
        match (&*request.target, request.header("authorization")) {
            ("/forbidden", Some(key)) if key.ends_with(VALUES[0].1) => Reply::status(403),
            ("/forbidden", _) => Reply::status(429).header("retry-after", "600"),
            _ => Reply::ok("ok"),
        }
    }));
    let up = up.await.unwrap();
    let gateway = rig(&up, &[1, 1]).start();
    assert_eq!(gateway.get("/up/forbidden").await.status, 429);
    assert_eq!(seen(&up), ["team", "spare"]);
    for _ in 0..3 {
        let answer = gateway.get("/up/x").await;
        assert_eq!((answer.status, decision(&answer, "waited").as_str()), (200, "0ms"));
    }
    assert_eq!(times(&up, "team"), 4);
}

#[tokio::test]
async fn a_new_key_waits_for_no_old_one_and_an_old_one_is_left_alone_all_the_same() {
    let slow = |key: &str| {
        if key == "third" { Reply::ok("ok") } else { Reply::status(429).header("retry-after", "30") }
    };
    let up = Upstream::start(by_key(slow)).await.unwrap();
    let plan = |order: &[usize]| {
        let mut rig = rig(&up, &[1, 1, 1]).route("orders", "/up/orders", Some(Effects::Once));
        rig.up().queue.wait = ms(0);
        rig.up().defaults.retry.attempts = 1;
        let all = keys(&[1, 1, 1]).keys;
        rig.up().keys.as_mut().unwrap().keys = order.iter().map(|place| all[*place].clone()).collect();
        rig
    };
    // The only one there is asks for a pause.
    let mut alone = plan(&[0]);
    alone.up().auth = alone.up().keys.take().map(|keys| keys.keys[0].credential.clone());
    let gateway = alone.start();
    assert_eq!(gateway.get("/up/x").await.status, 429);
    assert_eq!(code(&gateway.get("/up/x").await), "SW0003");
    gateway.gateway.reload(plan(&[0, 2]).plan).unwrap();
    let order = || Request::post("/up/orders").json(&json!({}));
    assert_eq!(gateway.send(order()).await.status, 429, "the first is the old one");
    assert_eq!(code(&gateway.send(order()).await), "SW0003");
    assert_eq!(gateway.get("/up/x").await.status, 200);
    // Another first key has nothing to wait for.
    gateway.gateway.reload(plan(&[2, 0]).plan).unwrap();
    assert_eq!(gateway.send(order()).await.status, 200);
    // Where only those are left that were asked to wait, everybody waits.
    gateway.gateway.reload(plan(&[0]).plan).unwrap();
    let before = up.ledger().request_count();
    assert_eq!(code(&gateway.get("/up/x").await), "SW0003");
    assert_eq!(code(&gateway.send(order()).await), "SW0003");
    assert_eq!(up.ledger().request_count(), before);
}

#[tokio::test]
async fn where_the_last_one_is_refused_the_one_that_was_asked_to_wait_is_waited_for() {
    let up = Upstream::start(by_key(|key| match key {
        "team" => Reply::status(429).header("retry-after", "30"),
        _ => Reply::status(401),
    }));
    let up = up.await.unwrap();
    let mut before = rig(&up, &[1, 1]);
    before.up().queue.wait = ms(0);
    let gateway = before.start();
    assert_eq!(gateway.get("/up/x").await.status, 401);
    assert_eq!(seen(&up), ["team", "spare"]);
    let refused = gateway.get("/up/x").await;
    let wait = problem(&refused)["retry_after_ms"].as_u64().unwrap();
    assert!(code(&refused) == "SW0003" && (29_000..=30_000).contains(&wait), "{wait}");
    assert_eq!(up.ledger().request_count(), 2, "nobody asked the key that wants to be left alone");
    // A key that is awake ends the wait, however it came.
    let mut next = rig(&up, &[1, 1, 1]);
    next.up().queue.wait = ms(0);
    gateway.gateway.reload(next.plan).unwrap();
    up.play(Reply::ok("ok"));
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, times(&up, "third")), (200, 1), "{}", answer.text());
}

#[tokio::test]
async fn a_refusal_nobody_can_read_is_one_all_the_same() {
    let up = Upstream::start(by_key(|key| match key {
        "spare" => Reply::status(401).body("no gzip").header("content-encoding", "gzip"),
        _ => Reply::ok("ok"),
    }));
    let up = up.await.unwrap();
    let mut rig = rig(&up, &[1, 1]);
    rig.up().defaults.compress = seawall::compress::Options::default();
    let gateway = rig.start();
    for _ in 0..6 {
        gateway.get("/up/x").await;
    }
    assert_eq!((times(&up, "spare"), times(&up, "team")), (1, 5));
}
