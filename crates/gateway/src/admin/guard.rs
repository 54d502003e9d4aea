//! Who may ask the admin port, and what every answer of it bears.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use seawall::{Code, Rejection};

use super::{Board, LARGEST_BODY, refused, views};
use crate::entry::may_ask;

/// Loopback is not a trust boundary: only our own names, no foreign pages; and headers that keep a browser careful.
pub(super) async fn guard(State(board): State<Board>, request: Request, next: Next) -> Response {
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
