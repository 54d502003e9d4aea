//! Workers that share what they remember of jobs: each with a store of its own on the same file, as processes have.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::clock::ManualClock;
use seawall_jobs::Memory;
use seawall_jobs::retry::{Block, Lever, Next, Options, Retrier};
use seawall_policy::breaker::State;
use seawall_store::conformance;
use seawall_store::sqlite::Cells;

fn worker(dir: &Path, clock: &ManualClock) -> Retrier {
    let cells = Cells::open(dir).expect("the file opens");
    let options = Options { attempts: 3, ..Options::default() };
    let builder = Retrier::builder().state(Arc::new(cells)).clock(Arc::new(clock.clone()));
    builder.options(options).build().expect("good options")
}

async fn fail(worker: &Retrier, id: &str) -> Next {
    worker.begin("import", id).await.expect("it may be attempted").failed("no answer", true).await
}

#[tokio::test]
async fn ten_failures_anywhere_open_the_breaker_for_everybody_and_after_a_restart() {
    let (dir, clock) = (tempfile::tempdir().expect("a directory"), ManualClock::new());
    let workers: Vec<_> = (0..3).map(|_| worker(dir.path(), &clock)).collect();
    for n in 0..10 {
        assert!(matches!(fail(&workers[n % 3], &n.to_string()).await, Next::Again(_)));
    }
    for worker in &workers {
        let blocked = worker.begin("import", "fresh").await.expect_err("it is open");
        assert_eq!(blocked.reason, Block::BreakerOpen);
        assert!(worker.begin("export", "other").await.is_ok(), "another type has a breaker of its own");
    }
    drop(workers);
    let again = worker(dir.path(), &clock);
    assert_eq!(again.breaker("import").await.expect("it answers").state, State::Open);
    let state = again.override_breaker("import", Lever::Reset, "ann", "the disk has room again").await;
    assert_eq!(state, Ok(State::Closed));
    let standing = worker(dir.path(), &clock).breaker("import").await.expect("it answers");
    assert_eq!(standing.lever.expect("somebody did").by, "ann");
}

#[tokio::test]
async fn attempts_and_cooldowns_are_one_count_for_all_workers() {
    let (dir, clock) = (tempfile::tempdir().expect("a directory"), ManualClock::new());
    let workers: Vec<_> = (0..2).map(|_| worker(dir.path(), &clock)).collect();
    assert_eq!(fail(&workers[0], "7").await, Next::Again(Duration::from_secs(60)));
    let blocked = workers[1].begin("import", "7").await.expect_err("it cools down");
    assert_eq!(blocked.reason, Block::CoolingDown);
    clock.advance(Duration::from_secs(61));
    assert_eq!(fail(&workers[1], "7").await, Next::Again(Duration::from_secs(120)));
    clock.advance(Duration::from_secs(121));
    assert_eq!(fail(&workers[0], "7").await, Next::Over(Block::AttemptsSpent));
    clock.advance(Duration::from_secs(3600));
    drop(workers);
    let blocked = worker(dir.path(), &clock).begin("import", "7").await.expect_err("it is over");
    assert_eq!(blocked.reason, Block::AttemptsSpent);
}

#[tokio::test]
async fn the_memory_of_one_process_conforms_too() {
    for seed in 0..3 {
        conformance::jobs::walk(&Memory::new(), seed, 4000).await;
    }
}
