//! How long things took lately, as a few durations that shares of them stayed below.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seawall_core::Clock;

use super::{Histogram, Snapshot};
use crate::rate::Recent;

/// The shares that are told.
pub const QUANTILES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

/// How long things took in the last minute, told as quantiles, and how many and how long altogether. Clones record into the same
/// one.
///
/// For who reads numbers as they are. Quantiles of several cannot be put together: where a fleet is to be seen as one, take
/// a [`Histogram`]. A quantile is that of the last minute if somebody looks once in a minute, as a scraper does and the history
/// of a registry; otherwise that since the last look. It is within 6 %: see [`Snapshot::quantile`]. Recording costs what
/// recording in a histogram does; each look remembers some two kibibytes, one in five seconds at most, and for a minute: thirteen
/// of them at most.
#[derive(Clone)]
pub struct Summary {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    all: Histogram,
    recent: Mutex<Recent>,
}

/// What a [`Summary`] held at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Summed {
    /// How many were recorded, ever.
    pub count: u64,
    /// Their exact sum, in nanoseconds.
    pub sum_nanos: u128,
    /// Each of [`QUANTILES`] with the duration that share of the last minute's records stayed below; none without a record.
    pub quantiles: [(f64, Option<Duration>); QUANTILES.len()],
}

impl Summary {
    /// One that belongs to no registry.
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        let all = Histogram::default();
        let recent = Mutex::new(Recent::new(all.clone(), clock.now()));
        Self { inner: Arc::new(Inner { clock: clock.clone(), all, recent }) }
    }

    /// Records one duration, to the nanosecond.
    pub fn record(&self, took: Duration) {
        self.inner.all.record(took);
    }

    /// What it holds now.
    pub fn read(&self) -> Summed {
        let mut recent = self.inner.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let lately: Snapshot = recent.snapshot();
        recent.tick(self.inner.clock.now());
        drop(recent);
        let all = self.inner.all.snapshot();
        Summed {
            count: all.count(),
            sum_nanos: all.sum_nanos(),
            quantiles: QUANTILES.map(|share| (share, lately.quantile(share))),
        }
    }
}

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summary").field("all", &self.inner.all).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use seawall_core::clock::ManualClock;

    use super::super::{Format, Registry};
    use super::*;

    #[test]
    fn it_tells_of_the_last_minute_and_counts_for_ever() {
        let clock = Arc::new(ManualClock::new());
        let shared: Arc<dyn Clock> = clock.clone();
        let registry = Registry::new();
        let summary = registry.summary("tide_wait_seconds", "Waits.", &[("shore", "north")], &shared);
        let told = |share: f64| {
            let read = summary.read();
            let (_, found) = read.quantiles.into_iter().find(|(own, _)| *own == share).unwrap();
            found.map(|span| span.as_secs_f64())
        };
        assert_eq!(told(0.5), None, "nothing yet");
        (0..99).for_each(|_| summary.record(Duration::from_secs(1)));
        summary.record(Duration::from_secs(40));
        let near = |share, wanted: f64| told(share).is_some_and(|found| (found / wanted - 1.0).abs() < 0.06);
        assert!(near(0.5, 1.0) && near(0.95, 1.0) && near(0.99, 1.0), "{:?}", summary.read());
        for _ in 0..14 {
            clock.advance(Duration::from_secs(5));
            let _ = summary.read();
        }
        summary.record(Duration::from_secs(8));
        assert!(near(0.5, 8.0), "a good minute is not hidden by a bad one: {:?}", summary.read());
        let again = registry.summary("tide_wait_seconds", "Waits.", &[("shore", "north")], &shared);
        assert_eq!(again.read().count, 101, "the same name and labels are the same summary");

        let text = registry.render(Format::Prometheus);
        let half = summary.read().quantiles[0].1.unwrap().as_secs_f64();
        let head = "# HELP tide_wait_seconds Waits.\n# TYPE tide_wait_seconds summary\n";
        let first = format!("{head}tide_wait_seconds{{shore=\"north\",quantile=\"0.5\"}} {half}\n");
        assert!(text.starts_with(&first), "{text}");
        assert!(text.contains("tide_wait_seconds_sum{shore=\"north\"} 147.0\n"), "{text}");
        assert!(text.ends_with("tide_wait_seconds_count{shore=\"north\"} 101\n"), "{text}");
        assert!(registry.render(Format::Json).contains("\"p99\":"));
        assert!(registry.render(Format::Csv).contains("summary,\"{shore=\"\"north\"\"}\",count,101"));
    }

    #[test]
    fn without_labels_and_without_records_it_is_no_number() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
        let registry = Registry::new();
        let _unused = registry.summary("tide_wait_seconds", "Waits.", &[], &clock);
        let text = registry.render(Format::OpenMetrics);
        assert!(text.contains("\ntide_wait_seconds{quantile=\"0.99\"} NaN\n"), "{text}");
        assert!(text.contains("\ntide_wait_seconds_count 0\n"), "{text}");
    }
}
