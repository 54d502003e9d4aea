//! What holds over random histories.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

proptest! {
    /// Law: no span exceeds the rate: no span of `per` ever sees more than the count (window), or count + burst
    /// (bucket); tokens never exceed the burst; what is given back gives nothing away; and what was told to wait passes
    /// when it comes back exactly then.
    #[test]
    fn the_upstream_never_sees_more_than_the_limit(
        count in 1u32..40,
        per_ms in 20u64..3000,
        burst in prop::option::of(1u32..40),
        keyed in any::<bool>(),
        steps in prop::collection::vec((1u32..4, 0u64..400, any::<bool>(), prop::option::weighted(0.2, any::<prop::sample::Index>())), 1..200),
    ) {
        let q = quota(count, ms(per_ms), burst);
        let (mut one, mut many, alone) = (Meter::new(&q), Keyed::new(&q), Alone::with(1));
        let mut now = START + Duration::from_nanos(u64::from(count) * 7919);
        let mut passed: Vec<Instant> = Vec::new();
        for (n, pause, patient, given_back) in steps {
            now = now + ms(pause);
            if let (Some(which), false) = (given_back, passed.is_empty()) {
                let which = which.index(passed.len());
                let taken = passed.remove(which);
                if keyed { many.give_back(9, 1, taken, now) } else { one.give_back(1, taken, now) }
            }
            let mut take = |now| if keyed { many.take(9, n, now, &alone).unwrap() } else { one.take(n, now) };
            match take(now) {
                Decision::Go => passed.extend((0..n).map(|_| now)),
                Decision::Wait(wait) => {
                    prop_assert!(wait > Duration::ZERO);
                    if patient {
                        now = now + wait;
                        prop_assert_eq!(take(now), Decision::Go);
                        passed.extend((0..n).map(|_| now));
                    }
                }
                Decision::Never => prop_assert!(n > burst.unwrap_or(count)),
            }
            prop_assert!(one.remaining(now) <= burst.unwrap_or(count));
            prop_assert!(many.remaining(9, now).unwrap_or(0) <= burst.unwrap_or(count));
        }
        let bound = burst.map_or(count, |burst| count + burst) as usize;
        for (place, first) in passed.iter().enumerate() {
            let within = passed[place..].iter().take_while(|at| at.since(*first) < ms(per_ms)).count();
            prop_assert!(within <= bound, "{within} > {bound}");
        }
    }

    /// Law: a saturated window passes nine tenths of its rate for a key, and nineteen twentieths for everybody.
    #[test]
    fn a_saturated_window_passes_nearly_all_of_its_rate(count in 1u32..200, per_ms in 10u64..5000, keyed in any::<bool>()) {
        let q = quota(count, ms(per_ms), None);
        let (mut one, mut many, alone) = (Meter::new(&q), Keyed::new(&q), Alone::with(1));
        let (mut now, mut passed) = (START, 0u64);
        let end = START + ms(per_ms * 20);
        while now < end {
            let decision = if keyed { many.take(9, 1, now, &alone).unwrap() } else { one.take(1, now) };
            match decision {
                Decision::Go => passed += 1,
                Decision::Wait(wait) => now = now + wait,
                Decision::Never => prop_assert!(false),
            }
        }
        let least = if keyed { 0.9 } else { 0.95 } * 20.0 * f64::from(count);
        prop_assert!(passed as f64 >= least - 1.0, "{passed} of {}", 20 * count);
    }

    /// Law: forgetting a key gives nothing away: whatever the bound and whoever else comes, a key passes only what a
    /// meter of its own would have let through.
    #[test]
    fn forgetting_a_key_gives_nothing_away(
        count in 1u32..6,
        burst in prop::option::of(1u32..6),
        most in 1usize..12,
        steps in prop::collection::vec((0u64..20, 0u64..300, 1u32..3), 1..400),
    ) {
        let q = quota(count, ms(1000), burst);
        let (mut keyed, alone) = (Keyed::new(&q), Alone::with(most));
        let mut now = START;
        let mut passed: HashMap<u64, VecDeque<Instant>> = HashMap::new();
        let mut buckets: HashMap<u64, Meter> = HashMap::new();
        for (key, pause, n) in steps {
            now = now + ms(pause);
            if alone.take(&mut keyed, &q, hash(key), n, now) == Decision::Go {
                if burst.is_some() {
                    let own = buckets.entry(key).or_insert_with(|| Meter::new(&q));
                    prop_assert_eq!(own.take(n, now), Decision::Go, "its own bucket would not have passed it");
                }
                let passed = passed.entry(key).or_default();
                passed.extend((0..n).map(|_| now));
                passed.retain(|at| now.since(*at) < ms(1000));
                let bound = burst.map_or(count, |burst| count + burst) as usize;
                prop_assert!(passed.len() <= bound);
            }
            prop_assert!(keyed.len() <= most);
            prop_assert_eq!(keyed.len(), alone.keys.get());
        }
    }

    /// Law: an update gives nothing away: what is remembered counts under the new quota, no earlier than it was; so a
    /// meter that was updated passes only what a meter that saw the same under the new quota alone would have passed,
    /// from then on.
    #[test]
    fn an_update_lets_nothing_through_that_was_used_before(
        before in (1u32..20, prop::option::of(1u32..20)),
        after in (1u32..20, prop::option::of(1u32..20)),
        spans in (50u64..2000, 50u64..2000),
        steps in prop::collection::vec((0u64..200, 1u32..3), 1..120),
        turn in 0usize..120,
    ) {
        let (old, new) = (quota(before.0, ms(spans.0), before.1), quota(after.0, ms(spans.1), after.1));
        let mut m = Meter::new(&old);
        let mut now = START;
        let mut passed: Vec<Instant> = Vec::new();
        for (place, (pause, n)) in steps.iter().enumerate() {
            now = now + ms(*pause);
            if place == turn {
                m.refit(&new, now);
                let remembered = now - ms(spans.0.min(spans.1));
                passed.retain(|at| *at >= remembered);
            }
            if m.take(*n, now) == Decision::Go {
                passed.extend((0..*n).map(|_| now));
                let (q, per) = if place >= turn { (new, spans.1) } else { (old, spans.0) };
                // A bucket remembers what it has not refilled; what it has is free again.
                let bound = match (q.burst, place >= turn && before.1.is_some()) {
                    (None, _) => q.rate.count.get(),
                    (Some(burst), false) => q.rate.count.get() + burst.get(),
                    (Some(burst), true) => q.rate.count.get() + burst.get() + before.0 + before.1.unwrap_or(0),
                };
                let within = passed.iter().filter(|at| now.since(**at) < ms(per)).count();
                prop_assert!(within <= bound as usize, "{within} > {bound}");
            }
        }
    }

    /// Law: debt is paid first. In any span the total of what was settled stays within the limit and what was
    /// under-estimated in it; and nothing passes that does not fit beside all that is counted.
    #[test]
    fn what_costs_more_than_was_reserved_is_waited_out_by_those_who_follow(
        count in 5u32..60,
        burst in prop::option::of(5u32..60),
        steps in prop::collection::vec((1u32..20, 0u64..40, 0u64..150, 0usize..4), 1..150),
    ) {
        let q = quota(count, ms(1000), burst);
        let mut m = Meter::new(&q);
        let mut now = START;
        // What was counted, when; and what is still in flight.
        let mut counted: Vec<(Instant, i64)> = Vec::new();
        let mut flying: VecDeque<(Instant, u32, u64)> = VecDeque::new();
        let mut excess: Vec<(Instant, i64)> = Vec::new();
        for (estimate, actual, pause, in_flight) in steps {
            now = now + ms(pause);
            if m.take(estimate, now) == Decision::Go {
                if burst.is_none() {
                    let lately: i64 = counted.iter().filter(|(at, _)| now.since(*at) < ms(1000)).map(|(_, n)| *n).sum();
                    prop_assert!(lately + i64::from(estimate) <= i64::from(count), "it passed before the debt was paid");
                }
                counted.push((now, estimate.into()));
                flying.push_back((now, estimate, actual));
            }
            while flying.len() > in_flight {
                let (at, estimate, actual) = flying.pop_front().unwrap();
                if actual > u64::from(estimate) {
                    m.charge(actual - u64::from(estimate), now);
                    let more = actual as i64 - i64::from(estimate);
                    counted.push((now, more));
                    excess.push((now, more));
                } else {
                    m.give_back(u64::from(estimate) - actual, at, now);
                    // The window takes it back where it was counted; the bucket perhaps less.
                    counted.push((at, actual as i64 - i64::from(estimate)));
                }
            }
        }
        counted.sort_by_key(|(at, _)| *at);
        let bound = i64::from(burst.map_or(count, |burst| count + burst));
        for (place, (first, _)) in counted.iter().enumerate() {
            let inside = |at: &Instant| at.since(*first) < ms(1000) && *at >= *first;
            let total: i64 = counted[place..].iter().filter(|(at, _)| inside(at)).map(|(_, n)| n).sum();
            let under: i64 = excess.iter().filter(|(at, _)| inside(at)).map(|(_, n)| n).sum();
            prop_assert!(total <= bound + under, "{total} > {bound} + {under}");
        }
    }

    /// Law: the pace never exceeds the configured rate, whatever the provider says and however calls end; and what
    /// passes under it is no more than the share that was told.
    #[test]
    fn the_pace_never_exceeds_the_configured_rate(
        count in 1u32..40,
        burst in prop::option::of(1u32..40),
        steps in prop::collection::vec((0u64..300, 0usize..6, 0u64..50, 0u64..3000), 1..200),
    ) {
        let options = Options {
            rate: quota(count, ms(1000), None).rate,
            burst: burst.map(|n| n.try_into().unwrap()),
            adaptive: Some(adaptive::Options { least: Share::percent(1), ..Default::default() }),
            ..Options::default()
        };
        let mut limit = Limit::new(&options);
        let mut plain = Meter::new(&options.quota());
        let mut now = START;
        for (pause, said, remaining, reset) in steps {
            now = now + ms(pause);
            let share = limit.share(now);
            prop_assert!((0.0..=1.0).contains(&share), "{share}");
            match said {
                0 => drop(limit.hear(Class::RateLimited, now)),
                1 => drop(limit.hear(Class::Timeout, now)),
                2 => drop(limit.hear(Class::Ok, now)),
                3 => {
                    let said = RateLimit { limit: None, remaining, reset: ms(reset) };
                    let changed = limit.learn(&said, now).is_some();
                    prop_assert!(limit.share(now) <= share, "the provider's word never loosens");
                    prop_assert!(!changed || limit.lend(now).is_none());
                }
                _ => {}
            }
            if limit.take(1, now) == Decision::Go {
                prop_assert_eq!(plain.take(1, now), Decision::Go, "the rate alone would not have let it through");
            }
        }
    }

    /// Law: what the provider says is left is not exceeded before its reset.
    #[test]
    fn no_more_passes_until_the_reset_than_the_provider_has_left(
        count in 1u32..2000, remaining in 1u64..200, reset in 100u64..20_000, knock in 1u64..50,
    ) {
        let options = Options { rate: quota(count, ms(1000), None).rate, ..Options::default() };
        let mut limit = Limit::new(&options);
        limit.learn(&RateLimit { limit: None, remaining, reset: ms(reset) }, START);
        let ours = u64::from(count) * reset.div_ceil(1000).max(1);
        let passed = (0..reset / knock).filter(|n| limit.take(1, START + ms(n * knock)) == Decision::Go).count() as u64;
        let allowed = remaining.max(u64::from(count) * reset / 1000 + u64::from(count)).min(ours);
        if ms(reset) / u32::try_from(remaining).unwrap() > ms(1000) / count {
            prop_assert!(passed <= remaining + 1, "{passed} of {remaining}");
        } else {
            prop_assert!(passed <= allowed, "{passed} of {allowed}");
        }
    }

    /// Law: tenants cannot starve each other: however greedy some are, each leaves a fifth of what it found, and
    /// something is left for whoever comes next.
    #[test]
    fn a_total_always_keeps_something_for_whoever_comes_next(total in 700u32..5000, turns in prop::collection::vec((0usize..4, 1u32..20), 1..2000)) {
        let mut used = [0; 4];
        let mut left = total;
        for (turn, n) in turns {
            if tiers::is_fair(used[turn], n, left) {
                used[turn] += n;
                left -= n;
            }
        }
        prop_assert!(left >= 1 && tiers::is_fair(0, 1, left), "{used:?} of {total}");
        prop_assert!(used.iter().all(|used| u64::from(*used) <= u64::from(total) * 4 / 5 + 1));
    }

    #[test]
    fn whoever_has_had_something_never_gets_the_last(used in 0u32..10, n in 1u32..10, total in 1u32..10) {
        if tiers::is_fair(used, n, total) {
            prop_assert!(total > n || used + n == 1);
        }
    }
}
