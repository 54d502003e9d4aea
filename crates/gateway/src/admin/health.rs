//! Is it well, is it alive, may it be sent work?

use std::sync::atomic::Ordering;

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use seawall_signals::view::{Checks, Detailed, Health, Probe, Standing};

use super::{Board, views};

/// Every check, and the whole in one word.
pub(super) async fn checks(board: Board) -> Json<Checks> {
    Json(board.house().health.view(false))
}

/// 200 while healthy or degraded, 503 when no upstream can be called or something nothing works without is unhealthy.
pub(super) async fn health(board: Board) -> impl IntoResponse {
    let status = views::present(&board);
    let code =
        if status.status == Health::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    // Why is for those who may read the rest too.
    let reasons = if board.who.may_read() { status.reasons } else { Vec::new() };
    (code, Json(Standing { status: status.status, reasons }))
}

/// 200 as long as anything answers at all.
pub(super) async fn live() -> impl IntoResponse {
    Json(Probe::new("alive"))
}

/// The same with every upstream and every check, and what their trends foretell.
pub(super) async fn detailed(board: Board) -> impl IntoResponse {
    let status = views::present(&board);
    let code =
        if status.status == Health::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let (upstreams, checks) = (views::all_upstreams(&board), board.house().health.view(true));
    (code, Json(Detailed { status: status.status, detail: status, upstreams, health: checks.health }))
}

/// 503 while starting or draining: may this instance be sent work?
pub(super) async fn ready(board: Board) -> impl IntoResponse {
    let starting = !board.house().ground.ready.load(Ordering::Acquire);
    let (code, word) = match (starting, board.house().is_draining()) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        (_, true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        _ => (StatusCode::OK, "ready"),
    };
    (code, Json(Probe::new(word)))
}
