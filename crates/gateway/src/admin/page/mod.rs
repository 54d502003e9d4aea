//! The operator's page: what `/` of the admin port shows to a person. It works without JavaScript and lives with it.
//!
//! Every page is drawn by the server from the same [present state](seawall_signals::view::Board) that `/api/v1/board`
//! gives as JSON. A small module asks for the page again when [`/events`](events) says that something changed, and
//! puts what is new in place of what is old. Controls are forms: each asks who and why, carries a token that only this
//! page could know, and leads back to a page that says what was done.

mod alerts;
mod chart;
mod checks;
mod desk;
mod events;
mod first;
mod form;
mod look;
mod sections;
mod steer;
mod story;
mod words;

use askama::Template;
use axum::Router;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use seawall::Rejection;

pub(super) use desk::Desk;
pub(super) use events::keep_up;

use super::{Board, views};

/// No script, style, picture, frame or form but our own, no request to anybody else, and no text that becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

pub(super) fn routes() -> Router<Board> {
    Router::new()
        .route("/", get(first::show))
        .route("/events", get(events::events))
        .route("/api/v1/board", get(first::json))
        .route("/upstreams/{name}", get(steer::upstream).post(steer::pull))
        .route("/drain", get(steer::drain).post(steer::begin_drain))
        .route("/effects", get(steer::effects))
        .route("/effects/{id}", get(steer::effect).post(steer::resolve))
        .route("/alerts", get(alerts::list))
        .route("/alerts/{id}", get(alerts::alert).post(alerts::silence))
        .route("/calls", get(story::list))
        .route("/calls/{id}", get(story::show))
        .route("/assets/board.css", get(async || asset("text/css; charset=utf-8", CSS)))
        .route("/assets/board.js", get(async || asset("text/javascript; charset=utf-8", MODULE)))
        .route("/assets/icon.svg", get(async || asset("image/svg+xml", ICON)))
}

const CSS: &str = include_str!("../../../assets/board.css");
const MODULE: &str = include_str!("../../../assets/board.js");
const ICON: &str = include_str!("../../../assets/icon.svg");

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// What is around every page.
struct Chrome {
    version: String,
    generation: u64,
    uptime: String,
    draining: bool,
    /// What was done last, for whoever did it.
    note: Option<String>,
}

impl Chrome {
    fn of(board: &Board, note: Option<&str>) -> Self {
        let status = views::present(board);
        Self {
            uptime: words::seconds(status.uptime_seconds),
            version: status.version,
            generation: status.generation,
            draining: status.draining,
            note: note.and_then(|id| board.desk.note(id)),
        }
    }
}

/// A page that could not be what was asked for.
#[derive(Template)]
#[template(path = "sorry.html")]
struct Sorry {
    chrome: Chrome,
    title: String,
    reason: String,
}

fn sorry(board: &Board, rejection: &Rejection) -> Response {
    let status = StatusCode::from_u16(rejection.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = format!("{} {}", rejection.code, rejection.code.title());
    html(status, &Sorry { chrome: Chrome::of(board, None), title, reason: rejection.reason.to_string() })
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        // Without a referrer a browser says `Origin: null` with a form, as a foreign page in a sandbox would.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    match page.render() {
        Ok(text) => (status, HeaderMap::from_iter(headers), text).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be drawn").into_response(),
    }
}
