//! Only so many in so much time, only so many at once, and nobody while the provider asks for quiet.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use seawall::breaker;
use seawall_core::units::Rate;
use seawall_e2e::{Rig, Running, code, decision, eventually, ms, problem, requests};
use seawall_gateway::plan::{Credential, Limit};
use seawall_policy::limiter::Quota;
use seawall_testkit::client::{self, Answer, Ended, Request};
use seawall_testkit::{Reply, Script, Upstream};
use serde_json::json;

/// How long a caller of ours is told to stay away: the header, checked against the body.
fn stay_away(answer: &Answer) -> u64 {
    let seconds: u64 = answer.header("retry-after").expect("it says when to come back").parse().unwrap();
    let millis = problem(answer)["retry_after_ms"].as_u64().unwrap();
    assert_eq!(seconds, millis.div_ceil(1000).max(1));
    seconds
}

async fn as_user(gateway: &Running, credential: &str) -> Answer {
    gateway.send(Request::post("/up/x").header("authorization", credential).json(&json!({}))).await
}

#[tokio::test]
async fn fifty_callers_who_retry_never_exceed_the_limit_and_all_get_through() {
    // Every third caller fails once, so that retries are under the limit too.
    let script = Script::with_ledger(|request, _, ledger| {
        let caller: usize = request.path()[1..].parse().unwrap_or(0);
        let came = ledger.requests().iter().filter(|other| other.target == request.target).count();
        if caller.is_multiple_of(3) && came == 1 { Reply::status(500) } else { Reply::ok("ok") }
    });
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().limits = vec![requests(40, ms(1000))];
    rig.up().breaker = breaker::Options::off();
    rig.up().defaults.retry.floor = Rate { count: 1000.try_into().unwrap(), per: ms(10_000) };
    let gateway = rig.start();
    let paths: Vec<String> = (0..50).map(|caller| format!("/up/{caller}")).collect();
    let answers = join_all(paths.iter().map(|path| gateway.get(path))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(up.ledger().request_count(), 50 + 17);
    // The gateway counts when a request leaves; on a busy machine the way to the upstream stretches a little.
    assert!(up.ledger().max_in_any_window(ms(900)) <= 40);
    let waited = answers.iter().filter(|answer| decision(answer, "waited") != "0ms").count();
    assert!(waited > 0, "somebody had to wait, and is told so");
}

#[tokio::test]
async fn without_patience_a_full_limit_answers_429_at_once() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().limits = vec![requests(2, ms(30_000))];
    rig.up().queue.wait = ms(0);
    let gateway = rig.start();
    let answers = join_all((0..10).map(|_| gateway.get("/up/x"))).await;
    let (passed, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((passed.len(), refused.len()), (2, 8));
    for answer in refused {
        assert_eq!((answer.status, code(answer).as_str()), (429, "SW0001"));
        assert!((1..=32).contains(&stay_away(answer)));
        assert_eq!(decision(answer, "attempts"), "0");
    }
    assert_eq!(up.ledger().request_count(), 2);
}

#[tokio::test]
async fn a_limit_per_header_counts_each_value_apart() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::new(&up.url());
    let quota = Quota { rate: Rate { count: 2.try_into().unwrap(), per: ms(30_000) }, burst: None };
    rig.up().limits = vec![Limit::Requests { quota, per: Some(HeaderName::from_static("x-user")) }];
    rig.up().queue.wait = ms(0);
    let gateway = rig.start();
    for (user, expected) in
        [(Some("ann"), [200, 200, 429]), (Some("bob"), [200, 200, 429]), (None, [200, 200, 429])]
    {
        for status in expected {
            let mut request = Request::get("/up/x");
            if let Some(user) = user {
                request = request.header("X-User", user);
            }
            assert_eq!(gateway.send(request).await.status, status, "{user:?}");
        }
    }
    let limit = gateway.item("limits", "up").await;
    assert_eq!(limit["keys"], 3, "{limit}");
}

#[tokio::test]
async fn a_retry_that_finds_no_slot_leaves_the_upstreams_own_answer_standing() {
    let up = Upstream::start(Reply::status(500).body("broken")).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().limits = vec![requests(2, ms(30_000))];
    rig.up().queue.wait = ms(0);
    let gateway = rig.start();
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, answer.text().as_str()), (500, "broken"));
    assert_eq!(decision(&answer, "attempts"), "2");
    assert_eq!(up.ledger().request_count(), 2);
}

#[tokio::test]
async fn a_full_queue_answers_429_and_a_caller_who_leaves_makes_room_in_it() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().limits = vec![requests(1, ms(5_000))];
    rig.up().queue.max = 3;
    let gateway = rig.start();
    assert_eq!(gateway.get("/up/x").await.status, 200);
    let url = gateway.url("/up/x");
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { client::get(&url).await })
        })
        .collect();
    let stand_in_line = async |count: u64| {
        eventually("they stand in line", async || {
            (gateway.item("limits", "up").await["waiting"] == count).then_some(())
        })
        .await;
    };
    stand_in_line(3).await;
    let refused = gateway.get("/up/x").await;
    assert_eq!((refused.status, code(&refused).as_str()), (429, "SW0002"));
    assert!(stay_away(&refused) <= 6);
    for caller in waiting {
        caller.abort();
    }
    stand_in_line(0).await;
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn no_more_than_so_many_are_ever_in_flight_at_once() {
    let up = Upstream::start(Reply::ok("ok").after(ms(5))).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().limits = vec![Limit::Concurrent(4, None)];
    let gateway = rig.start();
    let answers = join_all((0..60).map(|_| gateway.get("/up/x"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "the others wait their turn");
    assert!(up.ledger().peak_concurrency() <= 4, "{}", up.ledger().peak_concurrency());
    assert_eq!(up.ledger().request_count(), 60);
    eventually("every place is free again", async || {
        (gateway.metric("seawall_bulkhead_in_flight{upstream=\"up\"}").await == Some(0.0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_place_is_held_until_the_body_has_ended() {
    // More than all buffers on the way hold: the body ends when the caller has read it, and not before.
    let long = 16 << 20;
    let script = Script::per_path(move |request, _| match request.path() {
        "/long" => Reply::ok(vec![b'x'; long]),
        _ => Reply::ok("ok"),
    });
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().limits = vec![Limit::Concurrent(1, None)];
    rig.up().queue.wait = ms(0);
    let gateway = rig.start();
    for read_to_the_end in [true, false] {
        let stream = client::stream(&gateway.url("/up/long"), Request::get("")).await.unwrap();
        assert_eq!(stream.head.status, 200);
        let refused = gateway.get("/up/x").await;
        assert_eq!((refused.status, code(&refused).as_str()), (503, "SW0006"));
        assert!(stay_away(&refused) >= 1);
        if read_to_the_end {
            let (pieces, ended) = stream.collect().await;
            let read: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
            assert_eq!((read, ended), (long, Ended::Complete));
        } else {
            drop(stream);
        }
        eventually("the place is free again", async || {
            (gateway.get("/up/x").await.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn one_429_with_a_retry_after_pauses_everybody_with_that_credential_and_nobody_else() {
    let script = Script::with_ledger(|_, n, _| match n {
        1 => Reply::status(429).header("retry-after-ms", "1000"),
        _ => Reply::ok("ok"),
    });
    let up = Upstream::start(script).await.unwrap();
    let gateway = Rig::new(&up.url()).start();
    let first = as_user(&gateway, "Bearer ann");
    let others = async {
        assert!(up.ledger().wait_for_requests(1, ms(5000)).await);
        eventually("the pause is known", async || {
            (gateway.item("limits", "up").await["state"] == "paused").then_some(())
        })
        .await;
        let (ann, bob) = tokio::join!(as_user(&gateway, "Bearer ann"), as_user(&gateway, "Bearer bob"));
        assert_eq!(decision(&bob, "waited"), "0ms", "not bob's pause");
        assert_ne!(decision(&ann, "waited"), "0ms", "ann's, whichever call of hers brought it about");
        assert_eq!((ann.status, bob.status), (200, 200));
        let story = gateway.story(&ann).await;
        assert!(story["waited_ms"].as_f64().unwrap() > 0.0, "{story}");
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!((first.status, decision(&first, "attempts").as_str()), (200, "2"));
    let seen = up.ledger().requests();
    for request in &seen[1..] {
        if request.header("authorization") == Some("Bearer ann") {
            assert!(request.at - seen[0].at >= ms(1000), "nobody of ann's before the pause was over");
        }
    }
    let story = gateway.story(&first).await;
    assert!(story["moments"].to_string().contains("asked to be left alone"), "{story}");
}

#[tokio::test]
async fn a_pause_longer_than_the_patience_is_answered_429_at_once() {
    let script = Script::per_path(|request, _| match request.header("authorization") {
        Some("Bearer ann") => Reply::status(429).header("retry-after", "30").body("slow down"),
        _ => Reply::ok("ok"),
    });
    let up = Upstream::start(script).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().queue.wait = ms(1000);
    let gateway = rig.start();
    let first = as_user(&gateway, "Bearer ann").await;
    assert_eq!((first.status, first.text().as_str()), (429, "slow down"), "the upstream's own words");
    let second = as_user(&gateway, "Bearer ann").await;
    assert_eq!((second.status, code(&second).as_str()), (429, "SW0003"));
    assert_eq!((decision(&second, "attempts").as_str(), decision(&second, "waited").as_str()), ("0", "0ms"));
    assert!((20..=30).contains(&stay_away(&second)));
    assert_eq!(as_user(&gateway, "Bearer bob").await.status, 200);
    assert_eq!(up.ledger().request_count(), 2);
}

#[tokio::test]
async fn with_a_credential_of_ours_the_pause_is_everybodys() {
    let up = Upstream::start(Reply::status(429).header("retry-after", "30")).await.unwrap();
    let mut rig = Rig::new(&up.url());
    let value = HeaderValue::from_static("Bearer ours");
    rig.up().auth = Some(Credential { header: AUTHORIZATION, value });
    let gateway = rig.start();
    assert_eq!(as_user(&gateway, "Bearer ann").await.status, 429);
    let bob = as_user(&gateway, "Bearer bob").await;
    assert_eq!((bob.status, code(&bob).as_str()), (429, "SW0003"));
    assert_eq!(up.ledger().request_count(), 1);
}

#[tokio::test]
async fn an_absurd_request_to_wait_is_bounded_by_an_hour() {
    for absurd in ["31536000", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let up = Upstream::start(Reply::status(429).header("retry-after", absurd)).await.unwrap();
        let gateway = Rig::new(&up.url()).start();
        assert_eq!(gateway.get("/up/x").await.status, 429);
        let paused = gateway.get("/up/x").await;
        assert_eq!(code(&paused), "SW0003", "{absurd}");
        assert!((3000..=3600).contains(&stay_away(&paused)), "{absurd}");
    }
}

#[tokio::test]
async fn nonsense_in_a_retry_after_pauses_nobody() {
    let script = Script::sequence(
        ["soon", "-5", "1e9", ""].map(|nonsense| Reply::status(429).header("retry-after", nonsense)),
    );
    let up = Upstream::start(script.then(Reply::ok("ok"))).await.unwrap();
    let mut rig = Rig::new(&up.url());
    rig.up().defaults.retry.attempts = 5;
    rig.up().queue.wait = ms(50);
    let gateway = rig.start();
    let answer = gateway.get("/up/x").await;
    assert_eq!((answer.status, decision(&answer, "attempts").as_str()), (200, "5"));
}

/// An upstream that says of its own limit what these headers say.
async fn saying(headers: &[(&str, &str)]) -> Upstream {
    let reply = headers.iter().fold(Reply::ok("ok"), |reply, (name, value)| reply.header(*name, *value));
    Upstream::start(reply).await.unwrap()
}

#[tokio::test]
async fn whoever_has_nothing_left_at_the_provider_waits_for_its_reset() {
    let left = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "700ms")];
    for learn in [true, false] {
        let up = saying(&left).await;
        let mut rig = Rig::new(&up.url());
        rig.up().learn = learn;
        let gateway = rig.start();
        let waited = async |credential| decision(&as_user(&gateway, credential).await, "waited");
        assert_eq!(waited("Bearer ann").await, "0ms");
        assert_eq!(waited("Bearer bob").await, "0ms", "it is another's");
        assert_eq!(waited("Bearer ann").await == "0ms", !learn);
    }
}

#[tokio::test]
async fn a_slower_pace_of_the_provider_is_kept_until_its_reset() {
    let up = saying(&[("ratelimit", "limit=100, remaining=10, reset=3")]).await;
    let mut rig = Rig::new(&up.url());
    rig.up().learn = true;
    rig.up().limits = vec![requests(100, ms(1000))];
    let gateway = rig.start();
    for _ in 0..4 {
        assert_eq!(gateway.get("/up/x").await.status, 200);
    }
    // The first comes before anything is known, the second begins the pace.
    assert_eq!(up.ledger().max_in_any_window(ms(250)), 2, "ten in three seconds are 300 ms apart");
    assert_eq!(as_user(&gateway, "Bearer another").await.status, 200);
    let fast = saying(&[("ratelimit", "limit=100, remaining=90, reset=0")]).await;
    let mut rig = Rig::new(&fast.url());
    rig.up().learn = true;
    rig.up().limits = vec![requests(100, ms(1000))];
    let gateway = rig.start();
    join_all((0..50).map(|_| gateway.get("/up/x"))).await;
    assert!(fast.ledger().max_in_any_window(ms(900)) > 10, "a faster word changes nothing");
}
