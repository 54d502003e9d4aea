use std::collections::HashMap;

use super::*;
use crate::ledger::Ledger;

fn request() -> Request {
    Request::parse(b"GET / HTTP/1.1", 1).unwrap()
}

fn chosen(script: &Script, n: u64) -> Reply {
    script.at_head(&request(), n, &Ledger::begin()).unwrap()
}

#[test]
fn a_sequence_plays_in_order_and_then_the_rest() {
    let script = Script::sequence([Reply::status(500), Reply::status(429)]).then(Reply::ok("fine"));
    let replies: Vec<_> = (1..=4).map(|n| chosen(&script, n)).collect();
    assert_eq!(replies, [Reply::status(500), Reply::status(429), Reply::ok("fine"), Reply::ok("fine")]);
    let short = Script::sequence([Reply::ok("once")]);
    assert_eq!(chosen(&short, 2), exhausted(2));
}

#[test]
fn a_random_script_repeats_itself_and_keeps_its_weights() {
    let (good, bad, never) = (Reply::ok("good"), Reply::status(500), Reply::stall());
    let script = |seed| Script::random(seed, [(3, good.clone()), (0, never.clone()), (1, bad.clone())]);
    let draws = |seed| (1..=4000).map(|n| chosen(&script(seed), n) == good).collect::<Vec<_>>();
    assert_eq!(draws(7), draws(7));
    assert_ne!(draws(7), draws(8));
    let share = draws(7).into_iter().filter(|good| *good).count() as f64 / 4000.0;
    assert!((0.72..0.78).contains(&share), "{share}");
    assert!((1..=4000).all(|n| chosen(&script(7), n) != never));
    assert_eq!(chosen(&Script::random(1, []), 1), exhausted(1));
}

#[test]
fn rules_for_connections_add_up() {
    let script = Script::always(Reply::ok("")).close_on_accept(1).reset_on_accept(3);
    let rules: HashMap<u64, Accept> = (1..=4).map(|nth| (nth, script.accepts(nth))).collect();
    let wanted = [(1, Accept::Close), (2, Accept::Serve), (3, Accept::Reset), (4, Accept::Serve)];
    assert_eq!(rules, wanted.into_iter().collect());
}

#[test]
fn a_word_before_the_body_goes_before_the_script() {
    let script = Script::per_path(|_, _| Reply::ok("late"))
        .before_body(|_, n, _| (n == 1).then(Reply::drop_before_reading_body));
    let ledger = Ledger::begin();
    assert_eq!(script.at_head(&request(), 1, &ledger), Some(Reply::drop_before_reading_body()));
    assert_eq!(script.at_head(&request(), 2, &ledger), None);
    assert_eq!(script.with_body(&request(), 2, &ledger), Reply::ok("late"));
}
