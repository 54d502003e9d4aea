//! The calls that are remembered, and one call's story as a timeline.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use seawall_core::{CallId, Class};
use seawall_signals::view::{Attempt, Call};
use serde::Deserialize;

use super::super::{Board, stories};
use super::look::{self, Row};
use super::words::{self, Mood};
use super::{Chrome, html, sorry};

/// Calls in the list.
const LISTED: usize = 100;

/// Which calls.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    /// Somebody looks for this one.
    id: Option<String>,
    /// Ordinary ones too.
    all: Option<String>,
}

#[derive(Template)]
#[template(path = "calls.html")]
struct CallsPage {
    chrome: Chrome,
    all: bool,
    calls: Vec<Row>,
}

pub(super) async fn list(board: Board, Query(which): Query<Which>) -> Response {
    if let Some(id) = which.id {
        // What is not an id would lead who knows where.
        let id = CallId::parse(id.trim()).map_or_else(|| "unreadable".to_owned(), |id| id.to_string());
        return Redirect::to(&format!("/calls/{id}")).into_response();
    }
    let all = which.all.is_some();
    let calls = stories::latest(&board, LISTED, |story| all || stories::notable(story));
    let page =
        CallsPage { chrome: Chrome::of(&board, None), all, calls: calls.iter().map(look::row).collect() };
    html(StatusCode::OK, &page)
}

#[derive(Template)]
#[template(path = "call.html")]
struct CallPage {
    chrome: Chrome,
    row: Row,
    facts: Vec<(&'static str, String)>,
    refusal: Option<String>,
    steps: Vec<Step>,
    decision: String,
}

/// Something in the timeline. Places are hundredths of the whole.
struct Step {
    mood: Mood,
    at: String,
    what: String,
    /// What came of it.
    then: String,
    x: String,
    width: String,
}

pub(super) async fn show(board: Board, Path(id): Path<String>) -> Response {
    let call = match stories::find(&board, &id) {
        Ok(call) => call,
        Err(rejection) => return sorry(&board, &rejection),
    };
    let facts = [
        ("Upstream", call.upstream.clone()),
        ("Route", call.route.clone()),
        ("Safe to repeat", call.effects.clone()),
        ("Arrived", call.started.clone()),
        ("Answer's head after", words::millis(call.duration_ms)),
        ("Of it waiting", if call.waited_ms > 0.0 { words::millis(call.waited_ms) } else { String::new() }),
        ("Status", call.status.map_or(String::new(), |status| status.to_string())),
        ("Class", call.class.map_or(String::new(), |class| class.to_string())),
        ("Certainty", call.certainty.map_or(String::new(), |certainty| certainty.to_string())),
    ];
    let refusal = call.refusal.as_ref().map(|refusal| {
        let again =
            refusal.retry_after_ms.map(|wait| format!(", ask again in {}", words::millis(wait as f64)));
        let again = again.unwrap_or_default();
        format!("{} by {}: {}{again}", refusal.code, refusal.policy, refusal.reason)
    });
    let page = CallPage {
        chrome: Chrome::of(&board, None),
        facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        refusal,
        steps: steps(&call),
        decision: call.decision.clone(),
        row: look::row(&call),
    };
    html(StatusCode::OK, &page)
}

/// Everything that happened, in the order in which it began.
fn steps(call: &Call) -> Vec<Step> {
    let ends = call.attempts.iter().map(|attempt| attempt.at_ms + attempt.duration_ms);
    let moments = call.moments.iter().map(|moment| moment.at_ms);
    let whole = ends.chain(moments).fold(call.duration_ms, f64::max).max(0.001);
    let mut told: Vec<(f64, Step)> =
        call.attempts.iter().map(|one| (one.at_ms, attempt(one, whole))).collect();
    told.extend(call.moments.iter().map(|moment| {
        let place = Place::of(moment.at_ms, 0.0, whole);
        let at = words::millis(moment.at_ms);
        let step = Step {
            mood: Mood::Idle,
            at,
            what: moment.what.clone(),
            then: String::new(),
            x: place.x,
            width: place.width,
        };
        (moment.at_ms, step)
    }));
    // Stable, so that what happened in one moment stays in the order it was told.
    told.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    told.into_iter().map(|(_, step)| step).collect()
}

fn attempt(attempt: &Attempt, whole: f64) -> Step {
    let answer = attempt.status.map_or("no answer".to_owned(), |status| status.to_string());
    let place = Place::of(attempt.at_ms, attempt.duration_ms, whole);
    let took = words::millis(attempt.duration_ms);
    Step {
        mood: if attempt.class == Class::Ok { Mood::Good } else { Mood::Bad },
        at: words::millis(attempt.at_ms),
        what: format!("attempt {} to {}: {answer} after {took}", attempt.number, attempt.upstream),
        then: match attempt.then.as_str() {
            "" => format!("{}, {}", attempt.class, attempt.certainty),
            then => format!("{}, {}; {then}", attempt.class, attempt.certainty),
        },
        x: place.x,
        width: place.width,
    }
}

struct Place {
    x: String,
    width: String,
}

impl Place {
    /// Never narrower than can be seen, and never beyond the end.
    fn of(at: f64, took: f64, whole: f64) -> Self {
        let share = |span: f64| (span / whole * 100.0).clamp(0.0, 100.0);
        let width = share(took).max(0.8);
        let x = share(at).min(100.0 - width);
        Self { x: format!("{x:.2}"), width: format!("{width:.2}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_is_in_order_and_within_its_bounds() {
        let call: Call = serde_json::from_value(serde_json::json!({
            "id": "x", "state": "done", "upstream": "up", "route": "", "method": "GET", "path": "/", "effects": "repeatable",
            "started": "", "duration_ms": 530.0, "waited_ms": 120.0, "status": 200,
            "attempts": [
                {"number": 1, "upstream": "up", "at_ms": 120.0, "duration_ms": 12.0, "class": "transport",
                 "certainty": "not-done", "then": "again in 380ms"},
                {"number": 2, "upstream": "up", "at_ms": 512.0, "duration_ms": 18.0, "status": 200, "class": "ok",
                 "certainty": "done"}],
            "moments": [{"at_ms": 0.2, "what": "waited"}, {"at_ms": 1060.0, "what": "its body ended"}],
        }))
        .unwrap();
        let steps = steps(&call);
        let whats: Vec<&str> = steps.iter().map(|step| step.what.as_str()).collect();
        assert_eq!(
            whats,
            [
                "waited",
                "attempt 1 to up: no answer after 12 ms",
                "attempt 2 to up: 200 after 18 ms",
                "its body ended"
            ]
        );
        assert_eq!((steps[1].x.as_str(), steps[1].width.as_str()), ("11.32", "1.13"));
        assert_eq!(steps[1].then, "transport, not-done; again in 380ms");
        assert_eq!((steps[3].x.as_str(), steps[3].width.as_str()), ("99.20", "0.80"));
        assert_eq!(steps[2].mood, Mood::Good);
    }

    #[test]
    fn absurd_times_stay_on_the_page() {
        for (at, took) in [(f64::NAN, 1.0), (1.0, f64::INFINITY), (-5.0, -1.0), (1e300, 1e300)] {
            let place = Place::of(at, took, 10.0);
            let (x, width): (f64, f64) = (place.x.parse().unwrap(), place.width.parse().unwrap());
            assert!(!(x + width > 100.01 || x < 0.0), "{at} {took}: {x} {width}");
        }
    }
}
