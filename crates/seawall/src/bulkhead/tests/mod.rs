mod adaptive;
mod interleavings;
mod laws;

use super::*;
use crate::time::DefaultClock;

fn options(concurrent: u32, max: usize, wait: u64) -> Options {
    Options { concurrent, queue: Queue { max, wait: Duration::from_secs(wait) }, ..Options::default() }
}

fn later(secs: u64) -> Instant {
    DefaultClock.now() + Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn waiters_enter_in_order_and_the_queue_is_bounded() {
    let b = Bulkhead::new(options(1, 2, 5)).unwrap();
    let inside = b.try_acquire().unwrap();
    let order: Arc<Mutex<Vec<u32>>> = Arc::default();
    let mut waiters = Vec::new();
    for n in 0..2 {
        let (b, order) = (b.clone(), order.clone());
        waiters.push(tokio::spawn(async move {
            let _place = b.acquire(later(60)).await.unwrap();
            order.lock().unwrap().push(n);
        }));
        tokio::task::yield_now().await;
    }
    assert_eq!(b.load(), Load { in_flight: 1, waiting: 2 });
    assert_eq!(b.acquire(later(60)).await.unwrap_err().code, Code::BulkheadFull);
    drop(inside);
    for waiter in waiters {
        waiter.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1]);
    assert_eq!(b.load(), Load::default());
}

#[tokio::test(start_paused = true)]
async fn patience_ends_with_the_queue_or_the_deadline() {
    let b = Bulkhead::new(options(1, 2, 5)).unwrap();
    let _inside = b.try_acquire().unwrap();
    let started = DefaultClock.now();
    assert!(b.acquire(later(60)).await.is_err());
    assert_eq!(DefaultClock.now().since(started), Duration::from_secs(5));
    assert!(b.acquire(later(2)).await.is_err());
    assert_eq!(DefaultClock.now().since(started), Duration::from_secs(7));
    assert_eq!(b.load().waiting, 0, "who gave up has left the queue");
}

#[tokio::test]
async fn it_grows_and_shrinks_with_calls_inside() {
    let b = Bulkhead::new(options(3, 0, 0)).unwrap();
    let held: Vec<_> = (0..3).map(|_| b.try_acquire().unwrap()).collect();
    b.update(options(1, 0, 0)).unwrap();
    assert_eq!(b.load().in_flight, 3);
    drop(held);
    assert_eq!(b.load().in_flight, 0);
    let one = b.try_acquire().unwrap();
    assert!(b.try_acquire().is_err());
    b.update(options(2, 0, 0)).unwrap();
    let _two = b.try_acquire().unwrap();
    assert!(b.try_acquire().is_err());
    drop(one);
}

#[tokio::test(start_paused = true)]
async fn the_important_enter_first_and_a_full_line_gives_them_the_place_of_the_low() {
    let b = Bulkhead::new(options(1, 2, 60)).unwrap();
    let inside = b.try_acquire().unwrap();
    let order: Arc<Mutex<Vec<&str>>> = Arc::default();
    let mut waiters = Vec::new();
    for (name, priority) in [("normal", Priority::Normal), ("low", Priority::Low), ("high", Priority::High)] {
        let (b, order) = (b.clone(), order.clone());
        waiters.push(tokio::spawn(async move {
            let entered = b.acquire_as(priority, later(60)).await;
            order.lock().unwrap().push(name);
            entered.map(drop).map_err(|refused| refused.reason)
        }));
        tokio::task::yield_now().await;
    }
    assert_eq!(b.load().waiting, 2, "the line is never longer than its bound");
    drop(inside);
    let mut outcomes = Vec::new();
    for waiter in waiters {
        outcomes.push(waiter.await.unwrap());
    }
    assert_eq!(*order.lock().unwrap(), ["low", "high", "normal"]);
    let reason = outcomes[1].as_ref().unwrap_err();
    assert!(reason.starts_with("a more important call took its place in the line: 1 of 1"), "{reason}");
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_why_and_how_full_it_is() {
    let b = Bulkhead::new(options(1, 1, 5)).unwrap();
    let _inside = b.try_acquire().unwrap();
    let reason = |refused: Result<Permit, Rejection>| refused.unwrap_err().reason.into_owned();
    assert_eq!(reason(b.try_acquire()), "there is no place now: 1 of 1 are in flight, 0 of 1 wait");
    let waiting = tokio::spawn({
        let b = b.clone();
        async move { b.acquire(later(60)).await }
    });
    tokio::task::yield_now().await;
    let full = "there is no place now, nor one to wait: 1 of 1 are in flight, 1 of 1 wait";
    assert_eq!(reason(b.acquire(later(60)).await), full);
    let late = "there is no place now, and no time to wait: 1 of 1 are in flight, 1 of 1 wait";
    assert_eq!(reason(b.acquire(later(0)).await), late);
    let gave_up = "no place came free in 5s: 1 of 1 are in flight, 0 of 1 wait";
    assert_eq!(reason(waiting.await.unwrap()), gave_up);
}

#[test]
fn a_borrowed_place_is_given_back_or_made_ones_own() {
    let b = Bulkhead::new(options(2, 0, 0)).unwrap();
    let one = b.try_enter().unwrap();
    let two = b.try_enter().unwrap().into_owned();
    assert!(b.try_enter().is_none());
    one.settle(Ended::Worked);
    assert_eq!(b.load().in_flight, 1);
    drop(two);
    assert_eq!(b.load().in_flight, 0);
}
