//! Counts what happens and shows it to whoever scrapes: a registry of a few atomics, bounded without scrapes.
//!
//! A handle is made once, for label values that come from configuration; counting through it takes no lock and
//! looks nothing up. What already lives somewhere as state (a breaker, calls in flight) is not counted a second
//! time: [`Registry::observe_with`] reads it when somebody asks, so that `/metrics` and the dashboard cannot disagree.
//!
//! ```
//! use seawall_signals::metrics::{Format, Registry, names};
//!
//! let registry = Registry::new();
//! let ok = names::CALLS.with(&registry, ["openai", "chat", "ok"]);
//! ok.inc();
//! let text = registry.render(Format::Prometheus);
//! assert!(text.contains(r#"seawall_calls_total{upstream="openai",route="chat",outcome="ok"} 1"#));
//! ```
//!
//! Label values come from configuration, never from traffic. Should that be broken all the same, the registry stops
//! exporting new series at a [hard limit](Limits) and [names the culprit](Registry::dropped).

mod cell;
mod closed;
mod dropped;
mod export;
mod family;
mod gather;
mod histogram;
pub mod names;
mod observe;
mod registry;
mod render;
mod summary;
mod text;

pub use cell::{Counter, Gauge};
pub use closed::{Closed, CounterBy};
pub use dropped::Dropped;
pub use export::quoted;
pub use family::{Described, Family};
pub use gather::{Gathered, Sample, Value};
pub use histogram::{BUCKETS, Histogram, Snapshot};
pub use observe::{Observer, Samples};
pub use registry::{Kind, Limits, Registry};
pub use render::Format;
pub use summary::{QUANTILES, Summary, Summed};
