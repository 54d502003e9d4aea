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
