//! Jobs that fail, attempted by workers in several processes that share what a server remembers of them.

use seawall_chaos::words::{Attempted, Order, Said};

use crate::world::{Worker, World};

/// Failures that open the breaker of a type.
const FAILURES: usize = 10;
const WORKERS: usize = 5;

/// What became of attempts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Made {
    worked: usize,
    failed: usize,
    blocked: usize,
}

/// The world, its workers, and the number of the next job.
struct Storm {
    world: World,
    workers: Vec<Worker>,
    next: u64,
}

impl Storm {
    async fn new() -> Option<Self> {
        let world = World::redis().await?;
        let workers = world.workers(WORKERS).await;
        Some(Self { world, workers, next: 0 })
    }

    /// Every worker attempts a new job, all at once, so many times one after the other.
    async fn rounds(&mut self, rounds: usize, works: bool) -> Made {
        let mut made = Made::default();
        for _ in 0..rounds {
            let first = self.next;
            for worker in &self.workers {
                worker.tell(Order::Attempt { id: self.next, works });
                self.next += 1;
            }
            for (id, worker) in (first..).zip(&mut self.workers) {
                let pick = |said: &Said| match said {
                    Said::Attempted { id: of, how } if *of == id => Some(how.clone()),
                    _ => None,
                };
                match worker.hears("what became of its attempt", pick).await {
                    Attempted::Worked => made.worked += 1,
                    Attempted::Failed => made.failed += 1,
                    Attempted::Blocked(_) => made.blocked += 1,
                }
            }
        }
        made
    }

    /// The state of the breaker as that worker sees it, and what it counted: attempts, blocks by the breaker, blocks
    /// because nothing could be read.
    async fn hour(&mut self, place: usize) -> (Option<String>, [u64; 3]) {
        self.workers[place].tell(Order::Hour);
        let pick = |said: &Said| match said {
            Said::Hour { breaker, attempts, blocked, unavailable, .. } => {
                Some((breaker.clone(), [*attempts, *blocked, *unavailable]))
            }
            _ => None,
        };
        self.workers[place].hears("how jobs are", pick).await
    }

    /// Everybody sees the breaker so.
    async fn stands(&mut self, state: &str) {
        for place in 0..WORKERS {
            assert_eq!(self.hour(place).await.0.as_deref(), Some(state), "worker {place}");
        }
    }
}

/// A storm of failures, until the breaker is open; nobody knew before that nothing works.
async fn opened() -> Option<Storm> {
    let mut storm = Storm::new().await?;
    storm.stands("closed").await;
    let made = storm.rounds(6, false).await;
    // Those that were under way when the tenth failed are made, too.
    assert!((FAILURES..FAILURES + WORKERS).contains(&made.failed), "{made:?}");
    assert_eq!(made.failed + made.blocked, 6 * WORKERS, "{made:?}");
    storm.stands("open").await;
    Some(storm)
}

#[tokio::test]
async fn breaker_opening_under_storm() {
    let Some(mut storm) = opened().await else { return };
    // Open for everybody, and for somebody who was not even there.
    assert_eq!(storm.rounds(2, true).await, Made { blocked: 2 * WORKERS, ..Made::default() });
    storm.workers[0] = storm.world.worker().await;
    assert_eq!(storm.rounds(1, true).await, Made { blocked: WORKERS, ..Made::default() });
}

#[tokio::test]
async fn override_to_half_open() {
    let Some(mut storm) = opened().await else { return };
    storm.workers[0].tell(Order::HalfOpen);
    loop {
        if storm.hour(0).await.0.as_deref() == Some("half-open") {
            break;
        }
    }
    storm.stands("half-open").await;
    // One may probe, whoever comes first; it fails, and the breaker is open again.
    let probed = storm.rounds(1, false).await;
    assert_eq!((probed.failed, probed.blocked), (1, WORKERS - 1), "{probed:?}");
    storm.stands("open").await;
    assert_eq!(storm.rounds(1, true).await.blocked, WORKERS);
}

#[tokio::test]
async fn closing_on_success() {
    let Some(mut storm) = opened().await else { return };
    storm.workers[1].tell(Order::HalfOpen);
    loop {
        if storm.hour(1).await.0.as_deref() == Some("half-open") {
            break;
        }
    }
    let probed = storm.rounds(1, true).await;
    // Who comes when the probe has worked already is let through as well.
    assert!(probed.worked >= 1 && probed.failed == 0, "{probed:?}");
    storm.stands("closed").await;
    assert_eq!(storm.rounds(2, true).await, Made { worked: 2 * WORKERS, ..Made::default() });
}

#[tokio::test]
async fn metrics_of_jobs_through_a_store_hiccup() {
    let Some(mut storm) = Storm::new().await else { return };
    assert_eq!(storm.rounds(2, true).await.worked, 2 * WORKERS);
    storm.world.server().kill().await.unwrap();
    let made = storm.rounds(2, true).await;
    assert_eq!(
        made,
        Made { blocked: 2 * WORKERS, ..Made::default() },
        "nothing is attempted that nobody would know of"
    );
    for place in 0..WORKERS {
        assert_eq!(storm.hour(place).await, (None, [2, 0, 2]), "each is counted with its reason");
    }
    storm.world.server().again().await.unwrap();
    for place in 0..WORKERS {
        while storm.hour(place).await.0.is_none() {}
    }
    assert_eq!(storm.rounds(2, true).await.worked, 2 * WORKERS);
    for place in 0..WORKERS {
        assert_eq!(storm.hour(place).await.1, [4, 0, 2], "and what was counted is still there");
    }
}
