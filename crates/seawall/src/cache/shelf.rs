//! One part of a cache, behind one lock: what is kept, and who is fetching what.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use lru::LruCache;
use seawall_core::Instant;
use seawall_policy::cache::{Life, Look, look};

use super::flight::Flight;
use super::{Found, Stats};

pub(super) struct Shelf<K, V> {
    kept: LruCache<K, Kept<V>>,
    flights: HashMap<K, Slot<V>>,
    bytes: u64,
    max_entries: usize,
    max_bytes: u64,
    pub(super) counts: Stats,
}

pub(super) struct Kept<V> {
    value: V,
    since: Instant,
    life: Life,
    weight: u64,
}

/// A flight under way, and how many wait for it.
struct Slot<V> {
    flight: Arc<Flight<V>>,
    waiting: usize,
}

/// What somebody finds who asks for a key.
pub(super) enum Seen<V> {
    Fresh(Found<V>),
    /// Good enough for now; with a flight if nobody is fetching a fresh one yet.
    Stale(Found<V>, Option<Arc<Flight<V>>>),
    Lead(Arc<Flight<V>>),
    Wait(Arc<Flight<V>>),
}

/// A value and what it is good for; and one that was found to be good for nothing, to be freed outside the lock.
pub(super) type Sight<V> = (Option<(Found<V>, Look)>, Option<Kept<V>>);

/// What is no longer kept. Freed when the lock has been given back.
pub(super) type Forgotten<K, V> = Vec<(K, Kept<V>)>;

impl<K: Hash + Eq + Clone, V: Clone> Shelf<K, V> {
    pub(super) fn new(max_entries: usize, max_bytes: u64) -> Self {
        Self {
            // Its own bound would reserve room for all at once, and knows no bytes.
            kept: LruCache::unbounded(),
            flights: HashMap::new(),
            bytes: 0,
            max_entries,
            max_bytes,
            counts: Stats::default(),
        }
    }

    /// Looks, and takes part in a flight where there is nothing good to see.
    pub(super) fn enter(&mut self, key: &K, now: Instant) -> (Seen<V>, Option<Kept<V>>) {
        let (found, gone) = self.find(key, now);
        match found {
            Some((found, Look::Fresh)) => {
                self.counts.hits += 1;
                (Seen::Fresh(found), gone)
            }
            Some((found, Look::Stale { revalidate: true })) => {
                self.counts.stale += 1;
                let flight = if self.flights.contains_key(key) { None } else { Some(self.begin(key)) };
                (Seen::Stale(found, flight), gone)
            }
            _ => match self.flights.get_mut(key) {
                Some(slot) => {
                    self.counts.joined += 1;
                    slot.waiting += 1;
                    (Seen::Wait(slot.flight.clone()), gone)
                }
                None => {
                    self.counts.misses += 1;
                    (Seen::Lead(self.begin(key)), gone)
                }
            },
        }
    }

    /// What is kept under a key, how old it is, and what it is good for.
    pub(super) fn find(&mut self, key: &K, now: Instant) -> Sight<V> {
        let Some(kept) = self.kept.get(key) else { return (None, None) };
        let age = now.since(kept.since);
        match look(&kept.life, age) {
            Look::Gone => (None, self.forget(key)),
            seen => {
                let found = Found { value: kept.value.clone(), age, life: kept.life };
                (Some((found, seen)), None)
            }
        }
    }

    /// Keeps a value in the place of what was there. One that is larger than everything together is not kept.
    pub(super) fn keep(
        &mut self,
        key: K,
        value: V,
        weight: u64,
        life: Life,
        now: Instant,
    ) -> Forgotten<K, V> {
        let mut forgotten = Vec::new();
        forgotten.extend(self.kept.pop_entry(&key));
        if weight <= self.max_bytes && !life.end().is_zero() {
            self.bytes += weight;
            self.kept.put(key, Kept { value, since: now, life, weight });
        }
        self.bytes -= forgotten.iter().map(|(_, old): &(K, Kept<V>)| old.weight).sum::<u64>();
        while self.kept.len() > self.max_entries || self.bytes > self.max_bytes {
            let Some(last) = self.kept.pop_lru() else { break };
            self.bytes -= last.1.weight;
            self.counts.evicted += 1;
            forgotten.push(last);
        }
        forgotten
    }

    pub(super) fn forget(&mut self, key: &K) -> Option<Kept<V>> {
        let kept = self.kept.pop(key)?;
        self.bytes -= kept.weight;
        Some(kept)
    }

    /// Forgets a key, and what is on its way to it: who waits for that still gets it.
    pub(super) fn invalidate(&mut self, key: &K) -> Option<Kept<V>> {
        self.flights.remove(key);
        self.forget(key)
    }

    /// Forgets everything, and gives it to be freed.
    pub(super) fn clear(&mut self) -> LruCache<K, Kept<V>> {
        self.flights.clear();
        self.bytes = 0;
        std::mem::replace(&mut self.kept, LruCache::unbounded())
    }

    fn begin(&mut self, key: &K) -> Arc<Flight<V>> {
        let flight = Arc::new(Flight::led());
        self.flights.insert(key.clone(), Slot { flight: flight.clone(), waiting: 0 });
        flight
    }

    /// The flight is over. False if it had been called off, and must leave nothing behind.
    pub(super) fn end(&mut self, key: &K, flight: &Arc<Flight<V>>) -> bool {
        let own = self.flights.get(key).is_some_and(|slot| Arc::ptr_eq(&slot.flight, flight));
        if own {
            self.flights.remove(key);
        }
        own
    }

    /// The leader is gone and nothing has come: the next in line leads, and where nobody waits the flight is over.
    pub(super) fn hand_over(&mut self, key: &K, flight: &Arc<Flight<V>>) {
        match self.own(key, flight) {
            Some(slot) if slot.waiting == 0 => {
                self.flights.remove(key);
            }
            _ => flight.next(),
        }
    }

    /// Somebody waits no longer.
    pub(super) fn leave(&mut self, key: &K, flight: &Arc<Flight<V>>) {
        let Some(slot) = self.own(key, flight) else { return };
        slot.waiting -= 1;
        // The leader had handed over, and nobody was left to take it.
        if slot.waiting == 0 && !flight.is_led() {
            self.flights.remove(key);
        }
    }

    fn own(&mut self, key: &K, flight: &Arc<Flight<V>>) -> Option<&mut Slot<V>> {
        self.flights.get_mut(key).filter(|slot| Arc::ptr_eq(&slot.flight, flight))
    }

    pub(super) fn stats(&self) -> Stats {
        Stats { entries: self.kept.len(), bytes: self.bytes, flights: self.flights.len(), ..self.counts }
    }
}
