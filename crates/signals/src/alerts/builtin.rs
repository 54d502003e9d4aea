//! The alerts everybody has: shown always, and sent where a channel asks for all, or where they are given a channel by name.

use std::time::Duration;

use seawall_policy::Invalid;
use seawall_policy::alert::{Options, Rule, Severity, circle};

struct BuiltIn {
    name: &'static str,
    when: &'static str,
    held: u64,
    keep_for: u64,
    severity: Severity,
    summary: &'static str,
}

const fn alert(
    name: &'static str,
    when: &'static str,
    (held, keep_for): (u64, u64),
    severity: Severity,
    summary: &'static str,
) -> BuiltIn {
    BuiltIn { name, when, held, keep_for, severity, summary }
}

/// A metric of a part that is not there has no data, and such an alert is quiet.
const ALL: [BuiltIn; 20] = [
    alert(
        "alerts_undelivered",
        "increase(alert_notices_total{result='dropped'}[1h]) > 0",
        (0, 0),
        Severity::Error,
        "notices were dropped because a channel did not take them: see `seawall alerts`",
    ),
    alert(
        "attack_seen",
        "sum by (route) (increase(injections_total{mode='alert'}[5m])) > 0",
        (0, 60),
        Severity::Error,
        "requests read as attacks on a route that raises an alert for them: their stories say why",
    ),
    alert(
        "audit_trouble",
        "increase(audit_troubles_total[1h]) > 0 or increase(audit_lost_total[1h]) > 0",
        (0, 0),
        Severity::Critical,
        "the audit trail was tampered with or could not be written: see `seawall audit verify`",
    ),
    alert(
        "breaker_open",
        "max by (breaker) (breaker_open) > 0",
        (0, 30),
        Severity::Error,
        "a circuit breaker is open: calls are refused, see `seawall breakers`",
    ),
    alert(
        "budget_nearly_spent",
        "budget_spent_ratio > 0.8",
        (0, 60),
        Severity::Warning,
        "more than 80 % of a budget is spent",
    ),
    alert(
        "caller_unusual",
        "sum by (kind) (increase(caller_anomalies_total[5m])) > 0",
        (0, 60),
        Severity::Warning,
        "somebody who calls does what is not usual for them: the log and the events name who and what",
    ),
    alert(
        "calls_failing",
        "sum by (upstream) (rate(attempts_total{result=~'overloaded|transport|auth|banned|quota-gone'}[5m])) \
         / sum by (upstream) (rate(attempts_total[5m])) > 0.2 \
         and sum by (upstream) (increase(attempts_total[5m])) > 10",
        (60, 60),
        Severity::Error,
        "more than a fifth of the attempts of the last five minutes failed",
    ),
    alert(
        "calls_slow",
        "(sum by (upstream) (rate(call_duration_seconds_sum[5m])) / sum by (upstream) (rate(call_duration_seconds_count[5m]))) \
         / (sum by (upstream) (rate(call_duration_seconds_sum[1h])) / sum by (upstream) (rate(call_duration_seconds_count[1h]))) > 3 \
         and sum by (upstream) (increase(call_duration_seconds_count[5m])) > 10",
        (120, 60),
        Severity::Warning,
        "answers take three times as long as they did over the last hour",
    ),
    alert(
        "calls_timing_out",
        "sum by (upstream) (rate(attempts_total{result='timeout'}[5m])) \
         / sum by (upstream) (rate(attempts_total[5m])) > 0.1 \
         and sum by (upstream) (increase(attempts_total[5m])) > 10",
        (60, 60),
        Severity::Error,
        "more than a tenth of the attempts of the last five minutes timed out",
    ),
    alert(
        "carbon_high",
        "carbon_intensity > 400",
        (600, 600),
        Severity::Info,
        "electricity is made with more than 400 g of CO2 per kilowatt-hour",
    ),
    alert(
        "certificate_expiring",
        "certificate_expires_in_seconds < 1209600",
        (0, 0),
        Severity::Error,
        "the certificate of a port ends in less than two weeks: put a new one in its place",
    ),
    alert(
        "configuration_changed",
        "increase(config_generation[5m]) > 0",
        (0, 0),
        Severity::Info,
        "another configuration is in force: see `seawall config show`",
    ),
    alert(
        "configuration_rolled_back",
        "sum(increase(config_rollbacks_total{by='itself'}[10m])) > 0",
        (0, 0),
        Severity::Error,
        "a configuration made something worse, and the one before came back by itself: see `seawall config versions`",
    ),
    alert(
        "effects_in_doubt",
        "sum(effects_in_doubt) > 0",
        (60, 0),
        Severity::Error,
        "nobody knows whether an effect took place: see `seawall effects list`",
    ),
    alert(
        "failure_foretold",
        "health_fails_in_seconds < 3600",
        (60, 60),
        Severity::Warning,
        "if it goes on like this something fails within the hour: see `seawall health`",
    ),
    alert(
        "health_failing",
        "health_status < 1",
        (0, 30),
        Severity::Error,
        "a health check is degraded or fails: see `seawall health`",
    ),
    alert(
        "jobs_interrupted",
        "sum by (job_type) (increase(job_interruptions_total[10m])) > 0 \
         or sum by (job_type) (increase(job_attempts_total{result='failed'}[10m])) > 2",
        (0, 0),
        Severity::Warning,
        "jobs were interrupted or keep failing: see `seawall jobs`",
    ),
    alert(
        "retries_exhausted",
        "sum by (upstream) (increase(retry_budget_exhausted_total[5m])) > 10",
        (60, 60),
        Severity::Warning,
        "the retry budget of an upstream is spent: its failures are passed on",
    ),
    alert(
        "revocation_list_ended",
        "revocation_list_expires_in_seconds <= 0",
        (0, 0),
        Severity::Critical,
        "a list of revoked certificates has ended, and nobody who brings a certificate gets in: put the newest in its place",
    ),
    alert(
        "strangers_refused",
        "sum by (code) (increase(rejections_total{code=~'SW0017|SW0018|SW0019|SW0050'}[10m])) > 10",
        (0, 60),
        Severity::Warning,
        "requests for foreign hosts, from foreign pages or without a key are refused: somebody is trying doors",
    ),
];

/// The names of the alerts everybody has, in order.
pub const BUILT_IN: [&str; ALL.len()] = {
    let mut names = [""; ALL.len()];
    let mut n = 0;
    while n < ALL.len() {
        names[n] = ALL[n].name;
        n += 1;
    }
    names
};

impl BuiltIn {
    /// An upstream's breaker and the check that hears of its calls bear the upstream's name, and see the same failures.
    fn quiet_while(&self) -> &'static [&'static str] {
        match self.name {
            "health_failing" => &["breaker_open{breaker=check}"],
            _ => &[],
        }
    }

    fn options(&self) -> Options {
        Options {
            when: Some(self.when.to_owned()),
            held: Some(Duration::from_secs(self.held)),
            keep_for: Some(Duration::from_secs(self.keep_for)),
            severity: Some(self.severity),
            summary: Some(self.summary.to_owned()),
            quiet_while: self.quiet_while().iter().map(|&other| other.to_owned()).collect(),
            ..Options::default()
        }
    }
}

/// The rules of a configuration, the built-in ones among them, in the order of their names. What is written about a
/// built-in one is laid over it, key by key. Refuses the first that is wrong, with its name,
/// and rules that make each other quiet.
pub fn rules(written: impl IntoIterator<Item = (String, Options)>) -> Result<Vec<Rule>, (String, Invalid)> {
    let mut all: std::collections::BTreeMap<String, Options> =
        ALL.iter().map(|own| (own.name.to_owned(), own.options())).collect();
    for (name, options) in written {
        let base = all.remove(&name).unwrap_or_default();
        all.insert(name, options.over(base));
    }
    let rule = |(name, options): (String, Options)| match options.rule(&name) {
        Ok(rule) => rule.map(Ok),
        Err(invalid) => Some(Err((name, invalid))),
    };
    let rules: Vec<Rule> = all.into_iter().filter_map(rule).collect::<Result<_, _>>()?;
    match circle(&rules).as_deref() {
        Some([first, others @ ..]) => {
            let others: Vec<&str> = others.iter().chain([first]).map(String::as_str).collect();
            let message =
                format!("leads back to {first} by {}: take one of them out", others.join(", then "));
            Err((first.clone(), Invalid::new("quiet_while", message)))
        }
        _ => Ok(rules),
    }
}
