//! What goes wrong in the demo, and how often: the same for each way, and said beside the table.

use std::time::Duration;

use seawall_testkit::Script;
use seawall_testkit::providers::{Faults, Outage, chat_server, data_server, order_server};
use serde::Serialize;

use super::Play;
use super::traffic::Kind;

/// Closed as soon as the request's head was read: nothing was done.
const REFUSED: f64 = 0.03;
/// 500, 502, 503 or 504: nothing was done.
const ERRORS: f64 = 0.03;
/// Answered late.
const SLOW: f64 = 0.04;
/// By so much.
const SLOW_FOR: Duration = Duration::from_millis(300);
/// Orders that are filled, and then the connection is closed without a word.
const LOST: f64 = 0.03;
/// Streams that break off half-way, every second one by an end that looks clean.
const CUT: f64 = 0.06;

/// What one provider does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Weather {
    /// Share of requests whose connection is closed unread.
    refused: f64,
    /// Share of requests answered 500, 502, 503 or 504.
    errors: f64,
    /// Share of requests answered late.
    slow: f64,
    /// How late, in milliseconds.
    slow_ms: u64,
    /// Requests admitted in any second; the others get 429 and are told when to come back.
    limit_per_second: usize,
    /// Share of requests that are executed and not answered.
    lost_replies: f64,
    /// Share of streams that break off half-way.
    cut: f64,
    /// When everything is 503, in milliseconds from the start.
    outage_ms: Option<(u64, u64)>,
}

impl Weather {
    /// The weather at the provider of this kind of call.
    pub(super) fn over(kind: Kind, play: &Play) -> Self {
        let (from, to) = play.outage();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            refused: REFUSED,
            errors: ERRORS,
            slow: SLOW,
            slow_ms: millis(SLOW_FOR),
            limit_per_second: kind.limit(),
            lost_replies: if kind == Kind::Orders { LOST } else { 0.0 },
            cut: if kind == Kind::Chats { CUT } else { 0.0 },
            outage_ms: (kind == Kind::Reads).then(|| (millis(from), millis(to))),
        }
    }

    /// The provider that behaves like this.
    pub(super) fn provider(&self, kind: Kind, play: &Play) -> Script {
        let faults = Faults {
            refuse_rate: self.refused,
            error_rate: self.errors,
            lost_reply_rate: self.lost_replies,
            cut_rate: self.cut,
            slow_rate: self.slow,
            slow_for: Duration::from_millis(self.slow_ms),
            rate_limit: Some((self.limit_per_second, Duration::from_secs(1))),
            outage: self.outage_ms.map(|(from, to)| Outage {
                from: Duration::from_millis(from),
                to: Duration::from_millis(to),
            }),
        };
        // A seed for each, or the providers would fail in step.
        let seed = play.seed.wrapping_mul(3).wrapping_add(kind as u64);
        match kind {
            Kind::Reads => data_server(faults, seed),
            Kind::Chats => chat_server(faults, seed),
            Kind::Orders => order_server(faults, seed),
        }
    }
}

/// What goes wrong, in words for below the table.
pub(super) fn told(play: &Play) -> String {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let limits = Kind::ALL.map(|kind| format!("{} {}", kind.limit(), kind.name())).join(", ");
    let (from, to) = play.outage();
    format!(
        "{} of connections closed unread, {} answered 5xx, {} late by {} ms, 429 with Retry-After beyond {limits} a \
         second, {} of orders filled and the reply lost, {} of streams cut (half of them by an end that looks clean), \
         reads down (503) from second {:.1} to {:.1}",
        percent(REFUSED),
        percent(ERRORS),
        percent(SLOW),
        SLOW_FOR.as_millis(),
        percent(LOST),
        percent(CUT),
        from.as_secs_f64(),
        to.as_secs_f64(),
    )
}
