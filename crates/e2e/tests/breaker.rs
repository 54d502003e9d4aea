//! What keeps failing is left alone, probed gently, and moved by hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use seawall::breaker;
use seawall_core::units::Share;
use seawall_e2e::{Nowhere, Rig, Running, code, decision, eventually, ms, problem, upstream};
use seawall_testkit::client::{self, Answer, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::{Value, json};

/// A guarded call: one attempt, whatever comes.
async fn order(gateway: &Running) -> Answer {
    gateway.post("/up/orders", &json!({ "n": 1 })).await
}

async fn state(gateway: &Running) -> String {
    gateway.item("breakers", "up").await["state"].as_str().unwrap().to_owned()
}

/// Bodies end after their caller has read them: what the breaker learned may take a moment to show.
async fn becomes(gateway: &Running, expected: &str) {
    eventually(expected, async || (state(gateway).await == expected).then_some(())).await;
}

fn refused(answer: &Answer, expected: &str) {
    assert_eq!((answer.status, code(answer).as_str()), (503, expected));
    let seconds: u64 = answer.header("retry-after").expect("when to come back").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(problem(answer)["certainty"], "not-done");
    assert_eq!(decision(answer, "attempts"), "0");
}

#[tokio::test]
async fn five_failures_in_a_row_open_it_and_the_upstream_is_left_alone() {
    let up = Upstream::start(Reply::status(500)).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    for n in 1..=5 {
        assert_eq!(state(&gateway).await, "closed", "before failure {n}");
        assert_eq!(order(&gateway).await.status, 500);
        eventually("it is counted", async || {
            let breaker = gateway.item("breakers", "up").await;
            (breaker["consecutive_failures"] == n || breaker["state"] == "open").then_some(())
        })
        .await;
    }
    assert_eq!(state(&gateway).await, "open");
    for _ in 0..3 {
        let answer = order(&gateway).await;
        refused(&answer, "SW0004");
        assert_eq!(decision(&answer, "breaker"), "open");
    }
    assert_eq!(up.ledger().request_count(), 5);
    let open = gateway.item("breakers", "up").await;
    assert!((1..=60_000).contains(&open["retry_after_ms"].as_u64().unwrap()), "{open}");
    let series = "breaker=\"up\",upstream=\"up\"";
    assert_eq!(gateway.metric(&format!("seawall_breaker_open{{{series}}}")).await, Some(1.0));
    for (word, value) in [("open", 1.0), ("closed", 0.0), ("half-open", 0.0), ("forced-open", 0.0)] {
        let name = format!("seawall_breaker_state{{{series},state=\"{word}\"}}");
        assert_eq!(gateway.metric(&name).await, Some(value), "{word}");
    }
    let moved = format!("seawall_breaker_transitions_total{{{series},to=\"open\"}}");
    assert_eq!(gateway.metric(&moved).await, Some(1.0));
}

#[tokio::test]
async fn retries_stop_at_a_breaker_that_opens_between_them() {
    let up = Upstream::start(Reply::status(500).body("broken")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    assert_eq!(decision(&gateway.get("/up/x").await, "attempts"), "3");
    let second = gateway.get("/up/x").await;
    assert_eq!((second.status, second.text().as_str()), (500, "broken"), "its own last word");
    assert_eq!(decision(&second, "attempts"), "2");
    assert_eq!(up.ledger().request_count(), 5);
}

#[tokio::test]
async fn a_success_in_between_starts_the_count_anew() {
    let four = || std::iter::repeat_n(Reply::status(500), 4);
    let script = Script::sequence(four().chain([Reply::ok("ok")]).chain(four()).chain([Reply::ok("ok")]));
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    for _ in 0..10 {
        assert!(order(&gateway).await.header("seawall-decision").unwrap().contains("attempts=1"));
    }
    assert_eq!(up.ledger().request_count(), 10);
}

#[tokio::test]
async fn half_the_calls_failing_opens_it_too() {
    let script = Script::per_path(|_, n| if n % 2 == 0 { Reply::status(500) } else { Reply::ok("ok") });
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().breaker =
        breaker::Options { min_calls: 10, failure_rate: Share::percent(50), ..breaker::Options::default() };
    let gateway = rig.start();
    for n in 1..=10 {
        assert_eq!(state(&gateway).await, "closed", "before call {n}");
        order(&gateway).await;
        eventually("it is counted", async || {
            let count =
                |word: &str| format!("seawall_calls_total{{upstream=\"up\",route=\"\",outcome=\"{word}\"}}");
            let well = gateway.metric(&count("ok")).await.unwrap_or(0.0);
            let badly = gateway.metric(&count("overloaded")).await.unwrap_or(0.0);
            (well + badly == f64::from(n)).then_some(())
        })
        .await;
    }
    assert_eq!(state(&gateway).await, "open");
    refused(&order(&gateway).await, "SW0004");
    assert_eq!(up.ledger().request_count(), 10);
}

#[tokio::test]
async fn a_pause_later_probes_pass_one_by_one_and_two_good_ones_close_it() {
    let up = Upstream::start(Reply::status(500)).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().breaker.open = ms(400);
    let gateway = rig.start();
    for _ in 0..5 {
        order(&gateway).await;
    }
    becomes(&gateway, "open").await;
    up.play(Reply::ok("back"));
    let probe = eventually("a probe passes", async || {
        let answer = order(&gateway).await;
        if answer.status != 200 {
            refused(&answer, "SW0004");
        }
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(decision(&probe, "breaker"), "half-open");
    assert_eq!(up.ledger().request_count(), 6, "exactly one was let through");
    let second = eventually("the first probe's place is free", async || {
        let answer = order(&gateway).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(second.text(), "back");
    becomes(&gateway, "closed").await;
    assert_eq!(up.ledger().request_count(), 7);
}

#[tokio::test]
async fn while_a_probe_is_under_way_everybody_else_is_refused() {
    let script = Script::per_path(|request, _| match request.path() {
        "/slow" => Reply::ok("half").stall_after_bytes(4),
        _ => Reply::ok("ok"),
    });
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    assert_eq!(gateway.lever("/api/v1/breakers/up/half-open").await.status, 200);
    let probe = client::stream(&gateway.url("/up/slow"), Request::get("")).await.unwrap();
    for _ in 0..3 {
        refused(&order(&gateway).await, "SW0004");
    }
    assert_eq!(up.ledger().request_count(), 1);
    // A probe that is given up teaches nothing, and makes room for the next.
    drop(probe);
    eventually("the probe's place is free", async || (order(&gateway).await.status == 200).then_some(()))
        .await;
    assert_eq!(state(&gateway).await, "half-open");
}

#[tokio::test]
async fn a_probe_that_fails_opens_it_again() {
    let up = Upstream::start(Reply::status(500)).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    gateway.lever("/api/v1/breakers/up/half-open").await;
    assert_eq!(order(&gateway).await.status, 500);
    becomes(&gateway, "open").await;
    refused(&order(&gateway).await, "SW0004");
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn neither_a_callers_mistake_nor_a_429_says_that_the_upstream_is_ill() {
    for status in [400, 401, 403, 404, 409, 422, 425, 429] {
        let up = Upstream::start(Reply::status(status)).await.unwrap();
        let mut rig = Rig::new(&up.url());
        rig.up().defaults.retry.attempts = 1;
        let gateway = rig.start();
        for _ in 0..22 {
            assert_eq!(order(&gateway).await.status, status);
        }
        assert_eq!(state(&gateway).await, "closed", "{status}");
        assert_eq!(up.ledger().request_count(), 22);
    }
}

#[tokio::test]
async fn an_answer_cut_in_its_body_is_a_failure() {
    let up = Upstream::start(Reply::ok("a long answer").cut_after_bytes(3)).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    for n in 1..=5 {
        assert_eq!(gateway.get("/up/x").await.status, 200, "the head was good");
        eventually("the cut is counted", async || {
            let breaker = gateway.item("breakers", "up").await;
            (breaker["consecutive_failures"] == n || breaker["state"] == "open").then_some(())
        })
        .await;
    }
    assert_eq!(state(&gateway).await, "open");
    refused(&gateway.get("/up/x").await, "SW0004");
}

#[tokio::test]
async fn an_unreachable_upstream_opens_it_as_well() {
    let nowhere = Nowhere::new().unwrap();
    let gateway = Rig::new(&nowhere.url()).start();
    assert_eq!(gateway.get("/up/x").await.status, 502);
    assert_eq!(gateway.get("/up/x").await.status, 502);
    becomes(&gateway, "open").await;
    refused(&gateway.get("/up/x").await, "SW0004");
}

async fn held(gateway: &Running) -> Value {
    gateway.item("breakers", "up").await["override"].clone()
}

#[tokio::test]
async fn forced_open_it_refuses_until_it_is_reset_and_says_who_and_why() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    assert_eq!(held(&gateway).await, Value::Null);
    let pulled = gateway.lever("/api/v1/breakers/up/force-open").await;
    assert_eq!((pulled.status, &pulled.json().unwrap()["state"]), (200, &json!("forced-open")));
    let by = held(&gateway).await;
    assert_eq!((&by["by"], &by["reason"]), (&json!("ann"), &json!("a test")));
    assert!(by["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{by}");
    let answer = order(&gateway).await;
    refused(&answer, "SW0005");
    assert_eq!(decision(&answer, "breaker"), "forced-open");
    assert_eq!(up.ledger().request_count(), 0);
    assert_eq!(gateway.lever("/api/v1/breakers/up/reset").await.status, 200);
    assert_eq!((state(&gateway).await.as_str(), held(&gateway).await), ("closed", Value::Null));
    assert_eq!(order(&gateway).await.status, 200);
}

#[tokio::test]
async fn forced_closed_it_lets_everything_pass_whatever_fails() {
    let up = Upstream::start(Reply::status(500)).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    gateway.lever("/api/v1/breakers/up/force-closed").await;
    for _ in 0..8 {
        assert_eq!(order(&gateway).await.status, 500);
    }
    assert_eq!(state(&gateway).await, "forced-closed");
    assert_eq!(up.ledger().request_count(), 8);
}

#[tokio::test]
async fn half_open_by_hand_probes_at_once() {
    let up = Upstream::start(Reply::status(500)).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    for _ in 0..5 {
        order(&gateway).await;
    }
    becomes(&gateway, "open").await;
    up.play(Reply::ok("back"));
    gateway.lever("/api/v1/breakers/up/half-open").await;
    for _ in 0..2 {
        eventually("a probe passes", async || (order(&gateway).await.status == 200).then_some(())).await;
    }
    becomes(&gateway, "closed").await;
    assert_eq!(up.ledger().request_count(), 7);
}

#[tokio::test]
async fn a_lever_without_who_and_why_moves_nothing() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let path = "/api/v1/breakers/up/force-open";
    for body in [
        json!({}),
        json!({ "by": "ann" }),
        json!({ "reason": "because" }),
        json!({ "by": "", "reason": "because" }),
        json!({ "by": "ann", "reason": "   " }),
        json!({ "by": 7, "reason": "because" }),
        json!(["ann", "because"]),
    ] {
        let answer = gateway.admin_send(Request::post(path).json(&body)).await;
        assert_eq!((answer.status, code(&answer).as_str()), (400, "SW0023"), "{body}");
    }
    let broken = Request::post(path).header("content-type", "application/json").body("{\"by\":");
    assert_eq!(gateway.admin_send(broken).await.status, 400);
    let signed = "{\"by\":\"ann\",\"reason\":\"because\"}";
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let request = Request::post(path).body(signed);
        let request = kind.into_iter().fold(request, |request, kind| request.header("content-type", kind));
        let answer = gateway.admin_send(request).await;
        assert_eq!((answer.status, code(&answer).as_str()), (415, "SW0031"), "{kind:?}");
    }
    assert_eq!(state(&gateway).await, "closed");
    let charset = Request::post(path).header("content-type", "application/json; charset=utf-8").body(signed);
    assert_eq!(gateway.admin_send(charset).await.status, 200);
    assert_eq!(gateway.admin(path).await.status, 405, "a lever is a POST");
}

#[tokio::test]
async fn a_lever_for_a_name_nobody_has_says_which_there_are() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let gateway = Rig::of(["alpha", "beta"].map(|name| upstream(name, &up.url()))).start();
    for path in
        ["/api/v1/breakers/gamma/reset", "/api/v1/limits/gamma/reset", "/api/v1/upstreams/gamma/reconnect"]
    {
        let answer = gateway.lever(path).await;
        assert_eq!((answer.status, code(&answer).as_str()), (404, "SW0030"), "{path}");
        let detail = problem(&answer)["detail"].to_string();
        assert!(detail.contains("gamma") && detail.contains("alpha, beta"), "{detail}");
    }
    let answer = gateway.lever("/api/v1/breakers/alpha/explode").await;
    assert_eq!(answer.status, 404);
    assert!(problem(&answer)["detail"].as_str().unwrap().contains("force-open"));
}
