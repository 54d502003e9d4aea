//! An adaptive bulkhead in front of an upstream that works on so many calls at once and lets the others wait.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use super::*;
use crate::timeout::within;

/// What one call takes on a quiet upstream, on average.
const TRIP: Duration = Duration::from_millis(100);
const CAPACITY: usize = 20;
/// What the upstream could do: 20 at once, a tenth of a second each.
const MOST: f64 = 200.0;

struct Upstream {
    places: Semaphore,
    dice: RefCell<u64>,
}

impl Upstream {
    fn new() -> Rc<Self> {
        Rc::new(Self { places: Semaphore::new(CAPACITY), dice: RefCell::new(1) })
    }

    /// First come, first served; half to one and a half times [`TRIP`] of work.
    async fn work(&self) {
        let _place = self.places.acquire().await.unwrap();
        let roll = {
            let mut dice = self.dice.borrow_mut();
            *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*dice >> 33) % 1000
        };
        tokio::time::sleep(TRIP / 2 + TRIP * u32::try_from(roll).unwrap() / 1000).await;
    }
}

/// Calls that worked, each with when it ended and how long it took.
type Seen = Rc<RefCell<Vec<(Instant, Duration)>>>;

/// Four hundred callers that never rest, for so long; each gives its call so much time.
async fn crowd(b: &Bulkhead, upstream: &Rc<Upstream>, patience: Duration, span: Duration) -> Seen {
    let (seen, end) = (Seen::default(), DefaultClock.now() + span);
    let callers = LocalSet::new();
    for _ in 0..400 {
        let (b, upstream, seen) = (b.clone(), upstream.clone(), seen.clone());
        callers.spawn_local(async move {
            while DefaultClock.now() < end {
                let permit = b.acquire(DefaultClock.now() + span).await.unwrap();
                let began = DefaultClock.now();
                let worked = within(upstream.work(), patience).await.is_ok();
                let now = DefaultClock.now();
                if worked {
                    seen.borrow_mut().push((now, now.since(began)));
                }
                permit.settle_at(if worked { Ended::Worked } else { Ended::Overloaded }, now);
            }
        });
    }
    callers.await;
    seen
}

/// Calls in a second, and the round trip of the slowest in a hundred, of those that ended within a span.
fn summed(seen: &Seen, from: Instant, to: Instant) -> (f64, Duration) {
    let mut trips: Vec<_> =
        seen.borrow().iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, trip)| *trip).collect();
    trips.sort_unstable();
    let slowest = trips.len() * 99 / 100;
    (trips.len() as f64 / to.since(from).as_secs_f64(), trips[slowest])
}

fn wide(adaptive: Option<Algorithm>) -> Bulkhead {
    let queue = Queue { max: 400, wait: Duration::from_secs(600) };
    Bulkhead::new(Options { concurrent: 200, adaptive: adaptive.map(Adaptive::by), queue }).unwrap()
}

const SPAN: Duration = Duration::from_secs(90);
const WARM: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn the_gradient_keeps_the_upstream_busy_and_its_round_trips_short() {
    let begun = DefaultClock.now();
    let fixed = summed(&crowd(&wide(None), &Upstream::new(), SPAN, SPAN).await, begun + WARM, begun + SPAN);
    let begun = DefaultClock.now();
    let b = wide(Some(Algorithm::Gradient));
    let seen = crowd(&b, &Upstream::new(), SPAN, SPAN).await;
    let (rate, slowest) = summed(&seen, begun + WARM, begun + SPAN);
    assert!(rate >= 0.9 * MOST, "{rate} calls in a second");
    assert!(slowest <= TRIP * 3, "{slowest:?}");
    assert!(fixed.1 >= TRIP * 9, "a fixed one lets the queue stand at the upstream: {:?}", fixed.1);
}

#[tokio::test(start_paused = true)]
async fn aimd_keeps_the_upstream_busy_and_calls_within_their_patience() {
    let begun = DefaultClock.now();
    let b = wide(Some(Algorithm::Aimd));
    let seen = crowd(&b, &Upstream::new(), TRIP * 4, SPAN).await;
    let (rate, slowest) = summed(&seen, begun + WARM, begun + SPAN);
    assert!(rate >= 0.9 * MOST, "{rate} calls in a second");
    assert!(slowest <= TRIP * 4, "{slowest:?}");
    let fixed = crowd(&wide(None), &Upstream::new(), TRIP * 4, SPAN).await;
    let begun = begun + SPAN;
    let (rate, _) = summed(&fixed, begun + WARM, begun + SPAN);
    assert!(rate < 0.9 * MOST, "a fixed one wastes what times out: {rate}");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_loses_half_of_itself_and_gets_it_back_is_followed() {
    let (b, upstream, begun) = (wide(Some(Algorithm::Gradient)), Upstream::new(), DefaultClock.now());
    crowd(&b, &upstream, SPAN, SPAN).await;
    upstream.places.forget_permits(CAPACITY / 2);
    let halved = begun + SPAN;
    let seen = crowd(&b, &upstream, SPAN, SPAN).await;
    let (rate, slowest) = summed(&seen, halved + WARM, halved + SPAN);
    assert!(rate >= 0.45 * MOST && slowest <= TRIP * 4, "{rate} {slowest:?}");
    upstream.places.add_permits(CAPACITY / 2);
    let whole = DefaultClock.now();
    let seen = crowd(&b, &upstream, SPAN, SPAN).await;
    let (rate, slowest) = summed(&seen, whole + WARM, whole + SPAN);
    assert!(rate >= 0.9 * MOST && slowest <= TRIP * 3, "{rate} {slowest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_size_by_a_tenth_or_more_is_told() {
    let told: Arc<Mutex<Vec<u32>>> = Arc::default();
    let sink = {
        let told = told.clone();
        Arc::new(move |event: Event| {
            assert_eq!(&*event.name, "up");
            if let Fact::SizeChanged { size } = event.fact {
                lock(&told).push(size);
            }
        })
    };
    let adaptive = Some(Adaptive::by(Algorithm::Aimd));
    let options = Options { concurrent: 40, adaptive, ..Options::default() };
    let b = Bulkhead::with("up", options, default_clock(), Some(sink)).unwrap();
    for _ in 0..2 {
        let held: Vec<_> = (0..b.size()).map(|_| b.try_acquire().unwrap()).collect();
        tokio::time::sleep(TRIP).await;
        for permit in held {
            permit.settle(Ended::Overloaded);
        }
    }
    assert_eq!(*lock(&told), [36, 32]);
    assert_eq!((b.size(), b.load()), (32, Load::default()));
    let held: Vec<_> = (0..b.size()).map(|_| b.try_acquire().unwrap()).collect();
    tokio::time::sleep(TRIP).await;
    held.into_iter().for_each(|permit| permit.settle(Ended::Worked));
    assert_eq!((lock(&told).len(), b.size()), (2, 33), "one more is not worth telling");
}

/// Long calls fill all that a probe leaves: whoever waits gets a place after four round trips, though no call has ended.
#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_probe_that_learns_nothing() {
    let options = Options { adaptive: Some(Adaptive::default()), ..options(20, 10, 60) };
    let b = Bulkhead::new(options).unwrap();
    let mut long: Vec<_> = (0..10).map(|_| b.try_acquire().unwrap()).collect();
    for _ in 0..10 {
        let quick: Vec<_> = (0..10).map(|_| b.try_acquire().unwrap()).collect();
        tokio::time::sleep(TRIP).await;
        quick.into_iter().for_each(|permit| permit.settle(Ended::Worked));
    }
    assert_eq!(b.size(), 10, "a probe");
    assert!(b.try_acquire().is_err());
    let began = DefaultClock.now();
    long.push(b.acquire(later(60)).await.unwrap());
    assert_eq!(DefaultClock.now().since(began), TRIP * 4);
    assert_eq!(b.size(), 20);
}
