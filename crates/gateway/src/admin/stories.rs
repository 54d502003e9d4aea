//! The calls that are remembered, and the story of one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use seawall::{Certainty, Class, Code, Effects, Rejection};
use seawall_core::CallId;
use seawall_core::units::format_duration;
use seawall_signals::view::{Attempt, Call, Calls, Moment, Refusal};

use super::{Board, refused};
use crate::body::Ending;
use crate::house::House;
use crate::story::Story;

/// Calls listed at once.
const LISTED: usize = 100;

pub(super) async fn calls(board: Board) -> Json<Calls> {
    Json(Calls { calls: latest(&board, LISTED, |_| true) })
}

/// The latest calls of those wanted, the latest first.
pub(super) fn latest(board: &Board, count: usize, wanted: impl Fn(&Story) -> bool) -> Vec<Call> {
    let mut stories: Vec<Arc<Story>> =
        board.house().ground.rings.iter().flat_map(|ring| ring.latest(LISTED)).collect();
    stories.retain(|story| wanted(story));
    stories.sort_by_key(|story| std::cmp::Reverse(story.id));
    stories.truncate(count);
    stories.iter().map(|story| tell(&board.house(), story)).collect()
}

/// Worth a look: it waited, failed, was sent again or refused, or its body did not end as it should.
pub(super) fn notable(story: &Story) -> bool {
    let end = story.end.get();
    story.notable() || end.is_some_and(|end| !matches!(end.ending, Ending::Complete))
}

pub(super) async fn call(board: Board, Path(id): Path<String>) -> Response {
    match find(&board, &id) {
        Ok(call) => Json(call).into_response(),
        Err(rejection) => refused(&rejection),
    }
}

/// The story of one call.
pub(super) fn find(board: &Board, id: &str) -> Result<Call, Rejection> {
    let Some(id) = CallId::parse(id) else {
        return Err(Rejection::new(Code::NoSuchThing).because("that is not a call's id: it is a UUID"));
    };
    match board.house().ground.rings.iter().find_map(|ring| ring.find(id)) {
        Some(story) => Ok(tell(&board.house(), &story)),
        None => Err(Rejection::new(Code::NoSuchThing).because("no call of that id is remembered")),
    }
}

fn tell(house: &House, story: &Story) -> Call {
    let upstream =
        |place: Option<usize>| place.map_or(String::new(), |place| story.names.upstreams[place].to_string());
    let end = story.end.get();
    let certainty = match end.map(|end| end.ending) {
        Some(Ending::Cut | Ending::Stalled | Ending::Swollen | Ending::Abandoned)
            if story.class == Class::Ok =>
        {
            Certainty::Partial
        }
        _ => story.certainty,
    };
    let class = match end.map(|end| end.ending) {
        Some(Ending::Cut | Ending::Swollen) => Class::Transport,
        Some(Ending::Stalled) => Class::Timeout,
        Some(Ending::Abandoned) => Class::Cancelled,
        _ => story.class,
    };
    let running = end.is_none() && story.class == Class::Ok && story.upstream.is_some();
    let mut moments: Vec<Moment> = story
        .moments
        .iter()
        .map(|moment| Moment { at_ms: millis(moment.at), what: moment.what.clone() })
        .collect();
    let changed = story.changed.told().map(|what| Moment { at_ms: millis(story.duration), what });
    moments.extend(changed);
    if let Some(age) = story.from_cache {
        let age = format_duration(Duration::from_secs(age.as_secs()));
        moments.push(Moment {
            at_ms: millis(story.duration),
            what: format!("answered from the cache, {age} old"),
        });
    }
    if let Some(end) = end {
        let how = match end.ending {
            Ending::Complete => "its body ended",
            Ending::Cut => "its body was cut by the upstream",
            Ending::Stalled => "its body stood still for too long",
            Ending::Swollen => "its compressed body expanded too far and was cut (SW0035)",
            Ending::Abandoned => "the caller went away while reading",
        };
        let started = Duration::from_millis(story.id.millis());
        let booted = house.ground.started_wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = (booted + end.after).saturating_sub(started).max(story.duration);
        moments.push(Moment { at_ms: millis(at), what: format!("{how}, {} bytes", end.bytes) });
    }
    Call {
        id: story.id.to_string(),
        state: if running { "running".into() } else { certainty.to_string() },
        upstream: upstream(story.upstream),
        route: story.route.map_or(String::new(), |route| story.names.routes[route].to_string()),
        caller: story.caller().unwrap_or_default().to_owned(),
        method: story.method.to_string(),
        path: story.path.to_string(),
        effects: story.effects.to_string(),
        started: timestamp(UNIX_EPOCH + Duration::from_millis(story.id.millis())),
        duration_ms: millis(story.duration),
        waited_ms: millis(story.waited),
        status: story.status,
        class: Some(class),
        certainty: (!running).then_some(certainty),
        decision: story.decision.as_ref().and_then(|line| line.to_str().ok()).unwrap_or("").to_owned(),
        refusal: story.refusal.as_ref().map(|refusal| Refusal {
            code: refusal.code.to_string(),
            policy: refusal.policy.to_string(),
            reason: refusal.reason.to_string(),
            retry_after_ms: refusal
                .retry_after
                .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }),
        attempts: attempts(story),
        moments,
    }
}

fn attempts(story: &Story) -> Vec<Attempt> {
    let mut told: Vec<Attempt> = Vec::with_capacity(story.attempts.len());
    for (place, attempt) in story.attempts.iter().enumerate() {
        let last = place + 1 == story.attempts.len();
        let verdict = attempt.verdict;
        let mut then = attempt.failure.clone().unwrap_or_default();
        let next = if !attempt.then.is_empty() {
            attempt.then.clone()
        } else if last
            && !verdict.is_ok()
            && !verdict.may_repeat(story.effects)
            && verdict.may_repeat(Effects::Repeatable)
        {
            format!(
                "not sent again: {}, and the outcome is {}",
                story.effects,
                verdict.certainty(story.effects)
            )
        } else {
            String::new()
        };
        if !then.is_empty() && !next.is_empty() {
            then.push_str("; ");
        }
        then.push_str(&next);
        told.push(Attempt {
            number: u32::try_from(place + 1).unwrap_or(u32::MAX),
            upstream: story.names.upstreams[attempt.upstream].to_string(),
            at_ms: millis(attempt.at),
            duration_ms: millis(attempt.duration),
            status: attempt.status,
            class: verdict.class(),
            certainty: verdict.certainty(story.effects),
            then,
        });
    }
    told
}

fn millis(span: Duration) -> f64 {
    // Three digits after the point: microseconds.
    (span.as_secs_f64() * 1e6).round() / 1e3
}

/// RFC 3339, in UTC, to the millisecond.
pub(crate) fn timestamp(at: SystemTime) -> String {
    match jiff::Timestamp::try_from(at) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        // Further from now than the calendar goes.
        Err(_) => String::new(),
    }
}
