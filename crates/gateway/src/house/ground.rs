//! What outlives a configuration.

use std::collections::hash_map::RandomState;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use seawall::fleet::{Fleet, Source};
use seawall::{Invalid, health, time};
use seawall_core::event::{Channel, Sink};
use seawall_core::random::Random;
use seawall_core::{Clock, Code, Instant};
use seawall_signals::audit::Trail;
use seawall_signals::metrics::{CounterBy, Observer, Registry, names};
use seawall_signals::series::Kept;

use crate::once::Journal;
use crate::recall::Recall;
use crate::story::Ring;
use crate::unusual::Habits;

/// What outlives a configuration. Clones share all of it.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) registry: Registry,
    /// Refusals at the door, before any upstream is known.
    pub(crate) rejections: Arc<CounterBy<Code>>,
    /// Requests without a key that is known, since somebody wrote down how many.
    pub(crate) strangers: Arc<AtomicU64>,
    /// The stories of every worker, and of questions about doubts.
    pub(crate) rings: Arc<[Arc<Ring>]>,
    pub(crate) events: Channel,
    /// Who pulled which lever, and why.
    pub(crate) audit: Arc<Trail>,
    /// The last day of the metrics, and the hours and days before.
    pub(crate) kept: Arc<Mutex<Kept>>,
    /// How they outlive this process.
    pub(crate) recall: Arc<Recall>,
    /// What is looked at, and how it stands.
    pub(crate) health: health::Registry,
    /// What must not happen twice.
    pub(crate) journal: Arc<Journal>,
    /// The other gateways, where there are any to share with.
    pub(crate) fleet: Option<Fleet>,
    /// Requests that read as attacks, since somebody wrote down how many.
    pub(crate) attacks: Arc<AtomicU64>,
    /// What is usual for everybody who calls.
    pub(crate) habits: Arc<Habits>,
    pub(crate) started: Instant,
    pub(crate) started_wall: SystemTime,
    /// Calls in flight at every worker.
    pub(crate) in_flight: Arc<[Arc<AtomicUsize>]>,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) hasher: RandomState,
    pub(crate) clock: Arc<dyn Clock>,
    _observers: Arc<[Observer]>,
}

impl Ground {
    /// For `workers` workers.
    pub(crate) fn new(
        (journal, recall): (&crate::plan::Journal, Recall),
        fleet: Option<Fleet>,
        workers: usize,
        events: Channel,
        audit: Arc<Trail>,
    ) -> Result<Self, Invalid> {
        let clock = time::default_clock();
        let registry = Registry::new();
        let sink: Arc<dyn Sink> = Arc::new(events.clone());
        let told = Some(sink.clone());
        let health =
            health::Registry::with(health::Options::default(), clock.clone(), told, Random::default())?;
        let journal = Arc::new(Journal::open(journal, &clock, &sink)?);
        let mut observers: Vec<Observer> = audit.observe(&registry).into();
        let dropped = events.clone();
        observers.push(
            names::EVENTS_DROPPED.observe(&registry, move |out| out.add(&[], dropped.dropped() as f64)),
        );
        if let Some(fleet) = &fleet {
            observers.extend(observe(fleet, &registry));
        }
        registry.build_info(env!("CARGO_PKG_VERSION"));
        Ok(Self {
            rejections: Arc::new(names::rejections(&registry, "")),
            strangers: Arc::default(),
            attacks: Arc::default(),
            habits: Arc::new(Habits::new(&registry)),
            registry,
            // One more than there are workers: questions about doubts have stories too.
            rings: (0..=workers).map(|_| Arc::default()).collect(),
            events,
            audit,
            kept: recall.kept(),
            recall: Arc::new(recall),
            health,
            journal,
            fleet,
            started: clock.now(),
            started_wall: seawall_core::clock::wall_now(),
            in_flight: (0..=workers).map(|_| Arc::default()).collect(),
            draining: Arc::default(),
            ready: Arc::default(),
            hasher: RandomState::new(),
            clock,
            _observers: observers.into(),
        })
    }
}

/// How many gateways share, and whether they do so now.
fn observe(fleet: &Fleet, registry: &Registry) -> [Observer; 2] {
    let (members, shared) = (fleet.clone(), fleet.clone());
    let is_shared = move || f64::from(u8::from(shared.source() == Source::Shared));
    [
        names::FLEET_MEMBERS.observe(registry, move |out| out.add(&[], f64::from(members.size()))),
        names::FLEET_SHARED.observe(registry, move |out| out.add(&[], is_shared())),
    ]
}
