//! The board as lines of a terminal.

use std::time::Duration;

use seawall_core::units::format_duration;
use seawall_signals::view::{Board, BreakerState, Call, Effect, Health, History, Upstream, share};

use super::ill;
use crate::output::{Paint, painted, plain};

/// The widest sparkline.
const WIDEST: usize = 60;
/// The narrowest that says something.
const NARROWEST: usize = 8;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One line: words, some of them painted.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Line(Vec<(String, Option<Paint>)>);

impl Line {
    fn new(text: impl Into<String>) -> Self {
        Self(vec![(text.into(), None)])
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self(vec![(text.into(), Some(Paint::Bad))])
    }

    pub(super) fn soft(text: impl Into<String>) -> Self {
        Self::new(text)
    }

    pub(super) fn and(mut self, text: impl Into<String>, paint: Option<Paint>) -> Self {
        self.0.push((text.into(), paint));
        self
    }

    /// What fits, in colour where that is seen.
    pub(super) fn shown(&self, width: usize) -> String {
        let (mut text, mut left) = (String::new(), width);
        for (word, paint) in &self.0 {
            let word: String = word.chars().take(left).collect();
            left -= word.chars().count();
            match paint {
                Some(paint) if !word.trim().is_empty() => text.push_str(&painted(&word, *paint)),
                _ => text.push_str(&word),
            }
        }
        text.truncate(text.trim_end_matches(' ').len());
        text
    }
}

/// Everything, as far as it fits into `height` lines of `width`.
pub(super) fn draw(board: &Board, width: usize, height: usize) -> Vec<Line> {
    let status = &board.status;
    let (mark, paint) = match status.status {
        Health::Healthy => ('●', Paint::Good),
        Health::Degraded => ('◆', Paint::Odd),
        Health::Unhealthy => ('▲', Paint::Bad),
    };
    let about = format!(
        "seawall {}  up {}  generation {}",
        plain(&status.version),
        seconds(status.uptime_seconds),
        status.generation
    );
    let mut lines = vec![
        Line::default().and(format!("{mark} {}", plain(&board.verdict)), Some(paint)),
        Line::new(about),
        Line::default(),
        vitals(board),
        Line::default(),
    ];
    lines.extend(upstreams(board, width));
    lines.extend(limits(board));
    lines.extend(ill::alerts(&board.alerts));
    lines.extend(ill::checks(&board.health));
    if !board.doubts.is_empty() || board.doubts_failing.is_some() {
        lines.push(Line::default());
        lines.push(heading("in doubt"));
        lines.extend(board.doubts.iter().map(doubt));
        lines.extend(board.doubts_failing.iter().map(|why| Line::bad(format!("  {}", plain(why)))));
    }
    if !board.calls.is_empty() {
        lines.push(Line::default());
        lines.push(heading("calls worth a look"));
        lines.extend(board.calls.iter().map(call));
    }
    lines.truncate(height);
    lines
}

pub(super) fn heading(text: &str) -> Line {
    Line::default().and(text, Some(Paint::Bold))
}

fn vitals(board: &Board) -> Line {
    let calls = &board.status.calls;
    let mut line = Line::new("calls ").and(format!("{}/min", calls.last_minute), Some(Paint::Bold));
    if let Some(rate) = calls.success_rate {
        line = line.and("  well ", None).and(share(rate), Some(Paint::Bold));
    }
    if let Some(p95) = calls.p95_ms {
        line = line.and("  p95 ", None).and(millis(p95), Some(Paint::Bold));
    }
    let retries = format!("{}/min", board.retries_last_minute());
    line = line.and("  retries ", None).and(retries, Some(Paint::Bold));
    line = line.and(format!("  in flight {}  in all {}", calls.in_flight, calls.total), None);
    match board.status.effects_in_doubt {
        0 => line,
        count => line.and(format!("  {count} in doubt"), Some(Paint::Bad)),
    }
}

fn upstreams(board: &Board, width: usize) -> Vec<Line> {
    let longest = board.upstreams.iter().map(|up| plain(&up.name).chars().count()).max().unwrap_or(0);
    let name = longest.clamp(8, 24);
    // Beside the name everything has a fixed width; the history gets what is left.
    let left = width.saturating_sub(name + 68).min(WIDEST);
    let mut head = format!(
        "  {:name$}  {:<13} {:>9} {:>8} {:>9} {:>8} {:>8}",
        "upstream", "breaker", "calls/min", "well", "p95", "retries", "waiting"
    );
    if left >= NARROWEST {
        head.push_str("  last 10 minutes");
    }
    let mut lines = vec![heading(&head)];
    lines.extend(board.upstreams.iter().map(|up| upstream(board, up, name, left)));
    lines
}

fn upstream(board: &Board, up: &Upstream, name: usize, room: usize) -> Line {
    let (mark, paint) = match (up.breaker, up.state.as_str()) {
        (Some(BreakerState::Open | BreakerState::ForcedOpen), _) => ('▲', Paint::Bad),
        (Some(BreakerState::HalfOpen | BreakerState::ForcedClosed), _) | (_, "paused") => ('◆', Paint::Odd),
        _ => ('●', Paint::Good),
    };
    let history = board.history.iter().find(|history| history.name == up.name);
    let cut: String = plain(&up.name).chars().take(name).collect();
    let mut line = Line::default()
        .and(format!("{mark} {cut:name$}  "), Some(paint))
        .and(format!("{:<13}", up.breaker.map_or("-", BreakerState::as_str)), Some(paint))
        .and(
            format!(
                " {:>9} {:>8} {:>9} {:>8} {:>8}  ",
                up.calls.last_minute,
                up.calls.success_rate.map_or("-".to_owned(), share),
                up.calls.p95_ms.map_or("-".to_owned(), millis),
                history.map_or(0, History::retries_last_minute),
                up.waiting
            ),
            None,
        );
    if let Some(history) = history.filter(|_| room >= NARROWEST) {
        for (bar, failed) in bars(history, room) {
            line = line.and(bar, Some(if failed { Paint::Bad } else { Paint::Good }));
        }
    }
    line
}

/// One character for each of the last steps, as many steps together as fit; and whether any of it failed.
fn bars(history: &History, room: usize) -> Vec<(char, bool)> {
    let together = history.calls.len().div_ceil(room.max(1)).max(1);
    let sums = |counts: &[u64]| -> Vec<u64> {
        // From the present backwards, so that a step does not change its company as time goes on at the end.
        let mut sums: Vec<u64> = counts
            .rchunks(together)
            .map(|steps| steps.iter().fold(0_u64, |sum, count| sum.saturating_add(*count)))
            .collect();
        sums.reverse();
        sums
    };
    let (calls, failures) = (sums(&history.calls), sums(&history.failures));
    let most = calls.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: u64| match count {
        0 => ' ',
        count => BARS[((count as f64 / most as f64 * 8.0).ceil() as usize).clamp(1, 8) - 1],
    };
    let failed = |place: usize| failures.get(place).is_some_and(|count| *count > 0);
    calls.iter().enumerate().map(|(place, count)| (bar(*count), failed(place))).collect()
}

/// Limits that are used up, waited for or paused: the others need no line.
fn limits(board: &Board) -> Vec<Line> {
    let near =
        |left: Option<u64>, of: Option<u64>| matches!((left, of), (Some(left), Some(of)) if left <= of / 5);
    let tight =
        board.limits.iter().filter(|limit| limit.state != "ok" || near(limit.remaining, limit.capacity));
    let mut lines: Vec<Line> = tight
        .map(|limit| {
            let left = limit.remaining.map_or(String::new(), |left| format!(", {left} left"));
            let waiting =
                if limit.waiting > 0 { format!(", {} waiting", limit.waiting) } else { String::new() };
            let paused = match limit.paused_ms {
                Some(wait) => format!(", paused for {}", seconds(wait.div_ceil(1000))),
                None => String::new(),
            };
            let what = format!("  {} {}{left}{waiting}{paused}", plain(&limit.upstream), plain(&limit.rate));
            Line::default().and(what, Some(Paint::Odd))
        })
        .collect();
    if !lines.is_empty() {
        lines.splice(0..0, [Line::default(), heading("limits that are tight")]);
    }
    lines
}

fn doubt(effect: &Effect) -> Line {
    let since = effect.since.as_deref().unwrap_or(&effect.first);
    let why = effect.reason.as_deref().unwrap_or("");
    Line::new(format!("  {}  ", plain(since)))
        .and(format!("{:<11}", plain(&effect.state)), Some(Paint::Bad))
        .and(format!("  {}  {}  {}", plain(&effect.id), plain(&effect.name), plain(why)), None)
}

fn call(call: &Call) -> Line {
    let paint = match call.state.as_str() {
        "done" | "already-done" => Paint::Good,
        "running" | "waiting" | "not-done" => Paint::Odd,
        _ => Paint::Bad,
    };
    let what = match &call.refusal {
        Some(refusal) => format!("{} {}", refusal.code, refusal.reason),
        None => call.attempts.last().map_or(String::new(), |last| last.then.clone()),
    };
    let clock = call.started.get(11..19).unwrap_or("");
    let status = call.status.map_or("-".to_owned(), |status| status.to_string());
    Line::new(format!("  {}  {:<12} {status:>3} ", plain(clock), plain(&call.upstream)))
        .and(format!("{:<12}", plain(&call.state)), Some(paint))
        .and(format!(" {:>8}  ", millis(call.duration_ms)), None)
        .and(format!("{} {}  {}", plain(&call.method), plain(&call.path), plain(&what)), None)
}

fn millis(millis: f64) -> String {
    match millis {
        _ if millis < 9.95 => format!("{millis:.1}ms"),
        _ if millis < 999.5 => format!("{millis:.0}ms"),
        _ => format!("{:.1}s", millis / 1000.0),
    }
}

pub(super) fn seconds(seconds: u64) -> String {
    format_duration(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn board() -> Board {
        serde_json::from_value(json!({
            "verdict": "exchange is failing since 2m: breaker open, probe in 40s",
            "status": {"status": "degraded", "version": "1.2.3", "uptime_seconds": 125, "generation": 4,
                "effects_in_doubt": 1,
                "calls": {"total": 900, "in_flight": 2, "last_minute": 120, "success_rate": 0.5, "p95_ms": 48.2}},
            "upstreams": [{"name": "exchange", "state": "failing", "url": "http://x", "breaker": "open",
                "waiting": 0, "total": 900, "in_flight": 0, "last_minute": 120, "success_rate": 0.5, "p95_ms": 1500.0}],
            "breakers": [], "retries": [],
            "health": [
                {"name": "disk", "state": "degraded", "kind": "disk", "critical": false, "since_seconds": 90,
                 "failures": 3, "looks": 12, "why": "93 % is used\u{1b}[2J", "seconds_ago": 4.2,
                 "foretold": [{"what": "measured", "limit": 1.0, "fails_in_seconds": 7200.0, "earliest_seconds": 3600.0,
                    "latest_seconds": 10800.0, "per_hour": 0.02, "quality": 0.9}]},
                {"name": "exchange", "state": "healthy", "kind": "calls", "critical": true, "since_seconds": 4,
                 "failures": 0, "looks": 12}],
            "alerts": [
                {"id": "breaker_open:exchange", "name": "breaker_open", "state": "active", "severity": "error",
                 "summary": "a breaker is open", "when": "x > 0", "since": "2026-11-21T14:02:00Z", "send": ["ops"],
                 "why": [{"at": "2026-11-21T14:02:02Z", "what": "ops: told (204, 11ms)"}]},
                {"id": "calls_slow:exchange", "name": "calls_slow", "state": "pending", "severity": "warning",
                 "summary": "slow", "when": "x > 0", "since": "2026-11-21T14:02:00Z", "send": [],
                 "fires_in_seconds": 109.4},
                {"id": "health_failing:exchange", "name": "health_failing", "state": "active", "severity": "error",
                 "summary": "fails", "when": "x > 0", "send": [], "quieted_by": "breaker_open:exchange"},
                {"id": "disk_full", "name": "disk_full", "state": "silenced", "severity": "critical", "send": [],
                 "summary": "full", "when": "x > 0",
                 "silenced": {"by": "ann", "reason": "lunch", "until": "2026-11-21T15:00:00Z"}}],
            "limits": [
                {"name": "exchange", "upstream": "exchange", "state": "ok", "rate": "500/min", "remaining": 100,
                 "capacity": 500, "waiting": 0},
                {"name": "exchange", "upstream": "exchange", "state": "ok", "rate": "32 at once", "remaining": 30,
                 "capacity": 32, "waiting": 0}],
            "history": [{"name": "exchange", "state": "failing", "step_seconds": 5,
                "calls": [0, 2, 4, 16], "failures": [0, 0, 1, 0], "retries": [0, 1, 2, 3]}],
            "doubts": [{"id": "00", "name": "seawall:effect:orders:\u{1b}[2J", "type": "orders", "state": "in-doubt",
                "nature": "opaque", "attempts": 1, "first": "2026-11-21T14:02:00Z", "reason": "unknown"}],
            "calls": [{"id": "x", "state": "unknown", "upstream": "exchange", "route": "", "method": "POST",
                "path": "/orders\u{7}", "effects": "guarded", "started": "2026-11-21T14:02:05.000Z",
                "duration_ms": 12.0, "waited_ms": 0.0, "status": 502}],
        }))
        .unwrap()
    }

    fn text(board: &Board, width: usize, height: usize) -> Vec<String> {
        draw(board, width, height).iter().map(|line| line.shown(width)).collect()
    }

    #[test]
    fn the_first_line_is_the_verdict_and_the_rest_is_what_the_page_shows() {
        let lines = text(&board(), 120, usize::MAX);
        assert_eq!(lines[0], "◆ exchange is failing since 2m: breaker open, probe in 40s");
        assert_eq!(lines[1], "seawall 1.2.3  up 2m5s  generation 4");
        assert_eq!(
            lines[3],
            "calls 120/min  well 50.0 %  p95 48ms  retries 6/min  in flight 2  in all 900  1 in doubt"
        );
        assert_eq!(
            lines[6],
            "▲ exchange  open                120   50.0 %      1.5s        6        0   ▁▂█"
        );
        let all = lines.join("\n");
        assert!(all.contains("exchange 500/min, 100 left") && !all.contains("32 at once"), "{all}");
        for line in [
            "  active     error     breaker_open:exchange  since 14:02:00  ops: told (204, 11ms)",
            "  pending    warning   calls_slow:exchange  since 14:02:00  fires in 1m50s",
            "  active     error     health_failing:exchange  quiet while breaker_open:exchange is active",
            "  silenced   critical  disk_full  silenced by ann until 15:00:00 UTC: lunch",
            "  degraded   disk  for 1m30s  93 % is used [2J",
            "    fails in 2h if it goes on like this (1h to 3h)",
        ] {
            assert!(lines.iter().any(|own| own == line), "{line}\n{all}");
        }
        assert!(!all.contains("  healthy"), "upstreams that are well have lines of their own");
        assert!(all.contains("in-doubt     00  seawall:effect:orders: [2J  unknown"), "{all}");
        assert!(all.contains("  14:02:05  exchange     502 unknown"), "{all}");
        assert!(!all.contains(['\u{1b}', '\u{7}']), "what comes from traffic moves no cursor");
    }

    #[test]
    fn it_fits_whatever_there_is_room_for() {
        for width in [0, 1, 7, 40, 80, 81, 200, 4000] {
            for height in [0, 1, 5, 24] {
                let lines = text(&board(), width, height);
                assert!(lines.len() <= height, "{width} {height}");
                assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:?}");
            }
        }
        assert!(!text(&board(), 80, 24).join("").contains('█'), "no room for the history");
    }

    #[test]
    fn a_long_history_is_squeezed_and_an_empty_one_is_nothing() {
        let long = History { calls: vec![u64::MAX; 500], failures: vec![1; 3], ..History::default() };
        let bars = bars(&long, 10);
        assert_eq!(bars.len(), 10);
        assert!(bars.iter().all(|(bar, _)| *bar == '█'));
        assert!(super::bars(&History::default(), 10).is_empty());
    }
}
