//! What is asked, and when: one schedule from one seed, played the same for each way.

use std::time::Duration;

use seawall_testkit::client::Request;
use serde::Serialize;
use serde_json::json;

use super::Play;

/// Kinds of calls, each with a provider of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// GETs of some JSON.
    Reads,
    /// Chat completions that are streamed.
    Chats,
    /// POSTs that must not be done twice.
    Orders,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Reads, Self::Chats, Self::Orders];

    /// Its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Chats => "streamed chats",
            Self::Orders => "orders",
        }
    }

    /// Its name for programs.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Chats => "chats",
            Self::Orders => "orders",
        }
    }

    /// Its upstream's name in the gateway.
    pub(super) fn upstream(self) -> &'static str {
        match self {
            Self::Reads => "data",
            Self::Chats => "openai",
            Self::Orders => "exchange",
        }
    }

    /// Calls a second, on average.
    pub(super) fn rate(self) -> u32 {
        match self {
            Self::Reads => 35,
            Self::Chats => 12,
            Self::Orders => 15,
        }
    }

    /// What its provider admits in a second: a third more than the average, as people plan it. Chance exceeds it now and
    /// then, and retries do.
    pub(super) fn limit(self) -> usize {
        match self {
            Self::Reads => 47,
            Self::Chats => 16,
            Self::Orders => 20,
        }
    }
}

/// One thing somebody wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operation {
    /// When, counted from the start.
    pub(super) at: Duration,
    /// What kind of call it takes.
    pub(super) kind: Kind,
    /// Which of its kind.
    pub(super) number: u32,
}

impl Operation {
    /// What the caller calls this intent.
    pub(super) fn key(&self) -> String {
        format!("order-{}", self.number)
    }

    /// The request that asks for it; a repeat is a new request with the same bytes and no idempotency key, as the
    /// common SDKs send it.
    pub(super) fn request(&self) -> Request {
        match self.kind {
            Kind::Reads => Request::get(format!("/data/{}", self.number)),
            Kind::Chats => Request::post("/v1/chat/completions").json(&json!({
                "model": "gpt-5-mini",
                "stream": true,
                "messages": [{ "role": "user", "content": format!("question {}", self.number) }],
            })),
            Kind::Orders => Request::post("/orders").json(&json!({
                "client_id": self.key(),
                "symbol": "BTCUSDT",
                "side": "buy",
                "quantity": "0.01",
            })),
        }
    }
}

/// Everything that is asked in this play, in order of time. Calls of a kind come independently of each other, as from
/// many users: the gaps between them are exponential.
pub(super) fn schedule(play: &Play) -> Vec<Operation> {
    let mut operations: Vec<Operation> =
        Kind::ALL.into_iter().flat_map(|kind| arrivals(kind, play)).collect();
    operations.sort_by_key(|operation| operation.at);
    operations
}

fn arrivals(kind: Kind, play: &Play) -> impl Iterator<Item = Operation> {
    let mut random = fastrand::Rng::with_seed(play.seed ^ (kind as u64 + 1) << 56);
    let mut at = Duration::ZERO;
    let times = std::iter::repeat_with(move || {
        at += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / f64::from(kind.rate()));
        at
    });
    let length = play.length;
    (1..)
        .zip(times)
        .map(move |(number, at)| Operation { at, kind, number })
        .take_while(move |next| next.at < length)
}
