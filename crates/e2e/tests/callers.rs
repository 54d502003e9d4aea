//! Who may call: nobody without a key, each only where and as much as it may, and nobody's key goes any further.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use seawall::Effects;
use seawall::cache::Life;
use seawall_core::secret::Secret;
use seawall_e2e::binary::{Seawall, binary, configured_with};
use seawall_e2e::{Rig, Running, decision, eventually, ms, refused, requests, upstream};
use seawall_gateway::plan::callers::{Caller, Callers, Key, Reach};
use seawall_gateway::plan::{Cache, Credential, Limit, Once};
use seawall_packs::ai::OpenAi;
use seawall_policy::limiter::Queue;
use seawall_testkit::client::{self, Answer, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::json;

const ANN: &str = "ann-0123456789abcdef";
const BOB: &str = "bob-0123456789abcdef";

fn key(text: &str) -> Key {
    Key { secret: Secret::new(text.to_owned()), until: None }
}

/// These callers, each with keys.
fn callers(all: impl IntoIterator<Item = (Caller, &'static [&'static str])>) -> Option<Arc<Callers>> {
    let mut callers = Callers::new().unwrap();
    for (caller, keys) in all {
        let keys: Vec<Key> = keys.iter().map(|text| key(text)).collect();
        callers.add(caller, &keys).unwrap();
    }
    Some(Arc::new(callers))
}

fn ann_and_bob() -> Option<Arc<Callers>> {
    callers([(Caller::new("ann"), &[ANN][..]), (Caller::new("bob"), &[BOB])])
}

async fn gateway(reply: impl Into<Script>) -> (Upstream, Running) {
    let up = Upstream::start(reply).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.callers = ann_and_bob();
    (up, rig.start())
}

fn as_caller(key: &str, path: &str) -> Request {
    Request::get(path).header("seawall-key", key)
}

#[tokio::test]
async fn nobody_without_a_key_gets_in_and_what_there_is_to_call_is_not_told() {
    let (up, gateway) = gateway(Reply::ok("ok")).await;
    let strangers = [
        Request::get("/up/x"),
        Request::get("/nothing/x"),
        Request::get("/"),
        Request::get("/fetch/http://169.254.169.254/"),
        as_caller("nobody-0123456789abcdef", "/up/x"),
        as_caller("", "/up/x"),
        as_caller(ANN, "/up/x").header("seawall-key", BOB),
        // Who says which key is meant means no other.
        as_caller("nobody-0123456789abcdef", "/up/x").header("x-api-key", ANN),
        Request::get("/up/x").header("authorization", ANN),
        Request::get("/up/x").header("authorization", format!("Basic {ANN}")),
        Request::get("/up/x").header("cookie", format!("seawall-key={ANN}")),
        Request::get(format!("/up/x?seawall-key={ANN}")),
    ];
    let count = strangers.len();
    for request in strangers {
        let shown = format!("{request:?}");
        let answer = gateway.send(request).await;
        assert_eq!(refused(&answer), (401, "SW0050".into()), "{shown}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"seawall\""));
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert!(!answer.text().contains("up"), "{}", answer.text());
    }
    assert_eq!(up.ledger().request_count(), 0);
    let counted =
        gateway.metric("seawall_rejections_total{upstream=\"\",policy=\"gateway\",code=\"SW0050\"}").await;
    assert_eq!(counted, Some(count as f64));
    // A foreign name is refused before that.
    let foreign = as_caller(ANN, "/up/x").header("origin", "https://evil.example");
    assert_eq!(refused(&gateway.send(foreign).await), (403, "SW0018".into()));
    eventually("strangers are written down", async || {
        let trail = gateway.admin("/api/v1/audit").await.text();
        trail.contains("caller.unknown").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_is_taken_from_three_places_and_goes_no_further() {
    let (up, gateway) = gateway(Reply::ok("ok")).await;
    for request in [
        as_caller(ANN, "/up/x"),
        Request::get("/up/x").header("x-api-key", ANN),
        Request::get("/up/x").header("Authorization", format!("Bearer {ANN}")),
        Request::get("/up/x").header("Authorization", format!("bearer  {ANN} ")),
        // Beside a credential of the upstream's, and beside a key that is ours all the same.
        as_caller(ANN, "/up/x").header("x-api-key", BOB),
    ] {
        let answer = gateway.send(request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(decision(&answer, "caller"), "ann");
        assert_eq!(gateway.story(&answer).await["caller"], "ann");
    }
    let own = as_caller(ANN, "/up/x").header("authorization", "Bearer sk-anns-own");
    assert_eq!(gateway.send(own).await.status, 200);
    let sent = up.ledger().requests();
    assert_eq!(sent.len(), 6);
    for request in &sent {
        let said = format!("{request:?}");
        assert!(!said.contains("0123456789abcdef") && request.header("seawall-key").is_none(), "{said}");
    }
    assert_eq!(sent[5].header("authorization"), Some("Bearer sk-anns-own"));
    let counted = gateway.metric("seawall_caller_calls_total{caller=\"ann\",outcome=\"ok\"}").await;
    assert_eq!(counted, Some(6.0));
    assert_eq!(gateway.metric("seawall_caller_calls_total{caller=\"bob\",outcome=\"ok\"}").await, Some(0.0));
}

#[tokio::test]
async fn an_upstreams_own_credential_takes_the_place_of_a_callers() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.callers = ann_and_bob();
    let value = HeaderValue::from_static("Bearer sk-ours");
    rig.up().auth = Some(Credential { header: AUTHORIZATION, value });
    let gateway = rig.start();
    let request = Request::get("/up/x").header("authorization", format!("Bearer {ANN}"));
    assert_eq!(gateway.send(request).await.status, 200);
    let request = as_caller(ANN, "/up/x").header("x-api-key", "sk-anns-own");
    assert_eq!(gateway.send(request).await.status, 200);
    for request in up.ledger().requests() {
        assert_eq!(request.header("authorization"), Some("Bearer sk-ours"));
        assert_eq!(request.header("x-api-key"), None);
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_the_provider_that_was_wanted() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.callers = ann_and_bob();
    rig.up().dialect = Arc::new(OpenAi);
    let answer = rig.start().post("/up/v1/chat/completions", &json!({})).await;
    assert_eq!(answer.status, 401);
    let error = answer.json().unwrap()["error"].clone();
    assert_eq!((&error["code"], &error["type"]), (&json!("SW0050"), &json!("invalid_request_error")));
}

#[tokio::test]
async fn a_caller_takes_only_the_ways_that_are_open_to_it() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig =
        Rig::of([upstream("a", &up.url()), upstream("b", &up.url())]).route("chat", "/a/chat", None);
    let reach = |routes: &[&str], upstreams: &[&str]| {
        let names =
            |names: &[&str]| (!names.is_empty()).then(|| names.iter().map(|name| Arc::from(*name)).collect());
        Reach { routes: names(routes), upstreams: names(upstreams) }
    };
    let ann = Caller { reach: reach(&["chat"], &[]), ..Caller::new("ann") };
    let bob = Caller { reach: reach(&[], &["b"]), ..Caller::new("bob") };
    rig.plan.callers = callers([(ann, &[ANN][..]), (bob, &[BOB])]);
    let gateway = rig.start();
    for (key, path, expected) in [
        (ANN, "/a/chat", 200),
        (ANN, "/a/other", 403),
        (ANN, "/b/x", 403),
        (BOB, "/b/x", 200),
        // It may fall back to another upstream.
        (BOB, "/a/chat", 403),
        (BOB, "/a/other", 403),
    ] {
        let answer = gateway.send(as_caller(key, path)).await;
        assert_eq!(answer.status, expected, "{key} {path}");
        if expected == 403 {
            assert_eq!(refused(&answer), (403, "SW0051".into()));
            let name = key.split_once('-').unwrap().0;
            assert_eq!(gateway.story(&answer).await["caller"], name);
        }
    }
    let counted = gateway.metric("seawall_caller_calls_total{caller=\"bob\",outcome=\"rejected\"}").await;
    assert_eq!(counted, Some(2.0));
}

#[tokio::test]
async fn each_caller_has_a_limit_of_its_own_and_a_place_ends_with_its_answer() {
    let up = Upstream::start(Script::per_path(|request, _| match request.path() {
        "/slow" => Reply::slow_head(ms(300)),
        _ => Reply::ok("ok"),
    }))
    .await
    .unwrap();
    let mut rig = Rig::new(&up.url());
    let queue = Queue { wait: Duration::ZERO, ..Queue::default() };
    let ann = Caller { limits: vec![requests(2, ms(30_000))], queue: queue.clone(), ..Caller::new("ann") };
    let bob = Caller { limits: vec![Limit::Concurrent(1, None)], queue, ..Caller::new("bob") };
    rig.plan.callers = callers([(ann, &[ANN][..]), (bob, &[BOB])]);
    let gateway = rig.start();
    let statuses = async |key: &str, path: &str| {
        let answers = join_all((0..3).map(|_| gateway.send(as_caller(key, path)))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        (statuses, answers)
    };
    let (seen, answers) = statuses(ANN, "/up/x").await;
    assert_eq!(seen, [200, 200, 429]);
    let over = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused(over).1, "SW0001");
    assert!(over.text().contains("the caller ann is at its limit") && over.header("retry-after").is_some());
    let (seen, answers) = statuses(BOB, "/up/slow").await;
    assert_eq!(seen, [200, 503, 503]);
    assert_eq!(refused(answers.iter().find(|answer| answer.status == 503).unwrap()).1, "SW0006");
    eventually("its place is free again", async || {
        (gateway.send(as_caller(BOB, "/up/x")).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_callers_with_one_idempotency_key_never_share_and_a_new_key_of_one_finds_its_past() {
    let script = Script::per_path(|request, n| {
        let key = request.header("idempotency-key").unwrap_or_default();
        Reply::json(201, json!({ "order": n, "key": key }))
    });
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("orders", "/up/orders", Some(Effects::Once));
    rig.plan.routes[0].once = Once::default();
    const NEW: &str = "ann-fedcba9876543210";
    rig.plan.callers = callers([(Caller::new("ann"), &[ANN, NEW][..]), (Caller::new("bob"), &[BOB])]);
    let gateway = rig.start();
    let order = async |request: Request| {
        let request = Request { target: "/up/orders".into(), method: "POST".into(), ..request };
        gateway.send(request.header("idempotency-key", "k1").json(&json!({ "quantity": 1 }))).await
    };
    let with = |key: &str| as_caller(key, "/");
    let first = order(with(ANN)).await;
    assert_eq!((first.status, decision(&first, "effect").as_str()), (201, "done"));
    let others = order(with(BOB)).await;
    assert_eq!(decision(&others, "effect"), "done");
    assert_ne!(others.body, first.body);
    let sent = |answer: &Answer| answer.json().unwrap()["key"].clone();
    assert_ne!(sent(&others), sent(&first), "nor does the upstream take one for the other");
    for key in [ANN, NEW] {
        let again = order(with(key)).await;
        assert_eq!((decision(&again, "effect").as_str(), &again.body), ("replayed", &first.body));
    }
    // Whoever stands behind one caller and brings a credential of their own is somebody else again.
    let behind = order(with(ANN).header("authorization", "Bearer sk-a-user")).await;
    assert_eq!(decision(&behind, "effect"), "done");
    assert_eq!(up.ledger().request_count(), 3);
}

#[tokio::test]
async fn callers_of_one_tenant_share_their_idempotency_keys_and_with_nobody_else() {
    let up = Upstream::start(Script::per_path(|_, n| Reply::json(201, json!({ "order": n })))).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("orders", "/up/orders", Some(Effects::Once));
    let of = |name: &str, tenant: &str| Caller { tenant: Some(Arc::from(tenant)), ..Caller::new(name) };
    const SHOP: &str = "shop-0123456789abcdef";
    const EVE: &str = "eve-0123456789abcdef";
    rig.plan.callers = callers([
        (of("ann", "shop"), &[ANN][..]),
        (of("bob", "shop"), &[BOB]),
        // Its name is the tenant's, and it is not of it.
        (Caller::new("shop"), &[SHOP]),
        (of("eve", "ann"), &[EVE]),
    ]);
    let gateway = rig.start();
    let order = async |key: &str, quantity: u32| {
        let request = Request::post("/up/orders").header("seawall-key", key).header("idempotency-key", "k1");
        gateway.send(request.json(&json!({ "quantity": quantity }))).await
    };
    let first = order(ANN, 1).await;
    assert_eq!((first.status, decision(&first, "effect").as_str()), (201, "done"));
    let again = order(BOB, 1).await;
    assert_eq!((decision(&again, "effect").as_str(), &again.body), ("replayed", &first.body));
    assert_eq!(decision(&again, "caller"), "bob", "it is still who it is");
    assert_eq!(refused(&order(BOB, 2).await), (422, "SW0038".into()), "one key, one wish");
    for other in [SHOP, EVE] {
        let own = order(other, 1).await;
        assert_eq!(decision(&own, "effect"), "done", "{other}");
        assert_ne!(own.body, first.body);
    }
    assert_eq!(up.ledger().request_count(), 3);
}

#[tokio::test]
async fn what_was_answered_to_one_caller_is_not_given_to_another() {
    let up = Upstream::start(Script::per_path(|_, n| Reply::json(200, json!({ "n": n })))).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("kept", "/up/kept", None);
    let (ttl, none) = (Duration::from_secs(60), Duration::ZERO);
    let life = Life { ttl, stale_while_revalidate: none, stale_if_error: none };
    rig.plan.routes[0].cache = Some(Cache { life, max_body: 1 << 20 });
    rig.plan.callers = ann_and_bob();
    let gateway = rig.start();
    let get = async |key: &str| gateway.send(as_caller(key, "/up/kept")).await;
    let (first, again, other) = (get(ANN).await, get(ANN).await, get(BOB).await);
    assert_eq!((decision(&again, "cache").as_str(), &again.body), ("hit", &first.body));
    assert_eq!(decision(&other, "cache"), "miss");
    assert_ne!(other.body, first.body);
    let borrowed = Request::get("/up/kept").header("authorization", format!("Bearer {ANN}"));
    assert_eq!(gateway.send(borrowed).await.body, first.body, "a caller is one, whatever its key stands in");
}

#[tokio::test]
async fn a_reload_lets_callers_in_and_out_and_forgets_nothing_that_was_counted() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let ann = || Caller {
        limits: vec![requests(2, ms(30_000))],
        queue: Queue { wait: Duration::ZERO, ..Queue::default() },
        ..Caller::new("ann")
    };
    let plan = |all| {
        let mut rig = Rig::new(&up.url());
        rig.plan.callers = all;
        rig
    };
    let gateway = plan(callers([(ann(), &[ANN][..])])).start();
    let status = async |key: &str| gateway.send(as_caller(key, "/up/x")).await.status;
    assert_eq!((status(ANN).await, status(BOB).await), (200, 401));
    // Another key, and another caller before the one that was there.
    const NEW: &str = "ann-fedcba9876543210";
    let next = callers([(Caller::new("aaron"), &[BOB][..]), (ann(), &[NEW])]);
    gateway.gateway.reload(plan(next).plan).unwrap();
    assert_eq!((status(ANN).await, status(BOB).await), (401, 200));
    assert_eq!((status(NEW).await, status(NEW).await), (200, 429), "one call was made before");
    gateway.gateway.reload(plan(None).plan).unwrap();
    assert_eq!(gateway.get("/up/x").await.status, 200, "without callers everybody may");
}

/// Sends a request under a name that is not the address.
async fn under(name: &str, gateway: &Seawall, request: Request) -> Answer {
    let port = gateway.listen.rsplit_once(':').unwrap().1;
    let url = format!("http://127.0.0.1:{port}");
    client::request(&url, request.header("host", format!("{name}:{port}"))).await.unwrap()
}

#[tokio::test]
async fn off_loopback_it_serves_those_with_a_key_under_its_names_and_two_keys_while_one_takes_over() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = configured_with(&up.url(), "0.0.0.0:0", "./state", "");
    let file = home.path().join("seawall.toml");
    let open = std::fs::read_to_string(&file).unwrap();
    let run = async |arguments: &[&str], stdin: &str| {
        let mut command = tokio::process::Command::new(&binary);
        command.args(arguments).current_dir(home.path()).env_clear();
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes())
            .await
            .unwrap();
        let output = child.wait_with_output().await.unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&["serve"], "").await;
    assert!(code == 2 && said.contains("SW0028"), "{said}");
    std::fs::write(&file, format!("hosts = [\"seawall\"]\ncallers.ann = \"vault:ann\"\n{open}")).unwrap();
    assert_eq!(run(&["vault", "init"], "").await.0, 0);
    let (old, new) = ("8Rt2xVb9Lw4TzR1nKc8YpD3fGh6JsE5a", "Zq7mWb4xLd9TzR2nKc6YpV3fGh8JsU1e");
    assert_eq!(run(&["vault", "set", "ann"], old).await.0, 0);
    let gateway = Seawall::start(&binary, &home).await;
    let status = async |key: &str| under("seawall", &gateway, as_caller(key, "/up/x")).await.status;
    assert_eq!((status(old).await, status(new).await), (200, 401));
    assert_eq!(under("elsewhere", &gateway, as_caller(old, "/up/x")).await.status, 403);
    let (code, said) = run(&["vault", "rotate", "ann"], new).await;
    assert_eq!(code, 0, "{said}");
    gateway.signal("-HUP").await;
    eventually("the new key is known", async || (status(new).await == 200).then_some(())).await;
    assert_eq!(status(old).await, 200, "both are good while one takes over");
}
