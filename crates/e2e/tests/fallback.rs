//! The next upstream is asked where asking again is safe, and the answer says who served it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use seawall::Effects;
use seawall_e2e::{Nowhere, Rig, Running, code, decision, ms, problem, requests, upstream};
use seawall_testkit::client::{Answer, Ended};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::{Value, json};

/// `first`, then `second`, under one route.
async fn pair(first: Reply, second: Reply, effects: Effects) -> (Upstream, Upstream, Rig) {
    let first = Upstream::start(Script::always(first)).await.unwrap();
    let second = Upstream::start(Script::always(second)).await.unwrap();
    let mut rig = Rig::of([upstream("first", &first.url()), upstream("second", &second.url())]).route(
        "both",
        "/first/**",
        Some(effects),
    );
    rig.plan.routes[0].calling.retry.attempts = 2;
    (first, second, rig)
}

async fn order(gateway: &Running) -> Answer {
    gateway.post("/first/orders?n=1", &json!({ "n": 1 })).await
}

/// Who was asked, in order, as the story tells it.
fn asked(story: &Value) -> Vec<&str> {
    story["attempts"].as_array().unwrap().iter().map(|one| one["upstream"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_guarded_call_falls_back_when_it_was_provably_not_done() {
    for reply in [
        Reply::status(429).header("retry-after", "0"),
        Reply::status(425),
        Reply::status(503).header("retry-after", "0"),
    ] {
        let (first, second, rig) = pair(reply, Reply::ok("served"), Effects::Guarded).await;
        let gateway = rig.start();
        let answer = order(&gateway).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "served"));
        assert_eq!(decision(&answer, "upstream"), "second");
        assert_eq!(decision(&answer, "attempts"), "3", "two at the first, one at the second");
        assert_eq!((first.ledger().request_count(), second.ledger().request_count()), (2, 1));
        let seen = &second.ledger().requests()[0];
        assert_eq!((seen.target.as_str(), seen.json()), ("/orders?n=1", Some(json!({ "n": 1 }))));
        let story = gateway.ended_story(&answer).await;
        assert_eq!(asked(&story), ["first", "first", "second"]);
        assert_eq!((&story["upstream"], &story["state"]), (&json!("second"), &json!("done")));
        assert!(story["moments"].to_string().contains("fell back from first to second"), "{story}");
    }
}

#[tokio::test]
async fn it_falls_back_from_an_upstream_that_cannot_be_reached() {
    let second = Upstream::start(Reply::ok("served")).await.unwrap();
    let nowhere = Nowhere::new().unwrap();
    for effects in Effects::ALL {
        let gateway = Rig::of([upstream("first", &nowhere.url()), upstream("second", &second.url())])
            .route("both", "/first/**", Some(*effects))
            .start();
        let answer = order(&gateway).await;
        assert_eq!((answer.status, decision(&answer, "upstream").as_str()), (200, "second"), "{effects}");
    }
}

#[tokio::test]
async fn an_unknown_outcome_falls_back_only_where_a_retry_would() {
    let outcomes: [(&str, Reply, u16, &[Effects]); 3] = [
        ("500", Reply::status(500), 500, &[Effects::Repeatable, Effects::Billable]),
        ("lost", Reply::close(), 502, &[Effects::Repeatable]),
        ("404", Reply::status(404), 404, &[]),
    ];
    for (what, reply, status, falls_back) in outcomes {
        for effects in Effects::ALL {
            let (_first, second, rig) = pair(reply.clone(), Reply::ok("served"), *effects).await;
            let gateway = rig.start();
            let answer = order(&gateway).await;
            let expected = if falls_back.contains(effects) { (200, 1) } else { (status, 0) };
            let seen = (answer.status, second.ledger().request_count());
            assert_eq!(seen, expected, "{what} under {effects}");
        }
    }
}

#[tokio::test]
async fn an_answer_cut_in_its_body_is_not_begun_again_elsewhere() {
    let cut = Reply::ok("a long answer").cut_after_bytes(5);
    let (_first, second, rig) = pair(cut, Reply::ok("served"), Effects::Repeatable).await;
    let gateway = rig.start();
    let answer = order(&gateway).await;
    assert_ne!(answer.ended, Ended::Complete);
    assert_eq!((answer.text().as_str(), second.ledger().request_count()), ("a lon", 0));
}

#[tokio::test]
async fn an_upstream_whose_breaker_is_open_is_passed_over() {
    let (first, _second, rig) = pair(Reply::ok("never"), Reply::ok("served"), Effects::Guarded).await;
    let gateway = rig.start();
    gateway.lever("/api/v1/breakers/first/force-open").await;
    let answer = order(&gateway).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "served"));
    assert_eq!(
        (decision(&answer, "upstream").as_str(), decision(&answer, "attempts").as_str()),
        ("second", "1")
    );
    assert_eq!(first.ledger().connections(), 0);
    let story = gateway.ended_story(&answer).await;
    assert_eq!(asked(&story), ["second"]);
    assert!(
        story["moments"].to_string().contains("SW0005"),
        "it tells why the first was passed over: {story}"
    );
    gateway.lever("/api/v1/breakers/first/reset").await;
    assert_eq!(decision(&order(&gateway).await, "upstream"), "first", "and back when it is well");
}

#[tokio::test]
async fn an_upstream_with_no_room_is_passed_over() {
    let (first, second, mut rig) = pair(Reply::ok("first"), Reply::ok("second"), Effects::Guarded).await;
    rig.up().limits = vec![requests(1, ms(60_000))];
    rig.up().queue.wait = ms(0);
    let gateway = rig.start();
    assert_eq!(order(&gateway).await.text(), "first");
    assert_eq!(order(&gateway).await.text(), "second");
    assert_eq!((first.ledger().request_count(), second.ledger().request_count()), (1, 1));
}

#[tokio::test]
async fn when_nobody_serves_the_last_one_asked_has_the_last_word() {
    let slow_down = || Reply::status(429).header("retry-after", "0");
    let (_first, _second, rig) = pair(slow_down(), slow_down().body("second's"), Effects::Guarded).await;
    let gateway = rig.start();
    let answer = order(&gateway).await;
    assert_eq!((answer.status, answer.text().as_str()), (429, "second's"));
    assert_eq!(decision(&answer, "attempts"), "4");
    for name in ["first", "second"] {
        gateway.lever(&format!("/api/v1/breakers/{name}/force-open")).await;
    }
    let answer = order(&gateway).await;
    assert_eq!((answer.status, code(&answer).as_str()), (503, "SW0005"));
    assert_eq!(decision(&answer, "upstream"), "second");
    assert_eq!(problem(&answer)["certainty"], "not-done");
}

#[tokio::test]
async fn a_deadline_is_shared_by_all_of_them() {
    let (_first, second, mut rig) = pair(Reply::stall(), Reply::ok("late"), Effects::Repeatable).await;
    rig.plan.routes[0].calling.deadline = ms(150);
    let gateway = rig.start();
    let answer = order(&gateway).await;
    assert_eq!((answer.status, code(&answer).as_str()), (504, "SW0008"));
    assert_eq!(second.ledger().request_count(), 0);
}
