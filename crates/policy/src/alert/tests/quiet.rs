use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().copied())
}

fn quiet(name: &str, quiet_while: &[&str]) -> Rule {
    let quiet_while = quiet_while.iter().map(|text| Quiet::parse(text).unwrap()).collect();
    Rule { name: name.to_owned(), quiet_while, ..rule("x > 0") }
}

#[test]
fn it_means_alerts_that_agree_or_have_the_labels_that_are_named() {
    let (up, other) = (labels(&[("upstream", "up")]), labels(&[("upstream", "other")]));
    let plain = Quiet::parse("breaker_open").unwrap();
    assert!(plain.covers(&up, &up) && plain.covers(&Labels::default(), &up) && !plain.covers(&other, &up));
    let named = Quiet::parse("breaker_open{upstream=check, code = code}").unwrap();
    assert_eq!(named.rule(), "breaker_open");
    let ours = labels(&[("check", "up"), ("code", "7")]);
    assert!(named.covers(&labels(&[("upstream", "up"), ("code", "7"), ("zone", "a")]), &ours));
    assert!(!named.covers(&labels(&[("upstream", "up"), ("code", "8")]), &ours));
    assert!(!named.covers(&up, &up), "a label that neither has is no common one");
}

#[test]
fn what_cannot_be_read_is_refused_with_what_to_write() {
    for text in
        ["", "a b", "x{", "x{}", "x{a}", "x{a=}", "x{=b}", "x{a=b", "x{a=b}y", "{a=b}", "x{a=b,}", "x\u{7}"]
    {
        let why = Quiet::parse(text).unwrap_err();
        assert!(why.contains("write the name of an alert"), "{text:?}: {why}");
    }
    let long = Options { quiet_while: vec!["x".repeat(1000)], ..Options::default() }.check().unwrap_err();
    assert!(long.key == "quiet_while" && long.message.len() < 300);
}

#[test]
fn a_circle_is_found_and_a_chain_is_none() {
    let chain = [quiet("a", &["b"]), quiet("b", &["c", "nobody"]), quiet("c", &[]), quiet("d", &["a", "c"])];
    assert_eq!(circle(&chain), None);
    assert_eq!(circle(&[quiet("a", &["a"])]).unwrap(), ["a"]);
    let round = [
        quiet("lead", &["b"]),
        quiet("b", &["end", "c{x=y}"]),
        quiet("c", &["d"]),
        quiet("d", &["b"]),
        quiet("end", &[]),
    ];
    assert_eq!(circle(&round).unwrap(), ["b", "c", "d"]);
}

#[test]
fn what_is_quieted_is_held_and_its_end_is_told_to_those_who_know_of_it() {
    let options = Delivery { batch: Duration::ZERO, cooldown: Duration::ZERO, ..Delivery::default() };
    let present = |active, quieted| [Present { key: &1, group: "g", active, silenced: false, quieted }];
    let mut desk = Desk::default();
    let (said, held) = desk.step(&options, &present(true, true), at(0));
    assert!(said.is_empty() && held == [(1, Held::Quieted)]);
    assert!(desk.step(&options, &present(false, true), at(1)).0.is_empty(), "never told, so its end is not");
    assert_eq!(desk.step(&options, &present(true, false), at(2)).0.len(), 1);
    assert_eq!(desk.step(&options, &present(true, true), at(3)), (vec![], vec![]), "it was told before");
    let (said, _) = desk.step(&options, &present(false, true), at(4));
    assert_eq!(said[0].alerts, [(1, What::Resolved)]);
}
