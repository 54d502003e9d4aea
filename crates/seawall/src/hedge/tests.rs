use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use seawall_core::random::Random;
use seawall_core::units::{Rate, Share};

use super::*;
use crate::timeout::{Elapsed, within};

type Outcome = Result<u32, &'static str>;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn after(delay: u64) -> Options {
    Options { delay: Delay::Fixed(ms(delay)), ..Options::default() }
}

fn budget(percent: u8, floor: u32) -> Budget {
    let floor = Rate { count: floor.try_into().unwrap(), per: Duration::from_secs(600) };
    Budget::new(&retry::Options { budget: Share::percent(percent), floor, ..retry::Options::default() })
}

/// Takes so long and then ends like this, holding something meanwhile.
async fn takes(span: u64, outcome: Outcome, _held: Rc<()>) -> Outcome {
    tokio::time::sleep(ms(span)).await;
    outcome
}

/// Attempts that take so long and end like this, in the order they begin; and when each began.
async fn scripted(hedge: &Hedge, script: &[(u64, Outcome)]) -> (Outcome, Duration, Vec<Duration>) {
    let (began, held) = (tokio::time::Instant::now(), Rc::new(()));
    let times = RefCell::new(Vec::new());
    let run = hedge.run(Effects::Repeatable, |cx| {
        assert_eq!(cx.hedge() as usize, times.borrow().len());
        assert_eq!(cx.is_hedge(), cx.hedge() > 0);
        times.borrow_mut().push(began.elapsed());
        let (span, outcome) = script[cx.hedge() as usize];
        takes(span, outcome, held.clone())
    });
    let outcome = run.await;
    assert_eq!(Rc::strong_count(&held), 1, "losers are dropped before the outcome is given");
    (outcome, began.elapsed(), times.into_inner())
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_is_asked_again_and_the_first_answer_wins() {
    let hedge = Hedge::new(after(100)).unwrap();
    let quick = scripted(&hedge, &[(60, Ok(1))]).await;
    assert_eq!(quick, (Ok(1), ms(60), vec![ms(0)]));
    let outrun = scripted(&hedge, &[(9000, Ok(1)), (50, Ok(2))]).await;
    assert_eq!(outrun, (Ok(2), ms(150), vec![ms(0), ms(100)]));
    let first = scripted(&hedge, &[(120, Ok(1)), (50, Ok(2))]).await;
    assert_eq!(first, (Ok(1), ms(120), vec![ms(0), ms(100)]));
}

#[tokio::test(start_paused = true)]
async fn a_failure_waits_for_those_under_way() {
    let hedge = Hedge::new(after(100)).unwrap();
    let failed_hedge = scripted(&hedge, &[(300, Ok(1)), (10, Err("hedge"))]).await;
    assert_eq!(failed_hedge, (Ok(1), ms(300), vec![ms(0), ms(100)]));
    let failed_first = scripted(&hedge, &[(110, Err("first")), (200, Ok(2))]).await;
    assert_eq!(failed_first, (Ok(2), ms(300), vec![ms(0), ms(100)]));
    let both = scripted(&hedge, &[(300, Err("first")), (10, Err("hedge"))]).await;
    assert_eq!(both, (Err("first"), ms(300), vec![ms(0), ms(100)]));
    let both = scripted(&hedge, &[(110, Err("first")), (200, Err("hedge"))]).await;
    assert_eq!(both, (Err("first"), ms(300), vec![ms(0), ms(100)]));
    let before = scripted(&hedge, &[(50, Err("first"))]).await;
    assert_eq!(before, (Err("first"), ms(50), vec![ms(0)]), "nobody waits for a hedge that has not begun");
}

#[tokio::test(start_paused = true)]
async fn several_hedges_are_a_delay_apart_and_end_at_the_maximum() {
    let hedge = Hedge::new(Options { max: 3, ..after(100) }).unwrap();
    let slow = (9000, Ok(1));
    let (outcome, took, times) = scripted(&hedge, &[slow, slow, (10, Err("no")), (50, Ok(4)), slow]).await;
    assert_eq!((outcome, took), (Ok(4), ms(350)));
    assert_eq!(times, [ms(0), ms(100), ms(200), ms(300)]);
}

#[tokio::test(start_paused = true)]
async fn a_denied_hedge_never_harms_the_first_attempt() {
    let heard: Arc<Mutex<Vec<Fact>>> = Arc::default();
    let ear = heard.clone();
    let sink: Arc<dyn Sink> = Arc::new(move |event: Event| ear.lock().unwrap().push(event.fact));
    let options = Options { max: 2, ..after(100) };
    let hedge = Hedge::with("x", options, budget(0, 1), default_clock(), Some(sink)).unwrap();
    let spent = scripted(&hedge, &[(9000, Ok(1)), (150, Ok(2))]).await;
    assert_eq!(
        spent,
        (Ok(2), ms(250), vec![ms(0), ms(100)]),
        "the second hedge is denied, the first goes on"
    );
    let denied = scripted(&hedge, &[(500, Ok(1))]).await;
    assert_eq!(denied, (Ok(1), ms(500), vec![ms(0)]));
    let denied = scripted(&hedge, &[(500, Err("first"))]).await;
    assert_eq!(denied, (Err("first"), ms(500), vec![ms(0)]));
    let no = Fact::HedgeDenied { code: Code::RetryBudgetExhausted };
    assert_eq!(*heard.lock().unwrap(), [Fact::Hedged { after: ms(100) }, no.clone(), no.clone(), no]);
}

#[tokio::test(start_paused = true)]
async fn only_what_is_marked_safe_to_repeat_is_hedged() {
    let hedge = Hedge::new(after(100)).unwrap();
    for effects in [Effects::Billable, Effects::Guarded, Effects::Once] {
        let calls = Cell::new(0);
        let run = hedge.run(effects, |_| {
            calls.set(calls.get() + 1);
            takes(900, Ok(1), Rc::new(()))
        });
        assert_eq!(run.await, Ok(1));
        assert_eq!(calls.get(), 1, "{effects}");
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_whole_drops_everybody() {
    let hedge = Hedge::new(after(100)).unwrap();
    let held = Rc::new(());
    let run = hedge.run(Effects::Repeatable, |_| takes(9000, Ok(1), held.clone()));
    let given_up = within(run, ms(500)).await;
    assert_eq!(given_up, Err(Elapsed));
    assert_eq!(Rc::strong_count(&held), 1);
    assert_eq!(lock(&hedge.0.learnt).latencies.count(default_clock().now()), 0, "nobody won");
}

#[tokio::test(start_paused = true)]
async fn a_percentile_is_learnt_before_anything_is_hedged() {
    let hedge = Hedge::new(Options::default()).unwrap();
    for _ in 0..20 {
        assert_eq!(hedge.delay(), None);
        let slow = scripted(&hedge, &[(40, Ok(1))]).await;
        assert_eq!(slow.2.len(), 1);
    }
    let delay = hedge.delay().unwrap();
    assert!(delay >= ms(40) && delay <= ms(45), "{delay:?}");
    let (outcome, took, times) = scripted(&hedge, &[(9000, Ok(1)), (10, Ok(2))]).await;
    assert_eq!((outcome, times.len()), (Ok(2), 2));
    assert!(took < ms(60), "{took:?}");
    hedge.update(after(7)).unwrap();
    assert_eq!(hedge.delay(), Some(ms(7)));
    hedge.update(Options::default()).unwrap();
    assert_eq!(hedge.delay(), Some(delay), "what was learnt is kept");
    tokio::time::sleep(MEMORY * 2).await;
    assert_eq!(hedge.delay(), None, "and forgotten when it is old");
}

#[tokio::test(start_paused = true)]
async fn a_failure_teaches_nothing_about_speed() {
    let hedge = Hedge::new(Options::default()).unwrap();
    for _ in 0..50 {
        scripted(&hedge, &[(1, Err("refused"))]).await.0.unwrap_err();
    }
    assert_eq!(hedge.delay(), None);
}

#[test]
fn a_panic_of_either_passes_through_and_leaves_nothing_behind() {
    let hedge = Hedge::with("x", after(100), budget(0, 100), default_clock(), None).unwrap();
    for who in [0, 1] {
        let held = Rc::new(());
        let unwound = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.unwrap().block_on(hedge.run(Effects::Repeatable, |cx| {
                let attempt = takes(if cx.hedge() == who { 200 } else { 9000 }, Ok(1), held.clone());
                async move {
                    let outcome = attempt.await;
                    assert!(cx.hedge() != who, "the operation's own panic");
                    outcome
                }
            }))
        }));
        assert!(unwound.is_err());
        assert_eq!(Rc::strong_count(&held), 1);
        assert_eq!(hedge.budget().spent(), (u64::from(who) + 1, 100));
        assert_eq!(hedge.delay(), Some(ms(100)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_budget_bounds_hedges_and_retries_together() {
    let budget = budget(0, 2);
    let options = retry::Options { attempts: 4, ..retry::Options::quick() };
    let retry = retry::Retry::with(options, Duration::from_secs(60), budget.clone()).unwrap();
    let hedge = Hedge::with("x", after(10), budget.clone(), default_clock(), None).unwrap();
    let sent = Cell::new(0);
    let run = retry.run(Effects::Repeatable, |_| {
        hedge.run(Effects::Repeatable, |_| {
            sent.set(sent.get() + 1);
            takes(100, Err("no"), Rc::new(()))
        })
    });
    run.await.unwrap_err();
    assert_eq!((sent.get(), budget.spent()), (3, (2, 2)), "one attempt, one hedge and one retry");
}

/// Takes 5 to 15 ms and, for some, a second.
fn quick_or_stuck(stuck: f64) -> impl Fn(&Random) -> f64 + Copy + Send + Sync + 'static {
    move |dice| if dice.unit() < stuck { 1.0 } else { 0.005 + dice.unit() * 0.010 }
}

/// A crowd of calls, one every 10 ms, to an upstream that takes so many seconds. The 99th percentile of what callers
/// waited, and the requests the upstream had to bear.
async fn crowd(
    hedge: Option<Hedge>,
    calls: u32,
    takes: impl Fn(&Random) -> f64 + Copy + Send + Sync + 'static,
) -> (Duration, u32) {
    let (dice, sent) = (Arc::new(Random::seeded(7)), Arc::new(Mutex::new(0)));
    let mut tasks = Vec::new();
    for _ in 0..calls {
        let (hedge, dice, sent) = (hedge.clone(), dice.clone(), sent.clone());
        tasks.push(tokio::spawn(async move {
            let began = tokio::time::Instant::now();
            let operation = |_: Cx| {
                *sent.lock().unwrap() += 1;
                let span = takes(&dice);
                async move {
                    tokio::time::sleep(Duration::from_secs_f64(span)).await;
                    Ok::<_, ()>(())
                }
            };
            match hedge {
                Some(hedge) => hedge.run(Effects::Repeatable, operation).await.unwrap(),
                None => operation(Cx { hedge: 0 }).await.unwrap(),
            }
            began.elapsed()
        }));
        tokio::time::sleep(ms(10)).await;
    }
    let mut waited = Vec::new();
    for task in tasks {
        waited.push(task.await.unwrap());
    }
    waited.sort();
    let sent = *sent.lock().unwrap();
    (waited[waited.len() * 99 / 100], sent)
}

#[tokio::test(start_paused = true)]
async fn the_99th_percentile_falls_and_the_upstream_bears_a_twentieth_more() {
    let (alone, _) = crowd(None, 5000, quick_or_stuck(0.03)).await;
    assert_eq!(alone, ms(1000));
    let hedge = Hedge::new(Options::default()).unwrap();
    let (hedged, sent) = crowd(Some(hedge), 5000, quick_or_stuck(0.03)).await;
    assert!(hedged <= ms(35), "{hedged:?}");
    let extra = f64::from(sent - 5000) / 5000.0;
    assert!((0.02..0.07).contains(&extra), "{extra}");
}

#[tokio::test(start_paused = true)]
async fn what_hedges_win_does_not_make_the_delay_shrink() {
    let hedge = Hedge::new(Options::default()).unwrap();
    // Most answers come at once, the others at any time up to a second: whoever left out those that were outrun would
    // see fewer and fewer of them, window after window.
    let heavy = |dice: &Random| 0.02 + dice.unit().powi(8);
    crowd(Some(hedge.clone()), 40_000, heavy).await;
    let delay = hedge.delay().unwrap();
    let exact = Duration::from_secs_f64(0.02 + 0.95_f64.powi(8));
    assert!(delay > exact.mul_f64(0.95) && delay < exact.mul_f64(1.2), "{delay:?} instead of {exact:?}");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_turned_slow_bears_no_more_than_the_budget() {
    let hedge = Hedge::with("x", after(20), budget(20, 10), default_clock(), None).unwrap();
    let calls = 2000;
    for _ in 0..calls {
        hedge.budget().deposit(default_clock().now());
    }
    let (_, sent) = crowd(Some(hedge), calls, quick_or_stuck(1.0)).await;
    assert!(sent - calls <= calls / 5 + 10, "{sent}");
}
