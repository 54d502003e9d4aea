//! Effects: what is remembered, and what a person decides about those nobody knows the outcome of.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use seawall::{Code, Rejection};
use seawall_signals::view::{Effect, Effects};
use serde::Deserialize;

use super::{Board, levers, refused};
use crate::once::STATES;

/// Which page of which effects.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    state: Option<String>,
    after: Option<String>,
}

/// The states that can be asked for, as a schema; an empty one asks for nothing.
pub(super) fn states() -> serde_json::Value {
    let words: Vec<&str> = STATES.into_iter().chain([""]).collect();
    serde_json::json!({ "enum": words })
}

/// Where a page begins, as it is described.
pub(super) fn after() -> serde_json::Value {
    serde_json::json!({ "type": "string", "pattern": "^([0-9a-f]{2})*$" })
}

/// What an effect's id looks like, as a schema.
pub(super) fn id() -> serde_json::Value {
    serde_json::json!({ "type": "string", "pattern": "^[0-9a-fA-F]{32}$" })
}

/// What was found out.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct Decision {
    /// How it ended; `not-applied` is believed only once nothing of it can be under way any more.
    #[schemars(required, extend("enum" = ["applied", "rejected", "not-applied"]))]
    outcome: Option<String>,
    /// Believe `not-applied` at once.
    #[serde(default)]
    force: bool,
}

pub(super) async fn list(board: Board, Query(which): Query<Which>) -> Response {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    match listed(&board, given(which.state), given(which.after)).await {
        Ok(page) => Json(page).into_response(),
        Err(rejection) => refused(&rejection),
    }
}

pub(super) async fn show(board: Board, Path(id): Path<String>) -> Response {
    match find(&board, &id).await {
        Ok(effect) => Json(effect).into_response(),
        Err(rejection) => refused(&rejection),
    }
}

pub(super) async fn resolve(
    board: Board,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    levers::answer(decide(&board, &id, &headers, &body).await)
}

async fn decide(board: &Board, id: &str, headers: &HeaderMap, body: &[u8]) -> Result<Effect, Rejection> {
    let signed = levers::signed(board, headers, body)?;
    let malformed =
        |error| Rejection::new(Code::Malformed).because(format!("the body cannot be read: {error}"));
    let Decision { outcome, force } = levers::object(body).map_err(malformed)?;
    let Some(outcome) = outcome else {
        return Err(Rejection::new(Code::Malformed).because(
            "\"outcome\" is missing: write \"applied\", \"rejected\" or \"not-applied\", whichever you found out",
        ));
    };
    settle(board, id, &outcome, force, &signed).await
}

/// Ends a doubt as somebody found it out.
pub(super) async fn settle(
    board: &Board,
    id: &str,
    outcome: &str,
    force: bool,
    signed: &levers::Signed,
) -> Result<Effect, Rejection> {
    let journal = &board.house().ground.journal;
    let effect = journal.show(id).await?;
    let lever = if force { "force-effect" } else { "resolve-effect" };
    levers::note(board, &format!("{} {} as {outcome}", effect.id, effect.name), lever, signed)?;
    journal.resolve(id, outcome, force, &signed.by, &signed.reason).await
}

/// One effect.
pub(super) async fn find(board: &Board, id: &str) -> Result<Effect, Rejection> {
    board.house().ground.journal.show(id).await
}

/// A page of those in one state; all where none is said.
pub(super) async fn listed(
    board: &Board,
    state: Option<String>,
    after: Option<String>,
) -> Result<Effects, Rejection> {
    board.house().ground.journal.list(state, after).await
}
