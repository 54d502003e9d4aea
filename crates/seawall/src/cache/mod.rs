//! Gives an answer again for a while, fetches it once for many, and gives an old one where there is no new one.
//!
#![doc = include_str!("../../../../docs/policies/cache.md")]

mod fetch;
mod flight;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::event::{Event, Fact, Sink};
use seawall_core::{Clock, Instant};
use seawall_policy::Invalid;
pub use seawall_policy::cache::{Life, Look, Options, Why};
use seawall_policy::cache::{look, on_error};
pub use seawall_policy::fallback::Ended;

use crate::lock;
use crate::time::default_clock;
use flight::Flight;
pub use flight::{Failure, Landing, Lead, Waiting};
use shelf::{Seen, Shelf};

/// The most parts a cache is divided into.
const PARTS: usize = 16;
/// A part is not smaller than this many entries, nor than four of the largest.
const ENTRIES_EACH: usize = 64;

/// Answers by key. Clones share them.
///
/// Keys are spread over up to 16 parts, each with a lock and a share of the bounds of its own, so that cores seldom meet;
/// a cache too small for that has one part. A look takes one short lock and clones the value, which should be cheap:
/// wrap a large one in an [`Arc`]. Nothing is held across an await but a place in line.
pub struct Cache<K, V>(Arc<Inner<K, V>>);

type Weigh<K, V> = Box<dyn Fn(&K, &V) -> u64 + Send + Sync>;

struct Inner<K, V> {
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn Sink>>,
    options: Options,
    weigh: Weigh<K, V>,
    hasher: RandomState,
    shelves: Box<[Mutex<Shelf<K, V>>]>,
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A value that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<V> {
    /// It.
    pub value: V,
    /// How long it has been kept.
    pub age: Duration,
    /// How long it lives.
    pub life: Life,
}

/// What to do about a key.
#[derive(Debug)]
pub enum Turn<K: Hash + Eq + Clone, V: Clone> {
    /// Take it.
    Fresh(Found<V>),
    /// Take it, though it is old; with a lead it is your turn to bring a fresh one.
    Stale(Found<V>, Option<Lead<K, V>>),
    /// Fetch it.
    Lead(Lead<K, V>),
    /// Somebody is fetching it: wait.
    Wait(Waiting<K, V>),
}

/// An answer, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served<V> {
    /// It.
    pub value: V,
    /// Where it came from.
    pub source: Source,
    /// How old it is; zero if it has just been made.
    pub age: Duration,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was kept, and is fresh.
    Fresh,
    /// This call made it.
    Miss,
    /// Another call made it, and this one waited for that.
    Joined,
    /// It was kept and is no longer fresh; a fresh one is being made in the background.
    StaleRevalidating,
    /// It was kept and is no longer fresh; a fresh one could not be had.
    StaleError(Why),
}

/// What a cache holds, and what it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Values kept.
    pub entries: usize,
    /// Their weight.
    pub bytes: u64,
    /// Keys being fetched now.
    pub flights: usize,
    /// Looks that found a fresh value.
    pub hits: u64,
    /// Looks that found nothing usable, and led.
    pub misses: u64,
    /// Looks that found somebody fetching, and waited.
    pub joined: u64,
    /// Times a value was given that was no longer fresh.
    pub stale: u64,
    /// Values forgotten to make room.
    pub evicted: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// An empty cache on tokio's clock that tells nobody. Every value weighs what its type does: where it owns more
    /// than that, use [`Cache::with`].
    pub fn new(name: impl Into<Arc<str>>, options: Options) -> Result<Self, Invalid> {
        let flat = size_of::<K>() + size_of::<V>();
        Self::with(name, options, move |_, _| flat as u64, default_clock(), None)
    }

    /// An empty cache with scales, a clock and a sink of your own.
    pub fn with(
        name: impl Into<Arc<str>>,
        options: Options,
        weigh: impl Fn(&K, &V) -> u64 + Send + Sync + 'static,
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, Invalid> {
        options.check()?;
        let largest = usize::try_from(options.max_bytes.0 / options.max_entry.0 / 4).unwrap_or(usize::MAX);
        let parts = (options.max_entries / ENTRIES_EACH).min(largest).clamp(1, PARTS);
        let shelf =
            || Mutex::new(Shelf::new(options.max_entries / parts, options.max_bytes.0 / parts as u64));
        Ok(Self(Arc::new(Inner {
            name: name.into(),
            clock,
            sink,
            weigh: Box::new(weigh),
            hasher: RandomState::new(),
            shelves: (0..parts).map(|_| shelf()).collect(),
            options,
        })))
    }

    /// Looks for a key and takes part in its flight: for those who fetch in a way of their own.
    pub fn enter(&self, key: &K) -> Turn<K, V> {
        let (seen, gone) = self.shelf(key, |shelf, now| shelf.enter(key, now));
        drop(gone);
        match seen {
            Seen::Fresh(found) => Turn::Fresh(found),
            Seen::Stale(found, flight) => {
                self.tell(found.age, Why::Revalidating);
                Turn::Stale(found, flight.map(|flight| Lead::of(self, key, flight)))
            }
            Seen::Lead(flight) => Turn::Lead(Lead::of(self, key, flight)),
            Seen::Wait(flight) => Turn::Wait(Waiting::of(self, key, flight)),
        }
    }

    /// A fresh value, if there is one.
    pub fn get(&self, key: &K) -> Option<Found<V>> {
        let (found, gone) = self.shelf(key, |shelf, now| shelf.find(key, now));
        drop(gone);
        found.filter(|(_, look)| *look == Look::Fresh).map(|(found, _)| found)
    }

    /// What is kept though it is old, where a call ended so and that is allowed; and why.
    pub fn stale(&self, key: &K, ended: &Ended<'_>) -> Option<(Found<V>, Why)> {
        let (given, gone) = self.shelf(key, |shelf, now| {
            let (found, gone) = shelf.find(key, now);
            let given = found.and_then(|(found, _)| {
                let why = on_error(&found.life, found.age, ended)?;
                shelf.counts.stale += 1;
                Some((found, why))
            });
            (given, gone)
        });
        drop(gone);
        if let Some((found, why)) = &given {
            self.tell(found.age, *why);
        }
        given
    }

    /// Keeps a value. False if it is too large to be kept.
    pub fn put(&self, key: K, value: V) -> bool {
        let life = self.0.options.life();
        self.put_for(key, value, life)
    }

    /// Keeps a value for a life of its own. False if it is too large to be kept.
    pub fn put_for(&self, key: K, value: V, life: Life) -> bool {
        let weight = (self.0.weigh)(&key, &value);
        if weight > self.0.options.max_entry.0 {
            drop(self.shelf(&key, |shelf, _| shelf.forget(&key)));
            return false;
        }
        let forgotten = self.shelf(&key.clone(), |shelf, now| shelf.keep(key, value, weight, life, now));
        drop(forgotten);
        true
    }

    /// Forgets a key. What is being fetched for it reaches those who wait for it, and nobody else.
    pub fn invalidate(&self, key: &K) {
        let forgotten = self.shelf(key, |shelf, _| shelf.invalidate(key));
        drop(forgotten);
    }

    /// Forgets everything, as [`Cache::invalidate`] does.
    pub fn clear(&self) {
        for shelf in &self.0.shelves {
            let forgotten = lock(shelf).clear();
            drop(forgotten);
        }
    }

    /// What it holds, and what it has seen.
    pub fn stats(&self) -> Stats {
        self.0.shelves.iter().map(|shelf| lock(shelf).stats()).fold(Stats::default(), Stats::and)
    }

    /// The options it runs by.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    fn shelf<T>(&self, key: &K, act: impl FnOnce(&mut Shelf<K, V>, Instant) -> T) -> T {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the remainder is smaller than the number of parts"
        )]
        let place = (self.0.hasher.hash_one(key) % self.0.shelves.len() as u64) as usize;
        let mut shelf = lock(&self.0.shelves[place]);
        // Read inside the lock: whoever waited for it must not take an old value for a younger one.
        act(&mut shelf, self.0.clock.now())
    }

    /// A flight ended well.
    fn landed(&self, key: &K, flight: &Arc<Flight<V>>, value: V, life: Life) -> bool {
        let weight = (self.0.weigh)(key, &value);
        let light = weight <= self.0.options.max_entry.0;
        let (kept, forgotten) = self.shelf(key, |shelf, now| {
            let own = shelf.end(key, flight);
            match own && light {
                true => (true, shelf.keep(key.clone(), value, weight, life, now)),
                false => (false, Vec::new()),
            }
        });
        drop(forgotten);
        kept
    }

    /// A flight ended without a value.
    fn over(&self, key: &K, flight: &Arc<Flight<V>>) {
        self.shelf(key, |shelf, _| shelf.end(key, flight));
    }

    fn hand_over(&self, key: &K, flight: &Arc<Flight<V>>) {
        self.shelf(key, |shelf, _| shelf.hand_over(key, flight));
    }

    fn leave(&self, key: &K, flight: &Arc<Flight<V>>) {
        self.shelf(key, |shelf, _| shelf.leave(key, flight));
    }

    fn tell(&self, age: Duration, why: Why) {
        if let Some(sink) = &self.0.sink {
            let fact = Fact::ServedStale { age, why: why.as_str() };
            sink.offer(Event { at: self.0.clock.now(), name: self.0.name.clone(), fact });
        }
    }
}

impl<V> Found<V> {
    /// What it is good for.
    pub fn look(&self) -> Look {
        look(&self.life, self.age)
    }
}

impl Source {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Fresh => "hit",
            Source::Miss => "miss",
            Source::Joined => "joined",
            Source::StaleRevalidating | Source::StaleError(_) => "stale",
        }
    }
}

impl Stats {
    fn and(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            bytes: self.bytes + other.bytes,
            flights: self.flights + other.flights,
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            joined: self.joined + other.joined,
            stale: self.stale + other.stale,
            evicted: self.evicted + other.evicted,
        }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.0.name)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}
