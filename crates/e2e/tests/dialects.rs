//! Refusals in the words a provider's own SDK understands, and the rows a provider reads its own way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;

use seawall_e2e::{Rig, decision, ms, requests};
use seawall_packs::provider;
use seawall_testkit::client::Answer;
use seawall_testkit::{Reply, Upstream};
use serde_json::{Value, json};

fn speaking(name: &str, url: &str) -> Rig {
    let mut rig = Rig::new(url);
    let provider = provider(name).unwrap();
    rig.up().provider = provider.clone();
    rig.up().dialect = provider;
    rig
}

fn spoken(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.text());
    assert!(answer.header("seawall-call").is_some() && answer.header("seawall-decision").is_some());
    answer.json().unwrap()
}

const CHAT: &str = "/up/v1/chat/completions";
const MESSAGES: &str = "/up/v1/messages";

#[tokio::test]
async fn a_refusal_to_an_openai_client_is_an_openai_error() {
    let up = Upstream::start(Reply::ok("{}")).await.unwrap();
    let mut rig = speaking("openai", &up.url());
    rig.up().limits = vec![requests(1, ms(30_000))];
    rig.up().queue.wait = ms(0);
    let gateway = rig.start();
    assert_eq!(gateway.post(CHAT, &json!({})).await.status, 200);
    let answer = gateway.post(CHAT, &json!({})).await;
    assert_eq!(answer.status, 429);
    let error = &spoken(&answer)["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("rate_limit_error"), &json!("SW0001")));
    assert_eq!(error["param"], Value::Null);
    let call = answer.header("seawall-call").unwrap();
    assert!(error["message"].as_str().unwrap().contains(call), "{error}");
    assert!(answer.header("retry-after").is_some());
    gateway.lever("/api/v1/breakers/up/force-open").await;
    let answer = gateway.post(CHAT, &json!({})).await;
    assert_eq!(answer.status, 503);
    assert_eq!(spoken(&answer)["error"]["code"], "SW0005");
}

#[tokio::test]
async fn a_refusal_to_an_anthropic_client_is_an_anthropic_error() {
    let up = Upstream::start(Reply::close()).await.unwrap();
    let gateway = speaking("anthropic", &up.url()).start();
    let lost = gateway.post(MESSAGES, &json!({})).await;
    assert_eq!((lost.status, lost.header("x-should-retry")), (502, Some("false")));
    let error = spoken(&lost);
    assert_eq!(error["type"], "error");
    assert!(error["error"]["type"].is_string(), "{error}");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("SW0012") && message.contains("may have been processed"), "{message}");
    assert_eq!(up.ledger().request_count(), 1, "a message is billable: not again once its reply is lost");
}

#[tokio::test]
async fn a_refusal_before_the_upstream_is_known_is_problem_json() {
    let up = Upstream::start(Reply::ok("{}")).await.unwrap();
    let gateway = speaking("openai", &up.url()).start();
    assert_eq!(seawall_e2e::code(&gateway.get("/nobody/x").await), "SW0016");
}

#[tokio::test]
async fn an_upstream_may_keep_plain_problems_though_its_provider_is_known() {
    let up = Upstream::start(Reply::ok("{}")).await.unwrap();
    let mut rig = speaking("openai", &up.url());
    rig.up().dialect = Arc::new(seawall_core::provider::Http);
    let gateway = rig.start();
    gateway.lever("/api/v1/breakers/up/force-open").await;
    assert_eq!(seawall_e2e::code(&gateway.post(CHAT, &json!({})).await), "SW0005");
}

#[tokio::test]
async fn an_empty_account_is_final_and_a_pace_is_not() {
    let gone =
        json!({ "error": { "message": "You exceeded your current quota", "code": "insufficient_quota" } });
    let pace = json!({ "error": { "message": "Rate limit reached", "code": "rate_limit_exceeded" } });
    for (body, attempts) in [(gone, "1"), (pace, "3")] {
        let reply = Reply::json(429, body.clone()).header("retry-after-ms", "5");
        let up = Upstream::start(reply).await.unwrap();
        let gateway = speaking("openai", &up.url()).start();
        let answer = gateway.post(CHAT, &json!({ "model": "m" })).await;
        assert_eq!((answer.status, answer.json()), (429, Some(body)), "the provider's own words");
        assert_eq!(decision(&answer, "attempts"), attempts);
        assert_eq!(up.ledger().request_count().to_string(), attempts);
        let final_ = attempts == "1";
        let story = gateway.ended_story(&answer).await;
        let class = if final_ { "quota-gone" } else { "rate-limited" };
        assert_eq!((&story["class"], &story["certainty"]), (&json!(class), &json!("not-done")));
        assert_eq!(answer.header("x-should-retry"), Some("false"), "spent, or hopeless");
        if final_ {
            let state = gateway.item("limits", "up").await["state"].clone();
            assert_eq!(state, "ok", "waiting does not fill an account: nobody is paused");
        }
    }
}

#[tokio::test]
async fn a_post_that_computes_is_billable_and_its_500_is_sent_again() {
    for (name, path) in [("openai", CHAT), ("anthropic", MESSAGES)] {
        let up = Upstream::start(Reply::status(500)).await.unwrap();
        let gateway = speaking(name, &up.url()).start();
        let answer = gateway.post(path, &json!({})).await;
        assert_eq!(decision(&answer, "attempts"), "3", "{name}");
        assert_eq!(gateway.story(&answer).await["effects"], "billable", "{name}");
    }
}

const ORDER: &str = "/up/api/v3/order?symbol=BTCUSDT&signature=00";

#[tokio::test]
async fn an_order_in_doubt_is_a_timeout_to_a_binance_client_and_one_not_sent_is_busy() {
    let up = Upstream::start(Reply::close()).await.unwrap();
    let gateway = speaking("binance", &up.url()).start();
    let lost = gateway.post(ORDER, &json!({})).await;
    assert_eq!((lost.status, lost.header("x-should-retry")), (504, Some("false")));
    let said = spoken(&lost);
    assert_eq!((&said["code"], said.as_object().unwrap().len()), (&json!(-1007), 2));
    assert!(said["msg"].as_str().unwrap().contains("SW0012"), "{said}");
    assert_eq!(up.ledger().request_count(), 1);
    let story = gateway.ended_story(&lost).await;
    assert_eq!((&story["status"], &story["certainty"]), (&json!(504), &json!("unknown")));

    gateway.lever("/api/v1/breakers/up/force-open").await;
    let refused = gateway.post(ORDER, &json!({})).await;
    assert_eq!((refused.status, &spoken(&refused)["code"]), (503, &json!(-1008)));
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn an_exchanges_own_words_decide_and_pass_unchanged() {
    for (status, code, msg, attempts, class, certainty) in [
        (400, -1021, "Timestamp for this request is outside of the recvWindow.", "1", "invalid", "not-done"),
        (400, -2010, "Account has insufficient balance for requested action.", "1", "quota-gone", "not-done"),
        (400, -2010, "Duplicate order sent.", "1", "ok", "already-done"),
        (400, -2011, "Unknown order sent.", "1", "invalid", "unknown"),
        (
            503,
            -1000,
            "Unknown error, please check your request or try again later.",
            "1",
            "overloaded",
            "unknown",
        ),
        (429, -1003, "Too many requests queued.", "3", "rate-limited", "not-done"),
        (418, -1003, "Way too much request weight used; IP banned until 1.", "1", "banned", "not-done"),
    ] {
        let body = json!({ "code": code, "msg": msg });
        let up = Upstream::start(Reply::json(status, body.clone())).await.unwrap();
        let gateway = speaking("binance", &up.url()).start();
        let answer = gateway.post(ORDER, &json!({})).await;
        assert_eq!((answer.status, answer.json()), (status, Some(body)), "{msg}");
        assert_eq!(decision(&answer, "attempts"), attempts, "{msg}");
        let story = gateway.ended_story(&answer).await;
        assert_eq!((&story["class"], &story["certainty"]), (&json!(class), &json!(certainty)), "{msg}");
        assert_eq!(story["effects"], "guarded");
    }
}

#[tokio::test]
async fn what_stripe_says_not_to_repeat_is_not_and_its_refusals_are_its_own() {
    let never = Reply::status(500).header("stripe-should-retry", "false");
    let up = Upstream::start(never).await.unwrap();
    let gateway = speaking("stripe", &up.url()).start();
    let answer = gateway.get("/up/v1/charges/ch_1").await;
    assert_eq!((answer.status, decision(&answer, "attempts")), (500, "1".to_owned()));
    gateway.lever("/api/v1/breakers/up/force-open").await;
    let refused = gateway.post("/up/v1/charges", &json!({})).await;
    let error = &spoken(&refused)["error"];
    assert_eq!(
        (refused.status, &error["type"], &error["code"]),
        (503, &json!("api_error"), &json!("SW0005"))
    );
}
