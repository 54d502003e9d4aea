use super::*;

fn stepped(book: &mut Book, rule: &Rule, written: &mut Written, now: u64) -> Vec<(String, Moved)> {
    written.now = Some(at(now));
    book.step(rule, written, SPAN, at(now))
        .into_iter()
        .map(|(labels, moved)| (labels.to_string(), moved))
        .collect()
}

fn one(labels: &str, moved: Moved) -> Vec<(String, Moved)> {
    vec![(labels.to_owned(), moved)]
}

#[test]
fn each_set_of_labels_is_an_alert_of_its_own() {
    let (on, off) = (Some(1.0), Some(0.0));
    let mut w = Written::default().with("open", &[("u", "a")], &[off, on, on, off]).with(
        "open",
        &[("u", "b")],
        &[off, off, on, on],
    );
    let (rule, mut book) = (rule("open > 0"), Book::default());
    assert_eq!(stepped(&mut book, &rule, &mut w, 0), []);
    assert_eq!((book.alerts().len(), book.nearest(), book.is_blind()), (0, Some(0.0), false));
    assert_eq!(stepped(&mut book, &rule, &mut w, 1), one(r#"{u="a"}"#, Moved::Active));
    assert_eq!(stepped(&mut book, &rule, &mut w, 2), one(r#"{u="b"}"#, Moved::Active));
    assert_eq!(stepped(&mut book, &rule, &mut w, 3), one(r#"{u="a"}"#, Moved::Resolved));
    assert_eq!(book.alerts().len(), 2, "what is over is remembered for a while");
    w = w.always("open", &[("u", "a")], 0.0).with("open", &[("u", "b")], &[on; 4000]);
    stepped(&mut book, &rule, &mut w, 3700);
    assert_eq!(book.alerts().len(), 1);
}

#[test]
fn a_second_threshold_ends_it() {
    let values = [5.0, 12.0, 8.0, 9.0, 4.0, 8.0].map(Some);
    let mut w = Written::default().with("load", &[("host", "x")], &values);
    let mut hysteresis = rule("load > 10");
    hysteresis.until = Some(Condition::parse("load < 5").unwrap());
    let mut book = Book::default();
    let told: Vec<_> =
        (0..6).flat_map(|now| stepped(&mut book, &hysteresis, &mut w, now)).map(|(_, moved)| moved).collect();
    assert_eq!(told, [Moved::Active, Moved::Resolved]);
}

#[test]
fn no_data_at_all_is_one_alert_where_it_should_fire() {
    let mut w = Written::default().with("m", &[("u", "a")], &[Some(0.0), None, None, Some(0.0)]);
    let (mut rule, mut book) = (rule("m > 0"), Book::default());
    assert_eq!(stepped(&mut book, &rule, &mut w, 1), []);
    assert!(book.is_blind());
    rule.no_data = NoData::Fire;
    assert_eq!(stepped(&mut book, &rule, &mut w, 1), one("", Moved::Active));
    assert_eq!(stepped(&mut book, &rule, &mut w, 2), []);
    assert_eq!(stepped(&mut book, &rule, &mut w, 3), one("", Moved::Resolved));
    assert_eq!(stepped(&mut book, &rule, &mut w, 2), one("", Moved::Active));
}

#[test]
fn a_crowd_is_bounded_and_counted() {
    let mut w = Written::default();
    for n in 0..CROWD + 10 {
        w = w.with("m", &[("n", &n.to_string())], &[Some(1.0)]);
    }
    let mut book = Book::default();
    assert_eq!(stepped(&mut book, &rule("m > 0"), &mut w, 0).len(), CROWD);
    assert_eq!((book.alerts().len(), book.refused()), (CROWD, 10));
}

#[test]
fn after_a_restart_a_rate_over_half_a_window_calls_nothing_well() {
    let climbing: Vec<_> = (0..300).map(|n| Some(f64::from(n) * 2.0)).collect();
    let mut w = Written::default().with("c_total", &[], &climbing);
    let rate = rule("rate(c_total[1m]) > 1.5");
    let phase = Phase::Active { since: START };
    let mut book = Book::restored([(Labels::default(), phase, Some(2.0), START)], START);
    for now in 0..200_u64 {
        w.now = Some(at(now));
        // Twelve seconds of a rate of 2 are a rate of 0.4 over a minute.
        assert_eq!(book.step(&rate, &w, secs(now), at(now)), [], "{now}");
    }
    let quiet = Written::default().with("c_total", &[], &[Some(0.0); 300]);
    assert_eq!(book.step(&rate, &quiet, secs(200), at(200)), [(Labels::default(), Moved::Resolved)]);
    let mut fresh = Book::restored([(Labels::default(), phase, Some(2.0), START)], START);
    assert_eq!(fresh.step(&rate, &quiet, secs(59), at(59)), []);
    assert_eq!(fresh.step(&rate, &quiet, secs(60), at(60)), [(Labels::default(), Moved::Resolved)]);
}
