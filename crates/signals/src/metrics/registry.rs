//! Every metric of one process: made once, counted without a search, limited in number.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use seawall_core::Clock;

use super::dropped::{Dropped, widest};
use super::histogram::Layout;
use super::observe::{Observer, Read, Samples};
use super::{Counter, Gauge, Histogram, Summary, names, text};

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How long things took.
    Histogram,
    /// How long they took lately, in quantiles.
    Summary,
}

impl Kind {
    /// Its name in every format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }

    /// Can it be read from state kept elsewhere?
    const fn is_one_number(self) -> bool {
        matches!(self, Self::Counter | Self::Gauge)
    }
}

/// How many series a registry exports before it refuses new ones. A histogram counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one metric. Default 2 000: a hundred upstreams with twenty series each.
    pub per_family: usize,
    /// Altogether. Default 10 000: what a scraper takes without noticing.
    pub total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_family: 2_000, total: 10_000 }
    }
}

/// The metrics of one process, or of one test. Clones share them; there is no global one.
///
/// Making a handle takes a short lock; counting takes none. The same name and labels give the same cell, so a
/// configuration that is loaded again counts on.
///
/// The first use of a name declares it: its help, kind, label names and bounds stay. Label names given later may come
/// in any order. A handle that does not fit its declaration is a bug of ours, loud in tests; elsewhere it works and is not
/// exported, and neither is one beyond the [limits](Limits), which [`dropped`](Registry::dropped) and
/// `seawall_series_dropped_total{metric}` report.
#[derive(Clone, Default)]
pub struct Registry {
    pub(super) inner: Arc<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) limits: Limits,
    state: Mutex<State>,
}

impl Inner {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) families: BTreeMap<String, FamilyState>,
    pub(super) series: usize,
    observers: u64,
}

/// Label values in the order of their family's labels.
pub(super) type Key = Arc<[Box<str>]>;

pub(super) struct FamilyState {
    pub(super) help: Arc<str>,
    pub(super) kind: Kind,
    pub(super) labels: Key,
    pub(super) series: BTreeMap<Key, Cell>,
    pub(super) observers: Vec<(u64, Arc<Read>)>,
    layout: Option<Arc<Layout>>,
    pub(super) refused: Option<Dropped>,
}

#[derive(Clone)]
pub(super) enum Cell {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
    Summary(Summary),
}

impl Registry {
    /// An empty registry with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty registry with other limits.
    pub fn with_limits(limits: Limits) -> Self {
        Self { inner: Arc::new(Inner { limits, ..Inner::default() }) }
    }

    /// The counter with this name, which ends in `_total`, and these labels.
    pub fn counter(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Counter {
        match self.cell(name, help, Kind::Counter, labels, |_| Cell::Counter(Counter::default())) {
            Some(Cell::Counter(counter)) => counter,
            _ => Counter::default(),
        }
    }

    /// The gauge with this name and these labels.
    pub fn gauge(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Gauge {
        match self.cell(name, help, Kind::Gauge, labels, |_| Cell::Gauge(Gauge::default())) {
            Some(Cell::Gauge(gauge)) => gauge,
            _ => Gauge::default(),
        }
    }

    /// The histogram with this name, which ends in `_seconds`, and these labels, exported with these bounds
    /// ([`BUCKETS`](super::BUCKETS) suits calls).
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        buckets: &[Duration],
    ) -> Histogram {
        let make = |family: &mut FamilyState| {
            let layout = family.layout.get_or_insert_with(|| Arc::new(Layout::new(buckets)));
            Cell::Histogram(Histogram::over(Arc::clone(layout)))
        };
        match self.cell(name, help, Kind::Histogram, labels, make) {
            Some(Cell::Histogram(histogram)) => histogram,
            _ => Histogram::new(buckets),
        }
    }

    /// The summary with this name, which ends in `_seconds`, and these labels: quantiles of the last minute by that clock.
    pub fn summary(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        clock: &Arc<dyn Clock>,
    ) -> Summary {
        match self.cell(name, help, Kind::Summary, labels, |_| Cell::Summary(Summary::new(clock))) {
            Some(Cell::Summary(summary)) => summary,
            _ => Summary::new(clock),
        }
    }

    /// Reads a metric from state kept elsewhere, each time somebody asks: `read` yields a value for each set of label
    /// values. It runs on the asking thread with no lock of the registry held, and should be quick.
    ///
    /// Several may feed one name; where they yield the same labels, the first registered wins. The values end when
    /// the [`Observer`] is dropped. A counter's values must never fall; a histogram or a summary cannot be read this way.
    pub fn observe_with(
        &self,
        name: &str,
        help: &str,
        kind: Kind,
        labels: &[&str],
        read: impl Fn(&mut Samples) + Send + Sync + 'static,
    ) -> Observer {
        debug_assert!(kind.is_one_number(), "{name}: a {} is recorded, not observed", kind.as_str());
        let name = text::metric_name(name, kind);
        let mut state = self.inner.lock();
        state.observers += 1;
        let id = state.observers;
        let family = state.declare(&name, help, kind, &mut labels.iter().copied());
        let fits = family.kind == kind && kind.is_one_number() && family.labels.len() == labels.len();
        debug_assert!(fits, "{name} was declared otherwise before");
        if fits {
            family.observers.push((id, Arc::new(read)));
        }
        Observer::new(&self.inner, &name, id)
    }

    /// Exports `seawall_build_info{version} 1`.
    pub fn build_info(&self, version: &str) {
        names::BUILD_INFO.with(self, [version]).set(1.0);
    }

    /// Stops exporting every series with this label value, as when an upstream leaves the configuration, and makes
    /// room for others. Their handles still work and nobody sees them; ask for new ones should it return.
    pub fn forget(&self, label: &str, value: &str) {
        let mut state = self.inner.lock();
        for family in state.families.values_mut() {
            if let Some(place) = family.labels.iter().position(|name| **name == *label) {
                family.series.retain(|values, _| *values[place] != *value);
            }
        }
        state.series = state.families.values().map(|family| family.series.len()).sum();
    }

    /// The metrics that hit a limit, by name, and what made them; empty while all is well.
    pub fn dropped(&self) -> Vec<Dropped> {
        self.inner.lock().families.values().filter_map(|family| family.refused.clone()).collect()
    }

    /// Gets or makes a cell; none when the declaration says otherwise. Beyond the limits it is made and not kept.
    fn cell(
        &self,
        name: &str,
        help: &str,
        kind: Kind,
        labels: &[(&str, &str)],
        make: impl FnOnce(&mut FamilyState) -> Cell,
    ) -> Option<Cell> {
        let name = text::metric_name(name, kind);
        let limits = self.inner.limits;
        let mut state = self.inner.lock();
        let total = state.series;
        let family = state.declare(&name, help, kind, &mut labels.iter().map(|(name, _)| *name));
        debug_assert!(family.kind == kind, "{name} was declared as a {:?} before", family.kind);
        if family.kind != kind {
            return None;
        }
        let key = family.key(labels);
        if let Some(cell) = family.series.get(&key) {
            return Some(cell.clone());
        }
        let cell = make(family);
        if family.series.len() >= limits.per_family || total >= limits.total {
            state.refuse(limits, &name, 1, &key, None);
        } else {
            family.series.insert(key, cell.clone());
            state.series += 1;
        }
        Some(cell)
    }
}

impl State {
    fn declare(
        &mut self,
        name: &str,
        help: &str,
        kind: Kind,
        labels: &mut dyn Iterator<Item = &str>,
    ) -> &mut FamilyState {
        self.families.entry(name.to_owned()).or_insert_with(|| FamilyState {
            help: help.into(),
            kind,
            labels: distinct(labels),
            series: BTreeMap::new(),
            observers: Vec::new(),
            layout: None,
            refused: None,
        })
    }

    /// Counts series that found no room, and the first time finds out why. `own` are the series the family has, where
    /// those are not the ones it keeps.
    pub(super) fn refuse(
        &mut self,
        limits: Limits,
        metric: &str,
        count: u64,
        first: &Key,
        own: Option<&[Key]>,
    ) {
        let Some(family) = self.families.get_mut(metric) else { return };
        if let Some(refused) = &mut family.refused {
            refused.count += count;
            return;
        }
        let kept: Vec<Key> = family.series.keys().cloned().collect();
        let own = own.unwrap_or(&kept);
        let refused = braced(&family.labels, first);
        let mut crowd = (metric.to_owned(), widest(&family.labels, &own.iter().map(|values| &**values)));
        if own.len() < limits.per_family
            && let Some((name, largest)) = self.families.iter().max_by_key(|(_, family)| family.series.len())
            && largest.series.len() > own.len()
        {
            crowd = (name.clone(), widest(&largest.labels, &largest.series.keys().map(|values| &**values)));
        }
        let (crowded_by, (label, distinct)) = crowd;
        let dropped = Dropped { metric: metric.to_owned(), count, crowded_by, label, distinct, refused };
        if let Some(family) = self.families.get_mut(metric) {
            family.refused = Some(dropped);
        }
    }
}

impl FamilyState {
    /// The values in the order of this family's labels; what is not given is empty.
    fn key(&self, given: &[(&str, &str)]) -> Key {
        debug_assert!(
            given.len() == self.labels.len()
                && given.iter().all(|(name, _)| self.labels.iter().any(|label| **label == **name)),
            "the labels of this metric are {:?}, not {given:?}",
            self.labels
        );
        let value_of = |label: &str| {
            let found = given.iter().find(|(name, _)| text::label_name(name) == label);
            found.map_or("", |(_, value)| *value).into()
        };
        self.labels.iter().map(|label| value_of(label)).collect()
    }
}

/// The label names, safe to export, each once: a scraper refuses a whole page over a label that is there twice.
fn distinct(labels: &mut dyn Iterator<Item = &str>) -> Key {
    let mut names: Vec<Box<str>> = Vec::new();
    for label in labels {
        let label = text::label_name(label);
        if names.iter().all(|name| **name != *label) {
            names.push(label.into());
        }
    }
    names.into()
}

/// `{upstream="openai",route="chat"}`, as in the exposition; nothing where there are no labels.
pub(super) fn braced(labels: &[Box<str>], values: &[Box<str>]) -> String {
    let mut out = String::new();
    for (place, (label, value)) in labels.iter().zip(values).enumerate() {
        out.push(if place == 0 { '{' } else { ',' });
        out.push_str(label);
        out.push_str("=\"");
        text::label_value(&mut out, value);
        out.push('"');
    }
    if !out.is_empty() {
        out.push('}');
    }
    out
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.inner.lock();
        f.debug_struct("Registry")
            .field("families", &state.families.len())
            .field("series", &state.series)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
