use proptest::prelude::{Strategy, any, prop, proptest};

use super::*;

#[track_caller]
fn wrong(text: &str, said: &str) {
    assert_eq!(Condition::parse(text).unwrap_err().to_string(), said, "{text}");
}

#[test]
fn what_is_wrong_is_said_with_its_column_and_what_to_write() {
    wrong("", "column 1: there is no condition: write \"breaker_open > 0\"");
    wrong("breaker_open", "column 1: this is a value and no condition: compare it, as in \"… > 0\"");
    wrong("breaker_open = 1", "column 14: unexpected \"=\": write \"==\"");
    wrong("breaker_open => 1", "column 14: unexpected \"=>\": write \">=\"");
    wrong("a > 1 && b > 1", "column 7: unexpected \"&&\": write \"and\"");
    wrong("a > 0 b > 0", "column 7: unexpected \"b\": join conditions with and, or");
    wrong("1 > 2", "column 1: both sides of \">\" are numbers: name a metric on one of them");
    wrong(
        "1 < a < 2",
        "column 7: three values are compared at once, see column 3: join two comparisons with and",
    );
    wrong("a >", "column 4: expected a metric or a number, found the end");
    wrong("(a > 1", "column 7: expected \")\", found the end");
    wrong("a{upstream=x} > 1", "column 12: the value of a label stands in quotes: write \"upstream='…'\"");
    wrong("a{upstream>'x'} > 1", "column 11: a label is compared with = or !=: write \"upstream='…'\"");
    wrong("a{'x'} > 1", "column 3: expected the name of a label: write \"upstream='exchange'\"");
    wrong("a{upstream='x > 1", "column 12: the quote is never closed: write ' at its end");
    wrong(
        "a{code=~'SW.*'} > 1",
        "column 9: \".\" has a meaning here that is not understood: write words with | between them",
    );
    wrong("rate(a) > 1", "column 6: rate needs a span of time: write \"rate(seawall_a[5m])\"");
    wrong(
        "a[5m] > 1",
        "column 2: unexpected \"[5m]\": a span belongs to a metric in a function, as in \"rate(m[5m])\"",
    );
    wrong("rate(a[5]) > 1", "column 7: \"5\" has no unit: write \"5s\"");
    wrong("rate(a[0s]) > 1", "column 7: a span of nothing holds no sample: write \"[5m]\"");
    wrong("rate(a[1s]) > 1", "column 6: a span under 2s holds no two samples: write \"[5m]\"");
    wrong("rate(a[30d]) > 1", "column 7: nothing is remembered for longer than 1d: write \"[1h]\"");
    wrong("a > 5%", "column 5: a share is a number from 0 to 1: write 0.05 for \"5%\"");
    wrong("a > 1_000", "column 5: \"1_000\" is not a number: write 10 or 0.5");
    wrong("a > 1 ; b", "column 7: unexpected \";\"");
    wrong(
        "mean(a) > 1",
        "column 1: there is no function \"mean\": write one of absent, rate, increase, avg_over_time, sum_over_time, \
         min_over_time, max_over_time, count_over_time, sum, avg, min, max, count",
    );
    wrong("irate(a[5m]) > 1", "column 1: there is no function \"irate\": write rate");
    wrong("a > 1 unless b > 1", "column 7: unexpected \"unless\": write two rules");
    wrong(
        "sum without (x) (a) > 1",
        "column 5: \"without\" is not understood: write \"by\" with the labels to keep",
    );
    wrong("sum(1) > a", "column 5: sum of a number is that number: name a metric");
    wrong("(a > 1) + 1 > 2", "column 1: this is a condition and no value: join conditions with and, or");
    wrong("a and b > 1", "column 1: this is a value and no condition: compare it, as in \"… > 0\"");
    wrong("'x' > 1", "column 1: \"x\" is a text: write a metric's name without quotes");
    let deep = format!("{}a > 1{}", "(".repeat(40), ")".repeat(40));
    wrong(&deep, "column 33: nested deeper than 32: write it flatter");
    let long = format!("a > {}", "1".repeat(5000));
    wrong(&long, "column 4096: the condition has 5004 bytes: write at most 4096");
}

/// Does it hold, of which labels, over what is written?
fn holds(text: &str, written: &Written, now: u64) -> Vec<(String, f64)> {
    let condition = Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let readings = condition.read(written, at(now));
    readings.into_iter().filter(|r| r.holds).map(|r| (r.labels.to_string(), r.value)).collect()
}

fn some(labels: &str, value: f64) -> Vec<(String, f64)> {
    vec![(labels.to_owned(), value)]
}

#[test]
fn series_are_chosen_by_their_labels_and_a_prefix_may_be_left_out() {
    let w = Written::default()
        .always("breaker_open", &[("upstream", "exchange")], 1.0)
        .always("breaker_open", &[("upstream", "openai")], 0.0)
        .always("breaker_open", &[], 7.0);
    let exchange = some(r#"{upstream="exchange"}"#, 1.0);
    assert_eq!(holds("breaker_open{upstream='exchange'} > 0", &w, 0), exchange);
    assert_eq!(holds("seawall_breaker_open{upstream=\"exchange\",} > 0", &w, 0), exchange);
    assert_eq!(holds("0 < breaker_open{upstream!=''}", &w, 0), exchange);
    assert_eq!(holds("breaker_open{upstream=~'exchange|openai'} > 0", &w, 0), exchange);
    assert_eq!(holds("breaker_open{upstream!~'exchange|openai'} > 0", &w, 0), some("", 7.0));
    assert_eq!(holds("breaker_open > -1", &w, 0).len(), 3);
    assert_eq!(holds("nothing > 0", &w, 0), []);
}

#[test]
fn what_a_label_cannot_say_in_letters_is_escaped() {
    let odd = "a\nb\tc\\d'e\"f";
    let w = Written::default().always("x", &[("l", odd)], 1.0).always("x", &[("l", "n")], 2.0);
    assert_eq!(holds(r#"x{l='a\nb\tc\\d\'e\"f'} > 0"#, &w, 0).len(), 1);
    assert_eq!(holds(r#"x{l="a\nb\tc\\d\'e\"f"} > 0"#, &w, 0).len(), 1);
}

#[test]
fn numbers_are_calculated_in_the_usual_order() {
    let w = Written::default().always("x", &[], 10.0);
    for yes in [
        "x == 2 + 2 * 4",
        "x == (2 + 3) * 2",
        "x - 1 - 2 == 7",
        "-x == -10",
        "x / 4 / 5 == 0.5",
        "x == 1e1",
        "x < Inf",
        "x != NaN",
        "--x == +10",
        "x >= 10 and x <= 10",
        "x == 1 or x == 10",
    ] {
        assert_eq!(holds(yes, &w, 0).len(), 1, "{yes}");
    }
    for no in ["x != 10", "x > 10", "x < 10", "x == NaN", "x == 10 and x == 11", "x / 0 < Inf"] {
        assert_eq!(holds(no, &w, 0), [], "{no}");
    }
    // `and` binds closer than `or`.
    assert_eq!(holds("x == 10 or x == 1 and x == 2", &w, 0).len(), 1);
    assert_eq!(holds("(x == 10 or x == 1) and x == 2", &w, 0).len(), 0);
}

#[test]
fn a_rate_is_per_second_and_survives_a_counter_that_begins_anew() {
    let climbing: Vec<_> = (0..=300).map(|n| Some(f64::from(n) * 2.0)).collect();
    let w = Written::default().with("c_total", &[("u", "a")], &climbing);
    let read = |text, now| Condition::parse(text).unwrap().read(&w, at(now))[0].value;
    assert_eq!(read("rate(c_total[1m]) > 0", 200), 2.0);
    assert_eq!(read("increase(c_total[100s]) > 0", 200), 200.0);
    let anew: Vec<_> = (0..=100).map(|n| Some(f64::from(if n < 50 { 1000 + n } else { n - 50 }))).collect();
    let w = Written::default().with("c_total", &[], &anew);
    let grown = Condition::parse("increase(c_total[100s]) > 0").unwrap().read(&w, at(100))[0].value;
    assert!((99.0..=101.0).contains(&grown), "{grown}");
    assert_eq!(holds("rate(c_total[1m]) > 0", &Written::default().with("c_total", &[], &[Some(5.0)]), 0), []);
}

#[test]
fn absent_holds_when_nothing_was_there_for_so_long() {
    let w = Written::default().with("m", &[("u", "a")], &[Some(1.0); 10]);
    assert_eq!(holds("absent(m{u='b'})", &w, 5), some(r#"{u="b"}"#, 1.0));
    assert_eq!(holds("absent(m[5s])", &w, 14), []);
    assert_eq!(holds("absent(m[5s])", &w, 15), some("", 1.0));
    assert_eq!(holds("absent(m{u='a'}[5s]) and absent(other)", &w, 15), some(r#"{u="a"}"#, 1.0));
}

#[test]
fn the_two_sides_are_matched_by_the_labels_both_have() {
    let w = Written::default()
        .always("bad", &[("u", "a")], 3.0)
        .always("bad", &[("u", "b")], 1.0)
        .always("all", &[("u", "a")], 4.0)
        .always("all", &[("u", "b")], 4.0)
        .always("all", &[("u", "c")], 4.0)
        .always("on", &[("u", "a"), ("zone", "x")], 1.0);
    let a = r#"{u="a"}"#;
    assert_eq!(holds("bad / all > 0.5", &w, 0), some(a, 0.75));
    assert_eq!(holds("bad / sum(all) > 0.2", &w, 0), some(a, 0.25), "a part of the whole");
    assert_eq!(
        holds("bad > 0 and on == 1", &w, 0),
        some(a, 3.0),
        "what the other side says beside is no matter"
    );
    assert_eq!(holds("sum(bad) / all > 0", &w, 0), [], "which of three is meant nobody can say");
    assert_eq!(holds("bad > 2 or all > 5", &w, 0), some(a, 3.0));
    assert_eq!(holds("bad > 5 or all{u='a'} > 3", &w, 0), some(a, 4.0));
    assert_eq!(holds("sum by (u) (all) > sum by (u) (bad)", &w, 0).len(), 2);
    assert_eq!(holds("max(bad) - min(bad) == 2", &w, 0).len(), 1);
    assert_eq!(holds("count(all) by () == 3 and avg(all) == 4", &w, 0).len(), 1);
}

#[test]
fn a_condition_says_which_metrics_it_needs() {
    let c = Condition::parse("rate(a_total[5m]) / seawall_b > 1 and absent(b[1m]) or b < 1").unwrap();
    let need = |metric: &str, span| Need { metric: metric.to_owned(), span: secs(span) };
    assert_eq!(c.needs(), [need("seawall_a_total", 300), need("seawall_b", 0), need("seawall_b", 60)]);
    assert!(c.is_upward());
    assert!(!Condition::parse("b < 1").unwrap().is_upward());
}

/// Texts that look like conditions without being any.
fn soup() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "sum",
        "by",
        "rate",
        "absent",
        "and",
        "or",
        "(",
        ")",
        "{",
        "}",
        "[5m]",
        "[",
        "]",
        ">",
        "=",
        "!=",
        "=~",
        "'x'",
        "'",
        "\"",
        "\\",
        ",",
        "1",
        "0.5",
        "1e",
        "%",
        "/",
        "*",
        "-",
        "+",
        " ",
        "é",
        "\u{0}",
        "inf",
        "without",
        "_over_time",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_is_too_odd_to_be_read_or_refused(text in soup(), other in any::<String>()) {
        for text in [text, other] {
            match Condition::parse(&text) {
                Ok(condition) => {
                    condition.read(&Written::default().always("a", &[("x", "y")], 1.0), at(1));
                }
                Err(wrong) => assert!(wrong.column >= 1 && wrong.column <= text.chars().count() + 1, "{text:?} {wrong}"),
            }
        }
    }
}
