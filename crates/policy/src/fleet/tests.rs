use std::collections::HashMap;
use std::num::NonZeroU32;

use proptest::collection::vec;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use seawall_core::fleet::{Member, lease as asked_lease, limit as asked, presence as asked_presence};
use seawall_core::units::Rate;

use super::*;
use crate::limiter::{Decision, Meter, Quota};

mod breakers;

const NOON: Moment = Moment(1_800_000_000_000_000);

fn of(count: u32, per: Duration, burst: Option<u32>) -> asked::Of {
    let rate = Rate { count: NonZeroU32::new(count).unwrap(), per };
    asked::Of { name: "a".into(), key: 0, rate, burst: burst.and_then(NonZeroU32::new) }
}

/// What a store does.
#[derive(Default)]
struct Store(Option<Kept>);

impl Store {
    fn run<T>(&mut self, step: impl FnOnce(Option<&[u8]>) -> Stepped<T>) -> T {
        let (kept, said) = step(self.0.as_ref().map(|kept| &kept.bytes[..])).unwrap();
        self.0 = kept;
        said
    }

    fn take(&mut self, of: &asked::Of, n: u32, owed: u64, now: Moment) -> asked::Said {
        self.run(|held| limit::step(held, of, asked::Ask::Take { n, owed }, now))
    }
}

proptest! {
    /// Law: over any interleaving of processes, the sum granted in any span of `per` is at most the count, or the count
    /// and the burst; what was owed is paid before anything passes; what is given back gives nothing away.
    #[test]
    fn however_many_ask_the_upstream_never_sees_more_than_the_limit(
        count in 1u32..40,
        per_ms in 20u64..3000,
        burst in prop::option::of(1u32..40),
        steps in vec(
            (1u32..4, 0u64..400_000, prop::option::weighted(0.1, 1u64..20), prop::option::weighted(0.2, any::<prop::sample::Index>())),
            1..200,
        ),
    ) {
        let per = Duration::from_millis(per_ms);
        let (of, mut store, mut now) = (of(count, per, burst), Store::default(), NOON);
        let mut passed: Vec<Moment> = Vec::new();
        for (n, pause, owed, given_back) in steps {
            now = Moment(now.0 + pause);
            if let (Some(which), false) = (given_back, passed.is_empty()) {
                let taken = passed.remove(which.index(passed.len()));
                store.run(|held| limit::step(held, &of, asked::Ask::GiveBack { n: 1, taken }, now));
            }
            // What was owed is over the limit or not, as it happened; what passes after it is not.
            let owed = owed.unwrap_or(0);
            let most = u64::from(burst.unwrap_or(count));
            match store.take(&of, n, owed, now) {
                asked::Said::Go(at) => {
                    prop_assert_eq!(at, now);
                    prop_assert!(owed + u64::from(n) <= most);
                    passed.extend((0..owed + u64::from(n)).map(|_| now));
                }
                asked::Said::Wait(wait) => {
                    prop_assert!(wait > Duration::ZERO);
                    if owed == 0 && pause % 2 == 0 {
                        now = Moment(now.0 + micros(wait));
                        prop_assert_eq!(store.take(&of, n, 0, now), asked::Said::Go(now));
                        passed.extend((0..n).map(|_| now));
                    }
                }
                asked::Said::Never => prop_assert!(u64::from(n) > most),
                asked::Said::Done => prop_assert!(false),
            }
            if let Some(kept) = &store.0 {
                prop_assert!(kept.bytes.len() <= 101);
            }
        }
        let bound = burst.map_or(count, |burst| count + burst) as usize;
        for (place, first) in passed.iter().enumerate() {
            let within = passed[place..].iter().take_while(|at| at.0 - first.0 < micros(per)).count();
            prop_assert!(within <= bound, "{within} > {bound}");
        }
    }

    /// Law: a limit that a fleet shares decides as one limit of one process does, where its figures are whole microseconds.
    #[test]
    fn a_shared_limit_decides_as_a_limit_of_ones_own(
        count in 1u32..40,
        burst in prop::option::of(1u32..40),
        steps in vec((0u32..45, 0u64..400_000, 0u8..8), 1..200),
    ) {
        // As long as 20 slots and `count` intervals of whole microseconds.
        let per = Duration::from_micros(u64::from(count) * 20 * 997);
        let of = of(count, per, burst);
        let (mut store, mut now) = (Store::default(), NOON);
        let mut meter = Meter::new(&Quota { rate: of.rate, burst: of.burst });
        let mut last = None;
        for (n, pause, act) in steps {
            now = Moment(now.0 + pause);
            match (act, last) {
                (0, Some((n, taken))) => {
                    store.run(|held| limit::step(held, &of, asked::Ask::GiveBack { n, taken }, now));
                    meter.give_back(n, instant(taken), instant(now));
                    last = None;
                }
                (1, _) => {
                    store.run(|held| limit::step(held, &of, asked::Ask::Reset, now));
                    meter.reset(instant(now));
                }
                _ => {
                    let said = match meter.take(n, instant(now)) {
                        Decision::Go => asked::Said::Go(now),
                        Decision::Wait(wait) => asked::Said::Wait(wait),
                        Decision::Never => asked::Said::Never,
                    };
                    prop_assert_eq!(store.take(&of, n, 0, now), said);
                    last = (said == asked::Said::Go(now)).then_some((u64::from(n), now));
                }
            }
        }
    }

    /// Law: all shares together are at most the rate, and each is a quota that can be measured.
    #[test]
    fn all_shares_together_are_at_most_the_limit(
        count in 1u32..10_000,
        per in 1u64..100_000_000,
        burst in prop::option::of(1u32..10_000),
        members in 1u32..10_000,
    ) {
        let rate = Rate { count: NonZeroU32::new(count).unwrap(), per: Duration::from_millis(per) };
        let whole = crate::limiter::Options { rate, burst: burst.and_then(NonZeroU32::new), ..Default::default() };
        let share = limit::share(&whole, members);
        if whole.check().is_ok() {
            prop_assert_eq!(share.check(), Ok(()));
        }
        let all = share.rate.per_second() * f64::from(members);
        // No quota is rarer than one in the longest span there is.
        let rarest = share.rate.count.get() == 1 && share.rate.per >= Duration::from_secs(366 * 86_400);
        prop_assert!(rarest || all <= rate.per_second() * 1.000_001, "{all}");
        prop_assert!(all >= rate.per_second() / 2.0 || share.rate.count.get() == 1, "{all}");
        prop_assert!(share.burst.is_none_or(|one| one.get() * members <= burst.unwrap().max(members)));
    }

    /// Law: a name has one holder at a time, epochs grow, and an old epoch renews and releases nothing.
    #[test]
    fn a_name_has_one_holder_and_epochs_grow(
        steps in vec((0u128..4, 0u8..3, 0u64..40_000_000, 1u64..30), 1..200),
    ) {
        let (mut store, mut now) = (Store::default(), NOON);
        // As the holders see it: by which right, and until when at least.
        let mut rights: HashMap<u128, (u64, u64)> = HashMap::new();
        let mut highest = 0;
        for (who, act, pause, secs) in steps {
            now = Moment(now.0 + pause);
            let (holder, span) = (Member(who), Duration::from_secs(secs));
            let right = rights.get(&who).copied();
            let epoch = right.map_or(7, |(epoch, _)| epoch);
            let ask = match act {
                0 => asked_lease::Ask::Acquire { holder, span },
                1 => asked_lease::Ask::Renew { holder, epoch, span },
                _ => asked_lease::Ask::Release { holder, epoch },
            };
            let others = rights.iter().any(|(other, (_, until))| *other != who && *until > now.0);
            let own = right.is_some_and(|(_, until)| until > now.0);
            match store.run(|held| lease::step(held, ask, now)) {
                asked_lease::Said::Held(epoch) => {
                    prop_assert!(!others, "two hold it");
                    let right_one = if own { right.unwrap().0 == epoch } else { epoch > highest };
                    prop_assert!(right_one);
                    highest = highest.max(epoch);
                    rights.insert(who, (epoch, now.0 + micros(span)));
                }
                asked_lease::Said::Busy(wait) => {
                    prop_assert!(others && wait > Duration::ZERO);
                }
                asked_lease::Said::Lost => prop_assert!(act > 0 && !own),
                asked_lease::Said::Free => {
                    rights.remove(&who);
                }
            }
        }
    }

    /// What a store gives back may be anything: it is refused or read, and nothing panics.
    #[test]
    fn rubbish_is_refused_or_read_and_nothing_overflows(
        mut held in vec(any::<u8>(), 0..120),
        kind in 0u8..3,
        n in any::<u32>(),
        owed in any::<u64>(),
        now in any::<u64>(),
        span in any::<u64>(),
    ) {
        let window = of(7, Duration::from_secs(1), None);
        let bucket = of(7, Duration::from_secs(1), Some(9));
        match kind {
            0 => held.resize(101, 7),
            1 => held.resize(17, 7),
            _ => {}
        }
        if let Some(first) = held.first_mut() {
            *first = [b'w', b'b', *first][usize::from(kind)];
        }
        let (held, now) = (Some(&held[..]), Moment(now));
        for of in [&window, &bucket] {
            for ask in [asked::Ask::Take { n, owed }, asked::Ask::GiveBack { n: owed, taken: Moment(span) }, asked::Ask::Reset] {
                let _ = limit::step(held, of, ask, now);
                let _ = limit::step(None, of, ask, now);
            }
        }
        let (holder, span) = (Member(u128::from(owed)), Duration::from_millis(span));
        let _ = lease::step(held, asked_lease::Ask::Acquire { holder, span }, now);
        let _ = lease::step(held, asked_lease::Ask::Renew { holder, epoch: owed, span }, now);
        let _ = presence::step(held, asked_presence::Ask::Here(holder, span), now);
    }
}

#[test]
fn members_are_counted_while_they_are_heard_of() {
    let (mut store, span) = (Store::default(), Duration::from_secs(6));
    let mut say =
        |ask, secs: u64| store.run(|held| presence::step(held, ask, Moment(NOON.0 + secs * 1_000_000)));
    let here = |who| asked_presence::Ask::Here(Member(who), span);
    assert_eq!(say(here(1), 0), 1);
    assert_eq!(say(here(2), 1), 2);
    assert_eq!(say(here(1), 4), 2, "one that says it again is one");
    assert_eq!(say(here(3), 7), 2, "the second was not heard of for six seconds");
    assert_eq!(say(asked_presence::Ask::Gone(Member(3)), 8), 1);
    assert_eq!(say(asked_presence::Ask::Gone(Member(9)), 20), 0);
    assert_eq!(store.0, None);
}

#[test]
fn limits_that_cannot_be_counted_together_are_told_apart() {
    let second = Duration::from_secs(1);
    let ids = [
        limit::id(&of(1, second, None)),
        limit::id(&of(1, second * 2, None)),
        limit::id(&of(1, second, Some(1))),
        limit::id(&asked::Of { key: 9, ..of(1, second, Some(1)) }),
    ];
    assert!((0..ids.len()).all(|place| !ids[..place].contains(&ids[place])));
    assert_eq!(ids[0], limit::id(&of(5, second, None)), "another count shares what was used");
    assert_eq!(ids[2], limit::id(&of(5, second * 9, Some(7))));
}

#[test]
fn a_share_keeps_its_span_while_there_is_one_for_everybody() {
    let second = Duration::from_secs(1);
    let share = |count: u32, members| {
        let rate = Rate { count: NonZeroU32::new(count).unwrap(), per: second };
        let share = limit::share(&crate::limiter::Options { rate, ..Default::default() }, members);
        (share.rate.count.get(), share.rate.per)
    };
    assert_eq!(share(10, 1), (10, second));
    assert_eq!(share(10, 3), (3, second));
    assert_eq!(share(3, 3), (1, second));
    // Fewer than members: one each, more seldom.
    assert_eq!(share(3, 7), (1, 3 * second));
}
