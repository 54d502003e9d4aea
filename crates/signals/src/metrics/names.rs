//! Every metric of seawall, said once.
//!
//! | metric | counts or shows |
//! |---|---|
//! | [`CALLS`], [`CALLER_CALLS`], [`CALL_DURATION`] | calls and how long they took, from arrival to the response's head |
//! | [`CALLER_ANOMALIES`] | what was unusual for a caller |
//! | [`ATTEMPTS`], [`RETRIES`], [`RETRY_BUDGET_EXHAUSTED`] | what it took to answer them |
//! | [`UPSTREAM_KEY_CALLS`], [`UPSTREAM_KEY_RESTING`] | upstreams with several keys |
//! | [`BREAKER_STATE`], [`BREAKER_OPEN`], [`BREAKER_TRANSITIONS`] | circuit breakers |
//! | [`CERTIFICATE_EXPIRES`], [`REVOCATION_LIST_EXPIRES`] | how long what a port proves itself with, and judges others by, is good for |
//! | [`COMPRESS_BYTES`] | bodies that changed their coding |
//! | [`LIMITER_WAIT`], [`BULKHEAD_IN_FLIGHT`], [`REJECTIONS`] | who waited, who is inside, who was refused |
//! | [`CACHE`] | what came of asking the cache |
//! | [`EFFECTS`], [`EFFECTS_IN_DOUBT`], [`EFFECT_REPLAYS`], [`EFFECT_WORDS_UNSAID`] | what must not happen twice |
//! | [`ALERTS_ACTIVE`], [`ALERT_NOTICES`], [`ALERT_NOTICES_WAITING`] | alerts, and how those who should hear of them do |
//! | [`AUDIT_ENTRIES`], [`AUDIT_LOST`], [`AUDIT_TROUBLES`] | the audit trail |
//! | [`FLEET_MEMBERS`], [`FLEET_SHARED`] | gateways that share, and whether they do |
//! | [`INJECTIONS`] | requests that read as attacks |
//! | [`HEALTH_STATUS`], [`HEALTH_FAILS_IN`], [`LOG_LINES_LOST`] | health checks, and the log itself |
//! | [`JOB_ATTEMPTS`], [`JOB_RETRIES`], [`JOB_BLOCKS`] | attempts of jobs; beside them the last hour in gauges |
//! | [`OTLP_EXPORTS`], [`OTLP_SPANS_DROPPED`] | what a collector was sent |
//! | [`CONFIG_GENERATION`], [`CONFIG_ROLLBACKS`], [`EVENTS_DROPPED`], [`SERIES_DROPPED`], [`BUILD_INFO`] | seawall itself |

use seawall_core::{Class, Code};

use super::{Counter, CounterBy, Described, Family, Gauge, Histogram, Kind, Observer, Registry};
use crate::view::{BreakerState, CacheResult, EffectVerdict};

/// `seawall_calls_total{upstream,route,outcome}`; see [`calls`].
pub const CALLS: Family<Counter, 3> = Family::counter(
    "seawall_calls_total",
    "Calls answered, by the class of their outcome.",
    ["upstream", "route", "outcome"],
);

/// `seawall_caller_anomalies_total{kind}`: `kind` is `rate`, `size`, `errors` or `destination`.
pub const CALLER_ANOMALIES: Family<Counter, 1> = Family::counter(
    "seawall_caller_anomalies_total",
    "Times something was unusual for a caller, by what it was.",
    ["kind"],
);

/// `seawall_caller_calls_total{caller,outcome}`; see [`caller_calls`].
pub const CALLER_CALLS: Family<Counter, 2> = Family::counter(
    "seawall_caller_calls_total",
    "Calls of those who may call, by the class of their outcome.",
    ["caller", "outcome"],
);

/// `seawall_call_duration_seconds{upstream,route}`.
pub const CALL_DURATION: Family<Histogram, 2> = Family::histogram(
    "seawall_call_duration_seconds",
    "Time from a call's arrival to its response's head, waits and retries included.",
    ["upstream", "route"],
);

/// `seawall_attempts_total{upstream,result}`; see [`attempts`].
pub const ATTEMPTS: Family<Counter, 2> = Family::counter(
    "seawall_attempts_total",
    "Attempts sent to an upstream, by the class of their outcome.",
    ["upstream", "result"],
);

/// `seawall_retries_total{upstream,reason}`; see [`retries`].
pub const RETRIES: Family<Counter, 2> = Family::counter(
    "seawall_retries_total",
    "Attempts sent again, by the class of the failure before.",
    ["upstream", "reason"],
);

/// `seawall_retry_budget_exhausted_total{upstream}`.
pub const RETRY_BUDGET_EXHAUSTED: Family<Counter, 1> = Family::counter(
    "seawall_retry_budget_exhausted_total",
    "Retries that were due and not made because the retry budget was spent.",
    ["upstream"],
);

/// `seawall_breaker_state{breaker,upstream,state}`; see [`observe_breakers`].
pub const BREAKER_STATE: Family<Gauge, 3> = Family::gauge(
    "seawall_breaker_state",
    "State of a circuit breaker: 1 for the state it is in, 0 for the others.",
    ["breaker", "upstream", "state"],
);

/// `seawall_breaker_open{breaker,upstream}`; see [`observe_breakers`].
pub const BREAKER_OPEN: Family<Gauge, 2> = Family::gauge(
    "seawall_breaker_open",
    "1 while a circuit breaker refuses calls, open or forced open; otherwise 0.",
    ["breaker", "upstream"],
);

/// `seawall_breaker_transitions_total{breaker,upstream,to}`; see [`breaker_transitions`].
pub const BREAKER_TRANSITIONS: Family<Counter, 3> = Family::counter(
    "seawall_breaker_transitions_total",
    "Changes of a circuit breaker's state, by the state it entered.",
    ["breaker", "upstream", "to"],
);

/// `seawall_limiter_wait_seconds{upstream}`.
pub const LIMITER_WAIT: Family<Histogram, 1> = Family::histogram(
    "seawall_limiter_wait_seconds",
    "Time admitted attempts waited for a rate limit's slot.",
    ["upstream"],
);

/// `seawall_rejections_total{upstream,policy,code}`; see [`rejections`].
pub const REJECTIONS: Family<Counter, 3> = Family::counter(
    "seawall_rejections_total",
    "Calls refused by seawall itself, by the policy that refused and its code.",
    ["upstream", "policy", "code"],
);

/// `seawall_bulkhead_in_flight{upstream}`.
pub const BULKHEAD_IN_FLIGHT: Family<Gauge, 1> =
    Family::gauge("seawall_bulkhead_in_flight", "Attempts an upstream is working on now.", ["upstream"]);

/// `seawall_cache_total{upstream,result}`; see [`cache`].
pub const CACHE: Family<Counter, 2> = Family::counter(
    "seawall_cache_total",
    "Calls of routes that keep answers, by what came of asking the cache.",
    ["upstream", "result"],
);

/// `seawall_certificate_expires_in_seconds{port}`; there where a port speaks TLS.
pub const CERTIFICATE_EXPIRES: Family<Gauge, 1> = Family::gauge(
    "seawall_certificate_expires_in_seconds",
    "Time until the certificate a port proves itself with is no longer good; negative once it is not.",
    ["port"],
);

/// `seawall_upstream_key_calls_total{upstream,key,result}`; see [`key_calls`].
pub const UPSTREAM_KEY_CALLS: Family<Counter, 3> = Family::counter(
    "seawall_upstream_key_calls_total",
    "Attempts sent with one of several keys of an upstream, by the key's name and the class of their outcome.",
    ["upstream", "key", "result"],
);

/// `seawall_upstream_key_resting{upstream,key}`: 1 while it rests.
pub const UPSTREAM_KEY_RESTING: Family<Gauge, 2> = Family::gauge(
    "seawall_upstream_key_resting",
    "1 while a key is left alone because it was refused, 0 while it is used.",
    ["upstream", "key"],
);

/// `seawall_compress_bytes_total{upstream,direction,stage}`: `direction` is `request` or `response`, `stage` is `plain` or
/// `coded`.
pub const COMPRESS_BYTES: Family<Counter, 3> = Family::counter(
    "seawall_compress_bytes_total",
    "Bytes of bodies that were compressed or decompressed on the way, before and after.",
    ["upstream", "direction", "stage"],
);

/// `seawall_effects_total{type,verdict}`; see [`observe_effects`].
pub const EFFECTS: Family<Counter, 2> = Family::counter(
    "seawall_effects_total",
    "Wishes to do something once and how they were answered, and runs and how they ended.",
    ["type", "verdict"],
);

/// `seawall_effects_in_doubt{type}`; see [`observe_effects`].
pub const EFFECTS_IN_DOUBT: Family<Gauge, 1> = Family::gauge(
    "seawall_effects_in_doubt",
    "Effects nobody knows the outcome of, those given to a person included.",
    ["type"],
);

/// `seawall_effect_replays_total{type}`; see [`observe_effects`].
pub const EFFECT_REPLAYS: Family<Counter, 1> = Family::counter(
    "seawall_effect_replays_total",
    "Wishes that were answered with how the effect had ended before.",
    ["type"],
);

/// `seawall_effect_words_unsaid`.
pub const EFFECT_WORDS_UNSAID: Family<Gauge, 0> = Family::gauge(
    "seawall_effect_words_unsaid",
    "Outcomes the journal has not heard yet because it does not answer.",
    [],
);

/// `seawall_alerts_active{severity}`.
pub const ALERTS_ACTIVE: Family<Gauge, 1> = Family::gauge(
    "seawall_alerts_active",
    "Alerts that are active or recovering and not silenced, by severity.",
    ["severity"],
);

/// `seawall_alert_notices_total{channel,result}`.
pub const ALERT_NOTICES: Family<Counter, 2> = Family::counter(
    "seawall_alert_notices_total",
    "Notices of alerts by channel: delivered, attempts that failed, and those that were dropped.",
    ["channel", "result"],
);

/// `seawall_alert_notices_waiting{channel}`.
pub const ALERT_NOTICES_WAITING: Family<Gauge, 1> = Family::gauge(
    "seawall_alert_notices_waiting",
    "Notices of alerts that wait for their channel.",
    ["channel"],
);

/// `seawall_audit_entries_total`; see [`Trail::observe`](crate::audit::Trail::observe).
pub const AUDIT_ENTRIES: Family<Counter, 0> = Family::counter(
    "seawall_audit_entries_total",
    "Entries of the audit trail, those of earlier runs included.",
    [],
);

/// `seawall_audit_lost_total`.
pub const AUDIT_LOST: Family<Counter, 0> = Family::counter(
    "seawall_audit_lost_total",
    "Entries that could not be written and were not worth refusing what they told.",
    [],
);

/// `seawall_audit_troubles_total`.
pub const AUDIT_TROUBLES: Family<Counter, 0> = Family::counter(
    "seawall_audit_troubles_total",
    "Times the files of the audit trail were found cut, changed, replaced or deleted.",
    [],
);

/// `seawall_injections_total{route,category,mode}`: `category` is `sql`, `xss`, `traversal` or `command`, `mode` is
/// `shadow`, `alert`, `limit` or `block`.
pub const INJECTIONS: Family<Counter, 3> = Family::counter(
    "seawall_injections_total",
    "Requests that read as attacks, by what they are aimed at and what is done about them.",
    ["route", "category", "mode"],
);

/// `seawall_job_attempts_total{job_type,result}`.
pub const JOB_ATTEMPTS: Family<Counter, 2> = Family::counter(
    "seawall_job_attempts_total",
    "Attempts of jobs that ended, by result: worked or failed.",
    ["job_type", "result"],
);

/// `seawall_job_attempts_average{job_type}`.
pub const JOB_ATTEMPTS_AVERAGE: Family<Gauge, 1> = Family::gauge(
    "seawall_job_attempts_average",
    "Attempts a job took until it worked or was given up, over the last hour; job_type is empty for all.",
    ["job_type"],
);

/// `seawall_job_blocked_ratio{job_type}`.
pub const JOB_BLOCKED_RATIO: Family<Gauge, 1> = Family::gauge(
    "seawall_job_blocked_ratio",
    "Share of asked-for attempts of jobs that were not made, over the last hour; job_type is empty for all.",
    ["job_type"],
);

/// `seawall_job_blocks_total{job_type,reason}`.
pub const JOB_BLOCKS: Family<Counter, 2> = Family::counter(
    "seawall_job_blocks_total",
    "Attempts of jobs that were not made, by reason.",
    ["job_type", "reason"],
);

/// `seawall_job_failure_ratio{job_type}`.
pub const JOB_FAILURE_RATIO: Family<Gauge, 1> = Family::gauge(
    "seawall_job_failure_ratio",
    "Share of ended attempts of jobs that failed, over the last hour; job_type is empty for all.",
    ["job_type"],
);

/// `seawall_job_retries_total{job_type}`.
pub const JOB_RETRIES: Family<Counter, 1> =
    Family::counter("seawall_job_retries_total", "Attempts of jobs that were not the first.", ["job_type"]);

/// `seawall_job_retries_per_minute{job_type}`.
pub const JOB_RETRIES_PER_MINUTE: Family<Gauge, 1> = Family::gauge(
    "seawall_job_retries_per_minute",
    "Attempts of jobs that were not the first, a minute, over the last hour; job_type is empty for all.",
    ["job_type"],
);

/// `seawall_job_success_ratio{job_type}`.
pub const JOB_SUCCESS_RATIO: Family<Gauge, 1> = Family::gauge(
    "seawall_job_success_ratio",
    "Share of ended attempts of jobs that worked, over the last hour; job_type is empty for all.",
    ["job_type"],
);

/// `seawall_health_status{check}`: 1 healthy, 0.5 degraded, 0 unhealthy; nothing while unknown or absent.
pub const HEALTH_STATUS: Family<Gauge, 1> = Family::gauge(
    "seawall_health_status",
    "How a health check stands: 1 healthy, 0.5 degraded, 0 unhealthy.",
    ["check"],
);

/// `seawall_health_fails_in_seconds{check}`: nothing where nothing is foretold.
pub const HEALTH_FAILS_IN: Family<Gauge, 1> = Family::gauge(
    "seawall_health_fails_in_seconds",
    "Time until a health check fails, where a trend that can be believed foretells that.",
    ["check"],
);

/// `seawall_log_lines_lost_total{reason}`; see [`Logs::observe`](crate::logs::Logs::observe).
pub const LOG_LINES_LOST: Family<Counter, 1> = Family::counter(
    "seawall_log_lines_lost_total",
    "Lines of the log that were not written, by reason: full (the queue was) or failed (no file took them).",
    ["reason"],
);

/// `seawall_config_generation`.
pub const CONFIG_GENERATION: Family<Gauge, 0> = Family::gauge(
    "seawall_config_generation",
    "Number of the configuration in force; grows by one with each.",
    [],
);

/// `seawall_config_rollbacks_total{by}`.
pub const CONFIG_ROLLBACKS: Family<Counter, 1> = Family::counter(
    "seawall_config_rollbacks_total",
    "Configurations that an earlier one took the place of, by who did it: person, or itself where it got worse.",
    ["by"],
);

/// `seawall_fleet_members`; there where a gateway has a memory it could share.
pub const FLEET_MEMBERS: Family<Gauge, 0> = Family::gauge(
    "seawall_fleet_members",
    "Gateways with one memory, as last heard of, this one included.",
    [],
);

/// `seawall_fleet_shared`; there where a gateway has a memory it could share.
pub const FLEET_SHARED: Family<Gauge, 0> = Family::gauge(
    "seawall_fleet_shared",
    "1 while what gateways share is decided by their memory, 0 while it is away and each has its share.",
    [],
);

/// `seawall_events_dropped_total`.
pub const EVENTS_DROPPED: Family<Counter, 0> = Family::counter(
    "seawall_events_dropped_total",
    "Events that found their channel full. Counts in these metrics are never dropped.",
    [],
);

/// `seawall_otlp_exports_total{signal,result}`: `traces` or `metrics`, `sent` or `failed`.
pub const OTLP_EXPORTS: Family<Counter, 2> = Family::counter(
    "seawall_otlp_exports_total",
    "Requests to an OpenTelemetry collector, by what was sent and whether it was taken.",
    ["signal", "result"],
);

/// `seawall_otlp_spans_dropped_total`.
pub const OTLP_SPANS_DROPPED: Family<Counter, 0> = Family::counter(
    "seawall_otlp_spans_dropped_total",
    "Calls whose spans found the queue to the collector full, or were given up.",
    [],
);

/// `seawall_revocation_list_expires_in_seconds{port}`; there where a port has lists of certificates that were taken back.
pub const REVOCATION_LIST_EXPIRES: Family<Gauge, 1> = Family::gauge(
    "seawall_revocation_list_expires_in_seconds",
    "Time until the first list of revoked certificates ends; then nobody who brings one gets in at that port.",
    ["port"],
);

/// `seawall_series_dropped_total{metric}`; the registry counts it by itself.
pub const SERIES_DROPPED: Family<Counter, 1> = Family::counter(
    "seawall_series_dropped_total",
    "Series not exported because a limit was hit, by the metric that was refused.",
    ["metric"],
);

/// `seawall_build_info{version}`; see [`Registry::build_info`].
pub const BUILD_INFO: Family<Gauge, 1> =
    Family::gauge("seawall_build_info", "Always 1; the label says which version this is.", ["version"]);

/// All of them, sorted by name.
pub const ALL: &[Described] = &[
    ALERT_NOTICES.describe(),
    ALERT_NOTICES_WAITING.describe(),
    ALERTS_ACTIVE.describe(),
    ATTEMPTS.describe(),
    AUDIT_ENTRIES.describe(),
    AUDIT_LOST.describe(),
    AUDIT_TROUBLES.describe(),
    BREAKER_OPEN.describe(),
    BREAKER_STATE.describe(),
    BREAKER_TRANSITIONS.describe(),
    BUILD_INFO.describe(),
    BULKHEAD_IN_FLIGHT.describe(),
    CACHE.describe(),
    CALL_DURATION.describe(),
    CALLER_ANOMALIES.describe(),
    CALLER_CALLS.describe(),
    CALLS.describe(),
    CERTIFICATE_EXPIRES.describe(),
    COMPRESS_BYTES.describe(),
    CONFIG_GENERATION.describe(),
    CONFIG_ROLLBACKS.describe(),
    EFFECT_REPLAYS.describe(),
    EFFECT_WORDS_UNSAID.describe(),
    EFFECTS_IN_DOUBT.describe(),
    EFFECTS.describe(),
    EVENTS_DROPPED.describe(),
    FLEET_MEMBERS.describe(),
    FLEET_SHARED.describe(),
    HEALTH_FAILS_IN.describe(),
    HEALTH_STATUS.describe(),
    INJECTIONS.describe(),
    JOB_ATTEMPTS.describe(),
    JOB_ATTEMPTS_AVERAGE.describe(),
    JOB_BLOCKED_RATIO.describe(),
    JOB_BLOCKS.describe(),
    JOB_FAILURE_RATIO.describe(),
    JOB_RETRIES.describe(),
    JOB_RETRIES_PER_MINUTE.describe(),
    JOB_SUCCESS_RATIO.describe(),
    LIMITER_WAIT.describe(),
    LOG_LINES_LOST.describe(),
    OTLP_EXPORTS.describe(),
    OTLP_SPANS_DROPPED.describe(),
    REJECTIONS.describe(),
    RETRIES.describe(),
    RETRY_BUDGET_EXHAUSTED.describe(),
    REVOCATION_LIST_EXPIRES.describe(),
    SERIES_DROPPED.describe(),
    UPSTREAM_KEY_CALLS.describe(),
    UPSTREAM_KEY_RESTING.describe(),
];

/// The name of each of them, and those of the sum and the count of a histogram.
pub fn known() -> impl Iterator<Item = String> {
    let parts = |kind| match kind {
        Kind::Counter | Kind::Gauge => &[""][..],
        Kind::Histogram | Kind::Summary => &["", "_sum", "_count"],
    };
    ALL.iter().flat_map(move |own| parts(own.kind).iter().map(|part| format!("{}{part}", own.name)))
}

/// Is that one of the [known](known) names?
pub fn is_known(name: &str) -> bool {
    known().any(|own| own == name)
}

/// The calls of one route to one upstream, by outcome.
pub fn calls(registry: &Registry, upstream: &str, route: &str) -> CounterBy<Class> {
    let (upstream, route) = (upstream.to_owned(), route.to_owned());
    CALLS.by(registry, move |class: Class| [upstream.clone(), route.clone(), class.to_string()])
}

/// The calls of one caller, by outcome.
pub fn caller_calls(registry: &Registry, caller: &str) -> CounterBy<Class> {
    let caller = caller.to_owned();
    CALLER_CALLS.by(registry, move |class: Class| [caller.clone(), class.to_string()])
}

/// The attempts sent to one upstream, by result.
pub fn attempts(registry: &Registry, upstream: &str) -> CounterBy<Class> {
    let upstream = upstream.to_owned();
    ATTEMPTS.by(registry, move |class: Class| [upstream.clone(), class.to_string()])
}

/// The attempts sent with one key of an upstream, by result.
pub fn key_calls(registry: &Registry, upstream: &str, key: &str) -> CounterBy<Class> {
    let (upstream, key) = (upstream.to_owned(), key.to_owned());
    UPSTREAM_KEY_CALLS.by(registry, move |class: Class| [upstream.clone(), key.clone(), class.to_string()])
}

/// The attempts sent again to one upstream, by the failure before.
pub fn retries(registry: &Registry, upstream: &str) -> CounterBy<Class> {
    let upstream = upstream.to_owned();
    RETRIES.by(registry, move |class: Class| [upstream.clone(), class.to_string()])
}

/// The refusals on behalf of one upstream, by code. The policy is the one the code belongs to.
pub fn rejections(registry: &Registry, upstream: &str) -> CounterBy<Code> {
    let upstream = upstream.to_owned();
    REJECTIONS.by(registry, move |code: Code| [upstream.clone(), code.policy().to_string(), code.to_string()])
}

/// The calls of routes that keep answers of one upstream, by what came of asking the cache.
pub fn cache(registry: &Registry, upstream: &str) -> CounterBy<CacheResult> {
    let upstream = upstream.to_owned();
    CACHE.by(registry, move |result: CacheResult| [upstream.clone(), result.as_str().to_owned()])
}

/// The changes of one breaker, by the state it entered. `upstream` is empty where it guards something else.
pub fn breaker_transitions(registry: &Registry, breaker: &str, upstream: &str) -> CounterBy<BreakerState> {
    let (breaker, upstream) = (breaker.to_owned(), upstream.to_owned());
    BREAKER_TRANSITIONS
        .by(registry, move |to: BreakerState| [breaker.clone(), upstream.clone(), to.as_str().to_owned()])
}

/// Shows breakers as they are when somebody asks: `each` calls its argument with every breaker's name, upstream and
/// state. Feeds [`BREAKER_STATE`], where exactly one state is 1, and [`BREAKER_OPEN`].
pub fn observe_breakers(
    registry: &Registry,
    each: impl Fn(&mut dyn FnMut(&str, &str, BreakerState)) + Clone + Send + Sync + 'static,
) -> [Observer; 2] {
    let again = each.clone();
    let states = BREAKER_STATE.observe(registry, move |out| {
        each(&mut |breaker, upstream, now| {
            for state in BreakerState::ALL {
                out.add(&[breaker, upstream, state.as_str()], f64::from(u8::from(state == now)));
            }
        });
    });
    let open = BREAKER_OPEN.observe(registry, move |out| {
        again(&mut |breaker, upstream, now| {
            out.add(&[breaker, upstream], f64::from(u8::from(now.refuses())));
        });
    });
    [states, open]
}

/// How effects of one type stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectCounts {
    /// The type.
    pub kind: std::sync::Arc<str>,
    /// How often each.
    pub verdicts: Vec<(EffectVerdict, u64)>,
    /// In doubt now.
    pub in_doubt: u64,
}

/// Shows effects as they stand when somebody asks. Feeds [`EFFECTS`], [`EFFECTS_IN_DOUBT`] and [`EFFECT_REPLAYS`].
pub fn observe_effects(
    registry: &Registry,
    each: impl Fn() -> Vec<EffectCounts> + Clone + Send + Sync + 'static,
) -> [Observer; 3] {
    let (verdicts, doubts) = (each.clone(), each.clone());
    let counts = EFFECTS.observe(registry, move |out| {
        for EffectCounts { kind, verdicts, .. } in verdicts() {
            verdicts.iter().for_each(|(verdict, count)| out.add(&[&kind, verdict.as_str()], *count as f64));
        }
    });
    let doubts = EFFECTS_IN_DOUBT.observe(registry, move |out| {
        doubts().iter().for_each(|counts| out.add(&[&counts.kind], counts.in_doubt as f64));
    });
    let replays = EFFECT_REPLAYS.observe(registry, move |out| {
        for EffectCounts { kind, verdicts, .. } in each() {
            let replayed = verdicts.iter().find(|(verdict, _)| *verdict == EffectVerdict::Replayed);
            out.add(&[&kind], replayed.map_or(0.0, |(_, count)| *count as f64));
        }
    });
    [counts, doubts, replays]
}

#[cfg(test)]
mod tests;
