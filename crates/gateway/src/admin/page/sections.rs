//! What stands below the upstreams only where there is something to show: each section is a table of its own.
//!
//! Whoever builds a part that operators should see (alerts, health, jobs, budgets) adds its section to [`all`], in the
//! order in which somebody at three in the morning would want to read them. A section without rows is not shown.

use super::super::{Board, views};
use super::words;

/// A table under a heading.
pub(super) struct Section {
    /// For its place on the page: letters and `-`.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) head: Vec<&'static str>,
    /// As many cells as the head has.
    pub(super) rows: Vec<Vec<String>>,
    /// A word below the table, if there is one to say.
    pub(super) more: String,
}

/// Every section with something in it.
pub(super) fn all(board: &Board) -> Vec<Section> {
    let mut sections = vec![keys(board), levers(board)];
    sections.retain(|section| !section.rows.is_empty());
    sections
}

/// The keys of upstreams that have several, by their names.
fn keys(board: &Board) -> Section {
    let rows = views::all_upstreams(board).into_iter().flat_map(|upstream| {
        upstream.keys.into_iter().map(move |key| {
            let left = |millis: u64| words::seconds(millis.div_ceil(1000));
            let rests =
                key.why.zip(key.rests_ms).map(|(why, millis)| format!("{why}, another {}", left(millis)));
            let (weight, calls) = (key.weight.to_string(), key.calls.to_string());
            vec![upstream.name.clone(), key.name, key.state, weight, calls, rests.unwrap_or_default()]
        })
    });
    Section {
        id: "keys",
        title: "Keys",
        head: vec!["upstream", "key", "state", "weight", "calls", "rests"],
        rows: rows.collect(),
        more: String::new(),
    }
}

/// Levers shown at once.
const LEVERS: usize = 8;

/// Who did what last, and why.
fn levers(board: &Board) -> Section {
    let trail = views::trail(board, 50);
    let rows = trail
        .audit
        .iter()
        .filter_map(|audited| Some((audited, audited.record.kind.strip_prefix("lever.")?)))
        .take(LEVERS)
        .map(|(audited, lever)| {
            let record = &audited.record;
            let time = format!("{} UTC", words::clock(&record.ts));
            vec![time, lever.to_owned(), record.subject.clone(), record.by.clone(), record.reason.clone()]
        })
        .collect();
    let more = match (trail.kept.as_str(), trail.failing) {
        (_, Some(why)) => format!("The audit trail cannot be written: {why}"),
        ("memory", None) => "Kept in memory: without a state directory it ends with this process.".to_owned(),
        _ => String::new(),
    };
    Section {
        id: "levers",
        title: "Levers pulled",
        head: vec!["time", "lever", "on", "by", "why"],
        rows,
        more,
    }
}
