//! How everything that is looked at stands, and what will fail.

use seawall_signals::view::Check;

use super::words::{self, Mood};

/// A check in a list.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) segment: String,
    pub(super) state: String,
    pub(super) mood: Mood,
    pub(super) kind: String,
    pub(super) since: String,
    pub(super) last: String,
    /// What was found, and what is foretold.
    pub(super) found: String,
    /// What will fail.
    pub(super) foretold: Vec<String>,
    pub(super) critical: bool,
}

pub(super) fn mood(check: &Check) -> Mood {
    match check.state.as_str() {
        "unhealthy" => Mood::Bad,
        "degraded" => Mood::Odd,
        "healthy" => Mood::Good,
        _ => Mood::Idle,
    }
}

/// Every check, what is broken first; nothing where only upstreams are looked after and all of them are well, for those have
/// tiles.
pub(super) fn rows(checks: &[Check]) -> Vec<Row> {
    let telling =
        |check: &Check| check.kind != "calls" || mood(check) > Mood::Good || !check.foretold.is_empty();
    if !checks.iter().any(telling) {
        return Vec::new();
    }
    let mut rows: Vec<Row> = checks.iter().map(row).collect();
    // Stable: of equals by name.
    rows.sort_by_key(|row| std::cmp::Reverse(row.mood.max(Mood::Good)));
    rows
}

fn row(check: &Check) -> Row {
    let foretold = check.foretold.iter().map(|foretold| {
        let what = match foretold.what.as_str() {
            "duration" => "slower than its deadline",
            "failing" => "failing half of the time",
            _ => "at its limit",
        };
        let whole = |seconds: f64| words::seconds(seconds.clamp(0.0, 1e9) as u64);
        format!(
            "{what} in {} if it goes on like this ({} to {})",
            whole(foretold.fails_in_seconds),
            whole(foretold.earliest_seconds),
            whole(foretold.latest_seconds)
        )
    });
    Row {
        segment: words::segment(&check.name),
        name: check.name.clone(),
        state: check.state.clone(),
        mood: mood(check),
        kind: check.kind.clone(),
        since: words::seconds(check.since_seconds),
        last: check
            .seconds_ago
            .map_or("never".to_owned(), |ago| format!("{} ago", words::seconds(ago.clamp(0.0, 1e9) as u64))),
        found: check.why.clone().unwrap_or_default(),
        foretold: foretold.collect(),
        critical: check.critical,
    }
}
