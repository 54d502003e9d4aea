//! A worker that crashes at every point there is, for every nature; then another comes.

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Point {
    BeforeBegin,
    BeginUnheard,
    BeforeSend,
    SentNotApplied,
    AppliedNothingSaid,
    CompleteNeverArrives,
    CompleteUnheard,
    InRenew,
    BeforeVerdict,
    VerdictUnheard,
}

use Point::*;

const POINTS: [Point; 10] = [
    BeforeBegin,
    BeginUnheard,
    BeforeSend,
    SentNotApplied,
    AppliedNothingSaid,
    CompleteNeverArrives,
    CompleteUnheard,
    InRenew,
    BeforeVerdict,
    VerdictUnheard,
];

fn applied() -> seawall_core::effect::Outcome {
    seawall_core::effect::Outcome::Ended(Truth::Applied, Some(Arc::from(&b"42"[..])))
}

/// The first worker: does what it does up to the point, and is never heard of again.
async fn crashes_at(point: Point, store: &Arc<dyn Store>, ledger: &Ledger, options: Options) {
    let line = Line::to(store);
    let kind = process(&line, options);
    let cut_after = |what: &'static str| {
        let store = line.clone();
        line.plan(move |operation| {
            if word(operation) == what {
                store.cut(true);
                return Fault::Unheard;
            }
            Fault::Fine
        });
    };
    match point {
        BeforeBegin => line.cut(true),
        BeginUnheard => cut_after("begin"),
        _ => {}
    }
    let ticket = match kind.begin(&wish()).await {
        Ok(Begun::Run(ticket)) => ticket,
        Err(refused) => {
            assert_eq!(refused.code, Code::StoreUnavailable);
            return;
        }
        other => panic!("{other:?}"),
    };
    let arrives = || lock(&ledger.0).push(ticket.downstream_key().clone());
    match point {
        BeforeSend | SentNotApplied => line.cut(true),
        AppliedNothingSaid => {
            arrives();
            line.cut(true);
        }
        CompleteNeverArrives => {
            arrives();
            line.cut(true);
            assert_eq!(ticket.complete(applied()).await.durability, Durability::Spooled);
            return;
        }
        CompleteUnheard => {
            arrives();
            cut_after("complete");
            assert_eq!(ticket.complete(applied()).await.durability, Durability::Spooled);
            return;
        }
        InRenew => {
            arrives();
            cut_after("renew");
            let token = ticket.token().unwrap();
            let renew = Operation::Renew { key: kind.key(KEY, 0), token, lease: secs(30) };
            line.ask(renew).await.unwrap_err();
        }
        BeforeVerdict | VerdictUnheard => {
            arrives();
            let lost = seawall_core::effect::Outcome::Unknown { detail: "lost".into() };
            ticket.complete(lost).await;
            let there = line.clone();
            kind.reconcile_with(move |_| {
                if point == BeforeVerdict {
                    there.cut(true);
                }
                async { Found::<u32, String>::Applied(42) }
            });
            if point == VerdictUnheard {
                cut_after("resolve");
            }
            let _ = kind.guard().reconcile_once().await;
            return;
        }
        BeforeBegin | BeginUnheard => {}
    }
    assert!(line.cut.load(Ordering::SeqCst));
    drop(ticket);
}

fn reconcilable(kind: &Kind, ledger: &Ledger) {
    let ledger = ledger.clone();
    kind.reconcile_with(move |doubtful| {
        let there = lock(&ledger.0).contains(&doubtful.downstream_key);
        let found = if there { Found::Applied(42) } else { Found::NotThere { fenced: false } };
        async move { Found::<u32, String>::clone(&found) }
    });
}

#[tokio::test(start_paused = true)]
async fn wherever_a_worker_crashes_nothing_takes_place_twice_and_what_can_be_found_out_is() {
    let day = secs(24 * 3600);
    let natures = [Options::default(), Options::queryable(), Options::idempotent(), Options::keyed(day)];
    for (point, options) in
        POINTS.into_iter().flat_map(|point| natures.clone().map(|options| (point, options)))
    {
        let (store, time) = memory();
        let ledger = Ledger::default();
        let what = format!("{point:?}, {}", options.nature.as_str());
        crashes_at(point, &store, &ledger, options.clone()).await;
        let kind = over(&store, options.clone());
        let early = order(&kind, &ledger).await;
        time.advance(secs(31));
        let late = order(&kind, &ledger).await;
        let queryable = options.nature == Nature::Queryable;
        if queryable {
            reconcilable(&kind, &ledger);
            for _ in 0..3 {
                kind.guard().reconcile_once().await.unwrap();
                time.advance(options.settle() + secs(10));
            }
        }
        let last = order(&kind, &ledger).await;
        match options.nature {
            Nature::Opaque | Nature::Queryable => assert!(ledger.count() <= 1, "{what}: {}", ledger.count()),
            _ => assert!(ledger.distinct() <= 1, "{what}"),
        }
        for answer in [&early, &late, &last] {
            assert!(answer.is_err() || ledger.count() >= 1, "{what}: {answer:?}");
        }
        // Who may not run it again, and cannot find out, says so; everybody else gets there.
        let stuck = matches!(last, Err(Undone::InDoubt { .. }));
        let knows = matches!(point, BeforeBegin | CompleteUnheard | VerdictUnheard);
        assert_eq!(stuck, options.nature == Nature::Opaque && !knows, "{what}: {last:?}");
        assert!(stuck || last.is_ok(), "{what}: {last:?}");
    }
}
