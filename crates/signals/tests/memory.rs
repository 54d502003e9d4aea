//! All that operators see, at the worst, in twenty megabytes: counted by the allocator, in a program of its own.

use std::alloc::System;
use std::time::Duration;

use seawall_core::Instant;
use seawall_core::random::Random;
use seawall_policy::alert::Need;
use seawall_signals::metrics::{Gauge, Registry, names};
use seawall_signals::series::{Kept, STEP, Step, Watch};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const METRIC: &str = "seawall_job_failure_ratio";

#[test]
fn metrics_that_all_move_all_the_time_fit_into_twenty_megabytes_together() {
    let region = Region::new(ALLOCATOR);
    let held = || {
        let change = region.change();
        change.bytes_allocated.saturating_sub(change.bytes_deallocated) as f64 / 1e6
    };
    let (registry, random) = (Registry::new(), Random::seeded(7));
    let gauges: Vec<Gauge> =
        (0..800).map(|place| names::JOB_FAILURE_RATIO.with(&registry, [&format!("job-{place}")])).collect();
    let stir = || gauges.iter().for_each(|gauge| gauge.set(random.unit() * 1e6));
    let mut kept = Kept::default();
    let mut now = 20_000 * 86_400;
    // More days and hours than there is room for and a day of minutes, and no number twice.
    for (steps, pause) in [(60, 86_400), (100, 3600), (1440, STEP)] {
        for _ in 0..steps {
            stir();
            kept.tick(now, || registry.gather());
            now += pause;
        }
    }
    let past = held();
    let mut watch = Watch::new([Need { metric: METRIC.to_owned(), span: Duration::from_secs(720) }]);
    let mut second = 0;
    while watch.refused() == 0 && second < 1000 {
        stir();
        watch.sample(&registry.gather(), Instant::ORIGIN + Duration::from_secs(second));
        second += 1;
    }
    assert!(watch.refused() > 0, "what alerts look back on is full");
    let all = held();
    assert!(past < 15.5, "the past takes {past:.1} MB");
    assert!(all < 20.0, "all of it takes {all:.1} MB");
    // It is all there, and not kept small by keeping nothing.
    assert_eq!(kept.series(METRIC, 86_400, now, &[]).len(), 800);
    let hours = kept.steps(METRIC, Step::Hour, Step::Hour.reach(), now);
    let most = hours.iter().map(|(_, hours)| hours.len()).max().unwrap_or_default();
    assert!(hours.len() == 800 && most > 50, "{} series of {most} hours", hours.len());
}
