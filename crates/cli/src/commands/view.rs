//! `seawall status`, `upstreams`, `health`, `breakers`, `limits`: a running seawall, seen and steered from a terminal.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use seawall_signals::view::{self, BreakerState, Traffic};
use serde::de::DeserializeOwned;

use super::Running;
use crate::client::typed;
use crate::output::{Failure, Paint, data, json, note, painted, plain, table};

/// How a running seawall is doing.
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    running: Running,
}

/// Who it calls, and how that goes.
#[derive(Debug, Args)]
pub(super) struct Upstreams {
    #[command(flatten)]
    running: Running,
}

/// How everything it depends on stands, and what will fail.
#[derive(Debug, Args)]
pub(super) struct Health {
    #[command(flatten)]
    running: Running,
}

/// Its circuit breakers, and levers to move them.
#[derive(Debug, Args)]
pub(super) struct Breakers {
    #[command(subcommand)]
    lever: Option<Lever>,
    #[command(flatten)]
    running: Running,
}

/// Its limits, and what is left of them.
#[derive(Debug, Args)]
pub(super) struct Limits {
    #[command(flatten)]
    running: Running,
}

#[derive(Debug, Subcommand)]
enum Lever {
    /// Refuse every call until somebody says otherwise
    ForceOpen(Signed),
    /// Let every call through until somebody says otherwise
    ForceClosed(Signed),
    /// Let a probe through now
    HalfOpen(Signed),
    /// Close it, and forget what it has counted
    Reset(Signed),
}

/// Who pulls a lever, and why: both are written down.
#[derive(Debug, Args)]
struct Signed {
    /// The breaker's name
    name: String,
    /// Who you are
    #[arg(long, value_name = "WHO")]
    by: String,
    /// Why
    #[arg(long, value_name = "WHY")]
    reason: String,
}

impl Status {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        show(&self.running, "status", |status: &view::Status| {
            let draining = if status.draining { ", draining" } else { "" };
            let mut text = format!(
                "{}{draining}  seawall {}, up {}, generation {}\n",
                standing(status.status.as_str()),
                plain(&status.version),
                seconds(status.uptime_seconds),
                status.generation
            );
            status.reasons.iter().for_each(|reason| text.push_str(&format!("  {}\n", plain(reason))));
            match status.effects_in_doubt {
                0 => {}
                count => {
                    let count = painted(&count.to_string(), Paint::Odd);
                    text.push_str(&format!("{count} effects in doubt: see seawall effects\n"));
                }
            }
            text.push_str(&format!("{} calls in all, {}\n", status.calls.total, lately(&status.calls)));
            text
        })
    }
}

impl Upstreams {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        show(&self.running, "upstreams", |view: &view::Upstreams| {
            let rows: Vec<Vec<String>> = view
                .upstreams
                .iter()
                .map(|upstream| {
                    vec![
                        plain(&upstream.name),
                        state(&upstream.state),
                        upstream.breaker.map_or("-", BreakerState::as_str).to_owned(),
                        upstream.waiting.to_string(),
                        upstream.calls.in_flight.to_string(),
                        upstream.calls.total.to_string(),
                        lately(&upstream.calls),
                        plain(&upstream.url),
                    ]
                })
                .collect();
            let head = ["name", "state", "breaker", "waiting", "in flight", "calls", "last minute", "url"];
            let mut text = table(&head, &rows, "no upstreams");
            let keys: Vec<Vec<String>> = (view.upstreams.iter())
                .flat_map(|upstream| upstream.keys.iter().map(|of| key(&upstream.name, of)))
                .collect();
            if !keys.is_empty() {
                text.push('\n');
                text.push_str(&table(&["upstream", "key", "state", "weight", "calls", "rests"], &keys, ""));
            }
            text
        })
    }
}

impl Health {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        show(&self.running, "health", |view: &view::Checks| {
            let rows: Vec<Vec<String>> = view.health.iter().map(check).collect();
            let head = ["name", "state", "since", "looks", "typical", "last", "found"];
            table(&head, &rows, "nothing is looked at")
        })
    }
}

impl Breakers {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(lever) = self.lever {
            return lever.pull(&self.running);
        }
        show(&self.running, "breakers", |view: &view::Breakers| {
            let rows: Vec<Vec<String>> = view.breakers.iter().map(breaker).collect();
            table(&["name", "state", "since", "failing", "in a row", "then"], &rows, "no breakers")
        })
    }
}

impl Limits {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        show(&self.running, "limits", |view: &view::Limits| {
            let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
            let rows: Vec<Vec<String>> = view
                .limits
                .iter()
                .map(|limit| {
                    let paused = limit.paused_ms.map(|wait| format!(" {wait}ms")).unwrap_or_default();
                    vec![
                        plain(&limit.name),
                        format!("{}{paused}", state(&limit.state)),
                        plain(&limit.rate),
                        number(limit.remaining),
                        limit.waiting.to_string(),
                        number(limit.keys),
                    ]
                })
                .collect();
            table(&["name", "state", "limit", "left", "waiting", "keys"], &rows, "no limits")
        })
    }
}

impl Lever {
    fn pull(self, running: &Running) -> Result<ExitCode, Failure> {
        let (action, Signed { name, by, reason }) = match self {
            Lever::ForceOpen(signed) => ("force-open", signed),
            Lever::ForceClosed(signed) => ("force-closed", signed),
            Lever::HalfOpen(signed) => ("half-open", signed),
            Lever::Reset(signed) => ("reset", signed),
        };
        // A name goes into a path: nothing in it may lead elsewhere.
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        if name.is_empty() || !name.chars().all(fits) || name.chars().all(|c| c == '.') {
            return Err(Failure::bad_input(format_args!(
                "{name:?} is no breaker's name: see `seawall breakers`"
            )));
        }
        let body = serde_json::json!({ "by": by, "reason": reason });
        let answer = running.port()?.post(&format!("/api/v1/breakers/{name}/{action}"), &body)?;
        if running.json {
            json(&answer)?;
        } else {
            note(format_args!("seawall: {name}: {action} by {by}: {reason}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks for one view and writes it, as it came or as people read it.
fn show<T: DeserializeOwned>(
    running: &Running,
    name: &str,
    draw: impl Fn(&T) -> String,
) -> Result<ExitCode, Failure> {
    let value = running.port()?.get(&format!("/api/v1/{name}"))?;
    match running.json {
        true => json(&value)?,
        false => data(&draw(&typed(value)?))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// One of several keys of an upstream.
fn key(upstream: &str, key: &view::UpstreamKey) -> Vec<String> {
    let why = key.why.as_deref().map(plain).unwrap_or_default();
    let rests = key.rests_ms.map(|left| format!("{why}, another {}", seconds(left.div_ceil(1000))));
    vec![
        plain(upstream),
        plain(&key.name),
        state(&key.state),
        key.weight.to_string(),
        key.calls.to_string(),
        rests.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn check(check: &view::Check) -> Vec<String> {
    let mut found = check.why.as_deref().map_or("-".to_owned(), plain);
    for foretold in &check.foretold {
        let left = painted(&seconds(foretold.fails_in_seconds as u64), Paint::Odd);
        found.push_str(&format!("; {} fails in {left}", plain(&foretold.what)));
    }
    let critical = if check.critical { "!" } else { "" };
    vec![
        format!("{}{critical}", plain(&check.name)),
        standing(&check.state),
        seconds(check.since_seconds),
        plain(&check.kind),
        check.typical_ms.map_or("-".to_owned(), |typical| format!("{typical:.0}ms")),
        check.seconds_ago.map_or("never".to_owned(), |ago| format!("{} ago", seconds(ago as u64))),
        found,
    ]
}

/// How well something is, in its colour.
fn standing(word: &str) -> String {
    let paint = match word {
        "healthy" | "unknown" | "absent" => Paint::Good,
        "degraded" => Paint::Odd,
        _ => Paint::Bad,
    };
    painted(&plain(word), paint)
}

fn breaker(breaker: &view::Breaker) -> Vec<String> {
    let paint = match breaker.state {
        BreakerState::Closed | BreakerState::MetricsOnly => Paint::Good,
        BreakerState::HalfOpen | BreakerState::ForcedClosed => Paint::Odd,
        BreakerState::Open | BreakerState::ForcedOpen => Paint::Bad,
    };
    let then = match (&breaker.forced, breaker.retry_after_ms) {
        (Some(forced), _) => format!("held by {}: {}", plain(&forced.by), plain(&forced.reason)),
        (None, Some(wait)) => format!("a probe in {}", seconds(wait.div_ceil(1000))),
        (None, None) => String::new(),
    };
    vec![
        plain(&breaker.name),
        painted(breaker.state.as_str(), paint),
        seconds(breaker.since_seconds),
        breaker.failure_rate.map_or("-".to_owned(), share),
        breaker.consecutive_failures.to_string(),
        then,
    ]
}

fn state(word: &str) -> String {
    let paint = match word {
        "ok" | "open" | "idle" => Paint::Good,
        "waiting" | "paused" | "resting" => Paint::Odd,
        _ => Paint::Bad,
    };
    painted(&plain(word), paint)
}

fn lately(calls: &Traffic) -> String {
    let mut text = format!("{}/min", calls.last_minute);
    if let Some(rate) = calls.success_rate {
        text.push_str(&format!(", {} well", share(rate)));
    }
    if let (Some(p50), Some(p95)) = (calls.p50_ms, calls.p95_ms) {
        text.push_str(&format!(", {p50:.0}/{p95:.0}ms"));
    }
    text
}

fn share(of_one: f64) -> String {
    format!("{:.1}%", of_one * 100.0)
}

fn seconds(seconds: u64) -> String {
    seawall_core::units::format_duration(std::time::Duration::from_secs(seconds))
}
