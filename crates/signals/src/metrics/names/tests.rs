use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use seawall_core::Class;

use super::*;
use crate::metrics::{Closed, Format, Kind, Limits};

/// A registry in which every metric has a series.
fn full() -> Registry {
    let registry = Registry::with_limits(Limits { per_family: 60, total: 500 });
    registry.build_info("0.1.0");
    for upstream in ["openai", "a \"strange\\name\"\n"] {
        Class::ALL.iter().for_each(|class| calls(&registry, upstream, "chat").of(*class).inc());
        CALL_DURATION.with(&registry, [upstream, "chat"]).record(Duration::from_millis(120));
        attempts(&registry, upstream).of(Class::Ok).add(3);
        retries(&registry, upstream).of(Class::Overloaded).inc();
        RETRY_BUDGET_EXHAUSTED.with(&registry, [upstream]);
        breaker_transitions(&registry, upstream, upstream).of(BreakerState::HalfOpen).inc();
        COMPRESS_BYTES.with(&registry, [upstream, "response", "coded"]).add(512);
        LIMITER_WAIT.with(&registry, [upstream]).record(Duration::from_micros(80));
        rejections(&registry, upstream).of(Code::BreakerOpen).inc();
        cache(&registry, upstream).of(CacheResult::Hit).inc();
    }
    let each = |show: &mut dyn FnMut(&str, &str, BreakerState)| {
        show("openai", "openai", BreakerState::Open);
        show("train", "", BreakerState::MetricsOnly);
    };
    observe_breakers(&registry, each).into_iter().for_each(Observer::keep);
    BULKHEAD_IN_FLIGHT.observe(&registry, |out| out.add(&["openai"], 4.0)).keep();
    for family in [AUDIT_ENTRIES, AUDIT_LOST, AUDIT_TROUBLES] {
        family.observe(&registry, |out| out.add(&[], 0.0)).keep();
    }
    let counts = || {
        let verdicts = EffectVerdict::ALL.map(|verdict| (verdict, 2)).into();
        vec![EffectCounts { kind: "orders".into(), verdicts, in_doubt: 1 }]
    };
    observe_effects(&registry, counts).into_iter().for_each(Observer::keep);
    EFFECT_WORDS_UNSAID.observe(&registry, |out| out.add(&[], 0.0)).keep();
    CALLER_ANOMALIES.with(&registry, ["rate"]).inc();
    INJECTIONS.with(&registry, ["search", "sql", "shadow"]).inc();
    JOB_ATTEMPTS.with(&registry, ["train", "worked"]).inc();
    JOB_BLOCKS.with(&registry, ["train", "breaker-open"]).inc();
    JOB_RETRIES.with(&registry, ["train"]).inc();
    for family in [
        JOB_ATTEMPTS_AVERAGE,
        JOB_BLOCKED_RATIO,
        JOB_FAILURE_RATIO,
        JOB_RETRIES_PER_MINUTE,
        JOB_SUCCESS_RATIO,
    ] {
        family.with(&registry, ["train"]).set(0.5);
    }
    caller_calls(&registry, "ann").of(Class::Ok).inc();
    ALERT_NOTICES.with(&registry, ["ops", "delivered"]).inc();
    ALERT_NOTICES_WAITING.with(&registry, ["ops"]).set(1.0);
    ALERTS_ACTIVE.with(&registry, ["critical"]).set(1.0);
    CERTIFICATE_EXPIRES.with(&registry, ["listen"]).set(86_400.0);
    REVOCATION_LIST_EXPIRES.with(&registry, ["listen"]).set(3_600.0);
    CONFIG_GENERATION.with(&registry, []).set(3.0);
    CONFIG_ROLLBACKS.with(&registry, ["itself"]).inc();
    EVENTS_DROPPED.observe(&registry, |out| out.add(&[], 0.0)).keep();
    FLEET_MEMBERS.observe(&registry, |out| out.add(&[], 2.0)).keep();
    FLEET_SHARED.observe(&registry, |out| out.add(&[], 1.0)).keep();
    HEALTH_FAILS_IN.with(&registry, ["database"]).set(3600.0);
    HEALTH_STATUS.with(&registry, ["database"]).set(0.5);
    LOG_LINES_LOST.with(&registry, ["full"]).inc();
    OTLP_EXPORTS.with(&registry, ["traces", "sent"]).inc();
    OTLP_SPANS_DROPPED.with(&registry, []).inc();
    key_calls(&registry, "openai", "team").of(Class::Ok).inc();
    UPSTREAM_KEY_RESTING.with(&registry, ["openai", "team"]).set(1.0);
    for n in 0..61 {
        RETRY_BUDGET_EXHAUSTED.with(&registry, [&n.to_string()]);
    }
    registry
}

#[test]
fn the_list_is_the_published_one() {
    let published = [
        "seawall_alert_notices_total{channel,result}",
        "seawall_alert_notices_waiting{channel}",
        "seawall_alerts_active{severity}",
        "seawall_attempts_total{upstream,result}",
        "seawall_audit_entries_total{}",
        "seawall_audit_lost_total{}",
        "seawall_audit_troubles_total{}",
        "seawall_breaker_open{breaker,upstream}",
        "seawall_breaker_state{breaker,upstream,state}",
        "seawall_breaker_transitions_total{breaker,upstream,to}",
        "seawall_build_info{version}",
        "seawall_bulkhead_in_flight{upstream}",
        "seawall_cache_total{upstream,result}",
        "seawall_call_duration_seconds{upstream,route}",
        "seawall_caller_anomalies_total{kind}",
        "seawall_caller_calls_total{caller,outcome}",
        "seawall_calls_total{upstream,route,outcome}",
        "seawall_certificate_expires_in_seconds{port}",
        "seawall_compress_bytes_total{upstream,direction,stage}",
        "seawall_config_generation{}",
        "seawall_config_rollbacks_total{by}",
        "seawall_effect_replays_total{type}",
        "seawall_effect_words_unsaid{}",
        "seawall_effects_in_doubt{type}",
        "seawall_effects_total{type,verdict}",
        "seawall_events_dropped_total{}",
        "seawall_fleet_members{}",
        "seawall_fleet_shared{}",
        "seawall_health_fails_in_seconds{check}",
        "seawall_health_status{check}",
        "seawall_injections_total{route,category,mode}",
        "seawall_job_attempts_total{job_type,result}",
        "seawall_job_attempts_average{job_type}",
        "seawall_job_blocked_ratio{job_type}",
        "seawall_job_blocks_total{job_type,reason}",
        "seawall_job_failure_ratio{job_type}",
        "seawall_job_retries_total{job_type}",
        "seawall_job_retries_per_minute{job_type}",
        "seawall_job_success_ratio{job_type}",
        "seawall_limiter_wait_seconds{upstream}",
        "seawall_log_lines_lost_total{reason}",
        "seawall_otlp_exports_total{signal,result}",
        "seawall_otlp_spans_dropped_total{}",
        "seawall_rejections_total{upstream,policy,code}",
        "seawall_retries_total{upstream,reason}",
        "seawall_retry_budget_exhausted_total{upstream}",
        "seawall_revocation_list_expires_in_seconds{port}",
        "seawall_series_dropped_total{metric}",
        "seawall_upstream_key_calls_total{upstream,key,result}",
        "seawall_upstream_key_resting{upstream,key}",
    ];
    let list: Vec<_> =
        ALL.iter().map(|family| format!("{}{{{}}}", family.name, family.labels.join(","))).collect();
    assert_eq!(list, published);
    for family in ALL {
        assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
        // What is left of a time is a gauge.
        let took = family.name.ends_with("_seconds") && !family.name.ends_with("_in_seconds");
        assert_eq!(family.kind == Kind::Histogram, took, "{}", family.name);
        assert!(family.help.ends_with('.'), "{}", family.name);
    }
}

#[test]
fn a_metric_is_known_by_its_name_and_a_histogram_by_its_parts() {
    for known in
        ["seawall_breaker_open", "seawall_call_duration_seconds_sum", "seawall_call_duration_seconds_count"]
    {
        assert!(is_known(known), "{known}");
    }
    for unknown in
        ["breaker_open", "seawall_braker_open", "seawall_breaker_open_sum", "seawall_call_duration_seconds_x"]
    {
        assert!(!is_known(unknown), "{unknown}");
    }
}

#[test]
fn exactly_one_state_of_a_breaker_is_one() {
    let text = full().render(Format::Prometheus);
    let ones: Vec<_> = text
        .lines()
        .filter(|line| {
            line.starts_with("seawall_breaker_") && line.ends_with(" 1") && !line.contains("transitions")
        })
        .collect();
    assert_eq!(
        ones,
        [
            r#"seawall_breaker_open{breaker="openai",upstream="openai"} 1"#,
            r#"seawall_breaker_state{breaker="openai",upstream="openai",state="open"} 1"#,
            r#"seawall_breaker_state{breaker="train",upstream="",state="metrics-only"} 1"#,
        ]
    );
    let states = text.lines().filter(|line| line.starts_with("seawall_breaker_state{")).count();
    assert_eq!(states, 2 * <BreakerState as Closed>::ALL.len());
}

#[test]
fn promtool_finds_nothing_to_say_about_any_of_it() {
    let registry = full();
    let exported: BTreeSet<_> = registry.gather().into_iter().map(|family| family.name).collect();
    assert_eq!(exported, ALL.iter().map(|family| family.name.to_owned()).collect());

    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match started {
        Ok(promtool) => promtool,
        Err(error) => {
            eprintln!("skipped: promtool cannot be started ({error}); install the package prometheus");
            return;
        }
    };
    let text = registry.render(Format::Prometheus);
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.is_empty(), "{}: {said}\n{text}", output.status);
}
