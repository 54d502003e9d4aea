use std::cell::{Cell, RefCell};

use seawall_core::Instant;
use seawall_core::provider::RateLimit;
use seawall_core::units::Share;
use seawall_core::verdict::Class;

use super::adaptive::Pace;
use super::*;

mod examples;
mod laws;

const START: Instant = Instant::from_nanos(3_600_000_000_000);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn quota(count: u32, per: Duration, burst: Option<u32>) -> Quota {
    Quota {
        rate: Rate { count: count.try_into().unwrap(), per },
        burst: burst.map(|n| n.try_into().unwrap()),
    }
}

/// A shard on its own, with room for so many keys.
struct Alone {
    most: usize,
    keys: Cell<usize>,
    crowd: RefCell<Option<Meter>>,
}

impl Alone {
    fn with(most: usize) -> Self {
        Self { most, keys: Cell::new(0), crowd: RefCell::default() }
    }

    /// Counts a key in the shard, or in the crowd.
    fn take(&self, keyed: &mut Keyed, quota: &Quota, id: u64, n: u32, now: Instant) -> Decision {
        keyed
            .take(id, n, now, self)
            .unwrap_or_else(|| self.crowd.borrow_mut().get_or_insert_with(|| Meter::new(quota)).take(n, now))
    }
}

impl House for Alone {
    fn one_more(&self) -> bool {
        let room = self.keys.get() < self.most;
        self.keys.set(self.keys.get() + usize::from(room));
        room
    }
    fn fewer(&self, keys: usize) {
        self.keys.set(self.keys.get() - keys);
    }
    fn waits(&self, _: u64) -> bool {
        false
    }
    fn crowd(&self) -> Option<Meter> {
        *self.crowd.borrow()
    }
}

/// As a keyed hash would make it of a number.
fn hash(n: u64) -> u64 {
    Keyed::id((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9))
}

#[test]
fn a_bucket_lets_its_burst_through_and_then_refills_smoothly() {
    let mut m = Meter::new(&quota(10, ms(1000), Some(3)));
    assert_eq!(m.remaining(START), 3);
    for _ in 0..3 {
        assert_eq!(m.take(1, START), Decision::Go);
    }
    assert_eq!(m.take(1, START), Decision::Wait(ms(100)));
    assert_eq!(m.take(2, START + ms(100)), Decision::Wait(ms(100)));
    assert_eq!(m.take(1, START + ms(100)), Decision::Go);
    assert_eq!(m.take(4, START + ms(9000)), Decision::Never);
    assert!(m.rested(START + ms(9000)));
}

#[test]
fn a_window_passes_its_count_at_once_and_nothing_more_until_it_has_left() {
    let mut m = Meter::new(&quota(5, ms(1000), None));
    for _ in 0..5 {
        assert_eq!(m.take(1, START), Decision::Go);
    }
    let Decision::Wait(wait) = m.take(1, START) else { panic!("the window is full") };
    assert!(wait >= ms(1000) && wait <= ms(1050), "{wait:?}");
    assert_eq!(m.take(5, START + wait), Decision::Go);
    assert_eq!(m.take(6, START + ms(9000)), Decision::Never);
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    for burst in [None, Some(4)] {
        let mut m = Meter::new(&quota(4, ms(1000), burst));
        assert_eq!(m.take(4, START), Decision::Go);
        m.give_back(3, START, START);
        assert_eq!(m.remaining(START), 3, "{burst:?}");
        assert_eq!(m.take(3, START), Decision::Go);
    }
}

#[test]
fn what_was_forgotten_by_a_reset_is_not_given_back_as_well() {
    for burst in [None, Some(4)] {
        let mut m = Meter::new(&quota(4, ms(1000), burst));
        assert_eq!(m.take(4, START), Decision::Go);
        m.reset(START);
        assert_eq!(m.take(4, START), Decision::Go);
        m.give_back(4, START, START);
        assert_eq!(m.remaining(START), 0, "{burst:?}");
    }
}

#[test]
fn a_longer_pause_is_not_shortened_by_a_shorter_one() {
    let mut pause = Pause::default();
    pause.extend(ms(500), START);
    pause.extend(ms(100), START);
    assert_eq!(pause.left(START), ms(500));
    assert_eq!(pause.left(START + ms(500)), Duration::ZERO);
    pause.extend(ms(500), START);
    pause.lift();
    assert_eq!(pause.left(START), Duration::ZERO);
}

#[test]
fn a_debt_is_paid_before_anything_passes() {
    let mut bucket = Meter::new(&quota(10, ms(1000), Some(5)));
    assert_eq!(bucket.take(5, START), Decision::Go);
    bucket.charge(20, START);
    assert_eq!(bucket.take(1, START), Decision::Wait(ms(2100)));
    assert_eq!(bucket.take(1, START + ms(2100)), Decision::Go);
    let mut window = Meter::new(&quota(10, ms(1000), None));
    assert_eq!(window.take(5, START), Decision::Go);
    window.charge(20, START);
    let Decision::Wait(wait) = window.take(1, START + ms(900)) else { panic!("it owes") };
    assert_eq!(window.take(10, START + ms(900) + wait), Decision::Go);
}

#[test]
fn an_update_gives_nothing_away() {
    let (slow, fast) = (quota(10, secs(10), None), quota(10, secs(1), None));
    let mut m = Meter::new(&slow);
    assert_eq!(m.take(10, START), Decision::Go);
    m.refit(&fast, START);
    assert_eq!(m.remaining(START), 0, "what was used just now is used in a shorter window as well");
    m.refit(&slow, START + ms(900));
    assert!(matches!(m.take(1, START + ms(900)), Decision::Wait(wait) if wait > secs(9)));

    let mut m = Meter::new(&quota(10, secs(1), Some(10)));
    assert_eq!(m.take(6, START), Decision::Go);
    m.refit(&quota(1, secs(1), Some(10)), START);
    assert_eq!(m.remaining(START), 4, "six are used, however slowly they come back");
    m.give_back(6, START, START);
    assert_eq!(m.remaining(START), 4, "taken under the old rate, they are not given back under the new one");
    m.refit(&quota(1, secs(1), Some(3)), START);
    assert_eq!(m.take(1, START), Decision::Wait(secs(4)), "six used of three is a debt");
}

#[test]
fn absurd_numbers_are_refused_or_bounded() {
    let q = quota(1, Duration::ZERO, None);
    assert!(q.check().unwrap_err().message.contains("out of range"));
    assert!(quota(1, secs(366 * 86_400), Some(u32::MAX)).check().unwrap_err().message.contains("refill"));
    for q in [
        quota(4_000_000_000, ms(1), Some(u32::MAX)),
        quota(u32::MAX, ms(1), None),
        quota(1, secs(366 * 86_400), None),
    ] {
        q.check().unwrap();
        let mut m = Meter::new(&q);
        for now in [Instant::ORIGIN, START, Instant::from_nanos(u64::MAX / 2), START, Instant::FAR_FUTURE] {
            let _ = (m.take(u32::MAX, now), m.take(1, now));
            m.charge(u64::MAX, now);
            m.give_back(u64::MAX, START, now);
            let _ = (m.remaining(now), m.rested(now), m.lend(now));
            m.charge(u64::MAX, now);
            assert!(matches!(m.take(1, now), Decision::Wait(_)), "a debt is a debt: {q:?} {now:?}");
        }
        let mut keyed = Keyed::new(&q);
        let alone = Alone::with(10);
        for now in [Instant::FAR_FUTURE, Instant::ORIGIN, START] {
            let _ = alone.take(&mut keyed, &q, 7, u32::MAX, now);
            let _ = alone.take(&mut keyed, &q, 7, 1, now);
            keyed.charge(7, u64::MAX, now, &alone);
            keyed.refit(&quota(3, ms(1), q.burst.is_none().then_some(3)), now);
            keyed.refit(&q, now);
        }
    }
    let mut bucket = Meter::new(&quota(1_000_000, secs(1), Some(10)));
    let mut passed = 0;
    while bucket.take(1, Instant::FAR_FUTURE) == Decision::Go {
        passed += 1;
        assert!(passed <= 10, "the end of time is no reason to let everything through");
    }
}

#[test]
fn a_rate_that_is_no_whole_number_of_nanoseconds_is_never_exceeded() {
    // 700 million a second are 1.43 ns apart.
    let mut m = Meter::new(&quota(700_000_000, secs(1), Some(1)));
    let passed = (0..1000).filter(|n| m.take(1, START + Duration::from_nanos(*n)) == Decision::Go).count();
    assert!(passed <= 701, "{passed} in a microsecond");
}

#[test]
fn a_hundred_thousand_idle_keys_take_less_than_a_hundred_bytes_each() {
    for (burst, allowed) in [(Some(10), 25), (None, 85)] {
        let q = quota(10, secs(3600), burst);
        let (mut keyed, alone) = (Keyed::new(&q), Alone::with(100_000));
        for n in 0..100_000 {
            assert_eq!(alone.take(&mut keyed, &q, hash(n), 1, START), Decision::Go);
            let each = keyed.bytes() / keyed.len();
            assert!(n < 100 || each <= allowed, "{each} bytes for each of {n}");
        }
        assert_eq!(keyed.len(), 100_000);
        assert_eq!(keyed.evicted(), 0);
    }
}

#[test]
fn a_million_garbage_keys_take_no_more_than_the_bound() {
    for burst in [Some(10), None] {
        let q = quota(10, secs(3600), burst);
        let (mut keyed, alone) = (Keyed::new(&q), Alone::with(1000));
        // Windows are slower to look over, and bounded by the same lines.
        let garbage = if burst.is_some() { 1_000_000 } else { 100_000 };
        for n in 0..garbage {
            alone.take(&mut keyed, &q, hash(n), 1, START + Duration::from_micros(n));
        }
        assert_eq!((keyed.len(), alone.keys.get()), (1000, 1000));
        assert!(keyed.bytes() <= 100_000, "{}", keyed.bytes());
    }
}

#[test]
fn idle_keys_are_dropped_before_a_table_grows() {
    let q = quota(10, ms(1000), Some(10));
    let (mut keyed, alone) = (Keyed::new(&q), Alone::with(100_000));
    for n in 0..100_000 {
        alone.take(&mut keyed, &q, hash(n), 1, START + ms(n));
    }
    assert!(keyed.len() < 300, "only the last hundred milliseconds owe anything: {}", keyed.len());
    assert_eq!(keyed.len() as u64 + keyed.evicted(), 100_000);
    assert_eq!(alone.keys.get(), keyed.len());
}

#[test]
fn whoever_was_in_the_crowd_brings_its_use_along() {
    for burst in [Some(2), None] {
        let q = quota(2, secs(1), burst);
        let (mut keyed, alone) = (Keyed::new(&q), Alone::with(1));
        assert_eq!(alone.take(&mut keyed, &q, 1, 1, START), Decision::Go);
        for _ in 0..2 {
            assert_eq!(alone.take(&mut keyed, &q, 2, 1, START + ms(800)), Decision::Go, "in the crowd");
        }
        let later = START + ms(1150);
        assert!(matches!(alone.take(&mut keyed, &q, 2, 2, later), Decision::Wait(_)), "two of two are used");
        assert_eq!(keyed.len(), 1);
        assert_eq!(keyed.remaining(1, later), None, "the first owed nothing and made room");
    }
}

#[test]
fn the_pace_falls_when_the_provider_complains_and_recovers_step_by_step() {
    let (options, q) = (adaptive::Options::default(), quota(100, secs(1), None));
    let mut pace = Pace::default();
    let mut hear = |class, at| {
        pace.hear(class, &options, &q, START + ms(at)).map(|change| (change.share * 100.0).round())
    };
    assert_eq!(hear(Class::Ok, 0), None, "there is nothing to recover");
    assert_eq!(hear(Class::RateLimited, 100), Some(50.0));
    assert_eq!(hear(Class::RateLimited, 900), None, "it was sent before the step");
    assert_eq!(hear(Class::Overloaded, 1100), Some(40.0));
    assert_eq!(hear(Class::Invalid, 5000), None, "the caller's mistake says nothing");
    assert_eq!(hear(Class::Ok, 5000), Some(45.0));
    assert_eq!(hear(Class::Ok, 5500), None);
    for at in 6..20 {
        hear(Class::RateLimited, at * 1000);
    }
    assert_eq!(hear(Class::Ok, 30_000), Some(10.0), "five percent is the least, and five are added");
    for at in 31..60 {
        hear(Class::Ok, at * 1000);
    }
    assert!(pace.idle(START + secs(70)));
    assert_eq!(pace.share(&q, START + secs(70)), 1.0);
}

#[test]
fn the_providers_word_tightens_and_never_loosens() {
    let q = quota(60, secs(60), None);
    let said = |remaining, reset| RateLimit { limit: None, remaining, reset: secs(reset) };
    let mut pace = Pace::default();
    assert_eq!(pace.learn(&said(120, 60), &q, START), None, "faster than ours");
    assert_eq!(pace.learn(&said(60, 60), &q, START), None, "as fast as ours");
    assert_eq!(pace.learn(&said(0, 0), &q, START), None, "it begins anew now");
    assert_eq!(pace.learn(&said(15, 60), &q, START).map(|change| change.share), Some(0.25));
    assert_eq!(pace.learn(&said(30, 60), &q, START), None, "an older answer came late");
    assert!(!pace.idle(START + secs(59)));
    assert_eq!(pace.learn(&said(0, 7), &q, START).map(|change| change.share), Some(0.0));
    assert_eq!(pace.wait(&q, START), secs(7));
    assert_eq!(pace.share(&q, START + secs(61)), 1.0, "until its reset");
    assert!(pace.idle(START + secs(61)));
}
