//! From the present state to what stands on the page: words, numbers, moods.

use seawall_signals::view::{
    self, Breaker, BreakerState, Call, Effect, History, Limit, Status, Upstream, share,
};

use super::chart::{self, Chart};
use super::words::{self, Mood};

/// Below this share of calls that went well a tile is worth a look.
const WELL: f64 = 0.95;

/// One of the few numbers about everything.
pub(super) struct Vital {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) more: String,
    pub(super) mood: Mood,
}

/// One upstream on the first screen.
pub(super) struct Tile {
    pub(super) segment: String,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) mood: Mood,
    /// What its breaker does, in a word.
    pub(super) breaker: &'static str,
    /// Since when and what next, and what else there is to say.
    pub(super) notes: Vec<String>,
    pub(super) calls: String,
    pub(super) well: String,
    pub(super) p95: String,
    pub(super) retries: String,
    pub(super) bars: Vec<Bar>,
    pub(super) chart: Chart,
}

/// What is left of a limit.
pub(super) struct Bar {
    pub(super) rate: String,
    pub(super) left: u64,
    pub(super) of: u64,
    /// Below this it is nearly used up.
    pub(super) low: u64,
    pub(super) words: String,
    /// It has no number: it is counted for each key.
    pub(super) unknown: bool,
}

/// A call in a list.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) time: String,
    pub(super) clock: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) upstream: String,
    pub(super) status: String,
    pub(super) mood: Mood,
    pub(super) state: String,
    pub(super) took: String,
    pub(super) what: String,
}

/// An effect nobody knows the outcome of, or another one in a list.
pub(super) struct Doubt {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) mood: Mood,
    pub(super) since: String,
    pub(super) clock: String,
    pub(super) why: String,
}

/// How the whole stands.
pub(super) fn mood(board: &view::Board) -> Mood {
    let tiles = board.upstreams.iter().map(|up| upstream(up, breaker_of(board, &up.name)));
    let worst = tiles.max().unwrap_or(Mood::Idle);
    match board.status.status {
        view::Health::Unhealthy => Mood::Bad,
        view::Health::Degraded if worst == Mood::Bad => Mood::Bad,
        view::Health::Degraded => Mood::Odd,
        view::Health::Healthy if board.status.draining || board.status.effects_in_doubt > 0 => Mood::Odd,
        view::Health::Healthy => {
            if worst == Mood::Odd {
                Mood::Odd
            } else {
                Mood::Good
            }
        }
    }
}

/// Calls, success, p95, retries; and what is in doubt, if anything is.
pub(super) fn vitals(board: &view::Board) -> Vec<Vital> {
    let Status { calls, effects_in_doubt, .. } = &board.status;
    let retries = board.retries_last_minute();
    let asked_again = match calls.last_minute {
        0 => "in the last minute".to_owned(),
        all => format!("{} of calls", share(retries as f64 / all as f64)),
    };
    let mut vitals = vec![
        Vital {
            name: "Calls",
            value: format!("{}/min", words::count(calls.last_minute)),
            more: format!(
                "{} in flight, {} in all",
                words::count(calls.in_flight),
                words::count(calls.total)
            ),
            mood: Mood::Idle,
        },
        Vital {
            name: "Success",
            value: calls.success_rate.map_or("–".to_owned(), share),
            more: "of the last minute".to_owned(),
            mood: calls
                .success_rate
                .map_or(Mood::Idle, |rate| if rate < WELL { Mood::Bad } else { Mood::Good }),
        },
        Vital {
            name: "p95",
            value: calls.p95_ms.map_or("–".to_owned(), words::millis),
            more: calls
                .p50_ms
                .map_or("no calls".to_owned(), |p50| format!("half within {}", words::millis(p50))),
            mood: Mood::Idle,
        },
        Vital {
            name: "Retries",
            value: format!("{}/min", words::count(retries)),
            more: asked_again,
            mood: Mood::Idle,
        },
    ];
    if *effects_in_doubt > 0 {
        vitals.push(Vital {
            name: "In doubt",
            value: words::count(*effects_in_doubt),
            more: "nobody knows whether they took place".to_owned(),
            mood: Mood::Bad,
        });
    }
    vitals
}

/// Every upstream, what is broken first.
pub(super) fn tiles(board: &view::Board) -> Vec<Tile> {
    let mut tiles: Vec<Tile> = board.upstreams.iter().map(|up| tile(board, up)).collect();
    // Stable: of equals by name.
    tiles.sort_by_key(|tile| std::cmp::Reverse((tile.mood == Mood::Bad, tile.mood == Mood::Odd)));
    tiles
}

pub(super) fn tile(board: &view::Board, up: &Upstream) -> Tile {
    let breaker = breaker_of(board, &up.name);
    let limits: Vec<&Limit> = board.limits.iter().filter(|limit| limit.upstream == up.name).collect();
    let history = board.history.iter().find(|history| history.name == up.name);
    let mut notes: Vec<String> = breaker.and_then(words::breaker).into_iter().collect();
    if let Some(paused) = limits.iter().find_map(|limit| limit.paused_ms) {
        notes.push(format!("asked to be left alone for another {}", words::seconds(paused.div_ceil(1000))));
    }
    if let Some(retry) =
        board.retries.iter().find(|retry| retry.name == up.name && retry.state == "exhausted")
    {
        notes.push(format!(
            "the retry budget is spent, {} refused since the start",
            words::count(retry.refused)
        ));
    }
    match up.waiting {
        0 => {}
        1 => notes.push("1 call waits for a slot".to_owned()),
        count => notes.push(format!("{} calls wait for a slot", words::count(count))),
    }
    Tile {
        segment: words::segment(&up.name),
        name: up.name.clone(),
        url: up.url.clone(),
        mood: upstream(up, breaker),
        breaker: up.breaker.map_or("no breaker", BreakerState::as_str),
        notes,
        calls: format!("{}/min", words::count(up.calls.last_minute)),
        well: up.calls.success_rate.map_or("–".to_owned(), share),
        p95: up.calls.p95_ms.map_or("–".to_owned(), words::millis),
        retries: format!("{}/min", words::count(history.map_or(0, History::retries_last_minute))),
        bars: limits.into_iter().filter_map(bar).collect(),
        chart: chart::draw(&history.into_iter().collect::<Vec<_>>()),
    }
}

fn breaker_of<'b>(board: &'b view::Board, name: &str) -> Option<&'b Breaker> {
    board.breakers.iter().find(|breaker| breaker.upstream == name)
}

fn upstream(up: &Upstream, breaker: Option<&Breaker>) -> Mood {
    let breaking = breaker.map_or(Mood::Good, |breaker| words::breaking(breaker.state));
    let badly = up.calls.success_rate.is_some_and(|rate| rate < WELL);
    match up.state.as_str() {
        _ if breaking > Mood::Good => breaking,
        "paused" => Mood::Odd,
        _ if badly || up.waiting > 0 => Mood::Odd,
        "idle" => Mood::Idle,
        _ => Mood::Good,
    }
}

fn bar(limit: &Limit) -> Option<Bar> {
    let (left, of) = match (limit.remaining, limit.capacity) {
        (None, None) => return None,
        (left, of) => (left.unwrap_or(0), of.unwrap_or(0)),
    };
    let unknown = limit.remaining.is_none();
    let words = match limit.keys {
        Some(keys) => format!("{} keys", words::count(keys)),
        None => format!("{} left", words::count(left)),
    };
    Some(Bar { rate: limit.rate.clone(), left: left.min(of), of, low: of / 5, words, unknown })
}

pub(super) fn row(call: &Call) -> Row {
    let what = match (&call.refusal, call.attempts.last()) {
        (Some(refusal), _) => format!("{} {}", refusal.code, refusal.reason),
        (None, Some(last)) if !last.then.is_empty() => last.then.clone(),
        _ => match call.attempts.len() {
            0 => "answered without the upstream".to_owned(),
            1 if call.waited_ms > 0.0 => format!("waited {}", words::millis(call.waited_ms)),
            1 => String::new(),
            count => format!("{count} attempts"),
        },
    };
    Row {
        id: call.id.clone(),
        time: call.started.clone(),
        clock: words::clock(&call.started).to_owned(),
        method: call.method.clone(),
        path: call.path.clone(),
        upstream: call.upstream.clone(),
        status: call.status.map_or("–".to_owned(), |status| status.to_string()),
        mood: outcome(call),
        state: call.state.clone(),
        took: words::millis(call.duration_ms),
        what,
    }
}

/// How a call ended, for whoever looks: that it is known to be done does not make an error good.
pub(super) fn outcome(call: &Call) -> Mood {
    let well = call.class.is_none_or(|class| class == seawall_core::Class::Ok);
    match words::certainty(&call.state) {
        Mood::Good if !well => Mood::Odd,
        mood => mood,
    }
}

pub(super) fn doubt(effect: &Effect) -> Doubt {
    let since = effect.since.as_deref().unwrap_or(&effect.first);
    let why = match (&effect.reason, &effect.truth) {
        (Some(reason), _) => match effect.detail.as_deref() {
            None | Some("") => reason.clone(),
            Some(detail) => format!("{reason}: {detail}"),
        },
        (None, Some(truth)) => truth.clone(),
        (None, None) => String::new(),
    };
    Doubt {
        id: effect.id.clone(),
        name: effect.name.clone(),
        mood: match effect.state.as_str() {
            "done" => Mood::Good,
            state => words::certainty(state),
        },
        state: effect.state.clone(),
        clock: since.get(..19).filter(|_| since.is_ascii()).unwrap_or(since).replace('T', " "),
        since: since.to_owned(),
        why,
    }
}
