//! Reads numbers where they already live, at the moment somebody asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};

use super::gather::Value;
use super::registry::{Inner, Key, Registry};

pub(super) type Read = dyn Fn(&mut Samples) + Send + Sync;

/// Takes what a closure of [`Registry::observe_with`] reads.
pub struct Samples {
    pub(super) width: usize,
    pub(super) limit: usize,
    pub(super) found: BTreeMap<Key, Value>,
    pub(super) refused: u64,
    pub(super) first_refused: Option<Key>,
}

impl Samples {
    /// Adds a value for these label values, given in the order of the label names.
    pub fn add(&mut self, values: &[&str], value: f64) {
        debug_assert!(values.len() == self.width, "{values:?} are not {} label values", self.width);
        let key: Key =
            (0..self.width).map(|place| values.get(place).copied().unwrap_or_default().into()).collect();
        if self.found.contains_key(&key) {
            return;
        }
        if self.found.len() < self.limit {
            self.found.insert(key, Value::Number(value));
        } else {
            self.refused += 1;
            self.first_refused.get_or_insert(key);
        }
    }
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samples").field("found", &self.found.len()).finish_non_exhaustive()
    }
}

/// Keeps what [`Registry::observe_with`] registered; dropping it ends those values.
#[must_use = "the values end when this is dropped: keep it with the state they come from, or call keep()"]
pub struct Observer {
    registry: Weak<Inner>,
    metric: String,
    id: u64,
}

impl Observer {
    pub(super) fn new(inner: &Arc<Inner>, metric: &str, id: u64) -> Self {
        Self { registry: Arc::downgrade(inner), metric: metric.to_owned(), id }
    }

    /// Keeps the values for as long as the registry lives.
    pub fn keep(mut self) {
        self.registry = Weak::new();
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        let Some(inner) = self.registry.upgrade() else { return };
        let registry = Registry { inner };
        let mut gone = Vec::new();
        if let Some(family) = registry.inner.lock().families.get_mut(&self.metric) {
            gone.extend(family.observers.extract_if(.., |(id, _)| *id == self.id));
        }
        // Only now, with the lock given back: what the closure holds may want the registry as it goes.
        drop(gone);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.metric).finish()
    }
}
