//! Other people's guards, with their own defaults where a limit is not reached anyway, in the order of our pipeline.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::Ready;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{Quota, RateLimiter};
use tower::retry::Policy;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;
use tower_resilience::ratelimiter::RateLimiterLayer;
use tower_resilience::retry::RetryLayer;
use tower_resilience::timelimiter::TimeLimiterLayer;

use crate::{Audience, Walk, keys};

const ATTEMPT: Duration = Duration::from_secs(10);
const PLACES: usize = 32;
const PER_SECOND: u32 = 1_000_000_000;

/// Timeout, rate limit, concurrency limit and retry. The rate is counted in the service itself, which is not `Clone`:
/// two threads have two of them and share only the places.
pub(crate) fn tower(audience: &mut impl Audience) {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(PLACES));
    audience.watch("tower/four layers", || {
        let service = ServiceBuilder::new()
            .timeout(ATTEMPT)
            .rate_limit(PER_SECOND.into(), Duration::from_secs(1))
            .layer(tower::limit::GlobalConcurrencyLimitLayer::with_semaphore(places.clone()))
            .retry(Thrice(2))
            .service_fn(ready);
        caller(service)
    });
}

/// Retry, breaker, rate limiter, bulkhead and time limiter, built once; threads call clones, which share the state.
pub(crate) fn tower_resilience(audience: &mut impl Audience) {
    let service = ServiceBuilder::new()
        .layer(RetryLayer::builder().max_attempts(3).exponential_backoff(Duration::from_millis(500)).build())
        .layer(CircuitBreakerLayer::builder().build().expect("its defaults"))
        .layer(
            RateLimiterLayer::builder()
                .limit_for_period(PER_SECOND as usize)
                .refresh_period(Duration::from_secs(1))
                .build()
                .expect("a limit and a period"),
        )
        .layer(BulkheadLayer::builder().max_concurrent_calls(PLACES).build().expect("a size"))
        .layer(TimeLimiterLayer::builder().timeout_duration(ATTEMPT).build())
        .service_fn(ready);
    audience.watch("tower-resilience/five layers", || caller(service.clone()));
}

/// A rate for everybody, and one for each key in both of its maps.
pub(crate) fn governor(audience: &mut impl Audience) {
    let quota = Quota::per_second(NonZeroU32::new(PER_SECOND).expect("it is above zero"));
    let direct = RateLimiter::direct(quota);
    audience.watch("limiter/unkeyed, governor", || {
        let limiter = &direct;
        async move || {
            limiter.check().expect("nobody reaches it");
        }
    });
    let keys = keys();
    let (sharded, locked) = (RateLimiter::dashmap(quota), RateLimiter::hashmap(quota));
    for key in &*keys {
        let _ = (sharded.check_key(key), locked.check_key(key));
    }
    audience.watch("limiter/keyed_100k, governor sharded", || {
        let (limiter, keys, mut walk) = (&sharded, keys.clone(), Walk::new());
        async move || {
            limiter.check_key(&keys[walk.step()]).expect("nobody reaches it");
        }
    });
    audience.watch("limiter/keyed_100k, governor locked", || {
        let (limiter, keys, mut walk) = (&locked, keys.clone(), Walk::new());
        async move || {
            limiter.check_key(&keys[walk.step()]).expect("nobody reaches it");
        }
    });
}

fn caller<S>(mut service: S) -> impl AsyncFnMut()
where
    S: Service<(), Response = u32, Error: Debug>,
{
    async move || {
        let ready = service.ready().await.expect("nobody is held up");
        black_box(ready.call(()).await.expect("nothing fails"));
    }
}

async fn ready((): ()) -> Result<u32, Infallible> {
    Ok(black_box(1))
}

/// Repeats a failure at once, as often as it says.
#[derive(Clone)]
struct Thrice(u32);

impl<T, E> Policy<(), T, E> for Thrice {
    type Future = Ready<()>;

    fn retry(&mut self, (): &mut (), outcome: &mut Result<T, E>) -> Option<Ready<()>> {
        if outcome.is_ok() {
            return None;
        }
        self.0 = self.0.checked_sub(1)?;
        Some(std::future::ready(()))
    }

    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}
