//! Breakers alone, ours and other people's: what a call costs through a closed one, and what a refusal costs.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use failsafe::{CircuitBreaker as _, backoff, failure_policy};
use recloser::Recloser;
use seawall::breaker::{Breaker, Options};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_resilience::circuitbreaker::CircuitBreakerLayer;

use crate::Audience;

const DAY: Duration = Duration::from_secs(86_400);

/// Each with its own defaults; nothing ever fails.
pub(crate) fn closed(audience: &mut impl Audience) {
    let breaker = Breaker::new("closed", Options::default()).expect("defaults are sound");
    audience.watch("breaker/closed, seawall", || {
        let breaker = breaker.clone();
        async move || {
            let permit = breaker.try_acquire().expect("nothing fails");
            black_box(black_box(1));
            permit.success();
        }
    });
    let breaker = failsafe::Config::new().build();
    audience.watch("breaker/closed, failsafe", || {
        let breaker = breaker.clone();
        async move || {
            black_box(breaker.call(|| Ok::<_, Infallible>(black_box(1))).expect("nothing fails"));
        }
    });
    let breaker = Recloser::default();
    audience.watch("breaker/closed, recloser", || {
        let breaker = &breaker;
        async move || {
            black_box(breaker.call(|| Ok::<_, Infallible>(black_box(1))).expect("nothing fails"));
        }
    });
    let service = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::builder().build().expect("its defaults"))
        .service_fn(|()| std::future::ready(Ok::<_, Infallible>(black_box(1))));
    audience.watch("breaker/closed, tower-resilience", || {
        let mut service = service.clone();
        async move || {
            let ready = service.ready().await.expect("nobody is held up");
            black_box(ready.call(()).await.expect("nothing fails"));
        }
    });
}

/// Each opened by a failure or a few, and open for a day.
pub(crate) fn rejecting(audience: &mut impl Audience) {
    let options = Options { consecutive: 1, open: DAY, ..Options::default() };
    let breaker = Breaker::new("rejecting", options).expect("these are sound");
    breaker.try_acquire().expect("a new breaker is closed").failure();
    audience.watch("breaker/rejecting, seawall", || {
        let breaker = breaker.clone();
        async move || {
            black_box(breaker.try_acquire().expect_err("it is open for a day"));
        }
    });
    let policy = failure_policy::consecutive_failures(1, backoff::constant(DAY));
    let breaker = failsafe::Config::new().failure_policy(policy).build();
    let _ = breaker.call(|| Err::<u32, _>(()));
    audience.watch("breaker/rejecting, failsafe", || {
        let breaker = breaker.clone();
        async move || {
            black_box(breaker.call(|| Ok::<u32, ()>(black_box(1))).expect_err("it is open for a day"));
        }
    });
    let breaker = Recloser::custom().closed_len(1).open_wait(DAY).build();
    for _ in 0..3 {
        let _ = breaker.call(|| Err::<u32, _>(()));
    }
    audience.watch("breaker/rejecting, recloser", || {
        let breaker = &breaker;
        async move || {
            black_box(breaker.call(|| Ok::<u32, ()>(black_box(1))).expect_err("it is open for a day"));
        }
    });
    let layer = CircuitBreakerLayer::builder().sliding_window_size(1).wait_duration_in_open(DAY).build();
    let service = ServiceBuilder::new()
        .layer(layer.expect("a size and a pause"))
        .service_fn(|()| std::future::ready(Err::<u32, _>("failed")));
    // A failure opens it; from then on every call is refused before it reaches the service.
    audience.watch("breaker/rejecting, tower-resilience", || {
        let mut service = service.clone();
        async move || {
            let ready = service.ready().await.expect("nobody is held up");
            black_box(ready.call(()).await.expect_err("it is open for a day"));
        }
    });
}
