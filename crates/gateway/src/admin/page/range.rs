//! How far back an upstream's page looks: ten minutes as they were counted, a day by the hour, a month by the day. The hours and
//! days are those of `/api/v1/series?step=…`: they outlive a restart, and of some of them nothing may be known.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use seawall::{Code, Rejection};
use seawall_signals::metrics::names;
use seawall_signals::series::{Id, Step, Stretch};
use seawall_signals::view::History;

use super::super::{Board, series};
use super::chart::{self, Bar, Chart};
use super::words as said;

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Minutes,
    Day,
    Month,
}

/// A choice of range.
pub(super) struct Choice {
    pub(super) word: &'static str,
    pub(super) name: &'static str,
    pub(super) chosen: bool,
}

/// What a page shows of a range.
pub(super) struct Shown {
    pub(super) choices: Vec<Choice>,
    pub(super) chart: Chart,
    /// What stands at the left end of the chart.
    pub(super) from: &'static str,
    /// What the table is called.
    pub(super) title: &'static str,
    pub(super) head: &'static [&'static str],
    pub(super) rows: Vec<Line>,
}

/// A line of the table: when, and numbers.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    pub(super) when: String,
    pub(super) cells: Vec<String>,
}

/// What is known of an hour or a day.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Part {
    /// When it began, in seconds since 1970.
    at: u64,
    /// Did anybody look?
    known: bool,
    calls: f64,
    failed: f64,
    retried: f64,
    /// Seconds that all calls of it took together, and how many they were.
    took: (f64, f64),
}

impl Range {
    pub(super) const ALL: [Self; 3] = [Self::Minutes, Self::Day, Self::Month];

    /// As a query has it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Minutes => "10m",
            Self::Day => "24h",
            Self::Month => "30d",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Minutes => "10 minutes",
            Self::Day => "24 hours",
            Self::Month => "30 days",
        }
    }

    /// The range that is asked for; ten minutes where nothing is said.
    pub(super) fn asked(word: Option<&str>) -> Result<Self, Rejection> {
        let word = word.unwrap_or(Self::Minutes.word());
        Self::ALL.into_iter().find(|range| range.word() == word).ok_or_else(|| {
            let shown: String = word.chars().take(40).collect();
            let why = format!("range: {shown:?} is none: write 10m, 24h or 30d");
            Rejection::new(Code::Malformed).because(why)
        })
    }

    /// What an upstream's page shows of it.
    pub(super) fn show(self, board: &Board, name: &str, history: Option<&History>) -> Shown {
        let choices =
            Self::ALL.map(|range| Choice { word: range.word(), name: range.name(), chosen: range == self });
        let (chart, from, title, head, rows) = match self {
            Self::Minutes => (
                chart::draw(&history.into_iter().collect::<Vec<_>>()),
                "10 minutes ago",
                "The last minutes in numbers",
                &["minutes ago", "calls", "failed", "retried"][..],
                history.map(minutes).unwrap_or_default(),
            ),
            Self::Day => {
                let parts = read(board, name, Step::Hour, 24);
                let rows = lines(&parts, 16);
                (draw(&parts, self, "an hour"), "24 hours ago", "The last hours in numbers", HEAD, rows)
            }
            Self::Month => {
                let parts = read(board, name, Step::Day, 30);
                let rows = lines(&parts, 10);
                (draw(&parts, self, "a day"), "30 days ago", "The last days in numbers", HEAD, rows)
            }
        };
        Shown { choices: choices.into(), chart, from, title, head, rows }
    }
}

/// The words of a query, as they are described.
pub(super) fn words() -> serde_json::Value {
    serde_json::json!({ "enum": Range::ALL.map(Range::word) })
}

const HEAD: &[&str] = &["from (UTC)", "calls", "failed", "retried", "took on average"];

fn minutes(history: &History) -> Vec<Line> {
    let line = |minute: chart::Minute| Line {
        when: minute.ago.to_string(),
        cells: [minute.calls, minute.failed, minute.retried].map(said::count).into(),
    };
    chart::minutes(history).into_iter().map(line).collect()
}

/// The latest hours or days of an upstream, the oldest first; the one that has begun is the last.
fn read(board: &Board, name: &str, step: Step, count: u64) -> Vec<Part> {
    let now = series::now();
    let house = board.house();
    let kept = house.ground.kept.lock().unwrap_or_else(PoisonError::into_inner);
    let of = |metric: &str| kept.steps(metric, step, (count - 1) * step.seconds(), now);
    let duration = names::CALL_DURATION.name;
    let found = Found {
        calls: of(names::CALLS.name),
        retries: of(names::RETRIES.name),
        spent: of(&format!("{duration}_sum")),
        ended: of(&format!("{duration}_count")),
        // It is there for as long as the upstream is, whether anybody calls it or not.
        present: of(names::BREAKER_OPEN.name),
    };
    drop(kept);
    let last = now / step.seconds();
    found.parts(name, (0..count).rev().map(|ago| last.saturating_sub(ago) * step.seconds()))
}

/// What is kept of the metrics that a page is drawn from.
struct Found {
    calls: Vec<(Id, Vec<Stretch>)>,
    retries: Vec<(Id, Vec<Stretch>)>,
    spent: Vec<(Id, Vec<Stretch>)>,
    ended: Vec<(Id, Vec<Stretch>)>,
    present: Vec<(Id, Vec<Stretch>)>,
}

impl Found {
    /// Each step with what is known of it.
    fn parts(&self, name: &str, steps: impl Iterator<Item = u64>) -> Vec<Part> {
        let mut parts: BTreeMap<u64, Part> = steps.map(|at| (at, Part { at, ..Part::default() })).collect();
        let mut each = |series: &[(Id, Vec<Stretch>)], add: &dyn Fn(&mut Part, &Id, f64)| {
            for (id, stretches) in series.iter().filter(|(id, _)| label(id, "upstream") == Some(name)) {
                for stretch in stretches {
                    if let Some(part) = parts.get_mut(&stretch.at) {
                        part.known = true;
                        add(part, id, stretch.increase);
                    }
                }
            }
        };
        each(&self.present, &|_, _, _| {});
        each(&self.calls, &|part, id, count| {
            part.calls += count;
            if label(id, "outcome") != Some("ok") {
                part.failed += count;
            }
        });
        each(&self.retries, &|part, _, count| part.retried += count);
        each(&self.spent, &|part, _, seconds| part.took.0 += seconds);
        each(&self.ended, &|part, _, count| part.took.1 += count);
        parts.into_values().collect()
    }
}

fn label<'i>(id: &'i Id, name: &str) -> Option<&'i str> {
    id.labels.iter().find(|(own, _)| &**own == name).map(|(_, value)| &**value)
}

/// A number of calls, which are whole.
fn whole(count: f64) -> u64 {
    count.max(0.0).round() as u64
}

fn draw(parts: &[Part], range: Range, step: &str) -> Chart {
    let bars: Vec<Option<Bar>> = parts
        .iter()
        .map(|part| {
            let (calls, failed) = (whole(part.calls), whole(part.failed));
            let title = format!("{} UTC: {} calls, {} failed", when(part.at, 16), calls, failed);
            part.known.then_some(Bar { calls, failed, title })
        })
        .collect();
    let unknown = parts.iter().filter(|part| !part.known).count();
    let sum = |of: fn(&Part) -> f64| {
        said::count(parts.iter().fold(0_u64, |sum, part| sum.saturating_add(whole(of(part)))))
    };
    let peak = parts.iter().map(|part| whole(part.calls)).max().unwrap_or(0);
    let name = range.name();
    let mut text = match peak {
        _ if unknown == parts.len() => format!("nothing is known of the last {name}"),
        0 => format!("no calls in the last {name}"),
        peak => format!(
            "last {name}: {} calls, {} failed, at most {} in {step}",
            sum(|part| part.calls),
            sum(|part| part.failed),
            said::count(peak)
        ),
    };
    if (1..parts.len()).contains(&unknown) {
        text.push_str(&format!("; of {unknown} of the {} nothing is known", parts.len()));
    }
    chart::bars(&bars, text)
}

/// The latest first; of what nothing is known there are dashes.
fn lines(parts: &[Part], digits: usize) -> Vec<Line> {
    let line = |part: &Part| {
        let mut cells = vec!["–".to_owned(); 4];
        if part.known {
            cells = [part.calls, part.failed, part.retried].map(whole).map(said::count).into();
            let took = part.took.0 / part.took.1 * 1000.0;
            cells.push(said::millis(took));
        }
        Line { when: when(part.at, digits), cells }
    };
    parts.iter().rev().map(line).collect()
}

/// `2026-11-22 14:00`, or the date alone.
fn when(at: u64, digits: usize) -> String {
    let at = i64::try_from(at).ok().and_then(|at| jiff::Timestamp::from_second(at).ok()).unwrap_or_default();
    at.to_string().replace('T', " ").chars().take(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(at: u64, calls: f64, failed: f64) -> Part {
        Part { at: at * 3600, known: true, calls, failed, took: (calls * 0.25, calls), ..Part::default() }
    }

    #[test]
    fn a_range_is_one_of_three_and_ten_minutes_where_nothing_is_said() {
        assert_eq!(Range::asked(None).unwrap(), Range::Minutes);
        for range in Range::ALL {
            assert_eq!(Range::asked(Some(range.word())).unwrap(), range);
        }
        for wrong in ["", "1h", "24H", "\u{202e}", &"9".repeat(10_000)] {
            let refused = Range::asked(Some(wrong)).unwrap_err();
            assert!(refused.code == Code::Malformed && refused.reason.len() < 300, "{refused}");
        }
    }

    #[test]
    fn what_is_not_known_is_a_gap_and_not_a_zero() {
        let parts = [part(0, 10.0, 1.0), Part { at: 3600, ..Part::default() }, part(2, 0.0, 0.0)];
        let chart = draw(&parts, Range::Day, "an hour");
        assert_eq!(
            chart.words,
            "last 24 hours: 10 calls, 1 failed, at most 10 in an hour; of 1 of the 3 nothing is known"
        );
        assert_eq!(chart.unknown, "M10 28.5H20");
        assert_eq!(chart.ground, "M0 28.5H10M20 28.5H30");
        let lines = lines(&parts, 16);
        let said: Vec<String> =
            lines.iter().map(|line| format!("{} {}", line.when, line.cells.join(" "))).collect();
        assert_eq!(
            said,
            ["1970-01-01 02:00 0 0 0 –", "1970-01-01 01:00 – – – –", "1970-01-01 00:00 10 1 0 250 ms"]
        );
    }

    #[test]
    fn nothing_and_absurd_numbers_are_drawn_too() {
        let gone = [Part::default(); 3];
        assert_eq!(draw(&gone, Range::Month, "a day").words, "nothing is known of the last 30 days");
        assert_eq!(draw(&[part(0, 0.0, 0.0)], Range::Day, "an hour").words, "no calls in the last 24 hours");
        let absurd = [part(u64::MAX / 3600, f64::MAX, f64::NAN), part(1, -5.0, f64::INFINITY)];
        let chart = draw(&absurd, Range::Day, "an hour");
        assert!(!chart.calls.contains("NaN") && !chart.failed.contains("inf"), "{chart:?}");
        lines(&absurd, 16);
    }

    #[test]
    fn an_upstream_has_its_own_calls_alone_and_is_known_where_it_was_there() {
        let mut kept = seawall_signals::series::Kept::default();
        let registry = seawall_signals::metrics::Registry::default();
        for (upstream, outcome, count) in [("up", "ok", 5), ("up", "timeout", 2), ("other", "ok", 70)] {
            names::CALLS.with(&registry, [upstream, "r", outcome]).add(count);
        }
        kept.tick(7200, || registry.gather());
        let of = |metric: &str| kept.steps(metric, Step::Hour, 7200, 7260);
        let found = Found {
            calls: of(names::CALLS.name),
            retries: Vec::new(),
            spent: Vec::new(),
            ended: Vec::new(),
            present: of(names::BREAKER_OPEN.name),
        };
        let parts = found.parts("up", [3600, 7200].into_iter());
        assert_eq!(parts[0], Part { at: 3600, ..Part::default() });
        assert_eq!(parts[1], Part { at: 7200, known: true, calls: 7.0, failed: 2.0, ..Part::default() });
    }
}
