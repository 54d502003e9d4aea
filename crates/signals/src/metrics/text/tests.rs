use super::*;

fn through(escape: impl Fn(&mut String)) -> String {
    let mut out = String::new();
    escape(&mut out);
    out
}

#[test]
fn label_values_are_escaped_as_the_format_says() {
    assert_eq!(through(|out| label_value(out, "a\\b\"c\nd")), r#"a\\b\"c\nd"#);
    assert_eq!(through(|out| label_value(out, "Zürich\t{}=,")), "Zürich\t{}=,");
}

#[test]
fn quotes_in_help_are_escaped_only_where_asked() {
    assert_eq!(through(|out| help(out, "a \"b\"\n\\", false)), r#"a "b"\n\\"#);
    assert_eq!(through(|out| help(out, "a \"b\"", true)), r#"a \"b\""#);
}

#[test]
fn names_no_scraper_takes_are_mended() {
    assert_eq!(mend_metric_name("seawall_calls_total", Kind::Counter), "seawall_calls_total");
    assert_eq!(mend_metric_name("seawall:x", Kind::Gauge), "seawall:x");
    assert_eq!(mend_metric_name("seawall_calls", Kind::Counter), "seawall_calls_total");
    assert_eq!(mend_metric_name("p95 latency-ms", Kind::Gauge), "p95_latency_ms");
    assert_eq!(mend_metric_name("5xx", Kind::Gauge), "_5xx");
    assert_eq!(mend_metric_name("", Kind::Gauge), "_");
    assert_eq!(mend_label_name("upstream"), "upstream");
    assert_eq!(mend_label_name("a:b"), "a_b");
    assert_eq!(mend_label_name("le"), "label_le");
    assert_eq!(mend_label_name("__name__"), "label___name__");
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "is no label name")]
fn a_bad_name_of_our_own_is_loud_in_tests() {
    label_name("a-b");
}

#[test]
fn seconds_are_exact_and_always_carry_a_fraction() {
    for (nanos, text) in [
        (0, "0.0"),
        (1, "0.000000001"),
        (2_500_000, "0.0025"),
        (1_000_000_000, "1.0"),
        (60_000_000_000, "60.0"),
        (1_234_567_890, "1.23456789"),
    ] {
        assert_eq!(seconds(nanos), text);
    }
}

#[test]
fn numbers_are_spelled_as_the_formats_spell_them() {
    assert_eq!(number(1.0), "1");
    assert_eq!(number(-0.25), "-0.25");
    assert_eq!(number(f64::NAN), "NaN");
    assert_eq!(number(f64::INFINITY), "+Inf");
    assert_eq!(number(f64::NEG_INFINITY), "-Inf");
}
