use std::time::Duration;

use super::*;

fn sample() -> Registry {
    let registry = Registry::new();
    let took = registry.histogram(
        "wait_seconds",
        "Waits.",
        &[("upstream", "a")],
        &[Duration::from_micros(2_500), Duration::from_secs(1)],
    );
    [1, 2_500_000, 2_500_001, 999_999_999, 60_000_000_000]
        .iter()
        .for_each(|n| took.record(Duration::from_nanos(*n)));
    registry.histogram("age_seconds", "Ages.", &[], &[Duration::from_secs(1)]).record(Duration::from_secs(1));
    registry
        .counter("calls_total", "Calls, \"good\"\nor \\ not.", &[("route", "b"), ("to", "x\"y\\z\n")])
        .add(3);
    registry.counter("calls_total", "ignored: said before", &[("route", "a"), ("to", "")]).inc();
    registry.gauge("level", "Level.", &[]).set(-0.5);
    registry
}

#[test]
fn the_classic_text_is_exactly_this() {
    assert_eq!(
        sample().render(Format::Prometheus),
        r#"# HELP age_seconds Ages.
# TYPE age_seconds histogram
age_seconds_bucket{le="1.0"} 1
age_seconds_bucket{le="+Inf"} 1
age_seconds_sum 1.0
age_seconds_count 1
# HELP calls_total Calls, "good"\nor \\ not.
# TYPE calls_total counter
calls_total{route="a",to=""} 1
calls_total{route="b",to="x\"y\\z\n"} 3
# HELP level Level.
# TYPE level gauge
level -0.5
# HELP wait_seconds Waits.
# TYPE wait_seconds histogram
wait_seconds_bucket{upstream="a",le="0.0025"} 2
wait_seconds_bucket{upstream="a",le="1.0"} 4
wait_seconds_bucket{upstream="a",le="+Inf"} 5
wait_seconds_sum{upstream="a"} 61.005000001
wait_seconds_count{upstream="a"} 5
"#
    );
}

#[test]
fn the_openmetrics_text_is_exactly_this() {
    assert_eq!(
        sample().render(Format::OpenMetrics),
        r#"# HELP age_seconds Ages.
# TYPE age_seconds histogram
# UNIT age_seconds seconds
age_seconds_bucket{le="1.0"} 1
age_seconds_bucket{le="+Inf"} 1
age_seconds_sum 1.0
age_seconds_count 1
# HELP calls Calls, \"good\"\nor \\ not.
# TYPE calls counter
calls_total{route="a",to=""} 1
calls_total{route="b",to="x\"y\\z\n"} 3
# HELP level Level.
# TYPE level gauge
level -0.5
# HELP wait_seconds Waits.
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_bucket{upstream="a",le="0.0025"} 2
wait_seconds_bucket{upstream="a",le="1.0"} 4
wait_seconds_bucket{upstream="a",le="+Inf"} 5
wait_seconds_sum{upstream="a"} 61.005000001
wait_seconds_count{upstream="a"} 5
# EOF
"#
    );
}

#[test]
fn an_empty_registry_renders_to_nothing_or_its_end() {
    assert_eq!(Registry::new().render(Format::Prometheus), "");
    assert_eq!(Registry::new().render(Format::OpenMetrics), "# EOF\n");
}

#[test]
fn openmetrics_is_given_to_who_asks_for_it() {
    use Format::{Csv, Json, OpenMetrics, Prometheus};
    for (accept, format) in [
        (None, Prometheus),
        (Some(""), Prometheus),
        (Some("*/*"), Prometheus),
        (Some("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"), Prometheus),
        (Some("application/openmetrics-text"), OpenMetrics),
        (Some("Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8"), OpenMetrics),
        (Some("application/openmetrics-text;version=\"1.0.0\",*/*;q=0.1"), OpenMetrics),
        (Some("application/openmetrics-text;version=0.0.1"), Prometheus),
        (Some("application/openmetrics-text;q=0"), Prometheus),
        (Some("application/openmetrics-text;q=0.3,text/plain;q=0.5"), Prometheus),
        (Some("application/openmetrics-text;q=much"), Prometheus),
        (Some("application/json"), Json),
        (Some("text/csv, */*;q=0.1"), Csv),
        (Some("application/json;q=0.5, text/csv;q=0.7"), Csv),
        (Some("application/json;q=0.5, text/plain"), Prometheus),
        (Some("text/csv;q=0"), Prometheus),
        (
            Some(
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ),
            OpenMetrics,
        ),
        (
            Some(
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            ),
            OpenMetrics,
        ),
    ] {
        assert_eq!(Format::negotiate(accept), format, "{accept:?}");
    }
}

#[test]
fn each_format_names_its_content_type() {
    assert_eq!(Format::Prometheus.content_type(), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(
        Format::OpenMetrics.content_type(),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
}
