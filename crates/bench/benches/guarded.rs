//! Nanoseconds per guarded call and thread, for one thread and for two that share the state.

use std::time::Duration;

use criterion::{Criterion, SamplingMode};
use seawall_bench::{Audience, THREADS, parade, together};

struct Timed(Criterion);

impl Audience for Timed {
    fn watch<F: AsyncFnMut()>(&mut self, name: &str, make: impl Fn() -> F + Sync) {
        let mut group = self.0.benchmark_group(name);
        // Equal samples: two threads that contend have no line to fit through growing ones.
        group.sampling_mode(SamplingMode::Flat);
        for threads in THREADS {
            let named = if threads == 1 { "1 thread".into() } else { format!("{threads} threads") };
            group.bench_function(named, |bencher| {
                bencher.iter_custom(|calls| together(threads, calls, &make));
            });
        }
        group.finish();
    }
}

fn main() {
    // About a second for each: the whole parade fits in a minute and a half, and is worth repeating.
    let criterion = Criterion::default()
        .sample_size(15)
        .nresamples(2000)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(800))
        .without_plots()
        .configure_from_args();
    let mut timed = Timed(criterion);
    parade(&mut timed);
    timed.0.final_summary();
}
