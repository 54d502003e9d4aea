//! How a browser comes in and leaves: a page that asks for a token, a session in its place, and an end.

use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query};
use axum::http::header::{ORIGIN, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use seawall::{Code, Rejection};
use seawall_core::audit::{Audit as _, Entry};
use seawall_core::secret::Secret;
use serde::Deserialize;

use super::page::{Filled, Sent, html, ours, same_origin, sorry, status_of};
use super::port::From;
use super::sessions::LONGEST;
use super::who::{HOST_ONLY, Who};
use super::{Board, views};

/// How long whoever has a wrong token waits for the answer.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    /// Where to go then.
    to: String,
    /// Whether tokens are used at all.
    asked: bool,
    error: Option<String>,
}

/// Where somebody wanted to go.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Way {
    to: Option<String>,
}

/// What is filled in.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Brought {
    token: String,
    to: String,
}

pub(super) async fn show(board: Board, Query(way): Query<Way>) -> Response {
    let to = inside(way.to.as_deref().unwrap_or("/"));
    match board.who {
        Who::Known(_) => Redirect::to(&to).into_response(),
        _ => page(&board, to, StatusCode::OK, None),
    }
}

fn page(board: &Board, to: String, status: StatusCode, error: Option<&Rejection>) -> Response {
    let error = error.map(ToString::to_string);
    html(status, &LoginPage { to, asked: !board.house().plan.operators.is_empty(), error })
}

/// A path of our own, or the first page: nobody is led elsewhere from here.
fn inside(to: &str) -> String {
    let ours = to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '#']);
    let path = to.parse::<PathAndQuery>().ok().filter(|path| ours && !path.path().starts_with("/login"));
    path.map_or("/".to_owned(), |path| path.to_string())
}

pub(super) async fn begin(
    board: Board,
    Extension(from): Extension<From>,
    headers: HeaderMap,
    brought: Result<Form<Brought>, FormRejection>,
) -> Response {
    match let_in(&board, from, &headers, brought).await {
        Ok(response) => response,
        Err((to, rejection)) => {
            views::turned_away(&board, rejection.code);
            let mut response = page(&board, to, status_of(&rejection), Some(&rejection));
            let headers = response.headers_mut();
            if let Some(wait) = rejection.retry_after {
                headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
            }
            if rejection.code == Code::OperatorUnknown {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"seawall admin\""));
            }
            response
        }
    }
}

async fn let_in(
    board: &Board,
    from: From,
    headers: &HeaderMap,
    brought: Result<Form<Brought>, FormRejection>,
) -> Result<Response, (String, Rejection)> {
    let first = || "/".to_owned();
    let unread = |error: FormRejection| {
        let why = format!("the form cannot be read: {}", error.body_text());
        (first(), Rejection::new(Code::Malformed).because(why))
    };
    let Form(Brought { token, to }) = brought.map_err(unread)?;
    let (token, to) = (Secret::new(token), inside(&to));
    // What logs somebody in as somebody else is as bad as what moves a lever for them.
    same_origin(headers).map_err(|rejection| (to.clone(), rejection))?;
    let house = board.house();
    if house.plan.operators.is_empty() {
        let why = "nobody is asked for a token here: no admin_token is configured";
        return Err((to, Rejection::new(Code::NoSuchThing).because(why)));
    }
    let Some(operator) = house.plan.operators.whose(token.expose().trim().as_bytes()) else {
        let rejection = board.wrong(from.address.ip());
        tokio::time::sleep(PAUSE).await;
        return Err((to, rejection));
    };
    let name = operator.name.clone();
    let Some(number) = board.sessions.begin(operator.clone(), house.now()) else {
        let why = "the system gives no random numbers to make a session of: look at its log";
        return Err((to, Rejection::new(Code::StoreUnavailable).because(why)));
    };
    let entry = Entry::open("admin.login", from.address.ip().to_string())
        .by(name)
        .because("a browser brought their token");
    let _ = house.ground.audit.note(entry);
    let age = LONGEST.as_secs();
    Ok(with_cookie(Redirect::to(&to).into_response(), &kept(board, (&from, headers), &number, age)))
}

pub(super) async fn end(
    board: Board,
    Extension(from): Extension<From>,
    headers: HeaderMap,
    sent: Sent,
) -> Response {
    let Some(known) = board.who.known().filter(|known| known.session.is_some()) else {
        let why = "there is no session to end: it ended by itself, or was never begun";
        return sorry(&board, &Rejection::new(Code::NoSuchThing).because(why));
    };
    if let Err(rejection) = ours(&board, &headers, sent).map(|_: Filled| ()) {
        return sorry(&board, &rejection);
    }
    if let Some(session) = &known.session {
        board.sessions.end(&session.id);
    }
    let name = known.operator.name.clone();
    let entry = Entry::open("admin.logout", "session").by(name).because("they logged out");
    let _ = board.house().ground.audit.note(entry);
    with_cookie(Redirect::to("/login").into_response(), &kept(&board, (&from, &headers), "", 0))
}

/// The cookie of a session. Where the browser came by https, or says so through a proxy, it goes back by https alone.
fn kept(board: &Board, (from, headers): (&From, &HeaderMap), number: &str, age: u64) -> String {
    let safe = from.standing.tls
        || headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let (before, secure) = if safe { (HOST_ONLY, "; Secure") } else { ("", "") };
    format!("{before}{}={number}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}", board.cookie())
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for own in ["/", "/alerts", "/calls?id=7&all=1", "/upstreams/a%20b"] {
            assert_eq!(inside(own), own);
        }
        for other in [
            "",
            "alerts",
            "//evil.example/",
            "/\\evil.example",
            "https://evil.example/",
            "/a\r\nset-cookie: x",
            "/login",
            "/login?to=/login",
            "javascript:alert(1)",
            "/#x",
        ] {
            assert_eq!(inside(other), "/", "{other:?}");
        }
    }
}
