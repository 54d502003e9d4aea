//! The first screen: the verdict in one line, a few numbers, a tile for each upstream, what is in doubt, what was odd.

use std::time::Duration;

use askama::Template;
use axum::Json;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use seawall_signals::view::{self, Effect, Status};
use serde::Deserialize;

use super::super::{Board, config, effects, stories, views};
use super::alerts;
use super::chart::{self, Chart};
use super::checks;
use super::look::{self, Doubt, Row, Tile, Vital};
use super::sections::{self, Section};
use super::words::Mood;
use super::{Chrome, html};

/// Calls on the first screen.
const CALLS: usize = 15;
/// Doubts on the first screen.
const DOUBTS: usize = 8;
/// A journal that is slow must not keep the page waiting: what is wrong with it may be why somebody looks.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Template)]
#[template(path = "first.html")]
struct First {
    chrome: Chrome,
    verdict: String,
    mood: Mood,
    /// Beyond the verdict, when there is more than one.
    reasons: Vec<String>,
    vitals: Vec<Vital>,
    chart: Chart,
    tiles: Vec<Tile>,
    alerts: Vec<alerts::Row>,
    checks: Vec<checks::Row>,
    doubts: Vec<Doubt>,
    doubts_failing: Option<String>,
    /// Doubts that are not shown.
    further: u64,
    calls: Vec<Row>,
    sections: Vec<Section>,
    config: Option<view::Configured>,
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
pub(super) struct After {
    pub(super) note: Option<String>,
}

pub(super) async fn show(board: Board, Query(after): Query<After>) -> Response {
    let seen = present(&board).await;
    html(StatusCode::OK, &First::of(Chrome::of(&board, after.note.as_deref()), seen, sections::all(&board)))
}

impl First {
    fn of(chrome: Chrome, seen: view::Board, sections: Vec<Section>) -> Self {
        let histories: Vec<&view::History> = seen.history.iter().collect();
        let shown = seen.doubts.len() as u64;
        Self {
            chrome,
            mood: look::mood(&seen),
            vitals: look::vitals(&seen),
            chart: chart::draw(&histories),
            tiles: look::tiles(&seen),
            alerts: alerts::rows(&seen.alerts),
            checks: checks::rows(&seen.health),
            doubts: seen.doubts.iter().map(look::doubt).collect(),
            doubts_failing: seen.doubts_failing,
            further: seen.status.effects_in_doubt.saturating_sub(shown),
            calls: seen.calls.iter().map(look::row).collect(),
            sections,
            config: seen.config,
            reasons: if seen.status.reasons.len() > 1 { seen.status.reasons } else { Vec::new() },
            verdict: seen.verdict,
        }
    }
}

pub(super) async fn json(board: Board) -> Json<view::Board> {
    Json(present(&board).await)
}

/// Everything the first screen shows.
pub(super) async fn present(board: &Board) -> view::Board {
    let mut seen = without_doubts(board);
    if seen.status.effects_in_doubt > 0 {
        match tokio::time::timeout(PATIENCE, doubts(board)).await {
            Ok(Ok(doubts)) => seen.doubts = doubts,
            Ok(Err(rejection)) => seen.doubts_failing = Some(rejection.reason.into_owned()),
            Err(_) => seen.doubts_failing = Some("the journal does not answer".to_owned()),
        }
    }
    seen
}

/// The same without asking the journal: what can be read at once.
pub(super) fn without_doubts(board: &Board) -> view::Board {
    let status = views::present(board);
    let (upstreams, breakers, limits) =
        (views::all_upstreams(board), views::all_breakers(board), views::all_limits(board));
    view::Board {
        verdict: view::verdict(&status, &upstreams, &breakers, &limits),
        status,
        upstreams,
        breakers,
        limits,
        retries: views::all_retries(board),
        history: board.desk.histories(),
        health: board.house().health.view(false).health,
        alerts: alerts::stirring(board),
        doubts: Vec::new(),
        doubts_failing: None,
        config: config::configured(board),
        calls: stories::latest(board, CALLS, stories::notable),
    }
}

/// How things stand, in one line.
pub(super) fn verdict(board: &Board, status: &Status) -> String {
    let (upstreams, breakers, limits) =
        (views::all_upstreams(board), views::all_breakers(board), views::all_limits(board));
    view::verdict(status, &upstreams, &breakers, &limits)
}

async fn doubts(board: &Board) -> Result<Vec<Effect>, seawall::Rejection> {
    let mut all = Vec::new();
    // Given to a person first: those wait for nobody else.
    for state in ["quarantined", "in-doubt", "reconciling"] {
        let page = effects::listed(board, Some(state.to_owned()), None).await?;
        all.extend(page.effects);
        if all.len() >= DOUBTS {
            break;
        }
    }
    all.truncate(DOUBTS);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&";

    /// A board in which every text is hostile and every number absurd.
    fn hostile() -> view::Board {
        let most = u64::MAX;
        let traffic = json!({"total": most, "in_flight": most, "last_minute": most, "success_rate": 1e300,
            "p50_ms": -1.0, "p95_ms": 1e300});
        let with = |mut own: Value, more: &Value| {
            own.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            own
        };
        serde_json::from_value(json!({
            "verdict": HOSTILE,
            "status": {"status": "degraded", "reasons": [HOSTILE, HOSTILE], "version": HOSTILE,
                "uptime_seconds": most, "generation": most, "effects_in_doubt": most, "calls": traffic},
            "upstreams": [with(json!({"name": HOSTILE, "state": HOSTILE, "url": HOSTILE, "breaker": "forced-open",
                "waiting": most}), &traffic)],
            "breakers": [{"name": HOSTILE, "upstream": HOSTILE, "state": "forced-open", "since_seconds": most,
                "retry_after_ms": most, "failure_rate": -1.0, "consecutive_failures": most,
                "override": {"by": HOSTILE, "reason": HOSTILE, "since": HOSTILE}}],
            "limits": [{"name": HOSTILE, "upstream": HOSTILE, "state": HOSTILE, "rate": HOSTILE, "remaining": most,
                "capacity": 0, "waiting": most, "paused_ms": most, "keys": most}],
            "retries": [{"name": HOSTILE, "state": "exhausted", "attempts": 4294967295_u64, "retried": most,
                "refused": most, "remaining": most}],
            "history": [{"name": HOSTILE, "state": "ok", "step_seconds": most, "calls": [most, most],
                "failures": [most], "retries": [most, most, most]}],
            "doubts": [{"id": HOSTILE, "name": HOSTILE, "type": HOSTILE, "state": HOSTILE, "nature": HOSTILE,
                "attempts": 0, "first": HOSTILE, "reason": HOSTILE, "detail": HOSTILE}],
            "doubts_failing": HOSTILE,
            "health": [{"name": HOSTILE, "state": "unhealthy", "kind": HOSTILE, "critical": true, "since_seconds": most,
                "failures": most, "looks": most, "why": HOSTILE, "value": 1e300, "unit": HOSTILE, "by": HOSTILE,
                "seconds_ago": -1e300, "foretold": [{"what": HOSTILE, "limit": 1e300, "fails_in_seconds": 1e300,
                "earliest_seconds": -1.0, "latest_seconds": 1e300, "per_hour": -1e300, "quality": 1e300}]}],
            "alerts": [{"id": HOSTILE, "name": HOSTILE, "state": "pending", "severity": "critical", "summary": HOSTILE,
                "when": HOSTILE, "since": HOSTILE, "value": 1e300, "fires_in_seconds": 1e300, "send": [HOSTILE],
                "why": [{"at": HOSTILE, "what": HOSTILE}]}],
            "config": {"generation": most, "earlier": most, "warning": HOSTILE, "version": {"name": HOSTILE,
                "state": HOSTILE, "number": most, "at": HOSTILE, "generation": most, "cause": HOSTILE, "by": HOSTILE,
                "reason": HOSTILE, "again": most, "file": HOSTILE, "sha256": HOSTILE}},
            "calls": [{"id": HOSTILE, "state": HOSTILE, "upstream": HOSTILE, "route": HOSTILE, "method": HOSTILE,
                "path": HOSTILE, "effects": HOSTILE, "started": HOSTILE, "duration_ms": -1.0, "waited_ms": 1e300,
                "refusal": {"code": HOSTILE, "policy": HOSTILE, "reason": HOSTILE, "retry_after_ms": most}}],
        }))
        .unwrap()
    }

    #[test]
    fn whatever_things_are_called_the_page_has_no_markup_but_its_own() {
        let section = Section {
            id: "more",
            title: "More",
            head: vec!["one", "two"],
            rows: vec![vec![HOSTILE.into(), HOSTILE.into()], vec![HOSTILE.into(); 2]],
            more: HOSTILE.into(),
        };
        let chrome = Chrome {
            version: HOSTILE.into(),
            generation: u64::MAX,
            uptime: HOSTILE.into(),
            draining: true,
            note: Some(HOSTILE.into()),
            owner: Some(HOSTILE.into()),
            leave: Some(HOSTILE.into()),
        };
        let text = First::of(chrome, hostile(), vec![section]).render().unwrap();
        for never in ["<script>", "<img", "\"'>", "'>&"] {
            assert!(!text.contains(never), "{never}\n{text}");
        }
        assert_eq!(text.matches("<script").count(), 1, "our own module");
        assert_eq!(
            text.matches("alert(1)").count(),
            text.matches("&#60;script&#62;alert(1)").count(),
            "{text}"
        );
    }
}
