//! What we say about other people's libraries, shown with their own code. No page may say more than this.

use std::time::Duration;

use tower::{Service, ServiceBuilder, ServiceExt};
use tower_resilience::circuitbreaker::{CircuitBreakerLayer, CircuitState, SlidingWindowType};

/// The failures in a row that open a breaker after so many successes and a pause.
fn failures_needed(layer: &CircuitBreakerLayer, successes: usize, pause: Duration) -> Option<usize> {
    let works = |works: bool| std::future::ready(if works { Ok(()) } else { Err("down") });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without I/O needs nothing from the system");
    runtime.block_on(async {
        let mut service = ServiceBuilder::new().layer(layer.clone()).service_fn(works);
        for _ in 0..successes {
            let ready = service.ready().await.expect("it is closed");
            ready.call(true).await.expect("it works");
        }
        tokio::time::sleep(pause).await;
        for n in 1..=2 * successes.max(100) {
            let ready = service.ready().await.expect("it holds nobody back");
            ready.call(false).await.expect_err("it fails");
            if service.state().await == CircuitState::Open {
                return Some(n);
            }
        }
        None
    })
}

/// tower-resilience 0.13.0 (tower-resilience-circuitbreaker 0.13.0): the default window, `CountBased` with a size of
/// 100 and a rate of 50 %, is documented as the number of calls to track. It counts every call since the last change
/// of state: after 10 000 successes it takes 10 000 failures in a row to open, where the last 100 calls would be half
/// failures after 50. What the size does is hold the judgement back until so many calls were seen.
#[test]
fn the_default_window_of_tower_resilience_does_not_slide() {
    let layer = CircuitBreakerLayer::builder().build().unwrap();
    assert_eq!(failures_needed(&layer, 0, Duration::ZERO), Some(100));
    assert_eq!(failures_needed(&layer, 50, Duration::ZERO), Some(50));
    assert_eq!(failures_needed(&layer, 1000, Duration::ZERO), Some(1000));
    assert_eq!(failures_needed(&layer, 10_000, Duration::ZERO), Some(10_000));
}

/// Its window over time, which has to be asked for, does slide: what is older than its span is gone. Within the span
/// every call is kept, so here too as many failures are needed as there were successes, but no longer than for the span.
#[test]
fn its_window_over_time_slides() {
    let layer = CircuitBreakerLayer::builder()
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(Duration::from_millis(50))
        .minimum_number_of_calls(10)
        .build()
        .unwrap();
    let needed = failures_needed(&layer, 1000, Duration::from_millis(120));
    assert_eq!(needed, Some(10));
}

/// Ours, by the same road: half of the last hundred is fifty.
#[test]
fn a_window_of_calls_of_ours_slides() {
    use seawall::breaker::{Breaker, Options, State, Window};
    let options = Options { consecutive: 0, window: Window::Calls(100), ..Options::default() };
    let breaker = Breaker::new("ours", options).unwrap();
    for _ in 0..10_000 {
        breaker.try_acquire().unwrap().success();
    }
    let needed = (1..=10_000).find(|_| {
        breaker.try_acquire().unwrap().failure();
        breaker.state() == State::Open
    });
    assert_eq!(needed, Some(50));
}
