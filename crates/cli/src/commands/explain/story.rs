//! One call's story, drawn in the order it happened.

use seawall_signals::view::{Attempt, Call};

use crate::output::{Paint, painted, plain};

/// Everything that is known about a call.
pub(super) fn tell(call: &Call) -> String {
    let mut lines =
        vec![format!("{}  {} {}", painted(&call.id, Paint::Bold), plain(&call.method), plain(&call.path))];
    let route =
        if call.route.is_empty() { "no route".to_owned() } else { format!("route {}", plain(&call.route)) };
    lines.push(format!(
        "  {}  to {}  {route}  {}",
        plain(&call.started),
        plain(&call.upstream),
        plain(&call.effects)
    ));

    let mut moments: Vec<(f64, String)> = call.attempts.iter().flat_map(attempt).collect();
    moments.extend(call.moments.iter().map(|moment| (moment.at_ms, plain(&moment.what))));
    // Stable, so that what happened in one moment stays in the order it was told.
    moments.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    lines.extend(moments.into_iter().map(|(at, what)| format!("  {:>9}  {what}", format!("+{}", span(at)))));

    if let Some(refusal) = &call.refusal {
        let (code, reason) = (plain(&refusal.code), plain(&refusal.reason));
        let again = refusal.retry_after_ms.map(|wait| format!(", ask again in {wait}ms")).unwrap_or_default();
        lines.push(format!(
            "  refused by {}: {} {reason}{again}",
            plain(&refusal.policy),
            painted(&code, Paint::Bad)
        ));
    }
    lines.push(format!("  {}", ending(call)));
    if !call.decision.is_empty() {
        lines.push(format!("  {}", plain(&call.decision)));
    }
    lines.join("\n") + "\n"
}

fn attempt(attempt: &Attempt) -> Vec<(f64, String)> {
    let status = attempt.status.map_or("no answer".to_owned(), |status| status.to_string());
    let begun = format!("attempt {} to {}", attempt.number, plain(&attempt.upstream));
    let then = if attempt.then.is_empty() { String::new() } else { format!(": {}", plain(&attempt.then)) };
    let ended = format!("{status}, {}, {}{then}", attempt.class, attempt.certainty);
    vec![(attempt.at_ms, begun), (attempt.at_ms + attempt.duration_ms, ended)]
}

fn ending(call: &Call) -> String {
    let took = span(call.duration_ms);
    let waited = if call.waited_ms > 0.0 {
        format!(", {} of it waiting", span(call.waited_ms))
    } else {
        String::new()
    };
    let paint = match call.state.as_str() {
        "done" | "already-done" => Paint::Good,
        "unknown" | "partial" => Paint::Bad,
        _ => Paint::Odd,
    };
    let status = call.status.map(|status| format!("answered {status}, ")).unwrap_or_default();
    format!("{status}{} after {took}{waited}", painted(&plain(&call.state), paint))
}

fn span(millis: f64) -> String {
    if millis < 10.0 { format!("{millis:.1}ms") } else { format!("{millis:.0}ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_told_in_the_order_it_happened() {
        let call: Call = serde_json::from_value(serde_json::json!({
            "id": "01936b1e-7c1a-7000-8000-000000000001", "state": "done", "upstream": "openai", "route": "chat",
            "method": "POST", "path": "/v1/chat/completions", "effects": "billable",
            "started": "2026-11-21T14:02:00Z", "duration_ms": 530.0, "waited_ms": 120.0, "status": 200,
            "class": "ok", "certainty": "done", "decision": "upstream=openai; attempts=2",
            "attempts": [
                {"number": 1, "upstream": "openai", "at_ms": 120.5, "duration_ms": 12.0, "class": "transport",
                 "certainty": "not-done", "then": "again in 380ms"},
                {"number": 2, "upstream": "openai", "at_ms": 512.5, "duration_ms": 17.0, "status": 200, "class": "ok",
                 "certainty": "done"}],
            "moments": [{"at_ms": 0.2, "what": "waited 120ms for a slot\u{1b}[2J"}],
        }))
        .unwrap();
        let expected = "\
01936b1e-7c1a-7000-8000-000000000001  POST /v1/chat/completions
  2026-11-21T14:02:00Z  to openai  route chat  billable
     +0.2ms  waited 120ms for a slot [2J
     +120ms  attempt 1 to openai
     +132ms  no answer, transport, not-done: again in 380ms
     +512ms  attempt 2 to openai
     +530ms  200, ok, done
  answered 200, done after 530ms, 120ms of it waiting
  upstream=openai; attempts=2
";
        assert_eq!(tell(&call), expected);
    }

    #[test]
    fn a_refusal_is_said_with_its_code() {
        let call: Call = serde_json::from_value(serde_json::json!({
            "id": "x", "state": "not-done", "upstream": "openai", "route": "", "method": "GET", "path": "/", "effects": "repeatable",
            "started": "", "duration_ms": 0.1, "waited_ms": 0.0, "status": 503,
            "refusal": {"code": "SW0004", "policy": "breaker", "reason": "the circuit breaker is open", "retry_after_ms": 900},
        }))
        .unwrap();
        let told = tell(&call);
        assert!(
            told.contains("  refused by breaker: SW0004 the circuit breaker is open, ask again in 900ms\n"),
            "{told}"
        );
        assert!(told.contains("no route"), "{told}");
        assert!(told.ends_with("  answered 503, not-done after 0.1ms\n"), "{told}");
    }
}
