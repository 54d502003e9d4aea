//! A call goes through, fails, is sent again, is told.

use seawall_e2e::{Rig, decision};
use seawall_testkit::{Reply, Script, Upstream};

#[tokio::test]
async fn an_answer_passes_through_with_its_call_and_decision() {
    let up = Upstream::start(Script::always(Reply::ok("hello").header("x-own", "kept"))).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let answer = gateway.get("/up/some/path?q=1").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.header("x-own"), Some("kept"));
    assert_eq!(
        answer.header("seawall-decision"),
        Some("upstream=up; attempts=1; waited=0ms; breaker=closed; cache=none; effect=none; generation=1")
    );
    assert_eq!(up.ledger().requests()[0].target, "/some/path?q=1");
    let story = gateway.story(&answer).await;
    assert_eq!(story["state"], "done");
    assert_eq!(story["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_failing_read_is_sent_again_and_an_unknown_order_is_not() {
    let script =
        Script::sequence([Reply::status(500), Reply::drop_before_reading_body()]).then(Reply::ok("late"));
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, decision(&answer, "attempts").as_str()), (200, "3"));

    let up = Upstream::start(Script::always(Reply::execute_then_drop("order"))).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let answer = gateway.post("/up/orders", &serde_json::json!({ "id": "1" })).await;
    assert_eq!(answer.status, 502);
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((problem["code"].as_str(), problem["certainty"].as_str()), (Some("SW0012"), Some("unknown")));
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(up.ledger().executed("order").len(), 1);
}
