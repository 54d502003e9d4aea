//! Where something can be moved: an upstream's levers, an effect in doubt, the drain. Each form asks who and why.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use seawall::{Code, Rejection};
use serde::Deserialize;

use super::super::{Board, effects, levers, stories};
use super::first::{self, After};
use super::form::{self, Blank, Filled};
use super::look::{self, Doubt, Row, Tile};
use super::range::{Range, Shown};
use super::{Chrome, html, sorry, words};

pub(in crate::admin) type Sent = Result<Form<Filled>, FormRejection>;

/// Calls on an upstream's page.
const CALLS: usize = 15;

/// Something that can be done.
pub(super) struct Lever {
    /// As the API names it.
    pub(super) word: &'static str,
    pub(super) name: &'static str,
    pub(super) what: &'static str,
}

const LEVERS: [Lever; 6] = [
    Lever { word: "force-open", name: "Force open", what: "refuse every call until somebody says otherwise" },
    Lever {
        word: "force-closed",
        name: "Force closed",
        what: "let every call through until somebody says otherwise",
    },
    Lever { word: "half-open", name: "Half-open", what: "let a probe through now" },
    Lever { word: "reset", name: "Reset the breaker", what: "close it, and forget what it has counted" },
    Lever {
        word: "reset-limits",
        name: "Reset the limits",
        what: "forget what was used, and lift the pauses",
    },
    Lever {
        word: "reconnect",
        name: "Reconnect",
        what: "let go of the connections that are kept; calls under way end",
    },
];

#[derive(Template)]
#[template(path = "upstream.html")]
struct UpstreamPage {
    chrome: Chrome,
    tile: Tile,
    facts: Vec<(&'static str, String)>,
    shown: Shown,
    levers: &'static [Lever],
    form: Blank,
    calls: Vec<Row>,
}

/// What was just done, and how far back to look.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Looking {
    note: Option<String>,
    range: Option<String>,
}

pub(super) async fn upstream(
    board: Board,
    Path(name): Path<String>,
    Query(looking): Query<Looking>,
) -> Response {
    match Range::asked(looking.range.as_deref()) {
        Ok(range) => {
            draw(&board, &name, (looking.note.as_deref(), range), StatusCode::OK, Blank::fresh(&board))
        }
        Err(rejection) => sorry(&board, &rejection),
    }
}

fn draw(
    board: &Board,
    name: &str,
    (note, range): (Option<&str>, Range),
    status: StatusCode,
    form: Blank,
) -> Response {
    let seen = first::without_doubts(board);
    let Some(up) = seen.upstreams.iter().find(|up| up.name == name) else {
        let shown: String = name.chars().take(80).collect();
        return sorry(
            board,
            &Rejection::new(Code::NoSuchThing).because(format!("no upstream is called {shown:?}")),
        );
    };
    let calls = stories::latest(board, usize::MAX, stories::notable);
    let mut facts = vec![
        ("Calls since the start", words::count(up.calls.total)),
        ("Half of the last minute within", up.calls.p50_ms.map_or("–".to_owned(), words::millis)),
    ];
    if let Some(retry) = seen.retries.iter().find(|retry| retry.name == name) {
        facts.push(("Attempts for one call, at most", retry.attempts.to_string()));
        facts.push(("Retries since the start", words::count(retry.retried)));
        facts.push(("Retries the budget refused", words::count(retry.refused)));
        facts.extend(retry.remaining.map(|left| ("Retries the budget allows now", words::count(left))));
    }
    if let Some(breaker) = seen.breakers.iter().find(|breaker| breaker.upstream == name) {
        facts.push(("Failures in a row", words::count(breaker.consecutive_failures)));
        let rate = breaker.failure_rate.map(seawall_signals::view::share);
        facts.extend(rate.map(|rate| ("Failures in the breaker's window", rate)));
    }
    let history = seen.history.iter().find(|history| history.name == name);
    let page = UpstreamPage {
        chrome: Chrome::of(board, note),
        tile: look::tile(&seen, up),
        facts,
        shown: range.show(board, name, history),
        levers: &LEVERS,
        form,
        calls: calls.iter().filter(|call| call.upstream == name).take(CALLS).map(look::row).collect(),
    };
    html(status, &page)
}

pub(super) async fn pull(board: Board, Path(name): Path<String>, headers: HeaderMap, sent: Sent) -> Response {
    let filled = match form::ours(&board, &headers, sent) {
        Ok(filled) => filled,
        Err(rejection) => return sorry(&board, &rejection),
    };
    let signed = || filled.signed();
    let pulled = match filled.choice() {
        "" => Err(Rejection::new(Code::LeverUnsigned).because("choose what to do")),
        "reset-limits" => levers::reset_limits(&board, &name, signed),
        "reconnect" => levers::let_go(&board, &name, signed),
        lever => levers::move_breaker(&board, &name, lever, signed).map(|_| ()),
    };
    match pulled {
        Ok(()) => {
            let what =
                LEVERS.iter().find(|lever| lever.word == filled.choice()).map_or("Done", |lever| lever.name);
            filled.done(&board, &format!("/upstreams/{}", words::segment(&name)), &format!("{what}: {name}"))
        }
        Err(rejection) => {
            let fresh = (None, Range::Minutes);
            draw(&board, &name, fresh, status_of(&rejection), filled.again(&board, &rejection))
        }
    }
}

pub(in crate::admin) fn status_of(rejection: &Rejection) -> StatusCode {
    StatusCode::from_u16(rejection.code.status()).unwrap_or(StatusCode::BAD_REQUEST)
}

#[derive(Template)]
#[template(path = "drain.html")]
struct DrainPage {
    chrome: Chrome,
    verdict: String,
    form: Blank,
}

pub(super) async fn drain(board: Board, Query(after): Query<After>) -> Response {
    draw_drain(&board, after.note.as_deref(), StatusCode::OK, Blank::fresh(&board))
}

fn draw_drain(board: &Board, note: Option<&str>, status: StatusCode, form: Blank) -> Response {
    let verdict = first::verdict(board, &super::views::present(board));
    html(status, &DrainPage { chrome: Chrome::of(board, note), verdict, form })
}

pub(super) async fn begin_drain(board: Board, headers: HeaderMap, sent: Sent) -> Response {
    let filled = match form::ours(&board, &headers, sent) {
        Ok(filled) => filled,
        Err(rejection) => return sorry(&board, &rejection),
    };
    match filled.signed().and_then(|signed| levers::begin_drain(&board, signed)) {
        Ok(()) => filled.done(&board, "/drain", "Draining"),
        Err(rejection) => draw_drain(&board, None, status_of(&rejection), filled.again(&board, &rejection)),
    }
}

/// Which effects.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    state: Option<String>,
    after: Option<String>,
}

const STATES: [&str; 7] =
    ["in-doubt", "quarantined", "reconciling", "executing", "done", "free", "tombstone"];

#[derive(Template)]
#[template(path = "effects.html")]
struct EffectsPage {
    chrome: Chrome,
    states: &'static [&'static str],
    state: String,
    promise: String,
    in_doubt: u64,
    effects: Vec<Doubt>,
    next: Option<String>,
}

pub(super) async fn effects(board: Board, Query(which): Query<Which>) -> Response {
    let state = which.state.filter(|state| !state.is_empty()).unwrap_or_else(|| STATES[0].to_owned());
    match effects::listed(&board, Some(state.clone()), which.after.filter(|after| !after.is_empty())).await {
        Ok(list) => {
            let page = EffectsPage {
                chrome: Chrome::of(&board, None),
                states: &STATES,
                state,
                promise: list.promise,
                in_doubt: list.in_doubt,
                effects: list.effects.iter().map(look::doubt).collect(),
                next: list.next,
            };
            html(StatusCode::OK, &page)
        }
        Err(rejection) => sorry(&board, &rejection),
    }
}

#[derive(Template)]
#[template(path = "effect.html")]
struct EffectPage {
    chrome: Chrome,
    doubt: Doubt,
    facts: Vec<(&'static str, String)>,
    /// Whether a person may end it.
    open: bool,
    outcomes: &'static [Lever],
    form: Blank,
}

const OUTCOMES: [Lever; 3] = [
    Lever { word: "applied", name: "It took place", what: "callers with its key are told so from now on" },
    Lever {
        word: "rejected",
        name: "It was refused for good",
        what: "it did not take place, and never will",
    },
    Lever {
        word: "not-applied",
        name: "It did not take place",
        what: "its key is free: the next caller runs it again",
    },
];

pub(super) async fn effect(board: Board, Path(id): Path<String>, Query(after): Query<After>) -> Response {
    draw_effect(&board, &id, after.note.as_deref(), StatusCode::OK, Blank::fresh(&board)).await
}

async fn draw_effect(
    board: &Board,
    id: &str,
    note: Option<&str>,
    status: StatusCode,
    form: Blank,
) -> Response {
    let effect = match effects::find(board, id).await {
        Ok(effect) => effect,
        Err(rejection) => return sorry(board, &rejection),
    };
    let mut facts = vec![
        ("Type", effect.kind.clone()),
        ("Nature", effect.nature.clone()),
        ("Attempts", effect.attempts.to_string()),
        ("First run", effect.first.clone()),
    ];
    let known = [
        ("In this state since", &effect.since),
        ("Why it is in doubt", &effect.reason),
        ("In its own words", &effect.detail),
        ("Nothing of it is under way after", &effect.quiet),
        ("How it ended", &effect.truth),
        ("Who said so", &effect.how),
        ("The answer that is kept", &effect.answer),
    ];
    facts.extend(known.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    facts.extend(effect.asked.map(|asked| ("Questions that found nothing out", asked.to_string())));
    facts.retain(|(_, value)| !value.is_empty());
    let page = EffectPage {
        chrome: Chrome::of(board, note),
        open: matches!(effect.state.as_str(), "in-doubt" | "reconciling" | "quarantined"),
        doubt: look::doubt(&effect),
        facts,
        outcomes: &OUTCOMES,
        form,
    };
    html(status, &page)
}

pub(super) async fn resolve(
    board: Board,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Sent,
) -> Response {
    let filled = match form::ours(&board, &headers, sent) {
        Ok(filled) => filled,
        Err(rejection) => return sorry(&board, &rejection),
    };
    let chosen = match filled.choice() {
        "" => Err(Rejection::new(Code::LeverUnsigned).because("choose what you found out")),
        choice => filled.signed().map(|signed| (choice.to_owned(), signed)),
    };
    let settled = match chosen {
        Ok((outcome, signed)) => effects::settle(&board, &id, &outcome, filled.forced(), &signed).await,
        Err(rejection) => Err(rejection),
    };
    match settled {
        Ok(effect) => {
            let path = format!("/effects/{}", words::segment(&effect.id));
            filled.done(&board, &path, &format!("Resolved as {}", filled.choice()))
        }
        Err(rejection) => {
            let status = status_of(&rejection);
            draw_effect(&board, &id, None, status, filled.again(&board, &rejection)).await
        }
    }
}
