//! The lines of all keys, bounded: forgetting a key never gives anything away.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use seawall_core::Instant;
use seawall_policy::limiter::{Options, Quota};

use super::line::Line;

/// Longer keys share a line with those that begin alike: a caller chooses its own key, not our memory.
const LONGEST_KEY: usize = 256;

pub(super) struct Keys {
    lines: LruCache<Box<str>, Arc<Line>>,
    /// The line of all newcomers when nobody can be forgotten.
    crowd: Arc<Line>,
}

impl Keys {
    pub(super) fn new(options: &Options) -> Self {
        let max = NonZeroUsize::new(options.max_keys).unwrap_or(NonZeroUsize::MIN);
        Self { lines: LruCache::new(max), crowd: Arc::new(Line::new(&options.quota())) }
    }

    pub(super) fn line(&mut self, key: &str, quota: &Quota, now: Instant) -> Arc<Line> {
        let key = &key[..key.floor_char_boundary(LONGEST_KEY)];
        if let Some(line) = self.lines.get(key) {
            return line.clone();
        }
        if self.lines.len() == self.lines.cap().get() {
            let idle = self
                .lines
                .peek_lru()
                .is_some_and(|(_, line)| Arc::strong_count(line) == 1 && line.rested(quota, now));
            if !idle {
                return self.crowd.clone();
            }
            self.lines.pop_lru();
        }
        let line = Arc::new(Line::new(quota));
        self.lines.put(key.into(), line.clone());
        line
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.lines.iter().map(|(_, line)| line.waiting()).sum::<usize>() + self.crowd.waiting()
    }

    pub(super) fn reset(&mut self, quota: &Quota) {
        self.lines.clear();
        self.crowd.reset(quota);
    }
}
