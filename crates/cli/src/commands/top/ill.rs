//! What is ill, and who is told: checks and alerts as lines of a terminal, in the words of the page.

use seawall_policy::alert::Severity;
use seawall_signals::view::{Alert, Check};

use super::draw::{Line, heading, seconds};
use crate::output::{Paint, plain};

/// A number of seconds from somewhere else, as whole ones.
fn whole(number: f64) -> String {
    seconds(number.clamp(0.0, 1e9) as u64)
}

/// Hours, minutes and seconds of a moment, where it is one.
fn clock(moment: &str) -> String {
    plain(moment.get(11..19).unwrap_or(""))
}

/// Alerts that are doing something, the worst first as they come.
pub(super) fn alerts(alerts: &[Alert]) -> Vec<Line> {
    let mut lines: Vec<Line> = alerts.iter().map(alert).collect();
    if !lines.is_empty() {
        lines.splice(0..0, [Line::default(), heading("alerts")]);
    }
    lines
}

fn alert(alert: &Alert) -> Line {
    let paint = match alert.state.as_str() {
        "active" if alert.severity >= Severity::Error && alert.quieted_by.is_none() => Some(Paint::Bad),
        "active" | "recovering" | "pending" => Some(Paint::Odd),
        _ => None,
    };
    let then = match (&alert.silenced, alert.fires_in_seconds, &alert.quieted_by, alert.why.last()) {
        (Some(silence), ..) => {
            format!("silenced by {} until {} UTC: {}", silence.by, clock(&silence.until), silence.reason)
        }
        (None, Some(left), ..) if alert.state == "pending" => format!("fires in {}", whole(left.ceil())),
        (None, _, Some(other), _) => format!("quiet while {other} is active"),
        (None, _, None, Some(last)) => last.what.clone(),
        (None, _, None, None) if alert.send.is_empty() => "sent to nobody".to_owned(),
        (None, _, None, None) => String::new(),
    };
    let since = match alert.since.as_deref().map(clock) {
        Some(clock) if !clock.is_empty() => format!("  since {clock}"),
        _ => String::new(),
    };
    Line::default()
        .and(format!("  {:<10} {:<9}", plain(&alert.state), alert.severity), paint)
        .and(format!(" {}{since}  {}", plain(&alert.id), plain(&then)), None)
}

/// Checks that are not well, or of which something is foretold; nothing of those that are well, which need no line.
pub(super) fn checks(checks: &[Check]) -> Vec<Line> {
    let telling = |check: &&Check| {
        matches!(check.state.as_str(), "unhealthy" | "degraded") || !check.foretold.is_empty()
    };
    let mut ill: Vec<&Check> = checks.iter().filter(telling).collect();
    // Stable: of equals by name.
    ill.sort_by_key(|check| check.state != "unhealthy");
    let mut lines = Vec::new();
    if !ill.is_empty() {
        lines.extend([Line::default(), heading("health")]);
    }
    for check in ill {
        let paint = match check.state.as_str() {
            "unhealthy" => Some(Paint::Bad),
            "degraded" => Some(Paint::Odd),
            _ => None,
        };
        let critical = if check.critical { "  critical" } else { "" };
        let found = check.why.as_deref().map_or_else(String::new, |why| format!("  {}", plain(why)));
        let since = seconds(check.since_seconds);
        lines.push(
            Line::default()
                .and(format!("  {:<10}", plain(&check.state)), paint)
                .and(format!(" {}  for {since}{critical}{found}", plain(&check.name)), None),
        );
        for foretold in &check.foretold {
            let [fails, early, late] =
                [foretold.fails_in_seconds, foretold.earliest_seconds, foretold.latest_seconds].map(whole);
            let text = format!("    fails in {fails} if it goes on like this ({early} to {late})");
            lines.push(Line::default().and(text, Some(Paint::Odd)));
        }
    }
    lines
}
