//! How the hours and days of the metrics outlive a restart: read at the start, written every ten minutes and at the end.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use seawall::time;
use seawall_core::clock::wall_now;
use seawall_core::event::{Channel, Event, Fact, Sink as _};
use seawall_core::{Clock, Instant};
use seawall_signals::metrics::Registry;
use seawall_signals::series::{self, Kept};

/// From one write to the next: so much of an hour is lost by a kill.
const PAUSE: Duration = Duration::from_secs(600);

/// What the metrics were, and the directory in which it is kept; without one it ends with the process.
#[derive(Debug)]
pub(crate) struct Recall {
    kept: Arc<Mutex<Kept>>,
    directory: Option<PathBuf>,
    events: Channel,
    clock: Arc<dyn Clock>,
    written: Mutex<Instant>,
    /// Did the last write fail? Said once, until one succeeds.
    failing: AtomicBool,
}

impl Recall {
    /// Goes on from what a directory holds; what cannot be read is set aside, and told.
    pub(crate) fn open(directory: Option<&Path>, events: Channel) -> Self {
        let (kept, troubles) = directory.map(series::open).unwrap_or_default();
        let clock = time::default_clock();
        let recall = Self {
            kept: Arc::new(Mutex::new(kept)),
            directory: directory.map(Path::to_owned),
            events,
            written: Mutex::new(clock.now()),
            clock,
            failing: AtomicBool::new(false),
        };
        troubles.into_iter().for_each(|what| recall.trouble(what));
        recall
    }

    pub(crate) fn kept(&self) -> Arc<Mutex<Kept>> {
        self.kept.clone()
    }

    /// Writes in a thread of its own when it is time. Must be called within a runtime.
    pub(crate) fn tick(self: &Arc<Self>) {
        let now = self.clock.now();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if self.directory.is_some() && now.since(*written) >= PAUSE {
            *written = now;
            let own = self.clone();
            tokio::task::spawn_blocking(move || own.keep());
        }
    }

    /// Takes a last look at the metrics, and writes.
    pub(crate) fn end(&self, registry: &Registry) {
        if self.directory.is_some() {
            let now = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let gathered = registry.gather();
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).end(now, &gathered);
            self.keep();
        }
    }

    /// Writes now, and waits for the disk. A disk that refuses is told, and costs nobody anything else.
    pub(crate) fn keep(&self) {
        let Some(directory) = &self.directory else { return };
        let saved = self.kept.lock().unwrap_or_else(PoisonError::into_inner).save();
        match series::keep(directory, &saved) {
            Ok(()) => self.failing.store(false, Ordering::Relaxed),
            Err(_) if self.failing.swap(true, Ordering::Relaxed) => {}
            Err(error) => self.trouble(format!("hours and days of the metrics cannot be written: {error}")),
        }
    }

    fn trouble(&self, what: String) {
        let fact = Fact::SignalTrouble { what: what.into() };
        self.events.offer(Event { at: self.clock.now(), name: "series".into(), fact });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_refuses_is_told_once_and_again_after_it_was_well() {
        let home = tempfile::tempdir().unwrap();
        let (events, heard) = crate::house::House::channel();
        let recall = Recall::open(Some(home.path()), events);
        let in_the_way = home.path().join("series.state.new");
        for said in [1, 2] {
            std::fs::create_dir(&in_the_way).unwrap();
            recall.keep();
            recall.keep();
            std::fs::remove_dir(&in_the_way).unwrap();
            recall.keep();
            let told: Vec<Event> = heard.try_iter().collect();
            assert_eq!(told.len(), 1, "{said}: {told:?}");
            let said = |fact: &Fact| matches!(fact, Fact::SignalTrouble { what } if what.contains("cannot be written"));
            assert!(said(&told[0].fact), "{told:?}");
        }
    }
}
