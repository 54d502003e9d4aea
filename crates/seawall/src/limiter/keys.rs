//! The limits of all keys: bounded, in shards, and a line only where somebody waits.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use seawall_core::Instant;
use seawall_policy::limiter::{Decision, House, Keyed, Meter, Options};

use super::common::Common;
use crate::lock;
use crate::queue::Line;

/// Longer keys share a meter with those that begin alike: a caller chooses its own key, not our time.
const LONGEST_KEY: usize = 256;

/// Keys that one lock is enough for.
const PER_SHARD: usize = 128;
const MOST_SHARDS: usize = 64;

#[derive(Debug)]
pub(super) struct Keys {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    known: AtomicUsize,
    max: AtomicUsize,
    /// The limit of all newcomers while nobody can be forgotten.
    crowd: Common,
    crowded: AtomicBool,
}

/// Aligned, so that its lock shares no cache line with a neighbour's.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    keyed: Keyed,
    lines: HashMap<u64, Arc<Line>>,
    passed: u64,
}

/// Where calls were counted: at a key's own meter, or with the crowd (or everybody).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meant(Option<NonZeroU64>);

impl Meant {
    pub(super) const CROWD: Meant = Meant(None);

    pub(super) fn own(id: u64) -> Meant {
        Meant(NonZeroU64::new(id))
    }
}

impl Keys {
    pub(super) fn new(options: &Options) -> Self {
        let shards = (options.max_keys / PER_SHARD).next_power_of_two().min(MOST_SHARDS);
        let shard = || Shard { keyed: Keyed::new(&options.quota()), lines: HashMap::new(), passed: 0 };
        Self {
            hasher: RandomState::new(),
            shards: (0..shards).map(|_| Mutex::new(shard())).collect(),
            known: AtomicUsize::new(0),
            max: AtomicUsize::new(options.max_keys),
            crowd: Common::new(options),
            crowded: AtomicBool::new(false),
        }
    }

    /// What a key is known by here: a keyed hash, which nobody outside can foresee. That any two of 100 000 keys share
    /// one has a chance of one in four billion; then they share a meter.
    pub(super) fn id(&self, key: &str) -> u64 {
        Keyed::id(self.hasher.hash_one(&key[..key.floor_char_boundary(LONGEST_KEY)]))
    }

    /// Counts `n` if they may pass now. Nobody overtakes those who wait at the same key.
    pub(super) fn take(&self, id: u64, n: u32, now: Instant) -> (Meant, Decision) {
        let shard = lock(self.shard(id));
        if !shard.lines.is_empty() && shard.lines.get(&id).is_some_and(|line| line.len() > 0) {
            return (Meant::own(id), Decision::Wait(shard.keyed.interval()));
        }
        self.count(shard, id, n, now, Common::take)
    }

    /// The same for whoever is first in the line.
    pub(super) fn take_in_turn(&self, id: u64, n: u32, now: Instant) -> (Meant, Decision) {
        self.count(lock(self.shard(id)), id, n, now, Common::take_in_turn)
    }

    fn count(
        &self,
        mut shard: MutexGuard<'_, Shard>,
        id: u64,
        n: u32,
        now: Instant,
        crowd: impl FnOnce(&Common, u32, Instant) -> Decision,
    ) -> (Meant, Decision) {
        let Shard { keyed, lines, passed } = &mut *shard;
        match keyed.take(id, n, now, &Neighbours { keys: self, lines, now }) {
            Some(decision) => {
                if decision == Decision::Go {
                    *passed += u64::from(n);
                }
                (Meant::own(id), decision)
            }
            // Under the shard's lock: the key cannot be let in meanwhile and leave behind what it uses here.
            None => {
                self.crowded.store(true, Ordering::Relaxed);
                (Meant::CROWD, crowd(&self.crowd, n, now))
            }
        }
    }

    pub(super) fn charge(&self, meant: Meant, n: u64, now: Instant) {
        if let Meant(Some(id)) = meant {
            let id = id.get();
            let mut shard = lock(self.shard(id));
            let Shard { keyed, lines, .. } = &mut *shard;
            if keyed.charge(id, n, now, &Neighbours { keys: self, lines, now }) {
                return;
            }
            self.crowded.store(true, Ordering::Relaxed);
        }
        self.crowd.charge(n, now);
    }

    pub(super) fn give_back(&self, meant: Meant, n: u64, taken: Instant, now: Instant) {
        match meant {
            Meant(None) => self.crowd.give_back(n, taken, now),
            Meant(Some(id)) => {
                let id = id.get();
                self.then_wake(id, |keyed| keyed.give_back(id, n, taken, now));
            }
        }
    }

    pub(super) fn remaining(&self, id: u64, now: Instant) -> u32 {
        let mut shard = lock(self.shard(id));
        let known = shard.keyed.remaining(id, now);
        // A newcomer brings along what the crowd has used, if it was among them.
        let newcomer = |shard: &Shard| {
            if self.crowded.load(Ordering::Relaxed) { self.crowd.remaining(now) } else { shard.keyed.most() }
        };
        known.unwrap_or_else(|| newcomer(&shard))
    }

    /// The line of a key, for as long as what is returned lives.
    pub(super) fn line(&self, id: u64, meant: Meant) -> Standing<'_> {
        let own = (meant != Meant::CROWD).then(|| lock(self.shard(id)).lines.entry(id).or_default().clone());
        self.beside(id, own)
    }

    pub(super) fn reset(&self, id: u64, now: Instant) {
        if self.then_wake(id, |keyed| keyed.reset(id, now)) {
            self.known.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.crowd.reset(now);
        }
    }

    pub(super) fn reset_all(&self, now: Instant) {
        self.each(|shard| {
            self.known.fetch_sub(shard.keyed.len(), Ordering::Relaxed);
            shard.keyed.clear(now);
        });
        self.crowd.reset(now);
    }

    pub(super) fn refit(&self, options: &Options, now: Instant) {
        self.max.store(options.max_keys, Ordering::Relaxed);
        self.each(|shard| shard.keyed.refit(&options.quota(), now));
        self.crowd.refit(options, now);
    }

    pub(super) fn len(&self) -> usize {
        self.known.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> usize {
        let waiting = |shard: &mut Shard| shard.lines.values().map(|line| line.len()).sum::<usize>();
        self.crowd.line.len() + self.each(waiting).sum::<usize>()
    }

    #[cfg(test)]
    pub(super) fn lines(&self) -> usize {
        self.each(|shard| shard.lines.len()).sum()
    }

    pub(super) fn passed(&self, now: Instant) -> u64 {
        self.crowd.passed(now) + self.each(|shard| shard.passed).sum::<u64>()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.each(|shard| shard.keyed.evicted()).sum()
    }

    /// One step of every shard, one after the other; whoever is first in a line looks again.
    fn each<R>(&self, mut step: impl FnMut(&mut Shard) -> R) -> std::vec::IntoIter<R> {
        let all = self.shards.iter().map(|shard| {
            let mut shard = lock(shard);
            let result = step(&mut shard);
            let lines = shard.lines.iter();
            let standing: Vec<_> = lines.map(|(id, line)| self.beside(*id, Some(line.clone()))).collect();
            // Wakers, and lines that are to go, must not find the lock taken.
            drop(shard);
            standing.iter().for_each(|standing| standing.line().wake_first());
            result
        });
        all.collect::<Vec<R>>().into_iter()
    }

    fn then_wake<R>(&self, id: u64, step: impl FnOnce(&mut Keyed) -> R) -> R {
        let mut shard = lock(self.shard(id));
        let result = step(&mut shard.keyed);
        let line = shard.lines.get(&id).cloned();
        drop(shard);
        if line.is_some() {
            self.beside(id, line).line().wake_first();
        }
        result
    }

    fn beside(&self, id: u64, own: Option<Arc<Line>>) -> Standing<'_> {
        Standing { keys: self, id, own }
    }

    fn shard(&self, id: u64) -> &Mutex<Shard> {
        // The low bits: a table goes by the high ones.
        &self.shards[id as usize & (self.shards.len() - 1)]
    }
}

/// The others, as a shard sees them.
struct Neighbours<'a> {
    keys: &'a Keys,
    lines: &'a HashMap<u64, Arc<Line>>,
    now: Instant,
}

impl House for Neighbours<'_> {
    fn one_more(&self) -> bool {
        let max = self.keys.max.load(Ordering::Relaxed);
        let more = |known| (known < max).then_some(known + 1);
        self.keys.known.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn fewer(&self, keys: usize) {
        self.keys.known.fetch_sub(keys, Ordering::Relaxed);
    }

    fn waits(&self, id: u64) -> bool {
        !self.lines.is_empty() && self.lines.contains_key(&id)
    }

    fn crowd(&self) -> Option<Meter> {
        self.keys.crowded.load(Ordering::Relaxed).then(|| self.keys.crowd.meter(self.now))
    }
}

/// A place for waiters of one key. Nobody forgets the key meanwhile, and the line goes with the last of them.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    keys: &'a Keys,
    id: u64,
    own: Option<Arc<Line>>,
}

impl Standing<'_> {
    pub(super) fn line(&self) -> &Line {
        self.own.as_deref().unwrap_or(&self.keys.crowd.line)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        let Some(own) = self.own.take() else { return };
        // Lines are handed out under this lock, and only as this: with the map's own there is nobody else, nor will
        // there be.
        let mut shard = lock(self.keys.shard(self.id));
        if Arc::strong_count(&own) == 2 {
            shard.lines.remove(&self.id);
        }
    }
}
