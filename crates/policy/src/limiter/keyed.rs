//! A meter for each key: one of the shards that share a bound.

use seawall_core::Instant;

use super::bucket::Bucket;
use super::gauge::Gauge;
use super::meter::Kind;
use super::table::Table;
use super::window::Window;
use super::{Decision, Meter, Quota};

/// Nine that cover the span, and the present one: a third of what a meter for everybody takes, for a tenth less of the
/// rate at worst.
const SLOTS: usize = 10;

/// Meters of keys, each known by a hash of 64 bits that nobody outside can foresee. Never zero: see [`Keyed::id`].
///
/// A key that owes nothing may be forgotten, for it would begin anew as what it is. One that owes is not forgotten.
#[derive(Debug, Clone)]
pub struct Keyed {
    gauge: Gauge,
    form: Form,
    anew: Option<Instant>,
    evicted: u64,
}

#[derive(Debug, Clone)]
enum Form {
    Buckets(Table<Bucket>),
    Windows(Table<Window<SLOTS>>),
}

/// What a shard must know of the others to let a newcomer in.
pub trait House {
    /// Is there room for one more key? Where there is, it is taken.
    fn one_more(&self) -> bool;
    /// So many keys have gone.
    fn fewer(&self, keys: usize);
    /// Does somebody wait at this key? Then it is not forgotten.
    fn waits(&self, id: u64) -> bool;
    /// The meter of those who found no room, unless it has never counted anything: whoever was among them brings along
    /// what all of them have used.
    fn crowd(&self) -> Option<Meter>;
}

macro_rules! on_table {
    ($form:expr, $table:ident => $body:expr) => {
        match $form {
            Form::Buckets($table) => $body,
            Form::Windows($table) => $body,
        }
    };
}

impl Keyed {
    /// Nobody is known.
    pub fn new(quota: &Quota) -> Self {
        let form = match quota.burst {
            Some(_) => Form::Buckets(Table::default()),
            None => Form::Windows(Table::default()),
        };
        Self { gauge: Gauge::new(quota, SLOTS), form, anew: None, evicted: 0 }
    }

    /// The id of a key whose hash this is.
    pub fn id(hash: u64) -> u64 {
        hash.max(1)
    }

    /// Counts `n` of one key; `None` where there is no room for it, and it belongs to the crowd.
    pub fn take(&mut self, id: u64, n: u32, now: Instant, house: &impl House) -> Option<Decision> {
        let Self { gauge, form, evicted, .. } = self;
        on_table!(form, table => {
            if let Some(meter) = table.get_mut(id) {
                return Some(meter.take(gauge, n, now));
            }
            let meter = admit(table, id, gauge, now, house, evicted)?;
            Some(meter.take(gauge, n, now))
        })
    }

    /// Counts `n` of one key that have passed already; `false` where there is no room for it, and it belongs to the
    /// crowd.
    pub fn charge(&mut self, id: u64, n: u64, now: Instant, house: &impl House) -> bool {
        let Self { gauge, form, evicted, .. } = self;
        on_table!(form, table => {
            if let Some(meter) = table.get_mut(id) {
                meter.charge(gauge, n, now);
                return true;
            }
            admit(table, id, gauge, now, house, evicted).map(|meter| meter.charge(gauge, n, now)).is_some()
        })
    }

    /// As [`Meter::give_back`]. A key that has been forgotten owed nothing, and is given nothing.
    pub fn give_back(&mut self, id: u64, n: u64, taken: Instant, now: Instant) {
        if self.anew.is_some_and(|anew| taken <= anew) {
            return;
        }
        on_table!(&mut self.form, table => {
            if let Some(meter) = table.get_mut(id) {
                meter.give_back(&self.gauge, n, taken, now);
            }
        });
    }

    /// How many of a key could pass at once now; `None` where the key is not known.
    pub fn remaining(&mut self, id: u64, now: Instant) -> Option<u32> {
        on_table!(&mut self.form, table => Some(table.get_mut(id)?.remaining(&self.gauge, now)))
    }

    /// What a key has at rest.
    pub fn most(&self) -> u32 {
        self.gauge.most
    }

    /// How far apart calls are that come evenly at the rate.
    pub fn interval(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.gauge.interval)
    }

    /// Forgets what a key has used; was it known? What was counted until now can no longer be given back.
    pub fn reset(&mut self, id: u64, now: Instant) -> bool {
        self.anew = Some(now);
        on_table!(&mut self.form, table => table.remove(id))
    }

    /// Forgets everybody. What was counted until now can no longer be given back.
    pub fn clear(&mut self, now: Instant) {
        self.anew = Some(now);
        on_table!(&mut self.form, table => *table = Table::default());
    }

    /// As [`Meter::refit`], for every key.
    pub fn refit(&mut self, quota: &Quota, now: Instant) {
        if *quota == self.gauge.quota {
            return;
        }
        let (from, to) = (self.gauge, Gauge::new(quota, SLOTS));
        self.form = match (&self.form, quota.burst) {
            (Form::Buckets(table), Some(_)) => {
                Form::Buckets(table.map(|bucket| bucket.refitted(&from, &to, now)))
            }
            (Form::Buckets(table), None) => {
                Form::Windows(table.map(|bucket| bucket.as_window(&from, &to, now)))
            }
            (Form::Windows(table), None) => {
                Form::Windows(table.map(|window| window.refitted(&from, &to, now)))
            }
            (Form::Windows(table), Some(_)) => {
                Form::Buckets(table.map(|window| window.as_bucket(&from, &to, now)))
            }
        };
        self.gauge = to;
        self.anew = Some(now);
    }

    /// How many keys are known.
    pub fn len(&self) -> usize {
        on_table!(&self.form, table => table.len())
    }

    /// Is no key known?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys were forgotten that owed nothing.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// What the meters take, in bytes.
    pub fn bytes(&self) -> usize {
        on_table!(&self.form, table => table.bytes())
    }
}

/// A newcomer: in a new place while there may be more, else in the place of one that owes nothing.
fn admit<'t, M: Measure>(
    table: &'t mut Table<M>,
    id: u64,
    gauge: &Gauge,
    now: Instant,
    house: &impl House,
    evicted: &mut u64,
) -> Option<&'t mut M> {
    let mut idle = |id: u64, meter: &mut M| meter.rested(gauge, now) && !house.waits(id);
    while !house.one_more() {
        if !table.forget_one(&mut idle) {
            return None;
        }
        house.fewer(1);
        *evicted += 1;
    }
    let gone = table.make_room(&mut idle);
    house.fewer(gone);
    *evicted += gone as u64;
    let meter = house.crowd().map_or_else(M::default, |crowd| M::from_crowd(&crowd, gauge, now));
    Some(table.insert(id, meter))
}

/// What a table measures with.
trait Measure: Copy + Default {
    fn rested(&mut self, gauge: &Gauge, now: Instant) -> bool;

    /// A meter that begins as the crowd's is.
    fn from_crowd(crowd: &Meter, gauge: &Gauge, now: Instant) -> Self;
}

impl Measure for Bucket {
    fn rested(&mut self, _: &Gauge, now: Instant) -> bool {
        Bucket::rested(self, now)
    }

    fn from_crowd(crowd: &Meter, gauge: &Gauge, now: Instant) -> Self {
        match crowd.kind() {
            (from, Kind::Bucket(bucket)) => bucket.refitted(from, gauge, now),
            (from, Kind::Window(window)) => window.as_bucket(from, gauge, now),
        }
    }
}

impl Measure for Window<SLOTS> {
    fn rested(&mut self, gauge: &Gauge, now: Instant) -> bool {
        Window::rested(self, gauge, now)
    }

    fn from_crowd(crowd: &Meter, gauge: &Gauge, now: Instant) -> Self {
        match crowd.kind() {
            (from, Kind::Bucket(bucket)) => bucket.as_window(from, gauge, now),
            (from, Kind::Window(window)) => window.refitted(from, gauge, now),
        }
    }
}
