//! Many want the same: one runs.

use super::*;

#[tokio::test(start_paused = true)]
async fn of_a_storm_of_ten_workers_one_executes_and_all_get_its_result() {
    let (store, _) = memory();
    let ledger = Ledger::default();
    let workers: Vec<Kind> = (0..10).map(|_| over(&store, Options::default())).collect();
    let mut callers = tokio::task::JoinSet::new();
    for turn in 0..200 {
        let (kind, ledger) = (workers[turn % 10].clone(), ledger.clone());
        callers.spawn(async move {
            kind.once(KEY)
                .wait(secs(60))
                .run(move |cx| async move {
                    tokio::time::sleep(secs(2)).await;
                    ledger.apply(&cx);
                    Outcome::<u32, String>::Applied(42)
                })
                .await
        });
    }
    let all = callers.join_all().await;
    assert!(all.iter().all(|answer| answer.as_ref().unwrap().value == Ok(42)), "{all:?}");
    assert_eq!(all.iter().filter(|answer| !answer.as_ref().unwrap().replayed).count(), 1);
    assert_eq!(ledger.count(), 1);
    let runs: u64 = workers.iter().map(|kind| kind.stats().runs).sum();
    assert_eq!(runs, 1);
}

#[tokio::test]
async fn of_five_that_reserve_one_gets_it() {
    let (store, _) = memory();
    let workers: Vec<Kind> = (0..5).map(|_| over(&store, Options::default())).collect();
    let mut tickets = Vec::new();
    let mut busy = 0;
    for kind in &workers {
        match kind.begin(&wish()).await.unwrap() {
            Begun::Run(ticket) => tickets.push(ticket),
            begun @ Begun::Busy(_) => {
                busy += 1;
                assert_eq!(begun.rejection().unwrap().code, Code::EffectInFlight);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((tickets.len(), busy), (1, 4));
    let ended = seawall_core::effect::Outcome::Ended(Truth::Applied, None);
    let completed = tickets.remove(0).complete(ended).await;
    assert_eq!(completed, Completed { durability: Durability::Kept, late: false, doubted: false });
    for kind in &workers {
        let Begun::Replay { truth: Truth::Applied, result: None } = kind.begin(&wish()).await.unwrap() else {
            panic!("not replayed")
        };
    }
}

#[tokio::test(start_paused = true)]
async fn of_three_that_check_and_execute_one_executes_and_the_others_are_told_so() {
    let (store, _) = memory();
    let ledger = Ledger::default();
    let slow = |kind: Kind| {
        let ledger = ledger.clone();
        async move {
            let run = kind.once(KEY).run(move |cx| async move {
                tokio::time::sleep(secs(5)).await;
                ledger.apply(&cx);
                Outcome::<u32, String>::Applied(42)
            });
            run.await
        }
    };
    let [a, b, c] = [(); 3].map(|()| over(&store, Options::default()));
    let answers = tokio::join!(slow(a), slow(b), slow(c));
    let all = [answers.0, answers.1, answers.2];
    assert_eq!(all.iter().filter(|answer| **answer == done(false)).count(), 1);
    let told = |answer: &&Result<_, _>| matches!(answer, Err(Undone::InFlight { retry_after }) if *retry_after > secs(0));
    assert_eq!(all.iter().filter(told).count(), 2);
    assert_eq!(ledger.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_in_one_process_cost_one_question() {
    let (store, _) = memory();
    let line = Line::to(&store);
    let (kind, ledger) = (process(&line, Options::default()), Ledger::default());
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (kind, ledger) = (kind.clone(), ledger.clone());
        callers.spawn(async move { order(&kind, &ledger).await });
    }
    assert!(callers.join_all().await.iter().all(|answer| answer.as_ref().unwrap().value == Ok(42)));
    assert_eq!((line.asked("begin"), line.asked("complete"), ledger.count()), (1, 1, 1));
    assert_eq!(kind.stats().joined, 999);
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_a_run_of_something_else_is_refused_and_each_waits_as_long_as_it_likes() {
    let (store, _) = memory();
    let kind = over(&store, Options::default());
    let leader = kind.once(KEY).args(b"buy").run(|_| async {
        tokio::time::sleep(secs(30)).await;
        Outcome::<u32, String>::Applied(42)
    });
    let joined = |args: &'static [u8], wait| {
        let once = kind.once(KEY).args(args).wait(wait);
        async move {
            tokio::time::sleep(secs(1)).await;
            once.run(|_| async { Outcome::<u32, String>::Applied(0) }).await
        }
    };
    let (led, other, hasty, patient) =
        tokio::join!(leader, joined(b"sell", secs(60)), joined(b"buy", secs(3)), joined(b"buy", secs(60)));
    assert_eq!(led, done(false));
    assert_eq!(other, Err(Undone::Mismatch));
    assert_eq!(hasty, Err(Undone::InFlight { retry_after: secs(1) }));
    assert_eq!(patient, done(true));
}

/// Found by killing workers: a mistaken use of a key was on its way to the store, and whoever came meanwhile with what
/// the effect really is was told that *it* was the mistake.
#[tokio::test(start_paused = true)]
async fn whoever_meets_a_mistaken_use_of_its_key_is_not_taken_for_the_mistake() {
    let (store, _) = memory();
    let ledger = Ledger::default();
    let applied = ledger.clone();
    let bought = over(&store, Options::default()).once(KEY).args(b"buy").run(|cx| async move {
        applied.apply(&cx);
        Outcome::<u32, String>::Applied(42)
    });
    assert_eq!(bought.await, done(false));
    let now = Duration::ZERO;
    // The store is slow, and then does not hear the first question at all.
    for fault in [Fault::Hangs, Fault::Refused] {
        let line = Line::planned(&store, first("begin", fault, 1));
        let kind = process(&line, Options::default());
        let run = |args: &'static [u8], after| {
            let once = kind.once(KEY).args(args);
            async move {
                tokio::time::sleep(after).await;
                once.run(|_| async { Outcome::<u32, String>::Applied(0) }).await
            }
        };
        let soon = Duration::from_millis(5);
        let (mistaken, right) = tokio::join!(run(b"sell", now), run(b"buy", soon));
        assert_eq!(mistaken, Err(Undone::Mismatch), "{fault:?}");
        assert_eq!(right, done(true), "{fault:?}");
    }
    assert_eq!(ledger.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_expires_in_the_middle_of_a_race_lets_nobody_in() {
    let (store, time) = memory();
    let ledger = Ledger::default();
    let workers: Vec<Kind> = (0..4).map(|_| over(&store, Options::default())).collect();
    let Begun::Run(ticket) = workers[0].begin(&wish()).await.unwrap() else { panic!("not granted") };
    for kind in &workers[1..] {
        time.advance(secs(100 * 3600));
        assert!(matches!(order(kind, &ledger).await, Err(Undone::InDoubt { .. })));
    }
    assert_eq!(ledger.count(), 0);
    let word = seawall_core::effect::Outcome::Ended(Truth::Applied, Some(Arc::from(&b"42"[..])));
    assert!(ticket.complete(word).await.late, "its owner may still say how it ended");
    assert_eq!(order(&workers[1], &ledger).await, done(true));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_when_a_run_has_ended_without_effect_is_not_told_of_it() {
    let (store, _) = memory();
    let line = Line::planned(&store, first("complete", Fault::Hangs, 1));
    let (slow, ledger) = (process(&line, Options::default()), Ledger::default());
    let not_sent = slow.once(KEY).run(|_| async { Outcome::<u32, String>::NotApplied("not sent".into()) });
    let others = async {
        // The store has heard of it, and its reply is on its way.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(order(&over(&store, Options::default()), &ledger).await, done(false));
        assert_eq!(order(&slow, &ledger).await, done(true));
    };
    let (first, ()) = tokio::join!(not_sent, others);
    assert_eq!(first, Err(Undone::Unknown("not sent".into())), "somebody else was granted a run meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_was_not_sent_does_not_say_that_nothing_took_place() {
    for options in [Options::keyed(secs(24 * 3600)), Options::idempotent()] {
        let (store, _) = memory();
        let line = Line::to(&store);
        let (kind, ledger) = (process(&line, Options { attempts: 9, ..options }), Ledger::default());
        let run = |outcome: Outcome<u32, String>, slow: bool| {
            let ledger = ledger.clone();
            kind.once(KEY).run(move |cx| async move {
                if slow {
                    tokio::time::sleep(secs(1)).await;
                }
                if matches!(outcome, Outcome::Applied(_) | Outcome::Unknown(_)) {
                    ledger.apply(&cx);
                }
                outcome
            })
        };
        let not_sent = || Outcome::NotApplied("not sent".into());
        let told = Err(Undone::Unknown("not sent".into()));
        assert_eq!(run(not_sent(), false).await, Err(Undone::NotApplied("not sent".into())), "nothing was");
        let lost = run(Outcome::Unknown("lost".into()), false).await;
        assert_eq!(lost, Err(Undone::Unknown("lost".into())));
        assert_eq!(run(not_sent(), false).await, told);
        let (own, passenger) = tokio::join!(run(not_sent(), true), run(not_sent(), true));
        assert_eq!((own, passenger), (told.clone(), told.clone()), "whoever waited for it too");
        // Nor does one whose word the store has not heard, and may hear later.
        let away = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            line.cut(true);
        };
        let (own, ()) = tokio::join!(run(not_sent(), true), away);
        assert_eq!(own, told);
        line.cut(false);
        assert_eq!(kind.guard().flush(secs(30)).await, 0);
        assert_eq!(run(Outcome::Applied(42), false).await, done(false), "an answer ends the doubt");
        assert_eq!(ledger.distinct(), 1);
    }
}
