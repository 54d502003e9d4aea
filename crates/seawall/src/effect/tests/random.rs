//! Any schedule of faults: what holds, holds.

use fastrand::Rng;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert, proptest};

use super::*;

#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Worker, how its run ends, whether its caller goes away.
    Run(u8, u8, bool),
    Wait(u32),
    Reconcile(u8),
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = (0u8..6, any::<u8>(), any::<u8>(), any::<bool>(), 0u32..200).prop_map(
        |(which, worker, how, dropped, seconds)| match which {
            0..=3 => Turn::Run(worker % 3, how % 7, dropped && how % 3 == 0),
            4 => Turn::Wait(seconds),
            _ => Turn::Reconcile(worker % 3),
        },
    );
    prop::collection::vec(turn, 1..12)
}

/// A line on which a share of the questions, in percent, goes wrong.
fn noisy(store: &Arc<dyn Store>, seed: u64, percent: u8) -> Arc<Line> {
    let mut rng = Rng::with_seed(seed);
    Line::planned(store, move |_| {
        if rng.u8(..100) >= percent {
            return Fault::Fine;
        }
        // What hangs on the keeper's thread takes real time.
        let keeper = std::thread::current().name() == Some("effect-keeper");
        match rng.u8(..if keeper { 3 } else { 4 }) {
            0 => Fault::Refused,
            1 => Fault::Unheard,
            2 => Fault::Late,
            _ => Fault::Hangs,
        }
    })
}

async fn run(kind: &Kind, ledger: &Ledger, how: u8) -> Result<Done<u32, String>, Undone<String>> {
    let ledger = ledger.clone();
    let run = kind.once(KEY).run(move |cx| async move {
        // Whoever may run it runs what has not taken place; that nobody else does meanwhile, the count says later.
        let fresh = ledger.count() == 0;
        tokio::task::yield_now().await;
        if !fresh || matches!(how, 0..=2) {
            ledger.apply(&cx);
        }
        assert!(!matches!(how, 2 | 3), "planned");
        match how {
            0 => Outcome::Applied(42),
            1 | 4 => Outcome::Unknown("lost".into()),
            5 => Outcome::Rejected("no".into()),
            _ => Outcome::NotApplied("not sent".into()),
        }
    });
    run.await
}

fn check(answer: &Result<Done<u32, String>, Undone<String>>, count: usize) -> Result<(), String> {
    let fine = match answer {
        Ok(Done { value: Ok(42), .. }) => count == 1,
        Ok(Done { value: Ok(_), .. }) => false,
        Ok(Done { value: Err(_), .. }) => count == 0,
        // What this run did not do, one that was under way beside it may have done since.
        Err(Undone::NotApplied(_)) => count <= 1,
        Err(Undone::Exhausted | Undone::Cooldown { .. }) => count == 0,
        Err(Undone::Mismatch | Undone::Expired | Undone::ResultNotKept { .. }) => false,
        Err(_) => count <= 1,
    };
    if fine { Ok(()) } else { Err(format!("{answer:?} with {count} in the ledger")) }
}

async fn story(queryable: bool, seed: u64, percent: u8, turns: Vec<Turn>) -> Result<(), String> {
    let (store, time) = memory();
    let ledger = Ledger::default();
    let options = if queryable { Options::queryable() } else { Options::default() };
    let lines: Vec<_> = (0..3).map(|n| noisy(&store, seed.wrapping_add(n), percent)).collect();
    let notes = Notes::default();
    let workers: Vec<Kind> = lines
        .iter()
        .map(|line| {
            let guard = Guard::with("shop", line.clone(), default_clock(), notes.sink()).unwrap();
            let kind = guard.kind("order", options.clone()).unwrap();
            let ledger = ledger.clone();
            kind.reconcile_with(move |doubtful| {
                let there = lock(&ledger.0).contains(&doubtful.downstream_key);
                async move {
                    match there {
                        true => Found::<u32, String>::Applied(42),
                        false => Found::NotThere { fenced: false },
                    }
                }
            });
            kind
        })
        .collect();
    for turn in turns {
        match turn {
            Turn::Wait(seconds) => time.advance(secs(u64::from(seconds))),
            Turn::Reconcile(worker) if queryable => {
                let _ = workers[usize::from(worker)].guard().reconcile_once().await;
            }
            Turn::Reconcile(_) => {}
            Turn::Run(worker, how, true) => {
                let call = run(&workers[usize::from(worker)], &ledger, how);
                let _ = tokio::time::timeout(Duration::from_millis(1), call).await;
            }
            Turn::Run(worker, how, false) => {
                let answer = run(&workers[usize::from(worker)], &ledger, how).await;
                check(&answer, ledger.count())?;
            }
        }
    }
    // All is well again: what was unsaid is said, what can be found out is, and everybody agrees.
    lines.iter().for_each(|line| line.plan(|_| Fault::Fine));
    tokio::time::sleep(secs(10)).await;
    lines.iter().for_each(|line| line.deliver());
    for kind in &workers {
        if kind.guard().flush(secs(60)).await > 0 {
            return Err("something is left unsaid".into());
        }
    }
    for _ in 0..if queryable { 4 } else { 0 } {
        time.advance(secs(200));
        workers[0].guard().reconcile_once().await.map_err(|refused| refused.to_string())?;
    }
    for kind in &workers {
        let answer = run(kind, &ledger, 0).await;
        check(&answer, ledger.count())?;
        if queryable && !matches!(answer, Ok(_) | Err(Undone::Exhausted)) {
            return Err(format!("{answer:?}: it could be found out"));
        }
    }
    let alarms =
        |note: &Note| matches!(note, Note::SuspectedDuplicate | Note::Contradiction | Note::Forgotten);
    match notes.all().into_iter().find(alarms) {
        Some(alarm) => Err(format!("{alarm:?}")),
        None => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
    ))]
    #[test]
    fn whatever_is_lost_it_takes_place_at_most_once_and_every_answer_is_true(
        queryable in any::<bool>(), seed in any::<u64>(), percent in 0u8..60, turns in turns(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let told = runtime.block_on(story(queryable, seed, percent, turns));
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
    }
}
