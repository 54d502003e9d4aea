//! Who may ask the admin port for what, what every answer of it bears, and what is written down of each.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use seawall::{Code, Rejection};
use seawall_signals::logs::{Level, Stream};

use super::page::{same_origin, sorry};
use super::port::From;
use super::who::{Known, Who, identify};
use super::{Board, LARGEST_BODY, page, refused, views};
use crate::entry::may_ask;
use crate::house::House;

/// What anybody may see where tokens are used: that it lives, how it stands in a word, and the page that asks for a token
/// with what it looks like. Nothing of it is worth hiding.
const OPEN: [&str; 7] = [
    "/health",
    "/health/live",
    "/ready",
    "/login",
    "/assets/board.css",
    "/assets/board.js",
    "/assets/icon.svg",
];
/// What whoever may only look may post: it moves nothing but themselves.
const THEIR_OWN: [&str; 2] = ["/login", "/logout"];

/// Browsers come back by https alone, for half a year from the last answer.
const SAFE_ONLY: &str = "max-age=15552000";

/// Is it asked by the name that every other program of this machine is asked by too? A browser remembers for a host and
/// all its ports.
fn is_localhost(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    host.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("localhost"))
}

/// Is that path answered without a token?
pub(super) fn is_open(path: &str) -> bool {
    OPEN.contains(&path)
}

/// Loopback is not a trust boundary: only our own names, no foreign pages, and whoever has a token where there are any;
/// and headers that keep a browser careful.
pub(super) async fn guard(
    State(board): State<Board>,
    ConnectInfo(from): ConnectInfo<From>,
    mut request: Request,
    next: Next,
) -> Response {
    let house = board.house();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let withdrawn = from.standing.refused(house.plan.admin_tls.as_ref(), house.now());
    let ends = withdrawn.is_some();
    let who = match withdrawn {
        Some(rejection) => Err(Box::new(Refusal { rejection, who: Who::Stranger })),
        None => let_in(&board, &house, &request, from.address.ip()),
    };
    let name = who.as_ref().ok().and_then(|who| who.known().map(|known| known.operator.name.clone()));
    let secure = from.standing.tls && !is_localhost(request.headers());
    let mut response = match who {
        Ok(who) => {
            request.extensions_mut().insert(who);
            request.extensions_mut().insert(from.clone());
            in_our_words(&board, next.run(request).await)
        }
        Err(refusal) => {
            house.ground.rejections.of(refusal.rejection.code).inc();
            turned_away(&board, &request, *refusal)
        }
    };
    careful(response.headers_mut());
    if ends {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if secure {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(SAFE_ONLY));
    }
    noted(&house, (&method, &path), from.address, name.as_deref(), response.status());
    response
}

/// Somebody who may not.
struct Refusal {
    rejection: Rejection,
    /// As far as that is known.
    who: Who,
}

fn let_in(board: &Board, house: &House, request: &Request, from: IpAddr) -> Result<Who, Box<Refusal>> {
    let stranger = |rejection| Box::new(Refusal { rejection, who: Who::Stranger });
    may_ask(request, house).map_err(stranger)?;
    if house.plan.operators.is_empty() {
        return Ok(Who::Anybody);
    }
    let path = request.uri().path();
    let Some(known) = identify(board, house, request.headers(), from).map_err(stranger)? else {
        return match is_open(path) {
            true => Ok(Who::Stranger),
            false => Err(stranger(Rejection::new(Code::OperatorUnknown).because(
                "no token came with it: send it as authorization: Bearer, or log in at /login with a browser",
            ))),
        };
    };
    let may = may_do(&known, request.method(), path, request.headers());
    let who = Who::Known(known);
    match may {
        Ok(()) => Ok(who),
        Err(rejection) => Err(Box::new(Refusal { rejection, who })),
    }
}

/// Looking is for all who are known. Whatever moves something wants the role for it, and of a browser, which sends its cookie
/// for whoever makes it, a page of our own.
fn may_do(known: &Known, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Rejection> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    if known.session.is_some() {
        same_origin(headers)?;
    }
    let (role, name) = (known.operator.role, &known.operator.name);
    if THEIR_OWN.contains(&path) || role >= crate::plan::operators::Role::Operator {
        return Ok(());
    }
    let why =
        format!("the token of {name} is a {role}'s: it moves nothing, whoever may pull levers has another");
    Err(Rejection::new(Code::RoleTooSmall).because(why))
}

/// Does somebody at a browser wait for a page?
fn wants_page(request: &Request) -> bool {
    let accepts = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("text/html"));
    let path = request.uri().path();
    !path.starts_with("/api/") && request.headers().get_all(header::ACCEPT).iter().any(accepts)
}

fn turned_away(board: &Board, request: &Request, Refusal { rejection, who }: Refusal) -> Response {
    let known = who.known().is_some();
    let mut response = match rejection.code {
        // People are asked; programs are told.
        Code::OperatorUnknown if wants_page(request) && request.method() == Method::GET => {
            let to = request.uri().path_and_query().map_or("/", |path| path.as_str());
            return Redirect::to(&format!("/login?to={}", page::segment(to))).into_response();
        }
        _ if known && wants_page(request) => sorry(&Board { who, ..board.clone() }, &rejection),
        _ => refused(&rejection),
    };
    if rejection.code == Code::OperatorUnknown {
        let challenge = HeaderValue::from_static("Bearer realm=\"seawall admin\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn careful(headers: &mut HeaderMap) {
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
}

/// A line for each request. A query may hold what somebody searched for, so it is left out.
fn noted(
    house: &House,
    (method, path): (&Method, &str),
    from: SocketAddr,
    who: Option<&str>,
    status: StatusCode,
) {
    let Some(logs) = &house.plan.logs else { return };
    let line = logs.line(Stream::Access, Level::Info, "the admin port was asked");
    let line = line.text("who", who.unwrap_or("")).shown("from", from).text("method", method.as_str());
    line.text("path", path).count("status", status.as_u16().into()).write();
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
