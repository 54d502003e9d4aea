//! Which way a request goes, and which go nowhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use http::Method;
use seawall_e2e::{Rig, Running, code, decision, problem, upstream};
use seawall_testkit::client::{Answer, Client, Request};
use seawall_testkit::{Reply, Upstream};

async fn answering(body: &'static str) -> Upstream {
    Upstream::start(Reply::ok(body)).await.unwrap()
}

/// Says these bytes to the data port; `HOST` stands for the gateway's own name.
async fn say(gateway: &Running, bytes: &str) -> Answer {
    let own = gateway.gateway.listen().to_string();
    let mut client = Client::connect(&own).await.unwrap();
    client.send_raw(bytes.replace("HOST", &own)).await.unwrap();
    client.answer().await.unwrap()
}

fn refused(answer: &Answer, status: u16, expected: &str) {
    assert_eq!((answer.status, code(answer).as_str()), (status, expected), "{}", answer.text());
    assert_eq!(problem(answer)["certainty"], "not-done");
    assert_eq!(answer.header("x-should-retry"), Some("false"));
}

#[tokio::test]
async fn the_first_segment_names_the_upstream_and_is_removed() {
    let (one, two) = (answering("one").await, answering("two").await);
    let gateway = Rig::of([upstream("one", &one.url()), upstream("two", &two.url())]).start();
    assert_eq!(gateway.get("/one/two/x?y=1").await.text(), "one");
    assert_eq!(gateway.get("/two/one").await.text(), "two");
    assert_eq!(one.ledger().requests()[0].target, "/two/x?y=1");
    assert_eq!(two.ledger().requests()[0].target, "/one");
}

#[tokio::test]
async fn the_most_specific_route_wins() {
    let up = answering("ok").await;
    // The least specific first, so that order in the file is no help.
    let mut rig = Rig::new(&up.url())
        .route("rest", "/up/**", None)
        .route("deeper", "/up/a/**", None)
        .route("star", "/up/a/*", None)
        .route("exact", "/up/a/b", None)
        .route("posted", "/up/a/b", None);
    rig.plan.routes[4].method = Some(Method::POST);
    let gateway = rig.start();
    for (method, path, route) in [
        ("GET", "/up/a/b", "exact"),
        ("POST", "/up/a/b", "posted"),
        ("GET", "/up/a/b?q=/up/x", "exact"),
        ("GET", "/up/a/c", "star"),
        ("POST", "/up/a/c", "star"),
        ("GET", "/up/a/b/", "deeper"),
        ("GET", "/up/a/b/c", "deeper"),
        ("GET", "/up/a", "deeper"),
        ("GET", "/up/b", "rest"),
        ("GET", "/up/A/b", "rest"),
        ("GET", "/up//a/b", "rest"),
        ("GET", "/up/a%2Fb", "rest"),
        ("GET", "/up", "rest"),
    ] {
        let answer = gateway.send(Request::new(method, path)).await;
        assert_eq!(gateway.story(&answer).await["route"], route, "{method} {path}");
    }
}

#[tokio::test]
async fn a_route_for_another_method_leaves_the_upstreams_defaults() {
    let up = answering("ok").await;
    let mut rig = Rig::new(&up.url()).route("posted", "/up/x", None);
    rig.plan.routes[0].method = Some(Method::POST);
    let gateway = rig.start();
    let answer = gateway.get("/up/x").await;
    assert_eq!(answer.status, 200);
    assert_eq!(gateway.story(&answer).await["route"], "");
}

#[tokio::test]
async fn a_path_that_names_no_upstream_is_told_which_there_are() {
    let up = answering("ok").await;
    let gateway = Rig::of(["alpha", "beta"].map(|name| upstream(name, &up.url()))).start();
    for path in ["/", "/gamma", "/gamma/alpha/x", "//alpha/x", "/Alpha/x", "/%61lpha/x", "/alpha%2Fx"] {
        let answer = gateway.get(path).await;
        refused(&answer, 404, "SW0016");
        let detail = problem(&answer)["detail"].to_string();
        assert!(detail.contains("alpha") && detail.contains("beta"), "{path}: {detail}");
    }
    assert_eq!(up.ledger().request_count(), 0);
}

#[tokio::test]
async fn a_whole_url_after_fetch_goes_to_the_upstream_at_that_origin() {
    let up = answering("ok").await;
    let (origin, url) = (up.addr(), up.url());
    let gateway =
        Rig::of([upstream("up", &url), upstream("based", &format!("http://localhost:{}/v1", origin.port()))])
            .route("chosen", "/up/routed/**", None)
            .start();
    let encoded = format!("/fetch/http%3A%2F%2F{}%2Fx%3Fa%3Db%2526c", origin.to_string().replace(':', "%3A"));
    for (path, target) in [
        (format!("/fetch/{url}/x//y?a=b;c&d=http://z/"), "/x//y?a=b;c&d=http://z/"),
        (format!("/fetch/{url}"), "/"),
        (format!("/fetch/HTTP://{origin}/X"), "/X"),
        (encoded, "/x?a=b%26c"),
        (format!("/fetch/{url}/routed/x"), "/routed/x"),
        (format!("/fetch/http://localhost:{}/v1/models?q", origin.port()), "/v1/models?q"),
    ] {
        let answer = gateway.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let seen = up.ledger().requests();
        assert_eq!(seen.last().unwrap().target, target, "{path}");
        let story = gateway.story(&answer).await;
        assert_eq!(story["route"] == "chosen", path.contains("routed"), "routes hold here too");
    }
}

#[tokio::test]
async fn fetch_goes_nowhere_that_the_configuration_does_not_name() {
    let up = answering("ok").await;
    let port = up.addr().port();
    let gateway = Rig::of([upstream("based", &format!("http://127.0.0.1:{port}/v1"))]).start();
    let asked = up.ledger();
    for path in [
        "/fetch/http://elsewhere.example/v1".to_owned(),
        "/fetch/http://169.254.169.254/latest/meta-data".to_owned(),
        format!("/fetch/https://127.0.0.1:{port}/v1"),
        format!("/fetch/http://localhost:{port}/v1"),
        "/fetch/http://127.0.0.1:1/v1".to_owned(),
        format!("/fetch/http://127.0.0.1:{port}/v2"),
        format!("/fetch/http://127.0.0.1:{port}/v10"),
        format!("/fetch/http://127.0.0.1:{port}/"),
    ] {
        refused(&gateway.get(&path).await, 403, "SW0019");
    }
    for path in [
        format!("/fetch/http://user:secret@127.0.0.1:{port}/v1"),
        "/fetch/based/x".to_owned(),
        "/fetch/".to_owned(),
        "/fetch//v1".to_owned(),
    ] {
        let answer = gateway.get(&path).await;
        refused(&answer, 400, "SW0015");
        assert!(!answer.text().contains("secret"));
    }
    assert_eq!(asked.request_count(), 0);
}

#[tokio::test]
async fn a_forward_proxy_request_goes_to_a_named_host_and_to_no_other() {
    let up = answering("ok").await;
    let origin = up.addr();
    let gateway = Rig::new(&up.url()).start();
    let answer =
        say(&gateway, &format!("GET http://{origin}/x/y?z HTTP/1.1\r\nhost: {origin}\r\n\r\n")).await;
    assert_eq!((answer.status, decision(&answer, "upstream").as_str()), (200, "up"));
    let seen = &up.ledger().requests()[0];
    assert_eq!((seen.target.as_str(), seen.header("host")), ("/x/y?z", Some(&*origin.to_string())));
    let other = "GET http://elsewhere.example/x HTTP/1.1\r\nhost: elsewhere.example\r\n\r\n";
    refused(&say(&gateway, other).await, 403, "SW0019");
    let ourselves = say(&gateway, "GET http://HOST/up/own HTTP/1.1\r\nhost: HOST\r\n\r\n").await;
    assert_eq!(ourselves.status, 200, "an absolute target may name the gateway itself");
    assert_eq!(up.ledger().requests()[1].target, "/own");
    assert_eq!(up.ledger().request_count(), 2);
}

#[tokio::test]
async fn tunnels_are_refused() {
    let up = answering("ok").await;
    let gateway = Rig::new(&up.url()).start();
    for target in [up.addr().to_string(), "elsewhere.example:443".to_owned()] {
        let answer = say(&gateway, &format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n")).await;
        refused(&answer, 403, "SW0019");
    }
    assert_eq!(up.ledger().connections(), 0);
}

#[tokio::test]
async fn only_the_gateways_own_names_are_answered() {
    let up = answering("ok").await;
    let mut rig = Rig::new(&up.url());
    rig.plan.hosts = vec!["seawall:7070".into(), "plain.example".into()];
    let gateway = rig.start();
    let port = gateway.gateway.listen().port();
    for own in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("LOCALHOST:{port}"),
        "seawall:7070".to_owned(),
        "plain.example".to_owned(),
    ] {
        assert_eq!(gateway.send(Request::get("/up/x").header("host", &own)).await.status, 200, "{own}");
    }
    let asked = up.ledger().request_count();
    for foreign in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "localhost:1".to_owned(),
        "seawall:7071".to_owned(),
        format!("127.0.0.1:{port}.evil.example"),
        format!("127.0.0.2:{port}"),
    ] {
        refused(&gateway.send(Request::get("/up/x").header("host", &foreign)).await, 403, "SW0017");
    }
    assert_eq!(up.ledger().request_count(), asked);
}

#[tokio::test]
async fn a_foreign_page_is_refused_and_a_program_is_not() {
    let up = answering("ok").await;
    let gateway = Rig::new(&up.url()).start();
    let own = format!("http://{}", gateway.gateway.listen());
    for welcome in ["*", &own] {
        let answer = gateway.send(Request::get("/up/x").header("origin", welcome)).await;
        assert_eq!(answer.status, 200, "{welcome}");
    }
    let asked = up.ledger().request_count();
    for foreign in ["https://evil.example", "null", "", "http://127.0.0.1", "http://evil.example:7070"] {
        refused(&gateway.send(Request::get("/up/x").header("origin", foreign)).await, 403, "SW0018");
    }
    let two = Request::get("/up/x").header("origin", own).header("origin", "https://evil.example");
    refused(&gateway.send(two).await, 403, "SW0018");
    // The question a browser asks first is a foreign page's too.
    let preflight = Request::new("OPTIONS", "/up/x")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST");
    refused(&gateway.send(preflight).await, 403, "SW0018");
    assert_eq!(up.ledger().request_count(), asked);
}

#[tokio::test]
async fn a_request_has_exactly_one_host() {
    let up = answering("ok").await;
    let gateway = Rig::new(&up.url()).start();
    refused(&say(&gateway, "GET /up/x HTTP/1.1\r\n\r\n").await, 400, "SW0015");
    refused(&say(&gateway, "GET /up/x HTTP/1.1\r\nhost: HOST\r\nhost: HOST\r\n\r\n").await, 400, "SW0015");
    assert_eq!(up.ledger().request_count(), 0);
}
