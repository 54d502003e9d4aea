//! Who fetches, who waits, and what becomes of those who wait when the other is lost.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use super::*;

/// Polls a future `times` times, or to its end.
async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Law: dropping the leader at any poll never strands a waiter, and two never fetch one key at once.
#[tokio::test(start_paused = true)]
async fn a_leader_dropped_at_any_poll_never_strands_a_waiter() {
    const STEPS: usize = 6;
    for dropped_at in 0..=STEPS + 2 {
        for second_dropped_at in [None, Some(dropped_at / 2), Some(STEPS)] {
            let cache = cache(options(60, 0, 0));
            let (fetching, runs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let operation = || {
                let (fetching, runs) = (fetching.clone(), runs.clone());
                move || async move {
                    assert_eq!(fetching.fetch_add(1, Ordering::SeqCst), 0, "two fetch at once");
                    let _counted = Counted(fetching);
                    for _ in 0..STEPS {
                        tokio::task::yield_now().await;
                    }
                    Ok::<u32, Failed>(u32::try_from(runs.fetch_add(1, Ordering::SeqCst)).unwrap())
                }
            };
            let ask = |polls: Option<usize>| {
                let (cache, operation) = (cache.clone(), operation());
                tokio::spawn(async move {
                    let call = cache.get_or_run(1, later(&cache, 9), operation);
                    match polls {
                        Some(polls) => polled(call, polls).await.map(|served| served.unwrap().value),
                        None => Some(call.await.unwrap().value),
                    }
                })
            };
            let calls = [Some(dropped_at), second_dropped_at, None, None].map(ask);
            let mut served = Vec::new();
            for call in calls {
                served.push(call.await.unwrap());
            }
            assert!(served[2].is_some() && served[2] == served[3], "{dropped_at}: {served:?}");
            assert_eq!(runs.load(Ordering::SeqCst), 1, "{dropped_at}: it came once");
            assert_eq!((cache.stats().flights, cache.stats().entries), (0, 1), "{dropped_at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn when_everybody_has_gone_away_nothing_is_left_behind() {
    let cache = cache(options(60, 0, 0));
    for leader_first in [true, false] {
        let Turn::Lead(lead) = cache.enter(&1) else { panic!("nobody else asks") };
        let lines: Vec<_> = (0..3)
            .map(|_| {
                let Turn::Wait(waiting) = cache.enter(&1) else { panic!("somebody leads") };
                tokio::spawn(async move { _ = waiting.landing().await })
            })
            .collect();
        tokio::task::yield_now().await;
        let lead = if leader_first {
            drop(lead);
            None
        } else {
            Some(lead)
        };
        lines.iter().for_each(tokio::task::JoinHandle::abort);
        for line in lines {
            _ = line.await;
        }
        drop(lead);
        assert_eq!(cache.stats().flights, 0, "leader first: {leader_first}");
    }
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_panics_hands_over() {
    let cache = cache(options(60, 0, 0));
    let leader = tokio::spawn({
        let cache = cache.clone();
        async move {
            let operation = || async {
                tokio::time::sleep(secs(1)).await;
                assert!(Cell::new(false).get(), "a bug in the operation");
                Ok::<u32, Failed>(0)
            };
            cache.get_or_run(1, later(&cache, 9), operation).await
        }
    });
    tokio::task::yield_now().await;
    let next = cache.get_or_run(1, later(&cache, 9), counted(&Arc::default())).await.unwrap();
    assert_eq!(next.source, Source::Miss);
    assert!(leader.await.unwrap_err().is_panic());
}

#[test]
fn racing_threads_never_fetch_one_key_twice_at_once_and_nobody_is_stranded() {
    const KEYS: u32 = 3;
    let cache = cache(Options { ttl: Duration::from_micros(50), ..Options::default() });
    let fetching: Arc<Vec<AtomicUsize>> = Arc::new((0..KEYS).map(|_| AtomicUsize::new(0)).collect());
    std::thread::scope(|threads| {
        for seed in 0..4_u64 {
            let (cache, fetching) = (cache.clone(), fetching.clone());
            threads.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    let dice = seawall_core::random::Random::seeded(seed);
                    for round in 0..3000_u32 {
                        let key = round % KEYS;
                        let fetching = fetching.clone();
                        let (steps, ends) = ((dice.unit() * 4.0) as usize, dice.unit());
                        let operation = move || async move {
                            assert_eq!(fetching[key as usize].fetch_add(1, Ordering::SeqCst), 0);
                            let counted = fetching;
                            let _left = Left(&counted[key as usize]);
                            for _ in 0..steps {
                                tokio::task::yield_now().await;
                            }
                            if ends < 0.2 { Err(Error::Inner("down")) } else { Ok(key) }
                        };
                        let call = cache.get_or_run(key, later(&cache, 30), operation);
                        if dice.unit() < 0.3 {
                            polled(call, (dice.unit() * 5.0) as usize).await;
                        } else if let Err(error) = call.await {
                            assert_eq!(error, Error::Inner("down"), "nobody waits in vain");
                        }
                    }
                });
            });
        }
    });
    assert_eq!(cache.stats().flights, 0);
}

struct Left<'a>(&'a AtomicUsize);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
