//! A second copy beside a slow one, through real sockets; policies in the shadow; who goes first.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use futures_util::future::join_all;
use seawall::Effects;
use seawall::hedge::{Delay, Options};
use seawall::pipeline::Shadow;
use seawall_e2e::{Rig, Running, decision, ms, requests};
use seawall_gateway::plan::Limit;
use seawall_testkit::client::Request;
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::json;

fn after(millis: u64) -> Option<Options> {
    Some(Options { delay: Delay::Fixed(ms(millis)), ..Options::default() })
}

/// The first request for a path hangs, every other is answered at once.
async fn hangs_once() -> Upstream {
    let script = Script::with_ledger(|request, _, ledger| {
        let came = ledger.requests().iter().filter(|other| other.target == request.target).count();
        if came == 1 { Reply::ok("slow").after(ms(3000)) } else { Reply::ok("quick") }
    });
    Upstream::start(script).await.unwrap()
}

fn hedging(up: &Upstream, effects: Option<Effects>) -> Running {
    let mut rig = Rig::new(&up.url()).route("all", "/up/**", effects);
    rig.plan.routes[0].hedge = after(50);
    rig.start()
}

#[tokio::test]
async fn a_slow_read_gets_a_second_copy_and_the_quick_one_is_passed_on() {
    let up = hangs_once().await;
    let gateway = hedging(&up, None);
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "quick"));
    assert_eq!(up.ledger().request_count(), 2);
    let story = gateway.story(&answer).await;
    assert_eq!(story["attempts"].as_array().unwrap().len(), 2, "{story}");
    assert!(story.to_string().contains("sent a second time after"), "{story}");
    let attempts = async |result: &str| {
        gateway
            .metric(&format!("seawall_attempts_total{{upstream=\"up\",result=\"{result}\"}}"))
            .await
            .unwrap()
    };
    assert_eq!((attempts("ok").await, attempts("cancelled").await), (1.0, 1.0));
}

#[tokio::test]
async fn what_is_not_safe_to_send_twice_is_not_hedged() {
    let up = hangs_once().await;
    let gateway = hedging(&up, None);
    let answer = gateway.post("/up/x", &json!({})).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "slow"));
    assert_eq!(up.ledger().request_count(), 1);
    // A PUT may be repeated, and is hedged only where the route names it.
    let up = hangs_once().await;
    let gateway = hedging(&up, None);
    let answer = gateway.send(Request::new("PUT", "/up/y")).await;
    assert_eq!((answer.text().as_str(), up.ledger().request_count()), ("slow", 1));
}

#[tokio::test]
async fn a_full_bulkhead_denies_the_second_copy_and_the_first_goes_on() {
    let up = hangs_once().await;
    let mut rig = Rig::new(&up.url()).route("all", "/up/**", None);
    rig.plan.routes[0].hedge = after(50);
    rig.up().limits = vec![Limit::Concurrent(1, None)];
    let gateway = rig.start();
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "slow"));
    assert!(gateway.story(&answer).await.to_string().contains("not sent a second time"));
}

#[tokio::test]
async fn a_limit_in_the_shadow_is_told_and_holds_nobody_up() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().limits = vec![requests(2, ms(30_000))];
    rig.up().queue.wait = ms(0);
    rig.up().shadow = Shadow::LIMITER;
    let gateway = rig.start();
    let answers = join_all((0..5).map(|_| gateway.get("/up/x"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && decision(answer, "waited") == "0ms"));
    let mut told = 0;
    for answer in &answers {
        let story = gateway.story(answer).await.to_string();
        told += usize::from(story.contains("would have refused"));
    }
    assert_eq!(told, 3);
}

#[tokio::test]
async fn a_caller_that_may_say_so_goes_first() {
    let up = Upstream::start(Reply::ok("ok").after(ms(150))).await.unwrap();
    let mut rig = Rig::new(&up.url()).route("all", "/up/**", None);
    rig.up().limits = vec![Limit::Concurrent(1, None)];
    rig.plan.routes[0].allow.priority = true;
    let gateway = rig.start();
    let one = |name: &'static str, priority: &'static str, later: u64| {
        let gateway = &gateway;
        async move {
            tokio::time::sleep(ms(later)).await;
            gateway.send(Request::get(format!("/up/{name}")).header("seawall-priority", priority)).await
        }
    };
    join_all([
        one("first", "normal", 0),
        one("low", "low", 30),
        one("normal", "normal", 50),
        one("high", "high", 70),
    ])
    .await;
    let order: Vec<String> = up.ledger().requests().iter().map(|request| request.target.clone()).collect();
    assert_eq!(order, ["/first", "/high", "/normal", "/low"]);
}
