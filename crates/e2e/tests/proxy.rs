//! A proxy between the gateway and an upstream, as companies have them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use http::HeaderValue;
use seawall_e2e::binary::{Seawall, binary, configured_with};
use seawall_e2e::http2::tls_http1;
use seawall_e2e::{Rig, eventually, problem};
use seawall_gateway::plan::Proxy as Through;
use seawall_testkit::{Proxy, Reply, Script, Upstream, client};

fn through(proxy: &Proxy, credential: Option<&'static str>) -> Option<Through> {
    Some(Through { url: proxy.url().parse().unwrap(), credential: credential.map(HeaderValue::from_static) })
}

#[tokio::test]
async fn every_connection_goes_through_the_proxy_which_resolves_the_name_itself() {
    let up = Upstream::start(Reply::ok("hello")).await.unwrap();
    let proxy = Proxy::start(None).await.unwrap();
    // A name that only the proxy can make something of.
    let mut rig = Rig::new(&format!("http://only.inside.invalid:{}", up.addr().port()));
    rig.up().proxy = through(&proxy, None);
    rig.plan.workers = 1;
    let gateway = rig.start();
    for _ in 0..3 {
        let answer = gateway.get("/up/x").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    }
    let target = format!("only.inside.invalid:{}", up.addr().port());
    assert_eq!(proxy.asked(), std::slice::from_ref(&target), "one tunnel, used again");
    let seen = &up.ledger().requests()[0];
    assert_eq!((seen.target.as_str(), seen.header("host")), ("/x", Some(target.as_str())));
    assert_eq!(seen.header("proxy-authorization"), None);
}

#[tokio::test]
async fn tls_is_spoken_with_the_upstream_through_the_tunnel_and_its_own_authority_is_believed() {
    let (url, ca) = tls_http1().await;
    let proxy = Proxy::start(None).await.unwrap();
    let mut rig = Rig::new(&url);
    rig.up().ca = Some(Arc::from(ca.as_bytes()));
    rig.up().proxy = through(&proxy, None);
    rig.plan.workers = 1;
    let gateway = rig.start();
    assert_eq!(gateway.get("/up/x").await.status, 200);
    assert_eq!(proxy.asked().len(), 1);
}

#[tokio::test]
async fn a_proxy_that_wants_to_know_who_asks_is_told_and_its_refusals_are_not_done() {
    let up = Upstream::start(Script::always(Reply::ok("ok"))).await.unwrap();
    let proxy = Proxy::start(Some("Basic YW5uOnNlY3JldA==")).await.unwrap();
    for (credential, status) in
        [(None, 502), (Some("Basic d3Jvbmc="), 502), (Some("Basic YW5uOnNlY3JldA=="), 200)]
    {
        let mut rig = Rig::new(&up.url());
        rig.up().proxy = through(&proxy, credential);
        rig.up().defaults.retry.attempts = 1;
        let gateway = rig.start();
        let answer = gateway.post("/up/orders", &serde_json::json!({})).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 502 {
            let told = problem(&answer);
            assert_eq!(told["certainty"], "not-done", "{told}");
            let story = gateway.story(&answer).await;
            assert!(story.to_string().contains("407"), "{story}");
            assert!(!answer.text().contains("d3Jvbmc"), "{told}");
        }
    }
    assert_eq!(up.ledger().request_count(), 1);
    // One that cannot reach the upstream, and one that is not there.
    let mut rig = Rig::new("http://only.inside.invalid:9");
    rig.up().proxy = through(&Proxy::start(None).await.unwrap(), None);
    rig.up().defaults.retry.attempts = 1;
    let gone = rig.start().get("/up/x").await;
    assert_eq!((gone.status, problem(&gone)["certainty"].as_str()), (502, Some("not-done")));
}

#[tokio::test]
async fn a_health_check_of_the_upstream_asks_through_the_proxy() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let proxy = Proxy::start(Some("Basic YW5uOnNlY3JldA==")).await.unwrap();
    // A name that only the proxy can make something of.
    let url = format!("http://only.inside.invalid:{}", up.addr().port());
    let more = format!(
        "proxy = {{ url = \"{}\", auth = \"file:proxy\" }}\nauth = {{ bearer = \"file:proxy\" }}\n\
         [health.up]\nhttp = \"{url}/healthz\"\nevery = \"1s\"\n",
        proxy.url()
    );
    let home = configured_with(&url, "127.0.0.1:0", "./state", &more);
    std::fs::write(home.path().join("proxy"), "ann:secret").unwrap();
    let seawall = Seawall::start(&binary, &home).await;
    let told = eventually("it was looked at", async || {
        let health = client::get(&format!("http://{}/api/v1/health", seawall.admin)).await.ok()?.json()?;
        let check = health["health"].as_array()?.iter().find(|check| check["name"] == "up")?.clone();
        (check["looks"].as_u64()? > 0).then_some(check)
    });
    let told = told.await;
    assert_eq!((&told["state"], &told["by"]), (&"healthy".into(), &"probe".into()), "{told}");
    assert_eq!(proxy.asked()[0], url.trim_start_matches("http://"));
    let seen = &up.ledger().requests()[0];
    assert_eq!((seen.target.as_str(), seen.header("proxy-authorization")), ("/healthz", None));
    assert_eq!(seen.header("authorization"), Some("Bearer ann:secret"));
}

#[tokio::test]
async fn a_file_names_the_proxy_and_its_password_is_a_reference() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let proxy = Proxy::start(Some("Basic YW5uOnNlY3JldA==")).await.unwrap();
    let more = format!("proxy = {{ url = \"{}\", auth = \"file:proxy\" }}\n", proxy.url());
    let home = configured_with(&up.url(), "127.0.0.1:0", "./state", &more);
    std::fs::write(home.path().join("proxy"), "ann:secret").unwrap();
    let seawall = Seawall::start(&binary, &home).await;
    assert_eq!(client::get(&seawall.url("/up/x")).await.unwrap().status, 200);
    assert_eq!(proxy.asked(), [up.addr().to_string()]);
}
