//! Alerts: which there are, and levers to silence them and to try out a channel.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use seawall::{Code, Rejection};
use seawall_core::units::parse_duration;
use seawall_signals::alerts::Unsilenced;
use seawall_signals::view::{Alerts, Pulled, Quieted};
use serde::Deserialize;

use super::Board;
use super::levers::{Signed, answer, note, object, signed, tell};

pub(super) async fn alerts(board: Board) -> Json<Alerts> {
    Json(board.scene.alerts.view())
}

/// How long.
#[derive(Deserialize, schemars::JsonSchema)]
pub(super) struct Span {
    /// For how long; `0s` ends a silence.
    #[serde(rename = "for")]
    #[schemars(required, schema_with = "seawall_core::units::duration_schema")]
    span: Option<String>,
}

/// How long, as the body says beside who and why.
fn span(body: &[u8]) -> Result<Duration, Rejection> {
    let bad = |why: String| Rejection::new(Code::LeverUnsigned).because(why);
    let Span { span } = object(body).map_err(|error| bad(format!("for: {error}")))?;
    let text = span.ok_or_else(|| {
        bad("\"for\" is missing: write {\"for\": \"1h\", \"by\": \"who\", \"reason\": \"why\"}".to_owned())
    })?;
    parse_duration(&text).map_err(|why| bad(format!("for: {why}")))
}

/// Silences an alert, or every alert of a rule; for no time at all ends its silence.
pub(super) async fn silence(
    board: Board,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let pulled = (|| {
        let signed = signed(&board, &headers, &body)?;
        let span = span(&body)?;
        be_silent(&board, &id, span, signed)?;
        let state = if span.is_zero() { "heard" } else { "silenced" };
        Ok(Quieted { id, state: state.into() })
    })();
    answer(pulled)
}

/// Silences an alert, or every alert of a rule; for no time at all ends its silence.
pub(super) fn be_silent(board: &Board, id: &str, span: Duration, signed: Signed) -> Result<(), Rejection> {
    if !board.scene.alerts.knows(id) {
        let rules = board.scene.alerts.rules();
        return Err(refuse(&Unsilenced::Nobody { id: id.to_owned(), rules }));
    }
    note(board, id, "silence", &signed)?;
    board.scene.alerts.silence(id, span, &signed.by, &signed.reason).map_err(|why| refuse(&why))?;
    tell(board, id, "silence", signed);
    Ok(())
}

fn refuse(why: &Unsilenced) -> Rejection {
    let code = match why {
        Unsilenced::Nobody { .. } => Code::NoSuchThing,
        Unsilenced::TooLong(_) | Unsilenced::TooMany => Code::LeverUnsigned,
    };
    Rejection::new(code).because(why.to_string())
}

/// Sends a notice that says nothing on a channel.
pub(super) async fn test(
    board: Board,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let pulled = (|| {
        let signed = signed(&board, &headers, &body)?;
        let channels: Vec<String> =
            board.scene.alerts.view().channels.into_iter().map(|channel| channel.name).collect();
        if !channels.contains(&name) {
            let known = if channels.is_empty() { "none".to_owned() } else { channels.join(", ") };
            let why = format!("no channel is called {name:?}: there are {known}");
            return Err(Rejection::new(Code::NoSuchThing).because(why));
        }
        note(&board, &name, "test-channel", &signed)?;
        board.scene.alerts.test(&name, &signed.by);
        tell(&board, &name, "test-channel", signed);
        Ok(Pulled::new(name, "on its way"))
    })();
    answer(pulled)
}
