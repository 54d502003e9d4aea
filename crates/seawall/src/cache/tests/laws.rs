//! What holds whatever happens, in whatever order.

use std::collections::HashSet;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use seawall_core::clock::ManualClock;
use seawall_core::units::Size;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put(u32, u64),
    Look(u32),
    Enter(u32),
    Land(prop::sample::Index, u64),
    Drop(prop::sample::Index),
    Fail(prop::sample::Index),
    Invalidate(u32),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (key, weight) = (|| 0..6_u32, || prop_oneof![0..40_u64, Just(u64::MAX)]);
    prop_oneof![
        (key(), weight()).prop_map(|(key, weight)| Step::Put(key, weight)),
        key().prop_map(Step::Look),
        key().prop_map(Step::Enter),
        (any::<prop::sample::Index>(), weight()).prop_map(|(lead, weight)| Step::Land(lead, weight)),
        any::<prop::sample::Index>().prop_map(Step::Drop),
        any::<prop::sample::Index>().prop_map(Step::Fail),
        key().prop_map(Step::Invalidate),
        (0..20_u64).prop_map(Step::Advance),
    ]
}

proptest! {
    /// Laws: entries and bytes stay within their bounds; nothing is fresh beyond its ttl, nor given beyond its life; one
    /// flight for a key at a time, unless the key was invalidated.
    #[test]
    fn bounds_times_and_flights_hold_over_random_histories(
        steps in prop::collection::vec(step(), 1..120), revalidate in 0..30_u64, error in 0..30_u64,
    ) {
        let clock = ManualClock::new();
        let bounds = Options { max_entries: 4, max_bytes: Size(100), max_entry: Size(60), ..options(20, revalidate, error) };
        // A value is its weight and the moment it was kept.
        let weigh = |_: &u32, value: &(u64, Instant)| value.0;
        let cache = Cache::with("x", bounds, weigh, Arc::new(clock.clone()), None).unwrap();
        let mut leads: Vec<Lead<u32, (u64, Instant)>> = Vec::new();
        let mut disowned: HashSet<u32> = HashSet::new();
        let open = Rejection::new(Code::BreakerOpen);
        for step in steps {
            match step {
                Step::Put(key, weight) => { cache.put(key, (weight, clock.now())); }
                Step::Look(key) => {
                    if let Some(found) = cache.get(&key) {
                        prop_assert!(clock.now().since(found.value.1) < secs(20));
                    }
                    if let Some((found, _)) = cache.stale(&key, &Ended::Refused(&open)) {
                        prop_assert!(clock.now().since(found.value.1) < secs(20 + error));
                    }
                }
                Step::Enter(key) => match cache.enter(&key) {
                    Turn::Fresh(found) => prop_assert!(clock.now().since(found.value.1) < secs(20)),
                    Turn::Stale(found, lead) => {
                        let age = clock.now().since(found.value.1);
                        prop_assert!(age >= secs(20) && age < secs(20 + revalidate));
                        leads.extend(lead);
                    }
                    Turn::Lead(lead) => leads.push(lead),
                    Turn::Wait(_) => prop_assert!(leads.iter().any(|lead| *lead.key() == key)),
                },
                Step::Land(at, weight) if !leads.is_empty() => {
                    leads.swap_remove(at.index(leads.len())).land((weight, clock.now()));
                }
                Step::Drop(at) if !leads.is_empty() => drop(leads.swap_remove(at.index(leads.len()))),
                Step::Fail(at) if !leads.is_empty() => leads.swap_remove(at.index(leads.len())).fail("down"),
                Step::Invalidate(key) => {
                    cache.invalidate(&key);
                    prop_assert_eq!(cache.get(&key), None);
                    disowned.insert(key);
                }
                Step::Advance(n) => clock.advance(secs(n)),
                Step::Land(..) | Step::Drop(_) | Step::Fail(_) => {}
            }
            let stats = cache.stats();
            prop_assert!(stats.entries <= 4 && stats.bytes <= 100, "{stats:?}");
            for key in 0..6 {
                let flying = leads.iter().filter(|lead| *lead.key() == key).count();
                prop_assert!(flying <= 1 || disowned.contains(&key));
            }
        }
        drop(leads);
        prop_assert_eq!(cache.stats().flights, 0);
    }
}
