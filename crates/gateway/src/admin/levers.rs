//! Levers: what an operator may move. Every one takes who and why, and is written down before it is pulled.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use seawall::{Code, Rejection};
use seawall_core::audit::{Audit as _, Entry};
use seawall_core::event::{Event, Fact, Sink};
use seawall_signals::view::{Breaker, Pulled};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{Board, refused, views};
use crate::house::{House, LiveUpstream};

/// Who pulls a lever, and why.
pub(super) struct Signed {
    pub(super) by: Arc<str>,
    pub(super) reason: Arc<str>,
}

/// What every lever takes.
#[derive(Deserialize, schemars::JsonSchema)]
pub(super) struct Wish {
    /// Who pulls it.
    #[schemars(required, length(min = 1, max = 1024), extend("pattern" = r"\S"))]
    by: Option<String>,
    /// Why.
    #[schemars(required, length(min = 1, max = 1024), extend("pattern" = r"\S"))]
    reason: Option<String>,
}

/// Names and reasons are for people.
pub(super) const LONGEST: usize = 1024;

/// JSON with `by` and `reason`, or a refusal. Only JSON: a form in somebody's browser cannot send it.
pub(super) fn signed(board: &Board, headers: &HeaderMap, body: &[u8]) -> Result<Signed, Rejection> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json") {
        return Err(Rejection::new(Code::NotJson));
    }
    let wish: Wish = object(body).map_err(|error| {
        Rejection::new(Code::LeverUnsigned).because(format!("the body cannot be read: {error}"))
    })?;
    // Where tokens are used, whoever has the token it is, whatever else is said.
    let owner = board.owner();
    let by = owner.as_deref().or(wish.by.as_deref()).unwrap_or("");
    sign(by, wish.reason.as_deref().unwrap_or("")).map_err(|key| {
        let write =
            if owner.is_some() { "{\"reason\": \"why\"}" } else { "{\"by\": \"who\", \"reason\": \"why\"}" };
        Rejection::new(Code::LeverUnsigned).because(format!("{key:?} is missing: write {write}"))
    })
}

/// A body of a lever: an object, and nothing that could be taken for its values in their order.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    struct Keys<T>(PhantomData<T>);

    impl<'de, T: DeserializeOwned> Visitor<'de> for Keys<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    let mut json = serde_json::Deserializer::from_slice(body);
    let read = json.deserialize_map(Keys(PhantomData))?;
    json.end()?;
    Ok(read)
}

/// Who and why, each of 1 to [`LONGEST`] bytes; otherwise the name of the one that is not.
pub(super) fn sign(by: &str, reason: &str) -> Result<Signed, &'static str> {
    let word = |text: &str, key: &'static str| match text.trim() {
        text if text.is_empty() || text.len() > LONGEST => Err(key),
        text => Ok(Arc::from(text)),
    };
    Ok(Signed { by: word(by, "by")?, reason: word(reason, "reason")? })
}

/// Writes down that a lever is about to be pulled. No entry, no lever.
pub(super) fn note(board: &Board, name: &str, lever: &str, signed: &Signed) -> Result<(), Rejection> {
    let entry = Entry::closed(format!("lever.{lever}"), name).by(signed.by.clone());
    let written = board.house().ground.audit.note(entry.because(signed.reason.clone()));
    written.map_err(|error| Rejection::new(Code::AuditUnwritable).because(error.to_string()))
}

fn upstream<'h>(house: &'h House, name: &str) -> Result<&'h LiveUpstream, Rejection> {
    house.upstream(name).ok_or_else(|| {
        let known = house.names().join(", ");
        Rejection::new(Code::NoSuchThing).because(format!("nothing is called {name:?}: there are {known}"))
    })
}

pub(super) fn tell(board: &Board, name: &str, action: &'static str, signed: Signed) {
    let fact = Fact::Lever { action, by: signed.by, reason: signed.reason };
    board.house().ground.events.offer(Event { at: board.house().now(), name: name.into(), fact });
}

pub(super) async fn breaker(
    board: Board,
    Path((name, lever)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(move_breaker(&board, &name, &lever, || signed(&board, &headers, &body)))
}

/// What can be done to a breaker.
pub(super) const BREAKER: [&str; 4] = ["force-open", "force-closed", "half-open", "reset"];

/// Moves a breaker, and says how it stands then.
pub(super) fn move_breaker(
    board: &Board,
    name: &str,
    lever: &str,
    signed: impl FnOnce() -> Result<Signed, Rejection>,
) -> Result<Breaker, Rejection> {
    let house = board.house();
    let up = upstream(&house, name)?;
    let pull = match lever {
        "force-open" => seawall::breaker::Breaker::force_open,
        "force-closed" => seawall::breaker::Breaker::force_closed,
        "half-open" => seawall::breaker::Breaker::half_open,
        "reset" => seawall::breaker::Breaker::reset,
        other => {
            let shown: String = other.chars().take(40).collect();
            let known = BREAKER.join(", ");
            return Err(Rejection::new(Code::NoSuchThing)
                .because(format!("a breaker has no lever {shown:?}: there are {known}")));
        }
    };
    let signed = signed()?;
    note(board, name, lever, &signed)?;
    // The breaker itself tells who pulled it.
    pull(&up.breaker, &signed.by, &signed.reason);
    Ok(views::breaker(&house, up))
}

pub(super) async fn limit(
    board: Board,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let pulled = reset_limits(&board, &name, || signed(&board, &headers, &body));
    answer(pulled.map(|()| Pulled::new(name, "ok")))
}

/// Forgets what was used of an upstream's limits, and lifts its pauses.
pub(super) fn reset_limits(
    board: &Board,
    name: &str,
    signed: impl FnOnce() -> Result<Signed, Rejection>,
) -> Result<(), Rejection> {
    let house = board.house();
    let up = upstream(&house, name)?;
    let signed = signed()?;
    note(board, name, "reset-limits", &signed)?;
    for limit in &up.limits {
        limit.reset_all();
    }
    up.pauses.lift();
    tell(board, name, "reset-limits", signed);
    Ok(())
}

pub(super) async fn reconnect(
    board: Board,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let pulled = let_go(&board, &name, || signed(&board, &headers, &body));
    answer(pulled.map(|()| Pulled::new(name, "reconnecting")))
}

/// Lets go of the connections to an upstream.
pub(super) fn let_go(
    board: &Board,
    name: &str,
    signed: impl FnOnce() -> Result<Signed, Rejection>,
) -> Result<(), Rejection> {
    upstream(&board.house(), name)?;
    let signed = signed()?;
    note(board, name, "reconnect", &signed)?;
    for slot in board.scene.slots.iter() {
        let worker = slot.load();
        if let Some(place) = worker.house.place(name) {
            worker.pools[place].reconnect();
        }
    }
    tell(board, name, "reconnect", signed);
    Ok(())
}

pub(super) async fn drain(board: Board, headers: HeaderMap, body: Bytes) -> Response {
    let pulled = signed(&board, &headers, &body).and_then(|signed| begin_drain(&board, signed));
    answer(pulled.map(|()| Pulled::new("gateway", "draining")))
}

/// Takes no new calls from now on.
pub(super) fn begin_drain(board: &Board, signed: Signed) -> Result<(), Rejection> {
    note(board, "gateway", "drain", &signed)?;
    board.house().ground.draining.store(true, Ordering::Release);
    tell(board, "gateway", "drain", signed);
    Ok(())
}

pub(super) fn answer<T: Serialize>(pulled: Result<T, Rejection>) -> Response {
    match pulled {
        Ok(state) => Json(state).into_response(),
        Err(rejection) => refused(&rejection),
    }
}
