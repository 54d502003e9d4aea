//! A line that fails in every way a line can.

use std::time::Duration;

use seawall_core::effect::{Answer, Begin, Nature, Operation};
use seawall_core::store::{Store, StoreError};
use seawall_store::redis::RedisOptions;

use crate::cable::{Cable, Does};
use crate::server::{NOTHING, server};
use crate::{back, begin, careless, end, open, run, wish};

/// Gives up soon. The servers here keep nothing, so that no disk makes them slow.
fn impatient() -> RedisOptions {
    RedisOptions { timeout: Duration::from_millis(300), ..careless() }
}

#[tokio::test]
async fn whoever_lost_the_reply_gets_the_same_right() {
    let Some(server) = server(NOTHING).await else { return };
    let cable = Cable::to(server.port()).await;
    let direct = open(&server.url(), careless()).await;
    for (n, fault) in (1..).zip([Does::Cuts, Does::Swallows, Does::Garbles, Does::Stutters]) {
        cable.does(Does::Carries);
        let store = open(&cable.url(), impatient()).await;
        cable.does(fault);
        let lost = begin(&store, wish(n)).await;
        assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{fault:?}: {lost:?}");
        // It was taken in all the same.
        let other = Begin { nonce: seawall_core::effect::Nonce(99), ..wish(n) };
        assert!(matches!(begin(&direct, other).await, Ok(Answer::Busy(_))), "{fault:?}");
        cable.does(Does::Carries);
        back(&store).await;
        let token = run(&store, wish(n)).await;
        assert_eq!(end(&direct, wish(n).key, token, b"done").await, Answer::Ok, "{fault:?}");
    }
}

#[tokio::test]
async fn rubbish_on_the_line_is_an_error_and_never_a_wrong_answer() {
    let Some(server) = server(NOTHING).await else { return };
    let cable = Cable::to(server.port()).await;
    let store = open(&cable.url(), impatient()).await;
    for n in 0..60 {
        if n % 3 == 0 {
            cable.does([Does::Garbles, Does::Stutters, Does::Cuts][n as usize / 3 % 3]);
        }
        let wish = Begin { nature: Nature::Idempotent, ..wish(n) };
        match begin(&store, wish.clone()).await {
            Ok(Answer::Run(token)) => assert_eq!(token.nonce, wish.nonce),
            Ok(other) => panic!("a wrong answer: {other:?}"),
            Err(_) => cable.does(Does::Carries),
        }
    }
    cable.does(Does::Carries);
    back(&store).await;
}

#[tokio::test]
async fn scripts_the_server_lost_are_loaded_again_unnoticed() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    for n in 0..5 {
        server.tell(&["SCRIPT", "FLUSH"]);
        let crowd: Vec<_> = (0..50).map(|m| begin(&store, wish(n * 100 + m))).collect();
        for answer in futures_util::future::join_all(crowd).await {
            assert!(matches!(answer, Ok(Answer::Run(_))), "{answer:?}");
        }
    }
    server.tell(&["SCRIPT", "FLUSH"]);
    assert_eq!(store.sweep(10).await.expect("the store answers").changed, 0);
}

#[tokio::test]
async fn a_sweep_loads_scripts_too_and_loses_no_note() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    for n in 0..20 {
        run(&store, Begin { lease: Duration::from_millis(1), ..wish(n) }).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    server.tell(&["SCRIPT", "FLUSH"]);
    let swept = store.sweep(100).await.expect("the store answers");
    assert_eq!((swept.changed, swept.notes.len()), (20, 20));
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_is_still_asked() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    drop(store.ask(Operation::Begin(wish(1))));
    drop(store);
    let store = open(&server.url(), careless()).await;
    for _ in 0..200 {
        if crate::peek(&store, wish(1).key).await.is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it was never asked");
}

#[test]
fn it_works_on_any_executor_and_while_the_callers_own_stands_still() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let Some(server) = runtime.block_on(server(NOTHING)) else { return };
    // No runtime here at all: only a thread that waits.
    let store = on_no_runtime(open(&server.url(), careless()));
    let token = on_no_runtime(run(&store, wish(1)));
    assert_eq!(on_no_runtime(end(&store, wish(1).key, token, b"x")), Answer::Ok);
    on_no_runtime(store.sweep(10)).expect("the store answers");
}

#[tokio::test]
async fn a_server_that_stands_still_costs_no_more_than_the_timeout() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), impatient()).await;
    let signal = |what: &str| {
        let sent = std::process::Command::new("kill").args([what, &server.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    };
    signal("-STOP");
    let before = tokio::time::Instant::now();
    let crowd: Vec<_> = (0..100).map(|n| begin(&store, wish(n))).collect();
    let answers = futures_util::future::join_all(crowd).await;
    let took = before.elapsed();
    signal("-CONT");
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))));
    assert!(took < Duration::from_secs(2), "{took:?}");
    back(&store).await;
    // Some may have been taken in; whoever asks again runs, once.
    for n in 0..100 {
        let mut asked = begin(&store, wish(n)).await;
        if asked.is_err() {
            // The old connection may have answered a last time before it was given up.
            back(&store).await;
            asked = begin(&store, wish(n)).await;
        }
        assert!(matches!(asked, Ok(Answer::Run(_))), "{asked:?}");
    }
}

/// Waits for a future as plainly as can be: a thread that sleeps until it is woken.
fn on_no_runtime<T>(future: impl Future<Output = T>) -> T {
    struct Thread(std::thread::Thread);
    impl std::task::Wake for Thread {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Thread(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(done) => return done,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}
