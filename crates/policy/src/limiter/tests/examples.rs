//! Worked examples, number by number.

use super::*;
use crate::limiter::tiers::{self, Tier, Tiers};

/// Somebody waits at every key.
struct Waiting(Alone);

impl House for Waiting {
    fn one_more(&self) -> bool {
        self.0.one_more()
    }
    fn fewer(&self, keys: usize) {
        self.0.fewer(keys);
    }
    fn waits(&self, _: u64) -> bool {
        true
    }
    fn crowd(&self) -> Option<Meter> {
        self.0.crowd()
    }
}

#[test]
fn a_bucket_owes_what_has_passed_and_is_refilled_one_interval_at_a_time() {
    let mut m = Meter::new(&quota(4, secs(1), Some(8)));
    assert_eq!((m.interval(), m.quota().most(), m.remaining(START)), (ms(250), 8, 8));
    assert_eq!(m.take(3, START), Decision::Go);
    for (at, left) in [(0, 5), (1, 5), (249, 5), (250, 6), (251, 6), (500, 7), (749, 7), (750, 8), (9000, 8)]
    {
        assert_eq!((m.remaining(START + ms(at)), at), (left, at));
        assert_eq!(m.rested(START + ms(at)), at >= 750);
    }
    assert_eq!(m.take(7, START + ms(250)), Decision::Wait(ms(250)));
    assert_eq!(m.take(6, START + ms(250)), Decision::Go);
    assert_eq!(m.take(1, START + ms(250)), Decision::Wait(ms(250)));
    assert_eq!(m.take(8, START + ms(250)), Decision::Wait(secs(2)));
    assert_eq!(m.take(9, START + ms(250)), Decision::Never);
}

#[test]
fn what_a_bucket_gets_back_is_less_by_what_it_has_regained_meanwhile() {
    for (later, owes) in [(0, 250), (100, 250), (249, 250), (250, 250), (300, 200), (499, 1)] {
        let mut m = Meter::new(&quota(4, secs(1), Some(4)));
        assert_eq!(m.take(2, START), Decision::Go);
        let now = START + ms(later);
        m.give_back(1, START, now);
        // Whoever wants all of it waits for what it owes.
        assert_eq!(m.take(4, now), Decision::Wait(ms(owes)), "given back after {later} ms");
        m.give_back(4, now, now);
        assert_eq!(m.remaining(now), 4, "it never holds more than it can");
    }
}

#[test]
fn a_window_forgets_a_slot_when_no_span_can_hold_it_any_more() {
    // Twenty slots of 50 ms cover the second, and the present one is beside them.
    let mut m = Meter::new(&quota(4, secs(1), None));
    assert_eq!(m.take(1, START), Decision::Go);
    assert_eq!(m.take(2, START + ms(120)), Decision::Go);
    assert_eq!(m.remaining(START + ms(120)), 1);
    let Decision::Wait(wait) = m.take(2, START + ms(120)) else { panic!() };
    assert_eq!(wait, ms(930), "the first slot is gone at 1050");
    let Decision::Wait(wait) = m.take(3, START + ms(120)) else { panic!() };
    assert_eq!(wait, ms(1030), "the third one at 1150");
    let Decision::Wait(wait) = m.take(4, START + ms(120)) else { panic!() };
    assert_eq!(wait, ms(1030));
    assert_eq!([1049, 1050, 1149, 1150].map(|at| m.remaining(START + ms(at))), [1, 2, 2, 4]);
    assert!(m.rested(START + ms(1150)));
}

#[test]
fn what_a_window_gets_back_is_taken_from_the_slot_it_was_counted_in() {
    let mut m = Meter::new(&quota(9, secs(1), None));
    assert_eq!(m.take(4, START), Decision::Go);
    assert_eq!(m.take(5, START + ms(500)), Decision::Go);
    m.give_back(3, START, START + ms(500));
    assert_eq!(m.remaining(START + ms(500)), 3);
    assert_eq!(m.remaining(START + ms(1050)), 4, "one was left in the first slot");
    m.give_back(5, START, START + ms(1060));
    assert_eq!(m.remaining(START + ms(1060)), 4, "that slot has left the window");
}

#[test]
fn a_key_has_what_a_meter_of_its_own_would_have() {
    for burst in [Some(3), None] {
        let q = quota(3, secs(1), burst);
        let (mut keyed, alone) = (Keyed::new(&q), Alone::with(4));
        assert!(keyed.is_empty() && keyed.bytes() == 0);
        assert_eq!((keyed.most(), keyed.interval()), (3, Duration::from_nanos(333_333_334)));
        assert_eq!(alone.take(&mut keyed, &q, 5, 2, START), Decision::Go);
        assert!(!keyed.is_empty() && keyed.bytes() > 0);
        assert_eq!((keyed.remaining(5, START), keyed.remaining(6, START)), (Some(1), None));
        assert!(keyed.charge(5, 4, START, &alone) && keyed.charge(6, 1, START, &alone));
        assert_eq!((keyed.remaining(5, START), keyed.remaining(6, START)), (Some(0), Some(2)));
        keyed.give_back(6, 1, START, START);
        keyed.give_back(7, 1, START, START);
        assert_eq!((keyed.remaining(6, START), keyed.remaining(7, START)), (Some(3), None));
        assert!(keyed.reset(6, START) && !keyed.reset(6, START));
        assert_eq!((keyed.len(), keyed.remaining(6, START)), (1, None));
        keyed.give_back(5, 4, START, START + ms(1));
        assert_eq!(keyed.remaining(5, START + ms(1)), Some(0), "what was counted before a reset stays");
        keyed.clear(START + ms(2));
        assert!(keyed.is_empty());
    }
    assert_eq!((Keyed::id(0), Keyed::id(7)), (1, 7));
}

#[test]
fn a_key_at_which_somebody_waits_is_not_forgotten() {
    let q = quota(1, ms(10), Some(1));
    let (mut keyed, house) = (Keyed::new(&q), Waiting(Alone::with(2)));
    for id in 1..=2 {
        assert_eq!(keyed.take(hash(id), 1, START, &house), Some(Decision::Go));
    }
    let later = START + secs(9);
    assert_eq!(keyed.take(hash(3), 1, later, &house), None, "it belongs to the crowd");
    assert!(!keyed.charge(hash(3), 1, later, &house));
    assert_eq!((keyed.len(), keyed.evicted()), (2, 0));
    let free = Alone { most: 2, keys: Cell::new(2), crowd: RefCell::default() };
    assert_eq!(keyed.take(hash(3), 1, later, &free), Some(Decision::Go));
    assert_eq!((keyed.len(), keyed.evicted(), free.keys.get()), (2, 1, 2));
}

#[test]
fn a_table_of_keys_finds_each_of_them_and_no_other() {
    for burst in [Some(1), None] {
        let q = quota(1, secs(3600), burst);
        let (mut keyed, alone) = (Keyed::new(&q), Alone::with(10_000));
        for n in 0..500 {
            assert_eq!(alone.take(&mut keyed, &q, hash(n), 1, START), Decision::Go);
        }
        for n in (0..500).step_by(3) {
            assert!(keyed.reset(hash(n), START));
        }
        for n in 0..500 {
            let known = if n % 3 == 0 { None } else { Some(0) };
            assert_eq!(keyed.remaining(hash(n), START), known, "{n}");
        }
        assert_eq!(keyed.len(), 333);
        keyed.refit(&quota(2, secs(3600), burst), START);
        for n in 0..500 {
            let known = if n % 3 == 0 { None } else { Some(u32::from(burst.is_none())) };
            assert_eq!(keyed.remaining(hash(n), START), known, "{n}");
        }
        // Every one of them may be a neighbour of every other.
        let crowded: Vec<u64> = (0..40).map(|n| u64::MAX - n * 3).collect();
        let mut keyed = Keyed::new(&q);
        for id in &crowded {
            assert_eq!(alone.take(&mut keyed, &q, *id, 1, START), Decision::Go);
        }
        for (gone, id) in crowded.iter().enumerate() {
            assert!(keyed.reset(*id, START));
            for (place, other) in crowded.iter().enumerate() {
                assert_eq!(keyed.remaining(*other, START).is_some(), place > gone);
            }
        }
        assert!(keyed.is_empty());
    }
}

#[test]
fn a_table_is_two_thirds_full_when_it_has_grown_and_grows_when_it_is_five_sixths_full() {
    let q = quota(1, secs(3600), Some(1));
    let (mut keyed, alone) = (Keyed::new(&q), Alone::with(100));
    let places: Vec<_> = (0..20)
        .map(|n| {
            alone.take(&mut keyed, &q, hash(n), 1, START);
            // An id and a moment.
            keyed.bytes() / 16
        })
        .collect();
    assert_eq!(places, [8, 8, 8, 8, 8, 8, 9, 10, 12, 12, 15, 15, 18, 18, 18, 22, 22, 22, 27, 27]);
}

#[test]
fn a_table_that_shrank_is_still_looked_through() {
    let q = quota(1, secs(1), Some(1));
    let (mut keyed, house) = (Keyed::new(&q), Alone::with(60));
    for n in 0..60 {
        house.take(&mut keyed, &q, hash(n), 1, START);
    }
    // They all rest, and one after the other makes room; the hand goes round.
    for n in 60..200 {
        assert_eq!(keyed.take(hash(n), 1, START + secs(2 * n), &house), Some(Decision::Go));
        assert_eq!(keyed.len(), house.keys.get());
    }
    assert_eq!(keyed.len() as u64 + keyed.evicted(), 200);
}

#[test]
fn a_bucket_that_becomes_a_window_takes_for_used_whatever_may_have_been() {
    let (bucket, window) = (quota(10, secs(1), Some(10)), quota(10, secs(1), None));
    for keyed in [false, true] {
        let (mut one, mut many, alone) = (Meter::new(&bucket), Keyed::new(&bucket), Alone::with(1));
        let now = START + ms(220);
        if keyed {
            assert_eq!(many.take(9, 4, START, &alone), Some(Decision::Go));
            many.refit(&window, now);
        } else {
            assert_eq!(one.take(4, START), Decision::Go);
            one.refit(&window, now);
        }
        let mut left = |at| {
            if keyed { many.remaining(9, START + ms(at)).unwrap() } else { one.remaining(START + ms(at)) }
        };
        // It owes 180 ms: two in the present slot, and before them one each 100 ms, for all it knows. So its window is
        // full, and empties as those leave it.
        let empties = [220, 449, 450, 550, 650, 949, 950, 1050, 1150, 1249, 1250].map(&mut left);
        if keyed {
            assert!(empties.is_sorted() && (empties[0], empties[10]) == (0, 10), "{empties:?}");
        } else {
            assert_eq!(empties, [0, 0, 1, 2, 3, 5, 6, 7, 8, 8, 10]);
        }
    }
    let mut rested = Meter::new(&bucket);
    rested.refit(&window, START);
    assert_eq!(rested.remaining(START), 10, "one that was full for long has nothing to remember");
}

#[test]
fn a_window_that_becomes_a_bucket_owes_what_passed() {
    let (bucket, window) = (quota(10, secs(1), Some(10)), quota(10, secs(1), None));
    for keyed in [false, true] {
        let (mut one, mut many, alone) = (Meter::new(&window), Keyed::new(&window), Alone::with(1));
        let now = START + ms(20);
        if keyed {
            assert_eq!(many.take(9, 4, START, &alone), Some(Decision::Go));
            many.refit(&bucket, now);
        } else {
            assert_eq!(one.take(4, START), Decision::Go);
            one.refit(&bucket, now);
        }
        let mut left = |at| {
            if keyed { many.remaining(9, START + ms(at)).unwrap() } else { one.remaining(START + ms(at)) }
        };
        // At the last moment at which they can have passed: now, or the end of their slot.
        let at_119 = if keyed { 7 } else { 6 };
        assert_eq!([20, 119, 120, 320, 420].map(&mut left), [6, at_119, 7, 9, 10]);
    }
}

#[test]
fn a_newcomer_begins_as_the_crowd_stands_whatever_each_is_measured_by() {
    for (own, crowds, decision, left) in [
        (Some(5), Some(5), Decision::Go, 1),
        (Some(5), None, Decision::Go, 1),
        (None, None, Decision::Go, 1),
        // For all the crowd's bucket knows, its window was full.
        (None, Some(5), Decision::Wait(Duration::ZERO), 0),
    ] {
        let (q, c) = (quota(5, secs(1), own), quota(5, secs(1), crowds));
        let (mut keyed, alone) = (Keyed::new(&q), Alone::with(1));
        let mut crowd = Meter::new(&c);
        assert_eq!(crowd.take(3, START), Decision::Go);
        *alone.crowd.borrow_mut() = Some(crowd);
        let taken = keyed.take(9, 1, START, &alone).unwrap();
        assert_eq!(taken == Decision::Go, decision == Decision::Go, "{own:?} {crowds:?}");
        assert_eq!(keyed.remaining(9, START), Some(left), "{own:?} {crowds:?}");
    }
}

#[test]
fn what_is_lent_comes_back_as_what_is_left() {
    let mut bucket = Meter::new(&quota(10, secs(1), Some(5)));
    assert_eq!(bucket.take(2, START), Decision::Go);
    let lent = bucket.lend(START);
    let expected = Lease::Bucket { full_at: START + ms(200), interval: ms(100), fill: ms(500) };
    assert_eq!(lent, expected);
    bucket.redeem(&lent, &Lease::Bucket { full_at: START + ms(400), interval: ms(100), fill: ms(500) });
    assert_eq!(bucket.remaining(START), 1);
    let mut window = Meter::new(&quota(10, secs(1), None));
    assert_eq!(window.take(2, START), Decision::Go);
    let lent = window.lend(START);
    assert_eq!(lent, Lease::Room { room: 8, ends: START + ms(50) });
    window.redeem(&lent, &Lease::Room { room: 3, ends: START + ms(50) });
    assert_eq!(window.remaining(START), 3);
}

#[test]
fn a_pace_lets_calls_through_evenly_and_a_twentieth_of_the_span_ahead() {
    let options = Options {
        rate: quota(10, secs(1), None).rate,
        adaptive: Some(adaptive::Options::default()),
        ..Options::default()
    };
    let mut limit = Limit::new(&options);
    assert_eq!((limit.quota(), limit.interval(), limit.share(START)), (options.quota(), ms(100), 1.0));
    assert!(limit.lend(START).is_some());
    let change = limit.hear(Class::RateLimited, START).unwrap();
    assert_eq!((change.share, change.why), (0.5, "the provider asked for a slower pace"));
    assert_eq!(limit.lend(START), None);
    // At half of ten a second one in 200 ms; the first may come at once, 50 ms ahead of its time.
    assert_eq!(limit.remaining(START), 10);
    assert_eq!(limit.take(1, START), Decision::Go);
    assert_eq!((limit.remaining(START), limit.take(1, START)), (0, Decision::Wait(ms(200))));
    assert_eq!(limit.take(2, START + ms(200)), Decision::Go);
    assert_eq!(limit.take(1, START + ms(200)), Decision::Wait(ms(400)));
    assert_eq!(limit.take(11, START + ms(200)), Decision::Never, "no wait makes it fit");
    // After a rest the next may come a twentieth of the span before its time, and the ones after it evenly.
    let mut rested = limit.clone();
    assert_eq!(rested.lend(START + secs(9)), None, "a slower pace holds those up who come together");
    assert_eq!(rested.take(1, START + secs(9)), Decision::Go);
    assert_eq!(rested.take(1, START + secs(9)), Decision::Wait(ms(150)));
    assert_eq!(rested.take(1, START + ms(9150)), Decision::Go);
    assert_eq!(rested.take(1, START + ms(9150)), Decision::Wait(ms(200)));
    let why = |limit: &mut Limit, class, at| {
        limit.hear(class, START + ms(at)).map(|change| (change.share, change.why))
    };
    assert_eq!(why(&mut limit, Class::Timeout, 999), None);
    assert_eq!(why(&mut limit, Class::Timeout, 1000), Some((0.4, "the provider does not answer in time")));
    assert_eq!(why(&mut limit, Class::Overloaded, 2000).unwrap().1, "the provider is overloaded");
    assert_eq!(why(&mut limit, Class::Ok, 3000).unwrap().1, "the provider has recovered");
    limit.reset(START + secs(4));
    assert_eq!((limit.share(START + secs(4)), limit.remaining(START + secs(4))), (1.0, 10));
    limit.hear(Class::RateLimited, START + secs(9));
    limit.refit(&Options { adaptive: None, ..options }, START + secs(9));
    assert_eq!(limit.share(START + secs(9)), 1.0, "nothing adapts any more");
    assert_eq!(limit.hear(Class::RateLimited, START + secs(20)), None);
}

#[test]
fn what_the_provider_leaves_is_spread_until_its_count_begins_anew() {
    let options = Options { rate: quota(60, secs(60), None).rate, ..Options::default() };
    let said = |remaining, reset| RateLimit { limit: None, remaining, reset: secs(reset) };
    let mut limit = Limit::new(&options);
    // A call in two seconds for half a minute, instead of one a second.
    let change = limit.learn(&said(15, 30), START).unwrap();
    assert_eq!((change.share, change.why), (0.5, "the provider's headers leave less"));
    assert_eq!(limit.take(1, START), Decision::Go);
    assert_eq!(limit.take(1, START), Decision::Wait(secs(2)));
    // A little less is held to, and is not worth a word.
    assert_eq!(limit.learn(&said(14, 30), START), None);
    assert!((limit.share(START) - 14.0 / 30.0).abs() < 1e-6);
    let change = limit.learn(&said(7, 30), START).unwrap();
    assert!((change.share - 7.0 / 30.0).abs() < 1e-6);
    assert_eq!(limit.lend(START + secs(29)), None);
    assert!(limit.lend(START + secs(30)).is_some());
    assert_eq!(limit.share(START + secs(30)), 1.0);
    // What was said before holds no longer: it is compared with the rate.
    let mut anew = limit.clone();
    assert_eq!(anew.learn(&said(15, 30), START + secs(30)).unwrap().share, 0.5);
    assert_eq!(limit.learn(&said(0, 5), START + secs(40)).unwrap().share, 0.0);
    assert_eq!(limit.learn(&said(0, 4), START + secs(40)), None, "that is sooner");
    assert_eq!((limit.share(START + secs(40)), limit.lend(START + secs(40))), (1.0, None));
    assert_eq!(limit.take(1, START + secs(40)), Decision::Wait(secs(5)));
    assert_eq!(limit.take(1, START + secs(45)), Decision::Go);
    // A tenth less is worth a word.
    let slow = Options { rate: quota(10, secs(9), None).rate, ..Options::default() };
    assert_eq!(Limit::new(&slow).learn(&said(10, 10), START).unwrap().share, 0.9);
}

#[test]
fn quotas_and_paces_at_the_ends_of_their_ranges_are_sound() {
    quota(1, ms(1), None).check().unwrap();
    quota(1, secs(366 * 86_400), Some(10)).check().unwrap();
    for q in [quota(1, Duration::from_micros(999), None), quota(1, secs(366 * 86_400 + 1), None)] {
        assert_eq!(q.check().unwrap_err().key, "rate");
    }
    assert_eq!(quota(1, secs(366 * 86_400), Some(11)).check().unwrap_err().key, "burst");
    assert_eq!((quota(7, secs(1), None).most(), quota(7, secs(1), Some(3)).most()), (7, 3));
    let none = Options { max_keys: 0, ..Options::default() };
    assert_eq!(none.check().unwrap_err().key, "max_keys");
    Options { max_keys: 1, adaptive: Some(adaptive::Options::default()), ..Options::default() }
        .check()
        .unwrap();
    let of = |change: fn(&mut adaptive::Options)| {
        let mut adaptive = adaptive::Options::default();
        change(&mut adaptive);
        let whole = Options { adaptive: Some(adaptive.clone()), ..Options::default() };
        assert_eq!(whole.check().is_ok(), adaptive.check().is_ok());
        adaptive.check().map_err(|invalid| invalid.key)
    };
    assert_eq!(of(|a| a.least = Share::new(0.001).unwrap()), Ok(()));
    assert_eq!(of(|a| a.least = Share::new(0.0009).unwrap()), Err("adaptive.least"));
    assert_eq!(of(|a| a.refused = Share::percent(0)), Err("adaptive.refused"));
    assert_eq!(of(|a| a.failed = Share::percent(0)), Err("adaptive.failed"));
    assert_eq!(of(|a| a.recover = Share::percent(0)), Err("adaptive.recover"));
    assert_eq!(of(|a| a.every = ms(10)), Ok(()));
    assert_eq!(of(|a| a.every = ms(9)), Err("adaptive.every"));
    assert_eq!(of(|a| a.every = secs(3600)), Ok(()));
    assert_eq!(of(|a| a.every = ms(3_600_001)), Err("adaptive.every"));
    let d = adaptive::Options::default();
    let shares = [d.least, d.refused, d.failed, d.recover];
    assert_eq!((shares, d.every), ([5, 50, 80, 5].map(Share::percent), secs(1)));
}

#[test]
fn tiers_give_each_tenant_its_rate_and_all_of_them_a_total() {
    let tiers = Tiers::default();
    tiers.check().unwrap();
    let rates: Vec<_> =
        tiers.operations.iter().map(|(name, tier)| (name.as_str(), tier.rate.count.get())).collect();
    assert_eq!(rates, [("embed", 60), ("health", 10), ("search", 30), ("transform", 10)]);
    assert!(tiers.operations.values().all(|tier| tier.rate.per == secs(60) && tier.total.is_none()));
    let tier =
        Tier { rate: quota(7, secs(2), None).rate, burst: 3.try_into().ok(), total: 9.try_into().ok() };
    assert_eq!(tier.quota(), quota(7, secs(2), Some(3)));
    let each = tiers.each(&tier);
    assert_eq!((each.quota(), each.queue.max, each.queue.wait), (tier.quota(), 0, Duration::ZERO));
    assert_eq!((each.max_keys, &each.adaptive), (10_000, &None));
    assert_eq!(tiers.total(&tier).unwrap().quota(), quota(9, secs(2), None));
    assert_eq!(tiers.total(&Tier { total: None, ..tier }), None);
    let none = Tiers { max_keys: 0, ..Tiers::default() };
    assert_eq!(none.check().unwrap_err().key, "max_keys");
    let hasty = Tier { rate: quota(1, Duration::ZERO, None).rate, ..tier };
    assert_eq!(Tiers { otherwise: Some(hasty), ..Tiers::default() }.check().unwrap_err().key, "rate");
}

#[test]
fn a_tenant_has_at_most_four_times_what_it_leaves() {
    for (used, n, left, fair) in [
        (0, 1, 1, true),
        (0, 2, 2, false),
        (0, 5, 6, true),
        (0, 6, 7, false),
        (3, 2, 3, true),
        (4, 2, 3, false),
        (1, 1, 0, false),
        (0, 80, 100, true),
        (0, 81, 100, false),
        (0, 81, 101, true),
    ] {
        assert_eq!(tiers::is_fair(used, n, left), fair, "{n} more beside {used} of {left}");
    }
}
