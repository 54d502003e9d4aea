//! `/events`: a stream that says how things stand whenever that changes.
//!
//! `status` bears the status as JSON with the verdict, `breaker` a breaker that has moved, `alert` and `health` an alert or a
//! check that has, `beat` nothing: it comes when
//! there was nothing else for a while, so that silence means a lost connection. `bye` is the last before a drain.
//!
//! One look a second serves all who listen, however many, and there is no look when nobody does. Whoever falls behind
//! misses what is old and gets the present. Where tokens are used, a stream ends within a second of the token or the session
//! that began it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse, Response};
use seawall::{Code, Rejection};
use seawall_signals::view::{Breaker, BreakerState, Status};
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::super::{Board, refused, views};
use super::first;
use crate::listen::Phase;

/// Pages that may listen at once.
pub(super) const LISTENERS: usize = 64;
/// What is kept for whoever is slow.
pub(super) const QUEUE: usize = 32;
/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);
/// Looks without a word before a beat.
const BEAT: u32 = 5;

/// What all who listen are told.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    /// This.
    Told(Bytes),
    /// Nothing any more.
    Over,
}

/// The status with its verdict, as an event bears it.
#[derive(Serialize)]
struct Told<'s> {
    verdict: &'s str,
    #[serde(flatten)]
    status: &'s Status,
}

fn event(kind: &str, data: &impl Serialize) -> Bytes {
    // JSON has no line feeds of its own, so it is one line of data.
    let data = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("event: {kind}\ndata: {data}\n\n"))
}

/// What was told last.
#[derive(Default)]
struct Last {
    status: Option<(String, Status)>,
    breakers: HashMap<String, BreakerState>,
    /// The states of alerts and of checks.
    states: [HashMap<String, String>; 2],
    looked: bool,
    silent: u32,
}

impl Last {
    /// What has changed since, as events. Getting older is no change.
    fn news(
        &mut self,
        verdict: String,
        mut status: Status,
        breakers: &[Breaker],
        moved: Moved,
    ) -> Vec<Bytes> {
        let mut news = self.moved(moved);
        for breaker in breakers {
            let before = self.breakers.insert(breaker.name.clone(), breaker.state);
            if before.is_some_and(|before| before != breaker.state) {
                news.push(event("breaker", breaker));
            }
        }
        self.breakers.retain(|name, _| breakers.iter().any(|breaker| breaker.name == *name));
        let told = event("status", &Told { verdict: &verdict, status: &status });
        status.uptime_seconds = 0;
        let now = Some((verdict, status));
        if now != self.status {
            self.status = now;
            news.push(told);
        }
        self.silent = if news.is_empty() { self.silent + 1 } else { 0 };
        if self.silent >= BEAT {
            self.silent = 0;
            news.push(event("beat", &()));
        }
        news
    }
}

/// How alerts and checks stand: of each its name, its state, and what an event bears of it.
type Moved = [Vec<(String, String, serde_json::Value)>; 2];

impl Last {
    /// Alerts and checks that stand elsewhere than at the last look.
    fn moved(&mut self, moved: Moved) -> Vec<Bytes> {
        let first = !std::mem::replace(&mut self.looked, true);
        let mut news = Vec::new();
        for ((kind, seen), known) in ["alert", "health"].into_iter().zip(moved).zip(&mut self.states) {
            let now: HashMap<String, String> =
                seen.iter().map(|(name, state, _)| (name.clone(), state.clone())).collect();
            let other = |(name, state, _): &&(String, String, _)| known.get(name) != Some(state);
            if !first {
                news.extend(seen.iter().filter(other).map(|(.., told)| event(kind, told)));
            }
            *known = now;
        }
        news
    }
}

fn standing(board: &Board) -> Moved {
    let alerts = board.scene.alerts.view().alerts.into_iter().map(|alert| {
        let told = serde_json::json!({
            "id": alert.id, "name": alert.name, "state": alert.state, "severity": alert.severity, "summary": alert.summary,
        });
        (alert.id, alert.state, told)
    });
    let checks = board.house().health.view(false).health.into_iter().map(|check| {
        let told = serde_json::json!({ "name": check.name, "state": check.state, "why": check.why });
        (check.name, check.state, told)
    });
    [alerts.collect(), checks.collect()]
}

/// Looks after the pages: counts the history, and tells whoever listens what has changed.
pub(in crate::admin) async fn keep_up(board: Board, mut phase: watch::Receiver<Phase>) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut last, mut over) = (Last::default(), false);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            changed = phase.changed() => if changed.is_err() { return },
        }
        board.desk.tick(views::now(&board), &views::counts(&board));
        if board.desk.frames.receiver_count() == 0 {
            last = Last::default();
        } else {
            let status = views::present(&board);
            let verdict = first::verdict(&board, &status);
            for told in last.news(verdict, status, &views::all_breakers(&board), standing(&board)) {
                // Nobody left to tell is no loss.
                let _ = board.desk.frames.send(Frame::Told(told));
            }
        }
        if views::draining(&board) && !over {
            over = true;
            let _ = board.desk.frames.send(Frame::Told(event("bye", &())));
            let _ = board.desk.frames.send(Frame::Over);
        }
    }
}

/// One who listens.
struct Listener {
    frames: broadcast::Receiver<Frame>,
    /// Said before anything else.
    hello: Option<Bytes>,
    /// Who listens, for as long as they may.
    board: Board,
    /// Given back when the stream is dropped, however that comes about.
    _seat: OwnedSemaphorePermit,
}

impl Listener {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(hello) = self.hello.take() {
            return Some((Ok(hello), self));
        }
        loop {
            let heard = timeout(LOOK, self.frames.recv()).await;
            // A token may have gone with a configuration, a session with its end: then nothing more is told.
            if !self.board.still_known() {
                return None;
            }
            match heard {
                Ok(Ok(Frame::Told(bytes))) => return Some((Ok(bytes), self)),
                Err(_) | Ok(Err(RecvError::Lagged(_))) => {}
                Ok(Ok(Frame::Over) | Err(RecvError::Closed)) => return None,
            }
        }
    }
}

pub(super) async fn events(board: Board) -> Response {
    if views::draining(&board) {
        return refused(&Rejection::new(Code::Draining));
    }
    let Ok(seat) = board.desk.seats.clone().try_acquire_owned() else {
        let rejection = Rejection::new(Code::BulkheadFull).after(Duration::from_secs(15));
        return refused(&rejection.because(format!("{LISTENERS} pages listen already: close some")));
    };
    let frames = board.desk.frames.subscribe();
    let status = views::present(&board);
    let verdict = first::verdict(&board, &status);
    let mut hello = b"retry: 2000\n\n".to_vec();
    hello.extend_from_slice(&event("status", &Told { verdict: &verdict, status: &status }));
    let listener = Listener { frames, hello: Some(hello.into()), board, _seat: seat };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // A proxy that collects answers before it passes them on would pass this one on never.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let stream = futures_util::stream::unfold(listener, Listener::next);
    (headers, Body::from_stream(stream)).into_response()
}

#[cfg(test)]
mod tests {
    use seawall_signals::view::{Health, Traffic};

    use super::*;

    fn status() -> Status {
        Status {
            status: Health::Healthy,
            reasons: Vec::new(),
            version: "1".into(),
            uptime_seconds: 1,
            generation: 1,
            draining: false,
            effects_in_doubt: 0,
            calls: Traffic::default(),
        }
    }

    fn breaker(state: BreakerState) -> Breaker {
        Breaker {
            name: "up".into(),
            upstream: "up".into(),
            state,
            since_seconds: 0,
            retry_after_ms: None,
            failure_rate: None,
            consecutive_failures: 0,
            forced: None,
        }
    }

    #[test]
    fn only_what_changed_is_told_and_silence_has_a_beat() {
        let mut last = Last::default();
        let closed = [breaker(BreakerState::Closed)];
        assert_eq!(
            last.news("well".into(), status(), &closed, Moved::default()).len(),
            1,
            "the first look is news"
        );
        let mut older = status();
        let told: Vec<usize> = (0..10)
            .map(|_| {
                older.uptime_seconds += 1;
                last.news("well".into(), older.clone(), &closed, Moved::default()).len()
            })
            .collect();
        assert_eq!(
            told,
            [0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
            "getting older is no news, and every fifth is a beat"
        );
        let mut changed = status();
        changed.calls.total = 1;
        let news = last.news("well".into(), changed, &[breaker(BreakerState::Open)], Moved::default());
        assert_eq!(news.len(), 2);
        assert!(news[0].starts_with(b"event: breaker\ndata: {\"name\":\"up\""), "{news:?}");
        assert!(
            news[1].starts_with(b"event: status\ndata: {\"verdict\":\"well\",\"status\":\"healthy\""),
            "{news:?}"
        );
        assert!(news.iter().all(|told| told.ends_with(b"\n\n")));
    }

    #[test]
    fn no_name_ends_an_event_early() {
        let mut hostile = breaker(BreakerState::Open);
        hostile.name = "a\n\nevent: status\r\ndata: {}\u{2028}".into();
        let told = event("breaker", &hostile);
        let text = std::str::from_utf8(&told).unwrap();
        assert_eq!(text.matches(['\n', '\r']).count(), 3, "{text:?}");
    }

    #[test]
    fn an_alert_and_a_check_that_move_are_told_and_those_that_stay_are_not() {
        let mut last = Last::default();
        let standing = |alert: &str, check: &str| -> Moved {
            let one = |name: &str, state: &str| {
                vec![(name.to_owned(), state.to_owned(), serde_json::json!({ "name": name, "state": state }))]
            };
            [one("a", alert), one("c", check)]
        };
        assert!(last.moved(standing("pending", "healthy")).is_empty(), "how it stands at first is no move");
        assert!(last.moved(standing("pending", "healthy")).is_empty());
        let told = last.moved(standing("active", "unhealthy"));
        assert!(told[0].starts_with(b"event: alert\ndata: {") && told[1].starts_with(b"event: health\n"));
        assert_eq!((told.len(), last.moved(Moved::default()).len()), (2, 0), "who is gone is not told");
    }
}
