//! What is remembered of jobs within one process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seawall::time::default_clock;
use seawall_core::job::{Cell, JobState, Key};
use seawall_core::store::{Asked, StoreError};
use seawall_core::{Clock, Instant};

/// Cells in this process's memory: gone with it. Clones share them.
///
/// It is bounded: what is past its time makes room, and when nothing is, a new cell finds none
/// ([`StoreError::Full`]) and its job is blocked.
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    max: usize,
    cells: Mutex<Cells>,
}

#[derive(Default)]
struct Cells {
    versions: u64,
    by_key: HashMap<Key, (Cell, Instant)>,
}

/// A few hundred bytes each.
const MAX: usize = 100_000;

impl Memory {
    /// An empty memory of at most 100 000 cells, on tokio's clock.
    pub fn new() -> Self {
        Self::with(MAX, default_clock())
    }

    /// An empty memory of at most `max` cells, on a clock of your own.
    pub fn with(max: usize, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { clock, max, cells: Mutex::default() }))
    }

    fn get(&self, key: &Key) -> Option<Cell> {
        let now = self.0.clock.now();
        let cells = self.0.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.by_key.get(key).filter(|(_, until)| now < *until).map(|(cell, _)| cell.clone())
    }

    fn put(
        &self,
        key: &Key,
        expected: Option<u64>,
        text: String,
        keep: Duration,
    ) -> Result<bool, StoreError> {
        let now = self.0.clock.now();
        let mut cells = self.0.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let live = cells.by_key.get(key).filter(|(_, until)| now < *until);
        if live.map(|(cell, _)| cell.version) != expected {
            return Ok(false);
        }
        if cells.by_key.len() >= self.0.max && !cells.by_key.contains_key(key) {
            cells.by_key.retain(|_, (_, until)| now < *until);
            if cells.by_key.len() >= self.0.max {
                return Err(StoreError::Full(format!("{} jobs are remembered already", self.0.max)));
            }
        }
        cells.versions += 1;
        let cell = Cell { version: cells.versions, text };
        cells.by_key.insert(key.clone(), (cell, now + keep));
        Ok(true)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.0.cells.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Memory").field("cells", &cells.by_key.len()).finish_non_exhaustive()
    }
}

impl JobState for Memory {
    fn read<'a>(&'a self, key: &'a Key) -> Asked<'a, Option<Cell>> {
        Box::pin(async { Ok(self.get(key)) })
    }

    fn swap<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<u64>,
        text: String,
        keep: Duration,
    ) -> Asked<'a, bool> {
        Box::pin(async move { self.put(key, expected, text, keep) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_core::clock::ManualClock;

    #[test]
    fn a_cell_is_changed_by_whoever_saw_it_last_and_forgotten_in_time() {
        let clock = ManualClock::new();
        let memory = Memory::with(2, Arc::new(clock.clone()));
        let (one, two, three) = (Key::Type("a".into()), Key::Type("b".into()), Key::Type("c".into()));
        let hour = Duration::from_secs(3600);
        assert_eq!(memory.put(&one, None, "1".into(), hour), Ok(true));
        assert_eq!(memory.put(&one, None, "2".into(), hour), Ok(false), "it is there");
        let seen = memory.get(&one).unwrap();
        assert_eq!(memory.put(&one, Some(seen.version), "2".into(), hour), Ok(true));
        assert_eq!(memory.put(&one, Some(seen.version), "3".into(), hour), Ok(false), "it has changed");
        assert_eq!(memory.get(&one).unwrap().text, "2");
        assert_eq!(memory.put(&two, None, "1".into(), hour * 2), Ok(true));
        assert!(matches!(memory.put(&three, None, "1".into(), hour), Err(StoreError::Full(_))));
        clock.advance(hour);
        assert_eq!(memory.get(&one), None);
        assert_eq!(memory.put(&three, None, "1".into(), hour), Ok(true), "there is room again");
        assert_eq!(
            memory.put(&one, None, "4".into(), hour),
            Err(StoreError::Full("2 jobs are remembered already".into()))
        );
    }
}
