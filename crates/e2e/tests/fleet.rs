//! Two gateways and one Redis: one limit and one breaker between them, and a share for each while it is away.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use futures_util::future::join_all;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use seawall::breaker;
use seawall_e2e::binary::{Seawall, binary, configured_with, serve};
use seawall_e2e::redis::RedisServer;
use seawall_e2e::{Rig, Running, eventually, ms, refused, requests};
use seawall_gateway::plan::{Limit, Share};
use seawall_testkit::client;
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::json;
use tokio::process::Command;

const NOTHING_KEPT: &[&str] = &["--appendonly", "no"];
const MINUTE: Duration = Duration::from_secs(60);
const BOTH: Share = Share { limits: true, breaker: true };

/// A gateway of a fleet, whose callers do not wait.
async fn rig(up: &Upstream, server: &RedisServer, limits: Vec<Limit>) -> Rig {
    let mut rig = Rig::new(&up.url());
    rig.plan.fleet = Some(server.fleet().await);
    rig.up().share = BOTH;
    rig.up().limits = limits;
    rig.up().queue.wait = ms(0);
    rig.up().breaker = breaker::Options { consecutive: 3, min_calls: 0, ..breaker::Options::default() };
    rig.up().defaults.retry = seawall::retry::Options::off();
    rig
}

/// Two, which know of each other.
async fn pair(up: &Upstream, server: &RedisServer, limits: &[Limit]) -> [Running; 2] {
    let both =
        [rig(up, server, limits.to_vec()).await.start(), rig(up, server, limits.to_vec()).await.start()];
    for gateway in &both {
        is(gateway, "seawall_fleet_members", 2.0).await;
    }
    both
}

async fn is(gateway: &Running, metric: &str, value: f64) {
    eventually(metric, async || (gateway.metric(metric).await == Some(value)).then_some(())).await;
}

/// How many of so many calls pass at once.
async fn passed(gateway: &Running, calls: usize) -> usize {
    let answers = join_all((0..calls).map(|_| gateway.get("/up/x"))).await;
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(refused(answer), (429, "SW0001".into()));
    }
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test]
async fn the_upstream_never_sees_more_than_the_limit_from_both_together() {
    let Some(server) = RedisServer::start(NOTHING_KEPT).await else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let limits = vec![requests(20, ms(2000))];
    let mut both = Vec::new();
    for _ in 0..2 {
        let mut rig = rig(&up, &server, limits.clone()).await;
        rig.up().queue.wait = ms(9000);
        both.push(rig.start());
    }
    let calls = (0..60).map(|n| both[n % 2].get("/up/x"));
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(up.ledger().request_count(), 60);
    // It is counted when a request leaves; on a busy machine the way to the upstream stretches a little.
    let most = up.ledger().max_in_any_window(ms(1400));
    assert!(most <= 20, "{most}");
}

#[tokio::test]
async fn a_breaker_that_one_opens_refuses_at_the_other_and_a_lever_at_either_moves_both() {
    let Some(server) = RedisServer::start(NOTHING_KEPT).await else { return };
    let up = Upstream::start(Script::per_path(|request, _| match request.path() {
        "/bad" => Reply::status(500),
        _ => Reply::ok("ok"),
    }))
    .await
    .unwrap();
    let both = pair(&up, &server, &[]).await;
    assert_eq!(both[1].get("/up/x").await.status, 200);
    for _ in 0..3 {
        assert_eq!(both[0].get("/up/bad").await.status, 500);
    }
    let answer = eventually("the other refuses", async || {
        let answer = both[1].get("/up/x").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(refused(&answer), (503, "SW0004".into()));
    assert!(both[1].lever("/api/v1/breakers/up/reset").await.status < 300);
    for gateway in &both {
        eventually("both let calls through", async || {
            (gateway.get("/up/x").await.status == 200).then_some(())
        })
        .await;
    }
    assert!(both[0].lever("/api/v1/breakers/up/force-open").await.status < 300);
    let held = eventually("it is held at the other", async || {
        let answer = both[1].get("/up/x").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(refused(&held), (503, "SW0005".into()));
    let seen = both[1].admin("/api/v1/breakers").await.text();
    assert!(seen.contains("ann") && seen.contains("a test"), "who and why are known there: {seen}");
}

#[tokio::test]
async fn while_the_redis_is_away_each_goes_on_with_its_share_and_then_they_share_again() {
    let Some(mut server) = RedisServer::start(NOTHING_KEPT).await else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let both = pair(&up, &server, &[requests(10, MINUTE)]).await;
    server.kill().await;
    for gateway in &both {
        is(gateway, "seawall_fleet_shared", 0.0).await;
        let status = gateway.admin("/api/v1/status").await.text();
        assert!(status.contains("degraded") && status.contains("one of 2"), "{status}");
        assert_eq!(passed(gateway, 9).await, 5, "its half");
    }
    assert_eq!(up.ledger().request_count(), 10);
    assert!(server.again().await);
    for gateway in &both {
        is(gateway, "seawall_fleet_shared", 1.0).await;
    }
    // Each tells with its first question what passed meanwhile.
    assert_eq!(passed(&both[0], 9).await, 5);
    assert_eq!(passed(&both[1], 9).await, 0);
    assert_eq!(passed(&both[0], 9).await, 0);
}

#[tokio::test]
async fn a_reload_keeps_what_is_shared_and_what_ends_to_be_shared_begins_anew() {
    let Some(server) = RedisServer::start(NOTHING_KEPT).await else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let both = pair(&up, &server, &[requests(6, MINUTE)]).await;
    assert_eq!(passed(&both[1], 4).await, 4);
    let plan = |count, share| {
        let mut rig = Rig::new(&up.url());
        rig.up().share = share;
        rig.up().limits = vec![requests(count, MINUTE)];
        rig.up().queue.wait = ms(0);
        rig.plan
    };
    assert_eq!(both[0].gateway.reload(plan(7, BOTH)).unwrap(), 2);
    assert_eq!(passed(&both[0], 9).await, 3, "what the other used is still used");
    assert_eq!(both[0].gateway.reload(plan(7, Share::default())).unwrap(), 3);
    assert_eq!(passed(&both[0], 9).await, 7, "its own from now on");
    assert_eq!(both[0].gateway.reload(plan(8, BOTH)).unwrap(), 4);
    assert_eq!(passed(&both[0], 9).await, 1);
}

#[tokio::test]
async fn a_redis_with_a_password_and_tls_is_a_state() {
    let Some(binary) = binary() else { return };
    let home = configured_with("http://127.0.0.1:9", "127.0.0.1:0", "./state", "");
    let file = |name: &str| home.path().join(name);
    let key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(file("ca.pem"), ca.self_signed(&key).unwrap().pem()).unwrap();
    let (issuer, own) = (Issuer::new(ca, key), KeyPair::generate().unwrap());
    let signed =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    std::fs::write(file("redis.pem"), signed.pem()).unwrap();
    std::fs::write(file("redis.key"), own.serialize_pem()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let files = ["ca.pem", "redis.pem", "redis.key"].map(|name| file(name).display().to_string());
    let settings = ["--appendonly", "yes", "--requirepass", "hunter2-canary", "--tls-auth-clients", "no"];
    let tls = ["--tls-port", &port, "--tls-ca-cert-file", &files[0], "--tls-cert-file", &files[1]];
    let Some(_server) =
        RedisServer::start(&[&settings[..], &tls, &["--tls-key-file", &files[2]]].concat()).await
    else {
        return;
    };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let state = format!(
        "{{ url = \"rediss://127.0.0.1:{port}/0?namespace=test\", password = \"env:REDIS_PASSWORD\", ca = \"ca.pem\" }}"
    );
    let text = format!(
        "version = 1\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nstate = {state}\n[upstream.up]\nurl = \"{}\"\n\
         limits = [{{ requests = \"2/min\" }}]\nqueue = {{ wait = \"0s\" }}\nshare = [\"limits\"]\n\
         [fleet]\npatience = \"10s\"\n",
        up.url()
    );
    std::fs::write(file("seawall.toml"), text).unwrap();
    let mut command = serve(&binary, &home);
    command.env("REDIS_PASSWORD", "hunter2-canary");
    let seawall = Seawall::begin(command).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client::get(&seawall.url("/up/x")).await.unwrap().status);
    }
    assert_eq!(statuses, [200, 200, 429]);

    // A wrong one is refused at the start, in words and without itself.
    let mut said = String::new();
    for _ in 0..5 {
        let mut command = serve(&binary, &home);
        command.env("REDIS_PASSWORD", "hunter3-canary");
        let ended = command.output().await.unwrap();
        assert!(!ended.status.success());
        said = String::from_utf8_lossy(&ended.stderr).into_owned();
        // On a busy machine the handshake alone may take longer than is waited for.
        if !said.contains("no answer within") {
            break;
        }
    }
    assert!(said.contains("another user or password"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test]
async fn one_word_in_the_file_shares_and_check_says_so() {
    let Some(binary) = binary() else { return };
    let Some(server) = RedisServer::start(&["--appendonly", "yes"]).await else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let more = "share = [\"limits\", \"breaker\"]\nlimits = [{ requests = \"6/min\" }]\nqueue = { wait = \"0s\" }\n\n\
                [fleet]\nmembers = 2\npatience = \"10s\"\n";
    let homes = [0, 1].map(|_| configured_with(&up.url(), "127.0.0.1:0", &server.url(), more));
    let both = [Seawall::start(&binary, &homes[0]).await, Seawall::start(&binary, &homes[1]).await];
    let mut passed = 0;
    for n in 0..20 {
        let answer = client::get(&both[n % 2].url("/up/x")).await.unwrap();
        passed += usize::from(answer.status == 200);
    }
    assert_eq!((passed, up.ledger().request_count()), (6, 6));

    let check = async |home: &tempfile::TempDir| {
        let mut check = Command::new(&binary);
        check.args(["check", "-c", "seawall.toml"]).current_dir(home.path()).env_clear();
        let ran = check.output().await.unwrap();
        (ran.status.code(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
    };
    let (code, said) = check(&homes[0]).await;
    assert!(code == Some(0) && said.contains("breaker shared (5 in a row"), "{said}");
    assert!(said.contains("limit 6/min shared (wait 0s)"), "{said}");
    let alone = configured_with(&up.url(), "127.0.0.1:0", "./state", more);
    let (code, said) = check(&alone).await;
    assert!(code == Some(2) && said.contains("upstream.up.share: the state is a directory"), "{said}");

    // What was opened at the start stays as it is.
    let text = std::fs::read_to_string(homes[0].path().join("seawall.toml")).unwrap();
    std::fs::write(homes[0].path().join("seawall.toml"), text.replace("members = 2", "members = 3")).unwrap();
    let reload = format!("http://{}/api/v1/config/reload", both[0].admin);
    let refusal = client::post_json(&reload, json!({ "by": "ann", "reason": "three" })).await.unwrap();
    assert!(refusal.text().contains("fleet cannot change while it runs"), "{}", refusal.text());
}
