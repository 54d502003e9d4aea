//! Ways to look at an answer, and at what the gateway says of itself.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use seawall_core::clock::wall_now;
use seawall_testkit::client::{self, Answer, Request};
use serde_json::Value;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use crate::{Running, ms};

/// How long something that must come true may take: far longer than it does.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of the gateway's own refusals.
pub fn problem(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("a problem is JSON")
}

/// The code of one of the gateway's own refusals.
pub fn code(answer: &Answer) -> String {
    problem(answer)["code"].as_str().expect("a problem has a code").to_owned()
}

/// A moment so far from now, as HTTP writes it.
pub fn http_date(ahead: Duration) -> String {
    httpdate::fmt_http_date(wall_now() + ahead)
}

/// An address where connecting is refused for as long as this lives. A port that was merely free a moment ago may be the
/// next one that somebody gets.
#[derive(Debug)]
pub struct Nowhere(TcpSocket);

impl Nowhere {
    /// Takes a port and does not listen there.
    pub fn new() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self(socket))
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("a bound socket has an address"))
    }
}

/// Looks again and again until there is something to see.
pub async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < until, "never came true: {what}");
        tokio::time::sleep(ms(2)).await;
    }
}

impl Running {
    /// Sends a request to the admin port.
    pub async fn admin_send(&self, request: Request) -> Answer {
        let url = format!("http://{}", self.gateway.admin());
        client::request(&url, request).await.expect("the admin port answers")
    }

    /// The list of that name below `/api/v1/`.
    pub async fn list(&self, name: &str) -> Vec<Value> {
        let answer = self.admin(&format!("/api/v1/{name}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut body: Value = serde_json::from_slice(&answer.body).expect("a list is JSON");
        match body[name].take() {
            Value::Array(items) => items,
            other => panic!("{name} is not a list under its own name: {other}"),
        }
    }

    /// The item of that name in a list.
    pub async fn item(&self, list: &str, name: &str) -> Value {
        let items = self.list(list).await;
        let found = items.into_iter().find(|item| item["name"] == name);
        found.unwrap_or_else(|| panic!("{list} has no {name}"))
    }

    /// The story of a call whose body has ended, or that never had one.
    pub async fn ended_story(&self, answer: &Answer) -> Value {
        eventually("the call's story ends", async || {
            let story = self.story(answer).await;
            (story["state"] != "running").then_some(story)
        })
        .await
    }
}
