use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use seawall_core::verdict::Seen;
use seawall_core::{Rejection, Verdict};

use super::*;

fn life(ttl: u64, revalidate: u64, error: u64) -> Life {
    Life {
        ttl: Duration::from_secs(ttl),
        stale_while_revalidate: Duration::from_secs(revalidate),
        stale_if_error: Duration::from_secs(error),
    }
}

fn at(life: &Life, secs: u64) -> Look {
    look(life, Duration::from_secs(secs))
}

#[test]
fn the_defaults_are_a_minute_and_sixty_four_mebibytes_and_nothing_stale() {
    let options = Options::default();
    options.check().unwrap();
    assert_eq!(options.life(), life(60, 0, 0));
    assert_eq!(
        (options.max_entries, options.max_bytes, options.max_entry),
        (10_000, Size(64 << 20), Size(1 << 20))
    );
}

#[test]
fn bad_options_are_refused_by_name() {
    let bad = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options.check().unwrap_err().key
    };
    assert_eq!(bad(|options| options.ttl = Duration::ZERO), "ttl");
    assert_eq!(bad(|options| options.max_entries = 0), "max_entries");
    assert_eq!(bad(|options| options.max_entries = usize::MAX), "max_entries");
    assert_eq!(bad(|options| options.max_entry = Size(0)), "max_entry");
    assert_eq!(bad(|options| options.max_bytes = Size(100)), "max_entry");
}

#[test]
fn the_ends_of_every_range_are_in_it() {
    let sound = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options.check().unwrap();
    };
    sound(|options| options.ttl = Duration::from_nanos(1));
    sound(|options| options.max_entries = 1);
    sound(|options| options.max_entries = 10_000_000);
    sound(|options| options.max_entry = Size(1));
    sound(|options| options.max_bytes = options.max_entry);
    assert_eq!(life(60, 10, 30).end(), Duration::from_secs(90));
    assert_eq!(life(60, 30, 10).end(), Duration::from_secs(90));
}

#[test]
fn an_answer_is_fresh_then_stale_then_gone() {
    let life = life(60, 10, 30);
    assert_eq!(at(&life, 59), Look::Fresh);
    assert_eq!(at(&life, 60), Look::Stale { revalidate: true });
    assert_eq!(at(&life, 69), Look::Stale { revalidate: true });
    assert_eq!(at(&life, 70), Look::Stale { revalidate: false });
    assert_eq!(at(&life, 89), Look::Stale { revalidate: false });
    assert_eq!(at(&life, 90), Look::Gone);
}

#[test]
fn a_refusal_an_outage_and_a_time_out_are_worse_than_an_old_answer_and_a_4xx_is_not() {
    let life = life(60, 0, 30);
    let outcome = |seen| on_error(&life, Duration::from_secs(70), &Ended::Outcome(Verdict::of(seen)));
    let refused = |code| on_error(&life, Duration::from_secs(70), &Ended::Refused(&Rejection::new(code)));
    for (seen, why) in [
        (Seen::NotSent, Some(Why::Error)),
        (Seen::ReplyLost, Some(Why::Error)),
        (Seen::ServerError, Some(Why::Error)),
        (Seen::UnavailableForNow, Some(Why::Error)),
        (Seen::TimedOut, Some(Why::Timeout)),
        (Seen::Success, None),
        (Seen::RateLimited, None),
        (Seen::Denied, None),
        (Seen::Invalid, None),
        (Seen::QuotaGone, None),
        (Seen::CancelledAfter, None),
    ] {
        assert_eq!(outcome(seen), why, "{seen}");
    }
    for (code, why) in [
        (Code::BreakerOpen, Some(Why::BreakerOpen)),
        (Code::BreakerForcedOpen, Some(Why::BreakerOpen)),
        (Code::RateLimited, Some(Why::Limited)),
        (Code::QueueFull, Some(Why::Limited)),
        (Code::UpstreamPaused, Some(Why::Limited)),
        (Code::BulkheadFull, Some(Why::Limited)),
        (Code::RetryBudgetExhausted, Some(Why::Limited)),
        (Code::DeadlineExceeded, Some(Why::Timeout)),
        (Code::AttemptTimeout, Some(Why::Timeout)),
        (Code::ConnectionFailed, Some(Why::Error)),
        (Code::QuotaZero, None),
        (Code::Malformed, None),
        (Code::Draining, None),
    ] {
        assert_eq!(refused(code), why, "{code}");
    }
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..100u64).prop_map(Duration::from_secs),
        any::<u64>().prop_map(Duration::from_nanos),
        any::<u64>().prop_map(|secs| Duration::from_secs(u64::MAX - secs % 3)),
    ]
}

proptest! {
    /// Law: nothing is fresh beyond its time, nor given at all beyond both times of being stale.
    #[test]
    fn nothing_is_given_as_fresh_beyond_its_time_nor_at_all_beyond_its_life(
        ttl in span(), revalidate in span(), error in span(), age in span(),
    ) {
        let life = Life { ttl, stale_while_revalidate: revalidate, stale_if_error: error };
        let seen = look(&life, age);
        prop_assert_eq!(seen == Look::Fresh, age < ttl);
        if age >= life.end() {
            prop_assert_eq!(seen, Look::Gone);
        }
        if seen == (Look::Stale { revalidate: true }) {
            prop_assert!(age < ttl.saturating_add(revalidate));
        }
        let open = Rejection::new(Code::BreakerOpen);
        let given = on_error(&life, age, &Ended::Refused(&open)).is_some();
        prop_assert_eq!(given, age < ttl.saturating_add(error));
        prop_assert!(!given || seen != Look::Gone, "what helps against an error is still there");
    }

    /// Law: whoever is older is never better.
    #[test]
    fn an_answer_only_ever_gets_worse(ttl in span(), revalidate in span(), error in span(), a in span(), b in span()) {
        let life = Life { ttl, stale_while_revalidate: revalidate, stale_if_error: error };
        let rank = |age| match look(&life, age) {
            Look::Fresh => 0,
            Look::Stale { revalidate: true } => 1,
            Look::Stale { revalidate: false } => 2,
            Look::Gone => 3,
        };
        prop_assert!(rank(a.min(b)) <= rank(a.max(b)));
    }
}
