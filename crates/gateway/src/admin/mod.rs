//! The admin port: the present state to read, and levers to pull.

mod alerts;
mod config;
mod effects;
mod health;
mod levers;
mod openapi;
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
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use seawall::{Code, Rejection};
use seawall_core::CallId;
use seawall_signals::metrics::Format;
use seawall_signals::view::{
    Alerts, Audit, Breaker, Breakers, Budgets, Call, Calls, Checks, Config, Copied, Detailed, Effect,
    Effects, Jobs, Limits, Probe, Pulled, Quieted, Reloaded, Retries, Standing, Status, Upstreams,
};
use tokio::sync::watch;

use crate::body::Outgoing;
use crate::entry::may_ask;
use crate::house::House;
use crate::listen::Phase;
use crate::refusal;
use crate::scene::{Asks, Scene};
use openapi::{Routes, Says};

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

/// Every route, with what it says of itself.
fn routes() -> Routes {
    let unwell = "no upstream can be called, or something nothing works without is unhealthy";
    let text = || serde_json::json!({ "type": "string" });
    page::routes(Routes::new())
        .get("/api", index, Says::as_is("A list of these paths", &["text/plain"]))
        .get("/health", health::health, Says::json::<Standing>("Is it well?").also(503, unwell))
        .get("/health/live", health::live, Says::json::<Probe>("Is it alive?"))
        .get(
            "/health/detailed",
            health::detailed,
            Says::json::<Detailed>("Is it well, and each part of it?").also(503, unwell),
        )
        .get(
            "/ready",
            health::ready,
            Says::json::<Probe>("May it be sent work?").also(503, "it starts, or drains"),
        )
        .get(
            "/metrics",
            metrics,
            Says::as_is(
                "Every metric, for Prometheus, or as JSON or CSV",
                &["text/plain", "application/openmetrics-text", "application/json", "text/csv"],
            ),
        )
        .get("/api/v1/status", views::status, Says::json::<Status>("The whole in a few numbers"))
        .get("/api/v1/upstreams", views::upstreams, Says::json::<Upstreams>("What is called"))
        .get("/api/v1/breakers", views::breakers, Says::json::<Breakers>("Circuit breakers"))
        .get("/api/v1/limits", views::limits, Says::json::<Limits>("Limits, and what is left of them"))
        .get("/api/v1/retries", views::retries, Says::json::<Retries>("Retries, and what the budget allows"))
        .get("/api/v1/health", health::checks, Says::json::<Checks>("Health checks"))
        .get(
            "/api/v1/effects",
            effects::list,
            Says::json::<Effects>("What is remembered of effects, a page at a time")
                .asks("state", "Those in one state; all where none is said.", effects::states())
                .asks("after", "Where the page begins: `next` of the one before.", text())
                .refuses(&[Code::StoreUnavailable]),
        )
        .get(
            "/api/v1/effects/{id}",
            effects::show,
            Says::json::<Effect>("One effect")
                .place("id", effects::id())
                .refuses(&[Code::NoSuchThing, Code::StoreUnavailable]),
        )
        .post(
            "/api/v1/effects/{id}/resolve",
            effects::resolve,
            Says::lever::<Effect>("Ends a doubt as somebody found it out")
                .with::<effects::Decision>()
                .place("id", effects::id())
                .refuses(&[Code::NoSuchThing, Code::EffectInFlight, Code::StoreUnavailable]),
        )
        .get(
            "/api/v1/config",
            config::config,
            Says::json::<Config>("The configuration in force, by its names"),
        )
        .post(
            "/api/v1/config/reload",
            config::reload,
            Says::lever::<Reloaded>("Reads the configuration again: all of it is taken up, or nothing")
                .refuses(&[Code::NotAvailableYet, Code::DeadlineExceeded])
                .refuses_as(422, Code::ConfigurationInvalid),
        )
        .get(
            "/api/v1/alerts",
            alerts::alerts,
            Says::json::<Alerts>("Alerts, and the channels that tell of them"),
        )
        .get("/api/v1/audit", views::audit, Says::json::<Audit>("The latest entries of the audit trail"))
        .get(
            "/api/v1/series",
            series::series,
            Says::as_is("What a metric was in the last day", &["application/json", "text/csv"])
                .asks("metric", "Its name, with or without `seawall_`.", text())
                .asks("span", "How far back: \"1s\" to \"1d\"; an hour where nothing is said.", text())
                .asks("over", "What to make of it; the points themselves where nothing is said.", text())
                .asks("format", "`json` or `csv`; else what is accepted.", text())
                .refuses(&[Code::Malformed]),
        )
        // Parts that this gateway has not: their lists are empty, not unknown.
        .get("/api/v1/budgets", async || Json(Budgets::default()), Says::json::<Budgets>("Budgets"))
        .get("/api/v1/jobs", async || Json(Jobs::default()), Says::json::<Jobs>("Jobs"))
        .get("/api/v1/calls", stories::calls, Says::json::<Calls>("The latest hundred calls"))
        .get(
            "/api/v1/calls/{id}",
            stories::call,
            Says::json::<Call>("The story of one call").refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/alerts/{id}/silence",
            alerts::silence,
            Says::lever::<Quieted>("Silences an alert, or every alert of a rule")
                .with::<alerts::Span>()
                .refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/breakers/{name}/{lever}",
            levers::breaker,
            Says::lever::<Breaker>("Moves a breaker")
                .place("lever", serde_json::json!({ "enum": levers::BREAKER }))
                .refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/channels/{name}/test",
            alerts::test,
            Says::lever::<Pulled>("Sends a notice that says nothing").refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/limits/{name}/reset",
            levers::limit,
            Says::lever::<Pulled>("Forgets what was used of an upstream's limits, and lifts its pauses")
                .refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/upstreams/{name}/reconnect",
            levers::reconnect,
            Says::lever::<Pulled>("Uses no present connection for a new request")
                .refuses(&[Code::NoSuchThing]),
        )
        .post(
            "/api/v1/state/backup",
            state::backup,
            Says::lever::<Copied>("Copies the journal while it is in use")
                .refuses(&[Code::NoSuchThing, Code::StoreUnavailable]),
        )
        .post(
            "/api/v1/state/settle",
            state::settle,
            Says::lever::<Pulled>("Trusts a journal that may have forgotten")
                .refuses(&[Code::StoreUnavailable]),
        )
        .post("/api/v1/drain", levers::drain, Says::lever::<Pulled>("Takes no new calls from now on"))
}

fn router(board: Board) -> Router {
    routes()
        .served()
        .fallback(async || refused(&Rejection::new(Code::NoSuchThing)))
        .method_not_allowed_fallback(async || {
            let mut response = refused(&Rejection::new(Code::NoSuchThing).because("not with this method"));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response
        })
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(board.clone(), guard))
        .with_state(board)
}

/// Loopback is not a trust boundary: only our own names, no foreign pages; and headers that keep a browser careful.
async fn guard(State(board): State<Board>, request: Request, next: Next) -> Response {
    let mut response = match may_ask(&request, &board.house()) {
        Ok(()) => in_our_words(&board, next.run(request).await),
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

/// What the framework refuses by itself (a path or a query that cannot be read, a body that is too long) it says in a
/// plain text: whoever reads problem+json should get problem+json.
fn in_our_words(board: &Board, response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if !response.status().is_client_error() || !kind.starts_with(b"text/plain") {
        return response;
    }
    let rejection = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Rejection::new(Code::TooLarge)
            .because(format!("a body here is {LARGEST_BODY} bytes long at the most")),
        _ => Rejection::new(Code::Malformed).because("the path, the query or the body cannot be read"),
    };
    views::turned_away(board, rejection.code);
    refused(&rejection)
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
     /api/v1/board  /api/v1/series?metric=calls_total&span=1h&over=rate  /api/v1/openapi.json\n"
}

async fn metrics(State(board): State<Board>, request: Request) -> Response {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::negotiate(accept);
    ([(header::CONTENT_TYPE, format.content_type())], board.house().ground.registry.render(format))
        .into_response()
}
