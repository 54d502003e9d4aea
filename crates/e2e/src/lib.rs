//! The gateway through its real sockets, against an upstream that misbehaves to order.
//!
//! This crate stands outside the house: it may see every room, and nobody may see it. `tests/` holds one file for each
//! promise.

pub mod binary;
pub mod browser;
pub mod certified;
pub mod http2;
mod look;
mod raw;
pub mod redis;

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use seawall::pipeline::Shadow;
use seawall::{Effects, breaker, compress, limiter, retry, timeout};
use seawall_core::provider::{Http, Provider};
use seawall_core::store::Store;
use seawall_core::units::Rate;
use seawall_gateway::plan::{self, Allow, Calling, Journal, Limit, Once, Plan, Route, Upstream};
use seawall_gateway::{Gateway, start};
use seawall_policy::anomaly;
use seawall_policy::limiter::Quota;
use seawall_store::Memory;
use seawall_testkit::client::{self, Answer, Request};
use serde_json::Value;

pub use look::{Nowhere, code, eventually, http_date, problem};
pub use raw::refused;

/// A plan in the making: one upstream called `up`, quick retries, nothing limited.
#[derive(Debug)]
pub struct Rig {
    /// Change what the test is about.
    pub plan: Plan,
}

/// Retries that do not keep a test waiting.
pub fn quick() -> retry::Options {
    retry::Options { base: ms(10), cap: ms(40), ..retry::Options::default() }
}

/// Milliseconds.
pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// An upstream at `url`.
pub fn upstream(name: &str, url: &str) -> Upstream {
    let http: Arc<dyn Provider> = Arc::new(Http);
    Upstream {
        name: name.into(),
        url: url.parse::<Uri>().expect("a test's own url"),
        provider: http.clone(),
        dialect: http,
        auth: None,
        keys: None,
        limits: Vec::new(),
        queue: limiter::Queue::default(),
        learn: false,
        breaker: breaker::Options::default(),
        share: plan::Share::default(),
        defaults: calling(),
        ca: None,
        shadow: Shadow::NONE,
        http2_prior_knowledge: false,
        proxy: None,
    }
}

/// A journal in this memory.
pub fn remembered_by(store: Arc<dyn Store>) -> Journal {
    Journal { store, namespace: "seawall".into(), found: Vec::new() }
}

/// How a test calls unless it says otherwise.
pub fn calling() -> Calling {
    Calling {
        deadline: Duration::from_secs(10),
        attempt: timeout::Options::default(),
        retry: quick(),
        compress: compress::Options::off(),
    }
}

/// So many in so much time.
pub fn requests(count: u32, per: Duration) -> Limit {
    let count = count.try_into().expect("a test's own number");
    Limit::Requests { quota: Quota { rate: Rate { count, per }, burst: None }, per: None }
}

impl Rig {
    /// One upstream called `up`.
    pub fn new(url: &str) -> Self {
        Self::of([upstream("up", url)])
    }

    /// These upstreams.
    pub fn of(upstreams: impl Into<Vec<Upstream>>) -> Self {
        Self {
            plan: Plan {
                listen: ([127, 0, 0, 1], 0).into(),
                admin: ([127, 0, 0, 1], 0).into(),
                hosts: Vec::new(),
                callers: None,
                anomaly: anomaly::Options::default(),
                tls: None,
                admin_tls: None,
                operators: plan::operators::Operators::default(),
                state: None,
                workers: 2,
                drain: Duration::from_secs(5),
                replay: 1 << 20,
                generation: 1,
                upstreams: upstreams.into(),
                routes: Vec::new(),
                journal: remembered_by(Arc::new(Memory::new())),
                alerts: plan::Alerts::default(),
                fleet: None,
                health: Vec::new(),
                logs: None,
                otlp: None,
            },
        }
    }

    /// The first upstream, to change.
    pub fn up(&mut self) -> &mut Upstream {
        &mut self.plan.upstreams[0]
    }

    /// A route over all upstreams, in order.
    pub fn route(mut self, name: &str, path: &str, effects: Option<Effects>) -> Self {
        self.plan.routes.push(Route {
            name: name.into(),
            method: None,
            path: path.parse().expect("a test's own pattern"),
            to: (0..self.plan.upstreams.len()).collect(),
            effects,
            calling: calling(),
            terminal: None,
            allow: Allow::default(),
            cache: None,
            inspect: None,
            hedge: None,
            once: Once::default(),
        });
        self
    }

    /// Starts it.
    pub fn start(self) -> Running {
        Running { gateway: start(self.plan).expect("the gateway starts") }
    }
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Running {
    /// The gateway.
    pub gateway: Gateway,
}

impl Running {
    /// Where a path is at the data port.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.listen())
    }

    /// Sends a request to the data port.
    pub async fn send(&self, request: Request) -> Answer {
        client::request(&self.url(""), request).await.expect("the gateway answers")
    }

    /// Gets a path from the data port.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    /// Posts JSON to the data port.
    pub async fn post(&self, path: &str, json: &Value) -> Answer {
        self.send(Request::new("POST", path).json(json)).await
    }

    /// Gets a path from the admin port.
    pub async fn admin(&self, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.gateway.admin());
        client::get(&url).await.expect("the admin port answers")
    }

    /// The story of the call that gave this answer.
    pub async fn story(&self, answer: &Answer) -> Value {
        let id = answer.header("seawall-call").expect("every answer names its call").to_owned();
        let story = self.admin(&format!("/api/v1/calls/{id}")).await;
        assert_eq!(story.status, 200, "{}", story.text());
        serde_json::from_slice(&story.body).expect("a story is JSON")
    }

    /// Pulls a lever.
    pub async fn lever(&self, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.gateway.admin());
        let body = serde_json::json!({ "by": "ann", "reason": "a test" });
        client::post_json(&url, body).await.expect("the admin port answers")
    }

    /// One metric's value, by its whole name with labels.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.admin("/metrics").await.text();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

/// One part of an answer's `seawall-decision`.
pub fn decision(answer: &Answer, key: &str) -> String {
    let line = answer.header("seawall-decision").expect("every answer says what was decided");
    let part = line.split("; ").find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    part.unwrap_or_else(|| panic!("{key} is not in {line}")).to_owned()
}
