use super::*;
use crate::alerts::{BUILT_IN, rules};
use crate::metrics::names;

/// Metrics of parts that are built later.
const LATER: [&str; 3] =
    ["seawall_budget_spent_ratio", "seawall_carbon_intensity", "seawall_job_interruptions_total"];

#[test]
fn every_built_in_rule_is_good_and_looks_at_metrics_there_are_or_will_be() {
    let all = rules([]).unwrap();
    let names: Vec<&str> = all.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, BUILT_IN);
    for rule in &all {
        for need in rule.when.needs() {
            let family = need.metric.trim_end_matches("_sum").trim_end_matches("_count");
            let known = names::ALL.iter().any(|own| own.name == need.metric || own.name == family);
            assert!(known || LATER.contains(&need.metric.as_str()), "{}: {}", rule.name, need.metric);
        }
    }
}

#[test]
fn they_are_quiet_where_there_is_nothing_and_where_all_is_well() {
    let mut w = World::new(rules([]).unwrap(), &[]);
    w.pass(10);
    for round in 0..2 {
        assert!(
            w.board.view().alerts.iter().all(|alert| ["ok", "no-data"].contains(&alert.state.as_str())),
            "{round}"
        );
        let ok = names::attempts(&w.registry, "up");
        let took = names::CALL_DURATION.with(&w.registry, ["up", "chat"]);
        for _ in 0..400 {
            ok.of(seawall_core::Class::Ok).inc();
            took.record(Duration::from_millis(100));
            w.pass(1);
        }
    }
}

#[test]
fn failures_time_outs_and_slow_answers_are_noticed() {
    let mut w = World::new(rules([]).unwrap(), &[]);
    let attempts = names::attempts(&w.registry, "up");
    let took = names::CALL_DURATION.with(&w.registry, ["up", "chat"]);
    let run = |w: &mut World, seconds: u64, class: seawall_core::Class, millis: u64| {
        for _ in 0..seconds {
            attempts.of(class).inc();
            took.record(Duration::from_millis(millis));
            w.pass(1);
        }
    };
    run(&mut w, 3600, seawall_core::Class::Ok, 100);
    run(&mut w, 300, seawall_core::Class::Overloaded, 100);
    let active = |w: &World| -> Vec<String> {
        w.board
            .view()
            .alerts
            .into_iter()
            .filter(|alert| alert.state == "active")
            .map(|alert| alert.id)
            .collect()
    };
    assert_eq!(active(&w), ["calls_failing:up"]);
    run(&mut w, 300, seawall_core::Class::Timeout, 900);
    assert_eq!(active(&w), ["calls_failing:up", "calls_timing_out:up", "calls_slow:up"][1..]);
    run(&mut w, 900, seawall_core::Class::Ok, 100);
    assert_eq!(active(&w), [] as [&str; 0]);
}

#[test]
fn one_is_switched_off_or_sent_somewhere_by_its_name() {
    let off = Options { off: true, ..Options::default() };
    let sent = Options { send: vec!["ops".to_owned()], ..Options::default() };
    let all = rules([("carbon_high".to_owned(), off), ("breaker_open".to_owned(), sent)]).unwrap();
    assert_eq!(all.len(), BUILT_IN.len() - 1);
    let open = all.iter().find(|rule| rule.name == "breaker_open").unwrap();
    assert_eq!((open.send.as_slice(), open.keep_for), (&["ops".to_owned()][..], secs(30)));
    let (name, wrong) = rules([("mine".to_owned(), Options::default())]).unwrap_err();
    assert_eq!((name.as_str(), wrong.key), ("mine", "when"));
}

#[test]
fn a_check_that_fails_because_of_an_open_breaker_is_told_only_when_it_goes_on_alone() {
    let everything = outlet("ops");
    let send = |name: &str| {
        let options = Options { send: vec!["ops".to_owned()], ..Options::default() };
        (name.to_owned(), options)
    };
    let mut w = World::new(rules([send("breaker_open"), send("health_failing")]).unwrap(), &[everything]);
    let open = names::BREAKER_OPEN.with(&w.registry, ["up", "up"]);
    let [health, other] = ["up", "disk"].map(|name| names::HEALTH_STATUS.with(&w.registry, [name]));
    health.set(1.0);
    other.set(1.0);
    w.pass(1);
    open.set(1.0);
    health.set(0.0);
    w.pass(2);
    assert_eq!(w.said(), ["[error] breaker_open:up is active"]);
    let quiet = w.alert("health_failing:up");
    assert_eq!((quiet.state.as_str(), quiet.quieted_by.as_deref()), ("active", Some("breaker_open:up")));
    assert_eq!(w.why("health_failing:up").last().unwrap(), "not told while breaker_open:up is active");
    other.set(0.0);
    w.pass(1);
    assert_eq!(w.said().len(), 1, "a check of another name is told");
    // The breaker has closed for half a minute, and the check fails still.
    open.set(0.0);
    w.pass(32);
    let said = w.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().any(|line| line.contains("breaker_open:up is over")), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("[error] health_failing:up")), "{said:?}");
    assert!(w.why("health_failing:up").contains(&"breaker_open:up is over: this one is not".to_owned()));
}

#[test]
fn what_recovers_with_its_cause_is_never_told() {
    let send = |name: &str| (name.to_owned(), Options { send: vec!["ops".to_owned()], ..Options::default() });
    let mut w = World::new(rules([send("breaker_open"), send("health_failing")]).unwrap(), &[outlet("ops")]);
    let open = names::BREAKER_OPEN.with(&w.registry, ["up", "up"]);
    let health = names::HEALTH_STATUS.with(&w.registry, ["up"]);
    open.set(1.0);
    health.set(0.0);
    w.pass(60);
    open.set(0.0);
    w.pass(10);
    health.set(1.0);
    w.pass(120);
    let said = w.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().all(|line| line.contains("breaker_open:up")), "{said:?}");
}

#[test]
fn alerts_that_make_each_other_quiet_are_refused_with_their_way() {
    let quiet = |name: &str, other: &str| {
        let options =
            Options { when: Some("x > 0".into()), quiet_while: vec![other.to_owned()], ..Options::default() };
        (name.to_owned(), options)
    };
    let (name, invalid) = rules([quiet("a", "b"), quiet("b", "a{x=y}")]).unwrap_err();
    assert_eq!((name.as_str(), invalid.key), ("a", "quiet_while"));
    assert_eq!(invalid.message, "leads back to a by b, then a: take one of them out");
    let own = Options { quiet_while: vec!["calls_failing".to_owned()], ..Options::default() };
    let all = rules([("health_failing".to_owned(), own)]).unwrap();
    let health = all.iter().find(|rule| rule.name == "health_failing").unwrap();
    assert_eq!(
        health.quiet_while[0].rule(),
        "calls_failing",
        "what is written takes the place of what was there"
    );
}
