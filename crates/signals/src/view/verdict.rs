//! How things stand, in one line: what is broken, since when, and what is being done about it.

use std::time::Duration;

use seawall_core::units::format_duration;

use super::{Breaker, BreakerState, Health, Limit, Status, Upstream};

/// Below this share of calls that went well nobody should read that all is well.
const WELL: f64 = 0.9;
/// Fewer calls than this say little.
const ENOUGH: u64 = 10;

/// `Healthy: 3 upstreams, 120 calls/min, 99.2 % well`, or what is wrong: the worst first, the rest counted.
pub fn verdict(status: &Status, upstreams: &[Upstream], breakers: &[Breaker], limits: &[Limit]) -> String {
    let mut troubles: Vec<(u8, String)> = breakers.iter().filter_map(broken).collect();
    let mut paused: Vec<&Limit> = limits.iter().filter(|limit| limit.paused_ms.is_some()).collect();
    paused.dedup_by(|a, b| a.upstream == b.upstream);
    troubles.extend(paused.into_iter().map(|limit| {
        let left = seconds(limit.paused_ms.unwrap_or(0).div_ceil(1000));
        (3, format!("{} asked to be left alone for another {left}", limit.upstream))
    }));
    // Stable: of equals the first by name.
    troubles.sort_by_key(|(rank, _)| *rank);
    let mut line = match troubles.len() {
        // The status knows of a trouble that has no better words.
        0 if status.status != Health::Healthy => status.reasons.first().cloned().unwrap_or_default(),
        0 => format!("{}: {}", mood(status), traffic(status, upstreams.len())),
        count => {
            let (_, mut first) = troubles.swap_remove(0);
            if count > 1 {
                first.push_str(&format!(" (and {} more)", count - 1));
            }
            first
        }
    };
    if status.draining {
        let left = match status.calls.in_flight {
            0 => "nothing is under way any more".to_owned(),
            1 => "1 call is still under way".to_owned(),
            count => format!("{count} calls are still under way"),
        };
        line = format!("Draining, no new calls are taken: {left}");
    }
    match status.effects_in_doubt {
        0 => line,
        1 => line + "; 1 effect in doubt",
        count => format!("{line}; {count} effects in doubt"),
    }
}

fn mood(status: &Status) -> &'static str {
    let calls = &status.calls;
    let badly = calls.last_minute >= ENOUGH && calls.success_rate.is_some_and(|rate| rate < WELL);
    if badly { "Serving, but much of it fails" } else { "Healthy" }
}

fn traffic(status: &Status, upstreams: usize) -> String {
    let upstreams = if upstreams == 1 { "1 upstream".to_owned() } else { format!("{upstreams} upstreams") };
    match (status.calls.last_minute, status.calls.success_rate) {
        (0, _) | (_, None) => format!("{upstreams}, no calls in the last minute"),
        (calls, Some(rate)) => format!("{upstreams}, {calls} calls/min, {} well", share(rate)),
    }
}

/// What is wrong with a breaker, the worst with the lowest rank.
fn broken(breaker: &Breaker) -> Option<(u8, String)> {
    let (name, since) = (&breaker.name, seconds(breaker.since_seconds));
    let held = |how: &str| match &breaker.forced {
        Some(forced) => format!("{name} is held {how} by {} since {since}: {}", forced.by, forced.reason),
        None => format!("{name} is held {how} since {since}"),
    };
    Some(match breaker.state {
        BreakerState::Closed | BreakerState::MetricsOnly => return None,
        BreakerState::Open => {
            let probe = match breaker.retry_after_ms {
                Some(wait) => format!("probe in {}", seconds(wait.div_ceil(1000))),
                None => "waiting for an operator".to_owned(),
            };
            (0, format!("{name} is failing since {since}: breaker open, {probe}"))
        }
        BreakerState::ForcedOpen => (1, held("open")),
        BreakerState::HalfOpen => {
            (2, format!("{name} is being tried again since {since}: breaker half-open"))
        }
        BreakerState::ForcedClosed => (4, held("closed")),
    })
}

/// A share of one in percent, `99.2 %`: never rounded up to a hundred.
pub fn share(of_one: f64) -> String {
    let tenths = (of_one * 1000.0).floor().clamp(0.0, 1000.0);
    if tenths >= 1000.0 { "100 %".to_owned() } else { format!("{:.1} %", tenths / 10.0) }
}

fn seconds(seconds: u64) -> String {
    format_duration(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::super::{Override, Traffic};
    use super::*;

    fn status() -> Status {
        let calls = Traffic { last_minute: 120, success_rate: Some(0.9917), ..Traffic::default() };
        Status {
            status: Health::Healthy,
            reasons: Vec::new(),
            version: "1".into(),
            uptime_seconds: 1,
            generation: 1,
            draining: false,
            effects_in_doubt: 0,
            calls,
        }
    }

    fn upstream(name: &str) -> Upstream {
        Upstream {
            name: name.into(),
            state: "ok".into(),
            url: String::new(),
            breaker: None,
            waiting: 0,
            calls: Traffic::default(),
            keys: Vec::new(),
        }
    }

    fn breaker(name: &str, state: BreakerState) -> Breaker {
        Breaker {
            name: name.into(),
            upstream: name.into(),
            state,
            since_seconds: 125,
            retry_after_ms: (state == BreakerState::Open).then_some(39_001),
            failure_rate: None,
            consecutive_failures: 0,
            forced: None,
        }
    }

    #[test]
    fn well_it_says_how_much_and_how_well() {
        let three = ["a", "b", "c"].map(upstream);
        assert_eq!(verdict(&status(), &three, &[], &[]), "Healthy: 3 upstreams, 120 calls/min, 99.1 % well");
        let mut quiet = status();
        quiet.calls = Traffic::default();
        assert_eq!(
            verdict(&quiet, &three[..1], &[], &[]),
            "Healthy: 1 upstream, no calls in the last minute"
        );
        let mut bad = status();
        bad.calls.success_rate = Some(0.4);
        bad.effects_in_doubt = 2;
        assert_eq!(
            verdict(&bad, &three, &[], &[]),
            "Serving, but much of it fails: 3 upstreams, 120 calls/min, 40.0 % well; 2 effects in doubt"
        );
    }

    #[test]
    fn the_worst_trouble_is_said_and_the_others_counted() {
        let mut held = breaker("held", BreakerState::ForcedOpen);
        held.forced = Some(Override { by: "ann".into(), reason: "maintenance".into(), since: String::new() });
        let breakers = [
            breaker("fine", BreakerState::Closed),
            breaker("probed", BreakerState::HalfOpen),
            held.clone(),
            breaker("exchange", BreakerState::Open),
        ];
        let said = |breakers: &[Breaker]| verdict(&status(), &[], breakers, &[]);
        assert_eq!(
            said(&breakers),
            "exchange is failing since 2m5s: breaker open, probe in 40s (and 2 more)"
        );
        assert_eq!(said(&[held]), "held is held open by ann since 2m5s: maintenance");
        assert_eq!(said(&breakers[1..2]), "probed is being tried again since 2m5s: breaker half-open");
        let mut manual = breaker("manual", BreakerState::Open);
        manual.retry_after_ms = None;
        assert_eq!(said(&[manual]), "manual is failing since 2m5s: breaker open, waiting for an operator");
    }

    #[test]
    fn a_drain_outshouts_everything_and_a_trouble_without_words_is_told_as_it_is() {
        let mut draining = status();
        draining.draining = true;
        draining.calls.in_flight = 3;
        let open = [breaker("exchange", BreakerState::Open)];
        assert_eq!(
            verdict(&draining, &[], &open, &[]),
            "Draining, no new calls are taken: 3 calls are still under way"
        );
        let mut other = status();
        other.status = Health::Degraded;
        other.reasons = vec!["the journal is gone".into()];
        assert_eq!(verdict(&other, &[], &[], &[]), "the journal is gone");
    }

    #[test]
    fn nobody_is_told_a_hundred_who_has_less() {
        assert_eq!(
            [0.0, 0.5, 0.99999, 1.0, f64::NAN].map(share),
            ["0.0 %", "50.0 %", "99.9 %", "100 %", "NaN %"]
        );
    }
}
