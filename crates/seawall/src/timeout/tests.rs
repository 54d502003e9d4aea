use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::Pipeline;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[tokio::test(start_paused = true)]
async fn a_ready_future_needs_no_timer_and_a_slow_one_is_dropped() {
    assert_eq!(within(async { 1 }, Duration::ZERO).await, Ok(1));
    let started = tokio::time::Instant::now();
    let slow = within(tokio::time::sleep(Duration::from_secs(9)), Duration::from_secs(2)).await;
    assert_eq!(slow, Err(Elapsed));
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_call_has_ten_thirty_and_sixty_seconds_unless_somebody_says_otherwise() {
    let options = Options::default();
    let deadline = Pipeline::builder("x").build().unwrap().deadline();
    assert_eq!([options.connect, options.first_byte, deadline], [10, 30, 60].map(Duration::from_secs));
}

#[tokio::test(start_paused = true)]
async fn what_timed_out_is_dropped_at_once_and_leaves_nothing_behind() {
    let timeout = Timeout::new(ms(50)).unwrap();
    let held = Rc::new(Cell::new(0));
    for _ in 0..1000 {
        let guard = held.clone();
        let began = tokio::time::Instant::now();
        let stuck = timeout.run(async move {
            let _inside = guard;
            std::future::pending::<Result<(), ()>>().await
        });
        let rejection = stuck.await.unwrap_err().rejection().unwrap().clone();
        assert_eq!((rejection.code, rejection.certainty), (Code::AttemptTimeout, crate::Certainty::Unknown));
        assert_eq!(Rc::strong_count(&held), 1, "dropped before anybody looked at the outcome");
        assert_eq!(began.elapsed(), ms(50));
    }
    assert_eq!(Arc::strong_count(&timeout.0), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_drops_its_operation_and_remembers_nothing() {
    let timeout = Timeout::new(ms(50)).unwrap();
    let held = Rc::new(());
    for _ in 0..30 {
        let guard = held.clone();
        let run = timeout.run(async move {
            let _inside = guard;
            std::future::pending::<Result<(), ()>>().await
        });
        assert_eq!(within(run, ms(10)).await, Err(Elapsed));
        assert_eq!(Rc::strong_count(&held), 1);
    }
    assert_eq!(timeout.recommended(), None);
}

#[tokio::test(start_paused = true)]
async fn clones_learn_together_what_calls_need() {
    let timeout = Timeout::new(ms(5000)).unwrap();
    let other = timeout.clone();
    for n in 0..20 {
        assert_eq!(other.recommended(), None, "after {n}");
        let run = timeout.run(async {
            tokio::time::sleep(ms(400)).await;
            Ok::<_, ()>(7)
        });
        assert_eq!(run.await, Ok(7));
    }
    let said = other.recommended().unwrap();
    assert!(said >= ms(600) && said <= ms(600) * 9 / 8, "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quick_refusal_is_no_proof_of_speed_and_giving_up_counts_as_the_limit() {
    let timeout = Timeout::new(ms(2000)).unwrap();
    for _ in 0..100 {
        timeout.run(async { Err::<(), _>("refused") }).await.unwrap_err();
    }
    assert_eq!(timeout.recommended(), None);
    for _ in 0..20 {
        timeout.run(std::future::pending::<Result<(), ()>>()).await.unwrap_err();
    }
    assert!(timeout.recommended().unwrap() >= ms(3000));
}

#[test]
fn a_limit_of_zero_and_a_margin_that_cuts_are_refused() {
    assert_eq!(Timeout::new(Duration::ZERO).unwrap_err().key, "limit");
    let bad = Advice { margin: 0.5, ..Advice::default() };
    assert_eq!(Timeout::with(ms(1), bad, default_clock()).unwrap_err().key, "margin");
}
