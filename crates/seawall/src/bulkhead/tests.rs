use super::*;
use crate::time::DefaultClock;

fn options(concurrent: u32, max: usize, wait: u64) -> Options {
    Options { concurrent, queue: Queue { max, wait: Duration::from_secs(wait) } }
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
