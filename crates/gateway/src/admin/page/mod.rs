//! The operator's page: what `/` of the admin port shows to a person. It works without JavaScript and lives with it.
//!
//! Every page is drawn by the server from the same [present state](seawall_signals::view::Board) that `/api/v1/board`
//! gives as JSON. A small module asks for the page again when [`/events`](events) says that something changed, and
//! puts what is new in place of what is old. Controls are forms: each asks who and why, carries a token that only this
//! page could know, and leads back to a page that says what was done.

mod alerts;
mod chart;
mod checks;
mod config;
mod desk;
mod events;
mod first;
mod form;
mod look;
mod range;
mod sections;
mod steer;
mod story;
mod words;

use askama::Template;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use seawall::{Code, Rejection};
use seawall_signals::view;
use serde_json::json;

pub(super) use desk::{Desk, secret};
pub(super) use events::keep_up;
pub(super) use form::{Filled, ours, same_origin};
pub(super) use steer::{Sent, status_of};
pub(super) use words::segment;

use super::openapi::{Routes, Says};
use super::{Board, views};

/// No script, style, picture, frame or form but our own, no request to anybody else, and no text that becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

pub(super) fn routes(routes: Routes) -> Routes {
    let said =
        |says: Says| says.asks("note", "What was done, as a form left it.", json!({ "type": "string" }));
    let text = || json!({ "type": "string" });
    let gone = [Code::NoSuchThing];
    let doubtful = [Code::NoSuchThing, Code::EffectInFlight, Code::StoreUnavailable];
    routes
        .get("/", first::show, said(Says::page("The board")))
        .get(
            "/events",
            events::events,
            Says::as_is("What changes, as it changes: it ends when the gateway does", &["text/event-stream"])
                .refuses(&[Code::Draining, Code::BulkheadFull]),
        )
        .get("/api/v1/board", first::json, Says::json::<view::Board>("Everything the first screen shows"))
        .get(
            "/upstreams/{name}",
            steer::upstream,
            said(Says::page("An upstream and its levers"))
                .asks("range", "How far back; ten minutes where nothing is said.", range::words())
                .refuses(&gone),
        )
        .post("/upstreams/{name}", steer::pull, Says::form("Moves an upstream").refuses(&gone))
        .get("/config", config::show, said(Says::page("Configurations that were in force")))
        .post(
            "/config",
            config::roll_back,
            Says::form("Goes back to a configuration").refuses(&super::config::REFUSED),
        )
        .get("/drain", steer::drain, said(Says::page("How a drain is begun")))
        .post("/drain", steer::begin_drain, Says::form("Takes no new calls from now on"))
        .get(
            "/effects",
            steer::effects,
            Says::page("Effects in one state")
                .asks("state", "Which state; those in doubt where none is said.", super::effects::states())
                .asks("after", "Where the page begins.", super::effects::after())
                .refuses(&[Code::StoreUnavailable]),
        )
        .get(
            "/effects/{id}",
            steer::effect,
            said(Says::page("An effect").place("id", super::effects::id())).refuses(&doubtful),
        )
        .post(
            "/effects/{id}",
            steer::resolve,
            Says::form("Ends a doubt").place("id", super::effects::id()).refuses(&doubtful),
        )
        .get("/alerts", alerts::list, Says::page("Alerts, rules and channels"))
        .get(
            "/alerts/{id}",
            alerts::alert,
            said(Says::page("An alert and why somebody was told")).refuses(&gone),
        )
        .post("/alerts/{id}", alerts::silence, Says::form("Silences an alert").refuses(&gone))
        .get(
            "/calls",
            story::list,
            Says::page("The latest calls that are worth a look")
                .asks("all", "Ordinary ones too, whatever it says.", text())
                .asks("id", "Leads to the story of this one.", text())
                .also(303, "where an id is asked for, to its story"),
        )
        .get("/calls/{id}", story::show, Says::page("The story of a call").refuses(&gone))
        .get(
            "/assets/board.css",
            async || asset("text/css; charset=utf-8", CSS),
            Says::as_is("How pages look", &["text/css"]),
        )
        .get(
            "/assets/board.js",
            async || asset("text/javascript; charset=utf-8", MODULE),
            Says::as_is("What renews pages", &["text/javascript"]),
        )
        .get(
            "/assets/icon.svg",
            async || asset("image/svg+xml", ICON),
            Says::as_is("The icon", &["image/svg+xml"]),
        )
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
    /// Whose token it is that shows this page, where tokens are used.
    owner: Option<String>,
    /// What the form that ends their session carries, where they have one.
    leave: Option<String>,
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
            owner: board.owner().map(|owner| owner.to_string()),
            leave: board
                .who
                .known()
                .is_some_and(|known| known.session.is_some())
                .then(|| board.form_token().to_owned()),
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

pub(super) fn sorry(board: &Board, rejection: &Rejection) -> Response {
    let status = StatusCode::from_u16(rejection.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = format!("{} {}", rejection.code, rejection.code.title());
    html(status, &Sorry { chrome: Chrome::of(board, None), title, reason: rejection.reason.to_string() })
}

pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
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
