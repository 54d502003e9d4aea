//! What is alerting, since when and why, and a while of silence.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use seawall::{Code, Rejection};
use seawall_core::units::parse_duration;
use seawall_signals::view::{self, Alert};

use super::super::{Board, alerts};
use super::first::After;
use super::form::{self, Blank};
use super::steer::{Lever, Sent, status_of};
use super::words::{self, Mood};
use super::{Chrome, html, sorry};

/// An alert in a list.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) segment: String,
    pub(super) state: String,
    pub(super) mood: Mood,
    pub(super) severity: String,
    /// When it began.
    pub(super) since: String,
    pub(super) clock: String,
    pub(super) summary: String,
    /// What comes next, or what was done about it.
    pub(super) then: String,
    /// There is something to be silent about, and nobody is yet.
    pub(super) loud: bool,
}

/// A channel in a list.
pub(super) struct ChannelRow {
    name: String,
    state: String,
    mood: Mood,
    kind: String,
    counts: String,
    trouble: String,
}

/// Is there anything to see?
fn stirs(alert: &Alert) -> bool {
    matches!(alert.state.as_str(), "pending" | "active" | "recovering" | "silenced")
}

/// Those that are doing something, the worst first.
pub(super) fn stirring(board: &Board) -> Vec<Alert> {
    let mut alerts = board.scene.alerts.view().alerts;
    alerts.retain(stirs);
    alerts
}

pub(super) fn rows(alerts: &[Alert]) -> Vec<Row> {
    alerts.iter().map(row).collect()
}

pub(super) fn mood(alert: &Alert) -> Mood {
    let grave = alert.severity >= seawall_policy::alert::Severity::Error;
    match alert.state.as_str() {
        "active" if grave => Mood::Bad,
        "active" | "recovering" | "pending" => Mood::Odd,
        "ok" | "resolved" => Mood::Good,
        _ => Mood::Idle,
    }
}

fn row(alert: &Alert) -> Row {
    let then = match (&alert.silenced, alert.fires_in_seconds, alert.why.last()) {
        (Some(silenced), ..) => {
            let until = words::clock(&silenced.until);
            format!("silenced by {} until {until} UTC: {}", silenced.by, silenced.reason)
        }
        (None, Some(left), _) if alert.state == "pending" => {
            format!("fires in {}", words::seconds(left.max(0.0).ceil() as u64))
        }
        (None, ..) if let Some(other) = &alert.quieted_by => format!("quiet while {other} is active"),
        (None, _, Some(last)) => last.what.clone(),
        (None, _, None) if alert.send.is_empty() => "sent to nobody".to_owned(),
        (None, _, None) => String::new(),
    };
    let since = alert.since.clone().unwrap_or_default();
    Row {
        segment: words::segment(&alert.id),
        id: alert.id.clone(),
        state: alert.state.clone(),
        mood: mood(alert),
        severity: alert.severity.to_string(),
        clock: words::clock(&since).to_owned(),
        since,
        summary: alert.summary.clone(),
        then,
        loud: alert.silenced.is_none() && stirs(alert),
    }
}

fn channel(channel: &view::Channel) -> ChannelRow {
    let mood = match channel.state.as_str() {
        "failing" => Mood::Bad,
        "ok" => Mood::Good,
        _ => Mood::Idle,
    };
    let counts = format!(
        "{} delivered, {} waiting, {} given up",
        words::count(channel.delivered),
        words::count(channel.waiting),
        words::count(channel.dropped)
    );
    ChannelRow {
        name: channel.name.clone(),
        state: channel.state.clone(),
        mood,
        kind: channel.kind.clone(),
        counts,
        trouble: channel.failing.clone().unwrap_or_default(),
    }
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    chrome: Chrome,
    alerts: Vec<Row>,
    quiet: Vec<Row>,
    channels: Vec<ChannelRow>,
    failing: Option<String>,
}

pub(super) async fn list(board: Board) -> Response {
    let seen = board.scene.alerts.view();
    let page = AlertsPage {
        chrome: Chrome::of(&board, None),
        alerts: seen.alerts.iter().filter(|alert| stirs(alert)).map(row).collect(),
        quiet: seen.alerts.iter().filter(|alert| !stirs(alert)).map(row).collect(),
        channels: seen.channels.iter().map(channel).collect(),
        failing: seen.failing,
    };
    html(StatusCode::OK, &page)
}

#[derive(Template)]
#[template(path = "alert.html")]
struct AlertPage {
    chrome: Chrome,
    row: Row,
    facts: Vec<(&'static str, String)>,
    /// The latest first: when, when for people, and what.
    why: Vec<(String, String, String)>,
    spans: &'static [Lever],
    form: Blank,
}

const SPANS: [Lever; 5] = [
    Lever { word: "1h", name: "An hour", what: "while somebody mends it" },
    Lever { word: "8h", name: "Eight hours", what: "until the next shift" },
    Lever { word: "1d", name: "A day", what: "" },
    Lever { word: "7d", name: "A week", what: "" },
    Lever {
        word: "0s",
        name: "End its silence",
        what: "whoever wants to hear of it is told if it is still so",
    },
];

pub(super) async fn alert(board: Board, Path(id): Path<String>, Query(after): Query<After>) -> Response {
    draw(&board, &id, after.note.as_deref(), StatusCode::OK, Blank::fresh(&board))
}

fn draw(board: &Board, id: &str, note: Option<&str>, status: StatusCode, form: Blank) -> Response {
    let seen = board.scene.alerts.view();
    // By its name a rule is found whose alerts have come and gone.
    let named = |alert: &&Alert| alert.id == id || alert.name == id;
    let Some(alert) = seen.alerts.iter().find(|alert| alert.id == id).or(seen.alerts.iter().find(named))
    else {
        let shown: String = id.chars().take(80).collect();
        let why = format!("no alert is called {shown:?}, or it has been over for an hour");
        return sorry(board, &Rejection::new(Code::NoSuchThing).because(why));
    };
    let labels: Vec<String> = alert.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut facts = vec![
        ("Condition", alert.when.clone()),
        ("Severity", alert.severity.to_string()),
        ("Of", labels.join(", ")),
        ("Since (UTC)", alert.since.as_deref().map(words::moment).unwrap_or_default()),
        ("The number that is compared", alert.value.map_or(String::new(), |value| value.to_string())),
        ("Sent to", if alert.send.is_empty() { "nobody".to_owned() } else { alert.send.join(", ") }),
    ];
    if let Some(silenced) = &alert.silenced {
        facts.push(("Silenced by", silenced.by.clone()));
        facts.push(("Why", silenced.reason.clone()));
        facts.push(("Until", silenced.until.clone()));
    }
    facts.retain(|(_, value)| !value.is_empty());
    let why = alert.why.iter().rev();
    let why = why.map(|line| (line.at.clone(), words::moment(&line.at), line.what.clone())).collect();
    let page =
        AlertPage { chrome: Chrome::of(board, note), row: row(alert), facts, why, spans: &SPANS, form };
    html(status, &page)
}

pub(super) async fn silence(
    board: Board,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Sent,
) -> Response {
    let filled = match form::ours(&board, &headers, sent) {
        Ok(filled) => filled,
        Err(rejection) => return sorry(&board, &rejection),
    };
    let unsigned = |why: String| Rejection::new(Code::LeverUnsigned).because(why);
    let span = match filled.choice() {
        "" => Err(unsigned("choose how long".to_owned())),
        choice => parse_duration(choice).map_err(unsigned),
    };
    let done = span.and_then(|span| filled.signed().map(|signed| (span, signed)));
    match done.and_then(|(span, signed)| alerts::be_silent(&board, &id, span, signed)) {
        Ok(()) => {
            let what = match SPANS.iter().find(|span| span.word == filled.choice()) {
                Some(span) if span.word != "0s" => format!("Silenced for {}: {id}", span.name.to_lowercase()),
                _ => format!("Silence ended: {id}"),
            };
            filled.done(&board, &format!("/alerts/{}", words::segment(&id)), &what)
        }
        Err(rejection) => draw(&board, &id, None, status_of(&rejection), filled.again(&board, &rejection)),
    }
}
