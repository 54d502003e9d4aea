use seawall_core::{Certainty, Class};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

/// What it looks like on the wire, having checked that it reads back the same.
fn on_the_wire<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(view: &T) -> Value {
    let value = serde_json::to_value(view).unwrap();
    assert_eq!(&serde_json::from_value::<T>(value.clone()).unwrap(), view);
    value
}

fn breaker() -> Breaker {
    Breaker {
        name: "openai".into(),
        upstream: "openai".into(),
        state: BreakerState::HalfOpen,
        since_seconds: 3,
        retry_after_ms: None,
        failure_rate: Some(0.5),
        consecutive_failures: 0,
        forced: None,
    }
}

#[test]
fn a_breaker_speaks_the_words_of_the_metrics() {
    let forced = Some(Override {
        by: "ana".into(),
        reason: "provider maintenance".into(),
        since: "2026-11-21T14:02:00Z".into(),
    });
    let open = Breaker {
        state: BreakerState::ForcedOpen,
        retry_after_ms: Some(1500),
        failure_rate: None,
        forced,
        ..breaker()
    };
    assert_eq!(
        on_the_wire(&Breakers { breakers: vec![breaker(), open] }),
        json!({"breakers": [
            {"name": "openai", "upstream": "openai", "state": "half-open", "since_seconds": 3,
             "failure_rate": 0.5, "consecutive_failures": 0},
            {"name": "openai", "upstream": "openai", "state": "forced-open", "since_seconds": 3,
             "retry_after_ms": 1500, "consecutive_failures": 0,
             "override": {"by": "ana", "reason": "provider maintenance", "since": "2026-11-21T14:02:00Z"}},
        ]})
    );
}

#[test]
fn the_words_for_breaker_states_are_the_same_everywhere() {
    for state in BreakerState::ALL {
        assert_eq!(on_the_wire(&state), json!(state.as_str()));
        assert_eq!(BreakerState::parse(state.as_str()), Some(state));
    }
    assert_eq!(BreakerState::parse("ajar"), None);
    for health in [Health::Healthy, Health::Degraded, Health::Unhealthy] {
        assert_eq!(on_the_wire(&health), json!(health.as_str()));
    }
}

#[test]
fn an_upstream_carries_its_traffic_beside_its_name() {
    let calls =
        Traffic { total: 9, in_flight: 1, last_minute: 4, success_rate: Some(0.75), ..Traffic::default() };
    let upstream = Upstream {
        name: "openai".into(),
        state: "ok".into(),
        url: "https://api.openai.com".into(),
        breaker: Some(BreakerState::Closed),
        waiting: 2,
        calls,
        keys: Vec::new(),
    };
    assert_eq!(
        on_the_wire(&Upstreams { upstreams: vec![upstream] }),
        json!({"upstreams": [{"name": "openai", "state": "ok", "url": "https://api.openai.com",
            "breaker": "closed", "waiting": 2, "total": 9, "in_flight": 1, "last_minute": 4, "success_rate": 0.75}]})
    );
}

#[test]
fn a_status_says_why_it_is_not_healthy_and_only_then() {
    let mut status = Status {
        status: Health::Healthy,
        reasons: vec![],
        version: "0.1.0".into(),
        uptime_seconds: 60,
        generation: 1,
        draining: false,
        effects_in_doubt: 0,
        calls: Traffic::default(),
    };
    assert_eq!(
        on_the_wire(&status),
        json!({"status": "healthy", "version": "0.1.0", "uptime_seconds": 60, "generation": 1,
            "draining": false, "effects_in_doubt": 0, "calls": {"total": 0, "in_flight": 0, "last_minute": 0}})
    );
    status.status = Health::Degraded;
    status.reasons.push("the breaker of openai is open".into());
    assert_eq!(on_the_wire(&status)["reasons"], json!(["the breaker of openai is open"]));
}

#[test]
fn limits_and_retries_stand_under_their_own_names() {
    let limit = Limit {
        name: "openai".into(),
        upstream: "openai".into(),
        state: "paused".into(),
        rate: "500/min".into(),
        remaining: Some(12),
        capacity: Some(500),
        waiting: 3,
        paused_ms: Some(800),
        keys: None,
    };
    assert_eq!(
        on_the_wire(&Limits { limits: vec![limit] }),
        json!({"limits": [{"name": "openai", "upstream": "openai", "state": "paused", "rate": "500/min",
            "remaining": 12, "capacity": 500, "waiting": 3, "paused_ms": 800}]})
    );
    let retry = Retry {
        name: "openai".into(),
        state: "exhausted".into(),
        attempts: 3,
        retried: 40,
        refused: 2,
        remaining: Some(0),
    };
    assert_eq!(
        on_the_wire(&Retries { retries: vec![retry] }),
        json!({"retries": [{"name": "openai", "state": "exhausted", "attempts": 3, "retried": 40,
            "refused": 2, "remaining": 0}]})
    );
}

#[test]
fn a_call_tells_its_story_in_order() {
    let attempt = |number, status, class, certainty, then: &str| Attempt {
        number,
        upstream: "openai".into(),
        at_ms: 0.5,
        duration_ms: 12.0,
        status,
        class,
        certainty,
        then: then.into(),
    };
    let call = Call {
        caller: String::new(),
        id: "01936b1e-7c1a-7000-8000-000000000001".into(),
        state: "done".into(),
        upstream: "openai".into(),
        route: "chat".into(),
        method: "POST".into(),
        path: "/v1/chat/completions".into(),
        effects: "billable".into(),
        started: "2026-11-21T14:02:00Z".into(),
        duration_ms: 530.0,
        waited_ms: 0.0,
        status: Some(200),
        class: Some(Class::Ok),
        certainty: Some(Certainty::Done),
        decision: "upstream=openai; attempts=2".into(),
        refusal: None,
        attempts: vec![
            attempt(1, None, Class::Transport, Certainty::NotDone, "again in 480ms"),
            attempt(2, Some(200), Class::Ok, Certainty::Done, ""),
        ],
        moments: vec![],
    };
    let told = on_the_wire(&Calls { calls: vec![call] });
    let told = &told["calls"][0];
    assert_eq!(told["certainty"], "done");
    assert_eq!(told["attempts"][0]["certainty"], "not-done");
    assert_eq!(told["attempts"][0]["then"], "again in 480ms");
    assert_eq!(told["attempts"][0].get("status"), None);
    assert_eq!(told["attempts"][1]["status"], 200);
    assert_eq!(told.get("refusal"), None);
}
