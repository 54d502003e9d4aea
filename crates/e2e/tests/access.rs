//! Who may look at the admin port and who may move something: tokens, roles, sessions of browsers, and what ends them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use seawall_core::secret::Secret;
use seawall_e2e::binary::{Seawall, binary, configured_with, serve};
use seawall_e2e::{Rig, Running, code, eventually};
use seawall_gateway::plan::operators::{Operators, Role};
use seawall_testkit::client::{self, Answer, Request};
use seawall_testkit::{Reply, Upstream};
use serde_json::json;

const ANN: &str = "ann-7Qm2xVb9Lw4TzR1nKc8Y";
const EVE: &str = "eve-3Hs8kPq5Jd6WvM2yFb7G";

async fn gateway() -> (Upstream, Running) {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.plan.operators = operators(&[("ann", Role::Operator, ANN), ("eve", Role::Viewer, EVE)]);
    (up, rig.start())
}

fn operators(all: &[(&str, Role, &str)]) -> Operators {
    let mut operators = Operators::default();
    for (name, role, token) in all {
        operators.add(*name, *role, &Secret::new((*token).to_owned())).unwrap();
    }
    operators
}

async fn ask(admin: &str, request: Request) -> Answer {
    client::request(&format!("http://{admin}"), request).await.unwrap()
}

fn shown(request: Request, token: &str) -> Request {
    request.header("authorization", format!("Bearer {token}"))
}

fn lever(path: &str) -> Request {
    Request::new("POST", path).json(&json!({ "by": "mallory", "reason": "a test" }))
}

fn form(path: &str, words: &str) -> Request {
    let request = Request::new("POST", path).header("content-type", "application/x-www-form-urlencoded");
    request.header("accept", "text/html").body(words.to_owned())
}

/// The cookie of a browser that logged in.
async fn log_in(admin: &str, token: &str) -> String {
    let answer = ask(admin, form("/login", &format!("token={token}&to=%2Falerts"))).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/alerts")), "{}", answer.text());
    let cookie = answer.header("set-cookie").unwrap();
    for word in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert!(!cookie.contains(token) && !cookie.contains("Secure"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

fn hidden(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"token\" value=\"").expect("a form of ours carries a token");
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn without_a_token_it_says_how_it_stands_in_a_word_and_nothing_else() {
    let (_up, gateway) = gateway().await;
    let admin = gateway.gateway.admin().to_string();
    for (path, said) in [
        ("/health", json!({ "status": "healthy" })),
        ("/health/live", json!({ "status": "alive" })),
        ("/ready", json!({ "status": "ready" })),
    ] {
        let answer = gateway.admin(path).await;
        assert_eq!((answer.status, answer.json()), (200, Some(said)), "{path}");
    }
    for path in [
        "/",
        "/metrics",
        "/events",
        "/health/detailed",
        "/api",
        "/api/v1/status",
        "/api/v1/openapi.json",
        "/nowhere",
    ] {
        let answer = gateway.admin(path).await;
        assert_eq!((answer.status, code(&answer)), (401, "SW0055".to_owned()), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"seawall admin\""), "{path}");
        let wrong = ask(&admin, shown(Request::get(path), "nobody-0123456789abc")).await;
        assert!(wrong.status == 401 || wrong.status == 429, "{path}: {}", wrong.status);
        let right = ask(&admin, shown(Request::get(path), EVE).timeout(Duration::from_secs(5)));
        if path != "/events" {
            assert_eq!(right.await.status, if path == "/nowhere" { 404 } else { 200 }, "{path}");
        }
    }
    // A person at a browser is led to where they can show one.
    let page = ask(&admin, Request::get("/calls?all=1").header("accept", "text/html,*/*")).await;
    assert_eq!((page.status, page.header("location")), (303, Some("/login?to=%2Fcalls%3Fall%3D1")));
    let login = ask(&admin, Request::get("/login?to=%2Fcalls")).await;
    assert!(login.status == 200 && login.text().contains("name=\"token\""), "{}", login.text());
}

#[tokio::test]
async fn a_viewer_looks_an_operator_moves_and_it_is_the_owner_who_did_it() {
    let (_up, gateway) = gateway().await;
    let admin = gateway.gateway.admin().to_string();
    let path = "/api/v1/breakers/up/force-open";
    let refused = ask(&admin, shown(lever(path), EVE)).await;
    assert_eq!((refused.status, code(&refused)), (403, "SW0056".to_owned()));
    assert_eq!(ask(&admin, lever(path)).await.status, 401);
    let closed = ask(&admin, shown(Request::get("/api/v1/breakers"), EVE)).await.json().unwrap();
    assert_eq!(closed["breakers"][0]["state"], "closed", "nothing was moved");
    let moved = ask(&admin, shown(lever(path), ANN)).await.json().unwrap();
    assert_eq!(
        (&moved["state"], &moved["override"]["by"]),
        (&json!("forced-open"), &json!("ann")),
        "{moved}"
    );
    // Who it is need not be said; why does.
    let reset = |body| shown(Request::new("POST", "/api/v1/breakers/up/reset").json(&body), ANN);
    assert_eq!(ask(&admin, reset(json!({ "reason": "again" }))).await.status, 200);
    assert_eq!(code(&ask(&admin, reset(json!({ "by": "ann" }))).await), "SW0023");
    let trail = ask(&admin, shown(Request::get("/api/v1/audit"), EVE)).await.text();
    assert!(trail.contains("\"by\":\"ann\"") && !trail.contains("mallory"), "{trail}");
    assert!(!trail.contains(ANN) && !trail.contains(EVE), "{trail}");
    // What it says of itself says so.
    let told = ask(&admin, shown(Request::get("/api/v1/openapi.json"), EVE)).await.json().unwrap();
    assert_eq!(told["security"], json!([{ "token": [] }]));
    assert_eq!(told["components"]["schemas"]["Wish"]["required"], json!(["reason"]));
    assert_eq!(told["paths"]["/health"]["get"]["security"], json!([]));
    assert!(told["paths"]["/api/v1/drain"]["post"]["responses"]["401"].is_object());
}

#[tokio::test]
async fn a_browser_logs_in_moves_something_by_a_form_of_its_own_session_and_logs_out() {
    let (_up, gateway) = gateway().await;
    let admin = gateway.gateway.admin().to_string();
    let cookie = log_in(&admin, ANN).await;
    let looked =
        |path: &str| Request::get(path).header("cookie", cookie.clone()).header("accept", "text/html");
    let page = ask(&admin, looked("/upstreams/up")).await;
    assert!(page.status == 200 && page.text().contains("By ann, whose token it is"), "{}", page.text());
    let token = hidden(page.text().split_once("id=\"main\"").unwrap().1);
    let words = format!("token={token}&by=mallory&reason=a+test&choice=force-open");
    let pull = |words: &str| form("/upstreams/up", words).header("cookie", cookie.clone());
    let origin = format!("http://{admin}");
    let moved = ask(&admin, pull(&words).header("origin", origin.clone())).await;
    assert_eq!(moved.status, 303, "{}", moved.text());
    let state = ask(&admin, looked("/api/v1/breakers")).await.json().unwrap();
    assert_eq!(state["breakers"][0]["override"]["by"], "ann", "{state}");
    // The cookie alone moves nothing: not from another page, not with the form of another session.
    let other = log_in(&admin, ANN).await;
    let foreign = hidden(&ask(&admin, Request::get("/drain").header("cookie", other)).await.text());
    let data = format!("http://{}", gateway.gateway.listen());
    for (what, request) in [
        ("another page", pull(&words).header("origin", data.clone())),
        ("another session", pull(&words.replace(&token, &foreign)).header("origin", origin.clone())),
        (
            "json of another page",
            lever("/api/v1/drain").header("cookie", cookie.clone()).header("origin", data),
        ),
    ] {
        assert_eq!(ask(&admin, request).await.status, 403, "{what}");
    }
    assert_eq!(gateway.admin("/ready").await.status, 200, "nothing was drained");
    // A viewer's forms move nothing.
    let eve = log_in(&admin, EVE).await;
    let hers = ask(&admin, Request::get("/drain").header("cookie", eve.clone())).await.text();
    assert!(hers.contains("Your token may look and not move anything"), "{hers}");
    let drained =
        ask(&admin, form("/drain", &format!("token={}&reason=why", hidden(&hers))).header("cookie", eve))
            .await;
    assert_eq!(drained.status, 403);
    let left = ask(&admin, form("/logout", &format!("token={token}")).header("cookie", cookie.clone())).await;
    assert_eq!((left.status, left.header("location")), (303, Some("/login")));
    assert!(left.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(ask(&admin, looked("/")).await.status, 303, "the session is over");
    assert_eq!(ask(&admin, Request::get("/").header("cookie", cookie)).await.status, 401);
}

#[tokio::test]
async fn an_upstream_never_sees_the_cookie_of_a_session() {
    let (up, gateway) = gateway().await;
    let cookie = log_in(&gateway.gateway.admin().to_string(), ANN).await;
    let call = Request::get("/up/x").header("cookie", format!("theme=dark; {cookie}; __Host-{cookie}; a=b"));
    assert_eq!(gateway.send(call).await.status, 200);
    assert_eq!(gateway.send(Request::get("/up/x").header("cookie", cookie)).await.status, 200);
    let seen = up.ledger().requests();
    assert_eq!(seen[0].header("cookie"), Some("theme=dark; a=b"));
    assert_eq!(seen[1].header("cookie"), None);
}

#[tokio::test]
async fn wrong_tokens_are_written_down_and_soon_turned_away_and_a_right_one_never_is() {
    let (_up, gateway) = gateway().await;
    let admin = gateway.gateway.admin().to_string();
    let guess = |n: usize| shown(Request::get("/api/v1/status"), &format!("guess-{n:02}-0123456789"));
    for n in 0..10 {
        assert_eq!(ask(&admin, guess(n)).await.status, 401, "{n}");
    }
    let tired = ask(&admin, guess(10)).await;
    assert_eq!((tired.status, code(&tired)), (429, "SW0057".to_owned()));
    assert!(tired.header("retry-after").is_some());
    let page = ask(&admin, form("/login", "token=another-0123456789abc&to=%2F")).await;
    assert!(page.status == 429 && page.text().contains("SW0057"), "{}", page.text());
    let trail = ask(&admin, shown(Request::get("/api/v1/audit"), ANN)).await;
    assert_eq!((trail.status, trail.text().matches("admin.refused").count()), (200, 10));
    assert!(!trail.text().contains("guess-"), "{}", trail.text());
    log_in(&admin, ANN).await;
}

/// A configuration with tokens, and logs.
fn guarded(up: &str, tokens: &str) -> tempfile::TempDir {
    let home =
        configured_with(up, "127.0.0.1:0", "./state", &format!("{tokens}\n[logs]\ndirectory = \"./logs\"\n"));
    std::fs::write(home.path().join("ann"), ANN).unwrap();
    std::fs::write(home.path().join("eve"), EVE).unwrap();
    home
}

const BOTH: &str = "[admin_tokens.ann]\ntoken = \"file:ann\"\nrole = \"operator\"\n[admin_tokens.eve]\ntoken = \"file:eve\"\n";

#[tokio::test]
async fn tokens_of_a_file_change_with_it_and_a_stream_ends_with_its_token() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = guarded(&up.url(), BOTH);
    let seawall = Seawall::start(&binary, &home).await;
    let status = |token| shown(Request::get("/api/v1/status"), token);
    assert_eq!(ask(&seawall.admin, status(EVE)).await.status, 200);
    let refused = ask(&seawall.admin, shown(lever("/api/v1/limits/up/reset"), EVE)).await;
    assert_eq!(refused.status, 403);
    assert_eq!(ask(&seawall.admin, shown(lever("/api/v1/limits/up/reset"), ANN)).await.status, 200);
    let url = format!("http://{}", seawall.admin);
    let events = client::stream(&url, shown(Request::get("/events").timeout(Duration::from_secs(60)), EVE))
        .await
        .unwrap();
    let file = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let short = text.replace("file:eve", "file:short");
    std::fs::write(home.path().join("short"), "hunter2").unwrap();
    std::fs::write(&file, short).unwrap();
    let reload = || shown(lever("/api/v1/config/reload"), ANN);
    assert_eq!(ask(&seawall.admin, reload()).await.status, 422, "all or nothing");
    assert_eq!(ask(&seawall.admin, status(EVE)).await.status, 200);
    std::fs::write(&file, text.replace("[admin_tokens.eve]\ntoken = \"file:eve\"\n", "")).unwrap();
    assert_eq!(ask(&seawall.admin, reload()).await.status, 200);
    assert_eq!(ask(&seawall.admin, status(EVE)).await.status, 401);
    tokio::time::timeout(Duration::from_secs(10), events.collect())
        .await
        .expect("the stream ends with its token");
    // Who asked for what is written down; no token is, anywhere.
    let access = eventually("the access log", async || {
        let text = std::fs::read_to_string(home.path().join("logs/access.jsonl")).ok()?;
        text.contains("\"status\":401").then_some(text)
    })
    .await;
    let line =
        access.lines().find(|line| line.contains("limits/up/reset") && line.contains("\"status\":200"));
    assert!(
        line.is_some_and(|line| line.contains("\"who\":\"ann\"") && line.contains("\"method\":\"POST\"")),
        "{access}"
    );
    for entry in walk(home.path()) {
        let text = String::from_utf8_lossy(&std::fs::read(&entry).unwrap()).into_owned();
        let own = entry.parent() == Some(home.path());
        assert!(own || !(text.contains(ANN) || text.contains(EVE)), "a token is in {}", entry.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .filter(|path| path.is_file())
        .collect()
}

#[tokio::test]
async fn outside_loopback_it_wants_a_token_and_answers_to_its_own_names() {
    let Some(binary) = binary() else { return };
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let home = guarded(&up.url(), "");
    let file = home.path().join("seawall.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let open = text.replace("admin = \"127.0.0.1:0\"", "admin = \"0.0.0.0:0\"\nhosts = [\"board.example\"]");
    std::fs::write(&file, &open).unwrap();
    let ended = serve(&binary, &home).output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(2) && said.contains("SW0028"), "{said}");
    for (token, why) in [("hunter2", "7 characters"), ("aaaaaaaaaaaaaaaaaaaa", "can be guessed")] {
        std::fs::write(home.path().join("weak"), token).unwrap();
        std::fs::write(&file, open.replace("version = 1", "version = 1\nadmin_token = \"file:weak\""))
            .unwrap();
        let mut check = tokio::process::Command::new(&binary);
        let checked =
            check.args(["check", "-c", "seawall.toml"]).current_dir(home.path()).output().await.unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.code() == Some(2) && said.contains(why) && !said.contains(token), "{said}");
    }
    std::fs::write(&file, open.replace("version = 1", "version = 1\nadmin_token = \"file:ann\"")).unwrap();
    let seawall = Seawall::start(&binary, &home).await;
    let port = seawall.admin.rsplit_once(':').unwrap().1;
    let here = format!("127.0.0.1:{port}");
    for (host, status) in
        [(format!("board.example:{port}"), 200), (here.clone(), 200), ("evil.example".to_owned(), 403)]
    {
        let asked = shown(Request::get("/api/v1/status"), ANN).header("host", host.clone());
        assert_eq!(ask(&here, asked).await.status, status, "{host}");
    }
    // The commands show the token they are given; without one they say how to give it.
    let run = async |words: &[&str], token: &str| {
        let mut command = tokio::process::Command::new(&binary);
        command.args(words).args(["--admin", &here]).env_clear().current_dir(home.path());
        let done = command.env("SEAWALL_ADMIN_TOKEN", token).output().await.unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (exit, said) = run(&["status"], "").await;
    assert!(exit == Some(2) && said.contains("SW0055") && said.contains("--token-file"), "{said}");
    let (exit, said) = run(&["status"], "nobody-0123456789abc").await;
    assert!(exit == Some(2) && said.contains("SW0055") && !said.contains("nobody-"), "{said}");
    assert_eq!(run(&["status"], ANN).await.0, Some(0));
    assert_eq!(run(&["effects", "list", "--token-file", "ann"], "").await.0, Some(0));
    assert_eq!(run(&["breakers", "--token-file", "nowhere"], "").await.0, Some(2));
}
