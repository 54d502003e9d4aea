use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, proptest};
use proptest::strategy::Just;

use super::*;

fn at(millis: u64) -> Instant {
    Instant::ORIGIN + Duration::from_millis(millis)
}

fn book(rate: &str, held: u64) -> Book {
    let (rate, held) = (rate.parse().unwrap(), Duration::from_secs(held));
    Book::new(Options { rate, held, ..Options::default() })
}

/// How many of so many calls at once pass.
fn pass(book: &mut Book, caller: u64, calls: usize, millis: u64) -> usize {
    (0..calls).filter(|_| book.arrive(caller, at(millis)).is_ok()).count()
}

#[test]
fn the_defaults_are_good_and_read_back() {
    let options = Options::default();
    assert_eq!(options.check(), Ok(()));
    let text = serde_json::to_string(&options).unwrap();
    assert_eq!(serde_json::from_str::<Options>(&text).unwrap(), options);
    assert_eq!(serde_json::from_str::<Options>("{}").unwrap(), options);
}

#[test]
fn options_that_limit_nobody_or_for_ever_are_refused_with_what_to_write() {
    let wrong = |text: &str| serde_json::from_str::<Options>(text).unwrap().check().unwrap_err().to_string();
    assert_eq!(wrong(r#"{"rate":"4000000000/s"}"#), "rate: 4000000000/s limits nobody: write \"10/min\"");
    assert_eq!(wrong(r#"{"for":"1ms"}"#), "for: 1ms is out of range: write \"1s\" to \"7d\"");
    assert!(wrong(r#"{"for":"30d"}"#).starts_with("for: 2592000s is out of range"));
    assert!(wrong(r#"{"callers":0}"#).starts_with("callers: 0 is out of range"));
}

#[test]
fn nobody_is_limited_before_an_offence_and_the_rate_holds_after_it() {
    let mut book = book("3/3s", 10);
    assert_eq!(pass(&mut book, 7, 100, 0), 100);
    book.offend(7, at(1000));
    assert_eq!(pass(&mut book, 7, 100, 1000), 2, "the offence was one of the three");
    assert_eq!(book.arrive(7, at(1000)), Err(Duration::from_secs(1)));
    assert_eq!(pass(&mut book, 7, 100, 2000), 1);
    assert_eq!(pass(&mut book, 7, 100, 5000), 3);
    assert_eq!(pass(&mut book, 8, 100, 5000), 100, "somebody else");
}

#[test]
fn a_term_ends_is_longer_with_every_offence_and_leaves_nothing_behind() {
    let mut book = book("1/h", 10);
    book.offend(7, at(0));
    assert_eq!(book.arrive(7, at(4000)), Err(Duration::from_secs(6)), "no longer than it lasts");
    book.offend(7, at(5000));
    assert_eq!(pass(&mut book, 7, 9, 14_999), 0);
    assert_eq!(pass(&mut book, 7, 9, 15_000), 9);
    assert!(book.is_empty());
    book.offend(7, at(20_000));
    // Without a call in between, the next offence finds an old term.
    book.offend(7, at(40_000));
    assert_eq!(pass(&mut book, 7, 9, 40_000), 0);
}

#[test]
fn who_offended_lately_takes_the_place_of_who_has_done_its_time() {
    let mut book = book("1/h", 10);
    book.update(Options { callers: 100, ..book.options.clone() });
    let id = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (1..=100).for_each(|n| book.offend(id(n), at(0)));
    (101..=150).for_each(|n| book.offend(id(n), at(11_000)));
    assert_eq!((book.len(), book.forgotten()), (100, 50));
    assert!((101..=150).all(|n| book.arrive(id(n), at(12_000)).is_err()));
    book.update(Options { callers: 10, ..book.options.clone() });
    assert_eq!(book.len(), 10);
}

proptest! {
    /// Law: memory is bounded, no wait is longer than the term, and no history panics, clocks that go back included.
    #[test]
    fn any_history_is_kept_in_bounded_memory(
        history in vec((any::<bool>(), 0u64..60, proptest::prop_oneof![0u64..100_000, Just(u64::MAX), any::<u64>()]), 0..300),
        callers in 1u32..20,
    ) {
        let mut book = Book::new(Options { callers, ..Options::default() });
        for (offends, caller, nanos) in history {
            let now = Instant::from_nanos(nanos);
            if offends {
                book.offend(caller, now);
            } else if let Err(wait) = book.arrive(caller, now) {
                prop_assert!(wait > Duration::ZERO && wait <= book.options.held);
            }
            prop_assert!(book.len() <= callers as usize);
        }
    }

    /// Law: however its calls come, an offender gets no more than the rate in any span of its term, and whoever waits as
    /// long as it was told passes.
    #[test]
    fn no_span_lets_more_pass_than_the_rate(
        count in 1u32..20,
        pauses in vec(0u64..2000, 1..300),
    ) {
        let mut book = book(&format!("{count}/10s"), 86_400);
        let (mut now, mut passed) = (0, vec![0u64]);
        book.offend(7, at(0));
        for pause in pauses {
            now += pause;
            match book.arrive(7, at(now)) {
                Ok(()) => passed.push(now),
                Err(wait) => {
                    let mut later = book.clone();
                    prop_assert!(later.arrive(7, at(now) + wait).is_ok());
                }
            }
        }
        for (n, from) in passed.iter().enumerate() {
            let within = passed[n..].iter().take_while(|to| **to < from + 10_000).count();
            // A bucket that was full lets its burst pass, and then what is filled in again.
            prop_assert!(within as u32 <= 2 * count, "{within}");
        }
    }
}
