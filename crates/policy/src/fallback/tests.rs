use seawall_core::verdict::Seen;
use seawall_core::{Certainty, Code, Effects, Rejection, Verdict};

use super::*;

#[test]
fn falling_back_is_a_repeat_and_obeys_the_same_table() {
    for seen in Seen::ALL {
        for effects in Effects::ALL {
            let verdict = Verdict::of(*seen);
            assert_eq!(next(&Ended::Outcome(verdict), *effects, 1, true), verdict.may_repeat(*effects));
        }
    }
}

#[test]
fn a_refusal_before_anything_was_sent_always_allows_the_next() {
    let open = Rejection::new(Code::BreakerOpen);
    assert!(next(&Ended::Refused(&open), Effects::Once, 1, true));
    assert!(!next(&Ended::Refused(&open), Effects::Once, 0, true));
    assert!(!next(&Ended::Refused(&open), Effects::Once, 1, false));
}

#[test]
fn a_time_out_after_something_was_sent_allows_it_only_where_repeating_is_safe() {
    let late = Rejection::new(Code::AttemptTimeout).certainty(Certainty::Unknown);
    assert!(next(&Ended::Refused(&late), Effects::Repeatable, 1, true));
    for effects in [Effects::Billable, Effects::Guarded, Effects::Once] {
        assert!(!next(&Ended::Refused(&late), effects, 1, true));
    }
}

#[test]
fn what_an_earlier_one_may_have_done_a_later_ones_refusal_does_not_undo() {
    for first in Certainty::ALL {
        for end in Certainty::ALL {
            let mut doubt = Doubt::default();
            doubt.note(*first);
            doubt.note(Certainty::NotDone);
            let doubted = *first == Certainty::Unknown && *end == Certainty::NotDone;
            assert_eq!(
                doubt.over(*end),
                if doubted { Certainty::Unknown } else { *end },
                "{first} then {end}"
            );
        }
    }
}

#[test]
fn a_value_stands_in_only_where_it_hides_no_effect() {
    assert!(may_stand_in(Certainty::Unknown, Effects::Repeatable));
    for effects in [Effects::Billable, Effects::Guarded, Effects::Once] {
        assert!(may_stand_in(Certainty::NotDone, effects));
        for certainty in [Certainty::Unknown, Certainty::Partial, Certainty::Done, Certainty::AlreadyDone] {
            assert!(!may_stand_in(certainty, effects), "{certainty} {effects}");
        }
    }
}

#[test]
fn confidences_that_make_no_sense_are_refused_by_name() {
    let percents = |shares: &[u8]| shares.iter().map(|n| Share::percent(*n)).collect();
    let said = |shares| Options { confidence: percents(shares), ..Options::default() };
    let key = |options: Options, own: &[f64]| options.confidences(own).unwrap_err().key;
    assert_eq!(key(Options::default(), &[]), "to");
    assert_eq!(key(Options::default(), &[0.5, 1.5]), "confidence");
    assert_eq!(key(Options::default(), &[f64::NAN]), "confidence");
    assert_eq!(key(said(&[90, 80]), &[1.0]), "confidence");
    let strict = Options { at_least: Share::percent(95), ..said(&[90, 80]) };
    assert_eq!(strict.check().unwrap_err().key, "at_least");
    assert_eq!(key(strict, &[1.0, 1.0]), "at_least");
    assert_eq!(said(&[90, 80]).confidences(&[1.0, 1.0]), Ok(vec![0.9, 0.8]));
    assert_eq!(Options::default().confidences(&[1.0, 0.6]), Ok(vec![1.0, 0.6]));
    Options::default().check().unwrap();
}

#[test]
fn the_ends_of_the_range_of_a_confidence_are_in_it() {
    let any = Options::default();
    assert_eq!(any.confidences(&[0.0, 1.0]), Ok(vec![0.0, 1.0]));
    assert!(any.confidences(&[-0.01]).is_err() && any.confidences(&[1.01]).is_err());
    let half = Options { at_least: Share::percent(50), ..Options::default() };
    assert!(half.asks(0.5) && !half.asks(0.499));
    assert_eq!(half.confidences(&[0.1, 0.5]), Ok(vec![0.1, 0.5]), "one that is sure enough will do");
    assert_eq!((any.at_least, any.on, any.confidence.len()), (Share::percent(0), On::Any, 0));
    let said =
        Options { confidence: vec![Share::percent(10)], at_least: Share::percent(10), ..Options::default() };
    said.check().unwrap();
}

#[test]
fn a_refusal_that_says_it_was_done_moves_nobody_on() {
    for (certainty, effects, moves) in [
        (Certainty::NotDone, Effects::Once, true),
        (Certainty::Unknown, Effects::Repeatable, true),
        (Certainty::Unknown, Effects::Billable, false),
        (Certainty::Done, Effects::Repeatable, false),
        (Certainty::Partial, Effects::Repeatable, false),
        (Certainty::AlreadyDone, Effects::Repeatable, false),
    ] {
        let refused = Rejection::new(Code::AttemptTimeout).certainty(certainty);
        assert_eq!(next(&Ended::Refused(&refused), effects, 1, true), moves, "{certainty} {effects}");
    }
}

#[test]
fn what_moves_a_call_on_can_be_narrowed() {
    let open = Rejection::new(Code::BreakerOpen);
    let (refused, failed) = (Ended::Refused(&open), Ended::Outcome(Verdict::of(Seen::ServerError)));
    assert_eq!((On::Any.covers(&refused), On::Any.covers(&failed)), (true, true));
    assert_eq!((On::Failure.covers(&refused), On::Failure.covers(&failed)), (false, true));
    assert_eq!((On::Refusal.covers(&refused), On::Refusal.covers(&failed)), (true, false));
}
