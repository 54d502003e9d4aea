//! Meters by key, as small as they can be: an open table of whole entries, which drops what owes nothing before it
//! grows.

/// The id of no key marks a free place.
#[derive(Debug, Clone, Copy, Default)]
struct Entry<M> {
    id: u64,
    meter: M,
}

/// Linear probing over ids that are hashes already: one place in memory for a key that is known, and mostly one cache
/// line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table<M> {
    entries: Box<[Entry<M>]>,
    len: usize,
    hand: usize,
}

/// Places looked at for a key that can be forgotten.
const GLANCE: usize = 12;

impl<M: Copy + Default> Table<M> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.entries)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut M> {
        let place = self.find(id)?;
        Some(&mut self.entries[place].meter)
    }

    /// There must be room for it: see [`Table::make_room`].
    pub(crate) fn insert(&mut self, id: u64, meter: M) -> &mut M {
        let mut place = self.home(id);
        while self.entries[place].id != 0 {
            place = self.next(place);
        }
        self.entries[place] = Entry { id, meter };
        self.len += 1;
        &mut self.entries[place].meter
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let found = self.find(id);
        if let Some(place) = found {
            self.vacate(place);
        }
        found.is_some()
    }

    /// Makes room for one more; says how many it dropped for that, all of which `idle` called so.
    pub(crate) fn make_room(&mut self, mut idle: impl FnMut(u64, &mut M) -> bool) -> usize {
        if self.len < self.limit() {
            return 0;
        }
        let before = self.len;
        let kept: Vec<Entry<M>> = self
            .entries
            .iter_mut()
            .filter(|entry| entry.id != 0)
            .filter_map(|entry| (!idle(entry.id, &mut entry.meter)).then_some(*entry))
            .collect();
        self.refill(&kept);
        before - kept.len()
    }

    /// Keeps at most so many, whichever; says how many it dropped.
    pub(crate) fn keep(&mut self, most: usize) -> usize {
        let before = self.len;
        if before > most {
            let known = self.entries.iter().filter(|entry| entry.id != 0);
            let kept: Vec<Entry<M>> = known.take(most).copied().collect();
            self.refill(&kept);
        }
        before - self.len
    }

    /// Two thirds full, whether it grows or shrinks; it is full again a quarter later.
    fn refill(&mut self, kept: &[Entry<M>]) {
        let places = (kept.len() * 3 / 2).max(8);
        self.entries = vec![Entry::default(); places].into();
        self.len = 0;
        for entry in kept {
            self.insert(entry.id, entry.meter);
        }
    }

    /// Forgets one that is idle, if a glance finds one.
    pub(crate) fn forget_one(&mut self, mut idle: impl FnMut(u64, &mut M) -> bool) -> bool {
        for _ in 0..GLANCE.min(self.entries.len()) {
            // From beyond the end, where it shrank, on from the beginning.
            self.hand = self.next(self.hand);
            let entry = &mut self.entries[self.hand];
            if entry.id != 0 && idle(entry.id, &mut entry.meter) {
                self.vacate(self.hand);
                return true;
            }
        }
        false
    }

    /// Every meter, changed into another kind.
    pub(crate) fn map<N: Copy + Default>(&self, change: impl Fn(&M) -> N) -> Table<N> {
        let entries = self.entries.iter().map(|Entry { id, meter }| match id {
            0 => Entry::default(),
            _ => Entry { id: *id, meter: change(meter) },
        });
        Table { entries: entries.collect(), len: self.len, hand: self.hand }
    }

    fn find(&self, id: u64) -> Option<usize> {
        if self.entries.is_empty() {
            return None;
        }
        let mut place = self.home(id);
        loop {
            match self.entries[place].id {
                found if found == id => return Some(place),
                0 => return None,
                _ => place = self.next(place),
            }
        }
    }

    /// Empties a place, and moves up those behind it that would rather stand there: no tombstones.
    fn vacate(&mut self, mut hole: usize) {
        let len = self.entries.len();
        let mut place = self.next(hole);
        while self.entries[place].id != 0 {
            let strayed = (place + len - self.home(self.entries[place].id)) % len;
            let back = (place + len - hole) % len;
            if strayed >= back {
                self.entries[hole] = self.entries[place];
                hole = place;
            }
            place = self.next(place);
        }
        self.entries[hole] = Entry::default();
        self.len -= 1;
    }

    /// Five sixths: a search for a key that is not there ends soon.
    fn limit(&self) -> usize {
        self.entries.len() * 5 / 6
    }

    fn home(&self, id: u64) -> usize {
        ((u128::from(id) * self.entries.len() as u128) >> 64) as usize
    }

    fn next(&self, place: usize) -> usize {
        if place + 1 < self.entries.len() { place + 1 } else { 0 }
    }
}
