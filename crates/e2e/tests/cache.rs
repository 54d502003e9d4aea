//! An answer is given again while it may be, to whom it may be, and an old one where there is no new one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use seawall::Effects;
use seawall::cache::Life;
use seawall::compress::{self, Algorithm, Bounds, decode, encode};
use seawall_e2e::{Rig, Running, code, decision, eventually, ms, upstream};
use seawall_gateway::plan::Cache;
use seawall_testkit::client::{self, Answer, Client, Ended, Request};
use seawall_testkit::{Action, Head, Reply, Script, Upstream};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

const fn keeps(ttl: Duration, revalidate: Duration, error: Duration) -> Cache {
    let life = Life { ttl, stale_while_revalidate: revalidate, stale_if_error: error };
    Cache { life, max_body: 1 << 20 }
}

/// A route over everything at `/up`, which keeps answers.
fn rig(up: &Upstream, cache: Cache) -> Rig {
    let mut rig = Rig::new(&up.url()).route("kept", "/up/**", None);
    rig.plan.routes[0].cache = Some(cache);
    rig
}

async fn gateway(script: impl Into<Script>, cache: Cache) -> (Upstream, Running) {
    let up = Upstream::start(script).await.unwrap();
    let gateway = rig(&up, cache).start();
    (up, gateway)
}

/// Every request gets its own number.
fn numbered() -> Script {
    Script::per_path(|_, n| Reply::ok(format!("answer {n}")))
}

fn cached(answer: &Answer) -> (String, String) {
    (decision(answer, "cache"), answer.text())
}

fn is(answer: &Answer, result: &str, text: &str) {
    assert_eq!(cached(answer), (result.to_owned(), text.to_owned()), "{:?}", answer.headers);
}

fn age(answer: &Answer) -> u64 {
    answer.header("age").expect("it says how old it is").parse().unwrap()
}

async fn counted(gateway: &Running, result: &str) -> f64 {
    let name = format!("seawall_cache_total{{upstream=\"up\",result=\"{result}\"}}");
    gateway.metric(&name).await.expect("it is shown from the start")
}

#[tokio::test]
async fn an_answer_is_given_again_as_it_was_and_says_how_old_it_is() {
    let reply = Reply::json(200, json!({ "rate": 1.08 }))
        .header("x-own", "1")
        .header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let (up, gateway) = gateway(reply, keeps(MINUTE, ms(0), ms(0))).await;
    let first = gateway.get("/up/rates?to=EUR").await;
    is(&first, "miss", r#"{"rate":1.08}"#);
    assert_eq!((first.header("age"), decision(&first, "attempts").as_str()), (None, "1"));
    tokio::time::sleep(ms(1100)).await;
    let again = gateway.get("/up/rates?to=EUR").await;
    is(&again, "hit", r#"{"rate":1.08}"#);
    assert_eq!((again.status, again.ended), (200, Ended::Complete));
    assert!((1..60).contains(&age(&again)));
    assert_eq!(again.header("seawall-stale"), None);
    for name in ["content-type", "content-length", "x-own", "date"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_ne!(again.header("seawall-call"), first.header("seawall-call"));
    assert_eq!((decision(&again, "attempts").as_str(), decision(&again, "upstream").as_str()), ("0", "up"));
    assert_eq!(up.ledger().request_count(), 1);
    let story = gateway.ended_story(&again).await;
    let told = format!("answered from the cache, {}s old", age(&again));
    assert!(story["moments"].to_string().contains(&told), "{story}");
    assert_eq!((&story["attempts"], &story["state"]), (&json!([]), &json!("done")));
    assert_eq!((counted(&gateway, "hit").await, counted(&gateway, "miss").await), (1.0, 1.0));
    assert_eq!(counted(&gateway, "bypass").await, 0.0);
}

#[tokio::test]
async fn an_answer_is_fetched_again_when_it_is_no_longer_fresh() {
    let (_up, gateway) = gateway(numbered(), keeps(ms(1000), ms(0), ms(0))).await;
    is(&gateway.get("/up/x").await, "miss", "answer 1");
    is(&gateway.get("/up/x").await, "hit", "answer 1");
    tokio::time::sleep(ms(1050)).await;
    is(&gateway.get("/up/x").await, "miss", "answer 2");
}

#[tokio::test]
async fn nobody_gets_an_answer_to_somebody_elses_question() {
    let (_up, gateway) = gateway(numbered(), keeps(MINUTE, ms(0), ms(0))).await;
    let questions = || {
        let ask = |name, value| Request::get("/up/x").header(name, value);
        vec![
            Request::get("/up/x"),
            Request::get("/up/x?a=1"),
            Request::get("/up/y"),
            Request::head("/up/x"),
            ask("authorization", "Bearer one"),
            ask("authorization", "Bearer two"),
            ask("x-api-key", "Bearer one"),
            ask("api-key", "Bearer one"),
            ask("x-goog-api-key", "Bearer one"),
            ask("cookie", "session=1"),
            ask("cookie", "session=2"),
            ask("accept", "text/plain"),
            ask("accept-encoding", "gzip"),
            ask("accept-language", "de"),
            ask("anthropic-version", "2023-06-01"),
            ask("content-type", "text/plain"),
        ]
    };
    let mut answers = std::collections::HashSet::new();
    for (n, question) in questions().into_iter().enumerate() {
        let answer = gateway.send(question).await;
        assert_eq!(decision(&answer, "cache"), "miss", "question {n}");
        answers.insert(answer.text());
    }
    // HEAD has no text.
    assert_eq!(answers.len(), questions().len());
    for question in questions() {
        assert_eq!(decision(&gateway.send(question).await, "cache"), "hit");
    }
}

#[tokio::test]
async fn a_head_is_kept_for_itself() {
    let (up, gateway) = gateway(Reply::ok("four"), keeps(MINUTE, ms(0), ms(0))).await;
    for result in ["miss", "hit"] {
        let head = gateway.send(Request::head("/up/x")).await;
        assert_eq!((cached(&head).0.as_str(), head.header("content-length")), (result, Some("4")));
        assert_eq!(head.text(), "");
    }
    is(&gateway.get("/up/x").await, "miss", "four");
    assert_eq!(up.ledger().request_count(), 2);
}

#[tokio::test]
async fn a_post_is_kept_only_where_the_route_asks_for_it_and_its_body_is_part_of_the_question() {
    let up = Upstream::start(numbered()).await.unwrap();
    let mut rig = rig(&up, keeps(MINUTE, ms(0), ms(0))).route("chat", "/up/chat", Some(Effects::Billable));
    rig.plan.routes[1].cache = Some(keeps(MINUTE, ms(0), ms(0)));
    rig.plan.routes[1].method = Some(Method::POST);
    let gateway = rig.start();
    let post = async |path: &str, n: u32| gateway.post(path, &json!({ "n": n })).await;
    is(&post("/up/x", 1).await, "none", "answer 1");
    is(&post("/up/x", 1).await, "none", "answer 2");
    is(&post("/up/chat", 1).await, "miss", "answer 3");
    is(&post("/up/chat", 2).await, "miss", "answer 4");
    is(&post("/up/chat", 1).await, "hit", "answer 3");
    is(&post("/up/chat", 2).await, "hit", "answer 4");
    let pieces =
        Request::post("/up/chat").header("content-type", "application/json").chunked(["{\"n\"", ":1}"]);
    is(&gateway.send(pieces).await, "hit", "answer 3");
    let seen = &up.ledger().requests()[2];
    assert_eq!(seen.json(), Some(json!({ "n": 1 })), "the body was read for the key and sent all the same");
    // A body too large to be kept for another try is not read ahead.
    let large = vec![b'z'; (1 << 20) + 1];
    is(&gateway.send(Request::post("/up/chat").body(large.clone())).await, "bypass", "answer 5");
    is(&gateway.send(Request::post("/up/chat").chunked([large.clone()])).await, "bypass", "answer 6");
    assert_eq!(up.ledger().requests()[5].body_len, large.len() as u64);
}

#[tokio::test]
async fn an_order_is_never_answered_from_memory() {
    let up = Upstream::start(numbered()).await.unwrap();
    let mut rig = rig(&up, keeps(MINUTE, ms(0), ms(0)));
    rig.plan.routes[0].method = Some(Method::POST);
    let gateway = rig.start();
    let order = || Request::post("/up/x").header("idempotency-key", "k").body("{}");
    is(&gateway.send(order()).await, "none", "answer 1");
    let again = gateway.send(order()).await;
    is(&again, "none", "answer 1");
    assert_eq!(decision(&again, "effect"), "replayed", "from the journal, where its key is known");
    is(
        &gateway.send(Request::post("/up/x").header("idempotency-key", "l").body("{}")).await,
        "none",
        "answer 2",
    );
}

#[tokio::test]
async fn an_old_answer_hides_no_doubt_about_what_is_guarded() {
    for (effects, given) in [(Effects::Billable, ("stale", 200)), (Effects::Guarded, ("miss", 500))] {
        let script = Script::per_path(|_, n| if n == 1 { Reply::ok("answer") } else { Reply::status(500) });
        let up = Upstream::start(script).await.unwrap();
        let mut rig = rig(&up, keeps(ms(1), ms(0), MINUTE));
        rig.plan.routes[0].method = Some(Method::POST);
        rig.plan.routes[0].effects = Some(effects);
        let gateway = rig.start();
        is(&gateway.post("/up/x", &json!({})).await, "miss", "answer");
        tokio::time::sleep(ms(5)).await;
        let again = gateway.post("/up/x", &json!({})).await;
        assert_eq!((decision(&again, "cache").as_str(), again.status), given, "{effects}");
    }
}

#[tokio::test]
async fn what_callers_and_upstreams_say_about_keeping_is_obeyed() {
    let unkept = [
        ("cache-control", "no-store"),
        ("cache-control", "max-age=60, No-Store"),
        ("cache-control", "no-cache"),
        ("cache-control", "max-age=0"),
        ("expires", "0"),
        ("expires", "Thu, 01 Dec 1994 16:00:00 GMT"),
        ("set-cookie", "a=1"),
        ("vary", "*"),
        ("vary", "accept, user-agent"),
        ("content-type", "text/event-stream"),
    ];
    let kept = [
        ("cache-control", "private"),
        ("cache-control", "max-age=60"),
        ("vary", "Accept-Encoding, accept"),
        ("vary", "authorization"),
        ("vary", "origin"),
    ];
    let (up, gateway) = gateway(Reply::ok("x"), keeps(MINUTE, ms(0), ms(0))).await;
    for (n, ((name, value), result)) in
        (unkept.iter().map(|header| (header, "miss")).chain(kept.iter().map(|header| (header, "hit"))))
            .enumerate()
    {
        let path = format!("/up/{n}");
        let reply = Reply::ok("x").without_header(name).header(*name, *value);
        up.play(reply);
        assert_eq!(decision(&gateway.get(&path).await, "cache"), "miss");
        assert_eq!(decision(&gateway.get(&path).await, "cache"), result, "{name}: {value}");
    }
    for status in [201, 204, 301, 404, 410] {
        up.play(Reply::status(status));
        let path = format!("/up/{status}");
        gateway.get(&path).await;
        assert_eq!(decision(&gateway.get(&path).await, "cache"), "miss", "{status}");
    }
    up.play(numbered());
    is(&gateway.get("/up/x").await, "miss", "answer 1");
    let say = async |name: &str, value: &str| gateway.send(Request::get("/up/x").header(name, value)).await;
    is(&say("cache-control", "no-store").await, "bypass", "answer 2");
    is(&say("range", "bytes=0-1").await, "bypass", "answer 3");
    is(&say("if-none-match", "\"e\"").await, "bypass", "answer 4");
    is(&gateway.get("/up/x").await, "hit", "answer 1");
    is(&say("cache-control", "no-cache").await, "miss", "answer 5");
    is(&gateway.get("/up/x").await, "hit", "answer 5");
    is(&say("pragma", "no-cache").await, "miss", "answer 6");
    is(&say("cache-control", "max-age=30").await, "hit", "answer 6");
    tokio::time::sleep(ms(1100)).await;
    is(&say("cache-control", "max-age=1").await, "miss", "answer 7");
}

#[tokio::test]
async fn a_write_to_a_path_makes_its_answers_unfindable_unless_nothing_was_done() {
    let (up, gateway) = gateway(numbered(), keeps(MINUTE, ms(0), ms(0))).await;
    is(&gateway.get("/up/x?page=1").await, "miss", "answer 1");
    is(&gateway.get("/up/y").await, "miss", "answer 2");
    gateway.send(Request::new("PUT", "/up/x").body("new")).await;
    is(&gateway.get("/up/x?page=1").await, "miss", "answer 4");
    is(&gateway.get("/up/y").await, "hit", "answer 2");
    up.play(Reply::status(403));
    gateway.send(Request::new("PUT", "/up/x").body("new")).await;
    is(&gateway.get("/up/x?page=1").await, "hit", "answer 4");
    up.play(Reply::close());
    assert_eq!(gateway.send(Request::post("/up/x").body("new")).await.status, 502);
    up.play(numbered());
    is(&gateway.get("/up/x?page=1").await, "miss", "answer 1");
}

#[tokio::test]
async fn an_open_breaker_is_bridged_with_an_old_answer_that_says_so() {
    let (up, gateway) = gateway(numbered(), keeps(ms(50), ms(0), MINUTE)).await;
    is(&gateway.get("/up/x").await, "miss", "answer 1");
    tokio::time::sleep(ms(1050)).await;
    gateway.lever("/api/v1/breakers/up/force-open").await;
    let stale = gateway.get("/up/x").await;
    is(&stale, "stale", "answer 1");
    assert!(stale.status == 200 && age(&stale) >= 1);
    let told = format!("{}; reason=breaker-open", age(&stale));
    assert_eq!(stale.header("seawall-stale"), Some(told.as_str()));
    assert_eq!(
        (decision(&stale, "attempts").as_str(), decision(&stale, "breaker").as_str()),
        ("0", "forced-open")
    );
    let story = gateway.ended_story(&stale).await;
    assert!(story["moments"].to_string().contains("old (breaker-open)"), "{story}");
    let other = gateway.get("/up/y").await;
    assert_eq!((other.status, code(&other).as_str()), (503, "SW0005"), "there is nothing to bridge it with");
    gateway.lever("/api/v1/breakers/up/reset").await;
    is(&gateway.get("/up/x").await, "miss", "answer 2");
    assert_eq!((counted(&gateway, "stale").await, up.ledger().request_count()), (1.0, 2));
}

#[tokio::test]
async fn a_dead_slow_or_failing_upstream_is_bridged_and_a_404_is_not() {
    let up = Upstream::start(numbered()).await.unwrap();
    let mut rig = rig(&up, keeps(ms(1), ms(0), MINUTE));
    rig.plan.routes[0].calling.retry.attempts = 2;
    rig.plan.routes[0].calling.deadline = ms(400);
    let gateway = rig.start();
    is(&gateway.get("/up/x").await, "miss", "answer 1");
    tokio::time::sleep(ms(5)).await;
    for (reply, reason, attempts) in
        [(Reply::status(500), "error", "2"), (Reply::close(), "error", "2"), (Reply::stall(), "timeout", "1")]
    {
        up.play(reply);
        let stale = gateway.get("/up/x").await;
        is(&stale, "stale", "answer 1");
        assert_eq!(stale.header("seawall-stale"), Some(format!("{}; reason={reason}", age(&stale)).as_str()));
        assert_eq!(decision(&stale, "attempts"), attempts, "{reason}");
        // Who wants a new one gets the truth.
        let anew = gateway.send(Request::get("/up/x").header("cache-control", "no-cache")).await;
        assert!(anew.status >= 500, "{}", anew.status);
        gateway.lever("/api/v1/breakers/up/reset").await;
    }
    for status in [404, 403, 408] {
        up.play(Reply::status(status));
        assert_eq!(gateway.get("/up/x").await.status, status, "the truth of today");
    }
    gateway.lever("/api/v1/breakers/up/reset").await;
    up.stop().await;
    let stale = gateway.get("/up/x").await;
    is(&stale, "stale", "answer 1");
}

#[tokio::test]
async fn a_revalidation_the_upstream_insists_on_is_not_skipped() {
    let up =
        Upstream::start(Reply::ok("x").header("cache-control", "max-age=0, must-revalidate")).await.unwrap();
    let gateway = rig(&up, keeps(MINUTE, MINUTE, MINUTE)).start();
    gateway.get("/up/x").await;
    up.play(Reply::status(500));
    assert_eq!(gateway.get("/up/x").await.status, 500);
    // Without that word an answer that has to be asked for each time is still better than an outage.
    up.play(Reply::ok("y").header("cache-control", "max-age=0"));
    is(&gateway.get("/up/y").await, "miss", "y");
    is(&gateway.get("/up/y").await, "miss", "y");
    up.play(Reply::status(500));
    is(&gateway.get("/up/y").await, "stale", "y");
}

#[tokio::test]
async fn an_old_answer_is_given_at_once_while_one_call_fetches_a_new_one() {
    let slow =
        Script::per_path(|_, n| if n == 1 { Reply::ok("old") } else { Reply::ok("new").after(ms(1500)) });
    let (up, gateway) = gateway(slow, keeps(ms(500), MINUTE, ms(0))).await;
    is(&gateway.get("/up/x").await, "miss", "old");
    tokio::time::sleep(ms(550)).await;
    for _ in 0..5 {
        let began = tokio::time::Instant::now();
        let stale = gateway.get("/up/x").await;
        is(&stale, "stale", "old");
        assert!(stale.header("seawall-stale").unwrap().ends_with("; reason=revalidating"));
        assert!(began.elapsed() < ms(1000), "nobody waits: {:?}", began.elapsed());
    }
    assert!(
        up.ledger()
            .wait_until(PATIENCE, |ledger| ledger.requests().len() == 2 && ledger.in_flight() == 0)
            .await
    );
    eventually("its call has ended", async || (gateway.gateway.in_flight() == 0).then_some(())).await;
    is(&gateway.get("/up/x").await, "hit", "new");
    assert_eq!(up.ledger().request_count(), 2, "one call fetched it");
    let calls = gateway.list("calls").await;
    assert!(
        calls.iter().any(|call| call["moments"].to_string().contains("fetched anew behind")),
        "it has a story"
    );
}

#[tokio::test]
async fn fifty_callers_who_ask_at_once_cost_one_request() {
    let (up, gateway) = gateway(Reply::ok("one").after(ms(1000)), keeps(MINUTE, ms(0), ms(0))).await;
    let answers = join_all((0..50).map(|_| gateway.get("/up/x"))).await;
    let mut results: Vec<String> = answers.iter().map(|answer| cached(answer).0).collect();
    results.sort();
    results.dedup();
    assert_eq!(results, ["joined", "miss"], "none came so late that it was a hit");
    assert!(answers.iter().all(|answer| answer.text() == "one" && answer.status == 200));
    assert_eq!(up.ledger().request_count(), 1);
    assert_eq!((counted(&gateway, "joined").await, counted(&gateway, "miss").await), (49.0, 1.0));
    let joined = answers.iter().find(|answer| cached(answer).0 == "joined").unwrap();
    assert_eq!((decision(joined, "attempts").as_str(), joined.header("age")), ("0", Some("0")));
    let story = gateway.ended_story(joined).await;
    assert!(story["moments"].to_string().contains("what another call had fetched meanwhile"), "{story}");
}

#[tokio::test]
async fn those_who_wait_for_what_cannot_be_kept_ask_for_themselves() {
    let private =
        Script::per_path(|_, n| Reply::ok(format!("{n}")).header("set-cookie", "a=1").after(ms(100)));
    let (up, gateway) = gateway(private, keeps(MINUTE, ms(0), ms(0))).await;
    let answers = join_all((0..10).map(|_| gateway.get("/up/x"))).await;
    let texts: std::collections::HashSet<String> = answers.iter().map(Answer::text).collect();
    assert_eq!((texts.len(), up.ledger().request_count()), (10, 10), "nobody gets somebody else's");
    assert!(answers.iter().all(|answer| cached(answer).0 == "miss"));
}

#[tokio::test]
async fn a_first_caller_that_goes_away_does_not_strand_the_others() {
    // Gone before the head, and gone in the middle of the body.
    let whole = || Reply::ok("whole answer");
    for first in [Reply::stall(), whole().stall_after_bytes(5)] {
        let script = Script::per_path(move |_, n| if n == 1 { first.clone() } else { whole() });
        let (up, gateway) = gateway(script, keeps(MINUTE, ms(0), ms(0))).await;
        let mut leader = Client::connect(gateway.gateway.listen()).await.unwrap();
        leader.send(&Request::get("/up/x")).await.unwrap();
        assert!(up.ledger().wait_for_requests(1, PATIENCE).await);
        let others = join_all((0..10).map(|_| gateway.get("/up/x")));
        let gone = async {
            tokio::time::sleep(ms(200)).await;
            leader.reset().await;
        };
        let (others, ()) = tokio::join!(others, gone);
        assert!(others.iter().all(|answer| answer.text() == "whole answer"));
        assert_eq!(up.ledger().request_count(), 2, "one of them went on for all");
    }
}

#[tokio::test]
async fn a_caller_that_does_not_read_holds_nobody_up_for_long() {
    let large = vec![b'z'; 12 << 20];
    let script =
        Script::per_path(move |_, n| if n == 1 { Reply::ok(large.clone()) } else { Reply::ok("small") });
    let up = Upstream::start(script).await.unwrap();
    let gateway = rig(&up, Cache { max_body: 16 << 20, ..keeps(MINUTE, ms(0), ms(0)) }).start();
    let mut leader = Client::connect(gateway.gateway.listen()).await.unwrap();
    leader.send(&Request::get("/up/x")).await.unwrap();
    assert!(up.ledger().wait_for_requests(1, PATIENCE).await);
    let answer = gateway.get("/up/x").await;
    is(&answer, "miss", "small");
    assert!(decision(&answer, "waited") != "0ms", "it did wait a while");
    is(&gateway.get("/up/x").await, "hit", "small");
}

#[tokio::test]
async fn who_waits_for_another_call_does_so_until_its_own_deadline() {
    let up = Upstream::start(Reply::stall()).await.unwrap();
    let mut rig = rig(&up, keeps(MINUTE, ms(0), ms(0)));
    rig.plan.routes[0].allow.deadline = true;
    let gateway = rig.start();
    let mut leader = Client::connect(gateway.gateway.listen()).await.unwrap();
    leader.send(&Request::get("/up/x")).await.unwrap();
    assert!(up.ledger().wait_for_requests(1, PATIENCE).await);
    let began = tokio::time::Instant::now();
    let late = gateway.send(Request::get("/up/x").header("seawall-deadline", "200ms")).await;
    assert_eq!((late.status, code(&late).as_str()), (504, "SW0008"));
    assert!(began.elapsed() >= ms(200) && began.elapsed() < PATIENCE / 2);
    assert_eq!(up.ledger().request_count(), 1);
    let problem: Value = late.json().unwrap();
    assert_eq!(problem["certainty"], "not-done", "this call has sent nothing");
}

#[tokio::test]
async fn an_answer_that_is_too_large_passes_and_is_not_kept() {
    let up = Upstream::start(Reply::ok("0123456789")).await.unwrap();
    let gateway = rig(&up, Cache { max_body: 9, ..keeps(MINUTE, ms(0), ms(0)) }).start();
    for reply in [Reply::ok("0123456789"), Reply::chunked(["01234", "56789"])] {
        up.play(reply);
        for _ in 0..2 {
            is(&gateway.get("/up/x").await, "miss", "0123456789");
        }
    }
    up.play(Reply::chunked(["0123", "45678"]));
    is(&gateway.get("/up/x").await, "miss", "012345678");
    is(&gateway.get("/up/x").await, "hit", "012345678");
}

#[tokio::test]
async fn a_stream_a_cut_and_an_answer_without_an_end_are_never_kept() {
    let head = Head::new(200).header("content-type", "text/plain");
    let endless = Reply::program([Action::Head(head), Action::Body("ok".into()), Action::Close]);
    let replies = [
        Reply::sse(&["one", "two"]).without_header("cache-control"),
        Reply::ok("a long answer").cut_after_bytes(5),
        Reply::chunked(["a", "b"]).trailers([("x-sum", "1")]),
        endless,
        Reply::http10(),
    ];
    let (up, gateway) = gateway(numbered(), keeps(MINUTE, ms(0), ms(0))).await;
    for (n, reply) in replies.into_iter().enumerate() {
        up.play(reply);
        let path = format!("/up/{n}");
        let first = gateway.get(&path).await;
        assert_eq!(first.status, 200, "{n}");
        assert_eq!(decision(&gateway.get(&path).await, "cache"), "miss", "{n}");
    }
}

#[tokio::test]
async fn an_event_stream_passes_while_it_is_made() {
    let two = Reply::sse(&["first", "second"]);
    let first = "data: first\n\n";
    let (_up, gateway) = gateway(two.stall_after_bytes(first.len()), keeps(MINUTE, ms(0), ms(0))).await;
    let mut stream = client::stream(&gateway.url("/up/x"), Request::get("")).await.unwrap();
    let piece = tokio::time::timeout(PATIENCE, stream.next()).await.expect("it is not held back").unwrap();
    assert_eq!(piece.bytes, first);
}

#[tokio::test]
async fn an_answer_that_comes_in_pieces_passes_in_pieces_while_it_is_copied() {
    let reply = Reply::chunked(["first ", "second"]).pause_after_chunks(1, ms(1500));
    let (_up, gateway) = gateway(reply, keeps(MINUTE, ms(0), ms(0))).await;
    let mut stream = client::stream(&gateway.url("/up/x"), Request::get("")).await.unwrap();
    let began = tokio::time::Instant::now();
    let piece = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().unwrap();
    assert_eq!(piece.bytes, "first ");
    assert!(began.elapsed() < ms(1200), "{:?}", began.elapsed());
    stream.collect().await;
    is(&gateway.get("/up/x").await, "hit", "first second");
}

#[tokio::test]
async fn an_answer_of_the_second_target_is_kept_and_named_as_its_own() {
    let first = Upstream::start(Reply::status(503).header("retry-after", "0")).await.unwrap();
    let second = Upstream::start(Reply::ok("second's")).await.unwrap();
    let mut rig = Rig::of([upstream("first", &first.url()), upstream("second", &second.url())]).route(
        "both",
        "/first/**",
        None,
    );
    rig.plan.routes[0].cache = Some(keeps(MINUTE, ms(0), ms(0)));
    let gateway = rig.start();
    for result in ["miss", "hit"] {
        let answer = gateway.get("/first/x").await;
        is(&answer, result, "second's");
        assert_eq!(decision(&answer, "upstream"), "second");
    }
    assert_eq!(second.ledger().request_count(), 1);
}

#[tokio::test]
async fn an_answer_that_changes_its_coding_is_kept_as_its_caller_reads_it() {
    let body = "the same again, ".repeat(1000);
    let opened = |answer: &Answer| {
        let bounds = Bounds { max_decoded: 1 << 20, max_ratio: u32::MAX };
        match answer.header("content-encoding") {
            Some("gzip") => decode(Algorithm::Gzip, bounds, &answer.body).unwrap(),
            _ => answer.body.to_vec(),
        }
    };
    let plain = || Reply::status(200).header("content-type", "application/json").body(body.clone());
    let coded = || {
        let coded = encode(Algorithm::Gzip, 6, body.as_bytes()).unwrap();
        plain().body(coded).header("content-encoding", "gzip")
    };
    for reply in [plain(), coded()] {
        let up = Upstream::start(reply).await.unwrap();
        let mut rig = rig(&up, keeps(MINUTE, ms(0), ms(0)));
        rig.plan.routes[0].calling.compress = compress::Options::default();
        let gateway = rig.start();
        for (accept, coding) in [("gzip", Some("gzip")), ("identity", None), ("gzip, deflate", Some("gzip"))]
        {
            let ask = || Request::get("/up/x").header("accept-encoding", accept);
            let (first, again) = (gateway.send(ask()).await, gateway.send(ask()).await);
            assert_eq!(
                (decision(&first, "cache").as_str(), decision(&again, "cache").as_str()),
                ("miss", "hit")
            );
            assert_eq!(again.header("content-encoding"), coding, "{accept}");
            assert_eq!((&first.body, opened(&again)), (&again.body, body.clone().into_bytes()), "{accept}");
            assert_eq!(first.header("vary"), again.header("vary"));
        }
        assert_eq!(up.ledger().request_count(), 3);
    }
}
