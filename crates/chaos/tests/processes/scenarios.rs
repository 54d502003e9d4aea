//! The scenarios everybody asks about, by name: each with worker processes, a ledger process and a store that is real.

use std::time::Duration;

use seawall_chaos::driver::{Cut, Proxy};
use seawall_chaos::words::{How, Job, Order, Said, Trouble, What};

use crate::world::{Worker, World, at_last, entry, letter, order};

const HOUR: u64 = 3_600_000;

fn is_doubt(how: &How) -> bool {
    matches!(how, How::InDoubt { quarantined: false, .. })
}

/// Gives the same wish to all of them at once, and waits for every answer.
async fn race(world: &mut World, workers: &mut [Worker], like: impl Fn(Job) -> Job, what: What) -> Vec<How> {
    let jobs: Vec<Job> = workers.iter().map(|_| like(world.wish(what))).collect();
    for (worker, job) in workers.iter().zip(&jobs) {
        worker.tell(Order::Do(*job));
    }
    let mut answers = Vec::new();
    for (worker, job) in workers.iter_mut().zip(&jobs) {
        answers.push(worker.answer(job.n).await);
    }
    answers
}

/// Runs of its own, and answers of others' runs.
fn ran(answers: &[How]) -> usize {
    answers.iter().filter(|how| matches!(how, How::Ok { replayed: false, .. })).count()
}

#[tokio::test]
async fn store_killed_mid_retry() {
    let Some(mut world) = World::redis().await else { return };
    let mut worker = world.worker().await;
    // The first attempt provably did not happen, and the store dies before the second.
    let first = Job { trouble: Trouble::NotSent(0), ..world.wish(letter(1)) };
    assert_eq!(worker.does(first).await, How::NotApplied { run: first.n });
    world.server().kill().await.unwrap();
    let retry = world.wish(letter(1));
    assert_eq!(worker.does(retry).await, How::Unavailable, "nothing is begun without the store");
    assert_eq!(world.times(letter(1)), 0);
    world.server().again().await.unwrap();
    let retried = at_last(&mut world, &mut worker, letter(1)).await;
    assert!(matches!(retried, How::Ok { replayed: false, .. }), "{retried:?}");
    assert_eq!(world.times(letter(1)), 1);

    // It dies in the middle of an attempt: whoever called has its result all the same, and the store is told later.
    let slow = Job { trouble: Trouble::Slow(150), ..world.wish(letter(2)) };
    worker.tell(Order::Do(slow));
    worker.runs(slow.n).await;
    world.server().kill().await.unwrap();
    let told = worker.answer(slow.n).await;
    assert!(matches!(told, How::Ok { kept: false, replayed: false, .. }), "{told:?}");
    world.server().again().await.unwrap();
    worker.says_all().await;
    let mut other = world.worker().await;
    let replayed = other.does(world.wish(letter(2))).await;
    assert_eq!(entry(&replayed), entry(&told));
    assert_eq!(world.times(letter(2)), 1);
}

#[tokio::test]
async fn two_workers_racing() {
    let Some(mut world) = World::redis().await else { return };
    let mut workers = world.workers(2).await;
    for round in 0..30 {
        let answers = race(&mut world, &mut workers, |job| job, letter(round)).await;
        assert_eq!(ran(&answers), 1, "{answers:?}");
        let other = answers.iter().find(|how| !matches!(how, How::Ok { replayed: false, .. })).unwrap();
        assert!(matches!(other, How::InFlight | How::Ok { replayed: true, .. }), "{other:?}");
        assert_eq!(world.times(letter(round)), 1);
    }
}

#[tokio::test]
async fn network_failure_during_the_effect() {
    for redis in [true, false] {
        let mut world = match redis {
            true => match World::redis().await {
                Some(world) => world,
                None => continue,
            },
            false => World::sqlite().await,
        };
        let cable = Proxy::to(world.ledger.address()).await.unwrap();
        let far = cable.address().to_string();
        let mut worker = world.worker_with(&["--ledger".to_owned(), far.clone()], &[]).await;
        for what in [letter(1), order(1)] {
            let job = Job { trouble: Trouble::Slow(100), ..world.wish(what) };
            worker.tell(Order::Do(job));
            worker.runs(job.n).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            cable.cut(Cut::Both);
            assert_eq!(worker.answer(job.n).await, How::Unknown);
            let again = worker.does(world.wish(what)).await;
            assert!(is_doubt(&again), "nobody runs it again: {again:?}");
        }
        world.ledger.drained().await.unwrap();
        // What can be asked about is found out; what cannot stays in doubt.
        assert_eq!(worker.reconciles().await, 1);
        assert!(matches!(worker.does(world.wish(order(1))).await, How::Ok { replayed: true, .. }));
        assert!(is_doubt(&worker.does(world.wish(letter(1))).await));
        assert_eq!((world.times(letter(1)), world.times(order(1))), (1, 1));
        // A line that cannot be had at all is another thing: nothing was sent, and the key is free.
        drop(cable);
        tokio::time::sleep(Duration::from_millis(50)).await;
        worker.kill().await;
        let mut cut_off = world.worker_with(&["--ledger".to_owned(), far.clone()], &[]).await;
        let job = world.wish(letter(2));
        assert_eq!(cut_off.does(job).await, How::NotApplied { run: job.n });
        cut_off.kill().await;
        let mut worker = world.worker().await;
        assert!(matches!(worker.does(world.wish(letter(2))).await, How::Ok { replayed: false, .. }));
    }
}

#[tokio::test]
async fn ten_worker_storm() {
    let Some(mut world) = World::redis().await else { return };
    let mut workers = world.workers(10).await;
    let patient = |job| Job { wait: 20_000, trouble: Trouble::Slow(150), ..job };
    let mut jobs = Vec::new();
    for turn in 0..200 {
        let job = patient(world.wish(letter(1)));
        workers[turn % 10].tell(Order::Do(job));
        jobs.push((turn % 10, job.n));
    }
    let mut answers = Vec::new();
    for (place, n) in jobs {
        answers.push(workers[place].answer(n).await);
    }
    let entries: Vec<u64> = answers.iter().map(entry).collect();
    assert!(entries.iter().all(|one| *one == entries[0]), "all have the result of the one that ran");
    assert_eq!(ran(&answers), 1);
    assert_eq!(world.times(letter(1)), 1);
}

#[tokio::test]
async fn five_way_reservation_race() {
    let Some(mut world) = World::redis().await else { return };
    let mut workers = world.workers(5).await;
    for round in 0..10 {
        let reserve = |job| Job { ticket: true, trouble: Trouble::Slow(120), ..job };
        let answers = race(&mut world, &mut workers, reserve, letter(round)).await;
        // One has the ticket; on a busy machine somebody may come only when it is over.
        assert_eq!(ran(&answers), 1, "{answers:?}");
        let others = |how: &&How| matches!(how, How::InFlight | How::Ok { replayed: true, .. });
        assert_eq!(answers.iter().filter(others).count(), 4, "{answers:?}");
        assert_eq!(world.times(letter(round)), 1);
    }
}

#[tokio::test]
async fn three_way_check_and_execute_race() {
    let Some(mut world) = World::redis().await else { return };
    let mut workers = world.workers(3).await;
    for round in 0..10 {
        let slow = |job| Job { trouble: Trouble::Slow(120), ..job };
        let first = race(&mut world, &mut workers, slow, letter(round)).await;
        assert_eq!(ran(&first), 1, "{first:?}");
        let told = |how: &&How| matches!(how, How::InFlight | How::Ok { .. });
        assert_eq!(first.iter().filter(told).count(), 3, "{first:?}");
        // Whoever checks again has the result.
        let second = race(&mut world, &mut workers, slow, letter(round)).await;
        let done = first.iter().find(|how| matches!(how, How::Ok { replayed: false, .. })).unwrap();
        assert!(second.iter().all(|how| entry(how) == entry(done)));
        assert_eq!(world.times(letter(round)), 1);
    }
}

/// Records live 72 h. Workers whose stores are days ahead come in the middle of a race, saying honestly how old their
/// wish is.
#[tokio::test]
async fn ttl_race() {
    let Some(mut world) = World::redis().await else { return };
    let mut owner = world.worker().await;
    let done = owner.does(world.wish(letter(1))).await;
    let ages = [72 * HOUR - 1000, 72 * HOUR - 1, 72 * HOUR + 5000, 72 * HOUR + 60_000, 200 * HOUR];
    let mut late = Vec::new();
    for age in ages {
        late.push(world.worker_with(&["--ahead".to_owned(), age.to_string()], &[]).await);
    }
    for _ in 0..5 {
        let mut given = Vec::new();
        for (worker, age) in late.iter().zip(ages) {
            let job = Job { age: Some(age), ..world.wish(letter(1)) };
            worker.tell(Order::Do(job));
            given.push(job.n);
        }
        for (worker, n) in late.iter_mut().zip(given) {
            match worker.answer(n).await {
                How::Expired => {}
                replayed => assert_eq!(entry(&replayed), entry(&done)),
            }
        }
    }
    assert_eq!(world.times(letter(1)), 1, "nobody ran it again");

    // What is under way has no end to its life, however late it gets.
    let slow = Job { trouble: Trouble::Slow(150), ..world.wish(letter(2)) };
    owner.tell(Order::Do(slow));
    owner.runs(slow.n).await;
    let job = Job { age: Some(200 * HOUR), ..world.wish(letter(2)) };
    let asked = late[4].does(job).await;
    assert!(is_doubt(&asked) || matches!(asked, How::Ok { .. }), "{asked:?}");
    // Its owner may still say how it ended.
    let ended = owner.answer(slow.n).await;
    let replayed = late[4].does(Job { n: world.wish(letter(2)).n, ..job }).await;
    assert_eq!(entry(&replayed), entry(&ended));
    assert_eq!(world.times(letter(2)), 1);
}

/// Runs, runs that took place, replays, wishes without an answer.
async fn counted(worker: &mut Worker) -> [u64; 4] {
    worker.tell(Order::Stats);
    let pick = |said: &Said| match said {
        Said::Counted { runs, applied, replays, unanswered, .. } => {
            Some([*runs, *applied, *replays, *unanswered])
        }
        _ => None,
    };
    worker.hears("what it counted", pick).await
}

async fn sum(workers: &mut [Worker]) -> [u64; 4] {
    let mut all = [0; 4];
    for worker in workers {
        let counted = counted(worker).await;
        all.iter_mut().zip(counted).for_each(|(sum, count)| *sum += count);
    }
    all
}

#[tokio::test]
async fn metrics_under_twenty_workers() {
    let Some(mut world) = World::redis().await else { return };
    let mut workers = world.workers(20).await;
    let effects = 15;
    for id in 0..effects {
        let patient = |job| Job { wait: 20_000, ..job };
        let answers = race(&mut world, &mut workers, patient, letter(id)).await;
        assert_eq!(ran(&answers), 1, "{answers:?}");
    }
    // Every wish was counted once, by whoever was asked.
    assert_eq!(sum(&mut workers).await, [effects, effects, 19 * effects, 0]);
}

#[tokio::test]
async fn metrics_through_a_store_hiccup() {
    let Some(mut world) = World::redis().await else { return };
    let mut workers = world.workers(4).await;
    let plain = |job| Job { wait: 20_000, ..job };
    for id in 0..5 {
        race(&mut world, &mut workers, plain, letter(id)).await;
    }
    world.server().kill().await.unwrap();
    for id in 5..8 {
        let answers = race(&mut world, &mut workers, plain, letter(id)).await;
        assert!(answers.iter().all(|how| *how == How::Unavailable), "{answers:?}");
    }
    world.server().again().await.unwrap();
    for worker in &mut workers {
        at_last(&mut world, worker, letter(0)).await;
    }
    let [runs, applied, replays, unanswered] = sum(&mut workers).await;
    assert_eq!((runs, applied), (5, 5), "what was counted before is still counted");
    assert!(replays >= 15 + 4, "{replays}");
    assert!(unanswered >= 12, "{unanswered}");
    for id in 5..10 {
        race(&mut world, &mut workers, plain, letter(id)).await;
        assert_eq!(world.times(letter(id)), 1);
    }
    let after = sum(&mut workers).await;
    assert_eq!(after, [runs + 5, applied + 5, replays + 15, unanswered], "and so is what comes after");
}
