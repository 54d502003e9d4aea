use super::*;
use crate::metrics::{Format, names};

fn small(per_family: usize, total: usize) -> Registry {
    Registry::with_limits(Limits { per_family, total })
}

fn lines(registry: &Registry, metric: &str) -> Vec<String> {
    let text = registry.render(Format::Prometheus);
    text.lines().filter(|line| line.starts_with(metric)).map(str::to_owned).collect()
}

#[test]
fn the_same_labels_in_any_order_give_the_same_cell() {
    let registry = Registry::new();
    let same = registry.clone();
    registry.counter("seen_total", "Seen.", &[("a", "1"), ("b", "2")]).inc();
    same.counter("seen_total", "Seen.", &[("b", "2"), ("a", "1")]).inc();
    assert_eq!(lines(&registry, "seen_total"), [r#"seen_total{a="1",b="2"} 2"#]);
}

#[test]
fn over_the_limit_a_handle_works_is_not_exported_and_the_metric_is_named() {
    let registry = small(3, 100);
    for n in 0..10 {
        let counter =
            registry.counter("paths_total", "Paths.", &[("method", "GET"), ("path", &format!("/{n}"))]);
        counter.inc();
        assert_eq!(counter.get(), 1);
    }
    assert_eq!(lines(&registry, "paths_total").len(), 3);
    assert_eq!(
        lines(&registry, "seawall_series_dropped_total"),
        [r#"seawall_series_dropped_total{metric="paths_total"} 7"#]
    );
    let dropped = registry.dropped();
    assert_eq!(dropped.len(), 1);
    assert_eq!(
        dropped[0].to_string(),
        r#"paths_total was refused 7 series, {method="GET",path="/3"} first: paths_total has 3 values of path; take that label's values from configuration, not from traffic"#
    );
}

#[test]
fn a_series_made_before_the_limit_counts_on_after_it() {
    let registry = small(1, 100);
    let kept = registry.counter("paths_total", "Paths.", &[("path", "/a")]);
    registry.counter("paths_total", "Paths.", &[("path", "/b")]).inc();
    registry.counter("paths_total", "Paths.", &[("path", "/a")]).inc();
    kept.inc();
    assert_eq!(lines(&registry, "paths_total"), [r#"paths_total{path="/a"} 2"#]);
}

#[test]
fn when_the_whole_registry_is_full_the_metric_that_fills_it_is_named_too() {
    let registry = small(100, 5);
    for n in 0..5 {
        registry.counter("paths_total", "Paths.", &[("path", &n.to_string())]);
    }
    registry.gauge("level", "Level.", &[("tank", "left")]).set(1.0);
    let dropped = registry.dropped();
    assert_eq!(dropped.len(), 1);
    assert_eq!((dropped[0].metric.as_str(), dropped[0].crowded_by.as_str()), ("level", "paths_total"));
    assert_eq!((dropped[0].label.as_str(), dropped[0].distinct), ("path", 5));
    assert_eq!(dropped[0].refused, r#"{tank="left"}"#);
}

#[test]
fn observed_values_are_limited_and_named_alike() {
    let registry = small(4, 100);
    let _observer = registry.observe_with("level", "Level.", Kind::Gauge, &["tank"], |out| {
        (0..6).for_each(|n| out.add(&[&n.to_string()], f64::from(n)));
    });
    assert_eq!(lines(&registry, "level").len(), 4);
    assert_eq!(lines(&registry, "level").len(), 4);
    let dropped = registry.dropped();
    assert_eq!((dropped[0].metric.as_str(), dropped[0].label.as_str()), ("level", "tank"));
    assert_eq!((dropped[0].count, dropped[0].distinct), (4, 4));

    let registry = small(100, 3);
    registry.gauge("level", "Level.", &[("tank", "a")]);
    let _observer = registry.observe_with("tide", "Tide.", Kind::Gauge, &["shore"], |out| {
        (0..6).for_each(|n| out.add(&[&n.to_string()], f64::from(n)));
    });
    assert_eq!((lines(&registry, "level").len(), lines(&registry, "tide").len()), (1, 2));
}

#[test]
fn observed_values_are_read_when_asked_and_end_with_their_observer() {
    let registry = Registry::new();
    let level = Gauge::default();
    let seen = level.clone();
    let observer =
        registry.observe_with("level", "Level.", Kind::Gauge, &[], move |out| out.add(&[], seen.get()));
    level.set(1.5);
    assert_eq!(lines(&registry, "level"), ["level 1.5"]);
    level.set(2.0);
    assert_eq!(lines(&registry, "level"), ["level 2"]);
    drop(observer);
    assert_eq!(registry.render(Format::Prometheus), "");
    registry.observe_with("level", "Level.", Kind::Gauge, &[], |out| out.add(&[], 7.0)).keep();
    assert_eq!(lines(&registry, "level"), ["level 7"]);
}

#[test]
fn several_may_feed_one_metric_and_the_first_to_name_a_series_wins() {
    let registry = Registry::new();
    registry.gauge("level", "Level.", &[("tank", "a")]).set(1.0);
    for from in [2.0, 3.0] {
        let read = move |out: &mut Samples| ["a", "b"].iter().for_each(|tank| out.add(&[tank], from));
        registry.observe_with("level", "Level.", Kind::Gauge, &["tank"], read).keep();
    }
    assert_eq!(lines(&registry, "level"), [r#"level{tank="a"} 1"#, r#"level{tank="b"} 2"#]);
}

#[test]
fn an_observer_may_use_the_registry_while_it_is_read_and_as_it_goes() {
    let registry = Registry::new();
    let inner = registry.clone();
    let nested = registry.observe_with("nested", "Nested.", Kind::Gauge, &[], |out| out.add(&[], 1.0));
    let observer = registry.observe_with("level", "Level.", Kind::Gauge, &[], move |out| {
        inner.counter("reads_total", "Reads.", &[]).inc();
        out.add(&[], if format!("{nested:?}").is_empty() { 0.0 } else { 1.0 });
    });
    assert_eq!(lines(&registry, "level"), ["level 1"]);
    assert_eq!(lines(&registry, "nested"), ["nested 1"]);
    drop(observer);
    assert_eq!(lines(&registry, "nested"), Vec::<String>::new());
    assert_eq!(lines(&registry, "reads_total").len(), 1);
}

#[test]
fn what_left_the_configuration_is_forgotten_and_makes_room() {
    let registry = small(100, 3);
    let old = names::CALLS.with(&registry, ["old", "chat", "ok"]);
    old.inc();
    names::CALL_DURATION.with(&registry, ["old", "chat"]);
    names::CALLS.with(&registry, ["new", "chat", "ok"]).inc();
    registry.forget("upstream", "old");
    old.inc();
    assert_eq!(
        lines(&registry, "seawall_call"),
        [r#"seawall_calls_total{upstream="new",route="chat",outcome="ok"} 1"#]
    );
    names::CALLS.with(&registry, ["old", "chat", "ok"]).inc();
    names::CALLS.with(&registry, ["old", "chat", "auth"]).inc();
    assert_eq!(registry.dropped(), []);
    assert_eq!(lines(&registry, "seawall_calls_total").len(), 3);
    assert_eq!(names::CALLS.with(&registry, ["old", "chat", "ok"]).get(), 1);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "was declared as a Counter before")]
fn a_name_used_for_two_kinds_is_loud_in_tests() {
    let registry = Registry::new();
    registry.counter("x_total", "X.", &[]);
    registry.gauge("x_total", "X.", &[]);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "the labels of this metric are")]
fn labels_other_than_declared_are_loud_in_tests() {
    let registry = Registry::new();
    registry.counter("x_total", "X.", &[("a", "1")]);
    registry.counter("x_total", "X.", &[("b", "1")]);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "the labels of this metric are [\"a\"]")]
fn a_label_given_twice_is_loud_in_tests() {
    Registry::new().counter("x_total", "X.", &[("a", "1"), ("a", "2")]);
}

#[test]
fn many_threads_asking_for_the_same_series_count_into_one() {
    let registry = Registry::new();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            let registry = registry.clone();
            scope.spawn(move || {
                for n in 0..50 {
                    registry.counter("n_total", "N.", &[("n", &n.to_string())]).inc();
                }
            });
        }
    });
    assert_eq!(lines(&registry, "n_total").len(), 50);
    assert!(lines(&registry, "n_total").iter().all(|line| line.ends_with(" 16")));
}
