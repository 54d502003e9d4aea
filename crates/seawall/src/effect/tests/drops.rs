//! Whoever goes away in the middle takes nothing along.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::*;

/// Polls a future so often, and drops it.
struct Polled<F> {
    future: Option<Pin<Box<F>>>,
    left: usize,
}

impl<F: Future> Future for Polled<F> {
    /// Whether it came to its end.
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        if self.left == 0 {
            self.future = None;
            return Poll::Ready(false);
        }
        self.left -= 1;
        let ready = self.future.as_mut().is_none_or(|future| future.as_mut().poll(context).is_ready());
        if ready {
            return Poll::Ready(true);
        }
        if self.left == 0 {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn wherever_its_caller_is_dropped_it_runs_at_most_once_and_its_result_is_there() {
    for polls in 0..20 {
        for begins_lost in 0..2 {
            let (store, _) = memory();
            let line = Line::planned(&store, first("begin", Fault::Unheard, begins_lost));
            let (kind, ledger) = (process(&line, Options::default()), Ledger::default());
            let future = Some(Box::pin(order(&kind, &ledger)));
            let ended = Polled { future, left: polls }.await;
            // Whatever is under way goes on.
            tokio::time::sleep(secs(1)).await;
            let began = usize::from(polls > 0);
            assert_eq!(ledger.count(), began, "after {polls} polls");
            assert_eq!(order(&kind, &ledger).await, done(began == 1), "after {polls} polls, ended {ended}");
            assert_eq!(ledger.count(), 1, "after {polls} polls");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_puts_it_in_doubt_and_breaks_nothing() {
    let (store, _) = memory();
    let (kind, ledger) = (over(&store, Options::default()), Ledger::default());
    let inner = ledger.clone();
    let panics = kind.once(KEY).run(move |cx| async move {
        inner.apply(&cx);
        tokio::task::yield_now().await;
        if cx.may_send() {
            panic!("in the operation");
        }
        Outcome::<u32, String>::Applied(1)
    });
    assert!(matches!(panics.await, Err(Undone::InDoubt { reason: Reason::Unknown, .. })));
    assert_eq!(kind.guard().flush(secs(10)).await, 0);
    assert!(matches!(order(&kind, &ledger).await, Err(Undone::InDoubt { .. })));
    let record = kind.guard().show(kind.key(KEY, 0)).await.unwrap().unwrap();
    assert_eq!(&*record.state.doubt().unwrap().detail, "it panicked");
    assert_eq!(ledger.count(), 1);
}

#[test]
fn a_runtime_that_ends_while_it_runs_leaves_a_doubt() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (store, _) = memory();
    let (kind, ledger) = (over(&store, Options::default()), Ledger::default());
    let first = runtime();
    let hangs = kind.once(KEY).run(|_| std::future::pending::<Outcome<u32, String>>());
    first.block_on(async { tokio::time::timeout(Duration::from_millis(20), hangs).await }).unwrap_err();
    drop(first);
    let second = runtime();
    assert_eq!(second.block_on(kind.guard().flush(secs(10))), 0);
    assert!(matches!(second.block_on(order(&kind, &ledger)), Err(Undone::InDoubt { .. })));
    assert_eq!(ledger.count(), 0);
}

#[tokio::test]
async fn a_ticket_that_is_dropped_puts_its_effect_in_doubt() {
    let (store, _) = memory();
    let kind = over(&store, Options::default());
    let Begun::Run(ticket) = kind.begin(&wish()).await.unwrap() else { panic!("not granted") };
    assert!(ticket.may_send() && !ticket.is_lost());
    drop(ticket);
    assert_eq!(kind.guard().flush(secs(10)).await, 0);
    let begun = kind.begin(&wish()).await.unwrap();
    let Begun::InDoubt { reason: Reason::Unknown, quarantined: false, .. } = begun else {
        panic!("{begun:?}")
    };
    assert_eq!(begun.rejection().unwrap().code, Code::EffectInDoubt);
    assert_eq!(kind.guard().unsaid(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wish_nobody_waits_for_any_more_is_taken_back() {
    for fault in [Fault::Unheard, Fault::Hangs, Fault::Refused] {
        let (store, _) = memory();
        let line = Line::planned(&store, first("begin", fault, 1000));
        let kind = process(&line, Options::default());
        let refused = kind.begin(&wish()).await.unwrap_err();
        assert_eq!((refused.code, kind.stats().unanswered), (Code::StoreUnavailable, 1));
        line.plan(|_| Fault::Fine);
        kind.guard().flush(secs(10)).await;
        let begun = over(&store, Options::default()).begin(&wish()).await.unwrap();
        assert!(matches!(begun, Begun::Run(_)), "{fault:?}: {begun:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_wish_that_arrives_after_it_was_taken_back_begins_nothing() {
    let (store, _) = memory();
    let copy: Arc<Mutex<Option<Operation>>> = Arc::default();
    let kept = copy.clone();
    let line = Line::planned(&store, move |operation| {
        if word(operation) == "begin" {
            *lock(&kept) = Some(operation.clone());
        }
        Fault::Unheard
    });
    let kind = process(&line, Options::default());
    let asked = tokio::time::timeout(Duration::from_millis(1), kind.begin(&wish())).await;
    assert!(asked.is_err());
    let copy = lock(&copy).clone().unwrap();
    line.plan(|_| Fault::Fine);
    kind.guard().flush(secs(10)).await;
    assert_eq!(line.ask(copy).await.unwrap().answer, Answer::Fenced);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_question_takes_the_wish_back() {
    let (store, _) = memory();
    let line = Line::planned(&store, first("begin", Fault::Hangs, 1000));
    let kind = process(&line, Options::default());
    let asked = tokio::time::timeout(Duration::from_millis(1), kind.begin(&wish())).await;
    assert!(asked.is_err());
    kind.guard().flush(secs(10)).await;
    assert!(matches!(over(&store, Options::default()).begin(&wish()).await, Ok(Begun::Run(_))));
}

#[tokio::test(start_paused = true)]
async fn a_word_that_is_dropped_on_its_way_is_said_all_the_same() {
    let (store, _) = memory();
    let line = Line::planned(&store, first("complete", Fault::Hangs, 1));
    let kind = process(&line, Options::default());
    let Begun::Run(ticket) = kind.begin(&wish()).await.unwrap() else { panic!("not granted") };
    line.plan(|operation| match operation {
        // Never arrives at all.
        Operation::Complete { .. } => Fault::Refused,
        _ => Fault::Fine,
    });
    let word = ticket.complete(seawall_core::effect::Outcome::Ended(Truth::Applied, None));
    tokio::time::timeout(Duration::from_millis(1), word).await.unwrap_err();
    line.plan(|_| Fault::Fine);
    assert_eq!(kind.guard().flush(secs(20)).await, 0);
    assert!(matches!(kind.begin(&wish()).await, Ok(Begun::Replay { truth: Truth::Applied, .. })));
}
