//! The configurations that were in force, and the form that goes back to one of them.

use askama::Template;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use seawall::{Code, Rejection};
use seawall_signals::view::Version;

use super::super::{Board, config};
use super::first::After;
use super::form::{self, Blank};
use super::steer::{Sent, status_of};
use super::{Chrome, html, sorry};
use crate::scene::Wish;

/// A configuration that was in force, for a person.
struct Row {
    number: u64,
    at: String,
    story: String,
    in_force: bool,
    /// The first digits of its digest: enough to tell two apart.
    digest: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "config.html")]
struct ConfigPage {
    chrome: Chrome,
    warning: Option<String>,
    /// The one in force, where it is kept.
    now: Option<Row>,
    rows: Vec<Row>,
    form: Blank,
}

pub(super) async fn show(board: Board, Query(after): Query<After>) -> Response {
    draw(&board, after.note.as_deref(), StatusCode::OK, Blank::fresh(&board))
}

fn draw(board: &Board, note: Option<&str>, status: StatusCode, form: Blank) -> Response {
    let past = board.scene.past.load();
    let rows = || past.versions.iter().map(|version| row(version, &form.choice));
    let (now, rows) = (rows().find(|row| row.in_force), rows().collect());
    let page = ConfigPage { chrome: Chrome::of(board, note), warning: past.warning.clone(), now, rows, form };
    html(status, &page)
}

fn row(version: &Version, choice: &str) -> Row {
    Row {
        number: version.number,
        at: version.at.replace('T', " ").trim_end_matches('Z').to_owned(),
        story: version.story(),
        in_force: version.state == "in-force",
        digest: version.sha256.chars().take(8).collect(),
        chosen: version.name == choice,
    }
}

pub(super) async fn roll_back(board: Board, headers: HeaderMap, sent: Sent) -> Response {
    let filled = match form::ours(&board, &headers, sent) {
        Ok(filled) => filled,
        Err(rejection) => return sorry(&board, &rejection),
    };
    let chosen = match filled.choice().parse() {
        Ok(to) => filled.signed().map(|signed| (to, signed)),
        Err(_) => Err(Rejection::new(Code::LeverUnsigned).because("choose the version to go back to")),
    };
    let moved = match chosen {
        Ok((to, signed)) => config::ask(&board, Wish::RollBack { to, sha256: None }, signed).await,
        Err(rejection) => Err(rejection),
    };
    match moved {
        Ok(in_force) => {
            let version = in_force.version.map_or_else(String::new, |version| format!("version {version}, "));
            let to = filled.choice();
            let mut what =
                format!("Rolled back to version {to}: {version}generation {}", in_force.generation);
            if let Some(warning) = in_force.warning {
                what.push_str(&format!(" ({warning})"));
            }
            filled.done(&board, "/config", &what)
        }
        Err(rejection) => {
            let status = status_of(&rejection);
            draw(&board, None, status, filled.again(&board, &rejection))
        }
    }
}
