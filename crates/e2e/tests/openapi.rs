//! The description of the admin port is of the port that serves it: every route, every method, and how it refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use seawall_e2e::{Rig, Running, code};
use seawall_testkit::client::{self, Answer, Request};
use seawall_testkit::{Reply, Upstream};
use serde_json::{Map, Value, json};

async fn gateway() -> (Upstream, Running) {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    gateway.get("/up/x").await;
    (up, gateway)
}

async fn paths(gateway: &Running) -> Map<String, Value> {
    let answer = gateway.admin("/api/v1/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let document = answer.json().unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    document["paths"].as_object().unwrap().clone()
}

async fn ask(gateway: &Running, request: Request) -> Answer {
    client::request(&format!("http://{}", gateway.gateway.admin()), request).await.unwrap()
}

/// A path with something in its places that nobody is called.
fn filled(path: &str) -> String {
    path.replace("{name}", "nobody").replace("{id}", "nobody").replace("{lever}", "reset")
}

#[tokio::test]
async fn every_route_is_described_and_what_is_described_is_there_and_nothing_else_is() {
    let (_up, gateway) = gateway().await;
    let described = paths(&gateway).await;
    let elsewhere = ask(&gateway, Request::get("/nowhere")).await;
    assert_eq!((elsewhere.status, code(&elsewhere)), (404, "SW0030".to_owned()));
    let nothing = elsewhere.json().unwrap()["detail"].clone();
    // A stream that never ends is asked for elsewhere.
    for (path, ways) in described.iter().filter(|(path, _)| *path != "/events") {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let way = &ways[method.to_lowercase()];
            let mut request = Request::new(method, filled(path));
            if method == "POST" && way["tags"][0] == "levers" {
                request = request.json(&json!({}));
            }
            let answer = ask(&gateway, request).await;
            if way.is_null() {
                assert_eq!(answer.status, 405, "{method} {path} is not described: {}", answer.text());
                continue;
            }
            let told = &way["responses"][answer.status.to_string()];
            let kind = answer.header("content-type").unwrap().split(';').next().unwrap().to_owned();
            assert!(told["content"][&kind].is_object(), "{method} {path}: {} {kind}", answer.status);
            let detail = answer.json().map(|problem| problem["detail"].clone());
            assert_ne!(detail.as_ref(), Some(&nothing), "{method} {path} is described and not there");
        }
    }
    // Whatever the port itself says that there is.
    let index = gateway.admin("/api").await.text();
    let board = gateway.admin("/").await.text();
    let named = index.split_whitespace().filter(|word| word.starts_with('/'));
    let named = named.map(|path| path.split('?').next().unwrap());
    let links = board.split([' ', '>']).filter_map(|word| {
        let link = word.strip_prefix("href=\"").or(word.strip_prefix("src=\""))?;
        Some(link.split(['?', '#', '"']).next().unwrap()).filter(|link| link.starts_with('/'))
    });
    let mut seen = 0;
    for path in named.chain(links) {
        let shape = |one: &str| one.split('/').map(str::to_owned).collect::<Vec<_>>();
        let fits = |described: &String| {
            let (described, path) = (shape(described), shape(path));
            described.len() == path.len()
                && described.iter().zip(&path).all(|(one, other)| one == other || one.starts_with('{'))
        };
        assert!(described.keys().any(fits), "{path} is not described");
        seen += 1;
    }
    assert!(seen > 25, "{seen} paths were found on the pages");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_problem_json_whoever_finds_it() {
    let (_up, gateway) = gateway().await;
    let long = format!("{{\"by\": \"ann\", \"reason\": \"{}\"}}", "x".repeat(70_000));
    let lever = |path: &str, body: &str| {
        Request::new("POST", path).header("content-type", "application/json").body(body.to_owned())
    };
    let drain = |body: &str| lever("/api/v1/drain", body);
    for (request, status, expected) in [
        (Request::get("/api/v1/calls/%ff"), 400, "SW0015"),
        (Request::get("/api/v1/effects?state=done&state=free"), 400, "SW0015"),
        (Request::get("/api/v1/effects?state=lost"), 400, "SW0015"),
        (Request::get("/upstreams/%ff"), 400, "SW0015"),
        (drain(&long), 413, "SW0020"),
        (drain("{"), 400, "SW0023"),
        (drain("[]"), 400, "SW0023"),
        (drain("[\"ann\", \"because\"]"), 400, "SW0023"),
        (drain("{\"by\": 7, \"reason\": \"why\"}"), 400, "SW0023"),
        (drain("{\"by\": \" \", \"reason\": \"why\"}"), 400, "SW0023"),
        (Request::new("POST", "/api/v1/drain").body("by=ann"), 415, "SW0031"),
        (lever("/api/v1/alerts/nobody/silence", "[\"ann\", \"because\", \"1h\"]"), 400, "SW0023"),
        (lever("/api/v1/breakers/up/reset", "{\"by\": \"ann\", \"reason\": \"why\"} {}"), 400, "SW0023"),
    ] {
        let asked = format!("{request:?}").chars().take(200).collect::<String>();
        let answer = ask(&gateway, request).await;
        assert_eq!((answer.status, code(&answer)), (status, expected.to_owned()), "{asked}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{asked}");
        assert!(answer.header("x-content-type-options").is_some(), "{asked}");
    }
    assert_eq!(gateway.admin("/ready").await.status, 200, "nothing was drained");
}
