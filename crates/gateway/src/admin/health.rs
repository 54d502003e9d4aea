//! Is it well, is it alive, may it be sent work?

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use seawall_signals::view::Health;

use super::{Board, views};

/// 200 while healthy or degraded, 503 when no upstream can be called.
pub(super) async fn health(State(board): State<Board>) -> impl IntoResponse {
    let status = views::present(&board);
    let code =
        if status.status == Health::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(serde_json::json!({ "status": status.status, "reasons": status.reasons })))
}

/// 200 as long as anything answers at all.
pub(super) async fn live() -> impl IntoResponse {
    Json(serde_json::json!({ "status": "alive" }))
}

/// The same with every upstream.
pub(super) async fn detailed(State(board): State<Board>) -> impl IntoResponse {
    let status = views::present(&board);
    let code =
        if status.status == Health::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let upstreams = views::all_upstreams(&board);
    (code, Json(serde_json::json!({ "status": status.status, "detail": status, "upstreams": upstreams })))
}

/// 503 while starting or draining: may this instance be sent work?
pub(super) async fn ready(State(board): State<Board>) -> impl IntoResponse {
    let starting = !board.house().ground.ready.load(Ordering::Acquire);
    let (code, word) = match (starting, board.house().is_draining()) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        (_, true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        _ => (StatusCode::OK, "ready"),
    };
    (code, Json(serde_json::json!({ "status": word })))
}
