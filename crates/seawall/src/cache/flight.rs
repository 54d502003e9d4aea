//! One fetch for many: somebody leads, the others wait, and if the leader is lost one of them goes on.

use std::any::Any;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use seawall_policy::cache::Life;
use tokio::sync::Semaphore;

use super::Cache;
use crate::lock;

/// A turn to lead that one holds at a time, and how it ended.
pub(super) struct Flight<V> {
    /// Its one permit is the turn. tokio's semaphore is first come, first served, and passes on the permit of a waiter
    /// that is dropped. It is closed when the flight is over.
    turn: Semaphore,
    landed: Mutex<Option<Landed<V>>>,
}

#[derive(Clone)]
enum Landed<V> {
    Value(V),
    Failed(Failure),
    Scattered,
}

impl<V: Clone> Flight<V> {
    /// Somebody leads it.
    pub(super) fn led() -> Self {
        Self { turn: Semaphore::new(0), landed: Mutex::new(None) }
    }

    pub(super) fn is_led(&self) -> bool {
        self.turn.available_permits() == 0
    }

    pub(super) fn next(&self) {
        self.turn.add_permits(1);
    }

    fn land(&self, landed: Landed<V>) {
        *lock(&self.landed) = Some(landed);
        self.turn.close();
    }
}

/// What a flight failed with, for those who waited for it.
#[derive(Clone)]
pub struct Failure(Arc<dyn Any + Send + Sync>);

impl Failure {
    /// The error, if it is of this type.
    pub fn get<E: 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failure")
    }
}

/// The turn to fetch one key: nobody else does while this lives. End it with a word; dropped without one (the caller
/// went away, or panicked) it passes to the next in line.
#[must_use = "a lead that is dropped at once fetches nothing"]
pub struct Lead<K: Hash + Eq + Clone, V: Clone> {
    cache: Cache<K, V>,
    key: K,
    flight: Arc<Flight<V>>,
    over: bool,
}

impl<K: Hash + Eq + Clone, V: Clone> Lead<K, V> {
    pub(super) fn of(cache: &Cache<K, V>, key: &K, flight: Arc<Flight<V>>) -> Self {
        Self { cache: cache.clone(), key: key.clone(), flight, over: false }
    }

    /// What is being fetched.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// It is here: keeps it and gives it to all who wait. False if it was not kept, because it is too large or because
    /// its key was invalidated meanwhile.
    pub fn land(self, value: V) -> bool {
        let life = self.cache.options().life();
        self.land_for(value, life)
    }

    /// The same, for a life of its own.
    pub fn land_for(mut self, value: V, life: Life) -> bool {
        self.over = true;
        let kept = self.cache.landed(&self.key, &self.flight, value.clone(), life);
        self.flight.land(Landed::Value(value));
        kept
    }

    /// It failed: nothing is kept, and all who wait are told.
    pub fn fail<E: Send + Sync + 'static>(mut self, error: E) {
        self.over = true;
        self.cache.over(&self.key, &self.flight);
        self.flight.land(Landed::Failed(Failure(Arc::new(error))));
    }

    /// What came is for this caller alone: all who wait fetch for themselves.
    pub fn scatter(mut self) {
        self.over = true;
        self.cache.over(&self.key, &self.flight);
        self.flight.land(Landed::Scattered);
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Drop for Lead<K, V> {
    fn drop(&mut self) {
        if !self.over {
            self.cache.hand_over(&self.key, &self.flight);
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> fmt::Debug for Lead<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lead").finish_non_exhaustive()
    }
}

/// A place in line behind somebody who fetches the same. Dropping it leaves the line.
#[must_use = "a place in line that is dropped at once waits for nothing"]
pub struct Waiting<K: Hash + Eq + Clone, V: Clone> {
    cache: Cache<K, V>,
    key: K,
    flight: Arc<Flight<V>>,
}

/// How waiting ended.
#[derive(Debug)]
pub enum Landing<K: Hash + Eq + Clone, V: Clone> {
    /// The leader brought it.
    Value(V),
    /// The leader failed.
    Failed(Failure),
    /// What the leader got is not for others: fetch it yourself.
    Scattered,
    /// The leader is gone, and it is your turn.
    Lead(Lead<K, V>),
}

impl<K: Hash + Eq + Clone, V: Clone> Waiting<K, V> {
    pub(super) fn of(cache: &Cache<K, V>, key: &K, flight: Arc<Flight<V>>) -> Self {
        Self { cache: cache.clone(), key: key.clone(), flight }
    }

    /// Waits for as long as it takes: the caller knows its deadline.
    pub async fn landing(self) -> Landing<K, V> {
        if let Ok(turn) = self.flight.turn.acquire().await {
            turn.forget();
            return Landing::Lead(Lead::of(&self.cache, &self.key, self.flight.clone()));
        }
        match lock(&self.flight.landed).clone() {
            Some(Landed::Value(value)) => Landing::Value(value),
            Some(Landed::Failed(failure)) => Landing::Failed(failure),
            // A flight is closed by its landing and by nothing else.
            Some(Landed::Scattered) | None => Landing::Scattered,
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Drop for Waiting<K, V> {
    fn drop(&mut self) {
        self.cache.leave(&self.key, &self.flight);
    }
}

impl<K: Hash + Eq + Clone, V: Clone> fmt::Debug for Waiting<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}
