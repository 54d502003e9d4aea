use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use seawall_core::Code;
use seawall_core::effect::Stamp;
use seawall_core::units::Rate;
use seawall_store::Memory;
use seawall_store::time::Time;
use tokio::time::{Instant as Then, sleep};

use super::*;
use crate::limiter::{self, Limiter, Queue};
use crate::{Pipeline, lock};

mod breaking;
mod laws;
mod leases;

/// How a store answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    AtOnce,
    /// After so many milliseconds.
    Late(u64),
    /// With an error.
    Refuses,
    /// Never.
    Never,
}

/// A store that a fleet shares, on tokio's time, and that can be taken away.
#[derive(Debug)]
pub(crate) struct Store {
    memory: Memory,
    time: Time,
    began: Then,
    answers: Mutex<Answers>,
    pub(crate) asked: AtomicUsize,
}

const NOON: u64 = 1_800_000_000_000;

impl Store {
    pub(crate) fn new() -> Arc<Self> {
        let time = Time::manual(Stamp(NOON));
        Arc::new(Self {
            memory: Memory::with(time.clone()),
            time,
            began: Then::now(),
            answers: Mutex::new(Answers::AtOnce),
            asked: AtomicUsize::new(0),
        })
    }

    pub(crate) fn answers(&self, how: Answers) {
        *lock(&self.answers) = how;
    }

    /// What the store does it does at once, where it does anything; only the answer takes its time.
    fn after<'a, T: Send + 'a>(&'a self, ask: impl FnOnce(&'a Memory) -> Asked<'a, T>) -> Asked<'a, T> {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        self.time.at_least(Stamp(NOON + elapsed));
        self.asked.fetch_add(1, Ordering::Relaxed);
        let how = *lock(&self.answers);
        let asked = match how {
            Answers::AtOnce | Answers::Late(_) => Some(ask(&self.memory)),
            Answers::Refuses | Answers::Never => None,
        };
        Box::pin(async move {
            match how {
                Answers::Late(millis) => sleep(Duration::from_millis(millis)).await,
                Answers::Never => std::future::pending().await,
                Answers::AtOnce | Answers::Refuses => {}
            }
            match asked {
                Some(asked) => asked.await,
                None => Err(StoreError::Unavailable("it was taken away".into())),
            }
        })
    }
}

impl port::Fleet for Store {
    fn limit(&self, of: &limit::Of, ask: limit::Ask) -> Asked<'_, limit::Said> {
        let of = of.clone();
        self.after(move |memory| memory.limit(&of, ask))
    }

    fn breaker(
        &self,
        name: &Arc<str>,
        rules: &breaker::Rules,
        ask: breaker::Ask,
    ) -> Asked<'_, breaker::Said> {
        let (name, rules) = (name.clone(), rules.clone());
        self.after(move |memory| memory.breaker(&name, &rules, ask))
    }

    fn lease(&self, name: &Arc<str>, ask: port::lease::Ask) -> Asked<'_, port::lease::Said> {
        let name = name.clone();
        self.after(move |memory| memory.lease(&name, ask))
    }

    fn presence(&self, group: &Arc<str>, ask: presence::Ask) -> Asked<'_, u32> {
        let group = group.clone();
        self.after(move |memory| memory.presence(&group, ask))
    }
}

pub(crate) async fn member(store: &Arc<Store>) -> Fleet {
    Fleet::join(store.clone(), "test", Options::default()).await.unwrap()
}

async fn members<const N: usize>(store: &Arc<Store>) -> [Fleet; N] {
    let mut all = Vec::new();
    for _ in 0..N {
        all.push(member(store).await);
    }
    sleep(Duration::from_secs(3)).await;
    let all: [Fleet; N] = all.try_into().unwrap();
    assert!(all.iter().all(|fleet| fleet.size() == N as u32));
    all
}

fn options(count: u32, per: Duration, burst: Option<u32>) -> limiter::Options {
    let rate = Rate { count: NonZeroU32::new(count).unwrap(), per };
    let queue = Queue { max: 1000, wait: Duration::from_secs(3600) };
    limiter::Options { rate, burst: burst.and_then(NonZeroU32::new), queue, ..Default::default() }
}

fn far() -> Instant {
    default_clock().now() + Duration::from_secs(86_400)
}

/// Those that pass at once, of so many that want to.
async fn pass(limiter: &Limiter, key: &str, wanted: usize) -> usize {
    let at_once = default_clock().now() + Duration::from_millis(200);
    let mut passed = 0;
    for _ in 0..wanted {
        passed += usize::from(limiter.acquire_for(key, 1, at_once).await.is_ok());
    }
    passed
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn members_are_counted_and_those_that_go_or_fall_silent_are_missed() {
    let store = Store::new();
    let [one, two, three] = members::<3>(&store).await;
    drop(three);
    sleep(Duration::from_secs(8)).await;
    assert_eq!((one.size(), two.size()), (2, 2), "one said that it goes");
    let other = Fleet::join(store.clone(), "another", Options::default()).await.unwrap();
    assert_eq!(other.size(), 1);
    // A process that is killed says nothing.
    two.0.0.left.store(true, Ordering::Relaxed);
    store.answers(Answers::Refuses);
    two.0.0.woken.notify_one();
    sleep(Duration::from_millis(10)).await;
    store.answers(Answers::AtOnce);
    sleep(Duration::from_secs(9)).await;
    assert_eq!(one.size(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_keeps_one_limit_together() {
    let store = Store::new();
    let fleets = members::<3>(&store).await;
    for burst in [None, Some(10)] {
        let limiters = fleets
            .each_ref()
            .map(|fleet| Limiter::shared(fleet, "api", None, options(30, MINUTE, burst)).unwrap());
        let mut passed = 0;
        for limiter in &limiters {
            passed += pass(limiter, "", 25).await;
        }
        assert_eq!(passed, burst.unwrap_or(30) as usize);
        let taken = Limiter::shared(&fleets[0], "other", None, options(30, MINUTE, burst)).unwrap();
        assert_eq!(pass(&taken, "", 1).await, 1, "another name is another limit");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_passes_in_order_when_there_is_room() {
    let store = Store::new();
    let [one, two] = members::<2>(&store).await;
    let [here, there] =
        [&one, &two].map(|fleet| Limiter::shared(fleet, "api", None, options(10, MINUTE, Some(1))).unwrap());
    assert_eq!(pass(&there, "", 1).await, 1);
    let (order, began) = (Arc::new(Mutex::new(Vec::new())), Then::now());
    let waiters: Vec<_> = (0..5)
        .map(|n| {
            let (here, order) = (here.clone(), order.clone());
            tokio::spawn(async move {
                here.acquire_for("", 1, far()).await.unwrap();
                lock(&order).push((n, began.elapsed().as_secs()));
            })
        })
        .collect();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(here.waiting(), 5);
    for waiter in waiters {
        waiter.await.unwrap();
    }
    assert_eq!(*lock(&order), [(0, 6), (1, 12), (2, 18), (3, 24), (4, 30)]);
    assert_eq!(here.stats().passed, 5);
    // Who cannot have it in time is told at once, and when to come back.
    let soon = default_clock().now() + Duration::from_secs(5);
    let refused = here.acquire_for("", 1, soon).await.unwrap_err();
    assert_eq!(refused.code, Code::RateLimited);
    assert!(refused.retry_after.is_some_and(|wait| wait > Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn keys_are_limited_apart_and_by_the_whole_fleet() {
    let store = Store::new();
    let limiters = members::<2>(&store).await.map(|fleet| {
        Limiter::shared(&fleet, "user", Some("header:x-user".into()), options(4, MINUTE, None)).unwrap()
    });
    for key in ["ann", "bob"] {
        assert_eq!(pass(&limiters[0], key, 3).await + pass(&limiters[1], key, 3).await, 4);
    }
    limiters[1].reset("ann");
    assert_eq!(pass(&limiters[0], "ann", 9).await, 4);
    assert_eq!(pass(&limiters[0], "bob", 9).await, 0);
    assert_eq!(limiters[0].per().unwrap().as_ref(), "header:x-user");
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_each_lets_through_its_share_and_tells_it_afterwards() {
    for how in [Answers::Refuses, Answers::Never] {
        let store = Store::new();
        let fleets = members::<3>(&store).await;
        let limiters = fleets
            .each_ref()
            .map(|fleet| Limiter::shared(fleet, "api", None, options(30, MINUTE, None)).unwrap());
        store.answers(how);
        let began = Then::now();
        for limiter in &limiters {
            assert_eq!(pass(limiter, "", 25).await, 10);
        }
        // Each paid its patience once.
        assert!(began.elapsed() <= Duration::from_millis(300), "{:?}", began.elapsed());
        assert!(fleets.iter().all(|fleet| fleet.source() == Source::Local && fleet.size() == 3));
        assert!(fleets[0].standing().since > Instant::ORIGIN);
        store.answers(Answers::AtOnce);
        sleep(Duration::from_secs(1)).await;
        assert!(fleets.iter().all(|fleet| fleet.source() == Source::Shared));
        // Each tells with its first question what passed meanwhile.
        assert_eq!(pass(&limiters[0], "", 25).await, 20, "nobody else has told yet");
        assert_eq!(pass(&limiters[1], "", 25).await, 0);
        assert_eq!(pass(&limiters[2], "", 25).await, 0);
        // What was let through too much is paid.
        sleep(MINUTE + Duration::from_secs(4)).await;
        assert_eq!(pass(&limiters[0], "", 40).await, 30);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_had_its_share_gets_no_other_when_the_store_is_lost() {
    let store = Store::new();
    let fleets = members::<2>(&store).await;
    let limiters = fleets
        .each_ref()
        .map(|fleet| Limiter::shared(fleet, "api", None, options(20, MINUTE, None)).unwrap());
    assert_eq!(pass(&limiters[0], "", 15).await, 15);
    store.answers(Answers::Refuses);
    assert_eq!(pass(&limiters[0], "", 15).await, 0, "its half is spent");
    assert_eq!(pass(&limiters[1], "", 15).await, 10);
    // A bucket owes no more than it holds, however long it was used alone.
    store.answers(Answers::AtOnce);
    sleep(Duration::from_secs(10)).await;
    let bucket = Limiter::shared(&fleets[0], "bucket", None, options(60, MINUTE, Some(10))).unwrap();
    for _ in 0..600 {
        bucket.acquire_for("", 1, far()).await.unwrap();
    }
    store.answers(Answers::Refuses);
    let began = Then::now();
    bucket.acquire_for("", 1, far()).await.unwrap();
    assert!(began.elapsed() <= Duration::from_millis(2100), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_without_its_store_takes_the_share_it_was_told() {
    let store = Store::new();
    store.answers(Answers::Never);
    let ten = Options { members: 10, ..Options::default() };
    let fleet = Fleet::join(store.clone(), "test", ten).await.unwrap();
    assert_eq!((fleet.source(), fleet.size()), (Source::Local, 10));
    let limiter = Limiter::shared(&fleet, "api", None, options(30, MINUTE, None)).unwrap();
    assert_eq!(pass(&limiter, "", 25).await, 3);
    store.answers(Answers::AtOnce);
    sleep(Duration::from_secs(1)).await;
    assert_eq!((fleet.source(), fleet.size()), (Source::Shared, 10), "it may not have heard of everybody");
    sleep(Duration::from_secs(8)).await;
    assert_eq!(fleet.size(), 1);
    assert_eq!(pass(&limiter, "", 40).await, 27);
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_costs_one_call_its_patience_and_its_late_grant_is_given_back() {
    let store = Store::new();
    let fleet = member(&store).await;
    let limiter = Limiter::shared(&fleet, "api", None, options(10, MINUTE, None)).unwrap();
    store.answers(Answers::Late(150));
    let began = Then::now();
    limiter.acquire_for("", 1, far()).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(100));
    for _ in 0..3 {
        limiter.acquire_for("", 1, far()).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::from_millis(100), "nobody else waited");
    assert_eq!(fleet.source(), Source::Local);
    store.answers(Answers::AtOnce);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(pass(&limiter, "", 20).await, 6, "four passed here, and none is counted twice");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_is_given_back_and_what_costs_more_is_owed() {
    let store = Store::new();
    let fleet = member(&store).await;
    let limiter = Limiter::shared(&fleet, "api", None, options(10, MINUTE, None)).unwrap();
    limiter.acquire_for("", 4, far()).await.unwrap().give_back();
    let reserved = limiter.reserve("", 5, Default::default(), far()).await.unwrap();
    reserved.settle(8);
    assert_eq!(pass(&limiter, "", 20).await, 2);
    store.answers(Answers::Refuses);
    sleep(MINUTE * 2).await;
    limiter.acquire_for("", 4, far()).await.unwrap().give_back();
    let reserved = limiter.reserve("", 5, Default::default(), far()).await.unwrap();
    reserved.settle(3);
    store.answers(Answers::AtOnce);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(pass(&limiter, "", 20).await, 7);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_while_it_is_asked_takes_nothing() {
    let store = Store::new();
    let fleet = member(&store).await;
    let limiter = Limiter::shared(&fleet, "api", None, options(10, MINUTE, None)).unwrap();
    store.answers(Answers::Late(50));
    for _ in 0..5 {
        let asked = limiter.acquire_for("", 1, far());
        assert!(tokio::time::timeout(Duration::from_millis(10), asked).await.is_err());
    }
    sleep(Duration::from_millis(200)).await;
    store.answers(Answers::AtOnce);
    assert_eq!(pass(&limiter, "", 20).await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_asks_once_for_each_call_and_its_hedges_have_no_time_to() {
    let store = Store::new();
    let fleet = member(&store).await;
    let limiter = Limiter::shared(&fleet, "api", None, options(3, MINUTE, None)).unwrap();
    let pipeline = Pipeline::builder("p")
        .shared_limits(vec![limiter.clone()])
        .effects(crate::Effects::Repeatable)
        .hedge(crate::hedge::Options {
            delay: crate::hedge::Delay::Fixed(Duration::from_millis(10)),
            ..Default::default()
        })
        .deadline(Duration::from_secs(5))
        .build()
        .unwrap();
    let before = store.asked.load(Ordering::Relaxed);
    for _ in 0..3 {
        let slow = async |_| {
            sleep(Duration::from_millis(50)).await;
            Ok::<_, std::io::Error>(())
        };
        pipeline.run(slow).await.unwrap();
    }
    assert_eq!(store.asked.load(Ordering::Relaxed) - before, 3);
    let refused = pipeline.run(async |_| Ok::<_, std::io::Error>(())).await.unwrap_err();
    assert!(matches!(refused, crate::Error::Rejected(refused) if refused.code == Code::RateLimited));
    let refused = limiter.try_acquire().unwrap_err();
    assert_eq!(refused.code, Code::RateLimited);
    // One that only reports is not asked.
    let shadow = Pipeline::builder("s").shared_limits(vec![limiter]).shadow(crate::pipeline::Shadow::LIMITER);
    shadow.build().unwrap().run(async |_| Ok::<_, std::io::Error>(())).await.unwrap();
    assert_eq!(store.asked.load(Ordering::Relaxed) - before, 4);
}

#[tokio::test(start_paused = true)]
async fn other_options_keep_what_was_used_and_what_cannot_be_shared_is_refused() {
    let store = Store::new();
    let fleet = member(&store).await;
    let limiter = Limiter::shared(&fleet, "api", None, options(10, MINUTE, None)).unwrap();
    assert_eq!(pass(&limiter, "", 6).await, 6);
    limiter.update(options(8, MINUTE, None)).unwrap();
    assert_eq!(pass(&limiter, "", 6).await, 2);
    let adaptive = limiter::Options { adaptive: Some(Default::default()), ..options(8, MINUTE, None) };
    assert_eq!(limiter.update(adaptive.clone()).unwrap_err().key, "adaptive");
    assert_eq!(Limiter::shared(&fleet, "b", None, adaptive).unwrap_err().key, "adaptive");
    let short = Options { beat: Duration::from_millis(1), ..Options::default() };
    assert_eq!(Fleet::join(store, "test", short).await.unwrap_err().key, "beat");
}

#[test]
fn outside_of_a_runtime_nobody_joins() {
    struct Idle;
    impl std::task::Wake for Idle {
        fn wake(self: Arc<Self>) {}
    }
    let store = Arc::new(Memory::new());
    let mut joined = Box::pin(Fleet::join(store, "test", Options::default()));
    let waker = Arc::new(Idle).into();
    let polled = joined.as_mut().poll(&mut std::task::Context::from_waker(&waker));
    assert!(matches!(polled, std::task::Poll::Ready(Err(Invalid { key: "fleet", .. }))));
}
