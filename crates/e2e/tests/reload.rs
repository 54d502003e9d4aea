//! From one configuration to the next: all of it or nothing, no call lost, nothing that was counted forgotten.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use seawall::Effects;
use seawall_e2e::binary::{Seawall, binary, configured};
use seawall_e2e::{Rig, Running, decision, eventually, ms, refused, requests, upstream};
use seawall_gateway::plan::{Limit, Plan};
use seawall_testkit::client::{self, Client, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::{Value, json};
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_secs(60);

fn reload(gateway: &Running, plan: Plan) -> u64 {
    gateway.gateway.reload(plan).unwrap()
}

#[tokio::test]
async fn a_new_upstream_and_a_new_route_are_there_and_the_generation_is_told() {
    let (up, other) =
        (Upstream::start(Reply::ok("up")).await.unwrap(), Upstream::start(Reply::ok("other")).await.unwrap());
    let rig = || Rig::of([upstream("up", &up.url())]);
    let gateway = rig().start();
    let first = gateway.get("/up/x").await;
    assert_eq!(decision(&first, "generation"), "1");
    assert_eq!(gateway.get("/other/x").await.status, 404);

    // Before the one that was there: places change, names do not.
    let plan =
        Rig::of([upstream("other", &other.url()), upstream("up", &up.url())]).route("r", "/up/r", None).plan;
    assert_eq!(reload(&gateway, plan), 2);
    let after = gateway.get("/other/x").await;
    assert_eq!((after.text().as_str(), decision(&after, "generation").as_str()), ("other", "2"));
    assert_eq!(gateway.metric("seawall_config_generation").await, Some(2.0));
    assert_eq!(gateway.admin("/api/v1/config").await.json().unwrap()["generation"], 2);
    let story = gateway.story(&first).await;
    assert_eq!(story["upstream"], "up", "stories outlive configurations");
    assert_eq!(
        gateway.metric("seawall_calls_total{upstream=\"up\",route=\"\",outcome=\"ok\"}").await,
        Some(1.0)
    );
    let status = gateway.admin("/api/v1/upstreams").await.json().unwrap();
    let of_up =
        status["upstreams"].as_array().unwrap().iter().find(|one| one["name"] == "up").unwrap().clone();
    assert_eq!(of_up["total"], 1, "{of_up}");

    // And gone again.
    assert_eq!(reload(&gateway, rig().plan), 3);
    assert_eq!(gateway.get("/other/x").await.status, 404);
    assert_eq!(gateway.get("/up/x").await.text(), "up");
}

#[tokio::test]
async fn breakers_limits_and_calls_under_way_go_on_as_they_were() {
    let script = Script::per_path(|request, _| match request.path() {
        "/slow" => Reply::slow_head(ms(600)),
        "/bad" => Reply::status(500),
        _ => Reply::ok("ok"),
    });
    let up = Upstream::start(script).await.unwrap();
    let rig = |per_minute: u32| {
        let mut rig = Rig::new(&up.url());
        rig.up().limits = vec![requests(per_minute, MINUTE), Limit::Concurrent(8, None)];
        rig.up().queue.wait = Duration::ZERO;
        rig.up().breaker.consecutive = 3;
        rig.up().defaults.retry.attempts = 1;
        rig
    };
    let gateway = rig(10).start();
    let url = gateway.url("/up/slow");
    let slow = tokio::spawn(async move { client::request(&url, Request::get("")).await.unwrap() });
    assert!(up.ledger().wait_for_requests(1, MINUTE).await);
    for _ in 0..3 {
        gateway.get("/up/bad").await;
    }
    assert_eq!(refused(&gateway.get("/up/x").await), (503, "SW0004".into()));

    // A longer breaker, a lower limit: what was counted counts.
    let mut next = rig(5);
    next.up().breaker.open = MINUTE * 2;
    assert_eq!(reload(&gateway, next.plan), 2);
    let still = gateway.get("/up/x").await;
    assert_eq!((refused(&still), decision(&still, "generation").as_str()), ((503, "SW0004".into()), "2"));
    let answer = slow.await.unwrap();
    assert_eq!(
        (answer.status, decision(&answer, "generation").as_str()),
        (200, "1"),
        "it ends where it began"
    );

    gateway.lever("/api/v1/breakers/up/reset").await;
    let statuses: Vec<u16> =
        join_all((0..4).map(|_| gateway.get("/up/x"))).await.iter().map(|a| a.status).collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "four of five were spent before: {statuses:?}"
    );
}

#[tokio::test]
async fn what_is_not_sound_is_refused_whole() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let mut bad = Rig::of([upstream("new", &up.url()), upstream("up", &up.url())]);
    bad.plan.upstreams[1].breaker.probes = 0;
    assert!(gateway.gateway.reload(bad.plan).is_err());
    let mut moved = Rig::new(&up.url());
    moved.plan.listen = ([127, 0, 0, 1], 1).into();
    let refusal = gateway.gateway.reload(moved.plan).unwrap_err();
    assert!(refusal.message.contains("listen cannot change"), "{refusal}");
    assert_eq!(gateway.get("/new/x").await.status, 404);
    assert_eq!(decision(&gateway.get("/up/x").await, "generation"), "1");
}

#[tokio::test]
async fn a_journal_and_a_cache_are_kept_across_it() {
    let up = Upstream::start(Script::per_path(|_, n| Reply::json(200, json!({ "n": n })))).await.unwrap();
    let rig = |more: bool| {
        let all = match more {
            true => vec![upstream("a", &up.url()), upstream("up", &up.url())],
            false => vec![upstream("up", &up.url())],
        };
        let mut rig =
            Rig::of(all).route("orders", "/up/orders", Some(Effects::Once)).route("kept", "/up/kept", None);
        let place = usize::from(more);
        for route in &mut rig.plan.routes {
            route.to = vec![place];
        }
        let life = seawall::cache::Life { ttl: MINUTE, stale_while_revalidate: ms(0), stale_if_error: ms(0) };
        rig.plan.routes[1].cache = Some(seawall_gateway::plan::Cache { life, max_body: 1 << 20 });
        rig
    };
    let gateway = rig(false).start();
    let order = || Request::post("/up/orders").header("idempotency-key", "k").json(&json!({}));
    let (ordered, kept) = (gateway.send(order()).await, gateway.get("/up/kept").await);
    reload(&gateway, rig(true).plan);
    let again = gateway.send(order()).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &ordered.body));
    let hit = gateway.get("/up/kept").await;
    assert_eq!((decision(&hit, "cache").as_str(), &hit.body), ("hit", &kept.body));
    assert_eq!(up.ledger().request_count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_reloads_under_load_lose_no_call() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let plan = |n: usize| {
        let mut rig = Rig::new(&up.url());
        rig.up().limits = vec![Limit::Concurrent(64 + (n % 3) as u32, None)];
        if n.is_multiple_of(2) {
            rig = rig.route("r", "/up/r/**", None);
        }
        rig.plan
    };
    let gateway = Running { gateway: seawall_gateway::start(plan(0)).unwrap() };
    let address = gateway.gateway.listen();
    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (over, made) = (over.clone(), made.clone());
            tokio::spawn(async move {
                let mut caller = Client::connect(address).await.unwrap();
                while !over.load(Ordering::Relaxed) {
                    let answer = caller.call(&Request::get("/up/r/x")).await.unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    made.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for n in 1..=200 {
        assert_eq!(reload(&gateway, plan(n)), n as u64 + 1);
        tokio::time::sleep(ms(2)).await;
    }
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let made = made.load(Ordering::Relaxed);
    assert!(made > 100, "{made}");
    let counted: f64 = {
        let of = async |route: &str| {
            let name = format!("seawall_calls_total{{upstream=\"up\",route=\"{route}\",outcome=\"ok\"}}");
            gateway.metric(&name).await.unwrap_or(0.0)
        };
        of("").await + of("r").await
    };
    assert_eq!(counted, made as f64, "every call was counted once");
    let tall = up.ledger().connections();
    assert!(tall < 80, "connections of an upstream that stays are kept: {tall}");
}

fn rewrite(home: &TempDir, up: &str, more: &str) {
    let text = format!(
        "version = 1\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nstate = \"./state\"\n\n[upstream.up]\nurl = \"{up}\"\n{more}"
    );
    // As editors and deployments do: written beside it, then put in its place.
    let beside = home.path().join("seawall.toml.new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, home.path().join("seawall.toml")).unwrap();
}

async fn generation(seawall: &Seawall) -> Option<u64> {
    let answer = client::get(&format!("http://{}/api/v1/config", seawall.admin)).await.ok()?;
    answer.json()?["generation"].as_u64()
}

#[tokio::test]
async fn the_binary_takes_up_a_changed_file_a_signal_and_a_lever_and_refuses_nonsense() {
    let Some(binary): Option<PathBuf> = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = configured(&up.url(), "127.0.0.1:0");
    let mut seawall = Seawall::start(&binary, &home).await;

    let since = tokio::time::Instant::now();
    rewrite(&home, &up.url(), "[upstream.two]\nurl = \"http://127.0.0.1:9\"\n");
    eventually("the file is taken up", async || (generation(&seawall).await? == 2).then_some(())).await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    seawall.said("upstream.two: added").await;

    rewrite(&home, &up.url(), "[upstream.two]\nurl = \"http://127.0.0.1:9\"\nlimit = 1\n");
    let said = seawall.said("unknown key").await;
    assert!(said.contains("limits"), "{said}");
    seawall.said("nothing has changed").await;
    assert_eq!(generation(&seawall).await, Some(2));

    seawall.signal("-HUP").await;
    seawall.said("nothing has changed (SIGHUP)").await;
    let url = format!("http://{}/api/v1/config/reload", seawall.admin);
    let lever = json!({ "by": "ann", "reason": "a test" });
    let refused = client::post_json(&url, lever.clone()).await.unwrap();
    assert_eq!((refused.status, refused.json().unwrap()["code"].clone()), (422, json!("SW0026")));
    assert!(
        refused.json().unwrap()["detail"].as_str().unwrap().contains("seawall.toml:"),
        "{}",
        refused.text()
    );

    rewrite(&home, &up.url(), "retry = { attempts = 2 }\n");
    let answer = client::post_json(&url, lever).await.unwrap();
    let told: Value = answer.json().unwrap();
    if answer.status == 200 && told["generation"] == 3 {
        let changes: Vec<&str> =
            told["changes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(changes.contains(&"upstream.two: removed"), "{changes:?}");
    }
    eventually("it is in force", async || (generation(&seawall).await? >= 3).then_some(())).await;
    assert_eq!(client::get(&seawall.url("/two/x")).await.unwrap().status, 404);
    assert_eq!(client::get(&seawall.url("/up/x")).await.unwrap().status, 200);
}

/// How many reloads of the binary: a hundred, or as many as `SEAWALL_RELOADS` says.
fn reloads() -> u64 {
    std::env::var("SEAWALL_RELOADS").ok().and_then(|count| count.parse().ok()).unwrap_or(100)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_of_the_binary_fail_no_call_of_sixty_four_connections_and_forget_nothing() {
    let Some(binary): Option<PathBuf> = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let script = Script::per_path(|request, _| match request.path() {
        "/bad" => Reply::status(500),
        _ => Reply::ok("ok"),
    });
    let ill = Upstream::start(script).await.unwrap();
    let more = |n: u64| {
        // Something of everything changes with each, and a route comes and goes.
        let route = if n.is_multiple_of(2) { "[route.r]\nmatch.path = \"/up/r/**\"\n" } else { "" };
        format!(
            "limits = [{{ requests = \"{}/min\" }}, {{ concurrent = {} }}]\nqueue = {{ max = 1000, wait = \"20s\" }}\n\
             breaker = {{ consecutive = {} }}\n[upstream.ill]\nurl = \"{}\"\nretry = \"off\"\nbreaker = {{ consecutive = 3, \
             open = \"1h\" }}\nlimits = [{{ requests = \"{}/d\" }}]\nqueue = {{ max = 0, wait = \"0s\" }}\n{route}",
            1_000_000 + n,
            64 + n % 3,
            5 + n % 2,
            ill.url(),
            8 + n % 2,
        )
    };
    let home = configured(&up.url(), "127.0.0.1:0");
    rewrite(&home, &up.url(), &more(0));
    let seawall = Seawall::start(&binary, &home).await;
    // A breaker that is open, and a limit of which three are gone: they must stay so.
    for _ in 0..3 {
        client::get(&seawall.url("/ill/bad")).await.unwrap();
    }
    assert_eq!(refused(&client::get(&seawall.url("/ill/x")).await.unwrap()), (503, "SW0004".into()));
    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..64)
        .map(|n| {
            let (over, made, at) = (over.clone(), made.clone(), seawall.listen.clone());
            tokio::spawn(async move {
                let mut caller = Client::connect(&at).await.map_err(|why| format!("connect: {why}"))?;
                let path = if n % 2 == 0 { "/up/r/x" } else { "/up/x" };
                while !over.load(Ordering::Relaxed) {
                    let request = Request::get(path).header("host", &at);
                    let answer = caller.call(&request).await.map_err(|why| format!("{n}: {why}"))?;
                    if answer.status != 200 {
                        return Err(format!("{n}: {} {}", answer.status, answer.text()));
                    }
                    made.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        })
        .collect();
    let url = format!("http://{}/api/v1/config/reload", seawall.admin);
    let count = reloads();
    for n in 1..=count {
        rewrite(&home, &up.url(), &more(n));
        let answer = client::post_json(&url, json!({ "by": "ann", "reason": "a test" })).await.unwrap();
        assert_eq!(answer.status, 200, "{n}: {}", answer.text());
    }
    over.store(true, Ordering::Relaxed);
    let failed: Vec<String> =
        join_all(callers).await.into_iter().filter_map(|caller| caller.unwrap().err()).collect();
    assert_eq!(failed, Vec::<String>::new(), "after {} calls", made.load(Ordering::Relaxed));
    // The file is looked at too: one change may be taken up before the lever asks for it.
    assert!(generation(&seawall).await.unwrap() > count);
    let answer = client::get(&format!("http://{}/metrics", seawall.admin)).await.unwrap();
    let counted: f64 = answer
        .text()
        .lines()
        .filter(|line| {
            line.starts_with("seawall_calls_total{upstream=\"up\",") && line.contains("outcome=\"ok\"")
        })
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum();
    let made = made.load(Ordering::Relaxed);
    assert!(made > 1_000, "{made}");
    assert_eq!(counted, made as f64, "every call was counted once");
    // Once through the breaker: the limit has counted every call since the start.
    assert_eq!(refused(&client::get(&seawall.url("/ill/x")).await.unwrap()), (503, "SW0004".into()));
    let reset = format!("http://{}/api/v1/breakers/ill/reset", seawall.admin);
    client::post_json(&reset, json!({ "by": "ann", "reason": "a test" })).await.unwrap();
    let mut left = 0;
    while client::get(&seawall.url("/ill/x")).await.unwrap().status == 200 {
        left += 1;
        assert!(left <= 6, "the limit forgot what was spent before");
    }
    assert!((5..=6).contains(&left), "{left} of eight or nine were left after three");
    assert!(up.ledger().connections() < 200, "connections are kept: {}", up.ledger().connections());
}
