use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

fn ring(weights: &[u32]) -> Keyring {
    let weights: Vec<NonZeroU32> = weights.iter().map(|weight| NonZeroU32::new(*weight).unwrap()).collect();
    Keyring::new(&weights)
}

fn at(seconds: u64) -> Instant {
    Instant::ORIGIN + secs(seconds)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn denied() -> Verdict {
    Verdict::of(Seen::Denied)
}

fn limited(after: u64) -> Verdict {
    Verdict::of(Seen::RateLimited).after(Some(secs(after)))
}

fn wait(keys: &Keyring, second: u64) -> Option<Duration> {
    keys.soonest(at(second)).map(|soonest| soonest.wait)
}

#[test]
fn a_key_that_was_refused_rests_and_comes_back_by_itself() {
    let (mut keys, options) = (ring(&[1, 1]), Options::default());
    assert_eq!(keys.seen(0, denied(), at(0), at(0), &options), Some(Moved::Rests(Why::Denied, secs(600))));
    assert!((0..10).all(|_| keys.choose(at(1)) == Some(1)));
    assert_eq!(keys.rest(0, at(1)).map(|rest| rest.why), Some(Why::Denied));
    assert!(keys.rest(0, at(600)).is_none());
    assert!((0..2).any(|_| keys.choose(at(600)) == Some(0)));
}

#[test]
fn the_providers_own_word_is_heeded_within_bounds() {
    let options = Options { most: secs(100), ..Options::default() };
    for (asked, rests) in [(Some(7), 7), (Some(0), 1), (Some(101), 100), (None, 30)] {
        let mut keys = ring(&[1]);
        let verdict = Verdict::of(Seen::RateLimited).after(asked.map(secs));
        let moved = keys.seen(0, verdict, at(0), at(0), &options);
        assert_eq!(moved, Some(Moved::Rests(Why::Limited, secs(rests))), "{asked:?}");
    }
    let mut keys = ring(&[1]);
    let moved = keys.seen(0, denied().after(Some(secs(1))), at(0), at(0), &options);
    assert_eq!(
        moved,
        Some(Moved::Rests(Why::Denied, secs(600))),
        "nobody says when a revoked key comes back"
    );
}

#[test]
fn where_all_rest_the_least_bad_is_used() {
    let (mut keys, options) = (ring(&[9, 1, 1]), Options::default());
    keys.seen(0, denied(), at(0), at(0), &options);
    keys.seen(1, limited(50), at(0), at(0), &options);
    keys.seen(2, limited(40), at(0), at(0), &options);
    assert_eq!((keys.choose(at(1)), wait(&keys, 1)), (Some(2), Some(secs(39))));
    keys.seen(2, Verdict::of(Seen::QuotaGone), at(1), at(1), &options);
    assert_eq!((keys.choose(at(2)), wait(&keys, 2)), (Some(1), Some(secs(48))));
    keys.seen(1, denied(), at(3), at(3), &options);
    assert_eq!((keys.choose(at(4)), wait(&keys, 4)), (Some(2), None), "waiting helps none of them");
    assert_eq!(Keyring::new(&[]).choose(at(0)), None);
}

#[test]
fn what_refused_a_call_is_not_asked_again_by_it_while_another_is_awake() {
    let (mut keys, options) = (ring(&[9, 1, 1]), Options::default());
    let chosen: Vec<_> = (0..4).map(|_| keys.choose_but(&[0], at(0)).unwrap()).collect();
    assert_eq!(chosen, [1, 2, 1, 2], "by weight among the others");
    keys.seen(2, denied(), at(0), at(0), &options);
    assert_eq!((keys.choose_but(&[0], at(1)), keys.another(&[0], at(1))), (Some(1), true));
    assert_eq!(
        (keys.choose_but(&[0, 1], at(1)), keys.another(&[0, 1], at(1))),
        (Some(0), false),
        "it does not rest"
    );
}

#[test]
fn whether_a_provider_asked_is_known_of_every_rest() {
    let (mut keys, options) = (ring(&[1]), Options::default());
    keys.seen(0, Verdict::of(Seen::RateLimited), at(0), at(0), &options);
    assert!(!keys.soonest(at(1)).unwrap().asked, "thirty seconds are a guess");
    keys.seen(0, limited(10), at(0), at(1), &options);
    assert_eq!(
        keys.soonest(at(2)),
        Some(Soonest { wait: secs(9), asked: true }),
        "what is known is no guess"
    );
    keys.seen(0, Verdict::of(Seen::RateLimited), at(0), at(2), &options);
    assert_eq!(keys.soonest(at(2)), Some(Soonest { wait: secs(9), asked: true }));
    keys.spent(0, secs(90), at(4), &options);
    keys.seen(0, limited(5), at(0), at(4), &options);
    assert_eq!(keys.soonest(at(5)), Some(Soonest { wait: secs(89), asked: true }), "the longer of two words");
    let mut keys = ring(&[1]);
    keys.seen(0, denied().after(Some(secs(5))), at(0), at(0), &options);
    assert!(!keys.rest(0, at(1)).unwrap().asked);
}

#[test]
fn nobody_waits_for_one_key_longer_than_until_another_may_be_tried() {
    let (mut keys, options) = (ring(&[1, 1]), Options::default());
    keys.seen(0, denied(), at(0), at(0), &options);
    keys.seen(1, limited(3600), at(0), at(0), &options);
    let soonest = Soonest { wait: secs(600), asked: true };
    assert_eq!((keys.choose(at(0)), keys.soonest(at(0))), (Some(1), Some(soonest)));
    assert_eq!((keys.choose(at(600)), keys.soonest(at(600))), (Some(0), None));
}

#[test]
fn many_who_hear_the_same_are_one_move_and_what_is_worse_stays() {
    let (mut keys, options) = (ring(&[1]), Options::default());
    assert!(keys.seen(0, limited(30), at(0), at(0), &options).is_some());
    assert_eq!(keys.seen(0, limited(10), at(0), at(1), &options), None);
    assert_eq!(keys.rest(0, at(1)).unwrap().until, at(30), "a shorter word does not wake it");
    assert!(keys.seen(0, denied(), at(0), at(2), &options).is_some(), "worse is news");
    assert_eq!(keys.seen(0, limited(3000), at(0), at(3), &options), None);
    assert_eq!(keys.rest(0, at(3)).unwrap().why, Why::Denied);
}

#[test]
fn only_what_began_after_the_refusal_proves_that_it_is_over() {
    let (mut keys, options) = (ring(&[1]), Options::default());
    keys.seen(0, denied(), at(5), at(5), &options);
    let well = Verdict::of(Seen::Success);
    assert_eq!(keys.seen(0, well, at(4), at(6), &options), None, "it had left before");
    assert_eq!(keys.seen(0, Verdict::of(Seen::ServerError), at(6), at(7), &options), None);
    assert_eq!(keys.seen(0, well, at(6), at(7), &options), Some(Moved::Woke));
    assert_eq!(keys.seen(0, well, at(7), at(8), &options), None, "it was awake");
}

#[test]
fn a_reload_keeps_rests_and_a_new_value_is_not_blamed_for_the_old_one() {
    let (mut before, options) = (ring(&[1, 1]), Options::default());
    before.seen(0, denied(), at(0), at(0), &options);
    before.seen(1, limited(60), at(0), at(0), &options);
    for (renewed, why) in [(false, Some(Why::Denied)), (true, None)] {
        let mut after = ring(&[2, 2]);
        after.inherit(1, &before, 0, renewed);
        assert_eq!(after.rest(1, at(1)).map(|rest| rest.why), why);
    }
    let mut after = ring(&[2]);
    after.inherit(0, &before, 1, true);
    assert_eq!(after.rest(0, at(1)).map(|rest| rest.why), Some(Why::Limited), "the account is the same");
}

#[test]
fn rests_have_bounds() {
    assert_eq!(Options::default().check(), Ok(()));
    let all = Options { limited: Duration::ZERO, ..Options::default() };
    assert_eq!(all.check().unwrap_err().to_string(), "limited: 0s is out of range: write \"1s\" to \"7d\"");
    let all = Options { most: secs(8 * 24 * 3600), ..Options::default() };
    assert_eq!(all.check().unwrap_err().key, "most");
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    let seen = prop::sample::select(Seen::ALL.to_vec());
    (seen, prop::option::of(0_u64..10_000)).prop_map(|(seen, after)| Verdict::of(seen).after(after.map(secs)))
}

proptest! {
    /// Law: as long as none rests, in every round of as many calls as all weights together each key is chosen exactly as
    /// often as its weight says, whatever came before.
    #[test]
    fn each_gets_exactly_its_weight(weights in prop::collection::vec(1_u32..20, 1..6), rounds in 1_usize..4) {
        let mut keys = ring(&weights);
        for _ in 0..rounds {
            let mut chosen = vec![0; weights.len()];
            for _ in 0..weights.iter().sum() {
                chosen[keys.choose(at(0)).unwrap()] += 1;
            }
            prop_assert_eq!(&chosen, &weights);
        }
    }

    /// Law: a key that rests is never chosen while another is awake; one is always chosen where there is one; the same
    /// history chooses the same.
    #[test]
    fn none_is_chosen_that_rests_while_another_is_awake(
        weights in prop::collection::vec(1_u32..1001, 1..6),
        story in prop::collection::vec((any::<usize>(), verdicts(), 0_u64..400), 1..200),
    ) {
        let (mut keys, mut again, options) = (ring(&weights), ring(&weights), Options::default());
        let mut now = at(0);
        for (who, verdict, passed) in story {
            let began = now;
            now = now + secs(passed);
            let awake: Vec<usize> = (0..weights.len()).filter(|place| keys.rest(*place, now).is_none()).collect();
            let chosen = keys.choose(now);
            prop_assert_eq!(chosen, again.choose(now));
            let chosen = chosen.unwrap();
            prop_assert!(awake.is_empty() || awake.contains(&chosen));
            prop_assert_eq!(keys.another(&[chosen], now), awake.iter().any(|place| *place != chosen));
            if let Some(soonest) = keys.soonest(now) {
                prop_assert!(awake.is_empty() && soonest.wait <= options.most);
            }
            let place = who % weights.len();
            let moved = keys.seen(place, verdict, began, now, &options);
            again.seen(place, verdict, began, now, &options);
            match moved {
                Some(Moved::Rests(why, span)) => {
                    prop_assert_eq!(Why::of(verdict.seen), Some(why));
                    prop_assert!(span >= LEAST && span <= options.most.max(options.denied));
                    prop_assert!(keys.rest(place, now).is_some());
                }
                Some(Moved::Woke) => prop_assert!(verdict.is_ok() && keys.rest(place, now).is_none()),
                None => {}
            }
        }
    }

    /// Law: debts stay small, however long keys rest: nobody is made to wait for what it missed.
    #[test]
    fn nobody_owes_more_than_all_weights(
        weights in prop::collection::vec(1_u32..1001, 1..6),
        rests in prop::collection::vec((any::<usize>(), 0_u64..60), 1..300),
    ) {
        let (mut keys, options) = (ring(&weights), Options::default());
        let all: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
        let mut now = at(0);
        for (who, passed) in rests {
            now = now + secs(passed);
            keys.choose(now);
            prop_assert!(keys.keys.iter().all(|key| key.turn.abs() <= 2 * all), "{keys:?}");
            keys.seen(who % weights.len(), limited(20), now, now, &options);
        }
    }
}
