//! A breaker for every provider, device or kind of job, made when it is first asked for, and never too many.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use lru::LruCache;
use seawall_core::Clock;
use seawall_core::event::Sink;
use seawall_policy::Invalid;

use super::{Breaker, Options, Snapshot, State};
use crate::lock;
use crate::time::default_clock;

/// Breakers by name, all of the same options. Clones share it.
///
/// Memory is bounded. When it is full, the one that was asked for longest ago makes room, if it is closed and nobody
/// holds it; one that is open, half-open or held by an operator never does. When nobody can make room, newcomers share
/// one breaker, called `(overflow)`. A name costs a lookup under one lock: who calls often keeps the breaker it got.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    sink: Option<Arc<dyn Sink>>,
    shelf: Mutex<Shelf>,
}

struct Shelf {
    template: Options,
    breakers: LruCache<Box<str>, Breaker>,
    /// The breaker of all newcomers when nobody can make room.
    overflow: Option<Breaker>,
}

/// Longer names share a breaker with those that begin alike: where names come from callers, memory does not.
const LONGEST_NAME: usize = 256;

/// How many are looked at for one that can make room. Those that cannot are put last in line, so that the next
/// newcomer looks at others.
const LOOKS: usize = 8;

impl Registry {
    /// At most `max` breakers of these options, on tokio's clock, that tell nobody.
    pub fn new(template: Options, max: usize) -> Result<Self, Invalid> {
        Self::with(template, max, default_clock(), None)
    }

    /// At most `max` breakers of these options, on a clock of your own, offering their transitions to a sink.
    pub fn with(
        template: Options,
        max: usize,
        clock: Arc<dyn Clock>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<Self, Invalid> {
        template.check()?;
        let max = NonZeroUsize::new(max)
            .ok_or_else(|| Invalid::new("max", "0 breakers guard nothing: write at least 1"))?;
        // Not `new`, which takes the memory of all of them at once.
        let mut breakers = LruCache::unbounded();
        breakers.resize(max);
        let shelf = Mutex::new(Shelf { template, breakers, overflow: None });
        Ok(Self(Arc::new(Inner { clock, sink, shelf })))
    }

    /// The breaker of that name, made now if nobody has asked for it before.
    pub fn breaker(&self, name: &str) -> Breaker {
        let name = &name[..name.floor_char_boundary(LONGEST_NAME)];
        let mut shelf = lock(&self.0.shelf);
        if let Some(breaker) = shelf.breakers.get(name) {
            return breaker.clone();
        }
        let template = shelf.template.clone();
        let made =
            |name: &str| Breaker::made(name.into(), template, self.0.clock.clone(), self.0.sink.clone());
        if !shelf.has_room() {
            return shelf.overflow.get_or_insert_with(|| made("(overflow)")).clone();
        }
        let breaker = made(name);
        shelf.breakers.put(name.into(), breaker.clone());
        breaker
    }

    /// Every breaker and how it stands, by name; the one that newcomers share comes last, once there has been one.
    pub fn list(&self) -> Vec<(Arc<str>, Snapshot)> {
        // A snapshot may tell a sink, and a sink may ask us: no lock is held meanwhile.
        let (mut breakers, overflow) = {
            let shelf = lock(&self.0.shelf);
            let breakers: Vec<Breaker> = shelf.breakers.iter().map(|(_, breaker)| breaker.clone()).collect();
            (breakers, shelf.overflow.clone())
        };
        breakers.sort_by(|a, b| a.name().cmp(b.name()));
        breakers.extend(overflow);
        breakers.into_iter().map(|breaker| (breaker.name().clone(), breaker.snapshot())).collect()
    }

    /// Forgets a breaker, however it stands. Who still holds it keeps it; the next to ask gets a new one.
    pub fn remove(&self, name: &str) -> Option<Breaker> {
        lock(&self.0.shelf).breakers.pop(&name[..name.floor_char_boundary(LONGEST_NAME)])
    }

    /// Other options for all of them and for those to come; each keeps its state and counts.
    pub fn update(&self, template: &Options) -> Result<(), Invalid> {
        template.check()?;
        let breakers: Vec<Breaker> = {
            let mut shelf = lock(&self.0.shelf);
            shelf.template = template.clone();
            shelf.breakers.iter().map(|(_, breaker)| breaker).chain(&shelf.overflow).cloned().collect()
        };
        breakers.iter().try_for_each(|breaker| breaker.update(template.clone()))
    }

    /// How many there are, the one that newcomers share not among them.
    pub fn len(&self) -> usize {
        lock(&self.0.shelf).breakers.len()
    }

    /// Has nobody asked for any?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("breakers", &self.len()).finish_non_exhaustive()
    }
}

impl Shelf {
    /// Is there room for one more? Makes it if need be and if it can.
    fn has_room(&mut self) -> bool {
        if self.breakers.len() < self.breakers.cap().get() {
            return true;
        }
        for _ in 0..LOOKS.min(self.breakers.len()) {
            if self.breakers.peek_lru().is_some_and(|(_, breaker)| breaker.is_idle()) {
                self.breakers.pop_lru();
                return true;
            }
            if let Some(oldest) = self.breakers.peek_lru().map(|(name, _)| name.clone()) {
                self.breakers.promote(&oldest);
            }
        }
        false
    }
}

impl Breaker {
    /// Nobody but its registry holds it, and forgetting it would let no call through that is refused now.
    fn is_idle(&self) -> bool {
        // Only the registry could hand out another, and it is looking.
        Arc::strong_count(&self.0) == 1 && lock(&self.0.guarded).machine.shadow_state() == State::Closed
    }
}
