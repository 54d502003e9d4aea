//! What a fleet shares on a server.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::future::join_all;
use seawall_core::effect::Stamp;
use seawall_core::fleet::{Fleet, Member, Moment, breaker, lease, limit, presence};
use seawall_core::store::StoreError;
use seawall_core::units::Rate;
use seawall_policy::breaker::Options;
use seawall_policy::fleet::breaker::{rules as rules_of, step};
use seawall_store::conformance;
use seawall_store::redis::Redis;
use seawall_store::time::Time;

use crate::server::{NOTHING, server};
use crate::{careless, open};

/// Far ahead of the server's own time, so that it ends nothing before the walk's clock does.
const FAR: Stamp = Stamp(4_000_000_000_000);

fn of(count: u32, per: Duration, burst: Option<u32>) -> limit::Of {
    let rate = Rate { count: NonZeroU32::new(count).expect("above zero"), per };
    limit::Of { name: "api".into(), key: 0, rate, burst: burst.and_then(NonZeroU32::new) }
}

#[tokio::test]
async fn what_a_fleet_shares_conforms() {
    let Some(server) = server(NOTHING).await else { return };
    let time = Time::manual(FAR);
    let store = Redis::open_at(&server.url(), careless(), time.clone()).await.expect("it opens").store;
    let walked = conformance::fleet::walk(&store, &time, 7, 20_000).await;
    assert!(walked.every_answer_was_given(), "{walked:?}");
}

#[tokio::test]
async fn breakers_conform() {
    let Some(server) = server(NOTHING).await else { return };
    let mut happened = false;
    for seed in 0..4 {
        server.tell(&["FLUSHALL"]);
        let time = Time::manual(FAR);
        let store = Redis::open_at(&server.url(), careless(), time.clone()).await.expect("it opens").store;
        let walked = conformance::breakers::walk(&store, &time, seed, 8000).await;
        happened |= walked.everything_happened();
    }
    assert!(happened);
}

#[tokio::test]
async fn a_clock_that_is_set_back_is_met_as_the_step_meets_it() {
    let Some(server) = server(NOTHING).await else { return };
    let rules = rules();
    let (mut held, mut epoch, mut failures, mut opened) = (None, 0, Vec::new(), 0);
    for (turn, back) in [0, 0, 90_000, 90_000, 90_000, 3_600_000, 3_600_000].into_iter().enumerate() {
        let now = Stamp(FAR.0 + turn as u64 * 10 - back);
        let store =
            Redis::open_at(&server.url(), careless(), Time::manual(now)).await.expect("it opens").store;
        for ask in [report(epoch), breaker::Ask::Probe] {
            let (kept, expected) =
                step(held.as_deref(), &rules, &ask, Moment(now.0 * 1000)).expect("our own");
            let said = store.breaker(&"api".into(), &rules, ask).await.expect("the store answers");
            assert_eq!(said, expected, "turn {turn}");
            (held, epoch) = (kept.map(|kept| kept.bytes), said.standing.epoch);
            opened = said.standing.opened;
        }
        failures
            .push(store.breaker(&"api".into(), &rules, look()).await.expect("it answers").standing.failures);
    }
    // What failed at a time to come is forgotten; what fails from then on opens it.
    assert_eq!((failures, opened), (vec![1, 2, 1, 2, 3, 0, 0], 1));
}

fn look() -> breaker::Ask {
    breaker::Ask::Report(breaker::Report::default())
}

#[tokio::test]
async fn a_damaged_breaker_is_refused_and_not_overwritten() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    let (rules, name) = (rules(), "api".into());
    store.breaker(&name, &rules, report(0)).await.unwrap();
    let keys: Vec<String> = server.says(&["KEYS", "*:b:*"]).unwrap();
    let whole: Vec<u8> = server.says(&["GET", &keys[0]]).unwrap();
    let mut damaged =
        vec![Vec::new(), vec![1], whole[..whole.len() - 1].to_vec(), [&whole[..], b"x"].concat()];
    // Its layout, where it stands, how long a slot is, how many probes are under way, how long its words are.
    for (place, byte) in
        [(0, 2), (1, b'?'), (74, 0xff), (81, 0), (80, 0), (210, 0xff), (211, 9), (213, 1), (215, 7)]
    {
        let mut bytes = whole.clone();
        bytes[place] = byte;
        damaged.push(bytes);
    }
    for bytes in damaged {
        let mut set = redis::cmd("SET");
        set.arg(&keys[0]).arg(&bytes);
        server.asks(&set);
        let said = store.breaker(&name, &rules, report(0)).await;
        let read = step(Some(&bytes), &rules, &report(0), Moment(FAR.0 * 1000)).is_ok();
        assert_eq!(said.is_ok(), read, "{said:?}: {bytes:?}");
        if !read {
            assert!(matches!(said, Err(StoreError::Unreadable(_))), "{said:?}");
            let held: Vec<u8> = server.says(&["GET", &keys[0]]).unwrap();
            assert_eq!(held, bytes);
        }
    }
}

fn rules() -> breaker::Rules {
    rules_of(&Options { consecutive: 0, failures: 3, min_calls: 0, ..Options::default() }).expect("a time")
}

/// A call that failed.
fn report(epoch: u64) -> breaker::Ask {
    let counts = vec![breaker::Counts { calls: 1, failures: 1, ..Default::default() }];
    breaker::Ask::Report(breaker::Report { epoch, counts, first: 1, last: 0, worked: false })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_their_own_keep_one_limit_together() {
    let Some(server) = server(NOTHING).await else { return };
    let stores = join_all((0..4).map(|_| async { open(&server.url(), careless()).await })).await;
    for burst in [None, Some(7)] {
        let of = of(60, Duration::from_millis(100), burst);
        let takers = stores.iter().map(|store| conformance::fleet::take_all(store, &of, 600));
        let granted: Vec<_> = join_all(takers).await.concat();
        assert!(granted.len() >= burst.unwrap_or(60) as usize, "{}", granted.len());
        conformance::fleet::within(&of, granted);
    }
}

#[tokio::test]
async fn what_is_over_leaves_the_server() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    let name = "a".into();
    for burst in [None, Some(1)] {
        let take = limit::Ask::Take { n: 1, owed: 0 };
        store.limit(&of(10, Duration::from_millis(40), burst), take).await.unwrap();
    }
    store.presence(&name, presence::Ask::Here(Member(1), Duration::from_millis(40))).await.unwrap();
    let ask = lease::Ask::Acquire { holder: Member(1), span: Duration::from_millis(40) };
    store.lease(&name, ask).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let left: Vec<String> = server.says(&["KEYS", "*}:[lmk]:*"]).unwrap();
    assert_eq!(left.len(), 1, "the name is remembered for a day: {left:?}");
    let ends: i64 = server.says(&["PTTL", &left[0]]).unwrap();
    assert!((86_000_000..=86_400_000).contains(&ends), "{ends}");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_not_overwritten() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    let of = of(10, Duration::from_secs(10), None);
    let take = || store.limit(&of, limit::Ask::Take { n: 1, owed: 0 });
    take().await.unwrap();
    let keys: Vec<String> = server.says(&["KEYS", "*:l:*"]).unwrap();
    for damaged in ["w", "bbbbbbbbbbbbbbbbb", "xx"] {
        server.tell(&["SET", &keys[0], damaged]);
        assert!(matches!(take().await, Err(StoreError::Unreadable(_))));
        let held: String = server.says(&["GET", &keys[0]]).unwrap();
        assert_eq!(held, damaged);
    }
    server.tell(&["DEL", &keys[0]]);
    server.tell(&["LPUSH", &keys[0], "a list"]);
    assert!(matches!(take().await, Err(StoreError::Unreadable(_))));
}

#[tokio::test]
async fn small_things_stay_small() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    for (burst, most) in [(None, 250), (Some(9), 150)] {
        server.tell(&["FLUSHALL"]);
        store
            .limit(&of(10, Duration::from_secs(10), burst), limit::Ask::Take { n: 1, owed: 0 })
            .await
            .unwrap();
        let keys: Vec<String> = server.says(&["KEYS", "*:l:*"]).unwrap();
        let bytes: i64 = server.says(&["MEMORY", "USAGE", &keys[0]]).unwrap();
        assert!(bytes <= most, "{bytes}");
    }
}
