//! A metric said once: its name, help, labels and kind, as a constant that makes handles.

use std::marker::PhantomData;

use super::closed::{Closed, CounterBy};
use super::histogram::BUCKETS;
use super::observe::{Observer, Samples};
use super::registry::{Kind, Registry};
use super::{Counter, Gauge, Histogram};

/// A metric with `N` labels whose handles are `K`s. Giving it too few values, or counting on a gauge, does not compile.
///
/// ```
/// use seawall_signals::metrics::{Counter, Family, Registry};
///
/// const SEEN: Family<Counter, 1> = Family::counter("gulls_seen_total", "Gulls seen.", ["shore"]);
/// let seen = SEEN.with(&Registry::new(), ["north"]);
/// seen.inc();
/// assert_eq!(seen.get(), 1);
/// ```
#[derive(Debug)]
pub struct Family<K, const N: usize> {
    /// Its name in the exposition; a counter's ends in `_total`.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub help: &'static str,
    /// Label names, in the order in which values are given.
    pub labels: [&'static str; N],
    kind: PhantomData<fn() -> K>,
}

impl<K, const N: usize> Clone for Family<K, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, const N: usize> Copy for Family<K, N> {}

/// A [`Family`] without its types, for lists and documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// Its label names.
    pub labels: &'static [&'static str],
}

impl<K, const N: usize> Family<K, N> {
    const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self { name, help, labels, kind: PhantomData }
    }

    const fn described(&'static self, kind: Kind) -> Described {
        Described { name: self.name, help: self.help, kind, labels: &self.labels }
    }

    fn pairs<'a>(&self, values: [&'a str; N]) -> [(&'a str, &'a str); N] {
        std::array::from_fn(|n| (self.labels[n], values[n]))
    }
}

impl<const N: usize> Family<Counter, N> {
    /// Declares a counter.
    pub const fn counter(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self::new(name, help, labels)
    }

    /// Itself without its types.
    pub const fn describe(&'static self) -> Described {
        self.described(Kind::Counter)
    }

    /// The counter with these label values; see [`Registry::counter`].
    pub fn with(&self, registry: &Registry, values: [&str; N]) -> Counter {
        registry.counter(self.name, self.help, &self.pairs(values))
    }

    /// One counter for each value of a closed set, made when first counted: see [`CounterBy`].
    pub fn by<T: Closed>(
        &self,
        registry: &Registry,
        values: impl Fn(T) -> [String; N] + Send + Sync + 'static,
    ) -> CounterBy<T> {
        let (family, registry) = (*self, registry.clone());
        CounterBy::new(move |value| {
            let values = values(value);
            family.with(&registry, std::array::from_fn(|n| values[n].as_str()))
        })
    }

    /// Reads it from state kept elsewhere; see [`Registry::observe_with`].
    pub fn observe(
        &self,
        registry: &Registry,
        read: impl Fn(&mut Samples) + Send + Sync + 'static,
    ) -> Observer {
        registry.observe_with(self.name, self.help, Kind::Counter, &self.labels, read)
    }
}

impl<const N: usize> Family<Gauge, N> {
    /// Declares a gauge.
    pub const fn gauge(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self::new(name, help, labels)
    }

    /// Itself without its types.
    pub const fn describe(&'static self) -> Described {
        self.described(Kind::Gauge)
    }

    /// The gauge with these label values; see [`Registry::gauge`].
    pub fn with(&self, registry: &Registry, values: [&str; N]) -> Gauge {
        registry.gauge(self.name, self.help, &self.pairs(values))
    }

    /// Reads it from state kept elsewhere; see [`Registry::observe_with`].
    pub fn observe(
        &self,
        registry: &Registry,
        read: impl Fn(&mut Samples) + Send + Sync + 'static,
    ) -> Observer {
        registry.observe_with(self.name, self.help, Kind::Gauge, &self.labels, read)
    }
}

impl<const N: usize> Family<Histogram, N> {
    /// Declares a histogram of durations, exported with [`BUCKETS`].
    pub const fn histogram(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self::new(name, help, labels)
    }

    /// Itself without its types.
    pub const fn describe(&'static self) -> Described {
        self.described(Kind::Histogram)
    }

    /// The histogram with these label values; see [`Registry::histogram`].
    pub fn with(&self, registry: &Registry, values: [&str; N]) -> Histogram {
        registry.histogram(self.name, self.help, &self.pairs(values), BUCKETS)
    }
}
