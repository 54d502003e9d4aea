//! The admin port: the present state to read, and levers to pull.

mod alerts;
mod config;
mod effects;
mod health;
mod levers;
mod page;
mod port;
mod series;
mod state;
mod stories;
mod views;

pub(crate) use stories::timestamp;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use seawall::{Code, Rejection};
use seawall_core::CallId;
use seawall_signals::metrics::Format;
use tokio::sync::watch;

use crate::body::Outgoing;
use crate::entry::may_ask;
use crate::house::House;
use crate::listen::Phase;
use crate::refusal;
use crate::scene::{Asks, Scene};

/// What the admin port can see and move.
#[derive(Clone)]
pub(crate) struct Board {
    scene: Arc<Scene>,
    recent: Arc<views::Recently>,
    asks: Asks,
    desk: Arc<page::Desk>,
}

impl Board {
    pub(crate) fn new(scene: Arc<Scene>, asks: Asks) -> Self {
        Self { scene, recent: Arc::default(), asks, desk: Arc::new(page::Desk::new()) }
    }

    /// The house that is in force.
    pub(crate) fn house(&self) -> Arc<House> {
        self.scene.house.load_full()
    }
}

/// How often the last minute's durations are looked at.
const TICK: Duration = Duration::from_secs(5);
/// A lever's body is a name and a reason.
const LARGEST_BODY: usize = 64 * 1024;

/// Serves the admin port until the shutdown is over: it tells how the drain goes.
pub(crate) async fn serve(listener: std::net::TcpListener, board: Board, mut phase: watch::Receiver<Phase>) {
    let Ok(listener) = port::Port::new(listener) else { return };
    let ticked = board.clone();
    let ticking = async {
        loop {
            series::tick(&ticked);
            tokio::time::sleep(TICK).await;
            let house = ticked.house();
            ticked.recent.tick(&house);
            // What cannot be brought to the disk is told by the next entry.
            let _ = house.ground.audit.flush();
        }
    };
    let pages = page::keep_up(board.clone(), phase.clone());
    let checks = board.house().ground.health.clone();
    let serving = axum::serve(listener, router(board)).into_future();
    let over = async { while phase.changed().await.is_ok() && *phase.borrow() != Phase::Over {} };
    tokio::select! {
        () = ticking => {}
        () = pages => {}
        () = checks.watch() => {}
        _ = serving => {}
        () = over => {}
    }
}

fn router(board: Board) -> Router {
    Router::new()
        .merge(page::routes())
        .route("/api", get(index))
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/health/detailed", get(health::detailed))
        .route("/ready", get(health::ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(views::status))
        .route("/api/v1/upstreams", get(views::upstreams))
        .route("/api/v1/breakers", get(views::breakers))
        .route("/api/v1/limits", get(views::limits))
        .route("/api/v1/retries", get(views::retries))
        .route("/api/v1/health", get(health::checks))
        .route("/api/v1/effects", get(effects::list))
        .route("/api/v1/effects/{id}", get(effects::show))
        .route("/api/v1/effects/{id}/resolve", post(effects::resolve))
        .route("/api/v1/config", get(config::config))
        .route("/api/v1/config/reload", post(config::reload))
        .route("/api/v1/alerts", get(alerts::alerts))
        .route("/api/v1/audit", get(views::audit))
        .route("/api/v1/series", get(series::series))
        // Parts that this gateway has not: their lists are empty, not unknown.
        .route("/api/v1/budgets", get(async || Json(serde_json::json!({ "budgets": [] }))))
        .route("/api/v1/jobs", get(async || Json(serde_json::json!({ "jobs": [] }))))
        .route("/api/v1/calls", get(stories::calls))
        .route("/api/v1/calls/{id}", get(stories::call))
        .route("/api/v1/alerts/{id}/silence", post(alerts::silence))
        .route("/api/v1/breakers/{name}/{lever}", post(levers::breaker))
        .route("/api/v1/channels/{name}/test", post(alerts::test))
        .route("/api/v1/limits/{name}/reset", post(levers::limit))
        .route("/api/v1/upstreams/{name}/reconnect", post(levers::reconnect))
        .route("/api/v1/state/backup", post(state::backup))
        .route("/api/v1/state/settle", post(state::settle))
        .route("/api/v1/drain", post(levers::drain))
        .fallback(async || refused(&Rejection::new(Code::NoSuchThing)))
        .method_not_allowed_fallback(async || {
            let mut response = refused(&Rejection::new(Code::NoSuchThing).because("not with this method"));
            *response.status_mut() = axum::http::StatusCode::METHOD_NOT_ALLOWED;
            response
        })
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(board.clone(), guard))
        .with_state(board)
}

/// Loopback is not a trust boundary: only our own names, no foreign pages; and headers that keep a browser careful.
async fn guard(State(board): State<Board>, request: Request, next: Next) -> Response {
    let mut response = match may_ask(&request, &board.house()) {
        Ok(()) => next.run(request).await,
        Err(rejection) => {
            board.house().ground.rejections.of(rejection.code).inc();
            refused(&rejection)
        }
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages say themselves what they may load, and their forms where they come from; nothing else may load anything.
    for (name, value) in [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A refusal in problem+json.
fn refused(rejection: &Rejection) -> Response {
    let (parts, body) = refusal::answer(rejection, CallId::new(), None).into_parts();
    let body = match body {
        Outgoing::Whole(bytes) => Body::from(bytes),
        Outgoing::Empty | Outgoing::Passing(_) | Outgoing::Packed(_) | Outgoing::Captured(_) => Body::empty(),
    };
    Response::from_parts(parts, body)
}

async fn index() -> &'static str {
    "seawall\n\n\
     /  /alerts  /calls  /effects  /drain  /events\n\
     /health  /health/live  /health/detailed  /ready  /metrics\n\
     /api/v1/status  /api/v1/upstreams  /api/v1/breakers  /api/v1/limits  /api/v1/retries  /api/v1/calls\n\
     /api/v1/effects  /api/v1/health  /api/v1/alerts  /api/v1/jobs  /api/v1/budgets  /api/v1/config  /api/v1/audit\n\
     /api/v1/board  /api/v1/series?metric=calls_total&span=1h&over=rate\n"
}

async fn metrics(State(board): State<Board>, request: Request) -> Response {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::negotiate(accept);
    ([(header::CONTENT_TYPE, format.content_type())], board.house().ground.registry.render(format))
        .into_response()
}
