//! What came of it: what callers were told, held against what the providers wrote down.

use std::time::Duration;

use seawall_testkit::Ledger;
use serde::Serialize;

use super::Play;
use super::clients::{Seen, Told};
use super::traffic::{Kind, Operation};

/// The providers' memories, of one way alone.
#[derive(Debug, Clone)]
pub(super) struct Ledgers(pub(super) [Ledger; 3]);

impl Ledgers {
    fn of(&self, kind: Kind) -> &Ledger {
        &self.0[kind as usize]
    }
}

/// How one kind of calls went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Share {
    /// What kind.
    pub(super) kind: Kind,
    /// How many were asked.
    pub(super) operations: usize,
    /// How many ended in a whole answer.
    pub(super) succeeded: usize,
    /// The same in percent.
    pub(super) success: f64,
}

/// How one way went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Score {
    /// What was asked.
    pub(super) operations: usize,
    /// Operations that ended in a whole answer, known to be whole.
    pub(super) succeeded: usize,
    /// The same in percent.
    pub(super) success: f64,
    /// Each kind by itself.
    pub(super) kinds: Vec<Share>,
    /// Fills beyond the first of each order.
    pub(super) duplicates: usize,
    /// Orders of which the caller believes something untrue: told as failed and filled, or told as done and not filled.
    pub(super) lost: usize,
    /// Orders told as unknown.
    pub(super) unknown: usize,
    /// Answers that were cut and taken for complete.
    pub(super) truncated: usize,
    /// The median of all operations, repeats and waiting included, in milliseconds.
    pub(super) p50_ms: f64,
    /// What 99 of 100 operations stayed within.
    pub(super) p99_ms: f64,
    /// Requests that reached the providers.
    pub(super) requests: usize,
    /// Those that reached the one that was down, while it was down.
    pub(super) requests_in_outage: usize,
}

impl Score {
    /// Counts. An operation nobody saw the end of counts as asked and not as answered.
    pub(super) fn of(play: &Play, asked: &[Operation], seen: &[Seen], ledgers: &Ledgers) -> Self {
        let share = |kind| {
            let operations = asked.iter().filter(|operation| operation.kind == kind).count();
            let succeeded =
                seen.iter().filter(|seen| seen.operation.kind == kind && seen.succeeded()).count();
            Share { kind, operations, succeeded, success: percent(succeeded, operations) }
        };
        let orders = ledgers.of(Kind::Orders);
        let asked_orders = || seen.iter().filter(|seen| seen.operation.kind == Kind::Orders);
        let lost = |seen: &&Seen| belied(seen.told, orders.times("order", &seen.operation.key()));
        let mut times: Vec<Duration> = seen.iter().map(|seen| seen.took).collect();
        times.sort_unstable();
        let (from, to) = play.outage();
        let down = ledgers.of(Kind::Reads).requests();
        let succeeded = seen.iter().filter(|seen| seen.succeeded()).count();
        Self {
            operations: asked.len(),
            succeeded,
            success: percent(succeeded, asked.len()),
            kinds: Kind::ALL.map(share).into(),
            duplicates: orders.duplicates("order"),
            lost: asked_orders().filter(lost).count(),
            unknown: asked_orders().filter(|seen| seen.told == Told::Unknown).count(),
            truncated: seen.iter().filter(|seen| seen.truncated()).count(),
            p50_ms: millis(percentile(&times, 50)),
            p99_ms: millis(percentile(&times, 99)),
            requests: ledgers.0.iter().map(Ledger::request_count).sum(),
            requests_in_outage: down.iter().filter(|request| from <= request.at && request.at < to).count(),
        }
    }
}

/// Is what the caller was told untrue, given how often its order was filled?
fn belied(told: Told, fills: usize) -> bool {
    match told {
        Told::Done => fills == 0,
        Told::Failed => fills > 0,
        Told::Unknown => false,
    }
}

/// What seawall must not be caught at; empty when all is well.
pub(super) fn shortcomings(direct: &Score, seawall: &Score) -> Vec<String> {
    let mut said = Vec::new();
    if seawall.duplicates > 0 {
        said.push(format!("seawall let {} through", counted(seawall.duplicates, "duplicate")));
    }
    if seawall.truncated > 0 {
        said.push(format!("seawall let {} through", counted(seawall.truncated, "truncation")));
    }
    if seawall.succeeded < direct.succeeded {
        let (ours, theirs, of) = (seawall.succeeded, direct.succeeded, direct.operations);
        said.push(format!("seawall succeeded {ours} times of {of}, the plain client {theirs} times"));
    }
    said
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The smallest of these ascending times that so many percent of them stay within; zero of none.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied().unwrap_or_default()
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { round(part as f64 * 100.0 / whole as f64, 100.0) }
}

fn millis(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1e3, 1000.0)
}

fn round(number: f64, steps: f64) -> f64 {
    (number * steps).round() / steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(100));
        assert_eq!(percentile(&times, 99), Duration::from_millis(198));
        assert_eq!(percentile(&times[..1], 99), Duration::from_millis(1));
        assert_eq!(percentile(&times[..3], 50), Duration::from_millis(2));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn an_order_is_lost_when_its_caller_believes_what_is_untrue() {
        assert!(belied(Told::Failed, 1));
        assert!(belied(Told::Done, 0));
        assert!(!belied(Told::Failed, 0));
        assert!(!belied(Told::Done, 2), "that is a duplicate");
        assert!(!belied(Told::Unknown, 1) && !belied(Told::Unknown, 0));
    }

    fn score(succeeded: usize, duplicates: usize, truncated: usize) -> Score {
        Score {
            operations: 100,
            succeeded,
            success: percent(succeeded, 100),
            kinds: Vec::new(),
            duplicates,
            lost: 0,
            unknown: 0,
            truncated,
            p50_ms: 1.0,
            p99_ms: 2.0,
            requests: 100,
            requests_in_outage: 0,
        }
    }

    #[test]
    fn a_duplicate_a_truncation_or_less_success_than_without_is_a_failure() {
        let direct = score(80, 3, 3);
        assert_eq!(shortcomings(&direct, &score(80, 0, 0)), Vec::<String>::new());
        assert_eq!(shortcomings(&direct, &score(90, 1, 0)), ["seawall let 1 duplicate through"]);
        assert_eq!(shortcomings(&direct, &score(90, 0, 2)), ["seawall let 2 truncations through"]);
        assert_eq!(
            shortcomings(&direct, &score(79, 0, 0)),
            ["seawall succeeded 79 times of 100, the plain client 80 times"]
        );
    }
}
