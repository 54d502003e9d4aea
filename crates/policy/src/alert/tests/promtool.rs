//! The same rules over the same series, judged here and by Prometheus.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::process::Command;

use super::*;

const RULES: &[&str] = &[
    "m > 2",
    "m{l='a'} >= 3",
    "m{l!='a'} < 2",
    "m{l=~'a|b'} == 1",
    "m != 4",
    "2.5 < m",
    "n / m > 0.9",
    "(m + n) * 2 - 1 > 8",
    "-m < -3",
    "m > 1 and n > 1",
    "m > 3 or n > 3",
    "m > 1 and n > 1 or m < 1",
    "absent(m)",
    "absent(m{l='a'})",
    "absent(gone)",
    "sum(m) > 5",
    "sum by (l) (m) > 3",
    "max(m) - min(m) > 2",
    "avg(n) > 2.1 and count(n) > 1",
    "rate(c_total[10s]) > 1.37",
    "increase(c_total[7s]) > 9.37",
    "rate(c_total{l='a'}[5s]) / rate(c_total[15s]) > 1.07",
    "avg_over_time(m[6s]) > 2.37",
    "sum_over_time(m[5s]) > 11.5",
    "min_over_time(n[4s]) >= 1",
    "max_over_time(n[4s]) > 3",
    "count_over_time(m[8s]) < 7.5",
    "sum by (l) (rate(c_total[10s])) / sum by (l) (m) > 0.731",
];

/// What says the same to Prometheus: there names are whole.
fn promql(text: &str) -> String {
    let mut out = String::new();
    for (n, piece) in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).enumerate() {
        let metric = ["m", "n", "c_total", "gone"]
            .iter()
            .any(|name| piece.trim_end_matches(['{', ' ', '[', ')']) == *name);
        out.push_str(if metric && (n == 0 || !out.ends_with('\'')) { "seawall_" } else { "" });
        out.push_str(piece);
    }
    out
}

const SECONDS: usize = 60;
const STORIES: u64 = 6;

/// Values that stay for a while, climb, and are sometimes not there.
fn story(seed: u64, counter: bool) -> Vec<Option<f64>> {
    let mut dice = fastrand(seed);
    let (mut value, mut gone) = (dice(5) as f64, false);
    (0..SECONDS)
        .map(|_| {
            if dice(12) == 0 {
                gone = !gone;
            }
            match (counter, dice(4)) {
                (true, 0) if dice(10) == 0 => value = 0.0,
                (true, _) => value += dice(4) as f64,
                (false, 0) => value = dice(6) as f64,
                (false, _) => {}
            }
            (!gone).then_some(value)
        })
        .collect()
}

/// A small generator of its own: the same stories every time.
fn fastrand(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) % below
    }
}

fn rules() -> Vec<Rule> {
    let spans = [(0, 0), (4, 0), (0, 5), (3, 6)];
    let all = RULES.iter().flat_map(|when| spans.map(|(held, keep)| (when, held, keep)));
    all.enumerate()
        .map(|(n, (when, held, keep))| Rule {
            name: format!("r{n}"),
            held: secs(held),
            keep_for: secs(keep),
            no_data: NoData::Ok,
            ..rule(when)
        })
        .collect()
}

fn rule_file(rules: &[Rule]) -> String {
    let mut text = "groups:\n- name: g\n  interval: 1s\n  rules:\n".to_owned();
    for Rule { name, text: when, held, keep_for, .. } in rules {
        let (held, keep) = (held.as_secs(), keep_for.as_secs());
        let when = promql(when);
        writeln!(text, "  - {{alert: {name}, expr: {when:?}, for: {held}s, keep_firing_for: {keep}s}}")
            .unwrap();
    }
    text
}

/// Test groups in which what is expected is what was decided here.
fn test_file(rules: &[Rule]) -> (String, usize) {
    let mut text = "rule_files: [rules.yml]\nevaluation_interval: 1s\ntests:\n".to_owned();
    let mut firing = 0;
    for seed in 1..=STORIES {
        let mut written = Written::default();
        text.push_str("- interval: 1s\n  input_series:\n");
        let mut place = 0;
        for (metric, counter) in [("m", false), ("n", false), ("c_total", true)] {
            for label in ["a", "b", "c"] {
                place += 1;
                let values = story(seed * 100 + place, counter);
                let spelled: Vec<String> = values
                    .iter()
                    .map(|value| value.map_or("stale".to_owned(), |value| value.to_string()))
                    .collect();
                writeln!(
                    text,
                    "  - {{series: 'seawall_{metric}{{l=\"{label}\"}}', values: '{}'}}",
                    spelled.join(" ")
                )
                .unwrap();
                written = written.with(metric, &[("l", label)], &values);
            }
        }
        text.push_str("  alert_rule_test:\n");
        for rule in rules {
            let mut book = Book::default();
            for second in 0..SECONDS as u64 {
                written.now = Some(at(second));
                book.step(rule, &written, SPAN, at(second));
                let active = book.alerts().iter().filter(|(_, alert)| alert.machine.phase().is_active());
                let labels: Vec<String> = active
                    .map(|(labels, _)| {
                        let pairs: Vec<String> =
                            labels.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                        format!("{{exp_labels: {{{}}}}}", pairs.join(", "))
                    })
                    .collect();
                firing += labels.len();
                let (name, labels) = (&rule.name, labels.join(", "));
                writeln!(text, "  - {{eval_time: {second}s, alertname: {name}, exp_alerts: [{labels}]}}")
                    .unwrap();
            }
        }
    }
    (text, firing)
}

#[test]
fn prometheus_fires_the_same_alerts_in_the_same_seconds() {
    let named = std::env::var_os("SEAWALL_E2E_PROMTOOL");
    let promtool = named.clone().unwrap_or_else(|| "promtool".into());
    let home = tempfile::tempdir().unwrap();
    let rules = rules();
    let (tests, firing) = test_file(&rules);
    std::fs::write(home.path().join("rules.yml"), rule_file(&rules)).unwrap();
    std::fs::write(home.path().join("tests.yml"), tests).unwrap();
    let run = Command::new(promtool).args(["test", "rules", "tests.yml"]).current_dir(home.path()).output();
    let output = match run {
        Ok(output) => output,
        Err(error)
            if error.kind() == ErrorKind::NotFound && named.is_none() && std::env::var_os("CI").is_none() =>
        {
            eprintln!("SKIPPED: promtool cannot be started ({error}): install the Debian package prometheus");
            return;
        }
        Err(error) => panic!("promtool cannot be started: {error}"),
    };
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let shown: String = said.chars().take(3000).collect();
    assert!(output.status.success(), "{shown}");
    assert!(firing > 5_000, "the stories are too quiet to show anything: {firing}");
}
