//! Finding out what became of it.

use super::*;

async fn doubt(kind: &Kind, ledger: &Ledger, takes_place: bool) {
    let ledger = ledger.clone();
    let run = kind.once(KEY).run(move |cx| async move {
        if takes_place {
            ledger.apply(&cx);
        }
        Outcome::<u32, String>::Unknown("the reply was lost".into())
    });
    assert!(matches!(run.await, Err(Undone::Unknown(_))));
}

/// The far side can be asked, and answers truly.
fn truly(kind: &Kind, ledger: &Ledger) {
    let ledger = ledger.clone();
    kind.reconcile_with(move |doubtful| {
        let found = lock(&ledger.0).contains(&doubtful.downstream_key);
        async move {
            match found {
                true => Found::<u32, String>::Applied(42),
                false => Found::NotThere { fenced: false },
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn what_took_place_is_found_and_replayed() {
    let (store, _) = memory();
    let (kind, ledger) = (over(&store, Options::queryable()), Ledger::default());
    doubt(&kind, &ledger, true).await;
    let guard = kind.guard();
    assert_eq!(guard.reconcile_once().await.unwrap(), Reconciled::default(), "nobody says how");
    truly(&kind, &ledger);
    assert_eq!(guard.reconcile_once().await.unwrap(), Reconciled { seen: 1, asked: 1, settled: 1 });
    assert_eq!(order(&kind, &ledger).await, done(true));
    assert_eq!((ledger.count(), kind.stats().in_doubt), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_believed_only_when_all_is_quiet() {
    let (store, time) = memory();
    let (kind, ledger) = (over(&store, Options::queryable()), Ledger::default());
    doubt(&kind, &ledger, false).await;
    truly(&kind, &ledger);
    let guard = kind.guard();
    assert_eq!(guard.reconcile_once().await.unwrap(), Reconciled { seen: 1, asked: 1, settled: 0 });
    assert_eq!(
        guard.reconcile_once().await.unwrap(),
        Reconciled { seen: 1, asked: 0, settled: 0 },
        "not yet"
    );
    time.advance(kind.options().settle());
    assert_eq!(guard.reconcile_once().await.unwrap(), Reconciled { seen: 1, asked: 1, settled: 1 });
    assert_eq!(order(&kind, &ledger).await, done(false));
    assert_eq!(ledger.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_or_hangs_finds_nothing_out_and_after_ten_a_person_is_asked() {
    let (store, time) = memory();
    let (kind, ledger) = (over(&store, Options::queryable()), Ledger::default());
    doubt(&kind, &ledger, false).await;
    let mut turn = 0;
    kind.reconcile_with(move |doubtful| async move {
        match doubtful.key.as_bytes()[0] % 2 == turn % 2 {
            true => panic!("in the callback"),
            false => std::future::pending::<Found<u32, String>>().await,
        }
    });
    turn += 1;
    for tries in 1..=10 {
        time.advance(secs(3600));
        if tries % 2 == 0 {
            kind.reconcile_with(|_| std::future::pending::<Found<u32, String>>());
        }
        let pass = kind.guard().reconcile_once().await.unwrap();
        assert_eq!(pass, Reconciled { seen: 1, asked: 1, settled: 0 }, "{tries}, {turn}");
    }
    assert_eq!(kind.stats().quarantined, 1);
    assert!(matches!(order(&kind, &ledger).await, Err(Undone::InDoubt { quarantined: true, .. })));
}

#[tokio::test(start_paused = true)]
async fn each_doubt_is_looked_into_by_one_of_many_and_again_and_again() {
    let (store, time) = memory();
    let ledger = Ledger::default();
    let asked = Arc::new(Mutex::new(0));
    let workers: Vec<Kind> = (0..3).map(|_| over(&store, Options::queryable())).collect();
    for n in 0..30 {
        let run =
            workers[0].once(format!("{n}")).run(|_| async { Outcome::<u32, String>::Unknown("?".into()) });
        assert!(run.await.is_err());
    }
    let mut passes = Vec::new();
    for kind in &workers {
        let asked = asked.clone();
        kind.reconcile_with(move |_| {
            let asked = asked.clone();
            async move {
                tokio::time::sleep(secs(1)).await;
                *lock(&asked) += 1;
                Found::<u32, String>::NotThere { fenced: true }
            }
        });
        passes.push(kind.guard().reconcile_every(secs(5)));
    }
    time.advance(secs(1));
    tokio::time::sleep(secs(60)).await;
    assert_eq!(*lock(&asked), 30, "each once");
    drop(passes);
    assert!(order(&workers[1], &ledger).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_was_not_heard_of_is_swept_into_doubt_and_found_out_about() {
    let (store, time) = memory();
    let ledger = Ledger::default();
    let gone = Line::to(&store);
    let crashed = process(&gone, Options::queryable());
    let Begun::Run(ticket) = crashed.begin(&wish()).await.unwrap() else { panic!("not granted") };
    gone.cut(true);
    drop(ticket);
    let notes = Notes::default();
    let guard = Guard::with("shop", store, default_clock(), notes.sink()).unwrap();
    let kind = guard.kind("order", Options::queryable()).unwrap();
    truly(&kind, &ledger);
    assert_eq!(guard.reconcile_once().await.unwrap(), Reconciled::default(), "its lease is not over");
    time.advance(secs(31));
    guard.reconcile_once().await.unwrap();
    assert_eq!(notes.all(), [Note::InDoubt(Reason::Lease)]);
    time.advance(secs(100));
    assert_eq!(guard.reconcile_once().await.unwrap().settled, 1);
    assert_eq!(order(&kind, &ledger).await, done(false));
    gone.cut(false);
}
