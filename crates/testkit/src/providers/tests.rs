use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::Upstream;
use crate::client::{self, Ended};

const ALL: Faults = Faults {
    refuse_rate: 0.1,
    error_rate: 0.2,
    lost_reply_rate: 0.1,
    cut_rate: 0.2,
    slow_rate: 0.25,
    slow_for: Duration::from_millis(1),
    rate_limit: None,
    outage: None,
};

fn chat(stream: bool) -> client::Request {
    let messages = json!([{ "role": "user", "content": "hello there" }]);
    let options = json!({ "include_usage": stream });
    let body =
        json!({ "model": "gpt-5-mini", "messages": messages, "stream": stream, "stream_options": options });
    client::Request::post("/v1/chat/completions").json(&body)
}

fn order(key: &str) -> client::Request {
    client::Request::post("/orders").json(&json!({ "client_id": key, "side": "buy" }))
}

#[test]
fn a_draw_depends_on_seed_and_number_alone_and_keeps_its_rates() {
    let draws = |faults: &Faults, seed| (1..=10_000).map(|n| faults.draw(seed, n)).collect::<Vec<_>>();
    assert_eq!(draws(&ALL, 7), draws(&ALL, 7));
    assert_ne!(draws(&ALL, 7), draws(&ALL, 8));
    let share = |wanted: &dyn Fn(&Draw) -> bool| {
        draws(&ALL, 7).iter().filter(|draw| wanted(draw)).count() as f64 / 1e4
    };
    let near = |share: f64, rate: f64| (share - rate).abs() < 0.015;
    assert!(near(share(&|draw| draw.fault == Some(Fault::Refuse)), 0.1));
    assert!(near(share(&|draw| matches!(draw.fault, Some(Fault::Error(_)))), 0.2));
    assert!(near(share(&|draw| draw.fault == Some(Fault::LostReply)), 0.1));
    assert!(near(share(&|draw| matches!(draw.fault, Some(Fault::Cut { .. }))), 0.2));
    assert!(near(share(&|draw| draw.fault == Some(Fault::Cut { quiet: true })), 0.1));
    assert!(near(share(&|draw| draw.slow), 0.25));
    assert!(near(share(&|draw| draw.slow && draw.fault == Some(Fault::Refuse)), 0.025));
    assert!(draws(&Faults::default(), 7).iter().all(|draw| *draw == Draw { fault: None, slow: false }));
    let always = Faults { error_rate: 1.0, ..Faults::default() };
    assert!(draws(&always, 7).iter().all(|draw| draw.fault.is_some()));
}

#[test]
fn changing_one_rate_leaves_the_other_draws_alone() {
    let slower = Faults { slow_rate: 0.9, ..ALL };
    assert!((1..=1000).all(|n| ALL.draw(3, n).fault == slower.draw(3, n).fault));
}

#[tokio::test]
async fn a_chat_is_whole_streamed_or_refused_with_a_reason() {
    let upstream = Upstream::start(chat_server(Faults::default(), 1)).await.unwrap();
    let whole = client::request(&upstream.url(), chat(false)).await.unwrap().json().unwrap();
    assert_eq!(whole["object"], "chat.completion");
    let said = whole["choices"][0]["message"]["content"].as_str().unwrap().split(' ').count();
    assert_eq!(whole["usage"]["completion_tokens"], said);
    assert_eq!(whole["usage"]["total_tokens"], said + 6);
    assert!(whole["id"].as_str().unwrap().starts_with("chatcmpl-"));

    let streamed = client::request(&upstream.url(), chat(true)).await.unwrap();
    let mut events = streamed.events();
    assert_eq!((streamed.ended, events.pop().as_deref()), (Ended::Complete, Some("[DONE]")));
    let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let text: String =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(events.last().unwrap()["usage"]["completion_tokens"], text.split(' ').count());
    assert!(events.iter().all(|event| event["id"] == events[0]["id"]));

    let models = client::get(&format!("{}/v1/models", upstream.url())).await.unwrap().json().unwrap();
    assert_eq!(models["data"][0]["id"], "gpt-5-mini");
    let url = format!("{}/v1/chat/completions", upstream.url());
    for wrong in [json!({}), json!({ "model": "m" }), json!({ "model": "m", "messages": [] }), json!(3)] {
        assert_eq!(client::post_json(&url, wrong).await.unwrap().status, 400);
    }
    assert_eq!(client::get(&format!("{}/v1/models/x", upstream.url())).await.unwrap().status, 404);
    assert_eq!(upstream.ledger().executed("chat").len(), 2);
}

#[tokio::test]
async fn every_order_is_executed_and_can_be_asked_for() {
    let upstream = Upstream::start(order_server(Faults::default(), 1)).await.unwrap();
    let placed = client::request(&upstream.url(), order("a")).await.unwrap();
    assert_eq!((placed.status, &placed.json().unwrap()["client_id"]), (201, &json!("a")));
    client::request(&upstream.url(), order("a")).await.unwrap();
    client::request(&upstream.url(), order("ignored").header("Idempotency-Key", "b")).await.unwrap();
    let look = |key: &str| {
        let url = format!("{}/orders/{key}", upstream.url());
        async move { client::get(&url).await.unwrap() }
    };
    assert_eq!(look("a").await.json().unwrap()["fills"], 2);
    assert_eq!(look("b").await.json().unwrap()["fills"], 1);
    assert_eq!(look("c").await.status, 404);
    assert_eq!(
        client::request(&upstream.url(), client::Request::post("/orders").body("?")).await.unwrap().status,
        400
    );
    assert_eq!((upstream.ledger().executed("order").len(), upstream.ledger().duplicates("order")), (3, 1));
}

#[tokio::test]
async fn data_depends_on_the_path_alone() {
    let (one, two) = (data_server(Faults::default(), 1), data_server(Faults::default(), 2));
    let (one, two) = (Upstream::start(one).await.unwrap(), Upstream::start(two).await.unwrap());
    let read = |url: String| async move { client::get(&url).await.unwrap().text() };
    let carbon = read(format!("{}/data/carbon?x=1", one.url())).await;
    assert_eq!(carbon, read(format!("{}/data/carbon", two.url())).await);
    assert_ne!(carbon, read(format!("{}/data/price", two.url())).await);
    assert!(carbon.ends_with(r#""complete":true}"#) && carbon.len() > 1024);
    assert_eq!(client::get(&one.url()).await.unwrap().status, 404);
}

#[tokio::test]
async fn each_fault_does_what_it_says() {
    let upstream =
        Upstream::start(order_server(Faults { lost_reply_rate: 1.0, ..Faults::default() }, 1)).await.unwrap();
    let ledger = upstream.ledger();
    let fails = async || client::request(&upstream.url(), order("a")).await.unwrap_err().kind();
    assert_eq!(fails().await, std::io::ErrorKind::UnexpectedEof);
    assert_eq!(ledger.times("order", "a"), 1);

    upstream.play(order_server(Faults { refuse_rate: 1.0, ..Faults::default() }, 1));
    assert_eq!(fails().await, std::io::ErrorKind::UnexpectedEof);
    assert_eq!(ledger.times("order", "a"), 1);
    assert!(!ledger.requests()[1].body_complete);

    upstream.play(order_server(Faults { error_rate: 1.0, ..Faults::default() }, 1));
    assert!(client::request(&upstream.url(), order("a")).await.unwrap().status >= 500);
    assert_eq!(ledger.times("order", "a"), 1);

    upstream.play(order_server(Faults { cut_rate: 1.0, ..Faults::default() }, 1));
    let cut = client::request(&upstream.url(), order("a")).await.unwrap();
    assert_eq!((cut.status, cut.ended, ledger.times("order", "a")), (201, Ended::CutShort, 2));

    let slow_for = Duration::from_millis(70);
    upstream.play(order_server(Faults { slow_rate: 1.0, slow_for, ..Faults::default() }, 1));
    let slow = client::request(&upstream.url(), order("a")).await.unwrap();
    assert!(slow.took >= slow_for && slow.status == 201);
    assert_eq!((ledger.duplicates("order"), ledger.aborted()), (2, 0));
}

#[tokio::test]
async fn a_cut_stream_breaks_or_ends_without_its_terminal_event() {
    let upstream =
        Upstream::start(chat_server(Faults { cut_rate: 1.0, ..Faults::default() }, 1)).await.unwrap();
    let mut ends = Vec::new();
    for _ in 0..12 {
        let cut = client::request(&upstream.url(), chat(true)).await.unwrap();
        assert!(!cut.events().is_empty() && !cut.events().contains(&"[DONE]".to_owned()));
        ends.push(cut.ended);
    }
    assert!(ends.contains(&Ended::Complete) && ends.contains(&Ended::CutShort), "{ends:?}");
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait_and_means_it() {
    let faults = Faults { rate_limit: Some((2, Duration::from_millis(1200))), ..Faults::default() };
    let upstream = Upstream::start(data_server(faults, 1)).await.unwrap();
    let read = async || client::get(&format!("{}/data/x", upstream.url())).await.unwrap();
    assert_eq!((read().await.status, read().await.status), (200, 200));
    let refused = read().await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after-ms").unwrap().parse().unwrap();
    assert!((1..=1200).contains(&wait), "{wait}");
    assert_eq!(refused.header("retry-after"), Some(wait.div_ceil(1000).to_string().as_str()));
    tokio::time::sleep(Duration::from_millis(wait)).await;
    assert_eq!(read().await.status, 200);
}

#[test]
fn a_window_never_admits_more_than_its_count() {
    let window = Window::new(3, Duration::from_millis(100));
    let mut random = fastrand::Rng::with_seed(1);
    let (mut now, mut admitted) = (Duration::ZERO, Vec::new());
    for _ in 0..2000 {
        now += Duration::from_millis(random.u64(0..40));
        match window.admit(now) {
            Ok(()) => admitted.push(now),
            Err(wait) => {
                now += wait;
                assert_eq!(window.admit(now), Ok(()), "the wait was too short");
                admitted.push(now);
            }
        }
    }
    assert_eq!(crate::max_in_window(&admitted, Duration::from_millis(100)), 3);
    assert!(Window::new(0, Duration::from_secs(1)).admit(now).is_err());
}

#[tokio::test]
async fn an_outage_covers_its_span() {
    let outage = Outage { from: Duration::ZERO, to: Duration::from_millis(150) };
    let upstream =
        Upstream::start(data_server(Faults { outage: Some(outage), ..Faults::default() }, 1)).await.unwrap();
    let url = format!("{}/data/x", upstream.url());
    assert_eq!(client::get(&url).await.unwrap().status, 503);
    tokio::time::sleep(Duration::from_millis(160)).await;
    assert_eq!(client::get(&url).await.unwrap().status, 200);
}
