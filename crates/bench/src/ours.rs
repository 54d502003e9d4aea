//! Seawall: the whole pipeline, each policy apart, and the floors below them.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use seawall::breaker::{self, Breaker};
use seawall::bulkhead::{self, Bulkhead};
use seawall::limiter::{self, Limiter};
use seawall::pipeline::Builder;
use seawall::tower::PipelineLayer;
use seawall::{Code, Pipeline, retry};
use seawall_core::Clock;
use seawall_core::clock::SystemClock;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{Audience, KEYS, Walk, keys};

/// What every call waits for, and the clock every guard must read.
pub(crate) fn floors(audience: &mut impl Audience) {
    audience.watch("floor/ready future", || {
        async || {
            black_box(std::future::ready(black_box(1))).await;
        }
    });
    let clock = SystemClock::new();
    audience.watch("floor/clock", || {
        let clock = &clock;
        async move || {
            black_box(clock.now());
        }
    });
}

/// Retry, breaker, limiter, bulkhead, attempt timeout and deadline, and what an open breaker's refusal costs.
pub(crate) fn whole(audience: &mut impl Audience) {
    show(audience, "seawall/all, bucket", every().limiter(bucket()));
    show(audience, "seawall/all, window", every().limiter(window()));

    let opens = breaker::Options { consecutive: 1, open: Duration::from_secs(86_400), ..Default::default() };
    let pipeline = built(every().limiter(bucket()).breaker(opens));
    let permit = pipeline.breaker().expect("it was given one").try_acquire();
    permit.expect("a new breaker is closed").failure();
    audience.watch("seawall/all, refused by an open breaker", || {
        let pipeline = pipeline.clone();
        async move || {
            let refused = pipeline.run(ready).await.expect_err("it is open for a day");
            assert_eq!(refused.rejection().map(|rejection| rejection.code), Some(Code::BreakerOpen));
        }
    });
}

/// The same around a tower service: what the adapter adds.
pub(crate) fn layered(audience: &mut impl Audience) {
    let layer = PipelineLayer::new(built(every().limiter(bucket())));
    let service = layer.layer(service_fn(|()| std::future::ready(Ok::<_, Infallible>(black_box(1)))));
    audience.watch("seawall/all, bucket, as a tower layer", || {
        let mut service = service.clone();
        async move || {
            let ready = service.ready().await.expect("nobody is held up");
            black_box(ready.call(()).await.expect("nothing fails"));
        }
    });
}

/// One policy at a time: in a pipeline, and without one where it stands alone.
pub(crate) fn apart(audience: &mut impl Audience) {
    let bare = || Pipeline::builder("bare");
    show(audience, "pipeline/deadline", bare());
    show(audience, "pipeline/retry", bare().retry(retry::Options::default()));
    show(audience, "pipeline/breaker", bare().breaker(breaker::Options::default()));
    show(audience, "pipeline/bucket", bare().limiter(bucket()));
    show(audience, "pipeline/window", bare().limiter(window()));
    show(audience, "pipeline/bulkhead", bare().bulkhead(bulkhead::Options::default()));
    show(audience, "pipeline/attempt timeout", bare().attempt_timeout(ATTEMPT));

    let breaker = Breaker::new("alone", breaker::Options::default()).expect("defaults are sound");
    audience.watch("alone/breaker", || {
        let breaker = breaker.clone();
        async move || breaker.try_acquire().expect("nothing fails").success()
    });
    for (name, options) in [("limiter/unkeyed, bucket", bucket()), ("limiter/unkeyed, window", window())] {
        let limiter = Limiter::new(options).expect("these are sound");
        audience.watch(name, || {
            let limiter = limiter.clone();
            async move || {
                black_box(limiter.try_acquire().expect("nobody reaches it"));
            }
        });
    }
    let bulkhead = Bulkhead::new(bulkhead::Options::default()).expect("defaults are sound");
    audience.watch("alone/bulkhead", || {
        let bulkhead = bulkhead.clone();
        async move || drop(black_box(bulkhead.try_acquire().expect("two callers, 32 places")))
    });
    audience.watch("alone/bulkhead, borrowed", || {
        let bulkhead = bulkhead.clone();
        async move || drop(black_box(bulkhead.try_enter().expect("two callers, 32 places")))
    });
    let adaptive = Some(bulkhead::Adaptive::default());
    let options = bulkhead::Options { adaptive, ..bulkhead::Options::default() };
    let adaptive = Bulkhead::new(options).expect("defaults are sound");
    audience.watch("alone/bulkhead, adaptive", || {
        let bulkhead = adaptive.clone();
        async move || {
            let place = bulkhead.try_enter().expect("two callers, 32 places");
            black_box(place).settle(bulkhead::Ended::Worked);
        }
    });
    audience.watch("alone/timeout", || {
        async || {
            let outcome = seawall::timeout::within(std::future::ready(black_box(1)), ATTEMPT).await;
            black_box(outcome.expect("it is ready"));
        }
    });
}

/// A limit for each of [`KEYS`] keys, all of which are remembered and owe something when they are met.
pub(crate) fn keyed(audience: &mut impl Audience) {
    let keys = keys();
    let slower = limiter::Options { rate: "1000000/s".parse().expect("a rate"), ..bucket() };
    let contenders =
        [("limiter/keyed_100k, bucket", slower, 1_000_000), ("limiter/keyed_100k, window", window(), 1)];
    for (name, options, begin) in contenders {
        let options = limiter::Options { max_keys: KEYS, ..options };
        let limiter = Limiter::per_key("user", options).expect("these are sound");
        for key in &*keys {
            limiter.try_acquire_for(key, begin).expect("nobody reaches it");
        }
        assert_eq!(limiter.keys(), Some(KEYS));
        audience.watch(name, || {
            let (limiter, keys, mut walk) = (limiter.clone(), keys.clone(), Walk::new());
            async move || {
                black_box(limiter.try_acquire_for(&keys[walk.step()], 1).expect("nobody reaches it"));
            }
        });
    }
}

const ATTEMPT: Duration = Duration::from_secs(10);

fn every() -> Builder {
    Pipeline::builder("whole")
        .deadline(Duration::from_secs(30))
        .retry(retry::Options::default())
        .breaker(breaker::Options::default())
        .bulkhead(bulkhead::Options::default())
        .attempt_timeout(ATTEMPT)
}

fn window() -> limiter::Options {
    limiter::Options { rate: "1000000000/s".parse().expect("a rate"), ..limiter::Options::default() }
}

fn bucket() -> limiter::Options {
    limiter::Options { burst: 1_000_000_000.try_into().ok(), ..window() }
}

fn built(builder: Builder) -> Pipeline {
    builder.build().expect("these options are sound")
}

fn show(audience: &mut impl Audience, name: &str, builder: Builder) {
    let pipeline = built(builder);
    audience.watch(name, || {
        let pipeline = pipeline.clone();
        async move || {
            black_box(pipeline.run(ready).await.expect("nothing fails"));
        }
    });
}

fn ready(_: seawall::Cx) -> std::future::Ready<Result<u32, Infallible>> {
    std::future::ready(Ok(black_box(1)))
}
