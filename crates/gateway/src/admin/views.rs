//! The present state, read from where it lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use seawall::breaker::State as Breaking;
use seawall::fleet::Source;
use seawall_core::clock::wall_now;
use seawall_core::units::format_duration;
use seawall_core::{Code, Instant};
use seawall_signals::history::Counts;
use seawall_signals::metrics::Snapshot;
use seawall_signals::rate::Recent;
use seawall_signals::view::{
    Audit, Breaker, BreakerState, Breakers, Health, Limit, Limits, Override, Retries, Retry, Status, Traffic,
    Upstream, Upstreams,
};

use super::Board;
use super::stories::timestamp;
use crate::house::{House, LiveUpstream};

/// The last minute's durations of every upstream, by its name.
#[derive(Default)]
pub(crate) struct Recently(Mutex<HashMap<Arc<str>, Recent>>);

impl Recently {
    pub(super) fn tick(&self, house: &House) {
        let (mut recent, now) = (self.lock(), house.now());
        recent.retain(|name, _| house.upstream(name).is_some());
        for up in &house.upstreams {
            let recent = recent
                .entry(up.plan.name.clone())
                .or_insert_with(|| Recent::new(up.meters.durations.clone(), house.ground.started));
            recent.tick(now);
        }
    }

    fn of(&self, up: &LiveUpstream, house: &House) -> Snapshot {
        let mut recent = self.lock();
        let recent = recent
            .entry(up.plan.name.clone())
            .or_insert_with(|| Recent::new(up.meters.durations.clone(), house.now()));
        recent.snapshot()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Recent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn status(board: Board) -> Json<Status> {
    Json(present(&board))
}

/// Entries listed at once.
const LISTED: usize = 100;

pub(super) async fn audit(board: Board) -> Json<Audit> {
    Json(trail(&board, LISTED))
}

/// How the audit trail stands, with its latest entries.
pub(super) fn trail(board: &Board, entries: usize) -> Audit {
    Audit::of(&board.house().ground.audit, entries)
}

/// The moment, on the clock of everything else.
pub(super) fn now(board: &Board) -> Instant {
    board.house().now()
}

/// Counts a refusal at the admin port.
pub(super) fn turned_away(board: &Board, code: Code) {
    board.house().ground.rejections.of(code).inc();
}

/// How things stand.
pub(super) fn present(board: &Board) -> Status {
    let house = &board.house();
    let mut reasons = Vec::new();
    let mut refusing = 0;
    for up in &house.upstreams {
        let snapshot = up.breaker.snapshot();
        if matches!(snapshot.state, Breaking::Open | Breaking::ForcedOpen) {
            refusing += 1;
        }
        if !matches!(snapshot.state, Breaking::Closed | Breaking::MetricsOnly) {
            let (name, state, span) = (&up.plan.name, snapshot.state, whole(snapshot.for_));
            reasons.push(format!("the breaker of {name} is {state} since {span}"));
        }
        let paused = up.paused();
        if !paused.is_zero() {
            reasons.push(format!("{} asked to be left alone for another {}", up.plan.name, whole(paused)));
        }
        reasons.extend(up.keys.iter().flat_map(|keys| keys.reasons(&up.plan.name, house.now())));
    }
    let checks = house.health.view(false);
    for check in &checks.health {
        if matches!(check.state.as_str(), "degraded" | "unhealthy") && !house.health.is_refused(&check.name) {
            let since = whole(Duration::from_secs(check.since_seconds));
            let why = check.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            reasons.push(format!("{} is {} since {since}{why}", check.name, check.state));
        }
    }
    if let Some(why) = house.ground.journal.doubted() {
        reasons.push(format!(
            "the journal may have forgotten, and refuses keys it does not know where a second run could do harm: {why}"
        ));
    }
    if let Some(why) = house.ground.journal.doubts.failing() {
        reasons.push(format!("nothing that must not happen twice is begun: {why}"));
    }
    if let Some(fleet) = house.ground.fleet.as_ref().filter(|fleet| fleet.source() == Source::Local) {
        let standing = fleet.standing();
        reasons.push(format!(
            "the memory of the fleet is away since {}: what is shared goes by this gateway's share, one of {}",
            whole(house.now().since(standing.since)),
            standing.size
        ));
    }
    let nobody_left = refusing == house.upstreams.len() && refusing > 0;
    let status = match (reasons.is_empty(), nobody_left || checks.status == Health::Unhealthy) {
        (true, _) => Health::Healthy,
        (_, true) => Health::Unhealthy,
        _ => Health::Degraded,
    };
    let mut calls = Traffic::default();
    let mut well = 0.0;
    let mut durations: Option<Snapshot> = None;
    for (place, _) in house.upstreams.iter().enumerate() {
        let one = traffic(board, house, place);
        calls.total += one.total;
        calls.last_minute += one.last_minute;
        well += one.success_rate.unwrap_or(0.0) * one.last_minute as f64;
        let took = board.recent.of(&house.upstreams[place], house);
        durations = Some(match durations {
            Some(before) => before.and(&took),
            None => took,
        });
    }
    let millis = |q| durations.as_ref()?.quantile(q).map(|span| span.as_secs_f64() * 1e3);
    (calls.p50_ms, calls.p95_ms) = (millis(0.5), millis(0.95));
    calls.in_flight = house.in_flight() as u64;
    calls.success_rate = (calls.last_minute > 0).then(|| well / calls.last_minute as f64);
    Status {
        status,
        reasons,
        version: env!("CARGO_PKG_VERSION").into(),
        uptime_seconds: house.now().since(house.ground.started).as_secs(),
        generation: house.plan.generation,
        draining: house.is_draining(),
        effects_in_doubt: house.ground.journal.doubts.total(),
        calls,
    }
}

pub(super) async fn upstreams(board: Board) -> Json<Upstreams> {
    Json(Upstreams { upstreams: all_upstreams(&board) })
}

/// Every upstream, by name.
pub(super) fn all_upstreams(board: &Board) -> Vec<Upstream> {
    let house = board.house();
    let mut all: Vec<Upstream> = house
        .upstreams
        .iter()
        .enumerate()
        .map(|(place, up)| {
            let calls = traffic(board, &house, place);
            let breaking = up.breaker.state();
            let state = match breaking {
                Breaking::Closed | Breaking::ForcedClosed | Breaking::MetricsOnly
                    if !up.paused().is_zero() =>
                {
                    "paused"
                }
                Breaking::Closed | Breaking::ForcedClosed | Breaking::MetricsOnly
                    if calls.last_minute == 0 =>
                {
                    "idle"
                }
                Breaking::Closed | Breaking::ForcedClosed | Breaking::MetricsOnly => "ok",
                _ => "failing",
            };
            Upstream {
                name: up.plan.name.to_string(),
                state: state.into(),
                url: up.plan.url.to_string(),
                breaker: BreakerState::parse(breaking.as_str()),
                waiting: waiting(up),
                calls,
                keys: up.keys.as_ref().map_or(Vec::new(), |keys| keys.view(house.now())),
            }
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn waiting(up: &LiveUpstream) -> u64 {
    let limits: usize = up.limits.iter().map(seawall::limiter::Limiter::waiting).sum();
    (limits + up.bulkhead.as_ref().map_or(0, |bulkhead| bulkhead.load().waiting)) as u64
}

fn traffic(board: &Board, house: &House, place: usize) -> Traffic {
    let up = &house.upstreams[place];
    let tally = up.meters.rate.tally(house.now());
    let recent = board.recent.of(up, house);
    let millis = |q| recent.quantile(q).map(|span: Duration| span.as_secs_f64() * 1e3);
    let total = house
        .routes
        .iter()
        .map(|route| {
            route
                .to
                .iter()
                .zip(&route.meters)
                .filter(|(to, _)| **to == place)
                .map(|(_, meters)| meters.calls.total())
                .sum::<u64>()
        })
        .sum();
    Traffic {
        total,
        in_flight: up.bulkhead.as_ref().map_or(0, |bulkhead| bulkhead.load().in_flight as u64),
        last_minute: tally.calls,
        success_rate: tally.success_rate(),
        p50_ms: millis(0.5),
        p95_ms: millis(0.95),
    }
}

pub(super) async fn breakers(board: Board) -> Json<Breakers> {
    Json(Breakers { breakers: all_breakers(&board) })
}

/// Every breaker, by name.
pub(super) fn all_breakers(board: &Board) -> Vec<Breaker> {
    let mut breakers: Vec<Breaker> =
        board.house().upstreams.iter().map(|up| breaker(&board.house(), up)).collect();
    breakers.sort_by(|a, b| a.name.cmp(&b.name));
    breakers
}

/// One breaker as it stands.
pub(super) fn breaker(house: &House, up: &LiveUpstream) -> Breaker {
    let snapshot = up.breaker.snapshot();
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Breaker {
        name: up.plan.name.to_string(),
        upstream: up.plan.name.to_string(),
        state: BreakerState::parse(snapshot.state.as_str()).unwrap_or(BreakerState::Closed),
        since_seconds: snapshot.for_.as_secs(),
        retry_after_ms: snapshot.retry_after.map(millis),
        failure_rate: (snapshot.calls > 0).then(|| snapshot.failures as f64 / snapshot.calls as f64),
        consecutive_failures: u64::from(snapshot.consecutive),
        forced: snapshot.held_by.map(|held| Override {
            by: held.by.to_string(),
            reason: held.reason.to_string(),
            since: timestamp(wall_now() - house.now().since(held.since)),
        }),
    }
}

pub(super) async fn limits(board: Board) -> Json<Limits> {
    Json(Limits { limits: all_limits(&board) })
}

/// Every limit, by the name of its upstream.
pub(super) fn all_limits(board: &Board) -> Vec<Limit> {
    let mut limits = Vec::new();
    for up in &board.house().upstreams {
        let paused = up.paused();
        let paused_ms = (!paused.is_zero()).then(|| u64::try_from(paused.as_millis()).unwrap_or(u64::MAX));
        let state = |waiting: usize| match (paused_ms, waiting) {
            (Some(_), _) => "paused",
            (_, 0) => "ok",
            _ => "waiting",
        };
        let name = up.plan.name.to_string();
        for limit in &up.limits {
            let (waiting, options) = (limit.waiting(), limit.options());
            let per = limit.per().map(|per| format!(" per header {per}")).unwrap_or_default();
            limits.push(Limit {
                name: name.clone(),
                upstream: name.clone(),
                state: state(waiting).into(),
                rate: format!("{}{per}", options.rate),
                remaining: limit.per().is_none().then(|| u64::from(limit.remaining(""))),
                capacity: Some(u64::from(options.quota().most())),
                waiting: waiting as u64,
                paused_ms,
                keys: limit.keys().map(|keys| keys as u64),
            });
        }
        if let Some(bulkhead) = &up.bulkhead {
            let (load, size) = (bulkhead.load(), bulkhead.size());
            let adaptive = if bulkhead.options().adaptive.is_some() { ", adaptive" } else { "" };
            limits.push(Limit {
                name: name.clone(),
                upstream: name.clone(),
                state: state(load.waiting).into(),
                rate: format!("{size} at once{adaptive}"),
                remaining: Some(u64::from(size).saturating_sub(load.in_flight as u64)),
                capacity: Some(u64::from(size)),
                waiting: load.waiting as u64,
                paused_ms,
                keys: None,
            });
        }
        if up.limits.is_empty() && up.bulkhead.is_none() {
            limits.push(Limit {
                name: name.clone(),
                upstream: name,
                state: state(0).into(),
                rate: "unlimited".into(),
                remaining: None,
                capacity: None,
                waiting: 0,
                paused_ms,
                keys: None,
            });
        }
    }
    limits.sort_by(|a, b| a.name.cmp(&b.name));
    limits
}

pub(super) async fn retries(board: Board) -> Json<Retries> {
    Json(Retries { retries: all_retries(&board) })
}

/// The retries at every upstream, by name.
pub(super) fn all_retries(board: &Board) -> Vec<Retry> {
    let mut retries: Vec<Retry> = board
        .house()
        .upstreams
        .iter()
        .map(|up| {
            let (spent, allowed) = up.budget.spent();
            let attempts = up.plan.defaults.retry.attempts;
            let state = if attempts <= 1 {
                "off"
            } else if spent >= allowed {
                "exhausted"
            } else {
                "ok"
            };
            Retry {
                name: up.plan.name.to_string(),
                state: state.into(),
                attempts,
                retried: up.meters.retries.total(),
                refused: up.meters.over_budget.get(),
                remaining: Some(allowed.saturating_sub(spent)),
            }
        })
        .collect();
    retries.sort_by(|a, b| a.name.cmp(&b.name));
    retries
}

/// What every upstream has counted since the start, for its history.
pub(super) fn counts(board: &Board) -> Vec<(Arc<str>, Counts)> {
    board.house().counts()
}

/// Whether no new calls are taken any more.
pub(super) fn draining(board: &Board) -> bool {
    board.house().is_draining()
}

/// For people: whole seconds.
fn whole(span: Duration) -> String {
    format_duration(Duration::from_secs(span.as_secs().max(1)))
}
