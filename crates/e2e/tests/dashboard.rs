//! The operator's page: true without JavaScript, movable only by its own forms, harmless whatever traffic is called.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use http::Uri;
use seawall::Effects;
use seawall_e2e::{Nowhere, Rig, Running, code, eventually, ms, requests, upstream};
use seawall_gateway::plan::{Limit, Once};
use seawall_testkit::client::{self, Answer, Client, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

/// The text of a page, which every page should be.
async fn page(gateway: &Running, path: &str) -> String {
    let answer = gateway.admin(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
    answer.text()
}

/// The token in the form of a page.
fn token(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"token\" value=\"").expect("the page has a form");
    rest.split('"').next().unwrap().to_owned()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A form as a browser sends it from our own page.
fn form(gateway: &Running, path: &str, fields: &[(&str, &str)]) -> Request {
    let body: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", format!("http://{}", gateway.gateway.admin()))
        .header("sec-fetch-site", "same-origin")
        .body(body.join("&"))
}

async fn one(reply: impl Into<Script>) -> (Upstream, Running) {
    let up = Upstream::start(reply).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    (up, gateway)
}

/// An upstream nobody reaches any more: its breaker has opened.
async fn outage() -> (Nowhere, Running) {
    let nowhere = Nowhere::new().unwrap();
    let gateway = Rig::of([upstream("exchange", &nowhere.url()), upstream("quiet", &nowhere.url())]).start();
    for _ in 0..5 {
        gateway.get("/exchange/orders").await;
    }
    assert_eq!(gateway.item("breakers", "exchange").await["state"], "open");
    (nowhere, gateway)
}

#[tokio::test]
async fn without_javascript_the_page_shows_what_the_api_says() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::of(["up", "other"].map(|name| upstream(name, &up.url())));
    rig.plan.upstreams[0].limits = vec![requests(500, ms(60_000)), Limit::Concurrent(32, None)];
    let gateway = rig.start();
    for _ in 0..20 {
        gateway.get("/up/x").await;
    }
    eventually("twenty calls are counted", async || {
        let status = gateway.admin("/api/v1/status").await.json()?;
        (status["calls"]["total"] == 20).then_some(())
    })
    .await;
    let text = page(&gateway, "/").await;
    assert!(text.contains("<h1>Healthy: 2 upstreams, 20 calls/min, 100 % well</h1>"), "{text}");
    for expected in [
        "<dd>20/min<small>0 in flight, 20 in all</small></dd>",
        "500/min",
        "480 left",
        "32 left",
        "max=\"500\"",
        "value=\"480\"",
        "generation 1<",
        "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>",
        "href=\"/upstreams/other\"",
        "role=\"img\"",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let board = gateway.admin("/api/v1/board").await.json().unwrap();
    assert_eq!(board["verdict"], "Healthy: 2 upstreams, 20 calls/min, 100 % well");
    assert_eq!(board["upstreams"].as_array().unwrap().len(), 2);
    assert_eq!(gateway.admin("/api").await.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn an_outage_is_the_first_line_and_its_calls_tell_their_stories() {
    let (_nowhere, gateway) = outage().await;
    let refused = gateway.get("/exchange/orders").await;
    assert_eq!(code(&refused), "SW0004");
    let text = page(&gateway, "/").await;
    assert!(text.contains("<h1>exchange is failing since "), "{text}");
    assert!(text.contains("breaker open, probe in "), "{text}");
    assert!(text.contains("class=\"verdict bad\""), "{text}");
    assert!(text.find("up-exchange").unwrap() < text.find("up-quiet").unwrap(), "what is broken comes first");
    let id = refused.header("seawall-call").unwrap();
    assert!(text.contains(&format!("href=\"/calls/{id}\"")), "{text}");
    let story = page(&gateway, &format!("/calls/{id}")).await;
    assert!(story.contains("SW0004 by breaker: the circuit breaker is open"), "{story}");
    let list = page(&gateway, "/calls").await;
    assert!(list.contains(id), "{list}");
    let found = gateway.admin(&format!("/calls?id=%20{id}")).await;
    assert_eq!((found.status, found.header("location")), (303, Some(format!("/calls/{id}").as_str())));
    let lost = gateway.admin("/calls?id=%2F%2Fevil.example").await;
    assert_eq!(lost.header("location"), Some("/calls/unreadable"));
}

#[tokio::test]
async fn a_storys_timeline_has_every_attempt_with_what_came_of_it() {
    let script = Script::sequence([Reply::status(503), Reply::close()]).then(Reply::ok("at last"));
    let (_up, gateway) = one(script).await;
    let answer = gateway.get("/up/some/path").await;
    gateway.ended_story(&answer).await;
    let text = page(&gateway, &format!("/calls/{}", answer.header("seawall-call").unwrap())).await;
    for expected in [
        "attempt 1 to up: 503 after ",
        "attempt 2 to up: no answer after ",
        "attempt 3 to up: 200 after ",
        "; again in ",
        "its body ended, 7 bytes",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[tokio::test]
async fn every_lever_of_an_upstream_is_a_form_that_leads_back_and_says_what_was_done() {
    let (_up, gateway) = one(Reply::ok("ok")).await;
    let token = token(&page(&gateway, "/upstreams/up").await);
    for (lever, state, name) in [
        ("force-open", "forced-open", "Force open"),
        ("force-closed", "forced-closed", "Force closed"),
        ("half-open", "half-open", "Half-open"),
        ("reset", "closed", "Reset the breaker"),
        ("reset-limits", "closed", "Reset the limits"),
        ("reconnect", "closed", "Reconnect"),
    ] {
        let fields = [
            ("token", token.as_str()),
            ("choice", lever),
            ("by", "ann <b>"),
            ("reason", "it's \"broken\" & so on"),
        ];
        let answer = gateway.admin_send(form(&gateway, "/upstreams/up", &fields)).await;
        assert_eq!(answer.status, 303, "{lever}: {}", answer.text());
        let back = answer.header("location").unwrap().to_owned();
        assert!(back.starts_with("/upstreams/up?note="), "{back}");
        assert_eq!(gateway.item("breakers", "up").await["state"], state, "{lever}");
        let text = page(&gateway, &back).await;
        let said = format!("{name}: up, by ann &#60;b&#62;: it&#39;s &#34;broken&#34; &#38; so on");
        assert!(text.contains(&said), "{said}\n{text}");
    }
    let written = gateway.list("audit").await;
    assert_eq!(written[0]["kind"], "lever.reconnect");
    assert_eq!(
        (&written[0]["by"], &written[0]["reason"]),
        (&json!("ann <b>"), &json!("it's \"broken\" & so on"))
    );
    let text = page(&gateway, "/").await;
    assert!(text.contains("Levers pulled") && text.contains("reset-limits"), "{text}");
    assert!(
        page(&gateway, "/upstreams/up?note=made-up").await.contains("<h1>"),
        "a note nobody left is no note"
    );
}

#[tokio::test]
async fn a_form_without_who_why_or_what_moves_nothing_and_keeps_what_was_written() {
    let (_up, gateway) = one(Reply::ok("ok")).await;
    let token = token(&page(&gateway, "/upstreams/up").await);
    let long = "x".repeat(1025);
    for (by, reason, choice, missing) in [
        ("", "because \"<i>\"", "force-open", "SW0023 say who you are"),
        ("ann", "  ", "force-open", "SW0023 say why you do it"),
        ("ann", long.as_str(), "force-open", "SW0023 say why you do it"),
        ("ann", "because", "", "SW0023 choose what to do"),
        ("ann", "because", "explode\"><script>", "SW0030 a breaker has no lever"),
    ] {
        let fields = [("token", token.as_str()), ("choice", choice), ("by", by), ("reason", reason)];
        let answer = gateway.admin_send(form(&gateway, "/upstreams/up", &fields)).await;
        let text = answer.text();
        assert!((400..500).contains(&answer.status), "{}: {text}", answer.status);
        assert!(text.contains("role=\"alert\"") && text.contains(missing), "{missing}\n{text}");
        assert!(!text.contains("<i>") && !text.contains("<script>"), "{text}");
        assert!(by.is_empty() || text.contains(&format!("value=\"{by}\"")), "{text}");
    }
    assert_eq!(gateway.item("breakers", "up").await["state"], "closed");
}

#[tokio::test]
async fn only_our_own_page_can_send_a_form() {
    let (_up, gateway) = one(Reply::ok("ok")).await;
    let token = token(&page(&gateway, "/upstreams/up").await);
    let signed = |token: &'static str| {
        [("token", token), ("choice", "force-open"), ("by", "eve"), ("reason", "because")]
    };
    let token: &'static str = Box::leak(token.into_boxed_str());
    let data = format!("http://{}", gateway.gateway.listen());
    let ours = format!("http://{}", gateway.gateway.admin());
    let plain = |fields: &[(&str, &str)]| {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        Request::post("/upstreams/up")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"))
    };
    let other: &'static str = Box::leak(token.chars().rev().collect::<String>().into_boxed_str());
    for (what, request) in [
        ("no token", plain(&signed("")).header("origin", &ours)),
        ("another token", plain(&signed(other)).header("origin", &ours)),
        ("a foreign page", plain(&signed(token)).header("origin", "https://evil.example")),
        ("a page an upstream gave at the data port", plain(&signed(token)).header("origin", &data)),
        ("no origin at all", plain(&signed(token)).header("origin", "null")),
        ("another port of this machine", plain(&signed(token)).header("sec-fetch-site", "same-site")),
        ("another site", plain(&signed(token)).header("sec-fetch-site", "cross-site")),
    ] {
        let answer = gateway.admin_send(request).await;
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        assert!(answer.text().contains("SW0018"), "{what}: {}", answer.text());
    }
    assert_eq!(gateway.item("breakers", "up").await["state"], "closed", "nothing moved");
    assert!(gateway.list("audit").await.is_empty(), "and nothing was written");
    let unread = Request::post("/upstreams/up").header("content-type", "text/plain").body("token=x");
    assert_eq!(gateway.admin_send(unread).await.status, 400);
    let levers = Request::post("/api/v1/breakers/up/force-open")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("by=eve&reason=because");
    assert_eq!(gateway.admin_send(levers).await.status, 415, "the API still takes only JSON");
    let fetched = gateway.admin("/upstreams/up?choice=force-open&by=eve&reason=because").await;
    assert_eq!(fetched.status, 200);
    assert_eq!(gateway.item("breakers", "up").await["state"], "closed", "looking moves nothing");
    let refusals = "seawall_rejections_total{upstream=\"\",policy=\"gateway\",code=\"SW0018\"}";
    assert!(gateway.metric(refusals).await.unwrap() >= 7.0);
}

/// Everything in it that begins a tag, and quotes that would end an attribute.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

#[tokio::test]
async fn names_and_paths_from_outside_are_text_and_never_markup() {
    let up = Upstream::start(Script::always(Reply::execute_then_drop("order"))).await.unwrap();
    let mut rig = Rig::of([upstream("other", &up.url()), upstream("up", &up.url())]);
    rig.plan.upstreams[1].url =
        format!("{}/base;'\"x", up.url()).parse::<Uri>().unwrap_or(up.url().parse().unwrap());
    let mut rig = rig.route("orders", "/up/orders/**", Some(Effects::Once));
    rig.plan.routes[0].to = vec![1];
    rig.plan.routes[0].once = Once::default();
    let gateway = rig.start();
    let path = "/up/orders/'onmouseover='alert(3)'/%3Cscript%3E/;\"\"";
    let mut caller = Client::connect(gateway.gateway.listen()).await.unwrap();
    let order = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nidempotency-key: {HOSTILE}\r\ncontent-length: 2\r\n\r\n{{}}",
        gateway.gateway.listen()
    );
    caller.send_raw(order).await.unwrap();
    let answer = caller.answer().await.unwrap();
    let effects = gateway.list("effects").await;
    assert_eq!(effects.len(), 1, "{}", answer.text());
    let id = effects[0]["id"].as_str().unwrap().to_owned();
    eventually("the doubt is counted", async || {
        let status = gateway.admin("/api/v1/status").await.json()?;
        (status["effects_in_doubt"] == 1).then_some(())
    })
    .await;
    let signed = json!({ "by": HOSTILE, "reason": HOSTILE });
    let pulled = gateway.admin_send(Request::post("/api/v1/breakers/up/force-open").json(&signed)).await;
    assert_eq!(pulled.status, 200);
    let call = answer.header("seawall-call").unwrap();
    let pages = vec![
        ("/".to_owned(), 200),
        ("/calls?all".into(), 200),
        (format!("/calls/{call}"), 200),
        (format!("/effects/{id}"), 200),
        ("/effects".into(), 200),
        ("/upstreams/up".into(), 200),
        // A configuration lets no such name in; an address may hold any.
        (format!("/upstreams/{}", encoded(HOSTILE)), 404),
        (format!("/calls/{}", encoded(HOSTILE)), 404),
        (format!("/effects/{}", encoded(HOSTILE)), 400),
        (format!("/effects?state={}", encoded(HOSTILE)), 400),
        (format!("/?note={}", encoded(HOSTILE)), 200),
    ];
    for (path, status) in pages {
        let answer = gateway.admin(&path).await;
        let text = answer.text();
        assert_eq!(answer.status, status, "{path}: {text}");
        for never in ["<script>", "<img", "onerror=alert(2)>", "='alert(3)"] {
            assert!(!text.contains(never), "{path} has {never}\n{text}");
        }
        // Our own scripts are named, and nothing is written in the page itself.
        assert_eq!(text.matches("<script").count(), 1, "{path}");
        assert!(!text.contains(" style=") && !text.contains("<style"), "{path}");
    }
}

#[tokio::test]
async fn pages_may_load_nothing_but_their_own() {
    let (_up, gateway) = one(Reply::ok("ok")).await;
    for path in ["/", "/calls", "/effects", "/drain", "/upstreams/up", "/upstreams/nobody", "/calls/none"] {
        let answer = gateway.admin(path).await;
        let policy = answer.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        for loaded in answer.text().split(['"', '\'']).filter(|part| part.contains("//")) {
            assert!(loaded.contains("127.0.0.1"), "{path} names {loaded}");
        }
    }
    for (path, kind) in [
        ("/assets/board.css", "text/css; charset=utf-8"),
        ("/assets/board.js", "text/javascript; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
    ] {
        let answer = gateway.admin(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
        assert!(answer.body.len() < 16 * 1024, "{path} is {} bytes", answer.body.len());
    }
}

#[tokio::test]
async fn a_doubt_is_shown_and_resolved_by_a_form_and_only_when_nothing_is_under_way() {
    let up = Upstream::start(Script::always(Reply::execute_then_drop("order"))).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("orders", "/up/orders", Some(Effects::Once));
    rig.plan.routes[0].once = Once::default();
    let gateway = rig.start();
    let order = Request::post("/up/orders").header("idempotency-key", "k1").json(&json!({}));
    assert_eq!(gateway.send(order.clone()).await.status, 502);
    let text = eventually("the doubt is on the page", async || {
        let text = page(&gateway, "/").await;
        text.contains("seawall:effect:orders:k1").then_some(text)
    })
    .await;
    assert!(text.contains("1 effect in doubt</h1>"), "{text}");
    let id = gateway.list("effects").await[0]["id"].as_str().unwrap().to_owned();
    assert!(text.contains(&format!("href=\"/effects/{id}#resolve\"")), "{text}");
    let path = format!("/effects/{id}");
    let token = token(&page(&gateway, &path).await);
    let resolve = |choice: &'static str, force: bool| {
        let mut fields = vec![
            ("token", token.as_str()),
            ("choice", choice),
            ("by", "ann"),
            ("reason", "the list of orders"),
        ];
        if force {
            fields.push(("force", "yes"));
        }
        form(&gateway, &path, &fields)
    };
    let early = gateway.admin_send(resolve("not-applied", false)).await;
    assert_eq!(early.status, 409);
    assert!(early.text().contains("SW0036") && early.text().contains("checked"), "{}", early.text());
    let wrong = gateway.admin_send(resolve("perhaps", false)).await;
    assert_eq!(wrong.status, 400);
    let done = gateway.admin_send(resolve("applied", false)).await;
    assert_eq!(done.status, 303, "{}", done.text());
    let after = page(&gateway, done.header("location").unwrap()).await;
    assert!(after.contains("Resolved as applied, by ann: the list of orders"), "{after}");
    assert!(!after.contains("name=\"token\""), "there is nothing left to resolve");
    assert_eq!(gateway.list("effects").await[0]["state"], "done");
    assert_eq!(up.ledger().executed("order").len(), 1);
}

#[tokio::test]
async fn draining_by_its_form_takes_no_new_calls_and_says_so() {
    let (_up, gateway) = one(Reply::ok("ok")).await;
    let token = token(&page(&gateway, "/drain").await);
    let fields = [("token", token.as_str()), ("by", "ann"), ("reason", "an upgrade")];
    let done = gateway.admin_send(form(&gateway, "/drain", &fields)).await;
    assert_eq!(done.status, 303, "{}", done.text());
    assert!(page(&gateway, done.header("location").unwrap()).await.contains("Draining, by ann: an upgrade"));
    assert_eq!(code(&gateway.get("/up/x").await), "SW0014");
    assert!(page(&gateway, "/").await.contains("<h1>Draining, no new calls are taken: "));
}

/// Events as they come, a kind and its data each.
struct Listening {
    stream: client::Stream,
    text: String,
}

impl Listening {
    async fn begin(gateway: &Running) -> Result<Self, Answer> {
        let url = format!("http://{}/events", gateway.gateway.admin());
        let stream = client::stream(&url, Request::get("").timeout(Duration::from_secs(60))).await.unwrap();
        if stream.head.status != 200 {
            let url = format!("http://{}", gateway.gateway.admin());
            return Err(client::request(&url, Request::get("/events")).await.unwrap());
        }
        assert_eq!(
            stream
                .head
                .headers
                .iter()
                .find(|(name, _)| name == "content-type")
                .map(|(_, value)| value.as_str()),
            Some("text/event-stream")
        );
        Ok(Self { stream, text: String::new() })
    }

    /// The next event; none when the stream has ended.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
                };
                if let Some(kind) = field("event") {
                    return Some((kind, serde_json::from_str(&field("data").unwrap()).unwrap()));
                }
                continue;
            }
            let piece = self.stream.next().await?;
            self.text.push_str(std::str::from_utf8(&piece.bytes).unwrap());
        }
    }

    /// The next event of a kind that is as wanted.
    async fn until(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let (came, data) = self.next().await.expect("the stream goes on");
                if came == kind && wanted(&data) {
                    return data;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting)
            .await
            .unwrap_or_else(|_| panic!("{kind} never came"))
    }
}

#[tokio::test]
async fn whoever_listens_hears_how_things_stand_and_every_move_of_a_breaker() {
    let (_up, gateway) = one(Reply::ok("ok")).await;
    let mut listening = Listening::begin(&gateway).await.unwrap();
    let (kind, first) = listening.next().await.unwrap();
    assert_eq!(
        (kind.as_str(), &first["status"], &first["generation"]),
        ("status", &json!("healthy"), &json!(1))
    );
    gateway.get("/up/x").await;
    let counted = listening.until("status", |status| status["calls"]["total"] == 1).await;
    assert_eq!(counted["verdict"], "Healthy: 1 upstream, 1 calls/min, 100 % well");
    gateway.lever("/api/v1/breakers/up/force-open").await;
    let moved = listening.until("breaker", |breaker| breaker["name"] == "up").await;
    assert_eq!((&moved["state"], &moved["override"]["by"]), (&json!("forced-open"), &json!("ann")));
    let status = listening.until("status", |status| status["status"] == "unhealthy").await;
    assert!(status["verdict"].as_str().unwrap().starts_with("up is held open by ann since "), "{status}");
}

#[tokio::test]
async fn at_most_64_listen_at_once_and_whoever_leaves_makes_room() {
    let (_up, gateway) = one(Reply::ok("ok")).await;
    let mut listening = Vec::new();
    for _ in 0..64 {
        listening.push(Listening::begin(&gateway).await.unwrap());
    }
    let refused = Listening::begin(&gateway).await.err().expect("the 65th is refused");
    assert_eq!((refused.status, code(&refused).as_str()), (503, "SW0006"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(gateway.admin("/").await.status, 200, "the page itself is there for everybody");
    drop(listening.split_off(63));
    eventually("a place is free again", async || Listening::begin(&gateway).await.ok().map(|_| ())).await;
    let (kind, _) = listening[0].next().await.unwrap();
    assert_eq!(kind, "status");
}

#[tokio::test]
async fn a_thousand_who_want_to_listen_one_of_them_never_reading_cost_nobody_a_call() {
    let (_up, gateway) = one(Reply::ok("ok")).await;
    // Says what it wants, and never reads a byte of it.
    let mut deaf = tokio::net::TcpStream::connect(gateway.gateway.admin()).await.unwrap();
    let words = format!("GET /events HTTP/1.1\r\nhost: {}\r\n\r\n", gateway.gateway.admin());
    deaf.write_all(words.as_bytes()).await.unwrap();
    let (mut listening, mut refused) = (Vec::new(), 0);
    for _ in 0..10 {
        let crowd = (0..100).map(|_| Listening::begin(&gateway));
        for began in futures_util::future::join_all(crowd).await {
            match began {
                Ok(one) => listening.push(one),
                Err(answer) => {
                    assert_eq!((answer.status, code(&answer).as_str()), (503, "SW0006"));
                    refused += 1;
                }
            }
        }
    }
    assert!((63..=64).contains(&listening.len()) && listening.len() + refused == 1000, "{}", listening.len());
    for _ in 0..20 {
        assert_eq!(gateway.get("/up/x").await.status, 200);
        assert_eq!(gateway.admin("/").await.status, 200);
    }
    let (kind, _) = listening[0].next().await.unwrap();
    assert_eq!(kind, "status", "whoever reads hears");
    drop(deaf);
}

#[tokio::test]
async fn a_drain_ends_the_streams_with_a_word_and_nobody_listens_after() {
    let (_up, gateway) = one(Reply::ok("ok")).await;
    let mut listening = Listening::begin(&gateway).await.unwrap();
    gateway.lever("/api/v1/drain").await;
    listening.until("bye", |_| true).await;
    let ended = tokio::time::timeout(Duration::from_secs(5), listening.next()).await;
    assert!(ended.expect("it ends").is_none());
    let refused = Listening::begin(&gateway).await.err().expect("nobody listens any more");
    assert_eq!((refused.status, code(&refused).as_str()), (503, "SW0014"));
}

#[tokio::test]
async fn stopping_does_not_wait_for_those_who_listen() {
    let (_up, gateway) = one(Reply::ok("ok")).await;
    let listening = Listening::begin(&gateway).await.unwrap();
    let Running { gateway } = gateway;
    let stopped = tokio::task::spawn_blocking(move || gateway.stop());
    let stopped =
        tokio::time::timeout(Duration::from_secs(3), stopped).await.expect("it stops at once").unwrap();
    assert_eq!(stopped.unfinished, 0);
    drop(listening);
}

#[tokio::test]
async fn the_last_minutes_are_drawn_from_what_was_counted() {
    let script = Script::per_path(|request, _| match request.path() {
        "/bad" => Reply::status(400),
        _ => Reply::ok("ok"),
    });
    let (_up, gateway) = one(script).await;
    for path in ["/up/x", "/up/x", "/up/bad"] {
        gateway.get(path).await;
    }
    // One step is five seconds long.
    let history = eventually("a step is over", async || {
        let board = gateway.admin("/api/v1/board").await.json()?;
        let history = board["history"][0].clone();
        (history["calls"].as_array().is_some_and(|calls| calls.iter().any(|count| *count != 0)))
            .then_some(history)
    })
    .await;
    let sum = |key: &str| history[key].as_array().unwrap().iter().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!((sum("calls"), sum("failures"), sum("retries")), (3, 1, 0), "{history}");
    assert_eq!((&history["name"], &history["step_seconds"]), (&json!("up"), &json!(5)));
    let text = page(&gateway, "/").await;
    assert!(text.contains("last 10 minutes: 3 calls, 1 failed, at most 3 in 5 s"), "{text}");
}
