use std::time::Duration;

use seawall_core::secret::Secret;
use seawall_testkit::{Reply, Upstream, closed_port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::alerts::channel::http::{Client, Patience};
use crate::alerts::channel::webhook::Webhook;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn webhook(url: &str, ca: Option<&[u8]>) -> Webhook {
    let mut client = Client::new(format!("{url}/hook?token=canary").parse().unwrap(), ca).unwrap();
    let short = Duration::from_millis(150);
    client.patience = Patience { connect: Duration::from_secs(5), answer: short };
    Webhook { client, key: Some(Key::parse(&Secret::new(SECRET.to_owned())).unwrap()) }
}

#[test]
fn the_published_example_of_the_standard_is_signed_as_published() {
    let key = Key::parse(&Secret::new(SECRET.to_owned())).unwrap();
    let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    for wrong in ["hunter2-canary", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!"] {
        let error = Key::parse(&Secret::new(wrong.to_owned())).unwrap_err().to_string();
        assert!(error.contains("write whsec_ and base64") && !error.contains("canary"), "{error}");
    }
    assert_eq!(format!("{key:?}"), "Key([secret])");
}

#[tokio::test]
async fn a_webhook_is_posted_as_published_and_its_signature_holds() {
    let up = Upstream::start(Reply::status(204)).await.unwrap();
    let hook = webhook(&up.url(), None);
    assert_eq!(hook.deliver(&one()).await, Ok("204".to_owned()));
    let requests = up.ledger().requests();
    let request = &requests[0];
    let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/hook?token=canary"));
    assert_eq!(
        (header("webhook-id").as_str(), header("content-type").as_str()),
        ("0190-a", "application/json")
    );
    let second: u64 = header("webhook-timestamp").parse().unwrap();
    let key = Key::parse(&Secret::new(SECRET.to_owned())).unwrap();
    assert_eq!(header("webhook-signature"), key.sign("0190-a", second, &request.body));
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "type": "alert.active",
            "timestamp": "2027-01-15T08:00:01.25Z",
            "data": {
                "rule": "exchange_down",
                "id": "exchange_down:exchange",
                "state": "active",
                "severity": "critical",
                "since": "2027-01-15T08:00:00Z",
                "value": 1.0,
                "summary": "the exchange is down",
                "why": "breaker_open{upstream='exchange'} > 0 holds (1)",
                "labels": { "upstream": "exchange" },
                "group": "exchange_down",
            },
        })
    );
}

#[tokio::test]
async fn several_alerts_are_several_posts_with_ids_of_their_own() {
    let up = Upstream::start(Reply::status(200)).await.unwrap();
    let both = notice(vec![item(Kind::Active, "a"), item(Kind::Resolved, "b")]);
    webhook(&up.url(), None).deliver(&both).await.unwrap();
    let requests = up.ledger().requests();
    let ids: Vec<_> =
        requests.iter().map(|request| request.header("webhook-id").unwrap().to_owned()).collect();
    assert_eq!(ids, ["0190-a-0", "0190-a-1"]);
    let second: serde_json::Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!((&second["type"], &second["data"]["state"]), (&"alert.resolved".into(), &"resolved".into()));
}

#[tokio::test]
async fn receivers_that_redirect_refuse_stall_or_break_are_named_and_the_url_is_not() {
    let elsewhere = Upstream::start(Reply::status(200)).await.unwrap();
    let moved = Reply::status(307).header("location", elsewhere.url());
    let busy = Reply::status(429).header("retry-after", "7");
    for (reply, said, refused, after) in [
        (moved, "it answered 307 Temporary Redirect, and redirects are not followed", false, None),
        (busy, "it answered 429 Too Many Requests", false, Some(7)),
        (Reply::status(400), "it answered 400 Bad Request", true, None),
        (Reply::stall(), "no answer in time", false, None),
        (Reply::garbage(), "the connection broke", false, None),
        (Reply::reset(), "the connection broke", false, None),
    ] {
        let up = Upstream::start(reply).await.unwrap();
        let failure = webhook(&up.url(), None).deliver(&one()).await.unwrap_err();
        assert!(failure.why.starts_with(said) && !failure.why.contains("canary"), "{failure:?}");
        assert_eq!(
            (failure.refused, failure.after.map(|after| after.as_secs())),
            (refused, after),
            "{failure:?}"
        );
    }
    assert_eq!(elsewhere.ledger().request_count(), 0);
    let nobody = format!("http://{}", closed_port().await.unwrap());
    let failure = webhook(&nobody, None).deliver(&one()).await.unwrap_err();
    assert_eq!(failure, Failure::later("cannot connect: connection refused"));
}

#[tokio::test]
async fn over_tls_only_authorities_that_are_trusted_are_told_anything() {
    let pair = certificate();
    let acceptor = acceptor(&pair);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let mut heard = Vec::new();
        for _ in 0..2 {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(tcp).await else { continue };
            let mut buffer = vec![0; 64 << 10];
            let mut held = 0;
            while !buffer[..held].ends_with(b"}}") {
                held += stream.read(&mut buffer[held..]).await.unwrap();
            }
            heard.push(String::from_utf8_lossy(&buffer[..held]).into_owned());
            stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            let _ = stream.shutdown().await;
        }
        heard
    });
    let stranger = webhook(&url, None).deliver(&one()).await.unwrap_err();
    assert!(stranger.why.starts_with("TLS failed: "), "{stranger:?}");
    let known = webhook(&url, Some(pair.0.as_bytes())).deliver(&one()).await;
    assert_eq!(known, Ok("202".to_owned()));
    let heard = serving.await.unwrap();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].contains("alert.active"));
}
