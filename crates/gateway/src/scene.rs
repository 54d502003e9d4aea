//! From one configuration to the next, while calls go on.
//!
//! A new house is built beside the old one and takes over its policies by their names; nothing of the old one changes
//! before all of the new one is known to be sound. Then every worker is handed its new self. Calls that are under way end
//! in the house they began in.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use arc_swap::ArcSwap;
use seawall::Rejection;
use seawall_core::Code;
use seawall_core::event::{Event, Fact, Sink};
use seawall_signals::alerts::Engine;
use seawall_signals::metrics::{Observer, names as metrics};
use seawall_signals::view::Version;

use crate::body::Sending;
use crate::house::House;
use crate::once;
use crate::plan::Plan;
use crate::proxy::Worker;
use crate::start::{StartError, guarded, names, pools, refuse};
use crate::upstream::Pool;

/// Where a thread finds its worker, whichever configuration is in force.
pub(crate) type Slot = Arc<ArcSwap<Worker>>;

/// What is in force.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) house: ArcSwap<House>,
    /// One for each worker; the last is for questions about doubts.
    pub(crate) slots: Arc<[Slot]>,
    /// Where callers and operators connect.
    pub(crate) bound: [SocketAddr; 2],
    /// What is read when somebody asks for the metrics; held while configurations change.
    pub(crate) observers: Mutex<Vec<Observer>>,
    /// Who is told that something is wrong.
    pub(crate) alerts: Engine,
    /// What was in force before.
    pub(crate) past: ArcSwap<Past>,
}

/// Somebody's wish for another configuration.
#[derive(Debug)]
pub struct Asked {
    /// Which.
    pub wish: Wish,
    /// Who.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// Takes what is in force then, or why the old one stays.
    pub answer: tokio::sync::oneshot::Sender<Result<InForce, Rejection>>,
}

/// Which configuration somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// What its file says now.
    Reload,
    /// What an earlier version said.
    RollBack {
        /// The version's number.
        to: u64,
        /// What it must be, where whoever asks has seen it: SHA-256 in hexadecimal digits.
        sha256: Option<String>,
    },
}

/// A configuration that came into force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InForce {
    /// Its number in this process.
    pub generation: u64,
    /// The version it is kept as, where it is.
    pub version: Option<u64>,
    /// What changed, a line each, without secrets.
    pub changes: Vec<String>,
    /// What somebody must know about it, such as that its file says otherwise.
    pub warning: Option<String>,
}

/// What is known of the configurations that were in force before.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The latest first.
    pub versions: Vec<Version>,
    /// What somebody must know about them, or about the one in force.
    pub warning: Option<String>,
}

/// Asks whoever reads configurations; see [`Asked`].
pub(crate) type Asks = mpsc::Sender<Asked>;

impl Scene {
    /// Puts a plan into force: all of it, or nothing.
    pub(crate) fn go_on(&self, mut plan: Plan) -> Result<u64, StartError> {
        guarded(&plan)?;
        let mut observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.house.load_full();
        for (key, same) in [
            ("listen", plan.listen == old.plan.listen),
            ("admin", plan.admin == old.plan.admin),
            ("state", plan.state == old.plan.state),
        ] {
            if !same {
                let message = format!("{key} cannot change while it runs: restart it for that");
                return Err(refuse(Code::ConfigurationInvalid, message));
            }
        }
        plan.generation = old.plan.generation + 1;
        plan.journal = old.plan.journal.clone();
        plan.fleet = old.plan.fleet.clone();
        let names = names(&self.bound, &plan.hosts);
        let (house, updates) = House::new(plan, names, old.ground.clone(), Some(&old))
            .map_err(|invalid| refuse(Code::ConfigurationInvalid, invalid.to_string()))?;
        let pools: Vec<Vec<Pool<Sending>>> = self
            .slots
            .iter()
            .map(|slot| pools(&house.plan.upstreams, Some(&slot.load())))
            .collect::<Result<_, _>>()?;
        house.look(Some(&old)).map_err(|invalid| refuse(Code::ConfigurationInvalid, invalid.to_string()))?;
        // All of it is sound: from here on nothing fails.
        updates.into_iter().for_each(|update| update());
        let house = Arc::new(house);
        observers.clear();
        *observers = house.observe();
        for (number, (slot, pools)) in self.slots.iter().zip(pools).enumerate() {
            slot.store(Worker::new(&house, number, pools));
        }
        if let Some(asking) = self.slots.last() {
            once::register(&asking.load_full());
        }
        self.alerts.update(house.plan.alerts.rules.clone(), house.plan.alerts.outlets.clone());
        let generation = house.plan.generation;
        self.house.store(house);
        Ok(generation)
    }

    /// Counts a configuration that an earlier one took the place of.
    pub(crate) fn went_back(&self, by: &'static str) {
        metrics::CONFIG_ROLLBACKS.with(&self.house.load().ground.registry, [by]).inc();
    }

    /// Tells that somebody asked for another configuration, and what came of it.
    pub(crate) fn tell(&self, action: &'static str, by: Arc<str>, reason: Arc<str>) {
        let house = self.house.load();
        let fact = Fact::Lever { action, by, reason };
        house.ground.events.offer(Event { at: house.now(), name: "config".into(), fact });
    }
}
