//! The thread behind the guard: leases, and what could not be said in passing.

use std::thread;

use seawall_core::effect::Outcome as Word;

use super::*;

#[allow(clippy::disallowed_methods, reason = "a runtime that is blocked, and real leases, take real time")]
fn block(span: Duration) {
    thread::sleep(span);
}

fn applied() -> Word {
    Word::Ended(Truth::Applied, None)
}

fn short() -> Options {
    Options { lease: secs(1), patience: Duration::from_millis(100), ..Options::default() }
}

async fn granted(kind: &Kind) -> Ticket {
    match kind.begin(&wish()).await.unwrap() {
        Begun::Run(ticket) => ticket,
        other => panic!("not granted: {other:?}"),
    }
}

#[test]
fn a_lease_holds_though_the_only_thread_of_the_runtime_is_blocked() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let notes = Notes::default();
    let guard = Guard::with("shop", store.clone(), default_clock(), notes.sink()).unwrap();
    let kind = guard.kind("order", short()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let run = kind.once(KEY).run(|cx| async move {
        block(Duration::from_millis(3200));
        assert!(cx.may_send() && !cx.is_lost());
        Outcome::<u32, String>::Applied(42)
    });
    let other = thread::spawn(move || {
        block(Duration::from_millis(2500));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { over(&store, short()).begin(&wish()).await.unwrap().rejection() })
    });
    assert_eq!(runtime.block_on(run), done(false));
    assert_eq!(other.join().unwrap().unwrap().code, Code::EffectInFlight);
    assert_eq!(notes.all(), []);
}

#[tokio::test]
async fn a_lease_that_is_lost_is_noticed() {
    let (store, time) = memory();
    let kind = over(&store, short());
    let ticket = granted(&kind).await;
    time.advance(secs(2));
    assert!(matches!(over(&store, short()).begin(&wish()).await, Ok(Begun::InDoubt { .. })));
    for _ in 0..40 {
        if ticket.is_lost() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(ticket.is_lost() && !ticket.may_send());
    assert_eq!(kind.stats().renewals_lost, 1);
    assert!(ticket.complete(applied()).await.late);
}

#[tokio::test]
async fn nothing_is_sent_when_the_lease_cannot_be_renewed_in_time() {
    let (store, _) = memory();
    let line = Line::planned(&store, first("renew", Fault::Refused, 1000));
    let kind = process(&line, short());
    let ticket = granted(&kind).await;
    assert!(ticket.may_send());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(!ticket.may_send() && ticket.is_lost());
    line.plan(|_| Fault::Fine);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(ticket.may_send(), "nobody else wanted it meanwhile");
    ticket.complete(applied()).await;
}

#[tokio::test]
async fn a_run_is_not_renewed_beyond_the_time_a_call_may_take() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let kind = over(&store, Options { call: Duration::from_millis(100), ..short() });
    let ticket = granted(&kind).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(!ticket.may_send());
    assert!(matches!(kind.begin(&wish()).await, Ok(Begun::InDoubt { reason: Reason::Lease, .. })));
    assert_eq!(
        ticket.complete(applied()).await,
        Completed { durability: Durability::Kept, late: true, doubted: false }
    );
}

#[tokio::test]
async fn a_result_the_store_does_not_hear_is_given_all_the_same_and_told_later() {
    let (store, _) = memory();
    for fault in [Fault::Refused, Fault::Unheard, Fault::Hangs] {
        let line = Line::planned(&store, first("complete", fault, 1_000_000));
        let (kind, ledger) = (process(&line, short()), Ledger::default());
        let id = format!("{fault:?}");
        let run = || {
            let ledger = ledger.clone();
            kind.once(id.clone()).run(move |cx| async move {
                ledger.apply(&cx);
                Outcome::<u32, String>::Applied(42)
            })
        };
        let spooled = Done { value: Ok(42), replayed: false, durability: Durability::Spooled };
        assert_eq!(run().await, Ok(spooled), "{fault:?}");
        assert!(kind.guard().unsaid() > 0);
        if fault == Fault::Hangs {
            // The keeper gives a question that hangs five seconds.
            continue;
        }
        line.plan(|_| Fault::Fine);
        assert_eq!(kind.guard().flush(secs(20)).await, 0, "{fault:?}");
        assert_eq!(run().await, done(true), "{fault:?}");
        assert_eq!((ledger.count(), kind.stats().contradictions), (1, 0));
    }
}

#[tokio::test]
async fn a_store_that_panics_does_not_take_the_keeper_along() {
    let (store, _) = memory();
    let line = Line::to(&store);
    let kind = process(&line, short());
    let ticket = granted(&kind).await;
    line.plan(first("complete", Fault::Panics, 2));
    drop(ticket);
    assert_eq!(kind.guard().flush(secs(20)).await, 0);
    assert!(matches!(kind.begin(&wish()).await, Ok(Begun::InDoubt { .. })));
}

#[tokio::test]
async fn a_shutdown_marks_what_still_runs_and_refuses_what_is_new() {
    let (store, _) = memory();
    let kind = over(&store, Options::default());
    let guard = kind.guard().clone();
    let ticket = granted(&kind).await;
    assert_eq!(guard.shutdown(Duration::from_millis(200)).await, 0);
    assert_eq!(kind.begin(&wish()).await.unwrap_err().code, Code::Draining);
    let other = over(&store, Options::default());
    assert!(matches!(other.begin(&wish()).await, Ok(Begun::InDoubt { reason: Reason::Unknown, .. })));
    assert!(ticket.complete(applied()).await.late, "its owner may still say how it ended");
    assert_eq!(guard.shutdown(secs(60)).await, 0, "nothing runs: nothing to wait for");
}

#[tokio::test]
async fn a_run_that_was_marked_at_a_shutdown_sends_nothing_any_more() {
    let (store, _) = memory();
    let kind = over(&store, Options::default());
    let ticket = granted(&kind).await;
    assert!(ticket.may_send());
    kind.guard().shutdown(Duration::from_millis(50)).await;
    assert!(!ticket.may_send());
}

#[tokio::test]
async fn a_store_that_forgot_what_it_had_granted_is_told_aloud() {
    let (store, _) = memory();
    let line = Line::to(&store);
    let notes = Notes::default();
    let guard = Guard::with("shop", line.clone(), default_clock(), notes.sink()).unwrap();
    let kind = guard.kind("order", Options::default()).unwrap();
    let ticket = granted(&kind).await;
    *lock(&line.store) = memory().0;
    assert_eq!(ticket.complete(applied()).await.durability, Durability::Disputed);
    assert_eq!((notes.all(), kind.stats().forgotten), (vec![Note::Forgotten], 1));
}

#[tokio::test]
async fn a_shutdown_waits_for_what_comes_to_its_end_in_time() {
    let (store, _) = memory();
    let kind = over(&store, Options::default());
    let ticket = granted(&kind).await;
    let guard = kind.guard().clone();
    let (left, completed) = tokio::join!(guard.shutdown(secs(30)), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        ticket.complete(applied()).await
    });
    assert_eq!((left, completed.late), (0, false));
}

#[tokio::test]
async fn the_thread_ends_with_the_last_handle() {
    let (store, _) = memory();
    let kind = over(&store, Options::default());
    let ticket = granted(&kind).await;
    let alive = Arc::downgrade(kind.guard().keeper());
    drop(kind);
    assert!(alive.upgrade().is_some(), "somebody runs");
    drop(ticket);
    for _ in 0..100 {
        if alive.upgrade().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the keeper goes on");
}

#[tokio::test(start_paused = true)]
async fn what_the_far_side_makes_one_of_may_go_on_without_its_store_and_is_told_later() {
    let (store, _) = memory();
    let line = Line::to(&store);
    line.cut(true);
    let keyed = Options { continue_without_store: true, ..Options::keyed(secs(24 * 3600)) };
    let (kind, ledger) = (process(&line, keyed), Ledger::default());
    let run = |age: Option<Duration>| {
        let (ledger, once) = (ledger.clone(), kind.once(KEY));
        let once = match age {
            Some(age) => once.age(age),
            None => once,
        };
        once.run(move |cx| async move {
            ledger.apply(&cx);
            Outcome::<u32, String>::Applied(42)
        })
    };
    assert!(matches!(run(None).await, Err(Undone::StoreUnavailable(_))), "nobody knows how old it is");
    assert!(matches!(run(Some(secs(24 * 3600))).await, Err(Undone::StoreUnavailable(_))));
    let flagged = Done { value: Ok(42), replayed: false, durability: Durability::Unjournalled };
    assert_eq!(run(Some(secs(1))).await, Ok(flagged));
    line.cut(false);
    assert_eq!(kind.guard().flush(secs(30)).await, 0);
    assert_eq!(run(Some(secs(2))).await, done(true));
    assert_eq!((ledger.distinct(), kind.stats().unjournalled), (1, 1));
}
