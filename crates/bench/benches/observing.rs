//! What it costs to be watched: a logged call on the thread that logs it, and a health check with its memory.
//!
//! Measured is the processor time of the thread, as Linux counts it: what else runs on the machine, the writing thread
//! included, is not in it.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use seawall::health::trend::{self, Point, forecast};
use seawall::health::{Check, Finding, Limit, Measured, Options, Registry, system};
use seawall_bench::watched::{ClockId, Nowhere, log, spent};
use seawall_core::secret::Secret;
use seawall_core::units::Size;
use seawall_core::{CallId, Instant as Moment};
use seawall_signals::logs::{self, Logs, Secrets};
use tracing_subscriber::layer::SubscriberExt;

/// Lines that are logged before the writer is waited for, outside of what is measured.
const BATCH: u64 = 20_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn logs() -> Logs {
    let secrets = Secrets::default();
    for n in 0..20 {
        secrets.learn(&Secret::new(format!("a-secret-of-some-length-{n}")));
    }
    let options = logs::Options { queue: Size(256 << 20), ..logs::Options::default() };
    Logs::into_writer(options, &secrets, Nowhere).expect("the options are good")
}

fn logged(iterations: u64, logs: &Logs, mut act: impl FnMut()) -> Duration {
    let mut all = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let batch = left.min(BATCH);
        let began = spent(ClockId::ThreadCPUTime);
        for _ in 0..batch {
            act();
        }
        all += spent(ClockId::ThreadCPUTime) - began;
        left -= batch;
        assert!(logs.flush(PATIENCE), "the writer keeps up");
    }
    assert_eq!(logs.lost(), (0, 0), "what is lost costs nothing, and would not count");
    all
}

fn looked(iterations: u64, mut act: impl FnMut()) -> Duration {
    let began = spent(ClockId::ThreadCPUTime);
    (0..iterations).for_each(|_| act());
    spent(ClockId::ThreadCPUTime) - began
}

fn lines(c: &mut Criterion) {
    let logs = logs();
    let id = CallId::new();
    c.bench_function("a logged call, as a line", |bencher| {
        let line = || log(&logs, id, 812.5);
        bencher.iter_custom(|iterations| logged(iterations, &logs, line));
    });
    let subscriber = tracing_subscriber::registry().with(logs.layer());
    tracing::subscriber::set_global_default(subscriber).expect("nobody else has");
    let inside = tracing::info_span!("call", call = %id, upstream = "openai", route = "chat");
    let _entered = inside.enter();
    c.bench_function("a logged call, by tracing, inside its span", |bencher| {
        let event = || {
            tracing::info!(
                target: logs::PERFORMANCE, class = "ok", status = 200, attempts = 1, took_ms = 812.5, waited_ms = 0.0,
                cached = false, "answered"
            );
        };
        bencher.iter_custom(|iterations| logged(iterations, &logs, event));
    });
    c.bench_function("an event that is not heard", |bencher| {
        bencher.iter(|| tracing::debug!(n = black_box(7), "not heard"));
    });
}

fn checks(c: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let registry = Registry::new(Options::default()).expect("the options are good");
    let count = std::sync::atomic::AtomicU32::new(0);
    let measured = Check::find("measured", move || {
        // Something with a trend and some noise, so that nothing is cheap.
        let n = f64::from(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 1000);
        let measured =
            Measured { value: n + 20.0 * (n * 1.7).sin(), unit: "x", limit: Some(Limit::above(2000.0)) };
        async move { Finding::healthy().measured(measured) }
    });
    registry.register(measured).expect("it is the first");
    for _ in 0..200 {
        runtime.block_on(registry.run("measured"));
    }
    c.bench_function("a check and its memory", |bencher| {
        bencher.iter_custom(|iterations| {
            looked(iterations, || {
                black_box(runtime.block_on(registry.run("measured")));
            })
        });
    });
    let points: Vec<Point> = (0..120u32)
        .map(|n| Point {
            at: Moment::ORIGIN + Duration::from_secs(30) * n,
            value: f64::from(n) + 20.0 * (f64::from(n) * 1.7).sin(),
        })
        .collect();
    c.bench_function("a forecast over 120 measurements", |bencher| {
        bencher.iter_custom(|iterations| {
            looked(iterations, || {
                black_box(forecast(black_box(&points), Limit::above(200.0), &trend::Options::default())).ok();
            })
        });
    });
    let machine = Registry::new(Options::default()).expect("the options are good");
    for check in system::checks("/") {
        machine.register(check).expect("their names differ");
    }
    for _ in 0..200 {
        runtime.block_on(machine.run_all());
    }
    c.bench_function("the six checks of a machine, all at once", |bencher| {
        bencher.iter_custom(|iterations| {
            looked(iterations, || {
                black_box(runtime.block_on(machine.run_all()));
            })
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = lines, checks
}
criterion_main!(benches);
