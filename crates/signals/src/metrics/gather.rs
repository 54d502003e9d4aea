//! Everything the registry knows at one moment, in a stable order: what is rendered, and what alerts are judged by.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::histogram::Snapshot;
use super::names;
use super::observe::{Read, Samples};
use super::registry::{Cell, FamilyState, Key, Kind, Limits, Registry};
use super::summary::Summed;

/// One metric with all its series.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Its name.
    pub name: String,
    /// What it says.
    pub help: Arc<str>,
    /// What kind of number it is.
    pub kind: Kind,
    /// Its label names.
    pub labels: Arc<[Box<str>]>,
    /// Its series, sorted by their label values; at least one.
    pub samples: Vec<Sample>,
}

/// One series: its label values, in the order of the label names, and its value.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The label values.
    pub values: Arc<[Box<str>]>,
    /// The value.
    pub value: Value,
}

/// The value of one series.
#[derive(Clone, Debug)]
pub enum Value {
    /// Of a counter.
    Count(u64),
    /// Of a gauge, or of anything observed.
    Number(f64),
    /// Of a histogram.
    Durations(Snapshot),
    /// Of a summary.
    Summed(Summed),
}

/// A family as it was under the lock, with its values still unread.
struct Unread {
    name: String,
    help: Arc<str>,
    kind: Kind,
    labels: Key,
    cells: Vec<(Key, Cell)>,
    reads: Vec<Arc<Read>>,
}

impl Registry {
    /// Every metric that has a series, sorted by name. Reads what is observed on this thread; a scrape is one such
    /// call, and neither stops nor slows those who count.
    pub fn gather(&self) -> Vec<Gathered> {
        let mut gathered = self.gather_some(&|_| true);
        gathered.extend(self.dropped_family());
        gathered.sort_by(|a, b| a.name.cmp(&b.name));
        gathered
    }

    /// The same of those metrics alone whose names are wanted; what is not is not read.
    pub fn gather_some(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<Gathered> {
        let limits = self.inner.limits;
        let (unread, stored) = {
            let state = self.inner.lock();
            let families = state.families.iter().filter(|(name, _)| wanted(name));
            (families.map(|(name, family)| Unread::of(name, family)).collect::<Vec<_>>(), state.series)
        };
        let mut room = limits.total.saturating_sub(stored);
        let mut gathered: Vec<_> =
            unread.into_iter().map(|family| self.read(family, limits, &mut room)).collect();
        gathered.retain(|family| !family.samples.is_empty());
        gathered
    }

    fn read(&self, family: Unread, limits: Limits, room: &mut usize) -> Gathered {
        let found: BTreeMap<_, _> = family.cells.into_iter().map(|(key, cell)| (key, cell.read())).collect();
        let stored = found.len();
        let mut samples = Samples {
            width: family.labels.len(),
            limit: limits.per_family.min(stored.saturating_add(*room)),
            found,
            refused: 0,
            first_refused: None,
        };
        for read in &family.reads {
            read(&mut samples);
        }
        *room = room.saturating_sub(samples.found.len() - stored);
        if let Some(first) = &samples.first_refused {
            let own: Vec<Key> = samples.found.keys().cloned().collect();
            self.inner.lock().refuse(limits, &family.name, samples.refused, first, Some(&own));
        }
        let samples = samples.found.into_iter().map(|(values, value)| Sample { values, value }).collect();
        Gathered { name: family.name, help: family.help, kind: family.kind, labels: family.labels, samples }
    }

    fn dropped_family(&self) -> Option<Gathered> {
        let about = names::SERIES_DROPPED;
        let sample =
            |metric: &str, count| Sample { values: [metric.into()].into(), value: Value::Count(count) };
        let samples: Vec<_> =
            self.dropped().iter().map(|dropped| sample(&dropped.metric, dropped.count)).collect();
        (!samples.is_empty()).then(|| Gathered {
            name: about.name.to_owned(),
            help: about.help.into(),
            kind: Kind::Counter,
            labels: about.labels.iter().map(|label| Box::from(*label)).collect(),
            samples,
        })
    }
}

impl Unread {
    fn of(name: &str, family: &FamilyState) -> Self {
        Self {
            name: name.to_owned(),
            help: Arc::clone(&family.help),
            kind: family.kind,
            labels: Arc::clone(&family.labels),
            cells: family.series.iter().map(|(key, cell)| (Arc::clone(key), cell.clone())).collect(),
            reads: family.observers.iter().map(|(_, read)| Arc::clone(read)).collect(),
        }
    }
}

impl Cell {
    fn read(&self) -> Value {
        match self {
            Cell::Counter(counter) => Value::Count(counter.get()),
            Cell::Gauge(gauge) => Value::Number(gauge.get()),
            Cell::Histogram(histogram) => Value::Durations(histogram.snapshot()),
            Cell::Summary(summary) => Value::Summed(summary.read()),
        }
    }
}
