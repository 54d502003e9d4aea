use std::cell::Cell;

use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

use super::*;

fn by_row(outcome: &Result<u32, Seen>) -> Verdict {
    Verdict::of(outcome.as_ref().err().copied().unwrap_or(Seen::Success))
}

#[test]
fn an_attempt_that_was_given_up_is_asked_about_too() {
    let never = only_if(by_row, |outcome: Option<Result<&u32, &Seen>>, verdict| {
        assert_eq!((outcome, verdict), (None, Verdict::of(Seen::TimedOut)));
        false
    });
    let gave_up: Result<u32, Error<Seen>> =
        Err(Error::Rejected(seawall_core::Rejection::new(seawall_core::Code::AttemptTimeout)));
    assert!(declines(&never, &gave_up, Verdict::of(Seen::TimedOut), Effects::Repeatable));
}

#[test]
fn conditions_add_up() {
    let odd =
        only_if(by_row, |outcome: Option<Result<&u32, &Seen>>, _| outcome != Some(Err(&Seen::ServerError)));
    let both = only_if(odd, |outcome: Option<Result<&u32, &Seen>>, _| outcome != Some(Err(&Seen::NotSent)));
    let asks = |row| !declines(&both, &Err(Error::Inner(row)), Verdict::of(row), Effects::Repeatable);
    assert_eq!([asks(Seen::ServerError), asks(Seen::NotSent), asks(Seen::ReplyLost)], [false, false, true]);
}

proptest! {
    /// Law: a condition is asked only where the table allows a repeat, and narrows it.
    #[test]
    fn a_condition_is_asked_only_where_the_table_allows(
        row in prop::sample::select(Seen::ALL),
        effects in prop::sample::select(Effects::ALL),
        agrees in prop::bool::ANY,
    ) {
        let asked = Cell::new(0);
        let condition = only_if(by_row, |_: Option<Result<&u32, &Seen>>, _| {
            asked.set(asked.get() + 1);
            agrees
        });
        let verdict = Verdict::of(row);
        let declined = declines(&condition, &Err(Error::Inner(row)), verdict, effects);
        prop_assert_eq!(asked.get() == 1, verdict.may_repeat(effects));
        prop_assert!(!declined || verdict.may_repeat(effects));
        prop_assert_eq!(declined, verdict.may_repeat(effects) && !agrees);
        prop_assert_eq!(condition.classify(&Err(row)), verdict);
        prop_assert!(condition.can_repeat());
        prop_assert_eq!(Classify::<u32, Seen>::timed_out(&condition), Verdict::of(Seen::TimedOut));
    }
}
